//! A raw connection shows every frame as it came and sends whatever it is told.
//!
//! Method: a scripted hub on the other end, and bytes that are not a WebSocket frame.

mod scripted_hub;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use hubbub_client::{RawConnection, RawError, RawOptions, Received};
use hubbub_protocol::{ClientFrame, ServerFrame};
use scripted_hub::{SOON, ScriptedHub, continued, message};

#[tokio::test]
async fn every_frame_is_shown() {
    let hub = ScriptedHub::start().await;
    let client = async {
        let mut raw = RawConnection::open(&hub.url(), RawOptions::default()).await.expect("open");
        let connected = raw.connect("t", vec![], SOON).await.expect("connected");
        assert_eq!(connected.node, "scripted");
        raw
    };
    let (mut raw, (mut peer, connect)) = tokio::join!(client, hub.greet(&[]));
    assert_eq!(connect.client.as_deref(), Some("raw/1"));

    peer.say(ServerFrame::Ping).await;
    peer.say_text(r#"{"type":"weather"}"#).await;
    peer.say_text("nonsense").await;
    peer.say(message("chat:a", 4)).await;
    assert_eq!(raw.frame(SOON).await.expect("a frame"), ServerFrame::Ping);
    assert_eq!(raw.receive(SOON).await.expect("text"), Received::Unknown(r#"{"type":"weather"}"#.into()));
    assert!(matches!(raw.receive(SOON).await, Err(RawError::Malformed(_))));
    let Ok(Received::Frame(frame, text)) = raw.receive(SOON).await else { panic!("not a message") };
    assert_eq!(frame, message("chat:a", 4));
    assert!(text.starts_with(r#"{"type":"message""#), "{text}");
    assert!(matches!(raw.receive(Duration::from_millis(1)).await, Err(RawError::Silence(_))));

    raw.send(&ClientFrame::Pong).await.expect("sent");
    raw.send_text(r#"{"type":"pong"}"#).await.expect("sent");
    // A masked text frame by hand, its mask all zeros.
    raw.send_bytes(b"\x81\x8f\0\0\0\0{\"type\":\"pong\"}").await.expect("sent");
    for _ in 0..3 {
        assert_eq!(peer.hear().await, ClientFrame::Pong);
    }
    let (code, ()) = tokio::join!(raw.closed(SOON), peer.close(4001));
    assert_eq!(code.expect("an end"), Some(4001));
}

#[tokio::test]
async fn the_local_address_and_headers_are_chosen() {
    let hub = ScriptedHub::start().await;
    let source = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 77));
    let options = RawOptions {
        source_addr: Some(source),
        headers: vec![("Origin".into(), "https://example.org".into())],
        receive_buffer_bytes: Some(4_096),
    };
    let url = hub.url();
    let opening = tokio::spawn(async move { RawConnection::open(&url, options).await });
    let mut tcp = hub.tcp().await;
    assert_eq!(tcp.peer_addr().expect("connected").ip(), source);
    let mut head = vec![0; 4_096];
    let length = tokio::io::AsyncReadExt::read(&mut tcp, &mut head).await.expect("a request");
    let head = String::from_utf8_lossy(&head[..length]).to_lowercase();
    assert!(head.contains("\r\norigin: https://example.org\r\n"), "{head}");
    tokio::io::AsyncWriteExt::write_all(&mut tcp, b"HTTP/1.1 403 Forbidden\r\n\r\n").await.expect("sent");
    let refused = opening.await.expect("no panic");
    assert!(matches!(&refused, Err(RawError::Open(why)) if why.contains("403")), "{refused:?}");
}

#[tokio::test]
async fn a_greeting_that_is_none_is_told() {
    let hub = ScriptedHub::start().await;
    let client = async {
        let mut raw = RawConnection::open(&hub.url(), RawOptions::default()).await.expect("open");
        raw.connect("t", vec![], SOON).await
    };
    let (greeting, ()) = tokio::join!(client, async {
        let (mut peer, _) = hub.accept().await;
        peer.say(ServerFrame::Subscribed {
            id: 1,
            channel: scripted_hub::channel("chat:a"),
            attached: continued(1, 1),
        })
        .await;
    });
    assert!(matches!(greeting, Err(RawError::Unexpected(_))), "{greeting:?}");
}
