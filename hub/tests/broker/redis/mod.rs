//! The broker over real Redis: what every backend owes, in the three forms, and what only a server that dies can show.

mod ears;
mod proxy;

mod access;
mod failover;
mod forms;
mod interest;
mod link;
mod memory;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use hubbub::broker::redis::RedisBroker;
use hubbub::broker::{Broker, Inbox, Link};
use hubbub::clock::Clock;
use hubbub::redis::{Redis, Settings};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::suite::{self, Cluster};

/// How long a server may take to come to its senses.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Nodes over one Redis, under one prefix.
pub(crate) struct Nodes {
    pub(crate) settings: Settings,
    pub(crate) clock: Arc<Clock>,
}

impl Nodes {
    pub(crate) fn new(settings: Settings) -> Self {
        Self { settings, clock: Arc::new(Clock::Manual(AtomicU64::new(suite::BEGIN_MS))) }
    }

    /// A node that may not have found Redis yet.
    pub(crate) fn start(&self, inbox: Inbox, linger: Duration) -> Arc<RedisBroker> {
        let redis = Redis::start(self.settings.clone(), self.clock.clone()).expect("settings that can work");
        RedisBroker::start(redis, inbox, rand::random(), linger)
    }

    /// A node that listens.
    pub(crate) async fn listening(&self, inbox: Inbox) -> Arc<RedisBroker> {
        let broker = self.start(inbox, Duration::from_secs(10));
        until("the node listens", || broker.link() == Link::Well).await;
        broker
    }

    pub(crate) fn pass(&self, milliseconds: u64) {
        if let Clock::Manual(now) = &*self.clock {
            now.fetch_add(milliseconds, Ordering::Relaxed);
        }
    }
}

#[async_trait]
impl Cluster for Nodes {
    fn new() -> Self {
        unreachable!("a form of Redis makes its nodes")
    }

    async fn join(&self, inbox: Inbox) -> Arc<dyn Broker> {
        self.listening(inbox).await
    }

    async fn pass(&self, milliseconds: u64) {
        Self::pass(self, milliseconds);
    }
}

/// Waits for a condition.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let mut look = interval(Duration::from_millis(20));
    // Whoever looks by a blocking command must not keep the nodes from running.
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        look.tick().await;
    }
}
