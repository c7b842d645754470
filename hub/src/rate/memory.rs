//! Rates counted in the memory of one process: for a node alone, and for one that can not reach the others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use hubbub_protocol::channel::TenantId;

use super::shared::{Away, Holder, Limited, Rate, SharedRates};
use crate::clock::Clock;

/// Buckets above which those that are full again are let go.
const PRUNE_FROM: usize = 16_384;

/// The buckets of one process.
pub struct MemoryRates {
    buckets: Mutex<Buckets>,
    clock: Arc<Clock>,
}

#[derive(Default)]
struct Buckets {
    levels: HashMap<(TenantId, Holder), Level>,
    /// So many buckets are worth looking through.
    prune_at: usize,
}

/// What a bucket holds. Below 0 it is in debt.
#[derive(Clone, Copy, Debug)]
struct Level {
    tokens: f64,
    rate: Rate,
    /// When that was, in milliseconds since 1970.
    at_ms: u64,
}

impl MemoryRates {
    /// Full buckets.
    pub fn new(clock: Arc<Clock>) -> Self {
        Self { buckets: Mutex::default(), clock }
    }

    /// Takes from all or from none.
    pub(super) fn take_here(&self, tenant: &TenantId, wanted: &[(Holder, Rate)], count: u32) -> Result<(), Limited> {
        let now_ms = self.clock.now_ms();
        // A lock that a panic left behind still guards whole values: each bucket is replaced in one step.
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let key = |holder: &Holder| (tenant.clone(), holder.clone());
        let level = |holder: &Holder, rate: Rate| match buckets.levels.get(&key(holder)) {
            Some(level) => level.filled(rate, now_ms),
            None => Level { tokens: rate.burst.into(), rate, at_ms: now_ms },
        };
        let levels: Vec<_> = wanted.iter().map(|(holder, rate)| (holder, level(holder, *rate))).collect();
        let wait = levels.iter().map(|(_, level)| level.wait_ms(count)).max().unwrap_or(0);
        if wait > 0 {
            return Err(Limited { retry_after_ms: wait });
        }
        for (holder, level) in levels {
            buckets.levels.insert(key(holder), Level { tokens: level.tokens - f64::from(count), ..level });
        }
        buckets.prune(now_ms);
        Ok(())
    }
}

#[async_trait]
impl SharedRates for MemoryRates {
    async fn take(
        &self,
        tenant: &TenantId,
        buckets: &[(Holder, Rate)],
        count: u32,
    ) -> Result<Result<(), Limited>, Away> {
        Ok(self.take_here(tenant, buckets, count))
    }
}

impl Buckets {
    /// A full bucket is as good as none. The walk is paid for by as many takes.
    fn prune(&mut self, now_ms: u64) {
        if self.levels.len() > self.prune_at.max(PRUNE_FROM) {
            self.levels.retain(|_, level| level.filled(level.rate, now_ms).tokens < f64::from(level.rate.burst));
            self.prune_at = self.levels.len() * 2;
        }
    }
}

impl Level {
    /// The same bucket later, under a rate that may be another one by now.
    fn filled(self, rate: Rate, now_ms: u64) -> Self {
        let passed = now_ms.saturating_sub(self.at_ms) as f64;
        let tokens = (self.tokens + passed * f64::from(rate.per_second) / 1_000.0).min(rate.burst.into());
        Self { tokens, rate, at_ms: self.at_ms.max(now_ms) }
    }

    /// How long until `count` may be taken, in milliseconds; 0 for now.
    fn wait_ms(self, count: u32) -> u64 {
        let missing = f64::from(count.min(self.rate.burst)) - self.tokens;
        if missing <= 0.0 {
            return 0;
        }
        // Positive and below 2^53: burst and debt are counts of messages.
        (missing * 1_000.0 / f64::from(self.rate.per_second)).ceil().max(1.0) as u64
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use hubbub_protocol::UserId;

    use super::*;

    #[test]
    fn full_buckets_are_let_go() {
        let clock = Arc::new(Clock::Manual(AtomicU64::new(1_000_000)));
        let rates = MemoryRates::new(clock.clone());
        let (tenant, rate) = (TenantId::parse("t").expect("valid"), Rate { per_second: 1_000, burst: 5 });
        for index in 0..3 * PRUNE_FROM {
            if let Clock::Manual(now) = &*clock {
                now.fetch_add(1, Ordering::Relaxed);
            }
            let user = UserId::parse(&format!("u{index}")).expect("valid");
            assert_eq!(rates.take_here(&tenant, &[(Holder::User(user), rate)], 1), Ok(()));
        }
        let kept = rates.buckets.lock().expect("whole").levels.len();
        assert!(kept <= PRUNE_FROM + 1, "{kept} buckets");
    }
}
