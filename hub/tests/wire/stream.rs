//! A reader of server-sent events over a plain socket, as a browser reads them.

use std::collections::VecDeque;

use serde_json::Value;
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::harness::{Hub, WITHIN};
use crate::http::request_text;

/// One event.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Event {
    /// Empty for messages.
    pub(crate) name: String,
    /// The id line that stood with it.
    pub(crate) id: Option<String>,
    pub(crate) data: String,
    pub(crate) comment: bool,
    pub(crate) retry: Option<u64>,
}

impl Event {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn offset(&self) -> u64 {
        self.json()["offset"].as_u64().unwrap_or_else(|| panic!("no offset: {self:?}"))
    }
}

/// An open stream.
pub(crate) struct Stream {
    socket: TcpStream,
    pub(crate) status: u16,
    pub(crate) head: String,
    body: Vec<u8>,
    events: VecDeque<Event>,
    ended: bool,
}

impl Stream {
    /// Asks for a stream; the status tells whether there is one.
    pub(crate) async fn open(hub: &Hub, query: &str, headers: &[(&str, &str)]) -> Self {
        let socket = TcpStream::connect(hub.public).await.expect("connects");
        Self::over(socket, query, headers).await
    }

    pub(crate) async fn over(mut socket: TcpStream, query: &str, headers: &[(&str, &str)]) -> Self {
        let headers: Vec<_> = headers.iter().copied().chain([("accept", "text/event-stream")]).collect();
        let request = request_text("GET", &format!("/sse?{query}"), &headers, "");
        socket.write_all(request.as_bytes()).await.expect("sent");
        let mut raw = Vec::new();
        let end = loop {
            if let Some(end) = raw.windows(4).position(|four| four == b"\r\n\r\n") {
                break end;
            }
            let count = timeout(WITHIN, socket.read_buf(&mut raw)).await.expect("a head in time").expect("readable");
            assert!(count > 0, "the hub hung up: {}", String::from_utf8_lossy(&raw));
        };
        let head = String::from_utf8_lossy(&raw[..end]).into_owned();
        raw.drain(..end + 4);
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let mut stream = Self { socket, status, head, body: raw, events: VecDeque::new(), ended: false };
        stream.split();
        stream
    }

    /// A stream that there is, and its first event.
    pub(crate) async fn begin(hub: &Hub, query: &str, headers: &[(&str, &str)]) -> (Self, Value) {
        let mut stream = Self::open(hub, query, headers).await;
        assert_eq!(stream.status, 200, "{}", stream.head);
        let open = stream.event().await;
        assert_eq!(open.name, "open", "{open:?}");
        let json = open.json();
        (stream, json)
    }

    /// The next event with data.
    pub(crate) async fn event(&mut self) -> Event {
        loop {
            let event = self.anything().await.expect("the stream goes on");
            if !event.data.is_empty() {
                return event;
            }
        }
    }

    /// The next event or comment; `None` after the last.
    pub(crate) async fn anything(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            if self.ended {
                return None;
            }
            let read = timeout(WITHIN, self.socket.read_buf(&mut self.body)).await.expect("an event in time");
            self.ended = !matches!(read, Ok(1..));
            self.split();
        }
    }

    /// Takes whole events out of the body.
    fn split(&mut self) {
        while let Some(end) = self.body.windows(2).position(|two| two == b"\n\n") {
            let text = String::from_utf8(self.body.drain(..end + 2).collect()).expect("UTF-8");
            let mut event = Event::default();
            let mut data: Vec<&str> = Vec::new();
            for line in text.lines() {
                match line.split_once(':').map(|(field, value)| (field, value.strip_prefix(' ').unwrap_or(value))) {
                    Some(("", _)) => event.comment = true,
                    Some(("event", name)) => name.clone_into(&mut event.name),
                    Some(("id", id)) => event.id = Some(id.to_owned()),
                    Some(("data", line)) => data.push(line),
                    Some(("retry", time)) => event.retry = time.parse().ok(),
                    _ => assert!(line.is_empty(), "not a field: {line:?}"),
                }
            }
            event.data = data.join("\n");
            self.events.push_back(event);
        }
    }

    /// Whether bytes of an event are left that never ended.
    pub(crate) fn cut_off(&self) -> bool {
        !self.body.is_empty()
    }
}

/// A socket whose kernel takes little while nobody reads.
pub(crate) async fn slow_socket(hub: &Hub) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(4 * 1024).expect("set");
    let address = hub.public;
    let socket = tokio::task::spawn_blocking(move || socket.connect(&address.into()).map(|()| socket));
    let socket: std::net::TcpStream = socket.await.expect("connects").expect("connects").into();
    socket.set_nonblocking(true).expect("set");
    TcpStream::from_std(socket).expect("a stream")
}
