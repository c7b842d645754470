//! Goal: a node subscribes to what it wants, no longer than it lingers, and a bucket has about one heartbeat however many nodes
//! there are. Method: Redis is asked what is subscribed, and heartbeats are made up.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use hubbub::broker::{Broker, Incoming};
use hubbub::redis::Settings;
use hubbub_local::redis::{Options, Standalone};

use super::ears::Node;
use super::{Nodes, until};
use crate::suite::key;

fn server() -> (Standalone, Nodes) {
    let server = Standalone::start(Options::default()).expect("a server");
    let nodes = Nodes::new(Settings::of(server.url()));
    (server, nodes)
}

fn subscribed(server: &Standalone, pattern: &str) -> Vec<String> {
    let answer = server.cli(&["PUBSUB", "SHARDCHANNELS", pattern]).expect("an answer");
    answer.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[tokio::test]
async fn interest_lingers_and_goes() {
    let (server, nodes) = server();
    let mut node = Node::starting(&nodes, Duration::from_millis(600));
    node.until_well().await;
    let (one, two) = (key("eph:one"), key("eph:two"));
    node.broker.subscribe(&[one.clone(), two.clone()]).await.expect("subscribed");
    assert_eq!(subscribed(&server, "*:ch:*").len(), 2);
    assert_eq!(subscribed(&server, "*:beat:*").len(), 2, "two buckets are in use");
    let left = Instant::now();
    node.broker.unsubscribe(&[one.clone(), two.clone()]).await.expect("unsubscribed");
    node.subscribe(&two).await;
    until("the first is gone", || subscribed(&server, "*:ch:*").len() == 1).await;
    assert!(left.elapsed() >= Duration::from_millis(600), "a reconnect in between costs nothing: {:?}", left.elapsed());
    until("its heartbeat too", || subscribed(&server, "*:beat:*").len() == 1).await;
    // Wanted again after it went, it is subscribed again.
    node.subscribe(&one).await;
    let other = Node::listening(&nodes).await;
    other.whisper(&one, 1).await;
    assert!(node.until_whisper(1).await.is_empty());
}

#[tokio::test]
async fn thousands_of_channels_are_subscribed_at_once_and_confirmed() {
    let (server, nodes) = server();
    let mut node = Node::listening(&nodes).await;
    let channels: Vec<_> = (0..5_000).map(|index| key(&format!("eph:{index}"))).collect();
    let (few, many) = channels.split_at(100);
    // Beside one large request many small ones, as resuming clients make them.
    let each = join_all(few.iter().map(|channel| node.broker.subscribe(std::slice::from_ref(channel))));
    let (all, each) = tokio::join!(node.broker.subscribe(many), each);
    assert!(all.is_ok() && each.iter().all(Result::is_ok));
    assert_eq!(subscribed(&server, "*:ch:*").len(), channels.len(), "confirmed means that Redis has it");
    assert_eq!(subscribed(&server, "*:beat:*").len(), 256);
    let other = Node::listening(&nodes).await;
    other.whisper(&channels[4_999], 1).await;
    assert!(node.until_whisper(1).await.is_empty());
}

#[tokio::test]
async fn a_missing_heartbeat_sweeps_its_bucket_alone() {
    let (server, nodes) = server();
    let mut node = Node::listening(&nodes).await;
    let (here, elsewhere) = (key("eph:here"), key("eph:elsewhere"));
    node.subscribe(&here).await;
    let beat = subscribed(&server, "*:beat:*").remove(0);
    node.subscribe(&elsewhere).await;
    assert_eq!(subscribed(&server, "*:beat:*").len(), 2, "another bucket");
    for number in ["41", "42", "44"] {
        server.cli(&["SPUBLISH", &beat, number]).expect("published");
    }
    match node.next().await {
        Incoming::Sweep(channels) => assert_eq!(channels, [here]),
        other @ Incoming::Envelope(_) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn many_nodes_beat_a_bucket_about_as_often_as_one() {
    let (server, nodes) = server();
    let mut all = Vec::new();
    for _ in 0..5 {
        let node = Node::listening(&nodes).await;
        node.subscribe(&key("eph:x")).await;
        all.push(node);
    }
    let beaten = |server: &Standalone| {
        let count = server.cli(&["KEYS", "*:count:*"]).expect("keys");
        server.cli(&["GET", &count]).ok().and_then(|number| number.parse::<u64>().ok()).unwrap_or(0)
    };
    until("the first beat", || beaten(&server) >= 1).await;
    let (first, began) = (beaten(&server), Instant::now());
    until("four more", || beaten(&server) >= first + 4).await;
    // Five nodes that did not hear each other would be through in a second.
    assert!(began.elapsed() > Duration::from_secs(3), "{:?}", began.elapsed());
    for node in &mut all {
        assert!(node.within(Duration::ZERO).await.is_none(), "nobody missed one");
    }
}
