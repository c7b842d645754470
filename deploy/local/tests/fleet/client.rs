//! The least of an HTTP, WebSocket and SSE client that these tests need. Any surprise is a panic, and so is silence.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

fn dial(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).expect("it listens");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout is possible");
    socket
}

/// Sends a request that closes its connection, and gives back the whole answer.
fn ask(address: SocketAddr, request: &str) -> String {
    let mut socket = dial(address);
    socket.write_all(request.as_bytes()).expect("sent");
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).expect("answered");
    String::from_utf8_lossy(&answer).into_owned()
}

fn status_of(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("no status: {answer}"))
}

/// The status of a POST of JSON.
pub(crate) fn post(address: SocketAddr, path: &str, key: &str, body: &str) -> u16 {
    status_of(&ask(
        address,
        &format!(
            "POST {path} HTTP/1.1\r\nHost: hub\r\nConnection: close\r\nAuthorization: Bearer {key}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ),
    ))
}

/// A token from a hub in development mode.
pub(crate) fn token(address: SocketAddr) -> String {
    let answer = ask(address, "GET /dev/token?sub=u1 HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n");
    field(&answer, "token")
}

/// Asks again until the status is this one.
pub(crate) fn until_status(address: SocketAddr, path: &str, status: u16) {
    let deadline = Instant::now() + PATIENCE;
    let request = format!("GET {path} HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n");
    while status_of(&ask(address, &request)) != status {
        assert!(Instant::now() < deadline, "{path} is not {status}");
        std::thread::yield_now();
    }
}

/// The text of a field of an object that is not escaped.
fn field(json: &str, name: &str) -> String {
    let behind = json.split_once(&format!("\"{name}\":\"")).map(|(_, behind)| behind);
    let value = behind.and_then(|behind| behind.split('"').next());
    value.unwrap_or_else(|| panic!("no `{name}` in {json}")).to_owned()
}

/// A WebSocket.
pub(crate) struct WebSocket {
    socket: BufReader<TcpStream>,
}

impl WebSocket {
    /// Upgrades a connection to `/ws`.
    pub(crate) fn open(address: SocketAddr, affinity: &str) -> Self {
        let mut socket = dial(address);
        let request = format!(
            "GET /ws?affinity={affinity} HTTP/1.1\r\nHost: hub\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        socket.write_all(request.as_bytes()).expect("sent");
        let mut socket = BufReader::new(socket);
        let head = read_head(&mut socket);
        assert_eq!(status_of(&head), 101, "{head}");
        Self { socket }
    }

    /// Sends `connect` and gives back the name of the node.
    pub(crate) fn connect(&mut self, token: &str) -> String {
        self.send(&format!(r#"{{"type":"connect","token":"{token}"}}"#));
        field(&self.read(), "node")
    }

    /// Sends a text, masked with zeros.
    pub(crate) fn send(&mut self, text: &str) {
        let length = u16::try_from(text.len()).expect("a short text").to_be_bytes();
        let mut frame = vec![0x81, 0x80 | 126, length[0], length[1], 0, 0, 0, 0];
        frame.extend_from_slice(text.as_bytes());
        self.socket.get_mut().write_all(&frame).expect("sent");
    }

    /// The next text.
    pub(crate) fn read(&mut self) -> String {
        let mut head = [0; 2];
        self.socket.read_exact(&mut head).expect("a frame");
        assert_eq!(head[0], 0x81, "not a text");
        let length = match head[1] {
            126 => {
                let mut length = [0; 2];
                self.socket.read_exact(&mut length).expect("its length");
                usize::from(u16::from_be_bytes(length))
            }
            length => usize::from(length),
        };
        let mut text = vec![0; length];
        self.socket.read_exact(&mut text).expect("its text");
        String::from_utf8(text).expect("UTF-8")
    }
}

/// An SSE stream.
pub(crate) struct Stream {
    body: BufReader<TcpStream>,
}

impl Stream {
    /// Opens a path that answers with events.
    pub(crate) fn open(address: SocketAddr, path: &str, token: &str) -> Self {
        let mut socket = dial(address);
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: hub\r\nAccept: text/event-stream\r\nAuthorization: Bearer {token}\r\n\r\n"
        );
        socket.write_all(request.as_bytes()).expect("sent");
        let mut body = BufReader::new(socket);
        let head = read_head(&mut body);
        assert_eq!(status_of(&head), 200, "{head}");
        Self { body }
    }

    /// Reads to the line that has this text, and gives back everything up to it.
    pub(crate) fn read_until(&mut self, text: &str) -> String {
        self.read_until_all(&[text])
    }

    /// Until each has come, in whatever order.
    pub(crate) fn read_until_all(&mut self, texts: &[impl AsRef<str>]) -> String {
        let mut read = String::new();
        while !texts.iter().all(|text| read.contains(text.as_ref())) {
            assert!(self.body.read_line(&mut read).expect("more of the stream") > 0, "it ended: {read}");
        }
        read
    }
}

fn read_head(socket: &mut BufReader<TcpStream>) -> String {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(socket.read_line(&mut head).expect("a head") > 0, "closed: {head}");
    }
    head
}
