//! Goal: what a tenant and each of its users may publish is bounded whatever the connection, batches count whole, nothing is
//! reordered by waiting, and a reload changes it. Method: rates so slow that nothing comes back during the test.

use hubbub_protocol::{ClientFrame, ErrorCode, ServerFrame};

use crate::harness::{Hub, Setup};
use crate::peer::{Peer, draft, fresh};

/// The development tenant with rates.
fn config(rates: &str) -> String {
    format!(
        r#"
[[tenants]]
id = "default"
{rates}
[[tenants.token_keys]]
kid = "dev"
algorithm = "HS256"
secret = "hubbub-development-secret-not-for-production"
[[tenants.api_keys]]
id = "dev"
secret = "dev-key"
scopes = ["publish"]

[namespaces.den]
log = "window"
allow = ["subscribe", "publish"]

[namespaces.book]
log = "durable"
allow = ["subscribe", "publish"]
"#
    )
}

fn hub(rates: &str) -> Hub {
    Setup::new().config(&config(rates)).start()
}

/// Publishes once; `Some` is how long to wait.
async fn publish(peer: &mut Peer) -> Option<u64> {
    match peer.ask(|id| ClientFrame::Publish(id, draft("den:a", "1"))).await {
        ServerFrame::Ack { .. } => None,
        ServerFrame::Error(error) if error.code == ErrorCode::RateLimited => {
            Some(error.retry_after_ms.expect("it says when"))
        }
        other => panic!("unexpected: {other:?}"),
    }
}

async fn status(hub: &Hub, items: usize) -> u16 {
    let items = vec![r#"{"channel":"den:a","data":1}"#; items].join(",");
    hub.post("/v1/batch", &format!(r#"{{"publishes":[{items}]}}"#)).await.status
}

#[tokio::test]
async fn a_user_has_one_bucket_over_all_its_connections() {
    let hub = hub("user_publishes_per_second = 1\nuser_publish_burst = 4");
    let (mut first, mut second) = (Peer::connect(&hub, "u1").await, Peer::connect(&hub, "u1").await);
    for _ in 0..2 {
        assert_eq!((publish(&mut first).await, publish(&mut second).await), (None, None));
    }
    let wait = publish(&mut first).await.expect("four were taken");
    assert!((1..=1_000).contains(&wait), "{wait}");
    let mut other = Peer::connect(&hub, "u2").await;
    assert_eq!(publish(&mut other).await, None);
    assert_eq!(status(&hub, 50).await, 200, "services are not users");
}

#[tokio::test]
async fn a_tenant_has_one_bucket_for_users_and_services() {
    let hub = hub("publishes_per_second = 1\npublish_burst = 10");
    let mut peer = Peer::connect(&hub, "u1").await;
    assert_eq!(status(&hub, 9).await, 200);
    assert_eq!(publish(&mut peer).await, None);
    assert!(publish(&mut peer).await.is_some());
    let answer = hub.post("/v1/batch", r#"{"publishes":[{"channel":"den:a","data":1}]}"#).await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (429, Some("rate_limited")));
    assert!(answer.header("retry-after").is_some());
    assert_eq!(hub.post("/v1/publish", r#"{"channel":"den:a","data":1}"#).await.status, 429);
}

#[tokio::test]
async fn publishes_keep_their_order_while_they_wait_for_room() {
    let hub = hub("publishes_per_second = 100000\nuser_publishes_per_second = 100000");
    for name in ["den:order", "book:order"] {
        let (mut reader, mut writer) = (Peer::connect(&hub, "u1").await, Peer::connect(&hub, "u2").await);
        reader.subscribe(fresh(name)).await;
        for number in 0..100 {
            let id = writer.next_id();
            writer.send(&ClientFrame::Publish(id, draft(name, &number.to_string()))).await;
        }
        for number in 0..100 {
            assert_eq!(reader.message().await.data.get(), number.to_string(), "{name}");
        }
    }
}

#[tokio::test]
async fn a_reload_changes_rates() {
    let hub = hub("user_publishes_per_second = 1\nuser_publish_burst = 1");
    let mut peer = Peer::connect(&hub, "u1").await;
    assert_eq!(publish(&mut peer).await, None);
    assert!(publish(&mut peer).await.is_some());
    hub.reload(&config(""));
    hub.says("reloaded").await;
    for _ in 0..20 {
        assert_eq!(publish(&mut peer).await, None);
    }
}
