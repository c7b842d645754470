//! What a subscription sees.

use hubbub_protocol::frame::{PresenceChange, PresenceCount};
use hubbub_protocol::outcome::Attached;
use hubbub_protocol::{Epoch, GapReason, Message, Range, SessionId};

use crate::error::ClientError;

/// One thing that happened to a subscription, in the order in which it happened.
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    /// The subscription was attached, for the first time or again after a reconnect. A `gap` in it means that
    /// messages are missing before the next one.
    Outcome(Attached),
    /// A message.
    Message(Message),
    /// These offsets will never come.
    Gap {
        /// The epoch from here on.
        epoch: Epoch,
        /// Which ones.
        lost: Range,
        /// Why.
        reason: GapReason,
    },
    /// Conflation left out so many messages before the next one.
    Skipped {
        /// How many.
        count: u64,
    },
    /// Somebody joined or left.
    Presence(PresenceChange),
    /// So many are there now. Where a list was kept it is out of date: ask for it again.
    PresenceCount(PresenceCount),
    /// The last event: the subscription is over.
    Ended(ClientError),
}

/// What the connection is doing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum State {
    /// Waiting for the next attempt, or in the middle of one.
    Connecting {
        /// Why the last attempt or connection ended; empty before the first.
        why: String,
    },
    /// A session is open.
    Connected {
        /// Its id.
        session: SessionId,
        /// Which node holds it.
        node: String,
    },
    /// Over for good.
    Ended(ClientError),
}
