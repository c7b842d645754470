//! Goal: without Redis a node keeps its sockets, serves what it can, says what it can not, and catches up by itself.
//! Method: two nodes; Redis is killed, used without, and started again, empty.

use hubbub_client::{ClientError, PublishOptions};
use hubbub_local::redis::Data;
use hubbub_protocol::frame::Scope;
use serde_json::json;

use crate::harness::{Fleet, channel, data, listen, next, publish};

#[tokio::test(flavor = "multi_thread")]
async fn and_nobody_is_sent_away() {
    let mut fleet = Fleet::start(2);
    let (alice, bob) = (fleet.person(0, "alice").await, fleet.person(1, "bob").await);
    let (mut near, mut far) = (listen(&alice, "chat:x").await, listen(&bob, "chat:x").await);
    let (mut whisper, mut window) = (listen(&alice, "eph:x").await, listen(&bob, "live:x").await);
    let sessions = (alice.state().borrow().clone(), bob.state().borrow().clone());
    publish(&alice, "live:x", "0").await;
    assert_eq!(next(&mut window).await.data, data("0"));

    fleet.redis.kill().expect("killed");
    fleet.until_ready_says(0, "degraded").await;
    let said = fleet.until_ready_says(1, "degraded").await;
    assert!(said["reasons"].to_string().contains("broker"), "{said}");

    // Durable ones go on, and reach the other node by its look at the tails.
    publish(&alice, "chat:x", "1").await;
    assert_eq!(next(&mut near).await.data, data("1"));
    assert_eq!(next(&mut far).await.data, data("1"));
    // Without a log they reach this node, and the ack says so.
    assert_eq!(publish(&alice, "eph:x", "1").await.scope, Scope::Node);
    assert_eq!(next(&mut whisper).await.data, data("1"));
    // Windows say when to try again.
    let body = json!({"channel": "live:x", "data": 1});
    let (status, answer) = fleet.call(0, "POST", "/v1/publish", Some(body)).await;
    assert_eq!(status, 503, "{answer}");
    assert!(answer["retry_after_ms"].as_u64().is_some_and(|after| after > 0), "{answer}");
    let waiting = {
        let alice = alice.clone();
        tokio::spawn(async move {
            let options = PublishOptions::default();
            alice.publish(channel("live:x"), data("2"), options).await
        })
    };

    fleet.redis.start_again(Data::Lost).expect("starts again");
    let retried: Result<_, ClientError> = waiting.await.expect("no panic");
    assert!(retried.is_ok(), "the client tried until it was back: {retried:?}");
    fleet.until_ready_says(0, "ready").await;
    fleet.until_ready_says(1, "ready").await;
    assert_eq!(publish(&bob, "eph:x", "2").await.scope, Scope::Fleet);
    assert_eq!(next(&mut whisper).await.data, data("2"));
    assert_eq!(sessions, (alice.state().borrow().clone(), bob.state().borrow().clone()), "nobody reconnected");
}
