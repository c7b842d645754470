//! What the hub says.

use serde::{Deserialize, Serialize};

use crate::channel::{ChannelName, UserId};
use crate::code::ErrorCode;
use crate::frame::RequestId;
use crate::id::{MessageId, SessionId};
use crate::message::{Data, Message};
use crate::outcome::{Attached, GapReason, Range};
use crate::position::{Epoch, Position};

/// A frame from the hub.
#[derive(Clone, PartialEq, Debug)]
pub enum ServerFrame {
    /// Answers `connect`.
    Connected(Connected),
    /// Answers `subscribe`.
    Subscribed {
        /// The request.
        id: RequestId,
        /// The channel.
        channel: ChannelName,
        /// How it ended.
        attached: Attached,
    },
    /// Answers `unsubscribe` (then with `id`), or says that the hub ended a subscription and why.
    Unsubscribed {
        /// The request, if there was one.
        id: Option<RequestId>,
        /// The channel.
        channel: ChannelName,
        /// Why the hub ended it, if it was the hub.
        code: Option<ErrorCode>,
    },
    /// Answers `publish`: the message is kept as the namespace promises.
    Ack {
        /// The request.
        id: RequestId,
        /// The id of the message.
        message: MessageId,
        /// Its place; `None` on a channel without a log.
        position: Option<Position>,
        /// When the hub took it, in milliseconds since 1970.
        time: u64,
        /// How far it went.
        scope: Scope,
    },
    /// Answers everything else.
    Reply {
        /// The request.
        id: RequestId,
        /// The answer.
        result: Reply,
    },
    /// A message of a channel.
    Message(Message),
    /// These offsets will never come.
    Gap {
        /// The channel.
        channel: ChannelName,
        /// The epoch from here on.
        epoch: Epoch,
        /// Which ones.
        lost: Range,
        /// Why.
        reason: GapReason,
    },
    /// Conflation left out so many messages before the next one of this channel.
    Skipped {
        /// The channel.
        channel: ChannelName,
        /// How many.
        count: u64,
    },
    /// Somebody joined or left a channel.
    Presence(PresenceChange),
    /// How many are in a channel now, where joins and leaves are not told one by one.
    PresenceCount(PresenceCount),
    /// Answers a request that failed, or (without `id`) says what was wrong with a frame.
    Error(ServerError),
    /// Asks for a sign of life: `pong`, or any other frame.
    Ping,
    /// The token expires soon; `refresh` it.
    Expiring {
        /// When, in milliseconds since 1970.
        expires_at: u64,
    },
    /// This node goes away: reconnect after a random time within the window.
    Drain {
        /// The window, in milliseconds.
        within_ms: u64,
    },
}

/// A session is open.
#[derive(Clone, PartialEq, Debug)]
pub struct Connected {
    /// Its id.
    pub session: SessionId,
    /// Which node holds it.
    pub node: String,
    /// The user of the token.
    pub user: UserId,
    /// The hub pings this often, in milliseconds.
    pub heartbeat_ms: u64,
    /// When the token expires, in milliseconds since 1970.
    pub expires_at: u64,
    /// One result for each entry of `resume`, in its order.
    pub subscriptions: Vec<SubscriptionResult>,
}

/// How one resumed subscription ended.
#[derive(Clone, PartialEq, Debug)]
pub struct SubscriptionResult {
    /// The channel.
    pub channel: ChannelName,
    /// The outcome, or why there is no subscription.
    pub result: Result<Attached, ErrorCode>,
}

/// What went wrong, and what to do.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ServerError {
    /// The request, when the frame could be read that far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<RequestId>,
    /// For programs.
    pub code: ErrorCode,
    /// For people: what went wrong and what to do.
    pub message: String,
    /// When to try again, in milliseconds from now; `None` when trying again does not help.
    pub retry_after_ms: Option<u64>,
}

/// The answer to a request that asks for something.
#[derive(Clone, PartialEq, Debug)]
pub enum Reply {
    /// To `history`.
    History(HistoryPage),
    /// To `presence`.
    Presence(PresenceSnapshot),
    /// To `room`: what the operation is answered with.
    Result(Data),
    /// To `refresh`: when the new token expires, in milliseconds since 1970.
    Refreshed {
        /// When the new token expires, in milliseconds since 1970.
        expires_at: u64,
    },
}

/// A page of a channel's log.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct HistoryPage {
    /// The epoch of the log.
    pub epoch: Epoch,
    /// The oldest offset that is still kept; greater than `last` when nothing is.
    pub first: u64,
    /// The newest offset.
    pub last: u64,
    /// Whether there is more in the direction of reading.
    pub more: bool,
    /// The messages, in the direction of reading. Erased ones are left out.
    pub messages: Vec<Message>,
}

/// Who is in a channel.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct PresenceSnapshot {
    /// Grows with each join and leave of the channel; a presence frame with a higher one is newer.
    pub version: u64,
    /// How many users there are in all, whatever part of them `users` holds.
    pub count: u64,
    /// The users, ordered by id.
    pub users: Vec<PresentUser>,
    /// `after` of the next page; absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<UserId>,
    /// The channel holds too many users for a list: `users` is empty, and joins and leaves are told as counts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub large: bool,
    /// What the answer knows of.
    #[serde(default, skip_serializing_if = "Scope::is_fleet")]
    pub scope: Scope,
}

/// One user in a channel.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct PresentUser {
    /// Who.
    pub user: UserId,
    /// On how many connections; 0 while the user may still come back.
    pub connections: u32,
}

/// A join or a leave.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct PresenceChange {
    /// The channel.
    pub channel: ChannelName,
    /// The version of the presence after this change.
    pub version: u64,
    /// Joined or left.
    pub event: PresenceKind,
    /// Who.
    pub user: UserId,
}

/// How many users are in a channel.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct PresenceCount {
    /// The channel.
    pub channel: ChannelName,
    /// The version of the presence that was counted.
    pub version: u64,
    /// How many users there are.
    pub count: u64,
}

/// The two changes of presence.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PresenceKind {
    /// The first connection of the user came.
    Join,
    /// The last one went, and its grace passed.
    Leave,
}

/// How far a message went that no log keeps, or an answer knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Every node. What a log keeps gets there in any case. Stands in no frame.
    #[default]
    Fleet,
    /// One node alone: the others could not be reached.
    Node,
}

impl Scope {
    /// Whether it is every node.
    pub fn is_fleet(&self) -> bool {
        *self == Self::Fleet
    }
}
