//! Presence over several nodes: what every roster owes, run on each of them, and whole nodes that die, sleep and lose their Redis.

mod nodes;
mod servers;
mod suite;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use hubbub::broker::memory::{Bus, MemoryBroker};
use hubbub::broker::{Broker, Inbox, Incoming};
use hubbub::clock::Clock;
use hubbub::presence::memory::{Board, MemoryRoster};
use hubbub::presence::redis::RedisRoster;
use hubbub::presence::roster::{Bounds, Entered, Lease, Roster};
use hubbub_local::redis::Sentinel;
use hubbub_protocol::channel::ChannelKey;
use tokio::sync::mpsc;
use tokio::time::Instant;

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

/// What the primary had not yet told its replica is gone with it: nobody may go on as if it were there.
#[tokio::test]
async fn a_failover_that_lost_something_begins_every_lease_anew() {
    let mut sentinel = Sentinel::start(1).expect("a primary and a replica");
    let bounds = Bounds { lease_ms: 60_000, ..BOUNDS };
    let join = || RedisRoster::new(servers::redis(&sentinel.url(), "hubbub"), rand::random(), bounds);
    let (node, other, channel) = (join(), join(), suite::key("chat:lobby"));
    let entered = |entered: Vec<Entered>| match entered[..] {
        [Entered::Done { version, .. }] => Some(version),
        _ => None,
    };
    suite::enter(&(node.clone() as Node), &channel, "ada", Some(1)).await;
    let old = sentinel.primary_port().expect("a primary");
    sentinel.wait_until_healthy().expect("the replica follows");
    sentinel.stop_replication().expect("it stops");
    let lost = suite::enter(&(node.clone() as Node), &channel, "bo", Some(1)).await;
    sentinel.kill_primary().expect("killed");
    sentinel.wait_for_primary_other_than(old).expect("the replica takes over");

    let end = Instant::now() + Duration::from_secs(30);
    let lease = loop {
        match node.renew(vec![node.part(&channel)]).await[0] {
            Lease::Away => assert!(Instant::now() < end, "Redis is not found again"),
            known => break known,
        }
    };
    assert_eq!(lease, Lease::Begun, "what was entered last may be missing");
    let next = loop {
        if let Some(version) = entered(other.enter(vec![suite::entry(&channel, "cy", Some(1))]).await) {
            break version;
        }
        assert!(Instant::now() < end, "Redis is not found again");
    };
    assert!(next > lost, "{next} is not above {lost}, which was told");
}
