//! A store in memory that is slow, and away at times. It remembers everything, also what a crashed node appended.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use hubbub_persistence::{
    Append, AppendFuture, Appended, Continuity, Entry, Head, Page, ReadFrom, Retention, Revocation, Store, StoreError,
};
use hubbub_protocol::channel::{ChannelKey, TenantId};
use hubbub_protocol::{Epoch, GapReason, Message, MessageId, Position};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::sleep;

const FIRST_EPOCH: u64 = 4_242;

#[derive(Default)]
struct Log {
    low: u64,
    entries: Vec<Message>,
    keys: HashMap<(String, String), u64>,
}

struct Inner {
    logs: BTreeMap<ChannelKey, Log>,
    /// The epoch that counts, and where each log stood when an older one ended.
    epoch: u64,
    ended: HashMap<u64, BTreeMap<ChannelKey, u64>>,
    dice: StdRng,
    away: bool,
}

/// The store that all nodes share.
#[derive(Clone)]
pub(crate) struct SimStore(Arc<Mutex<Inner>>);

impl SimStore {
    pub(crate) fn new(seed: u64) -> Self {
        let (logs, ended, dice) = (BTreeMap::new(), HashMap::new(), StdRng::seed_from_u64(seed));
        Self(Arc::new(Mutex::new(Inner { logs, epoch: FIRST_EPOCH, ended, dice, away: false })))
    }

    pub(crate) fn set_away(&self, away: bool) {
        self.with(|inner| inner.away = away);
    }

    /// The database was started again: a new epoch begins, which continues everything.
    pub(crate) fn restart(&self) {
        self.with(|inner| {
            let ends = inner.logs.iter().map(|(channel, log)| (channel.clone(), log.entries.len() as u64)).collect();
            inner.ended.insert(inner.epoch, ends);
            inner.epoch += 1;
        });
    }

    /// Every message of a log, for the checker.
    pub(crate) fn messages(&self, channel: &ChannelKey) -> Vec<Message> {
        self.with(|inner| inner.logs.get(channel).map(|log| log.entries.clone()).unwrap_or_default())
    }

    /// The ends of a log.
    pub(crate) fn head(&self, channel: &ChannelKey) -> Head {
        self.with(|inner| inner.head(channel))
    }

    /// Everything up to the offset has expired.
    pub(crate) fn expire_up_to(&self, channel: &ChannelKey, offset: u64) {
        self.with(|inner| {
            let log = inner.logs.entry(channel.clone()).or_default();
            log.low = log.low.max(offset.min(log.entries.len() as u64));
        });
    }

    fn with<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes a while, and fails when the store is away.
    async fn answer(&self) -> Result<(), StoreError> {
        let (wait, away) = self.with(|inner| (inner.dice.random_range(0..12), inner.away));
        sleep(Duration::from_millis(wait)).await;
        if away { Err(StoreError::Unavailable("simulated".into())) } else { Ok(()) }
    }
}

impl Inner {
    fn head(&self, channel: &ChannelKey) -> Head {
        let (offset, low) = self.logs.get(channel).map_or((0, 0), |log| (log.entries.len() as u64, log.low));
        Head { position: Position::new(Epoch::from_u64(self.epoch), offset), low }
    }

    fn append(&mut self, append: Append) -> Appended {
        let epoch = Epoch::from_u64(self.epoch);
        let log = self.logs.entry(append.channel.clone()).or_default();
        let key = append.key.as_ref().map(|key| (append.publisher.clone(), key.as_str().to_owned()));
        if let Some(offset) = key.as_ref().and_then(|key| log.keys.get(key)) {
            let first = &log.entries[*offset as usize - 1];
            let position = Position::new(epoch, *offset);
            return if first.data == append.data {
                Appended::At { id: first.id, position, time: first.time, duplicate: true }
            } else {
                Appended::KeyConflict
            };
        }
        let position = Position::new(epoch, log.entries.len() as u64 + 1);
        if let Some(key) = key {
            log.keys.insert(key, position.offset);
        }
        let Append { channel, id, time, key, conflate_key, from, data, .. } = append;
        log.entries.push(Message {
            channel: channel.channel,
            id,
            position: Some(position),
            time,
            from,
            key,
            conflate_key,
            data,
        });
        Appended::At { id, position, time, duplicate: false }
    }
}

#[async_trait]
impl Store for SimStore {
    fn append(&self, append: Append) -> AppendFuture {
        // The commit happens now; only the answer takes its time, and is lost with the node that waits for it.
        let away = self.with(|inner| inner.away);
        let appended = if away {
            Err(StoreError::Unavailable("simulated".into()))
        } else {
            Ok(self.with(|inner| inner.append(append)))
        };
        let wait = self.with(|inner| inner.dice.random_range(0..15));
        Box::pin(async move {
            sleep(Duration::from_millis(wait)).await;
            appended
        })
    }

    async fn read(&self, channel: &ChannelKey, from: ReadFrom, limit: u32, _: usize) -> Result<Page, StoreError> {
        self.answer().await?;
        let page = self.with(|inner| {
            let head = inner.head(channel);
            let entries = inner.logs.get(channel).map(|log| log.entries.as_slice()).unwrap_or_default();
            let (low, len) = (head.low as usize, entries.len());
            let (part, more): (Vec<_>, bool) = match from {
                ReadFrom::After(after) => {
                    let start = (after as usize).max(low).min(len);
                    let end = (start + limit as usize).min(len);
                    (entries[start..end].to_vec(), end < len)
                }
                ReadFrom::Before(before) => {
                    let end = (before.saturating_sub(1).min(len as u64) as usize).max(low);
                    let start = end.saturating_sub(limit as usize).max(low);
                    (entries[start..end].iter().rev().cloned().collect(), start > low)
                }
            };
            // Offsets mean the same in every epoch; what is read has the one that counts now.
            let placed = |mut message: Message| {
                message.position = message.position.map(|at| Position::new(head.position.epoch, at.offset));
                Entry::Message(message)
            };
            Page { head, entries: part.into_iter().map(placed).collect(), more }
        });
        // What is read grows old on its way back.
        self.answer().await.map(|()| page)
    }

    async fn heads(&self, channels: &[ChannelKey]) -> Result<Vec<Head>, StoreError> {
        self.answer().await?;
        let heads = self.with(|inner| channels.iter().map(|channel| inner.head(channel)).collect());
        self.answer().await.map(|()| heads)
    }

    async fn continuity(&self, channel: &ChannelKey, position: Position) -> Result<Continuity, StoreError> {
        self.answer().await?;
        let (head, ended) = self.with(|inner| {
            let ended = inner.ended.get(&position.epoch.to_u64());
            (inner.head(channel), ended.map(|ends| ends.get(channel).copied().unwrap_or(0)))
        });
        let certain = if position.epoch == head.position.epoch { Some(head.position.offset) } else { ended };
        Ok(match certain {
            Some(certain) if position.offset <= certain => Continuity::Proven { offset: position.offset },
            certain => Continuity::Broken { since: certain.unwrap_or(0), reason: GapReason::Epoch },
        })
    }

    async fn find(&self, channel: &ChannelKey, id: MessageId) -> Result<Option<Position>, StoreError> {
        let messages = self.messages(channel);
        Ok(messages.iter().find(|message| message.id == id).and_then(|message| message.position))
    }

    async fn erase(&self, _: &ChannelKey, _: u64) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn expire(&self, _: &ChannelKey, _: Retention, _: u64) -> Result<u64, StoreError> {
        Ok(0)
    }

    async fn forget_channel(&self, _: &ChannelKey) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn channels(&self, _: &TenantId, _: Option<&str>, _: u32) -> Result<Vec<(ChannelKey, Head)>, StoreError> {
        Ok(Vec::new())
    }

    async fn tenants(&self) -> Result<Vec<TenantId>, StoreError> {
        Ok(Vec::new())
    }

    async fn revoke(&self, _: Revocation) -> Result<(), StoreError> {
        Ok(())
    }

    async fn revocations(&self, _: u64) -> Result<Vec<Revocation>, StoreError> {
        Ok(Vec::new())
    }

    async fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn close(&self) {}
}
