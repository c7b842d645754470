//! Goal: memory that went backwards is fenced. Method: Redis is killed and started again with all, a part or none of its data, or
//! loses a key as eviction would take it; old positions are judged before and after the next append.

use hubbub::broker::Broker;
use hubbub::namespace::WindowBounds;
use hubbub::redis::Settings;
use hubbub_local::redis::{Data, Options, Standalone};
use hubbub_persistence::{Appended, Continuity, ReadFrom};
use hubbub_protocol::{GapReason, Position};

use super::Nodes;
use super::ears::Node;
use crate::suite::{draft, key};

const CHANNEL: &str = "win:x";

fn broken(since: u64) -> Continuity {
    Continuity::Broken { since, reason: GapReason::Epoch }
}

impl Node {
    async fn judge(&self, position: Position) -> Continuity {
        self.broker.continuity(&key(CHANNEL), position).await.expect("an answer")
    }

    async fn head(&self) -> (Position, u64) {
        let head = self.broker.heads(&[key(CHANNEL)]).await.expect("an answer")[0];
        (head.position, head.low)
    }
}

async fn begin(options: Options) -> (Standalone, Node) {
    let server = Standalone::start(options).expect("a server");
    let node = Node::listening(&Nodes::new(Settings::of(server.url()))).await;
    node.subscribe(&key(CHANNEL)).await;
    (server, node)
}

async fn restart(server: &mut Standalone, node: &mut Node, data: Data) {
    server.kill().expect("killed");
    server.start_again(data).expect("started");
    node.until_swept(&key(CHANNEL)).await;
}

#[tokio::test]
async fn a_restart_without_data_begins_anew_and_proves_nothing() {
    let (mut server, mut node) = begin(Options::default()).await;
    let epoch = node.append_many(CHANNEL, 5).await;
    restart(&mut server, &mut node, Data::Lost).await;
    for offset in [1, 5] {
        assert_eq!(node.judge(Position::new(epoch, offset)).await, broken(0), "untouched: {offset}");
    }
    let again = node.append(draft(CHANNEL, None, "1")).await;
    assert_eq!(again.offset, 1);
    assert_ne!(again.epoch, epoch, "numbers that are given again belong to another epoch");
    assert_eq!(node.judge(Position::new(epoch, 1)).await, broken(0));
}

#[tokio::test]
async fn a_restart_with_its_data_continues_every_position() {
    let (mut server, mut node) = begin(Options::default().append_only("always")).await;
    let first = draft(CHANNEL, Some("k"), "1");
    let epoch = node.append(first.clone()).await.epoch;
    node.append_many(CHANNEL, 4).await;
    restart(&mut server, &mut node, Data::Kept).await;
    let next = node.append(draft(CHANNEL, None, "1")).await;
    assert_eq!(next.offset, 6, "numbering goes on");
    assert_ne!(next.epoch, epoch, "what was lost, if anything, can not be known");
    for offset in 0..=5 {
        assert_eq!(node.judge(Position::new(epoch, offset)).await, Continuity::Proven { offset });
    }
    assert_eq!(node.judge(Position::new(epoch, 6)).await, broken(5));
    let page = node.broker.read(&key(CHANNEL), ReadFrom::After(0), 100, usize::MAX).await.expect("read");
    assert_eq!((page.entries.len(), page.head.low), (6, 0));
    let again = node.broker.append(first, WindowBounds::default()).await.expect("append");
    assert!(matches!(again, Appended::At { position, .. } if position.offset == 1), "keys are remembered: {again:?}");
}

#[tokio::test]
async fn a_restart_that_lost_the_last_entries_breaks_only_those() {
    let (mut server, mut node) = begin(Options::default().snapshots()).await;
    let epoch = node.append_many(CHANNEL, 5).await;
    server.cli(&["SAVE"]).expect("a snapshot");
    assert_eq!(node.append_many(CHANNEL, 3).await, epoch);
    restart(&mut server, &mut node, Data::Kept).await;
    let back = node.head().await.0;
    assert_eq!((back.offset, back.epoch == epoch), (5, false), "three were acknowledged and are gone: an epoch tells");
    assert_eq!(node.judge(Position::new(epoch, 8)).await, broken(5), "before anything is appended");
    let next = node.append(draft(CHANNEL, None, "\"other\"")).await;
    assert_eq!(next.offset, 6, "a number is given again");
    assert_ne!(next.epoch, epoch, "in another epoch");
    for (offset, worth) in [(5, Continuity::Proven { offset: 5 }), (6, broken(5)), (8, broken(5))] {
        assert_eq!(node.judge(Position::new(epoch, offset)).await, worth, "{offset}");
    }
    // And once more: both past epochs are remembered.
    server.cli(&["SAVE"]).expect("a snapshot");
    restart(&mut server, &mut node, Data::Kept).await;
    node.append_many(CHANNEL, 1).await;
    assert_eq!(node.judge(Position::new(epoch, 8)).await, broken(5));
    assert_eq!(node.judge(next).await, Continuity::Proven { offset: 6 });
}

#[tokio::test]
async fn an_untouched_window_is_continued_by_its_first_append_in_the_same_life_only() {
    let (mut server, mut node) = begin(Options::default()).await;
    let (nothing, low) = node.head().await;
    assert_eq!((nothing.offset, low, node.head().await.0), (0, 0, nothing), "asking changes nothing");
    assert_eq!(server.cli(&["DBSIZE"]).expect("a size"), "0", "asking costs no memory");
    node.append_many(CHANNEL, 2).await;
    assert_eq!(node.judge(nothing).await, Continuity::Proven { offset: 0 });
    restart(&mut server, &mut node, Data::Lost).await;
    assert_eq!(node.judge(nothing).await, broken(0), "two messages are gone that it did not see");
    node.append_many(CHANNEL, 1).await;
    assert_eq!(node.judge(nothing).await, broken(0));
}

#[tokio::test]
async fn a_window_that_lost_a_key_to_eviction_says_so() {
    let (server, node) = begin(Options::default()).await;
    let epoch = node.append_many(CHANNEL, 5).await;
    let keys = server.cli(&["KEYS", "*"]).expect("keys");
    let of = |kind: &str| keys.lines().find(|key| key.contains(kind)).expect("there").to_owned();

    server.cli(&["DEL", &of(":keys:")]).expect("evicted");
    let next = node.append(draft(CHANNEL, None, "1")).await;
    assert_eq!((next.offset, next.epoch == epoch), (6, false), "keys are forgotten: an epoch tells");
    assert_eq!(node.judge(Position::new(epoch, 5)).await, Continuity::Proven { offset: 5 });

    server.cli(&["DEL", &of(":log:")]).expect("evicted");
    assert_eq!(node.head().await, (next, 6), "everything is gone, and below the low-water mark");
    assert_eq!(node.append(draft(CHANNEL, None, "1")).await.offset, 7);
    assert_eq!(node.head().await.1, 6);

    server.cli(&["DEL", &of(":win:")]).expect("evicted");
    assert_eq!(node.judge(next).await, broken(0));
    let anew = node.append(draft(CHANNEL, None, "1")).await;
    assert_eq!(anew.offset, 1, "nobody knows the old numbers");
    assert_eq!(node.judge(next).await, broken(0));
    let page = node.broker.read(&key(CHANNEL), ReadFrom::After(0), 100, usize::MAX).await.expect("read");
    assert_eq!(page.entries.len(), 1, "what was left of the old window is gone");
}

#[tokio::test]
async fn full_memory_stops_appends_and_not_reads() {
    let (server, node) = begin(Options::default()).await;
    node.append_many(CHANNEL, 5).await;
    server.cli(&["CONFIG", "SET", "maxmemory", "1"]).expect("set");
    let refused = node.broker.append(draft(CHANNEL, None, "1"), WindowBounds::default()).await;
    assert!(refused.is_err(), "{refused:?}");
    let page = node.broker.read(&key(CHANNEL), ReadFrom::After(0), 100, usize::MAX).await.expect("read");
    assert_eq!(page.entries.len(), 5);
    server.cli(&["CONFIG", "SET", "maxmemory", "0"]).expect("set");
    assert_eq!(node.append(draft(CHANNEL, None, "1")).await.offset, 6, "and nothing half-done is left");
}
