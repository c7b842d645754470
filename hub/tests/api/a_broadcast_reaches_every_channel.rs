//! Goal: one message for many channels, each with its own result, and safe to repeat. Method: a keyed broadcast with a bad
//! name in it, twice, watched by a subscriber of each channel.

use serde_json::{Value, json};

use super::harness::{Hub, message, subscribe};

#[tokio::test]
async fn a_broadcast_reaches_every_channel() {
    let hub = Hub::start().await;
    let mut socket = hub.socket("u1").await;
    for channel in ["chat:a", "live:a", "eph:a"] {
        subscribe(&mut socket, channel).await;
    }
    let body = json!({"channels": ["chat:a", "bad", "live:a"], "data": {"x": 1}, "key": "b", "conflate_key": "c"});
    let first = hub.post("/v1/broadcast", body.clone()).await.ok();
    let results = first["results"].as_array().expect("results");
    assert_eq!((&results[0]["channel"], &results[0]["offset"]), (&json!("chat:a"), &json!(1)));
    assert_eq!(results[1]["problem"]["code"], json!("bad_request"));
    assert_eq!((&results[2]["channel"], &results[2]["offset"]), (&json!("live:a"), &json!(1)));
    assert_eq!(hub.post("/v1/broadcast", body).await.ok(), first, "a retry gives the same results");
    let end = json!({"channels": ["eph:a"], "data": "end"});
    hub.post("/v1/broadcast", end).await.ok();
    let mut keys = Vec::new();
    loop {
        let came = message(&mut socket).await;
        if came.channel.as_str() == "eph:a" {
            break;
        }
        assert_eq!((came.data.get(), came.conflate_key.as_ref().map(|key| key.as_str())), (r#"{"x":1}"#, Some("c")));
        keys.push((came.channel.to_string(), came.key.map(|key| key.to_string()).unwrap_or_default()));
    }
    keys.sort();
    assert_eq!(keys, [("chat:a".to_owned(), "b/0".to_owned()), ("live:a".to_owned(), "b/2".to_owned())]);
}

#[tokio::test]
async fn a_broadcast_has_at_most_a_thousand_channels() {
    let hub = Hub::start().await;
    let channels = |count: usize| (0..count).map(|n| format!("live:{n}")).collect::<Vec<_>>();
    let answer = hub.post("/v1/broadcast", json!({"channels": channels(1_000), "data": 1})).await.ok();
    let published = |result: &&Value| result["offset"] == json!(1);
    assert_eq!(answer["results"].as_array().expect("results").iter().filter(published).count(), 1_000);
    let answer = hub.post("/v1/broadcast", json!({"channels": channels(1_001), "data": 1})).await;
    assert_eq!(answer.problem(400), "bad_request");
}
