//! Goal: the transport under the protocol is a WebSocket by the book, and an upgrade that is not one is refused by name. Method:
//! `/echo`, where conformance tools look, with frames made by hand; upgrades with one thing wrong each.

use hubbub_client::{RawConnection, RawOptions, Received};

use crate::harness::{Hub, WITHIN};
use crate::http::get;

/// A frame as a client sends it, masked.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        short @ ..126 => bytes.push(0x80 | short as u8),
        middle @ ..65_536 => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&(middle as u16).to_be_bytes());
        }
        long => {
            bytes.push(0x80 | 127);
            bytes.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    let mask = [0x12, 0x34, 0x56, 0x78];
    bytes.extend_from_slice(&mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

async fn open(hub: &Hub) -> RawConnection {
    RawConnection::open(&format!("ws://{}/echo", hub.public), RawOptions::default()).await.expect("opens")
}

/// The next thing that is not a pong. Texts of the echo are no frames of the protocol.
async fn came(connection: &mut RawConnection) -> Result<Received, String> {
    loop {
        match connection.receive(WITHIN).await {
            Ok(Received::Control) => {}
            Ok(other) => return Ok(other),
            Err(error) => return Err(error.to_string()),
        }
    }
}

async fn text(connection: &mut RawConnection) -> String {
    match came(connection).await {
        Ok(Received::Unknown(text) | Received::Frame(_, text)) => text,
        other => panic!("not a text of the kind that this test sends: {other:?}"),
    }
}

/// A text that the client reads as a frame of an unknown type.
fn sample(inside: &str) -> String {
    format!(r#"{{"type":"x","of":"{inside}"}}"#)
}

#[tokio::test]
async fn texts_and_bytes_of_every_length_class() {
    let hub = Hub::dev();
    let mut echo = open(&hub).await;
    for length in [0, 1, 100, 101, 102, 103, 104, 125, 126, 127, 65_500, 65_535, 65_536, 65_537, 1_048_576] {
        let bytes: Vec<u8> = (0..length).map(|index| (index % 251) as u8).collect();
        echo.send_bytes(&frame(0x82, &bytes)).await.expect("sent");
        assert_eq!(came(&mut echo).await, Ok(Received::Binary(bytes)), "{length}");
        let sent = sample(&"é".repeat(length / 2));
        echo.send_bytes(&frame(0x81, sent.as_bytes())).await.expect("sent");
        assert!(text(&mut echo).await == sent, "{length}");
    }
}

#[tokio::test]
async fn fragments_become_one_message_with_pings_inside() {
    let hub = Hub::dev();
    let mut echo = open(&hub).await;
    let sent = sample("ünï");
    let (head, tail) = sent.as_bytes().split_at(19);
    // The cut stands in the middle of a character.
    assert!(std::str::from_utf8(head).is_err());
    for piece in [1, 3, usize::MAX] {
        let bytes =
            [frame(0x01, head), frame(0x89, b"one"), frame(0x00, &[]), frame(0x89, b"two"), frame(0x80, tail)].concat();
        for part in bytes.chunks(piece.min(bytes.len())) {
            echo.send_bytes(part).await.expect("sent");
        }
        let mut pongs = 0;
        let got = loop {
            match echo.receive(WITHIN).await.expect("something") {
                Received::Control => pongs += 1,
                Received::Unknown(text) => break text,
                other => panic!("unexpected: {other:?}"),
            }
        };
        assert_eq!((got, pongs), (sent.clone(), 2), "pongs come before the end of the message");
    }
}

#[tokio::test]
async fn messages_keep_their_order_and_number() {
    let hub = Hub::dev();
    let mut echo = open(&hub).await;
    let bytes: Vec<u8> = (0..2_000_u32).flat_map(|number| frame(0x82, &number.to_be_bytes())).collect();
    echo.send_bytes(&bytes).await.expect("sent");
    for number in 0..2_000_u32 {
        assert_eq!(came(&mut echo).await, Ok(Received::Binary(number.to_be_bytes().to_vec())));
    }
}

#[tokio::test]
async fn a_close_is_answered_with_its_code() {
    let hub = Hub::dev();
    for code in [1000_u16, 1001, 1003, 1007, 1011, 3000, 4999] {
        let mut echo = open(&hub).await;
        echo.send_bytes(&frame(0x88, &[&code.to_be_bytes()[..], b"bye"].concat())).await.expect("sent");
        let answer = came(&mut echo).await;
        assert!(matches!(&answer, Ok(Received::Closed(Some(back), _)) if *back == code), "{code}: {answer:?}");
    }
    let mut echo = open(&hub).await;
    echo.send_bytes(&frame(0x88, &[])).await.expect("sent");
    assert!(matches!(came(&mut echo).await, Ok(Received::Closed(None, _))));
    // What was asked for before still comes.
    let mut echo = open(&hub).await;
    echo.send_bytes(&[frame(0x82, b"first"), frame(0x88, &1000_u16.to_be_bytes())].concat()).await.expect("sent");
    assert_eq!(came(&mut echo).await, Ok(Received::Binary(b"first".to_vec())));
    assert!(matches!(came(&mut echo).await, Ok(Received::Closed(Some(1000), _))));
}

#[tokio::test]
async fn what_is_not_a_frame_has_a_code() {
    let hub = Hub::dev();
    let mut unmasked = frame(0x81, b"x");
    unmasked[1] &= 0x7f;
    let table = [
        ("unmasked", unmasked, 1002),
        ("not UTF-8", frame(0x81, &[0xc3, 0x28]), 1007),
        ("not UTF-8 in fragments", [frame(0x01, b"a"), frame(0x80, &[0xff])].concat(), 1007),
        ("reserved bit", frame(0xc1, b"x"), 1002),
        ("reserved opcode", frame(0x83, b"x"), 1002),
        ("reserved control opcode", frame(0x8b, b"x"), 1002),
        ("long ping", frame(0x89, &[b'x'; 126]), 1002),
        ("fragmented ping", frame(0x09, b"x"), 1002),
        ("continuation of nothing", frame(0x80, b"x"), 1002),
        ("text inside of a message", [frame(0x01, b"a"), frame(0x81, b"b")].concat(), 1002),
        ("close of one byte", frame(0x88, &[3]), 1002),
        ("close with a reserved code", frame(0x88, &1005_u16.to_be_bytes()), 1002),
        ("close with a reason that is not UTF-8", frame(0x88, &[0x03, 0xe8, 0xff]), 1007),
    ];
    for (what, bytes, code) in table {
        let mut echo = open(&hub).await;
        echo.send_bytes(&bytes).await.expect("sent");
        let answer = came(&mut echo).await;
        assert!(matches!(&answer, Ok(Received::Closed(Some(back), _)) if *back == code), "{what}: {answer:?}");
    }
}

#[tokio::test]
async fn an_upgrade_that_is_none_is_refused() {
    let hub = Hub::dev();
    let whole = [
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let but = |name: &str, value: Option<&'static str>| -> Vec<(&str, &str)> {
        let change = |(of, was): (&'static str, &'static str)| {
            if of == name { value.map(|value| (of, value)) } else { Some((of, was)) }
        };
        whole.into_iter().filter_map(change).collect()
    };
    let table = [
        (but("connection", None), 426, None),
        (but("upgrade", None), 426, None),
        (but("upgrade", Some("h2c")), 426, None),
        (but("sec-websocket-version", None), 400, Some("13")),
        (but("sec-websocket-version", Some("8")), 400, Some("13")),
        (but("sec-websocket-key", None), 400, None),
        (but("sec-websocket-key", Some("short")), 400, None),
    ];
    for (headers, status, version) in table {
        let answer = get(hub.public, "/ws", &headers).await;
        assert_eq!(answer.status, status, "{headers:?}: {answer:?}");
        assert!(version.is_none_or(|version| answer.header("sec-websocket-version") == Some(version)), "RFC 6455, 4.4");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        if status == 426 {
            assert_eq!(answer.header("upgrade"), Some("websocket"), "RFC 9110, 15.5.22");
        }
    }
    assert_eq!(crate::http::request(hub.public, "POST", "/ws", &whole, "").await.status, 405);
    assert_eq!(get(hub.public, "/nothing/here", &[]).await.status, 404);
}

#[tokio::test]
async fn the_accept_key_is_the_one_of_the_book() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let hub = Hub::dev();
    let mut socket = tokio::net::TcpStream::connect(hub.public).await.expect("connects");
    let request = "GET /echo HTTP/1.1\r\nHost: hub\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    // The first frame comes with the handshake.
    socket.write_all(&[request.as_bytes(), &frame(0x82, b"early")].concat()).await.expect("sent");
    let mut answer = Vec::new();
    while !answer.ends_with(b"early") {
        let count =
            tokio::time::timeout(WITHIN, socket.read_buf(&mut answer)).await.expect("in time").expect("readable");
        assert!(count > 0, "{}", String::from_utf8_lossy(&answer));
    }
    let text = String::from_utf8_lossy(&answer).to_ascii_lowercase();
    assert!(
        text.starts_with("http/1.1 101") && text.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="),
        "{text}"
    );
}
