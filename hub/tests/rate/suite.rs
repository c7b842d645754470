//! One test for each obligation written on shared rates.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hubbub::rate::shared::{Holder, SharedRates};
use hubbub::rate::{Limited, Rate};
use hubbub_protocol::{TenantId, UserId};
use tokio::time::Instant;

const PATIENCE: Duration = Duration::from_secs(10);

/// Nodes that count together.
#[async_trait]
pub(crate) trait Fleet: Send + Sync {
    /// One in which nothing was taken.
    async fn new() -> Self
    where
        Self: Sized;
    /// A node.
    async fn join(&self) -> Arc<dyn SharedRates>;
    /// Lets a little time pass.
    async fn tick(&self);
}

/// Makes a module with every test of the suite for one backend.
#[macro_export]
macro_rules! rates_conformance {
    ($name:ident, $fleet:ty) => {
        mod $name {
            use $crate::suite::{self, Fleet};
            $crate::rates_conformance!(@tests $fleet:
                a_burst_then_the_rate,
                nodes_take_from_one_bucket,
                all_buckets_or_none,
                holders_and_tenants_do_not_meet,
                more_than_a_burst_is_paid_for_afterwards,
            );
        }
    };
    (@tests $fleet:ty: $($test:ident),+ $(,)?) => {
        $(#[tokio::test]
        async fn $test() {
            suite::$test(&<$fleet as Fleet>::new().await).await;
        })+
    };
}

fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).expect("valid")
}

fn user(name: &str, rate: Rate) -> (Holder, Rate) {
    (Holder::User(UserId::parse(name).expect("valid")), rate)
}

/// A rate so slow that nothing comes back while a test runs.
const SLOW: Rate = Rate { per_second: 1, burst: 40 };
/// One that fills while a test waits.
const FAST: Rate = Rate { per_second: 50, burst: 5 };

async fn take(node: &Arc<dyn SharedRates>, buckets: &[(Holder, Rate)], count: u32) -> Result<(), Limited> {
    node.take(&tenant("t"), buckets, count).await.expect("it is there")
}

pub(crate) async fn a_burst_then_the_rate(fleet: &impl Fleet) {
    let (node, bucket) = (fleet.join().await, [user("ada", FAST)]);
    let begin = Instant::now();
    for taken in 0..FAST.burst {
        assert_eq!(take(&node, &bucket, 1).await, Ok(()), "{taken}");
    }
    let mut taken = FAST.burst;
    while taken < 15 {
        match take(&node, &bucket, 1).await {
            Ok(()) => taken += 1,
            Err(Limited { retry_after_ms }) => {
                assert!((1..=20).contains(&retry_after_ms), "one comes every 20 ms, this says {retry_after_ms}");
                fleet.tick().await;
            }
        }
        assert!(begin.elapsed() < PATIENCE, "{taken} were taken");
    }
}

pub(crate) async fn nodes_take_from_one_bucket(fleet: &impl Fleet) {
    let (one, two) = (fleet.join().await, fleet.join().await);
    let buckets = [(Holder::Tenant, SLOW)];
    let taking = (0..100).map(|index| {
        let node = if index % 2 == 0 { one.clone() } else { two.clone() };
        async move { take(&node, &[(Holder::Tenant, SLOW)], 1).await }
    });
    let begin = Instant::now();
    let taken = futures_util::future::join_all(taking).await.into_iter().filter(Result::is_ok).count();
    let refilled = begin.elapsed().as_secs() as usize + 1;
    assert!((40..=40 + refilled).contains(&taken), "{taken} of a burst of 40");
    let Err(Limited { retry_after_ms }) = take(&two, &buckets, 1).await else { panic!("there is none left") };
    assert!((1..=1_000).contains(&retry_after_ms), "{retry_after_ms}");
}

pub(crate) async fn all_buckets_or_none(fleet: &impl Fleet) {
    let (node, tight) = (fleet.join().await, Rate { per_second: 1, burst: 2 });
    let both = [user("ada", tight), (Holder::Tenant, SLOW)];
    assert_eq!((take(&node, &both, 1).await, take(&node, &both, 1).await), (Ok(()), Ok(())));
    for _ in 0..20 {
        assert!(take(&node, &both, 2).await.is_err(), "the user has none left");
    }
    assert_eq!(take(&node, &both[1..], 38).await, Ok(()), "refusals took nothing from the tenant");
    assert!(take(&node, &both[1..], 2).await.is_err());
}

pub(crate) async fn holders_and_tenants_do_not_meet(fleet: &impl Fleet) {
    let node = fleet.join().await;
    assert_eq!(take(&node, &[user("ada", SLOW)], 40).await, Ok(()));
    assert!(take(&node, &[user("ada", SLOW)], 5).await.is_err());
    assert_eq!(take(&node, &[user("bo", SLOW)], 40).await, Ok(()));
    assert_eq!(take(&node, &[(Holder::Tenant, SLOW)], 40).await, Ok(()));
    let elsewhere = node.take(&tenant("other"), &[user("ada", SLOW)], 40).await;
    assert_eq!(elsewhere, Ok(Ok(())));
}

pub(crate) async fn more_than_a_burst_is_paid_for_afterwards(fleet: &impl Fleet) {
    let (node, bucket) = (fleet.join().await, [user("ada", FAST)]);
    assert_eq!(take(&node, &bucket, 25).await, Ok(()), "the bucket was full");
    let Err(Limited { retry_after_ms }) = take(&node, &bucket, 1).await else { panic!("it is in debt") };
    // 20 are owed and one is wanted: 21 times 20 ms, less what has passed.
    assert!((1..=420).contains(&retry_after_ms), "{retry_after_ms}");
    let begin = Instant::now();
    let mut waits = vec![retry_after_ms];
    while let Err(Limited { retry_after_ms }) = take(&node, &bucket, 1).await {
        waits.push(retry_after_ms);
        assert!(begin.elapsed() < PATIENCE, "never paid: {waits:?}");
        fleet.tick().await;
    }
    assert!(waits.windows(2).all(|two| two[1] <= two[0]), "refusals cost nothing: {waits:?}");
}
