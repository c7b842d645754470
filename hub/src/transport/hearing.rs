//! What comes over a WebSocket, from its bytes to the session. Knows no socket.

use std::cell::RefCell;
use std::rc::Rc;

use hubbub_protocol::CloseCode;
use tungstenite::Message;
use tungstenite::protocol::frame::coding::{Data, OpCode};

use super::Mode;
use super::codec::{Fed, Inbound, Parsers};
use crate::encoded::websocket_frame;
use crate::session::{self, Services};
use crate::shard::{ConnectionId, Goodbye, Shard};

/// Largest frame of `/echo`, in bytes.
const ECHO_FRAME: usize = 64 * 1024 * 1024;

/// What the connections of a shard share for hearing.
pub(super) struct Hearing {
    shard: Rc<Shard>,
    services: Rc<Services>,
    native: RefCell<Parsers>,
    echo: RefCell<Parsers>,
}

/// What some bytes held.
pub(super) struct Input {
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

impl Hearing {
    pub(super) fn new(shard: Rc<Shard>, services: Rc<Services>) -> Self {
        let native = RefCell::new(Parsers::new(services.limits.frame_bytes));
        Self { shard, services, native, echo: RefCell::new(Parsers::new(ECHO_FRAME)) }
    }

    /// Parses bytes of a connection; answers to pings leave at once.
    pub(super) fn parse(&self, id: ConnectionId, mode: Mode, inbound: &mut Inbound, bytes: &[u8]) -> Input {
        let (mut messages, mut replies) = (Vec::new(), Vec::new());
        if !self.shard.with(|state| state.hears(id)) {
            // It is being closed: what it still says is not looked at.
            return Input { messages, end: None };
        }
        let parsers = if mode == Mode::Native { &self.native } else { &self.echo };
        let fed = inbound.feed(&mut parsers.borrow_mut(), bytes, &mut messages, &mut replies);
        if !replies.is_empty() {
            self.shard.with(|state| state.send_bytes(id, &replies.into()));
        }
        let end = match fed {
            Ok(Fed::All) => None,
            Ok(Fed::Goodbye(answer)) => Some(End::Goodbye(answer)),
            Err(code) => Some(End::Broken(code)),
        };
        Input { messages, end }
    }

    /// Works through messages in order, then through the end if there is one; answers whether to go on reading.
    pub(super) async fn hear(self: Rc<Self>, id: ConnectionId, mode: Mode, input: Input) -> bool {
        session::hear(&self.shard, id);
        for message in input.messages {
            match (mode, message) {
                (Mode::Native, Message::Text(text)) => {
                    if let Some(wait) = session::receive(&self.shard, &self.services, id, &text) {
                        wait.await;
                    }
                }
                (Mode::Native, Message::Binary(_)) => self.close(id, Goodbye::Code(CloseCode::BadRequest)),
                (Mode::Echo, Message::Text(text)) => self.echo(id, Data::Text, text.as_bytes()).await,
                (Mode::Echo, Message::Binary(bytes)) => self.echo(id, Data::Binary, &bytes).await,
                (_, Message::Close(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
            }
        }
        match input.end {
            None => {}
            Some(End::Broken(code)) => self.close(id, Goodbye::Code(code)),
            Some(End::Goodbye(answer)) => {
                self.shard.with(|state| state.send_bytes(id, &answer.into()));
                self.close(id, Goodbye::Echo);
            }
        }
        self.shard.with(|state| state.lives(id))
    }

    /// Sends a message back, and reads on when it has left.
    async fn echo(&self, id: ConnectionId, code: Data, payload: &[u8]) {
        let frame = websocket_frame(OpCode::Data(code), payload);
        self.shard.with(|state| state.send_bytes(id, &frame.into()));
        while let Some(drained) = self.shard.with(|state| state.drain_notice(id)) {
            drained.notified().await;
        }
    }

    fn close(&self, id: ConnectionId, goodbye: Goodbye) {
        self.shard.with(|state| state.close(id, goodbye, None));
    }
}
