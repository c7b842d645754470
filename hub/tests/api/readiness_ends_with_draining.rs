//! Goal: a balancer stops sending clients as soon as a node drains, and the node keeps answering meanwhile. Method: a hub
//! that waits after SIGTERM; ask until it says unready, then publish.

use serde_json::json;

use super::harness::Hub;

#[tokio::test]
async fn readiness_ends_with_draining() {
    let hub = Hub::start_with(&[("HUBBUB_LIMITS__DRAIN_NOTICE_MS", "60000")]).await;
    assert_eq!(hub.get("/healthz").await.status, 200);
    assert_eq!(hub.get("/readyz").await.ok(), json!({"status": "ready", "reasons": []}));
    hub.terminate().await;
    let mut asked = 0;
    let unready = loop {
        let answer = hub.get("/readyz").await;
        asked += 1;
        if answer.status != 200 {
            break answer;
        }
        assert!(asked < 10_000, "still ready");
    };
    assert_eq!(unready.status, 503);
    assert_eq!(unready.json(), json!({"status": "unready", "reasons": ["draining"]}));
    assert_eq!(hub.get("/healthz").await.status, 200, "it lives");
    hub.post("/v1/publish", json!({"channel": "chat:a", "data": 1})).await.ok();
    assert_eq!(hub.get("/v1/node").await.ok()["draining"], json!(true));
}
