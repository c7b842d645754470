//! Decides where the items of a batch go: offsets, duplicates, conflicts, and what acts decide.
//!
//! Pure: it is told what the database holds and says what to write, or what it must know before. The same for every SQL
//! backend. Read in this order: the channels of a batch (`named`), its keys (`keys`), what is asked before anything is
//! locked (`first`), the walk over the items (`walk`), one act of it (`decide`), and what can be stored (`storable`).

mod decide;
mod first;
mod keys;
mod named;
mod storable;
mod walk;

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use hubbub_protocol::{Epoch, Message};

pub(crate) use self::first::first_questions;
pub(crate) use self::keys::{Half, HeldKey, ScopedKey, judge, scope, scope_of};
pub(crate) use self::named::Named;
pub(crate) use self::walk::plan;
use crate::batch::Outcome;
use crate::records::Question;
use crate::records::view::{Answers, Changes};
use crate::store::StoreError;

/// How often a batch may ask for more before it is refused. A question may follow from the answer to another one, and from
/// what acts before it have changed; in a batch of its own an act has all of these rounds to itself.
const ROUNDS: u32 = 6;

/// What the database holds of a batch's channels, keys and records.
#[derive(Debug)]
pub(crate) struct Known {
    /// The present epoch.
    pub(crate) epoch: Epoch,
    /// For each channel its newest offset.
    pub(crate) heads: Vec<u64>,
    /// The keys of the batch that were used before.
    pub(crate) keys: HashMap<ScopedKey, HeldKey>,
    /// What acts have asked so far.
    pub(crate) answers: Answers,
}

/// A plan, or what is to be known before there is one.
#[derive(Debug)]
pub(crate) enum Planned<'a> {
    /// Everything is decided.
    Whole(Plan<'a>),
    /// These are to be answered; then everything is to be decided again.
    Asking(Vec<Question>),
}

/// What is to be written, and what is to be answered once it is.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    /// New messages.
    pub(crate) messages: Vec<Placed<'a>>,
    /// New keys.
    pub(crate) keys: Vec<(ScopedKey, HeldKey)>,
    /// For each channel its newest offset after the batch.
    pub(crate) heads: Vec<u64>,
    /// Records to put and to remove.
    pub(crate) records: Changes,
    /// Messages to erase, of this batch or older: index of the channel, offset. After everything else was written.
    pub(crate) erased: Vec<(usize, u64)>,
    /// For each item its answer.
    pub(crate) answers: Vec<Result<Outcome, StoreError>>,
}

/// A message with its place.
#[derive(Debug)]
pub(crate) struct Placed<'a> {
    /// Index of its channel.
    pub(crate) channel: usize,
    /// Its offset.
    pub(crate) offset: u64,
    /// The scope of its key.
    pub(crate) publisher: &'a str,
    /// The message, as subscribers get it.
    pub(crate) message: Message,
}

impl Plan<'_> {
    /// Whether nothing is to be written.
    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.records.is_empty() && self.erased.is_empty()
    }
}

/// Counts how often a batch has asked for more.
#[derive(Debug, Default)]
pub(crate) struct Rounds {
    begun: u32,
}

impl Rounds {
    /// Begins another one, or refuses the batch: it is then tried in halves, and an act that asks without end fails alone.
    pub(crate) fn begin(&mut self) -> Result<(), StoreError> {
        self.begun += 1;
        if self.begun <= ROUNDS {
            return Ok(());
        }
        Err(StoreError::Refused(format!("an act still asked after {ROUNDS} rounds, which is a fault of the hub")))
    }
}
