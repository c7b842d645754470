//! When each message is due, whatever happened to the ones before: an open loop does not wait for a slow hub.

use std::time::Duration;

/// Evenly spaced times.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// Messages a second.
    rate: f64,
}

impl Schedule {
    /// So many a second; at least one in a hundred seconds.
    pub fn new(rate: f64) -> Self {
        Self { rate: rate.max(0.01) }
    }

    /// When message `number` (0, 1, 2 …) is due, after the start.
    pub fn due(&self, number: u64) -> Duration {
        Duration::from_secs_f64(number as f64 / self.rate)
    }

    /// How many messages are due within this time.
    pub fn count(&self, within: Duration) -> u64 {
        (self.rate * within.as_secs_f64()).round() as u64
    }
}

/// Rates one behind the other.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Steps(Vec<Step>);

/// A rate for some time.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Step {
    begin_s: f64,
    seconds: f64,
    rate: f64,
    /// Messages of the steps before.
    first: u64,
    count: u64,
}

impl Steps {
    /// Adds a rate (messages a second) for so many seconds.
    pub fn push(&mut self, rate: f64, seconds: f64) {
        let (begin_s, first) =
            self.0.last().map_or((0.0, 0), |last| (last.begin_s + last.seconds, last.first + last.count));
        let count = (rate * seconds + 1e-9).floor() as u64;
        self.0.push(Step { begin_s, seconds, rate, first, count });
    }

    /// When message `number` (0, 1, 2 …) is due, after the start; `None` where there are not so many.
    pub fn due(&self, number: u64) -> Option<Duration> {
        let step = self.0.iter().find(|step| number < step.first + step.count)?;
        Some(Duration::from_secs_f64(step.begin_s + (number - step.first) as f64 / step.rate))
    }

    /// The rate at a moment, in messages a second.
    pub fn rate_at(&self, at: Duration) -> f64 {
        let at = at.as_secs_f64();
        self.0.iter().find(|step| at < step.begin_s + step.seconds).map_or(0.0, |step| step.rate)
    }

    /// How long they are together.
    pub fn length(&self) -> Duration {
        Duration::from_secs_f64(self.0.iter().map(|step| step.seconds).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_follow_each_other_without_a_hole() {
        let mut steps = Steps::default();
        for (rate, seconds) in [(10.0, 2.0), (0.0, 1.0), (100.0, 0.5)] {
            steps.push(rate, seconds);
        }
        let due = |number| steps.due(number).map(|due| due.as_secs_f64());
        assert_eq!([due(0), due(19), due(20), due(69), due(70)], [Some(0.0), Some(1.9), Some(3.0), Some(3.49), None]);
        let rate = |at: f64| steps.rate_at(Duration::from_secs_f64(at));
        assert_eq!([rate(1.0), rate(2.5), rate(3.2), rate(9.0)], [10.0, 0.0, 100.0, 0.0]);
        assert_eq!(steps.length(), Duration::from_millis(3_500));
    }

    #[test]
    fn times_do_not_drift() {
        let schedule = Schedule::new(3.0);
        assert_eq!(schedule.due(0), Duration::ZERO);
        assert_eq!(schedule.due(3_000_000), Duration::from_secs(1_000_000));
        assert_eq!(schedule.count(Duration::from_secs(10)), 30);
    }
}
