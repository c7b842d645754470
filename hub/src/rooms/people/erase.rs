//! Erasure: takes a user out of sessions, windows, records, logs, hot rings and channels of their own, pass by pass until one finds
//! nothing any more. Every step may be done twice.

use std::sync::Arc;

use hubbub_persistence::records::{Acted, Kind, List, Look, Record};
use hubbub_persistence::{Entry, ReadFrom};
use hubbub_protocol::channel::{ChannelKey, ChannelName};
use hubbub_protocol::{ErrorCode, Message};

use super::job::{JobRow, Place, job_key};
use super::name::Name;
use super::proof::{Proof, hash_of};
use super::run::Step;
use super::scrub::{Counts, Scrub, concerns};
use super::walk::Came;
use crate::rooms::error::{RoomError, refusal};
use crate::rooms::service::Rooms;

/// Records that one act takes a user out of: bounds how long their room waits.
const AT_ONCE: usize = 50;
/// Messages of a log that one step erases.
const ERASED: u32 = 100;
/// Passes after which it is given up: somebody goes on to write about the user.
const PASSES: u32 = 8;

impl Rooms {
    /// One step of an erasure.
    pub(super) async fn erase_step(&self, home: &ChannelKey, row: &mut JobRow) -> Result<Step, RoomError> {
        let user = row.user.clone().ok_or(RoomError::Internal)?;
        let name = Name::new(user);
        if row.pass == 0 {
            self.control.disconnect(home.tenant.clone(), name.user().clone(), false).await;
            self.begin_pass(home, row).await?;
            self.erase_windows(home, &name, row).await?;
            return Ok(Step::More);
        }
        match self.walk(&home.tenant, &mut row.place).await? {
            Came::Records(channel, mut records) => {
                // This job is about the user until its end.
                let own = job_key(home, row.id);
                records.retain(|record| record.key != own);
                self.scrub(&channel, &name, records, row).await?;
            }
            Came::Log(channel, after) => {
                let next = self.erase_log(&channel, &name, after, row).await?;
                row.place.log_read(next);
                row.done += u64::from(next.is_none());
            }
            Came::End => {
                self.scrub_rest(home, &name, row).await?;
                self.erase_windows(home, &name, row).await?;
                return self.end_of_pass(home, &name, row).await;
            }
        }
        Ok(Step::More)
    }

    async fn begin_pass(&self, home: &ChannelKey, row: &mut JobRow) -> Result<(), RoomError> {
        (row.pass, row.found, row.done) = (row.pass + 1, 0, 0);
        (row.known, row.place) = (self.count_channels(&home.tenant).await?, Place::start(&home.tenant));
        Ok(())
    }

    async fn end_of_pass(&self, home: &ChannelKey, name: &Name, row: &mut JobRow) -> Result<Step, RoomError> {
        let now = self.clock.now_ms();
        // Whoever was disconnected is absent after the grace of presence, not before.
        if row.found == 0 && now >= row.created + self.absent_ms {
            let (hash, counts) = (hash_of(&home.tenant, name.user()), row.counts.clone());
            let hub = env!("CARGO_PKG_VERSION").to_owned();
            return Ok(Step::Done(Some(Proof { hash, began: row.created, ended: now, counts, hub })));
        }
        if row.found == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(row.created + self.absent_ms - now)).await;
        }
        if row.pass >= PASSES {
            let message = "somebody goes on to write about the user; see that nobody does, then ask again";
            return Err(refusal(ErrorCode::LimitReached, message).into());
        }
        self.begin_pass(home, row).await?;
        Ok(Step::More)
    }

    /// Records of one home.
    async fn scrub(
        &self,
        home: &ChannelKey,
        name: &Name,
        records: Vec<Record>,
        row: &mut JobRow,
    ) -> Result<(), RoomError> {
        let keys: Vec<_> =
            records.into_iter().filter(|record| concerns(name, record)).map(|record| record.key).collect();
        for keys in keys.chunks(AT_ONCE) {
            let scrub = Scrub::new(home.clone(), name.clone(), keys.to_vec(), self.clock.now_ms(), self.id());
            let acted = self.records.act(Arc::new(scrub)).await?;
            if let Acted::Done { answer: Some(answer), .. } = &acted {
                let counts: Counts = serde_json::from_str(answer.get()).map_err(|_| RoomError::Internal)?;
                for (what, count) in counts {
                    row.found += count;
                    *row.counts.entry(what).or_default() += count;
                }
            }
            self.told(home, acted, true).await?;
        }
        Ok(())
    }

    /// Records about the user in homes that are no channels any more.
    async fn scrub_rest(&self, home: &ChannelKey, name: &Name, row: &mut JobRow) -> Result<(), RoomError> {
        let own = job_key(home, row.id);
        let mut after = None;
        loop {
            let who = name.user().clone();
            let list = List::User { who, kind: None, homes: Vec::new(), after, limit: AT_ONCE as u32 };
            let looked = self.records.look(&home.tenant, Look { lists: vec![list], ..Look::default() }).await?;
            let page = looked.lists.into_iter().next().unwrap_or_default();
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.key.clone());
            for record in page.into_iter().filter(|record| record.key != own && record.key.kind != Kind::Proof) {
                let home = record.key.home.clone();
                self.scrub(&home, name, vec![record], row).await?;
            }
        }
    }

    /// What a log says about the user, a bounded part of it. Answers behind which offset to go on; `None` at the end.
    async fn erase_log(
        &self,
        channel: &ChannelKey,
        name: &Name,
        after: u64,
        row: &mut JobRow,
    ) -> Result<Option<u64>, RoomError> {
        if owns(name, &self.policy, &channel.channel) {
            while !self.store.forget_channel(channel).await? {}
            self.control.erased(channel.clone()).await;
            count(row, "channels", 1);
            return Ok(None);
        }
        let offsets = self.records.naming(channel, name.user(), after, ERASED).await?;
        let mut erased = 0;
        for offset in &offsets {
            if self.is_meant(channel, name, *offset).await? && self.store.erase(channel, *offset).await? {
                erased += 1;
            }
        }
        if erased > 0 {
            self.control.erased(channel.clone()).await;
            count(row, "log_messages", erased);
        }
        Ok(offsets.last().copied().filter(|_| offsets.len() == ERASED as usize))
    }

    /// Whether the message at an offset names the user, and not by chance.
    async fn is_meant(&self, channel: &ChannelKey, name: &Name, offset: u64) -> Result<bool, RoomError> {
        if name.is_long() {
            return Ok(true);
        }
        let page = self.store.read(channel, ReadFrom::After(offset - 1), 1, usize::MAX).await?;
        Ok(page.entries.iter().any(|entry| match entry {
            Entry::Message(message) => entry.offset() == offset && says(name, message),
            Entry::Tombstone { .. } => false,
        }))
    }

    /// Windows, of all nodes.
    async fn erase_windows(&self, home: &ChannelKey, name: &Name, row: &mut JobRow) -> Result<(), RoomError> {
        let (of, policy) = (name.clone(), self.policy.clone());
        let condemned = move |channel: &ChannelName, message: Option<&Message>| match message {
            Some(message) => says(&of, message),
            None => owns(&of, &policy, channel),
        };
        let forgotten = self.sift(&home.tenant, Arc::new(condemned)).await?;
        count(row, "windows", forgotten.len() as u64);
        for channel in forgotten {
            self.control.erased(channel).await;
        }
        Ok(())
    }
}

/// Whether a message is by the user or names them.
fn says(name: &Name, message: &Message) -> bool {
    let keys = [&message.key, &message.conflate_key];
    name.is(message.from.as_ref())
        || keys.into_iter().flatten().any(|key| name.in_name(key.as_str()))
        || name.in_json(message.data.get())
}

/// Whether a channel is the user's own.
pub(super) fn owns(name: &Name, policy: &crate::auth::policy::Policy, channel: &ChannelName) -> bool {
    let namespaces = policy.namespaces();
    let (own, room) = namespaces.of(channel).map_or((false, false), |rules| (rules.per_user, rules.rooms));
    // A room is named by whoever made it, and others are in it.
    !room && (own && channel.name() == name.user().as_str() || name.is_long() && name.in_text(channel.as_str()))
}

fn count(row: &mut JobRow, what: &str, number: u64) {
    if number > 0 {
        row.found += number;
        *row.counts.entry(what.to_owned()).or_default() += number;
    }
}
