//! When people do what they have decided: alarms in the order of time, and the dice for jitter. Knows no socket.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use crate::plan::dice::Dice;

/// First and longest pause of the back-off: full jitter, doubling, as the protocol asks for.
const PAUSE_FIRST: Duration = Duration::from_millis(500);
const PAUSE_LONGEST: Duration = Duration::from_secs(20);

/// What is to be done.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Deed {
    /// Open a connection.
    Open,
    /// Leave a node that drains.
    Leave,
    /// Give up a connection that is not live yet.
    GiveUp,
    /// Read a little, and slowly.
    Sip,
    /// Lose the network.
    EnterTunnel,
    /// Publish something.
    Say,
}

/// An alarm of a person. It counts only while the person is at the same connection, or between the same two.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Alarm {
    pub(super) at: Instant,
    pub(super) person: usize,
    pub(super) turn: u32,
    pub(super) deed: Deed,
}

/// Alarms, and dice.
#[derive(Debug)]
pub(super) struct Alarms {
    heap: BinaryHeap<Reverse<Alarm>>,
    pub(super) dice: Dice,
}

impl Alarms {
    /// None yet; the seed makes the dice.
    pub(super) fn new(seed: u64) -> Self {
        Self { heap: BinaryHeap::new(), dice: Dice::new(seed) }
    }

    /// Sets one.
    pub(super) fn set(&mut self, at: Instant, person: usize, turn: u32, deed: Deed) {
        self.heap.push(Reverse(Alarm { at, person, turn, deed }));
    }

    /// The next one that is due.
    pub(super) fn due(&mut self, now: Instant) -> Option<Alarm> {
        self.heap.peek().filter(|Reverse(alarm)| alarm.at <= now)?;
        self.heap.pop().map(|Reverse(alarm)| alarm)
    }

    /// How long until the next one, at most `longest`.
    pub(super) fn wait(&self, now: Instant, longest: Duration) -> Duration {
        self.heap.peek().map_or(longest, |Reverse(alarm)| alarm.at.saturating_duration_since(now).min(longest))
    }

    /// Any time within a window, each as likely.
    pub(super) fn within(&mut self, window: Duration) -> Duration {
        window.mul_f64(self.dice.share())
    }

    /// The pause after so many failures in a row, at least as long as the hub asked for.
    pub(super) fn pause(&mut self, failures: u32, at_least: Duration) -> Duration {
        let window = PAUSE_FIRST.saturating_mul(1 << failures.min(16)).min(PAUSE_LONGEST);
        at_least + self.within(window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alarms_come_in_the_order_of_time() {
        let (mut alarms, now) = (Alarms::new(1), Instant::now());
        for ms in [30, 10, 20] {
            alarms.set(now + Duration::from_millis(ms), ms as usize, 0, Deed::Open);
        }
        assert_eq!(alarms.due(now), None);
        assert_eq!(alarms.wait(now, Duration::from_secs(1)), Duration::from_millis(10));
        let late = now + Duration::from_millis(20);
        let came: Vec<_> = std::iter::from_fn(|| alarms.due(late)).map(|alarm| alarm.person).collect();
        assert_eq!(came, [10, 20]);
    }

    #[test]
    fn jitter_fills_its_window_and_pauses_double_up_to_a_bound() {
        let mut alarms = Alarms::new(7);
        let window = Duration::from_millis(1_000);
        let times: Vec<_> = (0..1_000).map(|_| alarms.within(window)).collect();
        assert!(times.iter().all(|time| *time < window));
        for tenth in 0..10 {
            let (from, to) = (window * tenth / 10, window * (tenth + 1) / 10);
            let inside = times.iter().filter(|time| (from..to).contains(&**time)).count();
            assert!((50..200).contains(&inside), "{inside} in tenth {tenth}");
        }
        let longest = (0..200).map(|_| alarms.pause(40, Duration::ZERO)).max().expect("some");
        assert!(longest > PAUSE_LONGEST / 2 && longest <= PAUSE_LONGEST);
        assert!(alarms.pause(0, Duration::from_secs(5)) >= Duration::from_secs(5));
    }
}
