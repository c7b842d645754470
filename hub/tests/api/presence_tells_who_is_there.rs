//! Goal: a service sees who is in a channel. Method: two users, one of them on two connections; one leaves.

use hubbub_protocol::{ChannelName, ClientFrame, ServerFrame};
use serde_json::json;

use super::harness::{Hub, frame, subscribe, subscribe_with};

#[tokio::test]
async fn presence_tells_who_is_there() {
    let hub = Hub::start_with(&[("HUBBUB_LIMITS__PRESENCE_GRACE_MS", "0")]).await;
    let mut watcher = hub.socket("u1").await;
    subscribe_with(&mut watcher, "chat:a", |wish| wish.presence = true).await;
    let (mut second, mut other) = (hub.socket("u1").await, hub.socket("u2").await);
    subscribe(&mut second, "chat:a").await;
    subscribe(&mut other, "chat:a").await;
    wait_for(&mut watcher, "u2", "Join").await;
    let there = hub.get("/v1/channels/chat:a/presence").await.ok();
    let expected = json!([{"user": "u1", "connections": 2}, {"user": "u2", "connections": 1}]);
    assert_eq!((&there["count"], &there["users"]), (&json!(2), &expected));

    let channel = ChannelName::parse("chat:a").expect("a channel");
    other.send(&ClientFrame::Unsubscribe(7, channel)).await.expect("sent");
    wait_for(&mut watcher, "u2", "Leave").await;
    let left = hub.get("/v1/channels/chat:a/presence").await.ok();
    assert_eq!((&left["count"], &left["users"]), (&json!(1), &json!([{"user": "u1", "connections": 2}])));
    assert!(left["version"].as_u64() > there["version"].as_u64());

    assert_eq!(hub.get("/v1/channels/chat:nobody/presence").await.ok()["users"], json!([]));
    let first = hub.get("/v1/channels/chat:a/presence?limit=1").await.ok();
    assert_eq!((&first["users"][0]["user"], first.get("next")), (&json!("u1"), None));
    subscribe(&mut other, "chat:a").await;
    wait_for(&mut watcher, "u2", "Join").await;
    let first = hub.get("/v1/channels/chat:a/presence?limit=1").await.ok();
    assert_eq!((&first["users"][0]["user"], &first["next"], &first["count"]), (&json!("u1"), &json!("u1"), &json!(2)));
    let second = hub.get("/v1/channels/chat:a/presence?limit=1&after=u1").await.ok();
    assert_eq!((&second["users"][0]["user"], second.get("next")), (&json!("u2"), None));
    for query in ["limit=0", "limit=1001", "after=two%20words", "offset=1"] {
        assert_eq!(hub.get(&format!("/v1/channels/chat:a/presence?{query}")).await.problem(400), "bad_request");
    }
    assert_eq!(hub.get("/v1/channels/eph:a/presence").await.problem(409), "not_supported");
}

async fn wait_for(watcher: &mut hubbub_client::RawConnection, user: &str, event: &str) {
    loop {
        if let ServerFrame::Presence(change) = frame(watcher).await
            && change.user.as_str() == user
            && format!("{:?}", change.event) == event
        {
            return;
        }
    }
}
