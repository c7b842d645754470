//! Goal: the platform of a tenant decides before something is said, and is told, signed and once, of what a user does not see; one
//! that fails does what the operator chose. Method: a platform of our own on a free port that answers as the test says.

use std::collections::BTreeMap;

use aws_lc_rs::hmac;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::harness::{Hub, ROOMS, SOON, api_key, op, sign, tenant_toml, token_secret};

const SECRET: &str = "what the platform and the hub know";

/// What came: the path, the signature, the key, the body.
type Call = (String, String, String, Value);

/// A platform: what came to it, and what it answers next.
struct Platform {
    address: String,
    calls: mpsc::Receiver<Call>,
    hook: watch::Sender<(u16, String)>,
}

#[derive(Clone)]
struct Desk {
    calls: mpsc::Sender<Call>,
    hook: watch::Receiver<(u16, String)>,
}

impl Platform {
    async fn start() -> Self {
        let (calls, received) = mpsc::channel(64);
        let (hook, answers) = watch::channel((200, r#"{"allow":true}"#.to_owned()));
        let desk = Desk { calls, hook: answers };
        let router = Router::new().route("/hook", post(asked)).route("/webhook", post(told)).with_state(desk);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, calls: received, hook }
    }

    async fn call(&mut self, path: &str) -> Call {
        loop {
            let call = timeout(SOON, self.calls.recv()).await.expect("a call in time").expect("the desk lives");
            if call.0 == path {
                return call;
            }
        }
    }
}

async fn asked(State(desk): State<Desk>, headers: HeaderMap, body: Bytes) -> (StatusCode, String) {
    note(&desk, "/hook", &headers, &body).await;
    let (status, answer) = desk.hook.borrow().clone();
    (StatusCode::from_u16(status).expect("a status"), answer)
}

async fn told(State(desk): State<Desk>, headers: HeaderMap, body: Bytes) -> StatusCode {
    note(&desk, "/webhook", &headers, &body).await;
    StatusCode::OK
}

async fn note(desk: &Desk, path: &str, headers: &HeaderMap, body: &Bytes) {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), body);
    let expected = tag.as_ref().iter().fold("sha256=".to_owned(), |text, byte| format!("{text}{byte:02x}"));
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    assert_eq!(header("x-hubbub-signature"), expected);
    let body = serde_json::from_slice(body).expect("JSON");
    desk.calls.send((path.to_owned(), expected, header("idempotency-key"), body)).await.expect("the test lives");
}

async fn hub(platform: &Platform, on_failure: &str) -> Hub {
    let keys: BTreeMap<&str, &[&str]> = [("k", &["publish", "read", "admin"] as &[_])].into();
    let address = &platform.address;
    let tenant = tenant_toml("acme", &keys).replacen(
        "id = \"acme\"\n",
        &format!(
            "id = \"acme\"\nhook = {{ url = \"http://{address}/hook\", on_failure = \"{on_failure}\", secret = \"{SECRET}\" }}\n\
             webhook = {{ url = \"http://{address}/webhook\", secret = \"{SECRET}\" }}\n"
        ),
        1,
    );
    Hub::configured(&format!("{ROOMS}{tenant}")).await
}

async fn general(hub: &Hub) {
    assert_eq!(op(hub, "ann", "create", json!({"kind": "public", "name": "G", "channel": "room:g"})).await.0, 200);
    assert_eq!(op(hub, "bob", "join", json!({"channel": "room:g"})).await.0, 200);
}

#[tokio::test]
async fn the_hook_allows_refuses_and_finds_other_words() {
    let mut platform = Platform::start().await;
    let hub = hub(&platform, "refuse").await;
    general(&hub).await;
    let say = |text: &str, key: &str| json!({"channel": "room:g", "text": text, "key": key});
    assert_eq!(op(&hub, "bob", "send", say("fine", "1")).await.0, 200);
    let (_, _, _, asked) = platform.call("/hook").await;
    assert_eq!((&asked["op"], &asked["user"], &asked["text"]), (&json!("send"), &json!("bob"), &json!("fine")));
    platform.hook.send_replace((200, r#"{"allow":false,"reason":"not here"}"#.into()));
    let (status, problem) = op(&hub, "bob", "send", say("bad", "2")).await;
    assert_eq!((status, &problem["detail"]), (403, &json!("not here")));
    platform.hook.send_replace((200, r#"{"allow":true,"text":"***"}"#.into()));
    let (_, first) = op(&hub, "bob", "send", say("rude", "3")).await;
    platform.hook.send_replace((200, r#"{"allow":true,"text":"+++"}"#.into()));
    assert_eq!(op(&hub, "bob", "send", say("rude", "3")).await.1, first, "the same key is the same message");
    let (_, page) = op(&hub, "ann", "messages", json!({"channel": "room:g"})).await;
    let texts: Vec<&str> =
        page["messages"].as_array().expect("a page").iter().filter_map(|m| m["text"].as_str()).collect();
    assert_eq!(texts, ["fine", "***"]);
}

#[tokio::test]
async fn a_hook_that_fails_does_what_the_operator_chose() {
    for (on_failure, expected) in [("refuse", 503), ("allow", 200)] {
        let platform = Platform::start().await;
        let hub = hub(&platform, on_failure).await;
        general(&hub).await;
        platform.hook.send_replace((500, String::new()));
        let (status, _) = op(&hub, "bob", "send", json!({"channel": "room:g", "text": "hi"})).await;
        assert_eq!(status, expected, "{on_failure}");
        platform.hook.send_replace((200, "no JSON".into()));
        let (status, _) = op(&hub, "bob", "send", json!({"channel": "room:g", "text": "hi"})).await;
        assert_eq!(status, expected, "{on_failure}");
    }
}

#[tokio::test]
async fn the_webhook_tells_of_what_a_user_does_not_see() {
    let mut platform = Platform::start().await;
    let hub = hub(&platform, "refuse").await;
    general(&hub).await;
    let service = |body: Value| {
        let hub = &hub;
        async move { hub.call_as(&api_key("acme", "k"), "POST", "/v1/users/bob/notify", Some(body)).await.ok() }
    };
    service(json!({"data": {"order": 7}, "inbox": true, "text": "your order", "collapse": "order/7", "key": "n1"}))
        .await;
    let (_, _, key, told) = platform.call("/webhook").await;
    assert_eq!(
        (&told["user"], &told["notice"]["what"], &told["notice"]["data"]),
        (&json!("bob"), &json!("service"), &json!({"order": 7}))
    );
    assert_eq!(json!(key), told["notice"]["id"]);
    op(&hub, "ann", "send", json!({"channel": "room:g", "text": "@bob look"})).await;
    assert_eq!(platform.call("/webhook").await.3["notice"]["what"], "mention");
    // The newest of those that collapse takes the place of the others and counts once.
    service(json!({"data": {"order": 8}, "inbox": true, "collapse": "order/7", "key": "n2"})).await;
    assert_eq!(platform.call("/webhook").await.3["notice"]["data"], json!({"order": 8}));
    let (_, inbox) = op(&hub, "bob", "inbox", json!({})).await;
    assert_eq!((&inbox["person"]["unread"], inbox["notices"].as_array().map(Vec::len)), (&json!(2), Some(2)));
    // Somebody who is connected sees it, somebody who is not to be disturbed waits.
    let token = sign(super::harness::draft("bob"), "acme", &token_secret("acme"));
    let mut socket = hub.socket_with(&token).await;
    super::harness::subscribe(&mut socket, "user:bob").await;
    service(json!({"data": 1, "inbox": true, "key": "n3"})).await;
    op(&hub, "ann", "dnd", json!({"until": 9_007_199_254_740_991_u64})).await;
    hub.call_as(&api_key("acme", "k"), "POST", "/v1/users/ann/notify", Some(json!({"data": 2, "inbox": true})))
        .await
        .ok();
    hub.call_as(&api_key("acme", "k"), "POST", "/v1/users/cat/notify", Some(json!({"data": 3, "inbox": true})))
        .await
        .ok();
    assert_eq!(platform.call("/webhook").await.3["user"], "cat", "neither bob nor ann");
}
