//! A hub that does what a test tells it, over real sockets: it accepts WebSockets, shows what clients say, and
//! says what it is given. It keeps no rule of the protocol by itself.

// Each test binary uses another part of it.
#![allow(dead_code)]

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use hubbub_client::{Backoff, Options, TokenSource};
use hubbub_protocol::frame::{Connect, Connected, RequestId, Scope, SubscriptionResult};
use hubbub_protocol::outcome::Attached;
use hubbub_protocol::{
    ChannelName, ClientFrame, Data, Epoch, Message, MessageId, Outcome, Position, Range, ServerFrame, SessionId,
    UserId, json,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message as WsMessage;
use tokio_tungstenite::tungstenite::handshake::server::Request;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

/// Nothing in these tests takes so long unless it never comes.
pub(crate) const SOON: Duration = Duration::from_secs(10);

pub(crate) struct ScriptedHub {
    listener: TcpListener,
    pub(crate) heartbeat_ms: u64,
}

/// The hub's end of one connection.
pub(crate) struct Peer {
    socket: WebSocketStream<TcpStream>,
    /// What the upgrade asked for: path and query.
    pub(crate) target: String,
    heartbeat_ms: u64,
    early: VecDeque<ClientFrame>,
}

pub(crate) fn channel(name: &str) -> ChannelName {
    ChannelName::parse(name).expect("valid")
}

pub(crate) fn data(text: &str) -> Data {
    Data::parse(text.to_owned()).expect("JSON")
}

pub(crate) fn position(offset: u64) -> Position {
    Position::new(Epoch::from_u64(7), offset)
}

pub(crate) fn fresh(offset: u64) -> Attached {
    Attached::fresh(Some(position(offset)))
}

pub(crate) fn continued(from: u64, to: u64) -> Attached {
    Attached { outcome: Outcome::Continued { replay: Range { from, to } }, head: Some(position(to)) }
}

pub(crate) fn message(name: &str, offset: u64) -> ServerFrame {
    ServerFrame::Message(Message {
        channel: channel(name),
        id: MessageId::from_parts(1, u128::from(offset)),
        position: Some(position(offset)),
        time: 1,
        from: None,
        key: None,
        conflate_key: None,
        data: data(&offset.to_string()),
    })
}

pub(crate) fn ack(id: RequestId, offset: u64) -> ServerFrame {
    let message = MessageId::from_parts(1, u128::from(offset));
    ServerFrame::Ack { id, message, position: Some(position(offset)), time: 1, scope: Scope::Fleet }
}

impl ScriptedHub {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        Self { listener, heartbeat_ms: 25_000 }
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}/ws", self.listener.local_addr().expect("bound"))
    }

    /// Options with a short back-off.
    pub(crate) fn options(&self) -> Options {
        Options {
            backoff: Backoff { first: Duration::from_millis(1), most: Duration::from_millis(10) },
            ..Options::new(self.url(), TokenSource::fixed("t"))
        }
    }

    /// The next TCP connection, before anything is said on it.
    pub(crate) async fn tcp(&self) -> TcpStream {
        timeout(SOON, self.listener.accept()).await.expect("a connection in time").expect("accept").0
    }

    /// The next WebSocket, and its connect frame.
    pub(crate) async fn accept(&self) -> (Peer, Connect) {
        let mut target = String::new();
        #[expect(clippy::result_large_err, reason = "the shape that tungstenite asks for")]
        let seen = |request: &Request, response| {
            target = request.uri().to_string();
            Ok(response)
        };
        let socket = accept_hdr_async(self.tcp().await, seen).await.expect("an upgrade");
        let mut peer = Peer { socket, target, heartbeat_ms: self.heartbeat_ms, early: VecDeque::new() };
        let ClientFrame::Connect(connect) = peer.hear().await else { panic!("the first frame is `connect`") };
        (peer, connect)
    }

    /// The next WebSocket, greeted with these results for what it resumes.
    pub(crate) async fn greet(&self, results: &[(&str, Attached)]) -> (Peer, Connect) {
        let (mut peer, connect) = self.accept().await;
        let asked: Vec<_> = connect.resume.iter().map(|resume| resume.channel.as_str()).collect();
        let answered: Vec<_> = results.iter().map(|(name, _)| *name).collect();
        assert_eq!(asked, answered);
        peer.greet(results).await;
        (peer, connect)
    }
}

impl Peer {
    pub(crate) async fn greet(&mut self, results: &[(&str, Attached)]) {
        let subscriptions = results
            .iter()
            .map(|(name, attached)| SubscriptionResult { channel: channel(name), result: Ok(*attached) })
            .collect();
        let connected = Connected {
            session: SessionId::from_parts(1, rand::random()),
            node: "scripted".into(),
            user: UserId::parse("u").expect("valid"),
            heartbeat_ms: self.heartbeat_ms,
            expires_at: 0,
            subscriptions,
        };
        self.say(ServerFrame::Connected(connected)).await;
    }

    pub(crate) async fn say(&mut self, frame: ServerFrame) {
        let text = String::from_utf8(json::encode(&frame)).expect("UTF-8");
        self.say_text(text).await;
    }

    pub(crate) async fn say_text(&mut self, text: impl Into<String>) {
        self.socket.send(WsMessage::text(text.into())).await.expect("the client reads");
    }

    /// The next frame of the client.
    pub(crate) async fn hear(&mut self) -> ClientFrame {
        if let Some(frame) = self.early.pop_front() {
            return frame;
        }
        let heard = timeout(SOON, self.socket.next()).await.expect("a frame in time");
        match heard {
            Some(Ok(WsMessage::Text(text))) => json::decode(&text).expect("a frame of the protocol"),
            other => panic!("not a frame: {other:?}"),
        }
    }

    /// Accepts the next subscribe.
    pub(crate) async fn subscribed(&mut self, attached: Attached) {
        let ClientFrame::Subscribe(id, wish) = self.hear().await else { panic!("not `subscribe`") };
        self.say(ServerFrame::Subscribed { id, channel: wish.channel, attached }).await;
    }

    /// The id and key of the next publish.
    pub(crate) async fn publish(&mut self) -> (RequestId, String) {
        let ClientFrame::Publish(id, publish) = self.hear().await else { panic!("not `publish`") };
        (id, publish.key.expect("clients always send a key").to_string())
    }

    pub(crate) async fn close(mut self, code: u16) {
        let close = CloseFrame { code: code.into(), reason: "scripted".into() };
        self.socket.close(Some(close)).await.expect("the client is there");
        self.ended().await;
    }

    /// Waits until the client has ended the connection.
    pub(crate) async fn ended(mut self) {
        while let Some(Ok(_)) = timeout(SOON, self.socket.next()).await.expect("an end in time") {}
    }
}
