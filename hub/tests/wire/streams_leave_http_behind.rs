//! Goal: a stream takes the socket over from HTTP exactly behind its request, whatever the request looks like and however it
//! comes, and nothing that a peer sends behind it is taken for another one. Method: heads written byte by byte over plain
//! sockets, and what comes back, read as it is.

use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::harness::{Hub, Setup, WITHIN};
use crate::http::{get, request};
use crate::stream::Stream;

const REQUEST: &str = "GET /sse?channel=feed:a&rewind=1 HTTP/1.1\r\nhost: hub\r\naccept: text/event-stream\r\norigin: https://app.example\r\n\r\n";
const ORIGINS: &str = "[http]\norigins = [\"https://app.example\"]\n";

/// One shard, so that an answer on one socket shows that what came before on another was read.
fn one_shard() -> Setup {
    Setup::new().env("HUBBUB_NODE__SHARDS", "1").config(ORIGINS)
}

async fn socket(hub: &Hub) -> TcpStream {
    let socket = TcpStream::connect(hub.public).await.expect("connects");
    socket.set_nodelay(true).expect("set");
    socket
}

/// Reads on until a text has come; answers everything so far.
async fn read_until(socket: &mut TcpStream, text: &str) -> String {
    let mut came = Vec::new();
    while !String::from_utf8_lossy(&came).contains(text) {
        let count = timeout(WITHIN, socket.read_buf(&mut came)).await.expect("in time").expect("readable");
        assert!(count > 0, "the hub hung up: {}", String::from_utf8_lossy(&came));
    }
    String::from_utf8(came).expect("UTF-8")
}

async fn until_end(socket: &mut TcpStream) -> String {
    let mut came = Vec::new();
    // A reset is an end as well.
    let _ = timeout(WITHIN, socket.read_to_end(&mut came)).await.expect("the hub ends it in time");
    String::from_utf8_lossy(&came).into_owned()
}

/// The hub's only shard has read what was sent to it before.
async fn settled(hub: &Hub) {
    assert_eq!(get(hub.public, "/sse", &[]).await.status, 400);
}

async fn connections(hub: &Hub, expected: f64) {
    let deadline = Instant::now() + WITHIN;
    while hub.metric("hubbub_connections").await != expected {
        assert!(Instant::now() < deadline, "{} connections", hub.metric("hubbub_connections").await);
    }
}

#[tokio::test]
async fn the_head_of_the_answer_is_whole() {
    let hub = one_shard().start();
    hub.publish("feed:a", "7").await;
    let mut socket = socket(&hub).await;
    socket.write_all(REQUEST.as_bytes()).await.expect("sent");
    let came = read_until(&mut socket, r#""data":7"#).await;
    let (head, body) = came.split_once("\r\n\r\n").expect("a head");
    let mut lines = head.lines();
    assert_eq!(lines.next(), Some("HTTP/1.1 200 OK"));
    let names: Vec<_> = lines.clone().map(|line| line.split_once(": ").expect("a header").0).collect();
    for name in
        ["content-type", "cache-control", "x-accel-buffering", "connection", "date", "access-control-allow-origin"]
    {
        assert_eq!(names.iter().filter(|other| **other == name).count(), 1, "{name}: {head}");
    }
    // The body ends with the connection: events are written as they are.
    assert!(lines.any(|line| line == "connection: close"), "{head}");
    assert!(!names.contains(&"transfer-encoding") && !names.contains(&"content-length"), "{head}");
    assert!(body.starts_with("retry: "), "{body}");
}

#[tokio::test]
async fn a_request_may_come_in_any_pieces() {
    let hub = one_shard().start();
    hub.publish("feed:a", "7").await;
    for at in 1..REQUEST.len() {
        let mut socket = socket(&hub).await;
        let (first, second) = REQUEST.as_bytes().split_at(at);
        socket.write_all(first).await.expect("sent");
        settled(&hub).await;
        socket.write_all(second).await.expect("sent");
        let came = read_until(&mut socket, r#""data":7"#).await;
        assert!(came.starts_with("HTTP/1.1 200 OK\r\n"), "cut at {at}: {came}");
    }
    let mut socket = socket(&hub).await;
    for byte in REQUEST.as_bytes() {
        socket.write_all(&[*byte]).await.expect("sent");
        settled(&hub).await;
    }
    assert!(read_until(&mut socket, r#""data":7"#).await.starts_with("HTTP/1.1 200 OK\r\n"));
}

#[tokio::test]
async fn a_request_that_does_not_come_whole_is_given_up() {
    let hub = Setup::new().limit("header_timeout_ms", 300).start();
    for part in ["GET /sse?chan", "GET /sse?channel=feed:a HTTP/1.1\r\nhost: h\r\naccept: text/event-stream\r\n"] {
        let (begun, mut socket) = (Instant::now(), socket(&hub).await);
        socket.write_all(part.as_bytes()).await.expect("sent");
        let came = until_end(&mut socket).await;
        assert!(came.is_empty() || came.starts_with("HTTP/1.1 408"), "{came}");
        assert!((250..5_000).contains(&begun.elapsed().as_millis()), "{part:?}: {:?}", begun.elapsed());
    }
    connections(&hub, 0.0).await;
}

#[tokio::test]
async fn heads_are_bounded() {
    let hub = Hub::dev();
    // As many headers as there may be, and one more; `host` is there already.
    for (extra, status) in [(63, "200"), (64, "431")] {
        let mut socket = socket(&hub).await;
        let head = format!("GET /sse?channel=feed:a HTTP/1.1\r\nhost: h\r\n{}\r\n", "x: y\r\n".repeat(extra));
        socket.write_all(head.as_bytes()).await.expect("sent");
        let came = read_until(&mut socket, "\r\n\r\n").await;
        assert!(came.starts_with(&format!("HTTP/1.1 {status} ")), "{extra} headers: {came}");
    }
    for (bytes, status) in [(30_000, "200"), (80_000, "431")] {
        let mut socket = socket(&hub).await;
        let head = format!("GET /sse?channel=feed:a HTTP/1.1\r\nhost: h\r\nx: {}\r\n\r\n", "y".repeat(bytes));
        // The hub may have read enough before the end.
        let _ = socket.write_all(head.as_bytes()).await;
        let mut came = Vec::new();
        while !came.ends_with(b"\n\n") && matches!(timeout(WITHIN, socket.read_buf(&mut came)).await, Ok(Ok(1..))) {}
        let came = String::from_utf8_lossy(&came);
        // What is left unread may reset the connection before its answer is read.
        assert!(came.starts_with(&format!("HTTP/1.1 {status} ")) || (came.is_empty() && status == "431"), "{came}");
    }
}

#[tokio::test]
async fn what_comes_behind_the_request_is_not_looked_at() {
    let hub = one_shard().start();
    let next = "GET /sse?channel=feed:b HTTP/1.1\r\nhost: hub\r\n\r\n";
    let length = next.len();
    let behind = [
        next.to_owned(),
        next.repeat(20),
        "\0\u{1}garbage\r\n\r\n".to_owned(),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
    ];
    for (index, behind) in behind.into_iter().enumerate() {
        let mut socket = socket(&hub).await;
        socket.write_all(format!("{REQUEST}{behind}").as_bytes()).await.expect("sent");
        goes_on_alone(&hub, socket, index).await;
    }
    // A body, whatever it claims to be, is none of the stream's and no second request.
    let bodies = [
        format!("content-length: {length}\r\n\r\n{next}"),
        format!("content-length: 5\r\n\r\nhello{next}"),
        format!("transfer-encoding: chunked\r\n\r\n{length:x}\r\n{next}\r\n0\r\n\r\n{next}"),
        format!("expect: 100-continue\r\ncontent-length: {length}\r\n\r\n{next}"),
        format!("content-length: 0\r\n\r\n{next}"),
    ];
    for (index, body) in bodies.into_iter().enumerate() {
        let mut socket = socket(&hub).await;
        let head = REQUEST.strip_suffix("\r\n").expect("its end");
        socket.write_all(format!("{head}{body}").as_bytes()).await.expect("sent");
        goes_on_alone(&hub, socket, index + 10).await;
    }
}

/// Everything that comes is one stream.
async fn goes_on_alone(hub: &Hub, mut socket: TcpStream, index: usize) {
    let open = read_until(&mut socket, "event: open").await;
    let mark = format!("\"mark-{index}\"");
    hub.publish("feed:a", &mark).await;
    let came = open + &read_until(&mut socket, &mark).await;
    assert_eq!(came.matches("HTTP/1.1").count(), 1, "{came}");
    assert_eq!(came.matches("event: open").count(), 1, "{came}");
    assert!(!came.contains("feed:b"), "{came}");
    drop(socket);
    connections(hub, 0.0).await;
}

#[tokio::test]
async fn who_talks_without_end_is_no_reader() {
    let hub = one_shard().start();
    let mut socket = socket(&hub).await;
    socket.write_all(REQUEST.as_bytes()).await.expect("sent");
    read_until(&mut socket, "event: open").await;
    let noise = [b'x'; 16 * 1024];
    let deadline = Instant::now() + WITHIN;
    while socket.write_all(&noise).await.is_ok() {
        assert!(Instant::now() < deadline, "the hub listens for ever");
    }
    connections(&hub, 0.0).await;
}

#[tokio::test]
async fn requests_whose_framing_is_doubtful_are_refused() {
    let hub = Hub::dev();
    let heads = [
        "GET /sse?channel=feed:a HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
        "GET /sse?channel=feed:a HTTP/1.1\r\nhost: h\r\ncontent-length: +5\r\n\r\n",
        "GET /sse?channel=feed:a HTTP/1.1\r\nhost: h\r\ntransfer-encoding: gzip\r\n\r\n",
        "GET /sse?channel=feed:a HTTP/1.0\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n",
        "GET /sse?channel=feed:a HTTP/1.1\r\nhost : h\r\n\r\n",
        "GET /sse?channel=feed:a HTTP/1.1\r\nhost: h\r\n folded\r\n\r\n",
        "GET  /sse?channel=feed:a HTTP/1.1\r\nhost: h\r\n\r\n",
        "GET /sse?channel=feed:a HTTP/2.0\r\nhost: h\r\n\r\n",
    ];
    for head in heads {
        let mut socket = socket(&hub).await;
        socket.write_all(head.as_bytes()).await.expect("sent");
        let came = read_until(&mut socket, "\r\n\r\n").await;
        assert!(came.starts_with("HTTP/1.1 400 ") || came.starts_with("HTTP/1.0 400 "), "{head:?}: {came}");
    }
}

#[tokio::test]
async fn answers_to_earlier_requests_come_first() {
    let hub = one_shard().start();
    hub.publish("feed:a", "7").await;
    let preflight = "OPTIONS /sse HTTP/1.1\r\nhost: hub\r\norigin: https://app.example\r\naccess-control-request-method: GET\r\n\r\n";
    let bad = "GET /sse HTTP/1.1\r\nhost: hub\r\n\r\n";
    for (before, count) in
        [(preflight.to_owned(), 1), (bad.to_owned(), 1), (format!("{bad}{preflight}").repeat(40), 80)]
    {
        let mut socket = socket(&hub).await;
        socket.write_all(format!("{before}{REQUEST}").as_bytes()).await.expect("sent");
        let came = read_until(&mut socket, r#""data":7"#).await;
        let heads: Vec<_> = came.lines().filter(|line| line.contains("HTTP/1.1 ")).collect();
        assert_eq!(heads.len(), count + 1, "{heads:?}");
        let stream = came.rfind("HTTP/1.1 200 OK").expect("a stream");
        assert!(came[stream..].contains("text/event-stream") && came[stream..].contains("event: open"), "{came}");
    }
    // One after the other on one connection, as browsers do.
    let mut socket = socket(&hub).await;
    socket.write_all(bad.as_bytes()).await.expect("sent");
    read_until(&mut socket, "urn:hubbub:bad_request").await;
    socket.write_all(REQUEST.as_bytes()).await.expect("sent");
    read_until(&mut socket, r#""data":7"#).await;
}

#[tokio::test]
async fn other_targets_and_older_clients_get_a_stream() {
    let hub = Hub::dev();
    hub.publish("feed:a", "7").await;
    let heads = [
        ("GET http://hub/sse?channel=feed:a HTTP/1.1\r\nhost: hub\r\n\r\n", "HTTP/1.1 200 OK\r\n"),
        ("GET /sse?channel=feed:a HTTP/1.1\r\nhost: hub\r\nconnection: close\r\n\r\n", "HTTP/1.1 200 OK\r\n"),
        ("GET /sse?channel=feed:a HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", "HTTP/1.1 200 OK\r\n"),
        ("GET /sse?channel=feed:a HTTP/1.0\r\n\r\n", "HTTP/1.0 200 OK\r\n"),
        ("GET /sse?channel=feed:a HTTP/1.0\r\nconnection: keep-alive\r\n\r\n", "HTTP/1.0 200 OK\r\n"),
    ];
    for (head, status) in heads {
        let mut socket = socket(&hub).await;
        socket.write_all(head.as_bytes()).await.expect("sent");
        let came = read_until(&mut socket, r#""data":7"#).await;
        assert!(came.starts_with(status), "{head:?}: {came}");
        assert!(came.contains("connection: close\r\n") && !came.contains("transfer-encoding"), "{head:?}: {came}");
    }
    let mut socket = socket(&hub).await;
    socket.write_all(b"GET /ws HTTP/1.0\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n").await.expect("sent");
    assert!(until_end(&mut socket).await.starts_with("HTTP/1.0 426 "), "HTTP/1.0 knows no upgrades (RFC 6455, 4.2.1)");
}

#[tokio::test]
async fn other_methods_open_nothing() {
    let hub = one_shard().start();
    for method in ["POST", "PUT", "DELETE"] {
        let answer = request(hub.public, method, "/sse?channel=feed:a", &[], "").await;
        assert_eq!(answer.status, 405, "{answer:?}");
        assert!(answer.header("allow").is_some_and(|allow| allow.contains("GET")), "{answer:?}");
    }
    // The head of a stream, without one, on a connection that goes on.
    let mut socket = socket(&hub).await;
    let head = "HEAD /sse?channel=feed:a HTTP/1.1\r\nhost: hub\r\naccept: text/event-stream\r\n\r\n";
    socket
        .write_all(format!("{head}{head}GET /sse HTTP/1.1\r\nhost: hub\r\nconnection: close\r\n\r\n").as_bytes())
        .await
        .expect("sent");
    let came = until_end(&mut socket).await;
    let heads: Vec<_> = came.split("HTTP/1.1 ").skip(1).collect();
    assert_eq!(heads.len(), 3, "{came}");
    for head in &heads[..2] {
        assert!(head.starts_with("200 OK\r\n") && head.contains("text/event-stream"), "{came}");
        assert!(!head.contains("content-length") && head.ends_with("\r\n\r\n"), "{came}");
    }
    assert!(heads[2].starts_with("400 "), "{came}");
    assert_eq!(request(hub.public, "HEAD", "/sse?channel=chat:a", &[], "").await.status, 401);
    assert_eq!(hub.metric("hubbub_connections").await, 0.0);
}

#[tokio::test]
async fn a_reader_who_will_say_no_more_is_let_go() {
    let hub = Hub::dev();
    for at_once in [true, false] {
        let mut socket = socket(&hub).await;
        socket.write_all(REQUEST.replace("origin", "x-origin").as_bytes()).await.expect("sent");
        if !at_once {
            read_until(&mut socket, "event: open").await;
            connections(&hub, 1.0).await;
        }
        socket.shutdown().await.expect("shut");
        until_end(&mut socket).await;
        connections(&hub, 0.0).await;
    }
}

#[tokio::test]
async fn a_drain_tells_streams_and_ends_them() {
    let mut hub = Setup::new().limit("drain_ms", 1_000).start();
    let (mut stream, _) = Stream::begin(&hub, "channel=feed:a", &[]).await;
    hub.terminate();
    let mut told = false;
    while let Some(event) = stream.anything().await {
        told |= event.name == "drain";
    }
    assert!(told && !stream.cut_off(), "told: {told}");
    assert!(hub.ended().await.success());
}
