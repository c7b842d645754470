//! A token bucket: so many at once, so many each second. Pure, 16 bytes.

/// The bucket of one connection, address or node.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    /// Thousandths of a token.
    milli: u32,
    /// When it was last filled, in milliseconds of any clock.
    filled_ms: u64,
}

impl Bucket {
    /// A full bucket.
    pub fn full(burst: u32, now_ms: u64) -> Self {
        Self { milli: burst.saturating_mul(1_000), filled_ms: now_ms }
    }

    /// Takes one token; the error says in how many milliseconds there is one.
    pub fn take(&mut self, per_second: u32, burst: u32, now_ms: u64) -> Result<(), u64> {
        let passed = now_ms.saturating_sub(self.filled_ms);
        let most = u64::from(burst.max(1)) * 1_000;
        let filled = (u64::from(self.milli) + passed.saturating_mul(u64::from(per_second))).min(most);
        self.filled_ms = self.filled_ms.max(now_ms);
        // `most` is at most burst × 1,000, which `full` kept within u32.
        self.milli = u32::try_from(filled).unwrap_or(u32::MAX);
        if self.milli >= 1_000 {
            self.milli -= 1_000;
            Ok(())
        } else {
            Err(u64::from(1_000 - self.milli).div_ceil(u64::from(per_second.max(1))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate() {
        let mut bucket = Bucket::full(3, 1_000);
        assert!((0..3).all(|_| bucket.take(10, 3, 1_000).is_ok()));
        assert_eq!(bucket.take(10, 3, 1_000), Err(100));
        assert_eq!(bucket.take(10, 3, 1_050), Err(50));
        assert!(bucket.take(10, 3, 1_100).is_ok());
        assert_eq!(bucket.take(10, 3, 900), Err(100), "a clock that went back gives nothing");
        assert!((0..3).all(|_| bucket.take(10, 3, 99_000).is_ok()));
        assert!(bucket.take(10, 3, 99_000).is_err(), "never more than the burst");
    }
}
