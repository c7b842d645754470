//! Goal: whatever is published on one node reaches the subscribers of another, once and with one position. Method: two
//! nodes; a person on each; every kind of log, from sockets and from services.

use hubbub_client::{Event, RawConnection, RawOptions, SubscribeOptions};
use hubbub_protocol::frame::Publish;
use hubbub_protocol::{ClientFrame, Outcome};
use serde_json::json;

use crate::harness::{Fleet, SOON, channel, data, listen, next, publish, token};

#[tokio::test(flavor = "multi_thread")]
async fn of_every_kind_of_log() {
    let fleet = Fleet::start(2);
    let (alice, bob) = (fleet.person(0, "alice").await, fleet.person(1, "bob").await);
    for name in ["chat:lobby", "live:score", "eph:typing"] {
        let (mut near, mut far) = (listen(&alice, name).await, listen(&bob, name).await);
        for index in 0..20 {
            let writer = if index % 2 == 0 { &alice } else { &bob };
            let ack = publish(writer, name, &index.to_string()).await;
            let (here, there) = (next(&mut near).await, next(&mut far).await);
            assert_eq!(here.data.get(), index.to_string());
            assert_eq!((&here.id, here.position), (&there.id, there.position), "{name}");
            assert_eq!((ack.message, ack.position), (here.id, here.position), "{name}");
        }
        let body = json!({"channel": name, "data": "from a service"});
        let (status, answer) = fleet.call(0, "POST", "/v1/publish", Some(body)).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(next(&mut far).await.data.get(), "\"from a service\"");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn and_any_node_continues_where_another_ended() {
    let fleet = Fleet::start(2);
    let alice = fleet.person(0, "alice").await;
    for name in ["chat:moves", "live:moves"] {
        let first = publish(&alice, name, "1").await;
        for index in 2..=5 {
            publish(&alice, name, &index.to_string()).await;
        }
        let bob = fleet.person(1, "bob").await;
        let since = SubscribeOptions { since: first.position, ..SubscribeOptions::default() };
        let mut moved = bob.subscribe(channel(name), since).await.expect("subscribes");
        let outcome = moved.next().await;
        let Some(Event::Outcome(attached)) = outcome else { panic!("no outcome: {outcome:?}") };
        assert!(matches!(attached.outcome, Outcome::Continued { .. }), "{name}: {attached:?}");
        for index in 2..=5 {
            assert_eq!(next(&mut moved).await.data, data(&index.to_string()), "{name}");
        }
    }
}

/// Several are on their way to Redis at once: they arrive as they were sent.
#[tokio::test(flavor = "multi_thread")]
async fn in_the_order_of_a_publisher_who_does_not_wait() {
    const AT_ONCE: u64 = 50;
    let fleet = Fleet::start(2);
    let bob = fleet.person(1, "bob").await;
    for name in ["live:steps", "eph:steps"] {
        let mut far = listen(&bob, name).await;
        let mut alice = RawConnection::open(&fleet.socket_url(0), RawOptions::default()).await.expect("a socket");
        alice.connect(&token("alice"), Vec::new(), SOON).await.expect("a session");
        for first in (0..2 * AT_ONCE).step_by(AT_ONCE as usize) {
            let steps = first..first + AT_ONCE;
            for id in steps.clone() {
                let said = data(&id.to_string());
                let step = Publish { channel: channel(name), key: None, conflate_key: None, data: said };
                alice.send(&ClientFrame::Publish(id, step)).await.expect("sent");
            }
            for id in steps {
                assert_eq!(next(&mut far).await.data, data(&id.to_string()), "{name}");
            }
        }
    }
}
