//! Tests of the checker: histories that are right, and everything that can be wrong with them.

use std::collections::BTreeMap;

use super::*;

/// How often each kind of violation was found.
fn kinds(violations: &[Violation]) -> BTreeMap<&'static str, usize> {
    let mut kinds = BTreeMap::new();
    for violation in violations {
        let kind = match violation {
            Violation::Lost { .. } => "lost",
            Violation::Hole { .. } => "hole",
            Violation::Twice { .. } => "twice",
            Violation::OutOfOrder { .. } => "out of order",
            Violation::SilentGap { .. } => "silent gap",
            Violation::NoReason { .. } => "no reason",
            Violation::TwoTruths { .. } => "two truths",
            Violation::Tail { .. } => "tail",
            Violation::Faults(_) => "faults",
        };
        *kinds.entry(kind).or_default() += 1;
    }
    kinds
}

fn at(epoch: u64, offset: u64) -> Position {
    Position::new(Epoch::from_u64(epoch), offset)
}

fn entry(epoch: u64, offset: u64) -> Entry {
    let number = u128::from(epoch) * 1_000 + u128::from(offset);
    Entry { position: at(epoch, offset), id: MessageId::from_parts(1, number), key: format!("k{epoch}.{offset}") }
}

/// A message of an old epoch as a new one shows it.
fn kept(epoch: u64, old: Entry) -> Entry {
    Entry { position: at(epoch, old.position.offset), ..old }
}

fn attached(outcome: Outcome, head: Position) -> Seen {
    Seen::Attached(Attached { outcome, head: Some(head) })
}

fn fresh(head: Position) -> Seen {
    attached(Outcome::Fresh { replay: None }, head)
}

fn continued(from: u64, head: Position) -> Seen {
    attached(Outcome::Continued { replay: Range { from, to: head.offset } }, head)
}

fn gap(epoch: u64, from: u64, to: u64, reason: GapReason) -> Seen {
    Seen::Gap { at: at(epoch, to), lost: Range { from, to }, reason }
}

fn messages(epoch: u64, offsets: std::ops::RangeInclusive<u64>) -> impl Iterator<Item = Seen> {
    offsets.map(move |offset| Seen::Message(entry(epoch, offset)))
}

fn published(channel: &str, entries: &[Entry]) -> impl Iterator<Item = Publication> {
    entries.iter().map(move |entry| Publication { channel: channel.into(), entry: entry.clone() })
}

fn reading(channel: &str, seen: Vec<Seen>) -> Reading {
    Reading { reader: "r".into(), channel: channel.into(), since: None, seen }
}

/// Five durable messages, in the middle of which the epoch changed from 1 to 2; a window `w` that had three in epoch 1 and, after
/// losing them, two in epoch 2; and a window `k` that kept the first two of its three over the change to epoch 2 and has the key
/// of the third again. One reader of each.
fn right() -> History {
    let durable: Vec<Entry> = (1..=5).map(|offset| kept(2, entry(1, offset))).collect();
    let mut of_durable = vec![fresh(at(1, 0))];
    of_durable.extend(messages(1, 1..=3));
    of_durable.push(continued(4, at(2, 4)));
    of_durable.extend(durable[3..].iter().cloned().map(Seen::Message));

    let old: Vec<Entry> = (1..=3).map(|offset| entry(1, offset)).collect();
    let lost: Vec<Entry> = (1..=2).map(|offset| entry(2, offset)).collect();
    let mut of_lost = vec![fresh(at(1, 0))];
    of_lost.extend(messages(1, 1..=3));
    let nothing = Range { from: 1, to: 0 };
    of_lost.push(attached(Outcome::Gap { lost: nothing, reason: GapReason::Epoch }, at(2, 1)));
    of_lost.extend(messages(2, 1..=2));

    let again = Entry { key: "k1.3".into(), ..entry(2, 3) };
    let kept = vec![kept(2, entry(1, 1)), kept(2, entry(1, 2)), again.clone()];
    let mut of_kept = vec![fresh(at(1, 0))];
    of_kept.extend(messages(1, 1..=2));
    of_kept.extend([continued(3, at(2, 2)), Seen::Message(again.clone())]);

    let mut publications: Vec<_> = published("d", &durable).chain(published("w", &old)).collect();
    publications.extend(published("w", &lost).chain(published("k", &old)).chain(published("k", &[again])));
    let log = |channel: &str, kind, entries, head| Log { channel: channel.into(), kind, after: 0, entries, head };
    History {
        publications,
        readings: vec![reading("d", of_durable), reading("w", of_lost), reading("k", of_kept)],
        logs: vec![
            log("d", Kind::Durable, durable, at(2, 5)),
            log("w", Kind::Window, lost, at(2, 2)),
            log("k", Kind::Window, kept, at(2, 3)),
        ],
        faults: 0,
    }
}

#[track_caller]
fn expect(what: &str, kind: &'static str, change: impl FnOnce(&mut History)) {
    let mut history = right();
    change(&mut history);
    let found = check(&history).violations;
    assert!(kinds(&found).contains_key(kind), "{what}: {found:?}");
}

/// The entry of a message in a reading.
fn seen_entry(history: &mut History, reading: usize, place: usize) -> &mut Entry {
    let Seen::Message(entry) = &mut history.readings[reading].seen[place] else { panic!("a message") };
    entry
}

#[test]
fn a_right_history_has_no_violation() {
    assert_eq!(check(&right()), Verdict { violations: Vec::new(), repeats: 1 });
}

#[test]
fn a_reading_may_begin_where_another_ended() {
    let mut history = right();
    let later: Vec<Seen> = history.readings[0].seen.drain(4..).collect();
    history.readings[0] = Reading { since: Some(at(1, 3)), ..reading("d", later) };
    history.logs[0].after = 3;
    history.logs[0].entries.drain(..3);
    assert_eq!(check(&history).violations, []);
    history.readings[0].since = Some(at(1, 2));
    assert!(kinds(&check(&history).violations).contains_key("silent gap"));
}

#[test]
fn an_epoch_may_change_in_the_stream_without_a_loss() {
    let mut history = right();
    history.readings[0].seen[4] = gap(2, 4, 3, GapReason::Epoch);
    history.readings[2].seen.remove(3);
    assert_eq!(check(&history).violations, []);
}

#[test]
fn what_was_acknowledged_and_is_gone_is_found() {
    expect("the last one", "lost", |history| drop(history.logs[0].entries.pop()));
    expect("one in the middle", "hole", |history| drop(history.logs[0].entries.remove(2)));
    expect("the first one", "hole", |history| drop(history.logs[0].entries.remove(0)));
    expect("the end of a window", "lost", |history| drop(history.logs[1].entries.pop()));
    expect("the end of a window", "hole", |history| drop(history.logs[1].entries.pop()));
    expect("the head is above what is there", "hole", |history| history.logs[1].head.offset = 3);
    expect("what a window is said to have kept", "lost", |history| {
        history.logs[2].entries[1] = Entry { position: at(2, 2), ..entry(3, 3) };
        history.readings[2].seen.truncate(2);
        history.readings[2].seen.push(continued(2, at(2, 2)));
        history.readings.push(Reading { since: Some(at(1, 2)), ..reading("k", vec![continued(3, at(2, 2))]) });
    });
}

#[test]
fn what_was_appended_twice_is_found() {
    expect("in the log", "twice", |history| history.logs[0].entries[4].key = "k1.1".into());
    expect("seen in a window of the past", "twice", |history| seen_entry(history, 1, 3).key = "k1.1".into());
    expect("in an epoch that had it", "twice", |history| history.logs[2].entries[2].key = "k1.2".into());
}

#[test]
fn what_was_rewritten_is_found() {
    let other = MessageId::from_parts(9, 9);
    expect("another message at an acknowledged offset", "two truths", |history| history.logs[0].entries[1].id = other);
    expect("a reader of a lost window saw another than was acknowledged", "two truths", |history| {
        seen_entry(history, 1, 1).id = other;
    });
    expect("an epoch that went on has another message", "two truths", |history| history.logs[2].entries[0].id = other);
}

#[test]
fn disorder_is_found() {
    for channel in [0, 1] {
        expect("swapped", "out of order", |history| history.readings[channel].seen.swap(1, 2));
        expect("left out", "out of order", |history| drop(history.readings[channel].seen.remove(2)));
        expect("repeated", "out of order", |history| {
            let again = history.readings[channel].seen[2].clone();
            history.readings[channel].seen.insert(3, again);
        });
    }
    expect("another epoch without a word", "out of order", |history| drop(history.readings[1].seen.remove(4)));
}

#[test]
fn silent_gaps_are_found() {
    expect("continued too far", "silent gap", |history| history.readings[0].seen[4] = continued(5, at(2, 5)));
    expect("continued too early", "silent gap", |history| history.readings[0].seen[4] = continued(3, at(2, 5)));
    expect("fresh again", "silent gap", |history| history.readings[0].seen[4] = fresh(at(2, 3)));
    expect("a gap that begins too late", "silent gap", |history| {
        history.readings[1].seen[6] = gap(2, 3, 3, GapReason::Overflow);
    });
    expect("a gap that leads back", "silent gap", |history| {
        history.readings[1].seen.push(gap(2, 1, 1, GapReason::Overflow));
    });
    expect("a gap before an outcome", "silent gap", |history| {
        history.readings[1].seen[0] = gap(1, 1, 0, GapReason::Epoch);
    });
    expect("a window that goes on over a loss", "two truths", |history| {
        history.readings[1].seen.truncate(3);
        history.readings[1].seen.push(continued(3, at(2, 2)));
    });
}

#[test]
fn gaps_without_a_reason_are_found() {
    let lost = Range { from: 4, to: 4 };
    expect("a gap of a durable log", "no reason", |history| {
        history.readings[0].seen[4] = attached(Outcome::Gap { lost, reason: GapReason::Epoch }, at(2, 4));
    });
    expect("the same in the stream", "no reason", |history| {
        history.readings[0].seen[5] = gap(2, 4, 4, GapReason::Expired);
    });
    expect("the same epoch", "no reason", |history| history.readings[1].seen[3] = gap(1, 3, 3, GapReason::Epoch));
    expect("expired and still there", "no reason", |history| {
        history.readings[1].seen[6] = gap(2, 2, 2, GapReason::Expired);
    });
    expect("lost by the log", "no reason", |history| history.readings[1].seen[6] = gap(2, 2, 2, GapReason::Lost));
}

#[test]
fn missing_tails_are_found() {
    for channel in [0, 1, 2] {
        expect("the last message", "tail", |history| drop(history.readings[channel].seen.pop()));
        expect("everything", "tail", |history| history.readings[channel].seen.clear());
    }
    expect("what the clients hid", "faults", |history| history.faults = 1);
}
