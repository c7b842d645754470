//! The checker: holds everything that was acknowledged and received against the logs as they are at the end. Pure and offline; it
//! knows what the contract promises and nothing of how it is kept.

#[cfg(test)]
mod tests;
mod truth;

use hubbub_protocol::outcome::{Attached, Outcome};
use hubbub_protocol::{Epoch, GapReason, MessageId, Position, Range};

use truth::Truth;

/// What a channel remembers over a crash.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Everything. An offset means the same in every epoch.
    Durable,
    /// What somebody outside of the nodes holds. When that loses memory a new epoch begins, which may go on from the old one up
    /// to where that is proven; and a key may be appended again.
    Window,
}

/// A message where somebody saw it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    pub(crate) position: Position,
    pub(crate) id: MessageId,
    pub(crate) key: String,
}

/// A log as it is at the end.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    pub(crate) channel: String,
    pub(crate) kind: Kind,
    /// What is asked about begins behind this offset.
    pub(crate) after: u64,
    /// Everything behind it that is kept, ascending.
    pub(crate) entries: Vec<Entry>,
    pub(crate) head: Position,
}

/// A publish that was acknowledged.
#[derive(Clone, Debug)]
pub(crate) struct Publication {
    pub(crate) channel: String,
    pub(crate) entry: Entry,
}

/// One thing that a reader saw.
#[derive(Clone, Debug)]
pub(crate) enum Seen {
    Attached(Attached),
    Message(Entry),
    Gap { at: Position, lost: Range, reason: GapReason },
}

/// All that one reader saw of one channel, in its order.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    pub(crate) reader: String,
    pub(crate) channel: String,
    /// Where it stood when this reading began.
    pub(crate) since: Option<Position>,
    pub(crate) seen: Vec<Seen>,
}

/// Everything that is known of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    pub(crate) publications: Vec<Publication>,
    pub(crate) readings: Vec<Reading>,
    pub(crate) logs: Vec<Log>,
    /// How often a client found the hub breaking the protocol; clients hide that from their readers.
    pub(crate) faults: u64,
}

impl History {
    fn all_seen(&self) -> impl Iterator<Item = &Seen> {
        self.readings.iter().flat_map(|reading| &reading.seen)
    }

    pub(crate) fn received(&self) -> usize {
        self.all_seen().filter(|seen| matches!(seen, Seen::Message(_))).count()
    }

    /// What readers were told to be lost, by reason.
    pub(crate) fn gaps(&self) -> impl Iterator<Item = GapReason> {
        self.all_seen().filter_map(|seen| match seen {
            Seen::Attached(Attached { outcome: Outcome::Gap { reason, .. }, .. }) | Seen::Gap { reason, .. } => {
                Some(*reason)
            }
            Seen::Attached(_) | Seen::Message(_) => None,
        })
    }
}

/// What the hub promised and did not keep.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Violation {
    #[error("{channel}: {id} was acknowledged at {offset} and is not there")]
    Lost { channel: String, id: MessageId, offset: u64 },
    #[error("{channel}: the log has a hole at {offset}")]
    Hole { channel: String, offset: u64 },
    #[error("{channel}: the key {key} was appended twice in one epoch, at {first} and {second}")]
    Twice { channel: String, key: String, first: u64, second: u64 },
    #[error("{reader} on {channel}: {offset} came behind {behind:?}, nothing was told")]
    OutOfOrder { reader: String, channel: String, offset: u64, behind: Option<Position> },
    #[error("{reader} on {channel}: told to stand at {start}, which is not behind {behind:?}")]
    SilentGap { reader: String, channel: String, start: u64, behind: Option<Position> },
    #[error("{reader} on {channel}: told to have lost {lost:?} because of {reason:?}, and that can not be")]
    NoReason { reader: String, channel: String, offset: u64, lost: Range, reason: GapReason },
    #[error(
        "{channel}: {first} and {second} were both seen at offset {offset} of one epoch, or of two that are said to agree"
    )]
    TwoTruths { channel: String, offset: u64, first: MessageId, second: MessageId },
    #[error("{reader} on {channel}: ended at {at:?}, the head is {head:?}")]
    Tail { reader: String, channel: String, at: Option<Position>, head: Position },
    #[error("the clients found {0} breaches of the protocol")]
    Faults(u64),
}

/// What the checker found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) violations: Vec<Violation>,
    /// Keys that a window appended again after it had lost its memory: allowed, and counted.
    pub(crate) repeats: usize,
}

/// Everything that is wrong with a run.
pub(crate) fn check(history: &History) -> Verdict {
    let mut verdict = Verdict::default();
    let found = &mut verdict.violations;
    for log in &history.logs {
        let mut truth = Truth::new(log, found);
        let of_log = |publication: &&Publication| publication.channel == log.channel;
        for publication in history.publications.iter().filter(of_log) {
            truth.acknowledged(&publication.entry, found);
        }
        for reading in history.readings.iter().filter(|reading| reading.channel == log.channel) {
            Walk { log, reading, truth: &mut truth, found, at: reading.since }.run();
        }
        verdict.repeats += truth.end(found);
    }
    if history.faults > 0 {
        found.push(Violation::Faults(history.faults));
    }
    verdict
}

/// Follows what one reader saw.
struct Walk<'a, 'l> {
    log: &'l Log,
    reading: &'a Reading,
    truth: &'a mut Truth<'l>,
    found: &'a mut Vec<Violation>,
    at: Option<Position>,
}

impl Walk<'_, '_> {
    fn run(&mut self) {
        for seen in &self.reading.seen {
            match seen {
                Seen::Attached(attached) => self.attached(attached),
                Seen::Message(entry) => self.message(entry),
                Seen::Gap { at, lost, reason } => self.gap(*at, *lost, *reason),
            }
        }
        let (at, head) = (self.at, self.log.head);
        // A durable offset is the same place in every epoch.
        let durable = self.log.kind == Kind::Durable && at.is_some_and(|at| at.offset == head.offset);
        if at != Some(head) && !durable {
            let (reader, channel) = self.names();
            self.found.push(Violation::Tail { reader, channel, at, head });
        }
    }

    /// An attach goes on where the reader stood, or says that it does not.
    fn attached(&mut self, attached: &Attached) {
        let Some(epoch) = attached.epoch() else { return self.silent(attached.start()) };
        match (self.at, attached.outcome) {
            (None, Outcome::Fresh { .. }) => {}
            (None, _) | (Some(_), Outcome::Fresh { .. }) => self.silent(attached.start()),
            (Some(at), Outcome::Continued { replay }) => {
                if replay.from != at.offset + 1 {
                    self.silent(attached.start());
                }
                self.truth.agree(at, epoch);
            }
            (Some(_), Outcome::Gap { lost, reason }) => {
                return self.gap(Position::new(epoch, attached.start()), lost, reason);
            }
        }
        self.at = Some(Position::new(epoch, attached.start()));
    }

    /// The next offset, or another epoch that is said to go on with it.
    fn message(&mut self, entry: &Entry) {
        let position = entry.position;
        match self.at {
            Some(at) if position.offset == at.offset + 1 => self.truth.agree(at, position.epoch),
            behind => {
                let (reader, channel) = self.names();
                self.found.push(Violation::OutOfOrder { reader, channel, offset: position.offset, behind });
            }
        }
        self.at = Some(position);
        self.truth.saw(entry, self.found);
    }

    /// The reader now stands at `to`.
    fn gap(&mut self, to: Position, lost: Range, reason: GapReason) {
        let same_epoch = self.at.filter(|at| at.epoch == to.epoch);
        // Within an epoch a gap begins behind the reader and leads on.
        let leads_on = same_epoch.is_none_or(|at| lost.from <= at.offset + 1 && to.offset >= at.offset);
        if self.at.is_none() || !leads_on {
            self.silent(to.offset);
        }
        if !self.is_justified(to, lost, reason) {
            let (reader, channel) = self.names();
            self.found.push(Violation::NoReason { reader, channel, offset: to.offset, lost, reason });
        }
        self.at = Some(to);
    }

    fn is_justified(&self, to: Position, lost: Range, reason: GapReason) -> bool {
        let nothing = lost.to < lost.from;
        match self.log.kind {
            // Nothing of it expires in a test. A new epoch may be told, and costs nothing.
            Kind::Durable => nothing && self.at.is_some_and(|at| at.offset == to.offset),
            Kind::Window => match reason {
                GapReason::Epoch => self.at.is_some_and(|at| at.epoch != to.epoch),
                // The low-water mark only rises.
                GapReason::Expired => {
                    to.epoch != self.log.head.epoch
                        || self.log.entries.first().is_none_or(|first| lost.to < first.position.offset)
                }
                GapReason::Overflow => true,
                GapReason::Lost => false,
            },
        }
    }

    fn silent(&mut self, start: u64) {
        let ((reader, channel), behind) = (self.names(), self.at);
        self.found.push(Violation::SilentGap { reader, channel, start, behind });
    }

    fn names(&self) -> (String, String) {
        (self.reading.reader.clone(), self.reading.channel.clone())
    }
}
