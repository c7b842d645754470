//! The checker: follows what one client was told of one channel, and holds all of it against what the logs say.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use hubbub_protocol::outcome::Attached;
use hubbub_protocol::{Epoch, GapReason, MessageId, Outcome, Position, Range};

use crate::broker::Faults;

/// What a client knows of a channel.
#[derive(Clone, Debug, Default)]
pub(crate) struct Track {
    /// Everything up to here was received, or given up by the hub.
    pub(crate) position: Option<Position>,
    pub(crate) received: Vec<(Position, MessageId)>,
    pub(crate) gaps: Vec<(Range, GapReason)>,
    pub(crate) outcomes: u64,
}

impl Track {
    /// A subscription began.
    pub(crate) fn outcome(&mut self, since: Option<Position>, attached: &Attached) -> Result<(), String> {
        let head = attached.head.ok_or("a logged channel answered without a position")?;
        match (&attached.outcome, since) {
            (Outcome::Fresh { .. }, None) => {}
            (Outcome::Continued { replay }, Some(since)) if replay.from == since.offset + 1 => {}
            (Outcome::Gap { lost, reason }, Some(since)) if lost.from <= since.offset + 1 => {
                self.gaps.push((*lost, *reason))
            }
            (outcome, since) => return Err(format!("asked for {since:?}, was told {outcome:?}")),
        }
        self.outcomes += 1;
        self.position = Some(Position::new(head.epoch, attached.start()));
        Ok(())
    }

    /// A message came.
    pub(crate) fn message(&mut self, position: Position, id: MessageId) -> Result<(), String> {
        let known = self.position.ok_or_else(|| format!("{position:?} came before an outcome"))?;
        // A new epoch that continues needs no word; whether it does is checked by ids at the end.
        if position.offset != known.offset + 1 {
            return Err(format!("{position:?} came after {known:?}"));
        }
        self.position = Some(position);
        self.received.push((position, id));
        Ok(())
    }

    /// The hub gave offsets up.
    pub(crate) fn gap(&mut self, epoch: Epoch, lost: Range, reason: GapReason) -> Result<(), String> {
        let known = self.position.ok_or("a gap came before an outcome")?;
        if epoch == known.epoch && lost.from > known.offset + 1 {
            return Err(format!("a gap from {} came after {known:?}", lost.from));
        }
        self.gaps.push((lost, reason));
        let to = if epoch == known.epoch { lost.to.max(known.offset) } else { lost.to };
        self.position = Some(Position::new(epoch, to));
        Ok(())
    }
}

/// What a log really holds, as far as it was ever appended.
pub(crate) struct Truth {
    /// By epoch: a window that lost its memory has several.
    pub(crate) ids: HashMap<Epoch, Vec<MessageId>>,
    /// The epoch that counts now.
    pub(crate) epoch: Epoch,
    pub(crate) keys: Vec<Option<String>>,
    /// Everything up to here may have expired.
    pub(crate) low: u64,
    pub(crate) durable: bool,
}

impl Truth {
    /// The newest message.
    pub(crate) fn head(&self) -> Position {
        Position::new(self.epoch, self.ids.get(&self.epoch).map_or(0, |ids| ids.len() as u64))
    }

    /// Whether a reader at this position has everything. It hears of a new epoch of a durable log with the next message.
    pub(crate) fn ends_at(&self, position: Position) -> bool {
        position == self.head() || (self.durable && position.offset == self.head().offset)
    }

    fn at(&self, position: Position) -> Option<&MessageId> {
        let epoch = if self.durable { self.epoch } else { position.epoch };
        self.ids.get(&epoch)?.get(position.offset.checked_sub(1)? as usize)
    }
}

/// What the checker counted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sum {
    pub(crate) messages: u64,
    pub(crate) deliveries: u64,
    pub(crate) acks: u64,
    pub(crate) attaches: u64,
    pub(crate) expired: u64,
    pub(crate) overflows: u64,
    pub(crate) new_epochs: u64,
    pub(crate) slow: u64,
    pub(crate) crashes: u64,
    pub(crate) faults: Faults,
}

impl Sum {
    pub(crate) fn add(&mut self, other: &Self) {
        self.messages += other.messages;
        self.deliveries += other.deliveries;
        self.acks += other.acks;
        self.attaches += other.attaches;
        self.expired += other.expired;
        self.overflows += other.overflows;
        self.new_epochs += other.new_epochs;
        self.slow += other.slow;
        self.crashes += other.crashes;
        self.faults.dropped += other.faults.dropped;
        self.faults.duplicated += other.faults.duplicated;
        self.faults.delayed += other.faults.delayed;
        self.faults.outages += other.faults.outages;
        self.faults.memory_losses += other.faults.memory_losses;
    }

    /// A run without faults would prove nothing.
    pub(crate) fn proves_something(&self) -> bool {
        let Faults { dropped, duplicated, delayed, outages, memory_losses } = self.faults;
        let happened =
            [self.messages, self.deliveries, self.acks, self.crashes, self.expired, self.new_epochs, self.slow];
        happened.iter().chain(&[dropped, duplicated, delayed, outages, memory_losses]).all(|count| *count > 0)
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Faults { dropped, duplicated, delayed, outages, memory_losses } = self.faults;
        write!(
            f,
            "{} messages, {} deliveries checked, {} acks, {} attaches; told as gap: {} expired, {} overflowed, {} new epochs; {} slow readers sent \
             away; faults: {} crashes, {dropped} dropped, {duplicated} duplicated, {delayed} delayed, {outages} outages, {memory_losses} memory losses",
            self.messages,
            self.deliveries,
            self.acks,
            self.attaches,
            self.expired,
            self.overflows,
            self.new_epochs,
            self.slow,
            self.crashes
        )
    }
}

/// One client's claims about one channel against the truth, at the end.
pub(crate) fn check(track: &Track, truth: &Truth, sum: &mut Sum) -> Result<(), String> {
    let Some(position) = track.position else { return Ok(()) };
    if !truth.ends_at(position) {
        return Err(format!("a silent tail: the client stands at {position:?}, the log at {:?}", truth.head()));
    }
    for (position, id) in &track.received {
        if truth.at(*position) != Some(id) {
            return Err(format!("{position:?} was {id}, the log says otherwise"));
        }
    }
    for (lost, reason) in &track.gaps {
        match reason {
            GapReason::Expired if lost.to <= truth.low => sum.expired += 1,
            GapReason::Overflow => sum.overflows += 1,
            GapReason::Epoch if truth.ids.len() > 1 || !truth.durable => sum.new_epochs += 1,
            _ => return Err(format!("gap {lost:?} because of {reason:?}, but everything after {} exists", truth.low)),
        }
    }
    sum.deliveries += track.received.len() as u64;
    sum.attaches += track.outcomes;
    Ok(())
}

/// What was acknowledged is in the log, where it was said to be, and once.
pub(crate) fn check_acks(acks: &[(String, Position, MessageId)], truth: &Truth, sum: &mut Sum) -> Result<(), String> {
    for (key, position, id) in acks {
        if truth.at(*position) != Some(id) {
            return Err(format!("{key} was acknowledged as {id} at {}, the log says otherwise", position.offset));
        }
        sum.acks += 1;
    }
    let mut seen: HashMap<&str, usize> = HashMap::new();
    if truth.durable {
        for key in truth.keys.iter().flatten() {
            *seen.entry(key).or_default() += 1;
        }
    }
    match seen.into_iter().find(|(_, count)| *count > 1) {
        Some((key, count)) => Err(format!("{key} is in the log {count} times")),
        None => Ok(()),
    }
}

/// Truths by channel name.
pub(crate) type Truths = BTreeMap<String, Truth>;

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u128) -> MessageId {
        MessageId::from_parts(1, number)
    }

    fn at(offset: u64) -> Position {
        Position::new(Epoch::from_u64(1), offset)
    }

    fn truth() -> Truth {
        let epoch = Epoch::from_u64(1);
        Truth {
            ids: HashMap::from([(epoch, (1..=3).map(id).collect())]),
            epoch,
            keys: vec![None; 3],
            low: 0,
            durable: true,
        }
    }

    fn good() -> Track {
        let received = (1..=3).map(|offset| (at(offset), id(u128::from(offset)))).collect();
        Track { position: Some(at(3)), received, ..Track::default() }
    }

    #[test]
    fn the_checker_sees_what_is_wrong() {
        let mut sum = Sum::default();
        assert!(check(&good(), &truth(), &mut sum).is_ok());
        let tail = Track { position: Some(at(2)), ..good() };
        assert!(check(&tail, &truth(), &mut sum).is_err(), "a silent tail");
        let mut other = good();
        other.received[1].1 = id(9);
        assert!(check(&other, &truth(), &mut sum).is_err(), "another message");
        let gap = Track { gaps: vec![(Range { from: 1, to: 1 }, GapReason::Expired)], ..good() };
        assert!(check(&gap, &truth(), &mut sum).is_err(), "a gap where nothing is missing");
    }

    #[test]
    fn the_track_sees_holes_and_repeats() {
        let mut track = Track { position: Some(at(1)), ..Track::default() };
        assert!(track.clone().message(at(3), id(3)).is_err(), "a hole");
        assert!(track.clone().message(at(1), id(1)).is_err(), "a duplicate");
        assert!(track.message(at(2), id(2)).is_ok());
    }

    #[test]
    fn acks_that_lie_are_seen() {
        let mut sum = Sum::default();
        assert!(check_acks(&[("k".into(), at(2), id(2))], &truth(), &mut sum).is_ok());
        assert!(check_acks(&[("k".into(), at(2), id(7))], &truth(), &mut sum).is_err());
        assert!(check_acks(&[("k".into(), at(9), id(7))], &truth(), &mut sum).is_err());
        let twice = Truth { keys: vec![Some("k".into()), None, Some("k".into())], ..truth() };
        assert!(check_acks(&[], &twice, &mut sum).is_err());
    }
}
