//! Goal: the hub needs no more of Redis than the documentation says, and takes nothing on trust that comes from it. Method: an ACL
//! user with exactly the documented rules, TLS, prefixes, and envelopes made by hand.

use std::collections::BTreeSet;
use std::path::PathBuf;

use hubbub::broker::{Broker, Link};
use hubbub::redis::Settings;
use hubbub_local::redis::{Options, Standalone};

use super::Nodes;
use super::ears::Node;
use crate::suite::{Cluster, draft, key};

/// The rules as `docs/OPERATIONS.md` gives them.
fn documented() -> String {
    let manual = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/OPERATIONS.md");
    let manual = std::fs::read_to_string(manual).expect("the manual");
    let line = manual.lines().find_map(|line| line.strip_prefix("ACL SETUSER hubbub on >PASSWORD "));
    line.expect("the rules are in the manual").to_owned()
}

/// A user who may do what the manual says and nothing else.
struct Restricted {
    nodes: Nodes,
    _server: Standalone,
}

#[async_trait::async_trait]
impl Cluster for Restricted {
    fn new() -> Self {
        let server =
            Standalone::start(Options::default().acl_user("hubbub", "secret", &documented())).expect("a server");
        let password = Some(hubbub::auth::secret::Secret::new("secret"));
        let settings = Settings { username: Some("hubbub".into()), password, ..Settings::of(server.url()) };
        Self { nodes: Nodes::new(settings), _server: server }
    }

    async fn join(&self, inbox: hubbub::broker::Inbox) -> std::sync::Arc<dyn Broker> {
        self.nodes.join(inbox).await
    }

    async fn pass(&self, milliseconds: u64) {
        self.nodes.pass(milliseconds);
    }
}

/// Everything over TLS.
struct Encrypted {
    nodes: Nodes,
    _server: Standalone,
}

#[async_trait::async_trait]
impl Cluster for Encrypted {
    fn new() -> Self {
        let server = Standalone::start(Options::default().tls()).expect("a server");
        let ca_file = server.ca_file().map(std::path::Path::to_owned);
        Self { nodes: Nodes::new(Settings { ca_file, ..Settings::of(server.url()) }), _server: server }
    }

    async fn join(&self, inbox: hubbub::broker::Inbox) -> std::sync::Arc<dyn Broker> {
        self.nodes.join(inbox).await
    }

    async fn pass(&self, milliseconds: u64) {
        self.nodes.pass(milliseconds);
    }
}

#[tokio::test]
async fn the_documented_rules_are_enough() {
    crate::broker_conformance!(@each |_test| Restricted::new());
}

#[test]
fn the_documented_rules_name_what_scripts_call_and_nothing_else() {
    let mut called: BTreeSet<String> = BTreeSet::new();
    let mut folders = vec![PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("the sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "lua") {
                let script = std::fs::read_to_string(path).expect("a script");
                let calls = script.split("call('").skip(1).filter_map(|rest| rest.split('\'').next());
                called.extend(calls.map(str::to_lowercase));
            }
        }
    }
    // Subscriptions, what the client library asks a cluster, the look for windows of a tenant, and whole categories.
    let beside = ["scan", "ssubscribe", "sunsubscribe", "cluster|slots", "cluster|info", "@connection", "@scripting"];
    called.extend(beside.map(str::to_owned));
    let rules = documented();
    let allowed: BTreeSet<String> =
        rules.split(' ').filter_map(|rule| rule.strip_prefix('+')).map(str::to_owned).collect();
    assert_eq!(allowed, called);
}

#[tokio::test]
async fn tls_carries_the_suite() {
    crate::broker_conformance!(@each |_test| Encrypted::new());
}

#[tokio::test]
async fn an_unknown_authority_is_not_trusted() {
    let server = Standalone::start(Options::default().tls()).expect("a server");
    let node = Node::starting(&Nodes::new(Settings::of(server.url())), std::time::Duration::ZERO);
    super::until(
        "the link says why",
        || matches!(node.broker.link(), Link::Away(why) if why.contains("UnknownIssuer")),
    )
    .await;
}

#[tokio::test]
async fn a_node_that_may_not_subscribe_is_deaf_and_says_why() {
    let rules = "resetchannels ~* -@all +@connection +@scripting +spublish +ssubscribe";
    let server = Standalone::start(Options::default().acl_user("mute", "secret", rules)).expect("a server");
    let password = Some(hubbub::auth::secret::Secret::new("secret"));
    let nodes = Nodes::new(Settings { username: Some("mute".into()), password, ..Settings::of(server.url()) });
    let node = Node::starting(&nodes, std::time::Duration::ZERO);
    node.subscribe(&key("eph:x")).await;
    super::until("it is deaf", || matches!(node.broker.link(), Link::Deaf(why) if why.contains("NOPERM"))).await;
    server.cli(&["ACL", "SETUSER", "mute", "&*", "+@all"]).expect("allowed");
    node.until_well().await;
}

#[tokio::test]
async fn prefixes_do_not_meet() {
    let server = Standalone::start(Options::default()).expect("a server");
    let of = |prefix: &str| Nodes::new(Settings { prefix: prefix.into(), ..Settings::of(server.url()) });
    let (mut one, two) = (Node::listening(&of("one")).await, Node::listening(&of("two")).await);
    let channel = key("win:x");
    one.subscribe(&channel).await;
    two.append_many("win:x", 3).await;
    two.whisper(&channel, 1).await;
    assert_eq!(one.append(draft("win:x", None, "1")).await.offset, 1);
    one.whisper(&channel, 2).await;
    assert_eq!(one.until_whisper(2).await.len(), 1, "its own message and nothing else");
}

#[tokio::test]
async fn envelopes_made_by_hand_do_no_harm() {
    let server = Standalone::start(Options::default()).expect("a server");
    let nodes = Nodes::new(Settings::of(server.url()));
    let (mut node, other) = (Node::listening(&nodes).await, Node::listening(&nodes).await);
    let channel = key("win:x");
    node.subscribe(&channel).await;
    let names = server.cli(&["PUBSUB", "SHARDCHANNELS", "*:ch:*"]).expect("names");
    let zeros = "0".repeat(32);
    for bytes in [
        "",
        "\u{1}",
        "{\"type\":\"message\"}",
        &"x".repeat(100_000),
        &format!("\u{1}\u{1}0123456789abcdef{zeros}"),
        &format!("\u{1}\u{1}0123456789abcdef{zeros}\u{6}~~~~cut"),
        &format!("\u{7f}\u{1}0123456789abcdef{zeros}"),
        &format!("\u{1}\u{9}0123456789abcdef{zeros}"),
    ] {
        server.cli(&["SPUBLISH", &names, bytes]).expect("published");
    }
    let beats = server.cli(&["PUBSUB", "SHARDCHANNELS", "*:beat:*"]).expect("names");
    for bytes in ["", "x", "-1", "99999999999999999999999"] {
        server.cli(&["SPUBLISH", &beats, bytes]).expect("published");
    }
    other.whisper(&channel, 1).await;
    assert!(node.until_whisper(1).await.is_empty(), "nothing of it was understood, and nothing swept");
}

#[tokio::test]
async fn data_that_looks_like_an_answer_of_redis_is_data() {
    let server = Standalone::start(Options::default()).expect("a server");
    let node = Node::listening(&Nodes::new(Settings::of(server.url()))).await;
    for key in ["message", "smessage", "subscribe", "MOVED 1 127.0.0.1:1", "ASK 1 127.0.0.1:1", "CLUSTERDOWN", "-ERR"] {
        let append =
            hubbub_persistence::Append { publisher: key.into(), ..draft("win:x", Some(key), "\"MOVED 1 :1\"") };
        let first = node.append(append.clone()).await;
        assert_eq!(node.append(append).await, first, "{key}");
    }
    let page = node.broker.read(&key("win:x"), hubbub_persistence::ReadFrom::After(0), 100, usize::MAX).await;
    assert_eq!(page.expect("read").entries.len(), 7);
}

#[tokio::test]
async fn a_key_of_somebody_else_in_our_place_is_an_error_and_not_a_panic() {
    let server = Standalone::start(Options::default()).expect("a server");
    let node = Node::listening(&Nodes::new(Settings::of(server.url()))).await;
    node.append_many("win:x", 2).await;
    let keys = server.cli(&["KEYS", "*:win:*"]).expect("keys");
    server.cli(&["SET", &keys, "nonsense"]).expect("set");
    assert!(node.broker.heads(&[key("win:x")]).await.is_err());
    assert!(node.broker.append(draft("win:x", None, "1"), hubbub::namespace::WindowBounds::default()).await.is_err());
    server.cli(&["DEL", &keys]).expect("deleted");
    server
        .cli(&["HSET", &keys, "e", "no epoch", "h", "3", "b", "1", "p", "?", "a", "1000", "r", "?", "x", "0"])
        .expect("set");
    assert!(node.broker.heads(&[key("win:x")]).await.is_err());
    assert_eq!(node.append(draft("win:y", None, "1")).await.offset, 1, "other windows go on");
}
