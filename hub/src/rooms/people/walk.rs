//! The walk through everything that is remembered of a tenant: channel by channel, in each its records kind by kind, then its log. Each
//! step reads a bounded part; where the next one begins is plain data, so that another node can go on. Knows no purpose.

use hubbub_persistence::records::{Kind, List, Look, Record};
use hubbub_persistence::{Entry, ReadFrom};
use hubbub_protocol::channel::{ChannelKey, TenantId};

use super::job::{Place, Within, home_of};
use crate::rooms::error::RoomError;
use crate::rooms::service::Rooms;

/// Records, and messages, of one step.
const RECORDS: u32 = 200;
const MESSAGES: u32 = 500;
/// Bytes of messages of one step.
const BYTES: usize = 4 << 20;
/// Channels that are counted with one question.
const CHANNELS: u32 = 1_000;

/// What a step of the walk came to.
pub(super) enum Came {
    /// Records of a channel.
    Records(ChannelKey, Vec<Record>),
    /// The log of a channel is to be looked at behind an offset. Whoever walks says how far they came.
    Log(ChannelKey, u64),
    /// Nothing follows.
    End,
}

impl Place {
    /// Before everything: jobs and proofs come first.
    pub(super) fn start(tenant: &TenantId) -> Self {
        Self { behind: None, within: Some(Within::new(&home_of(tenant))), ended: false }
    }

    /// The log of the present channel is looked at up to there; `None`: to its end. Answers whether the channel is done.
    pub(super) fn log_read(&mut self, up_to: Option<u64>) {
        match (up_to, &mut self.within) {
            (Some(offset), Some(within)) => within.offset = offset,
            (None, within) => {
                if let Some(done) = within.take() {
                    // Jobs have no place among the channels.
                    self.behind = (done.channel.as_str() != "hub:jobs").then_some(done.channel).or(self.behind.take());
                }
            }
            (Some(_), None) => {}
        }
    }
}

impl Within {
    fn new(channel: &ChannelKey) -> Self {
        Self { channel: channel.channel.clone(), kind: 0, key: String::new(), offset: 0 }
    }
}

impl Rooms {
    /// How many channels a walk comes through.
    pub(super) async fn count_channels(&self, tenant: &TenantId) -> Result<u64, RoomError> {
        let (mut count, mut after) = (1, None::<String>);
        loop {
            let page = self.store.channels(tenant, after.as_deref(), CHANNELS).await?;
            count += page.len() as u64;
            match page.last() {
                Some((last, _)) => after = Some(last.channel.as_str().to_owned()),
                None => return Ok(count),
            }
        }
    }

    /// One step.
    pub(super) async fn walk(&self, tenant: &TenantId, place: &mut Place) -> Result<Came, RoomError> {
        loop {
            if place.ended {
                return Ok(Came::End);
            }
            let Some(within) = &mut place.within else {
                let behind = place.behind.as_ref().map(|channel| channel.as_str().to_owned());
                let next = self.store.channels(tenant, behind.as_deref(), 1).await?;
                place.within = next.first().map(|(channel, _)| Within::new(channel));
                place.ended = place.within.is_none();
                continue;
            };
            let channel = ChannelKey::new(tenant.clone(), within.channel.clone());
            if within.kind >= Kind::ALL.len() {
                return Ok(Came::Log(channel, within.offset));
            }
            let records = self.records_of(&channel, within).await?;
            if !records.is_empty() {
                return Ok(Came::Records(channel, records));
            }
        }
    }

    /// A page of one kind; moves on to the next kind that there is anything of.
    async fn records_of(&self, channel: &ChannelKey, within: &mut Within) -> Result<Vec<Record>, RoomError> {
        let kinds = &Kind::ALL[within.kind..];
        let list = |(number, kind): (usize, &Kind)| List::Keys {
            home: channel.clone(),
            kind: *kind,
            group: None,
            after: if number == 0 { within.key.clone() } else { String::new() },
            limit: if number == 0 { RECORDS } else { 1 },
        };
        let lists = kinds.iter().enumerate().map(list).collect();
        let looked = self.records.look(&channel.tenant, Look { lists, ..Look::default() }).await?;
        let mut lists = looked.lists.into_iter();
        let page = lists.next().unwrap_or_default();
        match page.last() {
            Some(last) if page.len() == RECORDS as usize => within.key.clone_from(&last.key.key),
            _ => {
                let next = lists.position(|list| !list.is_empty());
                within.kind = next.map_or(Kind::ALL.len(), |next| within.kind + 1 + next);
                within.key = String::new();
            }
        }
        Ok(page)
    }

    /// A page of a log, and behind which offset the next one is; `None` at the end.
    pub(super) async fn entries(
        &self,
        channel: &ChannelKey,
        after: u64,
    ) -> Result<(Vec<Entry>, Option<u64>), RoomError> {
        let page = self.store.read(channel, ReadFrom::After(after), MESSAGES, BYTES).await?;
        let next = page.entries.last().map(Entry::offset).filter(|_| page.more);
        Ok((page.entries, next))
    }
}
