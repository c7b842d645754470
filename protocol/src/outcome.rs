//! Outcomes: how a subscribe, a resume or an SSE reconnect ended. Always exactly one of three.

use serde::{Deserialize, Serialize};

use crate::position::{Epoch, Position};

/// Offsets from `from` to `to`, both included. Empty when `to < from`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Range {
    /// The first offset.
    pub from: u64,
    /// The last offset.
    pub to: u64,
}

/// Why messages between two positions will never come.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GapReason {
    /// Retention removed them: they are below the log's low-water mark.
    Expired,
    /// The log began a new epoch and continuity with the old one can not be proven.
    Epoch,
    /// The log should hold them and does not. An alarm was raised.
    Lost,
    /// More arrived at the head than could be held while attaching.
    Overflow,
}

impl GapReason {
    /// The reason as it stands on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Epoch => "epoch",
            Self::Lost => "lost",
            Self::Overflow => "overflow",
        }
    }
}

/// How an attach ended, and where the stream of messages really starts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// No earlier position was given. `replay` holds what `rewind` asked for.
    Fresh {
        /// What comes before the live messages, when something does.
        replay: Option<Range>,
    },
    /// Everything after the given position comes: first `replay`, then live messages.
    Continued {
        /// What was missed; empty when nothing was.
        replay: Range,
    },
    /// The offsets of `lost` are gone. Everything after them comes.
    Gap {
        /// What will never come.
        lost: Range,
        /// Why.
        reason: GapReason,
    },
}

/// An outcome together with the head of the log at that moment; `None` for a channel without a log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Attached {
    /// How it ended.
    pub outcome: Outcome,
    /// The newest message of the log when it ended.
    pub head: Option<Position>,
}

impl Attached {
    /// A channel without a log, or a subscriber that wants only what comes from now on.
    pub fn fresh(head: Option<Position>) -> Self {
        Self { outcome: Outcome::Fresh { replay: None }, head }
    }

    /// The offset after which the subscriber's first message comes.
    pub fn start(&self) -> u64 {
        match self.outcome {
            Outcome::Fresh { replay: Some(range) } | Outcome::Continued { replay: range } => range.from - 1,
            Outcome::Fresh { replay: None } => self.head.map_or(0, |head| head.offset),
            Outcome::Gap { lost, .. } => lost.to,
        }
    }

    /// The epoch that the offsets belong to.
    pub fn epoch(&self) -> Option<Epoch> {
        self.head.map(|head| head.epoch)
    }
}
