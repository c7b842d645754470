//! Goal: a connection is nothing before its connect frame, and says why when it ends there. Method: real sockets that say
//! the right thing, the wrong thing, too much at once, or nothing.

use hubbub::auth::mint::TokenDraft;
use hubbub_client::Received;
use hubbub_protocol::frame::Connect;
use hubbub_protocol::{ClientFrame, ErrorCode, ServerFrame, json};

use crate::harness::{Hub, Setup, WITHIN, now_ms, sign, token};
use crate::peer::{Peer, channel, fresh};

fn connect_frame(token: String) -> ClientFrame {
    ClientFrame::Connect(Connect { token, client: None, resume: Vec::new() })
}

/// The code of the error that comes next, and the code of the close behind it.
async fn farewell(peer: &mut Peer) -> (ErrorCode, Option<u16>) {
    match peer.frame().await {
        ServerFrame::Error(error) => (error.code, peer.close_code().await),
        other => panic!("no error: {other:?}"),
    }
}

#[tokio::test]
async fn a_connect_frame_opens_a_session() {
    let hub = Hub::dev();
    let before = now_ms();
    let connected = Peer::open(&hub).await.begin(&token("u1"), Vec::new()).await;
    assert_eq!((connected.user.as_str(), connected.heartbeat_ms), ("u1", 25_000));
    assert!(connected.expires_at > before + 3_500_000 && connected.subscriptions.is_empty());
    let other = Peer::open(&hub).await.begin(&token("u1"), Vec::new()).await;
    assert_ne!(connected.session, other.session);
}

#[tokio::test]
async fn silence_is_closed_after_a_while() {
    let hub = Setup::new().limit("connect_timeout_ms", 200).start();
    let mut peer = Peer::open(&hub).await;
    assert_eq!(peer.close_code().await, Some(4009));
    // The time is for the connect frame alone.
    let mut connected = Peer::connect(&hub, "u1").await;
    assert_eq!(Peer::open(&hub).await.close_code().await, Some(4009));
    connected.expect_nothing().await;
}

#[tokio::test]
async fn tokens_that_prove_nothing_are_refused() {
    let hub = Hub::dev();
    let now = now_ms() / 1_000;
    let draft = |exp| TokenDraft { sub: "u1".to_owned(), iat: now - 3_600, exp, ..TokenDraft::default() };
    let mut forged = token("u1");
    forged.replace_range(forged.len() - 6.., "AAAAAA");
    let table = [
        ("nonsense".to_owned(), ErrorCode::Unauthorized, 4501),
        (String::new(), ErrorCode::Unauthorized, 4501),
        (forged, ErrorCode::Unauthorized, 4501),
        (sign(draft(now - 600)), ErrorCode::TokenExpired, 4005),
    ];
    for (token, code, close) in table {
        let mut peer = Peer::open(&hub).await;
        peer.send(&connect_frame(token.clone())).await;
        assert_eq!(farewell(&mut peer).await, (code, Some(close)), "{token}");
    }
}

#[tokio::test]
async fn another_first_frame_is_refused() {
    let hub = Hub::dev();
    let texts = [
        r#"{"type":"pong"}"#,
        r#"{"type":"subscribe","id":1,"channel":"live:a"}"#,
        "[]",
        "{",
        "",
        r#"{"type":"connect"}"#,
    ];
    for text in texts {
        let mut peer = Peer::open(&hub).await;
        peer.raw.send_text(text).await.expect("sent");
        assert_eq!(farewell(&mut peer).await, (ErrorCode::BadRequest, Some(4500)), "{text}");
    }
}

#[tokio::test]
async fn a_second_connect_is_refused_and_changes_nothing() {
    let hub = Hub::dev();
    let mut peer = Peer::connect(&hub, "u1").await;
    peer.send(&connect_frame(token("u2"))).await;
    assert!(
        matches!(peer.frame().await, ServerFrame::Error(error) if error.code == ErrorCode::BadRequest && error.id.is_none())
    );
    peer.subscribe(fresh("live:a")).await;
    peer.publish(crate::peer::draft("live:a", "1")).await;
    assert_eq!(peer.message().await.from.expect("an author").as_str(), "u1");
}

#[tokio::test]
async fn binary_frames_are_refused() {
    let hub = Hub::dev();
    let mut before = Peer::open(&hub).await;
    before.raw.send_binary(vec![1, 2, 3]).await.expect("sent");
    assert_eq!(before.close_code().await, Some(4500));
    let mut after = Peer::connect(&hub, "u1").await;
    after.raw.send_binary(b"{\"type\":\"pong\"}".to_vec()).await.expect("sent");
    assert_eq!(after.close_code().await, Some(4500));
}

#[tokio::test]
async fn what_follows_connect_in_one_write_is_answered_in_order() {
    let hub = Hub::dev();
    let mut peer = Peer::open(&hub).await;
    let mut bytes = Vec::new();
    let frames = [
        connect_frame(token("u1")),
        ClientFrame::Subscribe(1, fresh("chat:a")),
        ClientFrame::Publish(2, crate::peer::draft("chat:a", "7")),
        ClientFrame::Unsubscribe(3, channel("chat:never")),
    ];
    for frame in &frames {
        bytes.extend(masked_text(&json::encode_client(frame)));
    }
    peer.raw.send_bytes(&bytes).await.expect("sent");
    assert!(matches!(peer.frame().await, ServerFrame::Connected(_)), "first of all");
    let (mut acknowledged, mut refused, mut start, mut came) = (false, false, None, false);
    while !(acknowledged && refused && start.is_some_and(|start| start == 1 || came)) {
        match peer.frame().await {
            // The message may be in the log already when the subscription begins.
            ServerFrame::Subscribed { id: 1, attached, .. } => start = Some(attached.start()),
            ServerFrame::Ack { id: 2, .. } => acknowledged = true,
            ServerFrame::Error(error) if error.id == Some(3) => refused = true,
            ServerFrame::Message(message) => {
                assert_eq!((start, message.data.get()), (Some(0), "7"), "a message follows its subscription");
                came = true;
            }
            other => panic!("unexpected: {other:?}"),
        }
    }
}

#[tokio::test]
async fn nothing_counts_behind_a_refused_connect() {
    let hub = Hub::dev();
    let mut peer = Peer::open(&hub).await;
    let mut bytes = masked_text(&json::encode_client(&connect_frame("nonsense".to_owned())));
    bytes.extend(masked_text(&json::encode_client(&connect_frame(token("u1")))));
    bytes.extend(masked_text(&json::encode_client(&ClientFrame::Publish(1, crate::peer::draft("live:a", "1")))));
    peer.raw.send_bytes(&bytes).await.expect("sent");
    assert_eq!(farewell(&mut peer).await, (ErrorCode::Unauthorized, Some(4501)));
    assert_eq!(Peer::connect(&hub, "u2").await.subscribe(fresh("live:a")).await.head.expect("a log").offset, 0);
}

#[tokio::test]
async fn a_goodbye_is_answered_and_leaves_the_next_connection_alone() {
    let hub = Hub::dev();
    for round in 0..8 {
        let mut peer = Peer::connect(&hub, "u1").await;
        peer.expect_nothing().await;
        // 1000, masked with zeros.
        peer.raw.send_bytes(&[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]).await.expect("sent");
        let came = peer.raw.receive(WITHIN).await.expect("an answer");
        assert!(matches!(came, Received::Closed(Some(1000), _)), "round {round}: {came:?}");
    }
}

/// A whole text frame, masked with zeros, as a client sends it.
fn masked_text(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81, 0x80 | 126];
    // Longer than 125 bytes or not, the two-byte length would be wrong for short ones: those have one byte.
    match text.len() {
        short @ ..126 => frame[1] = 0x80 | short as u8,
        long => frame.extend_from_slice(&u16::try_from(long).expect("short enough").to_be_bytes()),
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(text.as_bytes());
    frame
}
