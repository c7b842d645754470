//! The rooms of a simulated node: there are none. What is simulated is how messages travel, and rooms ride on that.

use std::sync::Arc;

use async_trait::async_trait;
use hubbub_persistence::StoreError;
use hubbub_persistence::records::{Act, ActFuture, Hit, Look, Looked, RecordKey, Records, Search};
use hubbub_protocol::channel::{ChannelKey, TenantId, UserId};

/// Records that remember nothing.
pub(crate) struct NoRecords;

fn none() -> StoreError {
    StoreError::Refused("the simulation has no rooms".into())
}

#[async_trait]
impl Records for NoRecords {
    fn act(&self, _: Arc<dyn Act>) -> ActFuture {
        Box::pin(std::future::ready(Err(none())))
    }

    async fn look(&self, _: &TenantId, _: Look) -> Result<Looked, StoreError> {
        Err(none())
    }

    async fn search(&self, _: Search) -> Result<Vec<Hit>, StoreError> {
        Err(none())
    }

    async fn due(&self, _: u64, _: u32) -> Result<Vec<RecordKey>, StoreError> {
        Ok(Vec::new())
    }

    async fn naming(&self, _: &ChannelKey, _: &UserId, _: u64, _: u32) -> Result<Vec<u64>, StoreError> {
        Ok(Vec::new())
    }
}
