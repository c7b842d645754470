//! Goal: who is disconnected or revoked on one node is gone on all of them, also on one that starts later. Method: sockets
//! on the second node, orders to the first.

use hubbub_client::{RawConnection, RawOptions};
use hubbub_local::redis::Data;
use serde_json::json;

use crate::harness::{Fleet, SOON, token};

async fn socket(fleet: &Fleet, node: usize, token: &str) -> RawConnection {
    let mut socket = RawConnection::open(&fleet.socket_url(node), RawOptions::default()).await.expect("a socket");
    socket.connect(token, Vec::new(), SOON).await.expect("a session");
    socket
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disconnect_closes_sockets_of_the_others() {
    let fleet = Fleet::start(2);
    let token = token("carol");
    let (mut here, mut there) = (socket(&fleet, 0, &token).await, socket(&fleet, 1, &token).await);
    let (status, answer) = fleet.call(0, "POST", "/v1/users/carol/disconnect", None).await;
    assert_eq!((status, &answer["closed"]), (200, &json!(1)), "one of this node");
    assert_eq!(here.closed(SOON).await.expect("closed"), Some(4_503));
    assert_eq!(there.closed(SOON).await.expect("closed"), Some(4_503));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_could_not_be_told_is_told_later() {
    let mut fleet = Fleet::start(2);
    let mut there = socket(&fleet, 1, &token("carol")).await;
    fleet.redis.kill().expect("killed");
    fleet.until_ready_says(0, "degraded").await;
    let (status, answer) = fleet.call(0, "POST", "/v1/users/carol/disconnect", None).await;
    assert_eq!((status, &answer["closed"]), (200, &json!(0)), "nobody of this node");
    fleet.redis.start_again(Data::Lost).expect("starts again");
    assert_eq!(there.closed(SOON).await.expect("closed"), Some(4_503));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_holds_everywhere_and_for_those_who_come_later() {
    let mut fleet = Fleet::start(2);
    let token = token("mallory");
    let mut there = socket(&fleet, 1, &token).await;
    let (status, answer) = fleet.call(0, "POST", "/v1/tokens/revoke", Some(json!({"user": "mallory"}))).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(there.closed(SOON).await.expect("closed"), Some(4_502));
    let later = fleet.add_node();
    for node in [1, later] {
        let mut socket = RawConnection::open(&fleet.socket_url(node), RawOptions::default()).await.expect("a socket");
        assert!(socket.connect(&token, Vec::new(), SOON).await.is_err(), "node {node} lets it in");
    }
}
