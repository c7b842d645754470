//! Goal: messages of a room go by the age that it sets, with what hangs on them, and nothing else does. Method: a node in this process
//! whose clock is held; another one starts two days later on the same file.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use hubbub::auth::origin::Origins;
use hubbub::auth::policy::Policy;
use hubbub::auth::service::ApiKeys;
use hubbub::auth::ticket::Tickets;
use hubbub::auth::verifier::Verifier;
use hubbub::clock::Clock;
use hubbub::config::{Config, Reloadable, development};
use hubbub::node::{Carrier, Node, Settings};
use hubbub::rate::Rates;
use hubbub::rooms::platform::Platforms;
use hubbub_persistence::sqlite;
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::house::SOON;

const DAY_MS: u64 = 86_400_000;
const BEGIN_MS: u64 = 1_800_000_000_000;

/// A node over a file, at a time that does not pass.
async fn node(folder: &std::path::Path, now: u64) -> Node {
    let config = Config::development();
    let clock = Arc::new(Clock::Manual(AtomicU64::new(now)));
    let store = sqlite::Sqlite::open(sqlite::Settings::new(folder.join("hubbub.db"), now)).await;
    let store = Arc::new(store.expect("the file opens"));
    let Reloadable { namespaces, key_ring, services, rates, platforms, origins } = config.reloadable().expect("valid");
    let local = "127.0.0.1:0".parse().expect("an address");
    let node = Node::start(Settings {
        name: "node".into(),
        public: local,
        internal: local,
        shards: 1,
        shard_here: false,
        limits: hubbub::limits::Limits { drain_ms: 100, ..config.limits.clone() },
        store: store.clone(),
        records: store,
        carrier: Carrier::Alone,
        clock: clock.clone(),
        verifier: Arc::new(Verifier::new(key_ring, clock.clone())),
        policy: Arc::new(Policy::new(namespaces)),
        api_keys: Arc::new(ApiKeys::new(services)),
        origins: Arc::new(Origins::new(origins)),
        rates: Arc::new(Rates::new(rates, clock)),
        platforms: Arc::new(Platforms::new(platforms).expect("TLS")),
        tickets: Tickets::new(&[7; 32]),
        anonymous_tenant: None,
        trusted_proxies: Vec::new(),
        dev: None,
        metrics: PrometheusBuilder::new().build_recorder().handle(),
    });
    node.await.expect("a node starts")
}

async fn op(node: &Node, user: &str, op: &str, mut body: Value) -> Value {
    body["as"] = json!(user);
    let url = format!("http://{}/v1/rooms/{op}", node.internal);
    let answer = reqwest::Client::new().post(url).bearer_auth(development::API_KEY).json(&body).send().await;
    let answer: Value = answer.expect("an answer").json().await.expect("JSON");
    assert!(answer["code"].is_null(), "{op}: {answer}");
    answer
}

async fn texts(node: &Node, room: &str) -> Vec<String> {
    let page = op(node, "bob", "messages", json!({"channel": room})).await;
    let messages = page["messages"].as_array().expect("a list");
    messages.iter().filter_map(|message| message["text"].as_str().map(str::to_owned)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_go_by_the_age_of_their_room() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = node(folder.path(), BEGIN_MS).await;
    for room in ["room:short", "room:long"] {
        op(&first, "bob", "create", json!({"channel": room, "kind": "public", "name": "room"})).await;
        op(&first, "ann", "join", json!({"channel": room})).await;
        let root = op(&first, "bob", "send", json!({"channel": room, "text": "old @ann"})).await["message"].clone();
        op(&first, "bob", "send", json!({"channel": room, "text": "old in a thread", "thread": root})).await;
        op(&first, "bob", "edit", json!({"channel": room, "message": root, "text": "older @ann"})).await;
        op(&first, "ann", "react", json!({"channel": room, "message": root, "emoji": "👍"})).await;
        op(&first, "bob", "pin", json!({"channel": room, "message": root, "pinned": true})).await;
        op(&first, "bob", "send", json!({"channel": room, "text": "old again @ann"})).await;
    }
    op(&first, "bob", "configure", json!({"channel": "room:short", "retention_days": 1})).await;
    first.drain().await;

    let later = node(folder.path(), BEGIN_MS + 2 * DAY_MS).await;
    op(&later, "bob", "send", json!({"channel": "room:short", "text": "new"})).await;
    let until = Instant::now() + SOON;
    while texts(&later, "room:short").await != ["new"] {
        assert!(Instant::now() < until, "nothing goes: {:?}", texts(&later, "room:short").await);
        sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(
        texts(&later, "room:long").await,
        ["older @ann", "old again @ann"],
        "a room that says nothing keeps all"
    );
    let seen = op(&later, "ann", "room", json!({"channel": "room:short"})).await;
    assert_eq!((&seen["room"]["messages"], &seen["room"]["pins"]), (&json!(3), &json!([])), "{seen}");
    assert_eq!((&seen["unread"], &seen["mentions"]), (&json!(3), &json!(2)), "counters stay: {seen}");
    op(&later, "ann", "read", json!({"channel": "room:short", "ordinal": 3})).await;
    let seen = op(&later, "ann", "room", json!({"channel": "room:short"})).await;
    assert_eq!((&seen["unread"], &seen["mentions"]), (&json!(0), &json!(0)), "and come to nothing: {seen}");
    assert_eq!(op(&later, "ann", "search", json!({"text": "older"})).await["hits"].as_array().map(Vec::len), Some(1));
    later.drain().await;
}
