//! Goal: SIGHUP takes up changed keys and namespaces while connections live on, and a configuration with any mistake changes
//! nothing. Method: files that are right, broken, or ask for what only a restart can do.

use hubbub::auth::mint::TokenDraft;
use hubbub::config::Config;
use hubbub_client::RawOptions;
use hubbub_protocol::{ClientFrame, ErrorCode};

use crate::harness::{Hub, Setup, now_ms, token};
use crate::http::{get, request};
use crate::peer::{Peer, draft, fresh};

const FIRST: &str = r#"
[namespaces.den]
log = "window"
allow = ["subscribe", "publish"]
"#;

const OTHER_SECRET: &str = "another-secret-of-thirty-two-bytes-or-more";

fn second() -> String {
    format!(
        r#"
[http]
origins = ["https://app.example"]

[[tenants]]
id = "default"
[[tenants.token_keys]]
kid = "dev"
algorithm = "HS256"
secret = "hubbub-development-secret-not-for-production"
[[tenants.token_keys]]
kid = "other"
algorithm = "HS256"
secret = "{OTHER_SECRET}"
[[tenants.api_keys]]
id = "new"
secret = "new-key"
scopes = ["publish"]

[namespaces.den]
log = "window"
allow = ["subscribe"]

[namespaces.added]
log = "durable"
allow = ["subscribe", "publish"]
"#
    )
}

/// A token signed with the key that the second configuration adds.
fn other_token(user: &str) -> String {
    let mut key = Config::development().tenants[0].token_keys[0].clone();
    (key.kid, key.secret) = (Some("other".to_owned()), Some(hubbub::auth::secret::Secret::new(OTHER_SECRET)));
    let now = now_ms() / 1_000;
    TokenDraft { sub: user.to_owned(), iat: now, exp: now + 600, ..TokenDraft::default() }.sign(&key).expect("signed")
}

async fn status_of_publish(hub: &Hub, key: &str, channel: &str) -> u16 {
    let auth = format!("Bearer {key}");
    let body = format!(r#"{{"channel":"{channel}","data":1}}"#);
    request(hub.internal, "POST", "/v1/publish", &[("authorization", &auth)], &body).await.status
}

#[tokio::test]
async fn what_changed_takes_effect() {
    let hub = Setup::new().config(FIRST).start();
    let mut peer = Peer::connect(&hub, "u1").await;
    peer.subscribe(fresh("den:a")).await;
    peer.publish(draft("den:a", "1")).await;
    assert_eq!(peer.message().await.data.get(), "1");
    assert_eq!(peer.refused(|id| ClientFrame::Subscribe(id, fresh("added:a"))).await, ErrorCode::NotFound);
    assert_eq!(status_of_publish(&hub, "new-key", "den:a").await, 401);
    assert_eq!(get(hub.public, "/sse?channel=feed:a", &[("origin", "https://other.example")]).await.status, 403);

    hub.reload(&second());
    hub.says("reloaded").await;
    peer.subscribe(fresh("added:a")).await;
    peer.publish(draft("added:a", "2")).await;
    assert_eq!(peer.message().await.data.get(), "2");
    assert_eq!(peer.refused(|id| ClientFrame::Publish(id, draft("den:a", "1"))).await, ErrorCode::Forbidden);
    assert_eq!(status_of_publish(&hub, "new-key", "den:a").await, 200);
    assert_eq!(peer.message().await.channel.as_str(), "den:a", "the subscription lives on");
    assert_eq!(status_of_publish(&hub, "dev-key", "den:a").await, 401, "a key that is not there any more");
    let mut newcomer = Peer::open_with(
        &hub,
        RawOptions { headers: vec![("origin".into(), "https://app.example".into())], ..RawOptions::default() },
    )
    .await;
    newcomer.begin(&other_token("u2"), Vec::new()).await;
    Peer::open(&hub).await.begin(&token("u3"), Vec::new()).await;
}

#[tokio::test]
async fn a_mistake_changes_nothing() {
    let hub = Setup::new().config(FIRST).start();
    let broken = [
        ("[namespaces.den\n", "reload refused"),
        ("[namespaces.added]\nlgo = \"window\"\n", "there is no key `namespaces.*.lgo`"),
        ("[namespaces.added]\nlog = \"durable\"\noverflow = \"drop_oldest\"\n", "drop_oldest"),
        ("[http]\norigins = [\"nonsense\"]\n[namespaces.added]\nlog = \"window\"\n", "http.origins"),
    ];
    for (text, said) in broken {
        hub.reload(text);
        hub.says(said).await;
        let mut peer = Peer::connect(&hub, "u1").await;
        peer.publish(draft("den:a", "1")).await;
        assert_eq!(
            peer.refused(|id| ClientFrame::Subscribe(id, fresh("added:a"))).await,
            ErrorCode::NotFound,
            "{text}"
        );
    }
    hub.reload(&second());
    hub.says("reloaded").await;
    Peer::connect(&hub, "u1").await.subscribe(fresh("added:a")).await;
}

#[tokio::test]
async fn a_log_moves_only_with_a_restart() {
    let hub = Setup::new().config(FIRST).start();
    let mut peer = Peer::connect(&hub, "u1").await;
    peer.subscribe(fresh("den:a")).await;
    hub.reload(&second().replacen("log = \"window\"", "log = \"durable\"", 1));
    hub.says("can change only with a restart").await;
    assert_eq!(
        peer.refused(|id| ClientFrame::Subscribe(id, fresh("added:a"))).await,
        ErrorCode::NotFound,
        "all or nothing"
    );
    peer.publish(draft("den:a", "1")).await;
    assert_eq!(peer.offsets(1).await, [1]);
}

#[tokio::test]
async fn a_namespace_that_is_gone_is_not_found() {
    let hub = Setup::new().config(FIRST).start();
    let mut peer = Peer::connect(&hub, "u1").await;
    hub.reload("");
    hub.says("reloaded").await;
    assert_eq!(peer.refused(|id| ClientFrame::Publish(id, draft("den:a", "1"))).await, ErrorCode::NotFound);
    // And comes back with another log after all: what it held was held elsewhere.
    hub.reload(&FIRST.replace("window", "none"));
    peer.publish(draft("chat:a", "1")).await;
}
