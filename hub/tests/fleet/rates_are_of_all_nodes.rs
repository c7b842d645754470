//! Goal: what a user may publish is one amount over all nodes, and is counted by each node alone while Redis is away. Method: one
//! user on two nodes under a rate so slow that nothing comes back during the test.

use serde_json::json;

use crate::harness::{Fleet, token};

const BURST: usize = 20;

/// The development tenant with rates.
const CONFIG: &str = r#"
[[tenants]]
id = "default"
user_publishes_per_second = 1
user_publish_burst = 20
publishes_per_second = 1
publish_burst = 200
[[tenants.token_keys]]
kid = "dev"
algorithm = "HS256"
secret = "hubbub-development-secret-not-for-production"
[[tenants.api_keys]]
id = "dev"
secret = "dev-key"
scopes = ["publish", "read"]

[namespaces.eph]
allow = ["subscribe", "publish"]
"#;

use hubbub_client::{RawConnection, RawOptions, Received};
use hubbub_protocol::frame::Publish;
use hubbub_protocol::{ClientFrame, ErrorCode, ServerFrame};

use crate::harness::{SOON, channel, data};

async fn socket(fleet: &Fleet, node: usize, user: &str) -> RawConnection {
    let mut socket = RawConnection::open(&fleet.socket_url(node), RawOptions::default()).await.expect("a socket");
    socket.connect(&token(user), Vec::new(), SOON).await.expect("a session");
    socket
}

/// Publishes so often on one socket; answers how many were taken.
async fn publish(socket: &mut RawConnection, count: usize) -> usize {
    for id in 0..count as u64 {
        let publish = Publish { channel: channel("eph:a"), key: None, conflate_key: None, data: data("1") };
        socket.send(&ClientFrame::Publish(id, publish)).await.expect("sent");
    }
    let (mut taken, mut answered) = (0, 0);
    while answered < count {
        match socket.receive(SOON).await.expect("an answer") {
            Received::Frame(ServerFrame::Ack { .. }, _) => (taken, answered) = (taken + 1, answered + 1),
            Received::Frame(ServerFrame::Error(error), _) => {
                assert_eq!(error.code, ErrorCode::RateLimited, "{error:?}");
                assert!(error.retry_after_ms.is_some());
                answered += 1;
            }
            other => panic!("unexpected: {other:?}"),
        }
    }
    taken
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_has_one_amount_over_all_nodes() {
    let mut fleet = Fleet::start_with(2, |options| options.config(CONFIG));
    let (mut here, mut there) = (socket(&fleet, 0, "ada").await, socket(&fleet, 1, "ada").await);
    let (one, two) = tokio::join!(publish(&mut here, 50), publish(&mut there, 50));
    // Publishing takes a moment, in which one or two come back.
    assert!((BURST..BURST + 10).contains(&(one + two)), "{one} and {two} of {BURST}");
    let mut other = socket(&fleet, 1, "bo").await;
    assert!(publish(&mut other, BURST).await >= BURST, "another user has an own amount");
    // What is left of the tenant's 200 is for the service, whichever node it asks.
    let batch = |count: usize| Some(json!({"publishes": vec![json!({"channel": "eph:a", "data": 1}); count]}));
    assert_eq!(fleet.call(0, "POST", "/v1/batch", batch(150)).await.0, 200);
    assert_eq!(fleet.call(1, "POST", "/v1/batch", batch(100)).await.0, 429);

    fleet.redis.kill().expect("killed");
    let alone = publish(&mut there, 30).await;
    assert!((BURST..BURST + 10).contains(&alone), "{alone} on a node alone");
}
