//! The checker: holds everything that was acknowledged and received against the logs as they are at the end. Pure and offline; it
//! knows what the contract promises and nothing of how it is kept.

use std::collections::{BTreeMap, HashMap};

use hubbub_protocol::outcome::{Attached, Outcome};
use hubbub_protocol::{MessageId, Position, Range};

/// What a channel remembers over a crash.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Everything.
    Durable,
    /// Nothing: each life of the process is an epoch of its own.
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
    /// Everything that is kept, ascending.
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
    Gap { at: Position, lost: Range },
}

/// All that one reader saw of one channel, in its order.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    pub(crate) reader: String,
    pub(crate) channel: String,
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
    pub(crate) fn acknowledged(&self) -> usize {
        self.publications.len()
    }

    fn all_seen(&self) -> impl Iterator<Item = &Seen> {
        self.readings.iter().flat_map(|reading| &reading.seen)
    }

    pub(crate) fn received(&self) -> usize {
        self.all_seen().filter(|seen| matches!(seen, Seen::Message(_))).count()
    }

    pub(crate) fn gaps(&self) -> usize {
        let told = |seen: &&Seen| match seen {
            Seen::Attached(attached) => matches!(attached.outcome, Outcome::Gap { .. }),
            Seen::Gap { .. } => true,
            Seen::Message(_) => false,
        };
        self.all_seen().filter(told).count()
    }
}

/// What the hub promised and did not keep.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Violation {
    #[error("{channel}: {id} was acknowledged at {offset} and is not there")]
    Lost { channel: String, id: MessageId, offset: u64 },
    #[error("{channel}: the log has a hole at {offset}")]
    Hole { channel: String, offset: u64 },
    #[error("{channel}: the key {key} was appended twice, at {first} and {second}")]
    Twice { channel: String, key: String, first: u64, second: u64 },
    #[error("{reader} on {channel}: {offset} came behind {behind:?}, nothing was told")]
    OutOfOrder { reader: String, channel: String, offset: u64, behind: Option<u64> },
    #[error("{reader} on {channel}: an attach went on at {start} and not behind {behind:?}, nothing was told")]
    SilentGap { reader: String, channel: String, start: u64, behind: Option<u64> },
    #[error("{reader} on {channel}: a durable log was said to have lost {lost:?}")]
    GapOfDurable { reader: String, channel: String, lost: Range },
    #[error("{channel}: {first} and {second} were both seen at offset {offset} of one epoch")]
    TwoTruths { channel: String, offset: u64, first: MessageId, second: MessageId },
    #[error("{reader} on {channel}: ended at {at:?}, the head is {head:?}")]
    Tail { reader: String, channel: String, at: Option<Position>, head: Position },
    #[error("the clients found {0} breaches of the protocol")]
    Faults(u64),
}

/// Everything that is wrong with a run.
pub(crate) fn check(history: &History) -> Vec<Violation> {
    let mut found = Vec::new();
    for log in &history.logs {
        let mut truth = Truth::new(log, &mut found);
        for publication in history.publications.iter().filter(|publication| publication.channel == log.channel) {
            truth.acknowledged(&publication.entry, &mut found);
        }
        for reading in history.readings.iter().filter(|reading| reading.channel == log.channel) {
            read(log, reading, &mut truth, &mut found);
        }
    }
    if history.faults > 0 {
        found.push(Violation::Faults(history.faults));
    }
    found
}

/// What stands where in a channel, by all that is known. A window is known by epoch, a durable log as a whole: its offsets mean the
/// same in every epoch.
struct Truth<'a> {
    log: &'a Log,
    places: HashMap<(u64, u64), MessageId>,
    keys: HashMap<(u64, String), u64>,
}

impl<'a> Truth<'a> {
    fn new(log: &'a Log, found: &mut Vec<Violation>) -> Self {
        let mut truth = Self { log, places: HashMap::new(), keys: HashMap::new() };
        // A window may have let go of its beginning.
        let mut expected = match log.kind {
            Kind::Durable => 1,
            Kind::Window => log.entries.first().map_or(1, |entry| entry.position.offset),
        };
        for entry in &log.entries {
            if entry.position.offset != expected {
                found.push(Violation::Hole { channel: log.channel.clone(), offset: expected });
            }
            expected = entry.position.offset + 1;
            truth.saw(entry, found);
        }
        truth
    }

    fn life(&self, position: Position) -> u64 {
        match self.log.kind {
            Kind::Durable => 0,
            Kind::Window => position.epoch.to_u64(),
        }
    }

    /// Somebody saw this: it must be the same for everybody.
    fn saw(&mut self, entry: &Entry, found: &mut Vec<Violation>) {
        let (life, offset, channel) = (self.life(entry.position), entry.position.offset, &self.log.channel);
        let first = *self.places.entry((life, offset)).or_insert(entry.id);
        if first != entry.id {
            found.push(Violation::TwoTruths { channel: channel.clone(), offset, first, second: entry.id });
        }
        let first = *self.keys.entry((life, entry.key.clone())).or_insert(offset);
        if first != offset {
            let key = entry.key.clone();
            found.push(Violation::Twice { channel: channel.clone(), key, first, second: offset });
        }
    }

    /// An acknowledged message is where its acknowledgement says. A window keeps that promise while its process lives, and as far
    /// back as it reaches.
    fn acknowledged(&mut self, entry: &Entry, found: &mut Vec<Violation>) {
        let offset = entry.position.offset;
        let kept = match self.log.kind {
            Kind::Durable => true,
            Kind::Window => {
                let oldest = self.log.entries.first().map_or(u64::MAX, |entry| entry.position.offset);
                entry.position.epoch == self.log.head.epoch && offset >= oldest
            }
        };
        if kept && !self.places.contains_key(&(self.life(entry.position), offset)) {
            found.push(Violation::Lost { channel: self.log.channel.clone(), id: entry.id, offset });
        }
        self.saw(entry, found);
    }
}

/// Follows what one reader saw.
fn read(log: &Log, reading: &Reading, truth: &mut Truth<'_>, found: &mut Vec<Violation>) {
    let (reader, channel) = (&reading.reader, &reading.channel);
    let mut at: Option<Position> = None;
    for seen in &reading.seen {
        match seen {
            Seen::Attached(attached) => {
                let (start, behind) = (attached.start(), at.map(|at| at.offset));
                if !goes_on(log.kind, at, attached) {
                    let (reader, channel) = (reader.clone(), channel.clone());
                    found.push(Violation::SilentGap { reader, channel, start, behind });
                }
                if let (Kind::Durable, Outcome::Gap { lost, .. }) = (log.kind, attached.outcome) {
                    found.push(Violation::GapOfDurable { reader: reader.clone(), channel: channel.clone(), lost });
                }
                at = attached.epoch().map(|epoch| Position::new(epoch, start));
            }
            Seen::Message(entry) => {
                let next =
                    at.is_some_and(|at| entry.position.offset == at.offset + 1 && entry.position.epoch == at.epoch);
                if !next {
                    let (offset, behind) = (entry.position.offset, at.map(|at| at.offset));
                    found.push(Violation::OutOfOrder {
                        reader: reader.clone(),
                        channel: channel.clone(),
                        offset,
                        behind,
                    });
                }
                at = Some(entry.position);
                truth.saw(entry, found);
            }
            Seen::Gap { at: to, lost } => {
                if log.kind == Kind::Durable {
                    found.push(Violation::GapOfDurable {
                        reader: reader.clone(),
                        channel: channel.clone(),
                        lost: *lost,
                    });
                }
                at = Some(*to);
            }
        }
    }
    if at != Some(log.head) && !is_same_end(log, at) {
        found.push(Violation::Tail { reader: reader.clone(), channel: channel.clone(), at, head: log.head });
    }
}

/// Whether an attach goes on where the reader stood, or says that it does not.
fn goes_on(kind: Kind, at: Option<Position>, attached: &Attached) -> bool {
    match (at, attached.outcome) {
        (None, Outcome::Fresh { .. }) => true,
        (None, _) | (Some(_), Outcome::Fresh { .. }) => false,
        (Some(at), Outcome::Continued { replay }) => {
            // A window can not continue into a life that does not know the old one.
            let provable = kind == Kind::Durable || attached.epoch() == Some(at.epoch);
            replay.from == at.offset + 1 && provable
        }
        (Some(_), Outcome::Gap { .. }) => true,
    }
}

/// A durable offset is the same place in every epoch.
fn is_same_end(log: &Log, at: Option<Position>) -> bool {
    log.kind == Kind::Durable && at.is_some_and(|at| at.offset == log.head.offset)
}

/// How often each kind of violation was found, for the tests of the checker.
#[cfg(test)]
fn kinds(violations: &[Violation]) -> BTreeMap<&'static str, usize> {
    let mut kinds = BTreeMap::new();
    for violation in violations {
        let kind = match violation {
            Violation::Lost { .. } => "lost",
            Violation::Hole { .. } => "hole",
            Violation::Twice { .. } => "twice",
            Violation::OutOfOrder { .. } => "out of order",
            Violation::SilentGap { .. } => "silent gap",
            Violation::GapOfDurable { .. } => "gap of durable",
            Violation::TwoTruths { .. } => "two truths",
            Violation::Tail { .. } => "tail",
            Violation::Faults(_) => "faults",
        };
        *kinds.entry(kind).or_default() += 1;
    }
    kinds
}

#[cfg(test)]
mod tests {
    use hubbub_protocol::{Epoch, GapReason};

    use super::*;

    fn at(epoch: u64, offset: u64) -> Position {
        Position::new(Epoch::from_u64(epoch), offset)
    }

    fn entry(epoch: u64, offset: u64) -> Entry {
        let number = u128::from(epoch) * 1_000 + u128::from(offset);
        Entry { position: at(epoch, offset), id: MessageId::from_parts(1, number), key: format!("k{epoch}.{offset}") }
    }

    fn attached(outcome: Outcome, head: Position) -> Seen {
        Seen::Attached(Attached { outcome, head: Some(head) })
    }

    fn continued(from: u64, head: Position) -> Seen {
        attached(Outcome::Continued { replay: Range { from, to: head.offset } }, head)
    }

    fn messages(epoch: u64, offsets: std::ops::RangeInclusive<u64>) -> impl Iterator<Item = Seen> {
        offsets.map(move |offset| Seen::Message(entry(epoch, offset)))
    }

    /// Five durable messages, in the middle of which the process was killed and the epoch changed from 1 to 2; a window that had
    /// three in epoch 1 and two in epoch 2. One reader of each.
    fn right() -> History {
        let durable: Vec<Entry> = (1..=5).map(|offset| Entry { position: at(2, offset), ..entry(1, offset) }).collect();
        let mut of_durable = vec![attached(Outcome::Fresh { replay: None }, at(1, 0))];
        of_durable.extend(messages(1, 1..=3));
        of_durable.push(continued(4, at(2, 4)));
        of_durable.extend(durable[3..].iter().cloned().map(Seen::Message));
        let mut of_window = vec![attached(Outcome::Fresh { replay: None }, at(1, 0))];
        of_window.extend(messages(1, 1..=3));
        let lost = Range { from: 1, to: 0 };
        of_window.push(attached(Outcome::Gap { lost, reason: GapReason::Epoch }, at(2, 1)));
        of_window.extend(messages(2, 1..=2));
        let published =
            |channel: &str, entry: &Entry| Publication { channel: channel.to_owned(), entry: entry.clone() };
        let window: Vec<Entry> = (1..=2).map(|offset| entry(2, offset)).collect();
        let mut publications: Vec<_> = durable.iter().map(|entry| published("d", entry)).collect();
        publications.extend((1..=3).map(|offset| published("w", &entry(1, offset))));
        publications.extend(window.iter().map(|entry| published("w", entry)));
        let reading = |channel: &str, seen| Reading { reader: "r".into(), channel: channel.into(), seen };
        History {
            publications,
            readings: vec![reading("d", of_durable), reading("w", of_window)],
            logs: vec![
                Log { channel: "d".into(), kind: Kind::Durable, entries: durable, head: at(2, 5) },
                Log { channel: "w".into(), kind: Kind::Window, entries: window, head: at(2, 2) },
            ],
            faults: 0,
        }
    }

    fn expect(what: &str, kind: &'static str, change: impl FnOnce(&mut History)) {
        let mut history = right();
        change(&mut history);
        let found = check(&history);
        assert!(kinds(&found).contains_key(kind), "{what}: {found:?}");
    }

    #[test]
    fn a_right_history_has_no_violation() {
        assert_eq!(check(&right()), []);
    }

    #[test]
    fn what_was_acknowledged_and_is_gone_is_found() {
        expect("the last one", "lost", |history| {
            history.logs[0].entries.pop();
        });
        expect("one in the middle", "hole", |history| {
            history.logs[0].entries.remove(2);
        });
        expect("the first one", "hole", |history| {
            history.logs[0].entries.remove(0);
        });
        expect("the end of a window whose process lives", "lost", |history| {
            history.logs[1].entries.pop();
        });
    }

    #[test]
    fn what_was_appended_twice_is_found() {
        expect("in the log", "twice", |history| {
            history.logs[0].entries[4].key = "k1.1".into();
        });
        expect("seen in a window of the past", "twice", |history| {
            let Seen::Message(entry) = &mut history.readings[1].seen[3] else { panic!("a message") };
            entry.key = "k1.1".into();
        });
    }

    #[test]
    fn what_was_rewritten_is_found() {
        expect("another message at an acknowledged offset", "two truths", |history| {
            history.logs[0].entries[1].id = MessageId::from_parts(9, 9);
        });
        expect("a reader of a lost window saw another than was acknowledged", "two truths", |history| {
            let Seen::Message(entry) = &mut history.readings[1].seen[1] else { panic!("a message") };
            entry.id = MessageId::from_parts(9, 9);
        });
    }

    #[test]
    fn disorder_is_found() {
        for channel in [0, 1] {
            expect("swapped", "out of order", |history| history.readings[channel].seen.swap(1, 2));
            expect("left out", "out of order", |history| {
                history.readings[channel].seen.remove(2);
            });
            expect("repeated", "out of order", |history| {
                let again = history.readings[channel].seen[2].clone();
                history.readings[channel].seen.insert(3, again);
            });
        }
        expect("another epoch without a word", "out of order", |history| {
            history.readings[1].seen.remove(4);
        });
    }

    #[test]
    fn silent_gaps_are_found() {
        expect("continued too far", "silent gap", |history| history.readings[0].seen[4] = continued(5, at(2, 5)));
        expect("continued too early", "silent gap", |history| history.readings[0].seen[4] = continued(3, at(2, 5)));
        expect("fresh again", "silent gap", |history| {
            history.readings[0].seen[4] = attached(Outcome::Fresh { replay: None }, at(2, 3));
        });
        expect("a window that goes on over a crash", "silent gap", |history| {
            history.readings[1].seen[4] = continued(4, at(2, 4));
        });
        expect("a gap of a durable log", "gap of durable", |history| {
            let lost = Range { from: 4, to: 4 };
            history.readings[0].seen[4] = attached(Outcome::Gap { lost, reason: GapReason::Epoch }, at(2, 4));
        });
        expect("the same in the stream", "gap of durable", |history| {
            history.readings[0].seen[5] = Seen::Gap { at: at(2, 4), lost: Range { from: 4, to: 4 } };
        });
    }

    #[test]
    fn missing_tails_are_found() {
        for channel in [0, 1] {
            expect("the last message", "tail", |history| {
                history.readings[channel].seen.pop();
            });
            expect("everything", "tail", |history| history.readings[channel].seen.clear());
        }
        expect("what the clients hid", "faults", |history| history.faults = 1);
    }
}
