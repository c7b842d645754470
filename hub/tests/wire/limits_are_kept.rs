//! Goal: every bound on what a peer may do holds, is told by its name, and leaves others alone. Method: one limit at a time made
//! small, and somebody who goes one step further.

use std::net::IpAddr;
use std::time::Instant;

use hubbub_client::{RawOptions, Received};
use hubbub_protocol::{ClientFrame, ErrorCode, ServerFrame};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::harness::{Hub, Setup, WITHIN};
use crate::http::get;
use crate::peer::{Peer, channel, draft, fresh};

/// An upgrade that was asked for: its status, the whole answer, and the socket.
struct Upgrade {
    status: u16,
    answer: String,
    /// Counted as long as it is open.
    _socket: TcpStream,
}

async fn upgrade_from(hub: &Hub, source: &str, forwarded: Option<&str>) -> Upgrade {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind((source.parse::<IpAddr>().expect("an address"), 0).into()).expect("bound");
    let mut socket = socket.connect(hub.public).await.expect("connects");
    let forwarded = forwarded.map(|hops| format!("x-forwarded-for: {hops}\r\n")).unwrap_or_default();
    let request = format!(
        "GET /ws HTTP/1.1\r\nhost: hub\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{forwarded}\r\n"
    );
    socket.write_all(request.as_bytes()).await.expect("sent");
    let mut head = Vec::new();
    // A refusal has a body, one JSON object.
    while !head.windows(4).any(|four| four == b"\r\n\r\n")
        || !(head.starts_with(b"HTTP/1.1 101") || head.ends_with(b"}"))
    {
        let count = timeout(WITHIN, socket.read_buf(&mut head)).await.expect("an answer in time").expect("readable");
        assert!(count > 0, "no answer");
    }
    let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    Upgrade { status, answer: head, _socket: socket }
}

async fn upgrade(hub: &Hub) -> Upgrade {
    upgrade_from(hub, "127.0.0.1", None).await
}

/// Waits until an upgrade ends as it should: places come back a moment after a socket was closed.
async fn until_status(hub: &Hub, source: &str, forwarded: Option<&str>, status: u16) -> Upgrade {
    let begun = Instant::now();
    loop {
        let upgrade = upgrade_from(hub, source, forwarded).await;
        if upgrade.status == status {
            return upgrade;
        }
        assert!(begun.elapsed() < WITHIN, "still {}", upgrade.status);
    }
}

#[tokio::test]
async fn a_frame_has_64_kib() {
    let hub = Hub::dev();
    let mut peer = Peer::connect(&hub, "u1").await;
    peer.subscribe(fresh("live:a")).await;
    let frame = |bytes: usize| {
        let head = r#"{"type":"publish","id":7,"channel":"live:a","data":""#;
        format!("{head}{}\"}}", "x".repeat(bytes - head.len() - 2))
    };
    peer.raw.send_text(frame(65_536)).await.expect("sent");
    assert!(matches!(peer.answer(7).await, ServerFrame::Ack { .. }), "the largest one is taken");
    assert_eq!(peer.message().await.data.get().len(), 65_536 - 52);
    peer.raw.send_text(frame(65_537)).await.expect("sent");
    assert_eq!(peer.close_code().await, Some(1009));
    // Also when nobody is known yet, and when it comes in fragments.
    let mut stranger = Peer::open(&hub).await;
    stranger.raw.send_text(frame(65_537)).await.expect("sent");
    assert_eq!(stranger.close_code().await, Some(1009));
    let mut fragments = Peer::connect(&hub, "u1").await;
    let mut bytes = vec![0x01, 0xfe, 0x90, 0x00, 0, 0, 0, 0];
    bytes.extend([b'x'; 0x9000]);
    bytes.extend([0x80, 0xfe, 0x90, 0x00, 0, 0, 0, 0]);
    bytes.extend([b'x'; 0x9000]);
    fragments.raw.send_bytes(&bytes).await.expect("sent");
    assert_eq!(fragments.close_code().await, Some(1009));
}

#[tokio::test]
async fn requests_have_a_rate() {
    let hub = Setup::new().limit("requests_per_second", 20).limit("request_burst", 5).start();
    let mut peer = Peer::connect(&hub, "u1").await;
    peer.subscribe(fresh("live:a")).await;
    for _ in 0..4 {
        peer.publish(draft("live:a", "1")).await;
    }
    let wait = loop {
        match peer.ask(|id| ClientFrame::Publish(id, draft("live:a", "1"))).await {
            ServerFrame::Ack { .. } => {}
            ServerFrame::Error(error) => {
                assert_eq!(error.code, ErrorCode::RateLimited);
                break error.retry_after_ms.expect("a time to wait");
            }
            other => panic!("unexpected: {other:?}"),
        }
    };
    assert!((1..=50).contains(&wait), "{wait} ms");
    tokio::time::sleep(std::time::Duration::from_millis(wait)).await;
    peer.publish(draft("live:a", "1")).await;
    // Another connection has its own rate.
    Peer::connect(&hub, "u1").await.publish(draft("live:a", "1")).await;
}

#[tokio::test]
async fn who_ignores_the_rate_is_closed() {
    // Slow enough to be allowed one request in so many, and fast enough to be refused most.
    let hub = Setup::new().limit("requests_per_second", 1_000).limit("request_burst", 10).start();
    let mut peer = Peer::connect(&hub, "u1").await;
    let (mut asked, mut answered) = (0_u64, 0_u64);
    let code = loop {
        while asked - answered < 40 {
            asked += 1;
            peer.send(&ClientFrame::Unsubscribe(asked, channel("live:a"))).await;
        }
        match peer.raw.receive(WITHIN).await.expect("something") {
            Received::Frame(..) => answered += 1,
            Received::Closed(code, _) => break code,
            other => panic!("unexpected: {other:?}"),
        }
        assert!(answered < 30_000, "nobody minds");
    };
    assert_eq!(code, Some(4004));
}

#[tokio::test]
async fn an_address_has_so_many_connections() {
    let hub = Setup::new().limit("connections_per_ip", 3).start();
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(upgrade(&hub).await);
    }
    assert!(held.iter().all(|upgrade| upgrade.status == 101));
    let refused = upgrade(&hub).await;
    assert_eq!(refused.status, 429);
    assert!(
        refused.answer.contains("retry-after: ") && refused.answer.contains("retry_after_ms"),
        "{}",
        refused.answer
    );
    assert_eq!(get(hub.public, "/sse?channel=feed:a", &[]).await.status, 429, "streams count as well");
    assert_eq!(upgrade_from(&hub, "127.0.0.2", None).await.status, 101, "another address");
    drop(held.pop());
    held.push(until_status(&hub, "127.0.0.1", None, 101).await);
    assert_eq!(upgrade_from(&hub, "127.0.0.1", Some("10.1.1.1")).await.status, 429, "nobody believes a stranger");
}

#[tokio::test]
async fn newcomers_have_a_rate() {
    let hub = Setup::new().limit("connects_per_second", 1).limit("connect_burst", 4).start();
    let mut statuses = Vec::new();
    for _ in 0..6 {
        let upgrade = upgrade(&hub).await;
        assert_eq!(upgrade.answer.contains("retry-after: 1"), upgrade.status == 429, "{}", upgrade.answer);
        statuses.push(upgrade.status);
    }
    assert_eq!(statuses[..4], [101; 4]);
    assert!(statuses[4..].contains(&429), "{statuses:?}");
    until_status(&hub, "127.0.0.1", None, 101).await;
}

#[tokio::test]
async fn behind_a_proxy_the_real_address_counts() {
    const PROXIES: &str = "[http]\ntrusted_proxies = [\"127.0.0.1/32\", \"10.9.0.0/16\"]\n";
    let hub = Setup::new().config(PROXIES).limit("connections_per_ip", 1).start();
    let mut held = Vec::new();
    let table = [
        ("127.0.0.1", Some("10.0.0.1"), 101),
        ("127.0.0.1", Some("10.0.0.1"), 429),
        ("127.0.0.1", Some("10.0.0.2"), 101),
        // What stands before the last stranger is what strangers say.
        ("127.0.0.1", Some("1.2.3.4, 10.0.0.2"), 429),
        ("127.0.0.1", Some("10.0.0.2, 1.2.3.4"), 101),
        ("127.0.0.1", Some("10.0.0.2, 10.9.3.3"), 429),
        ("127.0.0.1", Some("10.0.0.3,10.9.3.3,127.0.0.1"), 101),
        ("127.0.0.1", Some("nonsense, 10.0.0.3"), 429),
        ("127.0.0.1", Some("2001:db8::1"), 101),
        ("127.0.0.1", Some("2001:db8::1"), 429),
        ("127.0.0.1", Some("::ffff:10.0.0.1"), 429),
        ("127.0.0.1", None, 101),
        // A peer that is no proxy speaks for itself alone.
        ("127.0.0.2", Some("10.0.0.50"), 101),
        ("127.0.0.2", Some("10.0.0.51"), 429),
        ("127.0.0.1", Some("10.0.0.50"), 101),
    ];
    for (source, forwarded, status) in table {
        let upgrade = upgrade_from(&hub, source, forwarded).await;
        assert_eq!(upgrade.status, status, "{source} {forwarded:?}");
        held.push(upgrade);
    }
}

#[tokio::test]
async fn above_the_watermark_newcomers_wait() {
    let hub = Setup::new().limit("memory_watermark_bytes", 1).start();
    let refused = until_status(&hub, "127.0.0.1", None, 503).await;
    assert!(
        refused.answer.contains("retry-after: 5") && refused.answer.contains("\"retry_after_ms\":5000"),
        "{}",
        refused.answer
    );
    let answer = get(hub.public, "/sse?channel=feed:a", &[]).await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (503, Some("overloaded")));
    // A browser would never come back from that: it gets a stream that ends, and a time to wait.
    let answer = get(hub.public, "/sse?channel=feed:a", &[("accept", "text/event-stream")]).await;
    assert_eq!(answer.status, 200);
    assert!(answer.text().contains("retry: 5000\n") && answer.text().contains("event: error\n"), "{}", answer.text());
    let ready = get(hub.internal, "/readyz", &[]).await;
    assert_eq!(ready.status, 503, "{ready:?}");
    // Services go on.
    hub.publish("chat:a", "1").await;
}

#[tokio::test]
async fn a_node_has_so_many_connections() {
    let hub = Setup::new().limit("connections", 2).start();
    let held = (upgrade(&hub).await, upgrade(&hub).await);
    assert_eq!((held.0.status, held.1.status, upgrade(&hub).await.status), (101, 101, 503));
    drop(held);
    until_status(&hub, "127.0.0.1", None, 101).await;
}

#[tokio::test]
async fn a_tenant_has_so_many_channels() {
    let hub = Setup::new()
        .env("HUBBUB_NODE__SHARDS", "1")
        .limit("channels_per_tenant", 2)
        .limit("interest_linger_ms", 1)
        .start();
    let mut peer = Peer::open_with(&hub, RawOptions::default()).await;
    peer.begin(&crate::harness::token("u1"), Vec::new()).await;
    peer.subscribe(fresh("live:a")).await;
    peer.subscribe(fresh("live:b")).await;
    assert_eq!(peer.refused(|id| ClientFrame::Subscribe(id, fresh("live:c"))).await, ErrorCode::LimitReached);
    let mut other = Peer::connect(&hub, "u2").await;
    other.subscribe(fresh("live:a")).await;
    peer.unsubscribe("live:b").await;
    let begun = Instant::now();
    while !matches!(peer.ask(|id| ClientFrame::Subscribe(id, fresh("live:c"))).await, ServerFrame::Subscribed { .. }) {
        assert!(begun.elapsed() < WITHIN);
    }
}
