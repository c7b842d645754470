//! A circuit breaker: decides from successes and failures whether something that may be away is asked at all. Pure: it does
//! not know what is asked, and the time comes in as a parameter, in milliseconds of any clock that does not jump.

use serde::{Deserialize, Serialize};

/// When a breaker opens and closes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BreakerSettings {
    /// It opens after so many failures in a row. Default 5.
    pub failures: u32,
    /// It closes after so many successful probes in a row. Default 2.
    pub successes: u32,
    /// The first probe comes after so many milliseconds. Default 1,000.
    pub probe_ms: u64,
    /// Each failed probe doubles that time, up to so many milliseconds. Default 30,000.
    pub probe_max_ms: u64,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self { failures: 5, successes: 2, probe_ms: 1_000, probe_max_ms: 30_000 }
    }
}

/// Counts how it went.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Breaker {
    settings: BreakerSettings,
    state: State,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum State {
    Closed { failures: u32 },
    Open { probe_at: u64, delay: u64, successes: u32 },
}

impl Breaker {
    /// A closed one.
    pub fn new(settings: BreakerSettings) -> Self {
        Self { settings, state: State::Closed { failures: 0 } }
    }

    /// Whether it may be asked. While it may not, only probes go.
    pub fn allows(&self) -> bool {
        matches!(self.state, State::Closed { .. })
    }

    /// Something that was asked ended. Answers whether the breaker opened by it. What was asked before it opened and ends later
    /// counts for nothing.
    pub fn record(&mut self, success: bool, now_ms: u64) -> bool {
        let State::Closed { failures } = &mut self.state else { return false };
        *failures = if success { 0 } else { failures.saturating_add(1) };
        if *failures < self.settings.failures.max(1) {
            return false;
        }
        let delay = self.settings.probe_ms;
        self.state = State::Open { probe_at: now_ms.saturating_add(delay), delay, successes: 0 };
        true
    }

    /// When the next probe is due; `None` while it is closed.
    pub fn probe_at(&self) -> Option<u64> {
        match self.state {
            State::Closed { .. } => None,
            State::Open { probe_at, .. } => Some(probe_at),
        }
    }

    /// There is reason to believe that it is back: the next probe is due now.
    pub fn hint(&mut self, now_ms: u64) {
        if let State::Open { probe_at, .. } = &mut self.state {
            *probe_at = now_ms.min(*probe_at);
        }
    }

    /// A probe ended. Answers whether the breaker closed by it.
    pub fn probed(&mut self, success: bool, now_ms: u64) -> bool {
        let State::Open { probe_at, delay, successes } = &mut self.state else { return false };
        if success {
            *successes += 1;
            *probe_at = now_ms;
            if *successes >= self.settings.successes {
                self.state = State::Closed { failures: 0 };
                return true;
            }
        } else {
            *successes = 0;
            *delay = delay.saturating_mul(2).clamp(1, self.settings.probe_max_ms.max(1));
            *probe_at = now_ms.saturating_add(*delay);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_after_failures_in_a_row() {
        let mut breaker = Breaker::new(BreakerSettings::default());
        let table = [false, false, false, false, true, false, false, false, false];
        for success in table {
            assert!(!breaker.record(success, 0) && breaker.allows());
        }
        assert!(breaker.record(false, 7) && !breaker.allows(), "the fifth in a row");
        assert_eq!(breaker.probe_at(), Some(1_007));
        assert!(!breaker.record(true, 8) && !breaker.allows(), "late answers close nothing");
    }

    #[test]
    fn probes_back_off_and_two_successes_close() {
        let settings = BreakerSettings { failures: 1, ..BreakerSettings::default() };
        let mut breaker = Breaker::new(settings);
        assert!(breaker.record(false, 0));
        let mut now = 0;
        for expected in [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000] {
            let due = breaker.probe_at().expect("open");
            assert_eq!(due - now, expected);
            now = due;
            assert!(!breaker.probed(false, now));
        }
        breaker.hint(now + 5);
        assert_eq!(breaker.probe_at(), Some(now + 5), "nobody waits for what may be back");
        assert!(!breaker.probed(true, now) && breaker.probe_at() == Some(now), "the second probe follows at once");
        assert!(!breaker.probed(false, now) && !breaker.probed(true, now), "in a row");
        assert!(breaker.probed(true, now) && breaker.allows());
        assert!(breaker.record(false, now), "it opens anew, from the first delay");
        assert_eq!(breaker.probe_at(), Some(now + 1_000));
    }

    #[test]
    fn settings_of_zero_do_not_turn_it_into_a_wall() {
        let zero = BreakerSettings { failures: 0, successes: 0, probe_ms: 0, probe_max_ms: 0 };
        let mut breaker = Breaker::new(zero);
        assert!(breaker.allows() && !breaker.record(true, 0) && breaker.allows());
        assert!(breaker.record(false, 0) && !breaker.probed(false, 0));
        assert_eq!(breaker.probe_at(), Some(1), "no busy loop");
        assert!(breaker.probed(true, 1));
    }
}
