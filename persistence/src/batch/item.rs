//! What waits in the queue: an append or an act, and how each ended.

use std::sync::Arc;

use hubbub_protocol::channel::ChannelKey;
use hubbub_protocol::{Key, MessageId};

use crate::log::{Append, Appended};
use crate::records::{Act, Acted};
use crate::store::StoreError;

/// A change that waits for its commit.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    /// One message into one log.
    Append(Append),
    /// A change of records with its events.
    Act(Arc<dyn Act>),
}

/// How an item ended, when it did not fail.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Outcome {
    /// Of an append.
    Appended(Appended),
    /// Of an act.
    Acted(Acted),
}

impl Item {
    /// Every channel that it may change; the first is its home. An act that names none is refused by the plan.
    pub(crate) fn channels(&self) -> &[ChannelKey] {
        match self {
            Self::Append(append) => std::slice::from_ref(&append.channel),
            Self::Act(act) => act.channels(),
        }
    }

    /// The id of its first message.
    pub(crate) fn id(&self) -> MessageId {
        match self {
            Self::Append(append) => append.id,
            Self::Act(act) => act.id(),
        }
    }

    /// When the hub took it.
    pub(crate) fn time(&self) -> u64 {
        match self {
            Self::Append(append) => append.time,
            Self::Act(act) => act.time(),
        }
    }

    /// The scope of its key.
    pub(crate) fn publisher(&self) -> &str {
        match self {
            Self::Append(append) => &append.publisher,
            Self::Act(act) => act.publisher(),
        }
    }

    /// Its idempotency key.
    pub(crate) fn key(&self) -> Option<&Key> {
        match self {
            Self::Append(append) => append.key.as_ref(),
            Self::Act(act) => act.key(),
        }
    }

    /// About how many bytes it holds while it waits and is committed.
    pub(crate) fn cost(&self) -> usize {
        // Stands for the queue's own slot, ids, times and short names.
        const APPEND: usize = 256;
        // Stands for the act and what it puts into records and logs: nobody knows before it is decided.
        const ACT: usize = 2_048;
        match self {
            Self::Append(append) => {
                let keys = [&append.key, &append.conflate_key].into_iter().flatten();
                let keys: usize = keys.map(|key| key.as_str().len()).sum();
                APPEND + append.data.get().len() + append.publisher.len() + keys
            }
            Self::Act(act) => ACT + act.digest().len(),
        }
    }
}

impl Outcome {
    /// That of an append.
    pub(crate) fn appended(self) -> Result<Appended, StoreError> {
        match self {
            Self::Appended(appended) => Ok(appended),
            Self::Acted(_) => Err(crossed()),
        }
    }

    /// That of an act.
    pub(crate) fn acted(self) -> Result<Acted, StoreError> {
        match self {
            Self::Acted(acted) => Ok(acted),
            Self::Appended(_) => Err(crossed()),
        }
    }
}

/// A backend that answers in another order than it was asked: a fault of ours.
fn crossed() -> StoreError {
    StoreError::Damaged("an answer came to somebody else".into())
}
