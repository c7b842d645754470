//! Goal: whatever breaks on the way to Redis is found, repaired and swept. Method: Redis away at the start, a proxy that is
//! half-dead, answers that are lost, a reader that is too slow.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use hubbub::broker::redis::RedisBroker;
use hubbub::broker::{Broker, Content, Inbox, Incoming, Link, Scope};
use hubbub::namespace::WindowBounds;
use hubbub::redis::Settings;
use hubbub_local::redis::{Data, Options, Standalone};
use hubbub_persistence::Appended;
use hubbub_protocol::channel::ChannelKey;
use tokio::sync::mpsc;

use super::ears::Node;
use super::proxy::Proxy;
use super::{Nodes, until};
use crate::suite::{draft, key, whisper};

/// What is promised for a link that goes silent without closing.
const REPAIRED: Duration = Duration::from_secs(5);

fn server() -> (Standalone, Nodes) {
    let server = Standalone::start(Options::default()).expect("a server");
    let nodes = Nodes::new(Settings::of(server.url()));
    (server, nodes)
}

async fn through(proxy: &Proxy, command_ms: u64) -> Node {
    let settings = Settings { command_ms, ..Settings::of(format!("redis://127.0.0.1:{}", proxy.port)) };
    Node::listening(&Nodes::new(settings)).await
}

#[tokio::test]
async fn a_node_starts_without_redis_and_finds_it() {
    let (mut server, nodes) = server();
    server.kill().expect("killed");
    let mut node = Node::starting(&nodes, Duration::from_secs(10));
    let channel = key("eph:x");
    node.subscribe(&channel).await;
    let scope = node.broker.publish(whisper(&channel, 1)).await;
    assert_eq!(scope, Ok(Scope::Node), "its own subscribers are served");
    assert!(node.until_whisper(1).await.is_empty());
    assert!(matches!(node.broker.link(), Link::Away(_)), "{:?}", node.broker.link());
    assert!(node.broker.append(draft("win:x", None, "1"), WindowBounds::default()).await.is_err());
    server.start_again(Data::Lost).expect("started");
    node.until_swept(&channel).await;
    node.until_well().await;
    let other = Node::listening(&nodes).await;
    other.whisper(&channel, 2).await;
    assert!(node.until_whisper(2).await.is_empty());
}

#[tokio::test]
async fn while_redis_is_away_nobody_waits_for_it() {
    let (mut server, nodes) = server();
    let mut node = Node::listening(&nodes).await;
    server.kill().expect("killed");
    let channel = key("eph:x");
    // Enough failures open the breaker; from then on nobody waits for a time limit.
    join_all((0..10).map(|version| node.broker.publish(whisper(&channel, version)))).await;
    until("the breaker is open", || matches!(node.broker.link(), Link::Away(_))).await;
    let began = Instant::now();
    for version in 10..60 {
        assert_eq!(node.broker.publish(whisper(&channel, version)).await, Ok(Scope::Node));
        node.subscribe(&key(&format!("eph:{version}"))).await;
    }
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    server.start_again(Data::Lost).expect("started");
    node.until_swept(&key("eph:59")).await;
    node.until_well().await;
    until("publishes reach everybody again", || matches!(node.broker.link(), Link::Well)).await;
    assert_eq!(node.broker.publish(whisper(&channel, 60)).await, Ok(Scope::Fleet));
}

#[tokio::test]
async fn a_subscription_that_goes_silent_is_repaired_within_five_seconds() {
    let (server, nodes) = server();
    let proxy = Proxy::start(server.port()).await;
    let mut node = through(&proxy, 2_000).await;
    let other = Node::listening(&nodes).await;
    let channels: Vec<ChannelKey> = (0..40).map(|index| key(&format!("win:{index}"))).collect();
    node.broker.subscribe(&channels).await.expect("subscribed");
    other.whisper(&channels[7], 1).await;
    node.until_whisper(1).await;

    proxy.silence_subscribers();
    let began = Instant::now();
    other.whisper(&channels[7], 2).await;
    let mut unswept: HashSet<_> = channels.iter().cloned().collect();
    while !unswept.is_empty() {
        match node.next().await {
            Incoming::Sweep(swept) => unswept.retain(|channel| !swept.contains(channel)),
            Incoming::Envelope(envelope) => panic!("nothing comes through: {envelope:?}"),
        }
    }
    assert!(began.elapsed() < REPAIRED, "repaired after {:?}", began.elapsed());
    other.whisper(&channels[7], 3).await;
    let came = node.until_whisper(3).await;
    assert!(came.iter().all(|incoming| matches!(incoming, Incoming::Sweep(_))), "{came:?}");
    node.until_well().await;
}

#[tokio::test]
async fn an_append_whose_answer_is_lost_is_there_once_and_delivered_once() {
    let (server, nodes) = server();
    let proxy = Proxy::start(server.port()).await;
    let mut node = through(&proxy, 300).await;
    let channel = key("win:x");
    node.subscribe(&channel).await;
    // Its scripts are known to Redis, so that the lost answer is that of the append.
    node.append(draft("win:x", None, "\"before\"")).await;
    proxy.drop_answers(true);
    let draft = draft("win:x", Some("k"), "\"once\"");
    let unknown = node.broker.append(draft.clone(), WindowBounds::default()).await;
    assert!(unknown.is_err(), "nobody answered: {unknown:?}");
    proxy.drop_answers(false);
    let other = Node::listening(&nodes).await;
    let head = other.broker.heads(std::slice::from_ref(&channel)).await.expect("heads")[0];
    assert_eq!(head.position.offset, 2, "tried twice, appended once");
    // The publisher tries again, with the same key and another id.
    let again = hubbub_persistence::Append { id: hubbub_protocol::MessageId::from_parts(7, 7), ..draft.clone() };
    assert_eq!(node.append(again).await, head.position);
    other.whisper(&channel, 1).await;
    let came = node.until_whisper(1).await;
    let mut messages = came.iter().filter_map(|incoming| match incoming {
        Incoming::Envelope(envelope) => Some(&envelope.content),
        Incoming::Sweep(_) => None,
    });
    assert!(matches!(messages.next(), Some(Content::Message(first)) if first.id != draft.id));
    assert!(matches!(messages.next(), Some(Content::Message(once)) if once.id == draft.id), "its echo brought it");
    assert_eq!(messages.next(), None);
}

#[tokio::test]
async fn an_append_with_a_slow_answer_is_not_appended_twice() {
    let (mut server, nodes) = server();
    let settings = Settings { command_ms: 200, ..nodes.settings.clone() };
    let node = Node::listening(&Nodes::new(settings)).await;
    node.append(draft("win:x", None, "1")).await;
    // What was sent waits in the socket, and is done when Redis wakes up.
    server.pause().expect("paused");
    let slow = node.broker.append(draft("win:x", None, "2"), WindowBounds::default()).await;
    server.resume().expect("resumed");
    assert!(slow.is_err(), "{slow:?}");
    let next = node.append(draft("win:x", None, "3")).await;
    let page =
        node.broker.read(&key("win:x"), hubbub_persistence::ReadFrom::After(0), 9, usize::MAX).await.expect("read");
    assert!(next.offset == 3 || next.offset == 2, "once or not at all: {next:?}");
    assert_eq!(page.entries.len() as u64, page.head.position.offset);
}

#[tokio::test]
async fn a_reader_that_is_too_slow_is_swept() {
    let (_server, nodes) = server();
    let (lane, mut heard) = mpsc::channel(1);
    let slow: std::sync::Arc<RedisBroker> = nodes.listening(Inbox::new(vec![lane])).await;
    let channel = key("eph:busy");
    slow.subscribe(std::slice::from_ref(&channel)).await.expect("subscribed");
    let other = Node::listening(&nodes).await;
    for round in 0..40 {
        let whispers = (0..500).map(|version| other.broker.publish(whisper(&channel, round * 500 + version)));
        assert!(join_all(whispers).await.iter().all(Result::is_ok));
    }
    let mut envelopes = 0;
    let swept = async {
        while let Some(incoming) = heard.recv().await {
            match incoming {
                Incoming::Envelope(_) => envelopes += 1,
                Incoming::Sweep(channels) => return channels,
            }
        }
        Vec::new()
    };
    let swept = tokio::time::timeout(super::PATIENCE, swept).await.expect("swept");
    assert_eq!(swept, [channel]);
    assert!(envelopes < 20_000, "some were dropped, or this proves nothing");
}

#[tokio::test]
async fn a_wrong_password_is_said_and_a_right_one_found() {
    let options = Options::default().acl_user("hub", "secret", "~* &* +@all");
    let server = Standalone::start(options).expect("a server");
    let password = Some(hubbub::auth::secret::Secret::new("later"));
    let nodes = Nodes::new(Settings { username: Some("hub".into()), password, ..Settings::of(server.url()) });
    let node = Node::starting(&nodes, Duration::from_secs(10));
    until("the link says why", || matches!(node.broker.link(), Link::Away(why) if why.contains("WRONGPASS"))).await;
    server.cli(&["ACL", "SETUSER", "hub", ">later"]).expect("a new password");
    node.until_well().await;
    assert_eq!(node.append(draft("win:x", None, "1")).await.offset, 1);
}

#[tokio::test]
async fn one_append_is_duplicated_by_no_retry_of_its_key() {
    let (_server, nodes) = server();
    let node = Node::listening(&nodes).await;
    let first = node.append(draft("win:x", Some("k"), "1")).await;
    let retries = (0..50).map(|_| node.broker.append(draft("win:x", Some("k"), "1"), WindowBounds::default()));
    for retried in join_all(retries).await {
        assert!(matches!(retried, Ok(Appended::At { position, duplicate: true, .. }) if position == first));
    }
}
