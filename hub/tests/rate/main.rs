//! Shared rates: what every way of counting owes, in memory and in Redis, and what becomes of them while Redis is away.

mod suite;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use hubbub::clock::Clock;
use hubbub::rate::memory::MemoryRates;
use hubbub::rate::redis::RedisRates;
use hubbub::rate::shared::SharedRates;
use hubbub::rate::{Rate, Rates, TenantRates};
use hubbub::redis::{Redis, Settings};
use hubbub_local::redis::{Cluster, Data, Options, Standalone};
use hubbub_protocol::{TenantId, UserId};
use tokio::time::{Instant, interval};

use suite::Fleet;

/// Time for an answer of a Redis that is away.
const COMMAND: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(30);

struct Memory {
    rates: Arc<MemoryRates>,
    clock: Arc<Clock>,
}

#[async_trait]
impl Fleet for Memory {
    async fn new() -> Self {
        let clock = Arc::new(Clock::Manual(AtomicU64::new(1_800_000_000_000)));
        Self { rates: Arc::new(MemoryRates::new(clock.clone())), clock }
    }

    async fn join(&self) -> Arc<dyn SharedRates> {
        self.rates.clone()
    }

    async fn tick(&self) {
        if let Clock::Manual(now) = &*self.clock {
            now.fetch_add(5, Ordering::Relaxed);
        }
    }
}

struct OneServer(Standalone);

#[async_trait]
impl Fleet for OneServer {
    async fn new() -> Self {
        Self(Standalone::start(Options::default()).expect("redis-server starts"))
    }

    async fn join(&self) -> Arc<dyn SharedRates> {
        Arc::new(RedisRates::new(redis(&self.0.url())))
    }

    async fn tick(&self) {
        tick().await;
    }
}

fn redis(url: &str) -> Redis {
    Redis::start(Settings::of(url), Arc::new(Clock::System)).expect("the settings can work")
}

/// A pause between two looks at a server whose time is the real one.
async fn tick() {
    let mut pause = interval(Duration::from_millis(5));
    pause.tick().await;
    pause.tick().await;
}

rates_conformance!(memory, super::Memory);
rates_conformance!(standalone, super::OneServer);

#[tokio::test]
async fn a_cluster_counts_both_buckets_in_one_step() {
    let cluster = Cluster::start(3, 0).expect("a cluster starts");
    let rates = RedisRates::new(redis(&cluster.url()));
    let (tight, wide) = (Rate { per_second: 1, burst: 2 }, Rate { per_second: 1, burst: 100 });
    for name in ["acme", "birch", "cedar", "dune"] {
        let tenant = TenantId::parse(name).expect("valid");
        let user = UserId::parse("ada").expect("valid");
        let buckets = [(hubbub::rate::shared::Holder::User(user), tight), (hubbub::rate::shared::Holder::Tenant, wide)];
        assert_eq!(rates.take(&tenant, &buckets, 2).await, Ok(Ok(())));
        assert!(matches!(rates.take(&tenant, &buckets, 2).await, Ok(Err(_))), "{name}");
    }
}

#[tokio::test]
async fn while_redis_is_away_this_node_counts() {
    let mut server = Standalone::start(Options::default()).expect("redis-server starts");
    let (tenant, user) = (TenantId::parse("acme").expect("valid"), UserId::parse("ada").expect("valid"));
    let slow = Rate::new(1, 10);
    let of = TenantRates { publishes: None, user_publishes: slow };
    let settings = Settings { command_ms: COMMAND.as_millis() as u64, ..Settings::of(server.url()) };
    let redis = Redis::start(settings, Arc::new(Clock::System)).expect("the settings can work");
    let shared = Arc::new(RedisRates::new(redis));
    let rates = Rates::new(HashMap::from([(tenant.clone(), of)]), Arc::new(Clock::System)).shared_by(shared);
    assert_eq!(rates.take(&tenant, Some(&user), 10).await, Ok(()));
    assert!(rates.take(&tenant, Some(&user), 5).await.is_err(), "counted in Redis");
    server.kill().expect("killed");
    assert_eq!(rates.take(&tenant, Some(&user), 10).await, Ok(()), "the bucket of this node is full");
    assert!(rates.take(&tenant, Some(&user), 5).await.is_err(), "and has its bounds");
    let begin = Instant::now();
    loop {
        let asked = Instant::now();
        assert!(rates.take(&tenant, Some(&user), 10).await.is_err());
        if asked.elapsed() < COMMAND / 2 {
            break;
        }
        assert!(begin.elapsed() < PATIENCE, "the breaker never opens: everybody waits for a Redis that is away");
    }
    server.start_again(Data::Lost).expect("starts again");
    let begin = Instant::now();
    // Redis has lost the bucket, so it is full: that it counts again shows in what it lets through.
    while rates.take(&tenant, Some(&user), 10).await.is_err() {
        assert!(begin.elapsed() < PATIENCE, "Redis is never asked again");
        tick().await;
    }
}

#[tokio::test]
async fn without_rates_nobody_is_asked() {
    let tenant = TenantId::parse("acme").expect("valid");
    let rates = Rates::new(HashMap::from([(tenant.clone(), TenantRates::default())]), Arc::new(Clock::System));
    assert_eq!(rates.of(&tenant, None), None);
    assert_eq!(rates.take(&tenant, None, u32::MAX).await, Ok(()));
    rates.reload(HashMap::from([(tenant.clone(), TenantRates { publishes: Rate::new(5, 0), user_publishes: None })]));
    assert_eq!(rates.take(&tenant, None, 5).await, Ok(()), "a burst is a second's worth where none is named");
    assert!(rates.take(&tenant, None, 5).await.is_err());
    let other = TenantId::parse("birch").expect("valid");
    assert_eq!(rates.take(&other, None, 1_000).await, Ok(()));
}
