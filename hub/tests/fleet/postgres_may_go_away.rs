//! Goal: without Postgres windows and messages without a log go on, durable channels say when to try again, and what was
//! acknowledged is there afterwards. Method: two nodes; Postgres is killed, used without, and started again.

use hubbub_client::PublishOptions;
use serde_json::json;

use crate::harness::{Fleet, channel, data, listen, next, publish};

#[tokio::test(flavor = "multi_thread")]
async fn and_nobody_is_sent_away() {
    let mut fleet = Fleet::start(2);
    let (alice, bob) = (fleet.person(0, "alice").await, fleet.person(1, "bob").await);
    let (mut durable, mut window) = (listen(&bob, "chat:x").await, listen(&bob, "live:x").await);
    let mut whisper = listen(&bob, "eph:x").await;
    let sessions = (alice.state().borrow().clone(), bob.state().borrow().clone());
    publish(&alice, "chat:x", "1").await;
    assert_eq!(next(&mut durable).await.data, data("1"));

    fleet.postgres.kill().expect("killed");
    let said = fleet.until_ready_says(0, "degraded").await;
    assert!(said["reasons"].to_string().contains("store"), "{said}");
    publish(&alice, "live:x", "1").await;
    assert_eq!(next(&mut window).await.data, data("1"));
    publish(&alice, "eph:x", "1").await;
    assert_eq!(next(&mut whisper).await.data, data("1"));
    let body = json!({"channel": "chat:x", "data": 9, "key": "refused"});
    let (status, answer) = fleet.call(0, "POST", "/v1/publish", Some(body)).await;
    assert_eq!(status, 503, "{answer}");
    assert!(answer["retry_after_ms"].as_u64().is_some_and(|after| after > 0), "{answer}");
    let waiting = {
        let alice = alice.clone();
        tokio::spawn(async move { alice.publish(channel("chat:x"), data("2"), PublishOptions::default()).await })
    };

    fleet.postgres.start_again().expect("starts again");
    waiting.await.expect("no panic").expect("the client tried until it was back");
    assert_eq!(next(&mut durable).await.data, data("2"));
    fleet.until_ready_says(0, "ready").await;
    fleet.until_ready_says(1, "ready").await;
    assert_eq!(sessions, (alice.state().borrow().clone(), bob.state().borrow().clone()), "nobody reconnected");
}
