//! Presence over several nodes: what every roster owes, run on each of them, and whole nodes that die, sleep and lose their Redis.

mod nodes;
mod servers;
mod suite;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use hubbub::broker::memory::{Bus, MemoryBroker};
use hubbub::broker::{Broker, Inbox, Incoming};
use hubbub::clock::Clock;
use hubbub::presence::memory::{Board, MemoryRoster};
use hubbub_protocol::channel::ChannelKey;
use tokio::sync::mpsc;

use suite::{BOUNDS, Fleet, Node, Told};

/// Nodes of one process over one board.
struct Memory {
    board: Arc<Board>,
    bus: Arc<Bus>,
    clock: Arc<Clock>,
}

#[async_trait]
impl Fleet for Memory {
    async fn new() -> Self {
        let clock = Arc::new(Clock::Manual(AtomicU64::new(1_800_000_000_000)));
        Self { board: Board::new(BOUNDS, clock.clone()), bus: Bus::new(1 << 20, clock.clone()), clock }
    }

    async fn join(&self) -> Node {
        let (sender, _) = mpsc::channel(1);
        let broker = Arc::new(MemoryBroker::new(self.bus.clone(), Inbox::new(vec![sender])));
        Arc::new(MemoryRoster::new(self.board.clone(), broker))
    }

    async fn listen(&self, channel: &ChannelKey) -> Told {
        let ((sender, mut receiver), (told, heard)) = (mpsc::channel(1_000), mpsc::channel(1_000));
        let broker = MemoryBroker::new(self.bus.clone(), Inbox::new(vec![sender]));
        broker.subscribe(std::slice::from_ref(channel)).await.expect("memory is never away");
        tokio::spawn(async move {
            // The end of the broker lives as long as somebody listens.
            let _broker = broker;
            while let Some(Incoming::Envelope(envelope)) = receiver.recv().await {
                if told.send(envelope.content).await.is_err() {
                    return;
                }
            }
        });
        heard
    }

    async fn tick(&self) {
        if let Clock::Manual(now) = &*self.clock {
            now.fetch_add(50, Ordering::Relaxed);
        }
    }
}

roster_conformance!(memory, super::Memory);
roster_conformance!(standalone, super::servers::Standalone);

#[tokio::test]
async fn the_documented_rules_of_access_are_enough() {
    let fleet = servers::Restricted::new().await;
    suite::every_one(&fleet).await;
}

/// A cluster takes seconds to start: one for all tests of the suite.
#[tokio::test]
async fn a_cluster_owes_the_same() {
    let cluster = servers::OneCluster::new().await;
    suite::every_one(&cluster).await;
}
