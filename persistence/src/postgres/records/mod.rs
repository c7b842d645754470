//! Records in Postgres.
//!
//! Read in this order: how a record stands in a row (`row`), what acts ask (`answer`), what a batch writes (`write`), what a
//! look asks (`look`, `list`), what search finds (`search`), and what jobs ask (`jobs`).

mod answer;
mod jobs;
mod list;
mod look;
mod row;
mod search;
mod write;

use std::sync::Arc;

use async_trait::async_trait;
use hubbub_protocol::channel::{ChannelKey, TenantId, UserId};

pub(super) use self::answer::{ask, take};
pub(super) use self::write::write_records;
use super::Postgres;
use crate::records::{Act, ActFuture, Hit, Look, Looked, RecordKey, Records, Search};
use crate::store::StoreError;

#[async_trait]
impl Records for Postgres {
    fn act(&self, act: Arc<dyn Act>) -> ActFuture {
        self.batcher.act(act)
    }

    async fn look(&self, tenant: &TenantId, look: Look) -> Result<Looked, StoreError> {
        look::look(&self.others, tenant, &look).await
    }

    async fn search(&self, search: Search) -> Result<Vec<Hit>, StoreError> {
        search::search(&self.others, &search).await
    }

    async fn due(&self, now_ms: u64, limit: u32) -> Result<Vec<RecordKey>, StoreError> {
        jobs::due(&self.others, now_ms, limit).await
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
            let (named, came) = jobs::naming(&self.others, channel, user, after).await?;
            offsets.extend(named);
            next = came;
        }
        offsets.truncate(limit);
        Ok(offsets)
    }
}
