//! Goal: a service knows by the answer that its message is accepted, once. Method: publish, repeat with the same key, repeat
//! with other data, and see what a subscriber gets.

use serde_json::json;

use super::harness::{Hub, frame, message, send, subscribe};

#[tokio::test]
async fn a_publish_answers_with_its_place() {
    let hub = Hub::start().await;
    let mut socket = hub.socket("u1").await;
    subscribe(&mut socket, "chat:a").await;
    // The number would lose digits in a tree: data travels as text.
    let body = r#"{"channel":"chat:a","data":{"n": 12345678901234567890123, "a":[ ]},"key":"k1","from":"u9"}"#;
    let request = hub.request("POST", "/v1/publish").bearer_auth("dev-key").header("content-type", "application/json");
    let first = send(request.body(body)).await.ok();
    assert_eq!((&first["channel"], &first["offset"]), (&json!("chat:a"), &json!(1)));
    assert!(first["epoch"].is_string() && first["time"].as_u64().is_some_and(|time| time > 1_700_000_000_000));
    let came = message(&mut socket).await;
    assert_eq!(came.data.get(), r#"{"n": 12345678901234567890123, "a":[ ]}"#);
    assert_eq!(came.id.to_string(), first["id"].as_str().unwrap_or_default());
    assert_eq!(came.from.map(|user| user.to_string()).as_deref(), Some("u9"));
    assert_eq!(came.key.map(|key| key.to_string()).as_deref(), Some("k1"));
}

#[tokio::test]
async fn a_repeated_key_publishes_once() {
    let hub = Hub::start().await;
    let mut socket = hub.socket("u1").await;
    for channel in ["chat:a", "live:a"] {
        subscribe(&mut socket, channel).await;
        let body = json!({"channel": channel, "data": 1, "key": "k1"});
        let first = hub.post("/v1/publish", body.clone()).await.ok();
        assert_eq!(hub.post("/v1/publish", body).await.ok(), first, "the first answer again");
        let header = hub.request("POST", "/v1/publish").bearer_auth("dev-key").header("idempotency-key", "k1");
        let by_header = send(header.json(&json!({"channel": channel, "data": 1}))).await.ok();
        assert_eq!(by_header, first, "the header says the same as `key`");
        let other = json!({"channel": channel, "data": 2, "key": "k1"});
        assert_eq!(hub.post("/v1/publish", other).await.problem(409), "key_conflict");
        let next = hub.post("/v1/publish", json!({"channel": channel, "data": 3})).await.ok();
        assert_eq!(next["offset"], json!(2));
        let seen = [message(&mut socket).await, message(&mut socket).await].map(|m| m.data.get().to_owned());
        assert_eq!(seen, ["1", "3"]);
    }
}

#[tokio::test]
async fn two_different_keys_are_a_mistake() {
    let hub = Hub::start().await;
    let with = |header: &'static str| {
        let request = hub.request("POST", "/v1/publish").bearer_auth("dev-key").header("idempotency-key", header);
        send(request.json(&json!({"channel": "live:a", "data": 1, "key": "k1"})))
    };
    assert_eq!(with("k2").await.problem(400), "bad_request");
    assert_eq!(with("k1").await.ok()["offset"], json!(1));
}

#[tokio::test]
async fn a_channel_without_a_log_gives_no_place() {
    let hub = Hub::start().await;
    let mut socket = hub.socket("u1").await;
    subscribe(&mut socket, "eph:a").await;
    let answer = hub.post("/v1/publish", json!({"channel": "eph:a", "data": "x", "conflate_key": "c"})).await.ok();
    assert!(answer.get("epoch").is_none() && answer.get("offset").is_none(), "{answer}");
    let came = frame(&mut socket).await;
    assert!(matches!(came, hubbub_protocol::ServerFrame::Message(m) if m.position.is_none()));
}
