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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_do_not_drift() {
        let schedule = Schedule::new(3.0);
        assert_eq!(schedule.due(0), Duration::ZERO);
        assert_eq!(schedule.due(3_000_000), Duration::from_secs(1_000_000));
        assert_eq!(schedule.count(Duration::from_secs(10)), 30);
    }
}
