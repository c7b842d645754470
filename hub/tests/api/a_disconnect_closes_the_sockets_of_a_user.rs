//! Goal: a service sends a user away, for good or to come back. Method: two sockets of one user and one of another; both
//! kinds of disconnect.

use serde_json::json;

use super::harness::{Hub, SOON, message, subscribe};

#[tokio::test]
async fn a_disconnect_closes_the_sockets_of_a_user() {
    let hub = Hub::start().await;
    let mut other = hub.socket("u2").await;
    subscribe(&mut other, "live:a").await;
    let path = "/v1/users/u1/disconnect";
    for (body, code) in [(None, 4503), (Some(json!({})), 4503), (Some(json!({"reconnect": true})), 4007)] {
        let mut sockets = [hub.socket("u1").await, hub.socket("u1").await];
        let answer = hub.call("POST", path, body.clone()).await.ok();
        assert_eq!(answer, json!({"closed": 2}), "{body:?}");
        for socket in &mut sockets {
            assert_eq!(socket.closed(SOON).await.expect("closed"), Some(code), "{body:?}");
        }
    }
    for body in [json!({}), json!(null)] {
        assert_eq!(hub.post(path, body).await.ok(), json!({"closed": 0}), "nobody is there");
    }
    assert_eq!(hub.post(path, json!({"reconect": true})).await.problem(400), "bad_request");
    hub.post("/v1/publish", json!({"channel": "live:a", "data": 1})).await.ok();
    assert_eq!(message(&mut other).await.data.get(), "1", "others stay");
}
