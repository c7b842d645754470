//! Goal: many messages in one request, each with its own result, and safe to repeat. Method: a batch with good and bad
//! messages, the same batch again, and batches at and beyond the bounds.

use serde_json::{Value, json};

use super::harness::{Hub, message, send, subscribe};

async fn batch(hub: &Hub, key: Option<&str>, publishes: Value) -> super::harness::Answer {
    let mut request = hub.request("POST", "/v1/batch").bearer_auth("dev-key");
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    send(request.json(&json!({ "publishes": publishes }))).await
}

#[tokio::test]
async fn a_batch_answers_for_each_message() {
    let hub = Hub::start().await;
    hub.post("/v1/publish", json!({"channel": "chat:a", "data": 0, "key": "used"})).await.ok();
    let large = "x".repeat(64 * 1024);
    let publishes = json!([
        {"channel": "chat:a", "data": {"n": 1}},
        {"channel": "no colon", "data": 1},
        {"channel": "nowhere:a", "data": 1},
        {"channel": "live:a", "data": [2], "key": "own"},
        {"channel": "chat:a", "data": 1, "key": "used"},
        {"channel": "chat:a", "data": large},
        {"channel": "chat:a", "data": 3, "from": "a b"},
        {"channel": "chat:a", "data": 4},
    ]);
    let first = batch(&hub, Some("b1"), publishes.clone()).await.ok();
    let results = first["results"].as_array().expect("results");
    let outcome = |result: &Value| match result.get("problem") {
        Some(problem) => (problem["code"].as_str().unwrap_or_default().to_owned(), Value::Null),
        None => (result["channel"].as_str().unwrap_or_default().to_owned(), result["offset"].clone()),
    };
    let expected = [
        ("chat:a", json!(2)),
        ("bad_request", Value::Null),
        ("not_found", Value::Null),
        ("live:a", json!(1)),
        ("key_conflict", Value::Null),
        ("too_large", Value::Null),
        ("bad_request", Value::Null),
        ("chat:a", json!(3)),
    ];
    let outcomes: Vec<_> = results.iter().map(outcome).collect();
    assert_eq!(outcomes, expected.map(|(code, offset)| (code.to_owned(), offset)));
    assert_eq!(
        batch(&hub, Some("b1"), publishes).await.ok(),
        first,
        "a retry gives the same results and appends nothing"
    );
    let log = hub.get("/v1/channels/chat:a/history?after=0").await.ok();
    let keys: Vec<_> = log["messages"].as_array().expect("messages").iter().map(|m| m["key"].clone()).collect();
    assert_eq!(keys, ["used", "b1/0", "b1/7"], "an item without a key of its own has the batch's");
}

#[tokio::test]
async fn a_full_batch_keeps_its_order() {
    let hub = Hub::start().await;
    let mut socket = hub.socket("u1").await;
    subscribe(&mut socket, "chat:a").await;
    subscribe(&mut socket, "live:a").await;
    let channels = ["chat:a", "live:a"];
    let publishes: Vec<_> = (0..1_000).map(|n| json!({"channel": channels[n % 2], "data": n})).collect();
    let answer = batch(&hub, Some(&"k".repeat(124)), json!(publishes)).await.ok();
    let results = answer["results"].as_array().expect("results");
    assert!(results.iter().enumerate().all(|(n, result)| result["offset"] == json!(n / 2 + 1)), "{answer}");
    let mut next = [0, 1];
    for _ in 0..1_000 {
        let came = message(&mut socket).await;
        let expected = &mut next[usize::from(came.channel.as_str() == "live:a")];
        assert_eq!(came.data.get(), expected.to_string());
        *expected += 2;
    }
}

#[tokio::test]
async fn a_batch_beyond_its_bounds_does_nothing() {
    let hub = Hub::start().await;
    let one = json!({"channel": "chat:a", "data": 1});
    assert_eq!(batch(&hub, None, json!(vec![&one; 1_001])).await.problem(400), "bad_request");
    assert_eq!(batch(&hub, Some(&"k".repeat(125)), json!([one])).await.problem(400), "bad_request");
    assert_eq!(batch(&hub, None, json!([one, {"channel": "chat:a"}])).await.problem(400), "bad_request");
    assert_eq!(hub.get("/v1/channels/chat:a").await.ok()["offset"], json!(0), "nothing was appended");
    assert_eq!(batch(&hub, None, json!([])).await.ok(), json!({"results": []}));
}
