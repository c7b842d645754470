//! Records in the file.
//!
//! Read in this order: how a record stands in a row (`row`), what a batch writes (`write`), what acts ask (`answer`), what a
//! look asks (`look`, `list`), what search finds (`search`), and what jobs ask (`jobs`).

mod answer;
mod jobs;
mod list;
mod look;
mod row;
mod search;
mod write;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use hubbub_protocol::channel::{ChannelKey, TenantId, UserId};

pub(super) use self::answer::answer;
pub(super) use self::write::write_records;
use super::Sqlite;
use crate::records::{Act, ActFuture, Hit, Look, Looked, RecordKey, Records, Search};
use crate::store::StoreError;

#[async_trait]
impl Records for Sqlite {
    fn act(&self, act: Arc<dyn Act>) -> ActFuture {
        self.batcher.act(act)
    }

    async fn look(&self, tenant: &TenantId, look: Look) -> Result<Looked, StoreError> {
        let mut lent = self.readers.lend().await?;
        let looked = look::look(lent.connection(), tenant, &look, self.present.epoch).await?;
        lent.give_back();
        Ok(looked)
    }

    async fn search(&self, search: Search) -> Result<Vec<Hit>, StoreError> {
        let mut lent = self.readers.lend().await?;
        let hits = search::search(lent.connection(), &search).await?;
        lent.give_back();
        Ok(hits)
    }

    async fn due(&self, now_ms: u64, limit: u32) -> Result<Vec<RecordKey>, StoreError> {
        let mut lent = self.readers.lend().await?;
        let due = jobs::due(lent.connection(), now_ms, limit).await?;
        lent.give_back();
        Ok(due)
    }

    async fn naming(
        &self,
        channel: &ChannelKey,
        user: &UserId,
        after: u64,
        limit: u32,
    ) -> Result<Vec<u64>, StoreError> {
        let (limit, mut next) = (limit as usize, Some(after));
        let mut offsets = Vec::new();
        while let Some(after) = next.filter(|_| offsets.len() < limit) {
            let mut lent = self.readers.lend().await?;
            let (named, came) = jobs::naming(lent.connection(), channel, user, after).await?;
            lent.give_back();
            offsets.extend(named);
            next = came;
        }
        offsets.truncate(limit);
        Ok(offsets)
    }
}
