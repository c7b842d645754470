//! WebSockets: the upgrade, and the read side of a socket that was taken back. Stage 1 of the walk.

use std::cell::RefCell;
use std::io;
use std::net::IpAddr;
use std::rc::Rc;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::{
    CONNECTION, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use hubbub_protocol::{CloseCode, ErrorCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tungstenite::Message;
use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::frame::coding::{Data, OpCode};

use super::codec::{Fed, Inbound, Parsers};
use super::problem::Problem;
use super::public::Entry;
use super::{Intake, Mode, Upgraded};
use crate::encoded::{Format, websocket_frame};
use crate::session::{self, Services};
use crate::shard::{ConnectionId, Goodbye, Shard, Wire};

/// The read buffer of a shard, in bytes: one for all its connections.
const READ_BUFFER: usize = 64 * 1024;

/// Largest frame of `/echo`, in bytes.
const ECHO_FRAME: usize = 64 * 1024 * 1024;

/// What the connections of a shard share for reading.
pub(super) struct Reading {
    buffer: RefCell<Box<[u8]>>,
    native: RefCell<Parsers>,
    echo: RefCell<Parsers>,
}

impl Reading {
    pub(super) fn new(frame_bytes: usize) -> Rc<Self> {
        Rc::new(Self {
            buffer: RefCell::new(vec![0; READ_BUFFER].into()),
            native: RefCell::new(Parsers::new(frame_bytes)),
            echo: RefCell::new(Parsers::new(ECHO_FRAME)),
        })
    }
}

/// `GET /ws`.
pub(super) async fn upgrade_native(State(entry): State<Entry>, request: Request) -> Response {
    upgrade(&entry, request, Mode::Native).unwrap_or_else(refused)
}

/// `GET /echo`, in development mode.
pub(super) async fn upgrade_echo(State(entry): State<Entry>, request: Request) -> Response {
    upgrade(&entry, request, Mode::Echo).unwrap_or_else(refused)
}

fn upgrade(entry: &Entry, mut request: Request, mode: Mode) -> Result<Response, Problem> {
    entry.check_origin(request.headers())?;
    let accept = accept_key(request.method(), request.headers())?;
    let admission = entry.admit(&request)?;
    let upgrading = hyper::upgrade::on(&mut request);
    let intake = entry.intake.clone();
    tokio::spawn(async move {
        let upgraded = match upgrading.await {
            Ok(upgraded) => upgraded,
            Err(error) => return tracing::debug!(%error, "an upgrade did not happen"),
        };
        // Our own listener made the stream: nothing else can be inside.
        let Ok(parts) = upgraded.downcast::<TokioIo<TcpStream>>() else {
            return tracing::error!("an upgraded stream is not the socket it was");
        };
        let (socket, early) = (parts.io.into_inner(), parts.read_buf);
        // The shard ends only with the node.
        let _ = intake.send(Intake::Socket(Upgraded { socket, early, admission, mode })).await;
    });
    let headers = [
        (UPGRADE, HeaderValue::from_static("websocket")),
        (CONNECTION, HeaderValue::from_static("Upgrade")),
        (SEC_WEBSOCKET_ACCEPT, accept),
    ];
    Ok((StatusCode::SWITCHING_PROTOCOLS, headers, Body::empty()).into_response())
}

/// A refusal names the version that would do (RFC 6455, 4.4), and a missing upgrade what to upgrade to (RFC 9110, 15.5.22).
fn refused(problem: Problem) -> Response {
    let mut response = problem.into_response();
    let upgrade = response.status() == StatusCode::UPGRADE_REQUIRED;
    let headers = response.headers_mut();
    headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    if upgrade {
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    }
    response
}

/// Checks the handshake (RFC 6455, 4.2.1).
fn accept_key(method: &Method, headers: &HeaderMap) -> Result<HeaderValue, Problem> {
    let has = |name: HeaderName, token: &str| {
        let values = headers.get_all(name);
        values
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|part| part.trim().eq_ignore_ascii_case(token))
    };
    if *method != Method::GET || !has(CONNECTION, "upgrade") || !has(UPGRADE, "websocket") {
        let detail = "open this address as a WebSocket (GET with `Connection: Upgrade` and `Upgrade: websocket`)";
        return Err(Problem::new(ErrorCode::BadRequest, detail).with_status(StatusCode::UPGRADE_REQUIRED));
    }
    if !has(SEC_WEBSOCKET_VERSION, "13") {
        return Err(Problem::new(ErrorCode::BadRequest, "`Sec-WebSocket-Version` must be 13"));
    }
    // 16 bytes in base 64.
    let key = headers.get(SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes).filter(|key| key.len() == 24);
    let key =
        key.ok_or_else(|| Problem::new(ErrorCode::BadRequest, "`Sec-WebSocket-Key` must be 16 bytes in base 64"))?;
    HeaderValue::try_from(derive_accept_key(key)).map_err(|_| Problem::new(ErrorCode::Internal, "the handshake failed"))
}

/// Serves a socket until it ends.
pub(super) async fn serve(shard: Rc<Shard>, services: Rc<Services>, reading: Rc<Reading>, upgraded: Upgraded) {
    let Upgraded { socket, early, admission, mode } = upgraded;
    // Small frames leave at once; batching is ours.
    if let Err(error) = socket.set_nodelay(true) {
        return tracing::debug!(%error, "the socket is gone already");
    }
    let peer = admission.address();
    let (id, wire) = shard.with(|state| {
        let id = state.adopt(Wire::Socket(socket), Format::Json, admission, mode == Mode::Native);
        (id, state.wire(id))
    });
    let Some(wire) = wire else { return };
    let inbound = Inbound::default();
    let mut connection = Reader { shard, services, reading, id, mode, inbound };
    // The buffer of the handshake goes before the long wait: kept, it would be most of what an idle connection costs.
    if Box::pin(connection.take(early)).await {
        connection.read(&wire, peer).await;
    }
    connection.shard.with(|state| state.remove(id));
}

/// The read side of one socket.
struct Reader {
    shard: Rc<Shard>,
    services: Rc<Services>,
    reading: Rc<Reading>,
    id: ConnectionId,
    mode: Mode,
    inbound: Inbound,
}

impl Reader {
    async fn read(&mut self, wire: &Wire, peer: IpAddr) {
        let Wire::Socket(socket) = wire else { return };
        loop {
            if socket.readable().await.is_err() {
                return;
            }
            let came = self.read_once(socket);
            match came {
                Ok(Came::Nothing) => {}
                Ok(Came::End) => return,
                Ok(Came::Input(input)) => {
                    // Boxed, so that the future of a silent connection stays small.
                    if !Box::pin(self.receive(input)).await {
                        return;
                    }
                }
                Err(error) => return tracing::debug!(%peer, %error, "a peer went away"),
            }
        }
    }

    /// Reads what is there into the shard's buffer and parses it before anybody else reads.
    fn read_once(&mut self, socket: &TcpStream) -> io::Result<Came> {
        let reading = Rc::clone(&self.reading);
        let mut buffer = reading.buffer.borrow_mut();
        match socket.try_read(&mut buffer) {
            Ok(0) => Ok(Came::End),
            Ok(count) => Ok(Came::Input(self.parse(&buffer[..count]))),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Came::Nothing),
            Err(error) => Err(error),
        }
    }

    /// Takes bytes that came with the handshake.
    async fn take(&mut self, early: Bytes) -> bool {
        let input = self.parse(&early);
        drop(early);
        self.receive(input).await
    }

    fn parse(&mut self, bytes: &[u8]) -> Input {
        let (mut messages, mut replies) = (Vec::new(), Vec::new());
        if !self.shard.with(|state| state.hears(self.id)) {
            // It is being closed: what it still says is not looked at.
            return Input { messages, end: None };
        }
        let parsers = if self.mode == Mode::Native { &self.reading.native } else { &self.reading.echo };
        let fed = self.inbound.feed(&mut parsers.borrow_mut(), bytes, &mut messages, &mut replies);
        if !replies.is_empty() {
            self.shard.with(|state| state.send_bytes(self.id, &replies.into()));
        }
        let end = match fed {
            Ok(Fed::All) => None,
            Ok(Fed::Goodbye(answer)) => Some(End::Goodbye(answer)),
            Err(code) => Some(End::Broken(code)),
        };
        Input { messages, end }
    }

    /// Works through messages in order, then through the end if there is one; answers whether to go on reading.
    async fn receive(&mut self, input: Input) -> bool {
        session::hear(&self.shard, self.id);
        for message in input.messages {
            match (self.mode, message) {
                (Mode::Native, Message::Text(text)) => {
                    if let Some(wait) = session::receive(&self.shard, &self.services, self.id, &text) {
                        wait.await;
                    }
                }
                (Mode::Native, Message::Binary(_)) => self.close(Goodbye::Code(CloseCode::BadRequest)),
                (Mode::Echo, Message::Text(text)) => self.echo(Data::Text, text.as_bytes()).await,
                (Mode::Echo, Message::Binary(bytes)) => self.echo(Data::Binary, &bytes).await,
                (_, Message::Close(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
            }
        }
        match input.end {
            None => {}
            Some(End::Broken(code)) => self.close(Goodbye::Code(code)),
            Some(End::Goodbye(answer)) => {
                self.shard.with(|state| state.send_bytes(self.id, &answer.into()));
                self.close(Goodbye::Echo);
            }
        }
        self.shard.with(|state| state.lives(self.id))
    }

    /// Sends a message back, and reads on when it has left.
    async fn echo(&self, code: Data, payload: &[u8]) {
        let frame = websocket_frame(OpCode::Data(code), payload);
        self.shard.with(|state| state.send_bytes(self.id, &frame.into()));
        while let Some(drained) = self.shard.with(|state| state.drain_notice(self.id)) {
            drained.notified().await;
        }
    }

    fn close(&self, goodbye: Goodbye) {
        self.shard.with(|state| state.close(self.id, goodbye, None));
    }
}

enum Came {
    Nothing,
    End,
    Input(Input),
}

/// What some bytes held.
struct Input {
    messages: Vec<Message>,
    end: Option<End>,
}

/// After the messages nothing more is read.
enum End {
    /// The peer said goodbye, and this is the answer.
    Goodbye(Vec<u8>),
    /// The peer broke the protocol.
    Broken(CloseCode),
}
