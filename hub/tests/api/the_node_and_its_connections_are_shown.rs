//! Goal: an operator sees what a node holds. Method: sockets of two users and an event stream; the list of connections,
//! whole and cut, and the report of the node.

use serde_json::{Value, json};

use super::harness::{Hub, subscribe, token};

#[tokio::test]
async fn connections_are_listed() {
    let hub = Hub::start().await;
    let mut socket = hub.socket("u1").await;
    subscribe(&mut socket, "live:a").await;
    subscribe(&mut socket, "live:b").await;
    let _other = hub.socket("u2").await;
    let url = format!("http://{}/sse?channel=live:a", hub.public);
    let mut stream = reqwest::Client::new().get(url).bearer_auth(token("u3")).send().await.expect("a stream");
    stream.chunk().await.expect("readable").expect("it begins");

    let all = hub.get("/v1/connections").await.ok();
    let mut seen: Vec<_> = all["connections"].as_array().expect("connections").iter().map(line).collect();
    seen.sort();
    assert_eq!(seen, ["u1 websocket raw/1 127.0.0.1 2", "u2 websocket raw/1 127.0.0.1 0", "u3 sse - 127.0.0.1 1"]);
    assert_eq!(all["more"], json!(false));
    let one = hub.get("/v1/connections?user=u1").await.ok();
    assert_eq!(one["connections"].as_array().map(Vec::len), Some(1));
    let cut = hub.get("/v1/connections?limit=2").await.ok();
    assert_eq!((cut["connections"].as_array().map(Vec::len), &cut["more"]), (Some(2), &json!(true)));
    assert_eq!(hub.get("/v1/connections?limit=0").await.problem(400), "bad_request");

    let node = hub.get("/v1/node").await.ok();
    let sum = |field: &str| {
        let shards = node["shards"].as_array().expect("shards").iter();
        shards.map(|shard| shard[field].as_u64().unwrap_or(0)).sum::<u64>()
    };
    let sums = [sum("sessions"), sum("streams"), sum("connections"), sum("subscriptions")];
    assert_eq!((sums, &node["connections"]), ([3, 1, 3, 3], &json!(3)));
    assert_eq!((&node["name"], &node["version"]), (&json!("hubbub"), &json!(env!("CARGO_PKG_VERSION"))));
    assert!(node["uptime_ms"].is_u64() && node["draining"] == json!(false), "{node}");
    assert!(node["memory"]["resident_bytes"].as_u64().is_some_and(|bytes| bytes > 1_000_000), "{node}");
    assert_eq!(
        (&node["limits"]["frame_bytes"], &node["limits"]["api_body_bytes"]),
        (&json!(65_536), &json!(16_777_216))
    );
    assert!(node["limits"]["connections"].as_u64().is_some_and(|most| most > 0), "{node}");
}

fn line(connection: &Value) -> String {
    assert!(connection["session"].as_str().is_some_and(|id| id.len() == 26), "{connection}");
    let text = |field: &str| connection[field].as_str().unwrap_or("-").to_owned();
    let subscriptions = &connection["subscriptions"];
    format!("{} {} {} {} {subscriptions}", text("user"), text("transport"), text("client"), text("address"))
}
