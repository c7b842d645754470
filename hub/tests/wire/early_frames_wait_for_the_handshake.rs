//! Goal: who talks before the handshake is answered gets the answer first, also when what was said ends the connection. Method: a
//! bare socket that says both in one breath.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::harness::{Hub, WITHIN};

const UPGRADE: &[u8] =
    b"GET /ws HTTP/1.1\r\nhost: hub\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
/// A socket that asked for the upgrade and said something in the same breath.
fn asked(hub: &Hub, with: &[u8]) -> TcpStream {
    let mut socket = TcpStream::connect(hub.public).expect("connects");
    socket.set_read_timeout(Some(WITHIN)).expect("set");
    socket.set_nodelay(true).expect("set");
    socket.write_all(&[UPGRADE, with].concat()).expect("written");
    socket
}

#[tokio::test]
async fn the_answer_comes_before_the_goodbye() {
    let hub = Hub::dev();
    // A frame that is not masked breaks the protocol.
    let mut socket = asked(&hub, &[0x81, 0x02, b'h', b'i']);
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).expect("the end");
    let text = String::from_utf8_lossy(&answer);
    assert!(text.starts_with("HTTP/1.1 101 "), "{text:?}");
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("the end of the head") + 4;
    assert_eq!(answer[end..end + 1], [0x88], "a close frame follows: {text:?}");
}
