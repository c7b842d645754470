//! A WebSocket to a hub with a memory: frames that come while an answer is waited for are kept in their order.

use std::collections::VecDeque;

use hubbub_client::{RawConnection, RawOptions, Received};
use hubbub_protocol::frame::{
    Connected, HistoryPage, HistoryQuery, PresenceQuery, PresenceSnapshot, Publish, Reply, Resume, Side, Subscribe,
};
use hubbub_protocol::outcome::Attached;
use hubbub_protocol::{
    ChannelName, ClientFrame, Data, ErrorCode, Key, Message, MessageId, Position, ServerFrame, UserId,
};

use tokio::time::timeout;

use crate::harness::{Hub, WITHIN, token};

/// The name of a channel.
pub(crate) fn channel(name: &str) -> ChannelName {
    ChannelName::parse(name).expect("a channel")
}

/// A wish for everything that comes from now on.
pub(crate) fn fresh(name: &str) -> Subscribe {
    Subscribe { channel: channel(name), since: None, rewind: None, presence: false, conflate: false }
}

/// A wish to go on behind a position.
pub(crate) fn since(name: &str, position: Position) -> Subscribe {
    Subscribe { since: Some(position), ..fresh(name) }
}

/// A wish to begin with so many messages.
pub(crate) fn rewind(name: &str, count: u32) -> Subscribe {
    Subscribe { rewind: Some(count), ..fresh(name) }
}

/// An entry of `resume`.
pub(crate) fn resume(name: &str, since: Option<Position>) -> Resume {
    Resume { channel: channel(name), since, presence: false, conflate: false }
}

/// What is to be published.
pub(crate) fn draft(name: &str, data: &str) -> Publish {
    Publish { channel: channel(name), key: None, conflate_key: None, data: Data::parse(data.to_owned()).expect("JSON") }
}

/// The same with an idempotency key.
pub(crate) fn keyed(name: &str, data: &str, key: &str) -> Publish {
    Publish { key: Some(Key::parse(key).expect("a key")), ..draft(name, data) }
}

/// An answered publish.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Ack {
    pub(crate) message: MessageId,
    pub(crate) position: Option<Position>,
    pub(crate) time: u64,
}

/// One WebSocket.
pub(crate) struct Peer {
    pub(crate) raw: RawConnection,
    kept: VecDeque<(ServerFrame, String)>,
    requests: u64,
}

impl Peer {
    /// A WebSocket on which nothing has been said.
    pub(crate) async fn open(hub: &Hub) -> Self {
        Self::open_with(hub, RawOptions::default()).await
    }

    pub(crate) async fn open_with(hub: &Hub, options: RawOptions) -> Self {
        let raw = RawConnection::open(&hub.ws(), options).await.expect("opens");
        Self { raw, kept: VecDeque::new(), requests: 0 }
    }

    /// A session of a user.
    pub(crate) async fn connect(hub: &Hub, user: &str) -> Self {
        let mut peer = Self::open(hub).await;
        peer.begin(&token(user), Vec::new()).await;
        peer
    }

    /// A session whose kernel takes only so many bytes while nobody reads.
    pub(crate) async fn connect_slow(hub: &Hub, user: &str, receive_buffer_bytes: u32) -> Self {
        let options = RawOptions { receive_buffer_bytes: Some(receive_buffer_bytes), ..RawOptions::default() };
        let mut peer = Self::open_with(hub, options).await;
        peer.begin(&token(user), Vec::new()).await;
        peer
    }

    /// Opens the session.
    pub(crate) async fn begin(&mut self, token: &str, resume: Vec<Resume>) -> Connected {
        self.raw.connect(token, resume, WITHIN).await.expect("connected")
    }

    /// The next frame with its text, kept ones first. Pings are answered, not told.
    pub(crate) async fn frame_and_text(&mut self) -> (ServerFrame, String) {
        match self.kept.pop_front() {
            Some(kept) => kept,
            None => self.receive().await,
        }
    }

    async fn receive(&mut self) -> (ServerFrame, String) {
        // Pings alone are nothing that a test waits for.
        let next = async {
            loop {
                match self.raw.receive(WITHIN).await.expect("something comes") {
                    Received::Frame(ServerFrame::Ping, _) => self.raw.send(&ClientFrame::Pong).await.expect("sent"),
                    Received::Frame(frame, text) => return (frame, text),
                    Received::Control => {}
                    other => panic!("not a frame: {other:?}"),
                }
            }
        };
        timeout(WITHIN, next).await.expect("a frame in time")
    }

    /// The next frame.
    pub(crate) async fn frame(&mut self) -> ServerFrame {
        self.frame_and_text().await.0
    }

    /// The next frame, which must be a message.
    pub(crate) async fn message(&mut self) -> Message {
        match self.frame().await {
            ServerFrame::Message(message) => message,
            other => panic!("not a message: {other:?}"),
        }
    }

    /// The offsets of the next messages.
    pub(crate) async fn offsets(&mut self, count: usize) -> Vec<u64> {
        let mut offsets = Vec::with_capacity(count);
        while offsets.len() < count {
            offsets.push(self.message().await.position.expect("a log").offset);
        }
        offsets
    }

    pub(crate) async fn send(&mut self, frame: &ClientFrame) {
        self.raw.send(frame).await.expect("sent");
    }

    /// A number for the next request.
    pub(crate) fn next_id(&mut self) -> u64 {
        self.requests += 1;
        self.requests
    }

    /// Sends a request and waits for its answer; what comes before is kept.
    pub(crate) async fn ask(&mut self, make: impl FnOnce(u64) -> ClientFrame) -> ServerFrame {
        let id = self.next_id();
        self.send(&make(id)).await;
        self.answer(id).await
    }

    /// Waits for the answer to a request that was sent before.
    pub(crate) async fn answer(&mut self, id: u64) -> ServerFrame {
        if let Some(index) = self.kept.iter().position(|(frame, _)| answers(frame) == Some(id)) {
            return self.kept.remove(index).expect("there").0;
        }
        loop {
            let (frame, text) = self.receive().await;
            if answers(&frame) == Some(id) {
                return frame;
            }
            self.kept.push_back((frame, text));
        }
    }

    /// Asks for something that is refused, and why it was.
    pub(crate) async fn refused(&mut self, make: impl FnOnce(u64) -> ClientFrame) -> ErrorCode {
        match self.ask(make).await {
            ServerFrame::Error(error) => error.code,
            other => panic!("not refused: {other:?}"),
        }
    }

    pub(crate) async fn subscribe(&mut self, wish: Subscribe) -> Attached {
        match self.ask(|id| ClientFrame::Subscribe(id, wish)).await {
            ServerFrame::Subscribed { attached, .. } => attached,
            other => panic!("not subscribed: {other:?}"),
        }
    }

    pub(crate) async fn unsubscribe(&mut self, name: &str) {
        match self.ask(|id| ClientFrame::Unsubscribe(id, channel(name))).await {
            ServerFrame::Unsubscribed { code: None, .. } => {}
            other => panic!("not unsubscribed: {other:?}"),
        }
    }

    pub(crate) async fn publish(&mut self, publish: Publish) -> Ack {
        match self.ask(|id| ClientFrame::Publish(id, publish)).await {
            ServerFrame::Ack { message, position, time, .. } => Ack { message, position, time },
            other => panic!("not acknowledged: {other:?}"),
        }
    }

    pub(crate) async fn history(&mut self, name: &str, side: Side, limit: u32) -> HistoryPage {
        match self.ask(|id| ClientFrame::History(id, HistoryQuery { channel: channel(name), side, limit })).await {
            ServerFrame::Reply { result: Reply::History(page), .. } => page,
            other => panic!("no history: {other:?}"),
        }
    }

    pub(crate) async fn presence(&mut self, name: &str) -> PresenceSnapshot {
        self.presence_page(name, None, 1_000).await
    }

    pub(crate) async fn presence_page(&mut self, name: &str, after: Option<&str>, limit: u32) -> PresenceSnapshot {
        let after = after.map(|user| UserId::parse(user).expect("a user"));
        match self.ask(|id| ClientFrame::Presence(id, PresenceQuery { channel: channel(name), after, limit })).await {
            ServerFrame::Reply { result: Reply::Presence(snapshot), .. } => snapshot,
            other => panic!("no snapshot: {other:?}"),
        }
    }

    /// The code with which the hub closes; everything before it is thrown away.
    pub(crate) async fn close_code(&mut self) -> Option<u16> {
        self.raw.closed(WITHIN).await.expect("closes in time")
    }

    /// Nothing but answers came since the last look: proven by a request that goes the whole way.
    pub(crate) async fn expect_nothing(&mut self) {
        self.refused(|id| ClientFrame::Unsubscribe(id, channel("nobody:subscribes"))).await;
        assert!(self.kept.is_empty(), "came unasked: {:?}", self.kept);
    }
}

fn answers(frame: &ServerFrame) -> Option<u64> {
    match frame {
        ServerFrame::Subscribed { id, .. } | ServerFrame::Ack { id, .. } | ServerFrame::Reply { id, .. } => Some(*id),
        ServerFrame::Unsubscribed { id, .. } => *id,
        ServerFrame::Error(error) => error.id,
        _ => None,
    }
}
