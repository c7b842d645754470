//! How long to wait between attempts: full jitter. Pure: the dice are thrown by the caller.

use std::time::Duration;

/// Full-jitter back-off: a random time between 0 and a bound that doubles with each failure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Backoff {
    /// The bound of the first wait. Default 500 ms.
    pub first: Duration,
    /// The bound never grows above this. A session that lasted as long starts again with `first`. Default 20 s.
    pub most: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_millis(500), most: Duration::from_secs(20) }
    }
}

impl Backoff {
    /// The wait in milliseconds before attempt `attempt` (0 is the first after a loss), of 64 random bits.
    pub(crate) fn wait_ms(&self, attempt: u32, dice: u64) -> u64 {
        let bound = millis(self.first).checked_shl(attempt.min(32)).unwrap_or(u64::MAX).min(millis(self.most));
        below(bound, dice)
    }

    pub(crate) fn most_ms(&self) -> u64 {
        millis(self.most)
    }
}

/// A number from 0 to `bound`, of 64 random bits.
pub(crate) fn below(bound: u64, dice: u64) -> u64 {
    ((u128::from(dice) * (u128::from(bound) + 1)) >> 64) as u64
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_doubles_up_to_the_most() {
        let backoff = Backoff::default();
        let longest: Vec<_> = (0..9).map(|attempt| backoff.wait_ms(attempt, u64::MAX)).collect();
        assert_eq!(longest, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 20_000, 20_000, 20_000]);
        assert_eq!(backoff.wait_ms(u32::MAX, u64::MAX), 20_000);
    }

    #[test]
    fn the_wait_is_spread_from_zero_to_the_bound() {
        let backoff = Backoff::default();
        assert_eq!(backoff.wait_ms(0, 0), 0);
        assert_eq!(backoff.wait_ms(0, u64::MAX / 2), 250);
        assert_eq!(below(0, u64::MAX), 0);
    }
}
