//! After a restore from a backup: whoever was erased since may be there again. Everybody who is found is compared with the proofs, by
//! hash, and erased anew.

use std::collections::BTreeSet;

use hubbub_persistence::Entry;
use hubbub_persistence::records::{Kind, List, Look};
use hubbub_protocol::channel::{ChannelKey, UserId};
use serde::{Deserialize, Serialize};

use super::job::{JobRow, Place, Purpose, home_of};
use super::proof::{hash_of, proof_key};
use super::run::Step;
use super::walk::Came;
use crate::rooms::error::RoomError;
use crate::rooms::notice::Replace;
use crate::rooms::rows::{key, plain, read};
use crate::rooms::service::{Origin, Rooms};

/// In which epoch of the store it was looked last.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Looked {
    epoch: String,
}

impl Rooms {
    /// One step of the look for those who are there again.
    pub(super) async fn again_step(&self, home: &ChannelKey, row: &mut JobRow) -> Result<Step, RoomError> {
        if row.pass == 0 {
            (row.pass, row.known, row.place) =
                (1, self.count_channels(&home.tenant).await?, Place::start(&home.tenant));
            return Ok(Step::More);
        }
        let mut people = BTreeSet::new();
        match self.walk(&home.tenant, &mut row.place).await? {
            Came::End => return Ok(Step::Done(None)),
            Came::Records(_, records) => people.extend(records.into_iter().filter_map(|record| record.who)),
            Came::Log(channel, after) => {
                let (entries, next) = self.entries(&channel, after).await?;
                people.extend(entries.into_iter().filter_map(|entry| match entry {
                    Entry::Message(message) => message.from,
                    Entry::Tombstone { .. } => None,
                }));
                let own = self.policy.namespaces().of(&channel.channel).is_some_and(|rules| rules.per_user);
                people.extend(own.then(|| UserId::parse(channel.channel.name()).ok()).flatten());
                row.place.log_read(next);
                row.done += u64::from(next.is_none());
            }
        }
        self.compare(home, people, row).await?;
        Ok(Step::More)
    }

    /// Erases those of these people again of whom there is a proof.
    async fn compare(&self, home: &ChannelKey, people: BTreeSet<UserId>, row: &mut JobRow) -> Result<(), RoomError> {
        let hashed = people.into_iter().map(|user| (hash_of(&home.tenant, &user), user));
        let hashed: Vec<_> = hashed.filter(|(hash, _)| !row.hashes.contains(hash)).collect();
        if hashed.is_empty() {
            return Ok(());
        }
        let keys = hashed.iter().map(|(hash, _)| proof_key(home, hash)).collect();
        let looked = self.records.look(&home.tenant, Look { keys, ..Look::default() }).await?;
        for ((hash, user), _) in hashed.into_iter().zip(looked.keys).filter(|(_, proof)| proof.is_some()) {
            let job = self.begin_job(&home.tenant, Purpose::Erase, Some(user), None, Origin::default()).await?;
            row.found += 1;
            *row.counts.entry("users".to_owned()).or_default() += 1;
            row.hashes.push(hash);
            row.began.push(job);
        }
        Ok(())
    }

    /// Looks where the store is not what it was when it was looked last: it may have been restored.
    pub(in crate::rooms) async fn look_after_restore(&self) -> Result<(), RoomError> {
        for tenant in self.store.tenants().await? {
            let home = home_of(&tenant);
            let list =
                List::Keys { home: home.clone(), kind: Kind::Proof, group: None, after: String::new(), limit: 1 };
            let mark = key(&home, Kind::Job, "epoch");
            let look = Look { heads: vec![home.clone()], keys: vec![mark.clone()], lists: vec![list] };
            let looked = self.records.look(&tenant, look).await?;
            let was: Option<Looked> = looked.keys.first().and_then(Option::as_ref).map(read).transpose()?;
            let epoch = looked.heads.first().ok_or(RoomError::Internal)?.position.epoch.to_string();
            let proven = looked.lists.first().is_some_and(|proofs| !proofs.is_empty());
            if !proven || was.as_ref().is_some_and(|was| was.epoch == epoch) {
                continue;
            }
            let job = self.begin_job(&tenant, Purpose::Again, None, None, Origin::default()).await?;
            tracing::info!(%tenant, %job, "the store may have been restored: looking for people who were erased");
            let record = plain(mark.clone(), "", 0, None, &Looked { epoch });
            let mark = Replace::new(mark, Some(record), self.clock.now_ms(), self.id());
            self.records.act(std::sync::Arc::new(mark)).await?;
        }
        Ok(())
    }
}
