//! Goal: a failover is found, judged and survived, with and without lost entries, and a slot may move at any moment. Method: primaries
//! are killed under Sentinel and in a Cluster, replication is stopped before, a slot migrates under appends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hubbub::broker::{Broker, Content, Incoming, Scope};
use hubbub::redis::Settings;
use hubbub_local::redis::{Cluster, Sentinel};
use hubbub_persistence::{Continuity, Entry, ReadFrom};
use hubbub_protocol::{Epoch, GapReason, Position};

use super::Nodes;
use super::ears::Node;
use crate::suite::{draft, key, whisper};

const CHANNEL: &str = "win:x";

async fn judge(node: &Node, epoch: Epoch, offset: u64) -> Continuity {
    node.broker.continuity(&key(CHANNEL), Position::new(epoch, offset)).await.expect("an answer")
}

async fn begin(url: String) -> (Node, Node) {
    let nodes = Nodes::new(Settings::of(url));
    let (node, other) = (Node::listening(&nodes).await, Node::listening(&nodes).await);
    node.subscribe(&key(CHANNEL)).await;
    (node, other)
}

/// After a failover: what is certain continues, what was lost is broken, numbering goes on, and both nodes hear each other.
async fn judged_after(node: &mut Node, other: &Node, epoch: Epoch, kept: u64, acknowledged: u64) {
    node.until_swept(&key(CHANNEL)).await;
    let next = other.append(draft(CHANNEL, None, "\"after\"")).await;
    assert_eq!(next.offset, kept + 1);
    assert_ne!(next.epoch, epoch);
    assert_eq!(judge(node, epoch, kept).await, Continuity::Proven { offset: kept });
    for offset in kept + 1..=acknowledged {
        let broken = Continuity::Broken { since: kept, reason: GapReason::Epoch };
        assert_eq!(judge(node, epoch, offset).await, broken, "{offset}");
    }
    node.until_well().await;
    other.until_well().await;
    // One of its connections may still have to find out.
    while other.broker.publish(whisper(&key(CHANNEL), 9)).await != Ok(Scope::Fleet) {}
    node.until_whisper(9).await;
}

#[tokio::test]
async fn sentinel_fails_over_to_a_replica_that_has_everything() {
    let mut servers = Sentinel::start(1).expect("servers");
    let (mut node, other) = begin(servers.url()).await;
    let epoch = other.append_many(CHANNEL, 5).await;
    assert_eq!(servers.cli(&["WAIT", "1", "2000"]).expect("replicated"), "1");
    let old = servers.kill_primary().expect("killed");
    servers.wait_for_primary_other_than(old).expect("a new primary");
    judged_after(&mut node, &other, epoch, 5, 5).await;
}

#[tokio::test]
async fn sentinel_fails_over_to_a_replica_that_missed_the_end() {
    let mut servers = Sentinel::start(1).expect("servers");
    let (mut node, other) = begin(servers.url()).await;
    let epoch = other.append_many(CHANNEL, 5).await;
    assert_eq!(servers.cli(&["WAIT", "1", "2000"]).expect("replicated"), "1");
    servers.stop_replication().expect("stopped");
    assert_eq!(other.append_many(CHANNEL, 3).await, epoch, "acknowledged, and lost");
    let old = servers.kill_primary().expect("killed");
    servers.wait_for_primary_other_than(old).expect("a new primary");
    judged_after(&mut node, &other, epoch, 5, 8).await;
}

#[tokio::test]
async fn sentinel_replaces_a_primary_that_hangs() {
    let mut servers = Sentinel::start(1).expect("servers");
    let (mut node, other) = begin(servers.url()).await;
    let epoch = other.append_many(CHANNEL, 5).await;
    assert_eq!(servers.cli(&["WAIT", "1", "2000"]).expect("replicated"), "1");
    let old = servers.pause_primary().expect("paused");
    servers.wait_for_primary_other_than(old).expect("a new primary");
    judged_after(&mut node, &other, epoch, 5, 5).await;
    servers.resume().expect("resumed");
    // The old primary believes in itself until it is told; nobody follows it.
    assert_eq!(other.append_many(CHANNEL, 1).await, node.append(draft(CHANNEL, None, "1")).await.epoch);
}

/// The shard and the slot of the window.
fn place(servers: &Cluster) -> (usize, u16) {
    let mut shards = 0..servers.shards();
    let found = shards.find_map(|shard| {
        let keys = servers.cli(shard, &["KEYS", "*:win:*"]).ok()?;
        let key = keys.lines().find(|line| !line.is_empty())?;
        let slot = servers.cli(shard, &["CLUSTER", "KEYSLOT", key]).ok()?;
        Some((shard, slot.parse().expect("a number")))
    });
    found.expect("the window is somewhere")
}

#[tokio::test]
async fn a_shard_fails_over_to_a_replica_that_missed_the_end() {
    let mut servers = Cluster::start(3, 1).expect("servers");
    let (mut node, other) = begin(servers.url()).await;
    let epoch = other.append_many(CHANNEL, 5).await;
    let (shard, _) = place(&servers);
    assert_eq!(servers.cli(shard, &["WAIT", "1", "2000"]).expect("replicated"), "1");
    servers.stop_replication(shard).expect("stopped");
    assert_eq!(other.append_many(CHANNEL, 3).await, epoch, "acknowledged, and lost");
    let old = servers.kill_primary(shard).expect("killed");
    servers.wait_for_primary_other_than(shard, old).expect("a new primary");
    judged_after(&mut node, &other, epoch, 5, 8).await;
}

#[tokio::test]
async fn a_slot_moves_under_appends_and_nothing_is_lost() {
    let servers = Arc::new(Cluster::start(3, 1).expect("servers"));
    let (mut node, other) = begin(servers.url()).await;
    other.append_many(CHANNEL, 5).await;
    let (shard, slot) = place(&servers);
    let moved = Arc::new(AtomicBool::new(false));
    let moving = {
        let (servers, moved) = (servers.clone(), moved.clone());
        tokio::task::spawn_blocking(move || {
            let result = servers.move_slot(slot, (shard + 1) % servers.shards());
            moved.store(true, Ordering::SeqCst);
            result
        })
    };
    let mut appended = 5;
    while !moved.load(Ordering::SeqCst) || appended < 50 {
        other.append_many(CHANNEL, 1).await;
        appended += 1;
    }
    moving.await.expect("no panic").expect("moved");
    // The old shard ended the subscription without a word that the client library would tell.
    node.until_swept(&key(CHANNEL)).await;
    let page = other.broker.read(&key(CHANNEL), ReadFrom::After(0), 10_000, usize::MAX).await.expect("read");
    let offsets: Vec<u64> = page.entries.iter().map(Entry::offset).collect();
    assert_eq!(page.head.position.offset, appended, "each once");
    assert!(offsets.into_iter().eq(page.head.low + 1..=appended), "none missing");
    let last = other.append(draft(CHANNEL, None, "\"last\"")).await;
    let heard = async {
        loop {
            if let Incoming::Envelope(envelope) = node.next().await
                && let Content::Message(message) = envelope.content
                && message.position == Some(last)
            {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(5), heard).await.expect("it is heard again");
}
