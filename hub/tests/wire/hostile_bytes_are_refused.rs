//! Goal: whatever a peer sends, the program lives on, holds no memory for it, and others do not notice. Method: every kind of
//! breach over real sockets, and after each of them a bystander who must get a message promptly.
//!
//! `HUBBUB_HOSTILE_SOCKETS=20000 cargo test --release -p hubbub --test wire hostile -- --nocapture` tries so many random strings.
#![expect(clippy::print_stdout, reason = "the figure of the show is printed")]

use std::time::{Duration, Instant};

use hubbub_protocol::{ClientFrame, json};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::harness::{Hub, Setup, WITHIN};
use crate::peer::{Peer, draft, fresh};

/// Random strings over sockets in `make test`.
const STRINGS: u64 = 10_000;
/// What the program may hold more than before, in bytes: what allocators keep.
const KEPT: u64 = 64 * 1024 * 1024;
/// A message must arrive within this, also on a machine that is busy.
const PROMPT: Duration = Duration::from_secs(2);

/// Somebody who has nothing to do with it.
struct Bystander<'a> {
    hub: &'a Hub,
    peer: Peer,
    before: u64,
}

impl<'a> Bystander<'a> {
    async fn new(hub: &'a Hub) -> Self {
        let mut peer = Peer::connect(hub, "bystander").await;
        peer.subscribe(fresh("live:bystander")).await;
        Self { hub, peer, before: hub.resident() }
    }

    async fn is_well(&mut self, what: &str) {
        let begun = Instant::now();
        self.hub.publish("live:bystander", "1").await;
        self.peer.message().await;
        assert!(begun.elapsed() < PROMPT, "{what}: {:?}", begun.elapsed());
        let kept = self.hub.resident().saturating_sub(self.before);
        assert!(kept < KEPT, "{what}: {kept} bytes more than before");
        assert!(!self.hub.said().contains("panicked"), "{what}: {}", self.hub.said());
    }
}

const UPGRADE: &str = "GET /ws HTTP/1.1\r\nhost: hub\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                       sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

async fn socket(hub: &Hub) -> TcpStream {
    TcpStream::connect(hub.public).await.expect("connects")
}

/// A socket that has become a WebSocket.
async fn upgraded(hub: &Hub) -> TcpStream {
    let mut socket = socket(hub).await;
    socket.write_all(UPGRADE.as_bytes()).await.expect("sent");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let count = timeout(WITHIN, socket.read_buf(&mut head)).await.expect("in time").expect("readable");
        assert!(count > 0, "{}", String::from_utf8_lossy(&head));
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    socket
}

/// Sends and reads until the hub ends the connection; answers what came.
async fn until_end(mut socket: TcpStream, bytes: &[u8]) -> Vec<u8> {
    // The hub may have heard enough before the end.
    let _ = socket.write_all(bytes).await;
    let mut came = Vec::new();
    let _ = timeout(WITHIN, socket.read_to_end(&mut came)).await.expect("the hub ends it in time");
    came
}

/// The code of the close frame at the end of what came.
fn close_code(came: &[u8]) -> Option<u16> {
    let at = came.iter().rposition(|byte| *byte == 0x88)?;
    Some(u16::from_be_bytes(came.get(at + 2..at + 4)?.try_into().ok()?))
}

fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first, 0x80 | 126];
    frame.extend_from_slice(&u16::try_from(payload.len()).expect("short").to_be_bytes());
    if payload.len() < 126 {
        frame = vec![first, 0x80 | payload.len() as u8];
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    frame
}

#[tokio::test]
async fn broken_frames_before_anybody_is_known() {
    let hub = Hub::dev();
    let mut bystander = Bystander::new(&hub).await;
    let table: [(&str, Vec<u8>, u16); 8] = [
        ("unmasked", vec![0x81, 1, b'x'], 1002),
        ("not UTF-8", masked(0x81, &[0xff, 0xfe]), 1007),
        ("reserved bits", masked(0xf1, b"x"), 1002),
        ("a length of 2^63", vec![0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 1009),
        ("a length beyond the limit", vec![0x81, 0xff, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0], 1009),
        ("a continuation of nothing", masked(0x80, b"x"), 1002),
        ("deep JSON", masked(0x81, "[".repeat(60_000).as_bytes()), 4500),
        ("JSON without end", masked(0x81, format!("{{\"type\":\"{}", "\\u0041".repeat(9_000)).as_bytes()), 4500),
    ];
    for (what, bytes, code) in table {
        let came = until_end(upgraded(&hub).await, &bytes).await;
        assert_eq!(close_code(&came), Some(code), "{what}: {came:02x?}");
        bystander.is_well(what).await;
    }
}

#[tokio::test]
async fn floods_of_fragments_and_pings() {
    let hub = Hub::dev();
    let mut bystander = Bystander::new(&hub).await;
    // A message that never ends, in pieces of nothing and of one byte.
    let empty: Vec<u8> = [masked(0x01, b"x"), masked(0x00, b"").repeat(200_000)].concat();
    let mut flooding = upgraded(&hub).await;
    flooding.write_all(&empty).await.expect("taken");
    bystander.is_well("empty fragments").await;
    drop(flooding);
    let bytes: Vec<u8> = [masked(0x01, b"x"), masked(0x00, b"x").repeat(70_000)].concat();
    assert_eq!(close_code(&until_end(upgraded(&hub).await, &bytes).await), Some(1009));
    bystander.is_well("fragments beyond the limit").await;
    // Pings whose answers nobody reads.
    let pings = masked(0x89, &[b'p'; 125]).repeat(8_000);
    let mut sockets = Vec::new();
    for _ in 0..4 {
        let mut socket = upgraded(&hub).await;
        for _ in 0..40 {
            // The hub stops reading, or hangs up; both are fine.
            if !matches!(timeout(Duration::from_millis(50), socket.write_all(&pings)).await, Ok(Ok(()))) {
                break;
            }
        }
        sockets.push(socket);
        bystander.is_well("pings").await;
    }
}

#[tokio::test]
async fn heads_that_are_too_long_too_many_or_too_slow() {
    let hub = Setup::new().limit("header_timeout_ms", 300).start();
    let mut bystander = Bystander::new(&hub).await;
    let long = format!("GET /ws HTTP/1.1\r\nx: {}", "x".repeat(2_000_000));
    let answer = until_end(socket(&hub).await, long.as_bytes()).await;
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431"), "{:.60}", String::from_utf8_lossy(&answer));
    bystander.is_well("a long header").await;
    let many = format!("GET /ws HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(1_000));
    let answer = until_end(socket(&hub).await, many.as_bytes()).await;
    assert!(answer.starts_with(b"HTTP/1.1 431"), "{:.60}", String::from_utf8_lossy(&answer));
    let target = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(200_000));
    let answer = until_end(socket(&hub).await, target.as_bytes()).await;
    assert!(answer.starts_with(b"HTTP/1.1 4"), "{:.60}", String::from_utf8_lossy(&answer));
    bystander.is_well("a long target").await;
    for part in ["", "G", "GET /ws HTTP/1.1\r\nhost: h"] {
        let begun = Instant::now();
        let answer = until_end(socket(&hub).await, part.as_bytes()).await;
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 408"), "{:.60}", String::from_utf8_lossy(&answer));
        assert!((250..5_000).contains(&begun.elapsed().as_millis()), "{part:?}: {:?}", begun.elapsed());
    }
    bystander.is_well("slow heads").await;
}

#[tokio::test]
async fn http_that_is_none() {
    let hub = Setup::new().limit("header_timeout_ms", 500).start();
    let mut bystander = Bystander::new(&hub).await;
    let table: [&[u8]; 9] = [
        b"\r\n\r\n\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET\r\n\r\n",
        b"POST /v1/tickets HTTP/1.1\r\nhost: h\r\ncontent-length: 99999999999999999999\r\n\r\n",
        b"POST /v1/tickets HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"GET /sse?channel=%00%ff HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n",
        b"GET /ws HTTP/1.1\r\nhost: h\r\nhost: i\r\norigin: \xff\xfe\r\nconnection: close\r\n\r\n",
    ];
    for bytes in table {
        let answer = until_end(socket(&hub).await, bytes).await;
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"),
            "{:?}: {:.60}",
            String::from_utf8_lossy(bytes),
            String::from_utf8_lossy(&answer)
        );
        bystander.is_well(&String::from_utf8_lossy(bytes)).await;
    }
}

#[tokio::test]
async fn http_that_takes_its_time() {
    let hub = Setup::new().limit("header_timeout_ms", 300).start();
    let mut bystander = Bystander::new(&hub).await;
    let table = [
        (
            "a body that never comes",
            "POST /v1/tickets HTTP/1.1\r\nhost: h\r\nauthorization: Bearer x\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{",
        ),
        ("silence behind an answer", "GET /sse HTTP/1.1\r\nhost: h\r\n\r\n"),
        ("half a head behind an answer", "GET /sse HTTP/1.1\r\nhost: h\r\n\r\nGET /sse HT"),
    ];
    for (what, bytes) in table {
        let begun = Instant::now();
        until_end(socket(&hub).await, bytes.as_bytes()).await;
        assert!(begun.elapsed() < Duration::from_secs(10), "{what} holds a place for {:?}", begun.elapsed());
        bystander.is_well(what).await;
    }
}

/// Half is noise, half are frames with a valid beginning, some of them with JSON inside that is almost a frame.
fn string(dice: &mut StdRng) -> Vec<u8> {
    let noise = |dice: &mut StdRng, most: usize| -> Vec<u8> {
        (0..dice.random_range(0..most)).map(|_| dice.random()).collect()
    };
    match dice.random_range(0..4) {
        0 => noise(dice, 600),
        1 => {
            let first = [0x81, 0x82, 0x01, 0x80, 0x88, 0x89, 0x8a, 0xc1][dice.random_range(0..8)];
            let payload = noise(dice, 300);
            let mut bytes = masked(first, &payload);
            bytes.truncate(dice.random_range(0..=bytes.len()));
            bytes
        }
        2 => {
            let mut text =
                json::encode_client(&ClientFrame::Publish(dice.random_range(0..1 << 40), draft("live:a", "[1]")))
                    .into_bytes();
            for _ in 0..dice.random_range(1..4) {
                let at = dice.random_range(0..text.len());
                text[at] = dice.random_range(0x20..0x7f);
            }
            masked(0x81, &text)
        }
        _ => {
            let mut bytes = masked(0x81, br#"{"type":"connect","token":"#);
            bytes.extend(noise(dice, 200));
            bytes
        }
    }
}

#[tokio::test]
async fn random_strings_over_sockets() {
    const AT_ONCE: usize = 32;
    let asked = std::env::var("HUBBUB_HOSTILE_SOCKETS").ok().and_then(|count| count.parse::<u64>().ok());
    let strings = asked.unwrap_or(STRINGS);
    let hub = Hub::dev();
    let mut bystander = Bystander::new(&hub).await;
    let mut dice = StdRng::seed_from_u64(strings);
    let begun = Instant::now();
    let mut under_way = JoinSet::new();
    for index in 0..strings {
        let bytes = string(&mut dice);
        // Some as HTTP, most as what follows an upgrade.
        let socket = if index % 8 == 0 { socket(&hub).await } else { upgraded(&hub).await };
        under_way.spawn(send_and_leave(socket, bytes));
        if under_way.len() >= AT_ONCE {
            under_way.join_next().await.expect("one").expect("whole");
        }
        if index % 500 == 499 {
            bystander.is_well("random strings").await;
        }
    }
    under_way.join_all().await;
    bystander.is_well("random strings").await;
    let kept = hub.resident().saturating_sub(bystander.before) / 1_024;
    let ended = hub.metric("hubbub_closed_connections_total").await;
    println!(
        "{strings} strings over sockets, {ended} ended by the hub, {kept} KiB kept, {:.1} s",
        begun.elapsed().as_secs_f64()
    );
    assert!(ended > strings as f64 / 4.0, "the strings were not hostile");
}

/// Sends, says that no more follows, and waits for the hub's end.
async fn send_and_leave(mut socket: TcpStream, bytes: Vec<u8>) {
    let _ = socket.write_all(&bytes).await;
    let _ = socket.shutdown().await;
    let mut came = Vec::new();
    let _ = timeout(WITHIN, socket.read_to_end(&mut came)).await.expect("the hub ends it in time");
}

#[tokio::test]
async fn random_frames_of_somebody_who_is_known() {
    const FRAMES: usize = 3_000;
    let hub = Setup::new().limit("requests_per_second", 1_000_000).limit("request_burst", 1_000_000).start();
    let mut bystander = Bystander::new(&hub).await;
    let mut dice = StdRng::seed_from_u64(7);
    let mut peer = Peer::connect(&hub, "hostile").await;
    let kinds =
        ["subscribe", "unsubscribe", "publish", "history", "presence", "refresh", "pong", "connect", "nonsense"];
    let values = [
        "1",
        "-1",
        "null",
        "\"chat:a\"",
        "\"live:b\"",
        "[]",
        "{}",
        "9007199254740993",
        "1e400",
        "\"\\ud800\"",
        "true",
        "{\"epoch\":\"a\",\"offset\":3}",
    ];
    let fields = [
        "id",
        "channel",
        "token",
        "since",
        "rewind",
        "data",
        "key",
        "conflate_key",
        "after",
        "before",
        "limit",
        "presence",
        "conflate",
        "resume",
    ];
    for index in 0..FRAMES {
        let kind = kinds[dice.random_range(0..kinds.len())];
        let mut text = format!(r#"{{"type":"{kind}","id":{}"#, index + 1_000_000);
        for _ in 0..dice.random_range(0..6) {
            let (field, value) =
                (fields[dice.random_range(1..fields.len())], values[dice.random_range(0..values.len())]);
            text.push_str(&format!(r#","{field}":{value}"#));
        }
        text.push('}');
        peer.raw.send_text(text).await.expect("sent");
        if index % 64 == 63 {
            // Reads what came, so that this is no test of slow readers.
            peer.refused(|id| ClientFrame::Unsubscribe(id, crate::peer::channel("nobody:here"))).await;
        }
    }
    peer.refused(|id| ClientFrame::Unsubscribe(id, crate::peer::channel("nobody:here"))).await;
    bystander.is_well("random frames").await;
}
