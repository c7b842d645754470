//! Goal: a message that must go is gone for everybody who comes later, and its offset says so. Method: erase the middle one
//! of three, read the log, and attach with a position before it.

use hubbub_protocol::{Epoch, GapReason, Position, ServerFrame};
use serde_json::json;

use super::harness::{Hub, frame, subscribe_with};

#[tokio::test]
async fn an_erased_message_is_gone() {
    let hub = Hub::start().await;
    let publishes: Vec<_> = (1..=3).map(|n| json!({"channel": "chat:a", "data": n, "key": format!("k{n}")})).collect();
    let answer = hub.post("/v1/batch", json!({ "publishes": publishes })).await.ok();
    let epoch = Epoch::parse(answer["results"][0]["epoch"].as_str().unwrap_or_default()).expect("an epoch");

    let erase = async |path: &str| hub.call("DELETE", path, None).await;
    let erased = erase("/v1/channels/chat:a/messages/2").await.ok();
    assert_eq!(erased, json!({"channel": "chat:a", "offset": 2, "erased": true}));
    assert_eq!(erase("/v1/channels/chat:a/messages/2").await.ok()["erased"], json!(false), "it was there no more");
    assert_eq!(erase("/v1/channels/chat:a/messages/9").await.ok()["erased"], json!(false));
    let page = hub.get("/v1/channels/chat:a/history?after=0").await.ok();
    let left: Vec<_> = page["messages"].as_array().expect("messages").iter().map(|m| m["data"].clone()).collect();
    assert_eq!(left, [json!(1), json!(3)]);

    let mut socket = hub.socket("u1").await;
    subscribe_with(&mut socket, "chat:a", |wish| wish.since = Some(Position::new(epoch, 0))).await;
    assert!(matches!(frame(&mut socket).await, ServerFrame::Message(m) if m.data.get() == "1"));
    let gap = frame(&mut socket).await;
    assert!(
        matches!(&gap, ServerFrame::Gap { lost, reason: GapReason::Expired, .. } if (lost.from, lost.to) == (2, 2)),
        "{gap:?}"
    );
    assert!(matches!(frame(&mut socket).await, ServerFrame::Message(m) if m.data.get() == "3"));
}

#[tokio::test]
async fn only_durable_messages_can_be_erased() {
    let hub = Hub::start().await;
    hub.post("/v1/publish", json!({"channel": "live:a", "data": 1})).await.ok();
    for path in ["/v1/channels/live:a/messages/1", "/v1/channels/eph:a/messages/1"] {
        assert_eq!(hub.call("DELETE", path, None).await.problem(409), "not_supported");
    }
    for path in ["/v1/channels/chat:a/messages/x", "/v1/channels/chat:a/messages/9007199254740992"] {
        assert_eq!(hub.call("DELETE", path, None).await.problem(400), "bad_request");
    }
}
