//! What a client says.

use crate::channel::{ChannelName, UserId};
use crate::message::{Data, Key};
use crate::position::Position;
use crate::room::RoomRequest;

/// A number chosen by the client; the reply to the request carries it back.
pub type RequestId = u64;

/// A frame from the client.
#[derive(Clone, PartialEq, Debug)]
pub enum ClientFrame {
    /// The first frame: who is this, and what did they have before.
    Connect(Connect),
    /// Wants the messages of a channel.
    Subscribe(RequestId, Subscribe),
    /// Wants them no longer.
    Unsubscribe(RequestId, ChannelName),
    /// Sends a message into a channel.
    Publish(RequestId, Publish),
    /// Asks for a page of a channel's log.
    History(RequestId, HistoryQuery),
    /// Asks who is in a channel.
    Presence(RequestId, PresenceQuery),
    /// Does or asks something in rooms.
    Room(RequestId, Box<RoomRequest>),
    /// Brings a new token before the old one expires.
    Refresh(RequestId, String),
    /// Answers a ping.
    Pong,
}

/// Opens a session.
#[derive(Clone, PartialEq, Debug)]
pub struct Connect {
    /// The JWT.
    pub token: String,
    /// Name and version of the client program, for logs and metrics.
    pub client: Option<String>,
    /// Subscriptions of an earlier connection to take up again.
    pub resume: Vec<Resume>,
}

/// One subscription to take up again.
#[derive(Clone, PartialEq, Debug)]
pub struct Resume {
    /// The channel.
    pub channel: ChannelName,
    /// The last position seen; `None` on a channel without a log.
    pub since: Option<Position>,
    /// As in [`Subscribe`].
    pub presence: bool,
    /// As in [`Subscribe`].
    pub conflate: bool,
}

/// Asks for the messages of a channel.
#[derive(Clone, PartialEq, Debug)]
pub struct Subscribe {
    /// The channel.
    pub channel: ChannelName,
    /// Continue after this position.
    pub since: Option<Position>,
    /// Or begin with the last so many messages of the log.
    pub rewind: Option<u32>,
    /// Also send who joins and leaves.
    pub presence: bool,
    /// While this connection lags, keep only the latest message of each conflate key.
    pub conflate: bool,
}

/// Sends a message into a channel.
#[derive(Clone, PartialEq, Debug)]
pub struct Publish {
    /// The channel.
    pub channel: ChannelName,
    /// The idempotency key: the same key again gives the first answer again.
    pub key: Option<Key>,
    /// The conflate key.
    pub conflate_key: Option<Key>,
    /// The message.
    pub data: Data,
}

/// Which side of an offset to read. The offset itself is not included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// Newer messages, ascending.
    After(u64),
    /// Older messages, descending; `None` begins at the newest.
    Before(Option<u64>),
}

/// Asks who is in a channel.
#[derive(Clone, PartialEq, Debug)]
pub struct PresenceQuery {
    /// The channel.
    pub channel: ChannelName,
    /// Begin behind this user: `next` of the page before.
    pub after: Option<UserId>,
    /// At most so many users.
    pub limit: u32,
}

/// Asks for a page of a channel's log.
#[derive(Clone, PartialEq, Debug)]
pub struct HistoryQuery {
    /// The channel.
    pub channel: ChannelName,
    /// From where and in which direction.
    pub side: Side,
    /// At most so many messages.
    pub limit: u32,
}
