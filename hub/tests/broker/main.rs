//! The conformance suite of the broker: what every backend owes, run on each of them.

mod suite;

mod redis;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use hubbub::broker::memory::{Bus, MemoryBroker};
use hubbub::broker::{Broker, Inbox};
use hubbub::clock::Clock;

use suite::Cluster;

/// Nodes of one process over one bus.
struct Memory {
    bus: Arc<Bus>,
    clock: Arc<Clock>,
}

#[async_trait]
impl Cluster for Memory {
    fn new() -> Self {
        let clock = Arc::new(Clock::Manual(AtomicU64::new(suite::BEGIN_MS)));
        Self { bus: Bus::new(1 << 30, clock.clone()), clock }
    }

    async fn join(&self, inbox: Inbox) -> Arc<dyn Broker> {
        Arc::new(MemoryBroker::new(self.bus.clone(), inbox))
    }

    async fn pass(&self, milliseconds: u64) {
        if let Clock::Manual(now) = &*self.clock {
            now.fetch_add(milliseconds, Ordering::Relaxed);
        }
        self.bus.expire();
    }
}

broker_conformance!(memory, super::Memory);

#[tokio::test]
async fn windows_of_a_node_stay_within_their_budget() {
    let clock = Arc::new(Clock::Manual(AtomicU64::new(suite::BEGIN_MS)));
    let budget = 4 << 20;
    let bus = Bus::new(budget, clock);
    let (inbox, _receiver) = suite::inbox();
    let broker = MemoryBroker::new(bus.clone(), inbox);
    for index in 0..20_000 {
        let append = suite::draft(
            &format!("win:{}", index % 700),
            None,
            "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"",
        );
        broker.append(append, hubbub::namespace::WindowBounds::default()).await.expect("memory is never away");
    }
    // Each part keeps to its share; a part whose share is one message still holds that one.
    assert!(bus.held_bytes() <= budget + budget / 4, "{} of {budget}", bus.held_bytes());
    assert!(bus.held_bytes() > budget / 4, "not emptied either: {}", bus.held_bytes());
}
