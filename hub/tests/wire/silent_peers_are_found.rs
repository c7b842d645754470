//! Goal: a dead peer is found within one and a half intervals, a living one is left alone. Method: short heartbeats, and peers
//! that answer, do not answer, or say something else.

use std::time::{Duration, Instant};

use hubbub_client::Received;
use hubbub_protocol::{ClientFrame, ServerFrame};

use crate::harness::{Setup, WITHIN};
use crate::peer::{Peer, fresh};

const HEARTBEAT: Duration = Duration::from_millis(400);

fn setup() -> Setup {
    Setup::new().limit("heartbeat_ms", HEARTBEAT.as_millis() as u64)
}

async fn raw_frame(peer: &mut Peer) -> ServerFrame {
    peer.raw.frame(WITHIN).await.expect("a frame")
}

#[tokio::test]
async fn a_silent_peer_is_pinged_and_closed() {
    let hub = setup().start();
    let mut peer = Peer::connect(&hub, "u1").await;
    let silent = Instant::now();
    assert_eq!(raw_frame(&mut peer).await, ServerFrame::Ping);
    assert!(silent.elapsed() > HEARTBEAT - Duration::from_millis(60), "{:?}", silent.elapsed());
    assert!(matches!(peer.raw.receive(WITHIN).await.expect("something"), Received::Closed(Some(4002), _)));
    let found = silent.elapsed();
    assert!(found > HEARTBEAT * 3 / 2 - Duration::from_millis(60), "{found:?} is too early");
    // A busy machine is late; twice the time would be another bug.
    assert!(found < HEARTBEAT * 3, "{found:?}");
}

#[tokio::test]
async fn who_answers_stays() {
    let hub = setup().start();
    let mut peer = Peer::connect(&hub, "u1").await;
    for _ in 0..5 {
        assert_eq!(raw_frame(&mut peer).await, ServerFrame::Ping);
        peer.send(&ClientFrame::Pong).await;
    }
    peer.expect_nothing().await;
}

#[tokio::test]
async fn a_pong_of_the_websocket_itself_will_do() {
    let hub = setup().start();
    let mut peer = Peer::connect(&hub, "u1").await;
    for _ in 0..5 {
        assert_eq!(raw_frame(&mut peer).await, ServerFrame::Ping);
        peer.raw.send_bytes(&[0x8a, 0x80, 0, 0, 0, 0]).await.expect("sent");
    }
    peer.expect_nothing().await;
}

#[tokio::test]
async fn who_only_listens_is_closed_even_while_messages_come() {
    let hub = setup().start();
    let mut peer = Peer::connect(&hub, "u1").await;
    peer.subscribe(fresh("live:a")).await;
    let silent = Instant::now();
    loop {
        hub.publish("live:a", "1").await;
        match peer.raw.receive(WITHIN).await.expect("something") {
            Received::Frame(..) => assert!(silent.elapsed() < HEARTBEAT * 5, "still open"),
            Received::Closed(code, _) => break assert_eq!(code, Some(4002)),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn who_speaks_is_not_pinged() {
    let hub = setup().limit("requests_per_second", 1_000_000).start();
    let mut peer = Peer::connect(&hub, "u1").await;
    let (begun, mut spoke) = (Instant::now(), Instant::now());
    while begun.elapsed() < HEARTBEAT * 4 {
        let silent = spoke.elapsed();
        let id = peer.next_id();
        peer.send(&ClientFrame::Unsubscribe(id, crate::peer::channel("live:a"))).await;
        match raw_frame(&mut peer).await {
            ServerFrame::Error(error) => assert_eq!(error.id, Some(id)),
            // A machine that is very busy makes everybody silent.
            ServerFrame::Ping if silent > HEARTBEAT / 2 => return,
            other => panic!("{other:?} behind {silent:?} of silence"),
        }
        spoke = Instant::now();
    }
}
