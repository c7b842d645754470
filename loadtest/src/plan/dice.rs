//! Numbers that look random and are the same for the same seed. Knows nothing of what they decide.

/// SplitMix64: small, and good enough to decide who does what.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The dice of this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Dice for one of many: what one of them throws does not change what the others do.
    pub fn of(seed: u64, purpose: u64, number: u64) -> Self {
        let mut mixed = Self(seed ^ purpose.wrapping_mul(0xa076_1d64_78bd_642f));
        let base = mixed.throw();
        Self(base ^ number.wrapping_mul(0xe703_7ed1_a0b4_28db))
    }

    /// Any number.
    pub fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 up to, and without, 1.
    pub fn share(&mut self) -> f64 {
        (self.throw() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// One of so many, each as likely.
    pub fn below(&mut self, count: usize) -> usize {
        (self.share() * count as f64) as usize
    }

    /// The time to the next of events that happen on average once in so many seconds, in seconds.
    pub fn wait(&mut self, mean_s: f64) -> f64 {
        -mean_s * (1.0 - self.share()).ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_throws_the_same_and_another_one_does_not() {
        let throw = |seed, purpose, number| {
            let mut dice = Dice::of(seed, purpose, number);
            (0..4).map(|_| dice.throw()).collect::<Vec<_>>()
        };
        assert_eq!(throw(1, 2, 3), throw(1, 2, 3));
        for (seed, purpose, number) in [(2, 2, 3), (1, 3, 3), (1, 2, 4)] {
            assert_ne!(throw(1, 2, 3), throw(seed, purpose, number));
        }
    }

    #[test]
    fn shares_fill_their_range_and_waits_have_their_mean() {
        let mut dice = Dice::new(7);
        let mut tenths = [0; 10];
        (0..10_000).for_each(|_| tenths[dice.below(10)] += 1);
        assert!(tenths.iter().all(|count| (850..1_150).contains(count)), "{tenths:?}");
        let mean = (0..10_000).map(|_| dice.wait(3.0)).sum::<f64>() / 10_000.0;
        assert!((2.8..3.2).contains(&mean), "{mean}");
    }
}
