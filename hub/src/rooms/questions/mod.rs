//! Questions about rooms: each is answered from one snapshot, for whoever may see it. Nothing here changes anything.
//!
//! Read in this order: what somebody sees of a room (`sight`), lists of rooms and people (`lists`), messages (`posts`) and threads (`threads`),
//! search and inbox (`found`), what moderators see (`order`).

mod sight;

mod lists;

mod posts;
mod threads;

mod found;

mod order;

use std::sync::Arc;

use hubbub_persistence::records::Records;
use hubbub_protocol::Data;
use hubbub_protocol::channel::ChannelKey;
use hubbub_protocol::room::Op;
use serde::Serialize;

use super::actor::Actor;
use super::error::RoomError;

pub(super) use order::author_of;
pub(super) use sight::{newest_of, sees};

/// Asks the records for somebody.
pub(super) struct Asking<'a> {
    pub(super) records: &'a Arc<dyn Records>,
    pub(super) actor: &'a Actor,
    pub(super) now: u64,
}

impl Asking<'_> {
    /// Answers what is about no room and nobody in particular.
    pub(super) async fn answer_at_large(&self, op: &Op) -> Result<Data, RoomError> {
        match op {
            Op::Discover(body) => data(&self.discover(body).await?),
            Op::Audit(body) => data(&self.audit_of_all(body).await?),
            _ => Err(RoomError::Internal),
        }
    }

    /// Answers an operation that is a question; `home` is its room, or the own channel of whoever asks.
    pub(super) async fn answer(&self, op: &Op, home: &ChannelKey) -> Result<Data, RoomError> {
        match op {
            Op::Rooms(body) => data(&self.rooms(body).await?),
            Op::Room(_) => data(&self.room(home).await?),
            Op::Members(body) => data(&self.members(body, home).await?),
            Op::Messages(body) => data(&self.messages(body, home).await?),
            Op::Message(body) => data(&self.message(body.message, home).await?),
            Op::Versions(body) => data(&self.versions(body.message, home).await?),
            Op::Receipts(body) => data(&self.receipts(body.message, home).await?),
            Op::Threads(body) => data(&self.threads(body).await?),
            Op::Scheduled(body) => data(&self.scheduled(body).await?),
            Op::Search(body) => data(&self.search(body).await?),
            Op::Inbox(body) => data(&self.inbox(body, home).await?),
            Op::Reports(body) => data(&self.reports(body, home).await?),
            Op::Audit(body) => data(&self.audit(body, home).await?),
            Op::Filters(_) => data(&self.filters(home).await?),
            _ => Err(RoomError::Internal),
        }
    }
}

/// An answer as data.
pub(super) fn data<T: Serialize>(answer: &T) -> Result<Data, RoomError> {
    let text = serde_json::to_string(answer).map_err(|_| RoomError::Internal)?;
    Data::parse(text).map_err(|_| RoomError::Internal)
}
