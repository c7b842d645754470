//! Reading what the hub says, for clients. Knows nothing of what a client does with it.
//!
//! The type is read first and the frame a second time as that type: the fields `id`, `from` and `message` mean
//! different things in different frames, and serde's tagged enums would lose the raw text of `data`.

use std::borrow::Cow;

use serde::Deserialize;

use super::{DecodeError, from_object};
use crate::channel::{ChannelName, UserId};
use crate::code::ErrorCode;
use crate::frame::{
    Connected, HistoryPage, PresenceSnapshot, Reply, RequestId, Scope, ServerFrame, SubscriptionResult,
};
use crate::id::{MessageId, SessionId};
use crate::message::Data;
use crate::outcome::{Attached, GapReason, Outcome, Range};
use crate::position::{Epoch, OFFSET_MAX, Position};

/// Reads a frame of the hub. `None` is a frame of a type that this version does not know: a client ignores it.
pub fn decode_server(text: &str) -> Result<Option<ServerFrame>, DecodeError> {
    read(text).map_err(|message| DecodeError { id: None, message })
}

fn read(text: &str) -> Result<Option<ServerFrame>, String> {
    let Kind { kind } = from_object(text)?;
    Ok(Some(match &*kind {
        "message" => ServerFrame::Message(from_object(text)?),
        "ack" => from_object::<Ack>(text)?.into_frame()?,
        "presence" => ServerFrame::Presence(from_object(text)?),
        "presence_count" => ServerFrame::PresenceCount(from_object(text)?),
        "subscribed" => from_object::<Subscribed>(text)?.into_frame()?,
        "unsubscribed" => from_object::<Unsubscribed>(text)?.into_frame(),
        "connected" => from_object::<WireConnected>(text)?.into_frame()?,
        "reply" => from_object::<WireReply>(text)?.into_frame()?,
        "gap" => from_object::<Gap>(text)?.into_frame()?,
        "skipped" => from_object::<Skipped>(text)?.into_frame(),
        "error" => ServerFrame::Error(from_object(text)?),
        "ping" => ServerFrame::Ping,
        "expiring" => from_object::<Expiring>(text)?.into_frame(),
        "drain" => from_object::<Drain>(text)?.into_frame(),
        _ => return Ok(None),
    }))
}

#[derive(Deserialize)]
struct Kind<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Ack {
    id: RequestId,
    message: MessageId,
    epoch: Option<Epoch>,
    offset: Option<u64>,
    time: u64,
    scope: Option<AckScope>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum AckScope {
    Node,
}

impl Ack {
    fn into_frame(self) -> Result<ServerFrame, String> {
        let position = position(self.epoch, self.offset)?;
        let scope = self.scope.map_or(Scope::Fleet, |AckScope::Node| Scope::Node);
        Ok(ServerFrame::Ack { id: self.id, message: self.message, position, time: self.time, scope })
    }
}

#[derive(Deserialize)]
struct Subscribed {
    id: RequestId,
    channel: ChannelName,
    outcome: OutcomeName,
    epoch: Option<Epoch>,
    offset: Option<u64>,
    from: Option<u64>,
    to: Option<u64>,
    reason: Option<GapReason>,
}

impl Subscribed {
    fn into_frame(self) -> Result<ServerFrame, String> {
        let Self { id, channel, outcome, epoch, offset, from, to, reason } = self;
        let attached = attached(outcome, position(epoch, offset)?, range(from, to)?, reason)?;
        Ok(ServerFrame::Subscribed { id, channel, attached })
    }
}

#[derive(Deserialize)]
struct WireConnected {
    session: SessionId,
    node: String,
    user: UserId,
    heartbeat_ms: u64,
    expires_at: u64,
    subscriptions: Vec<WireResult>,
}

/// Has `error`, or the fields of an outcome.
#[derive(Deserialize)]
struct WireResult {
    channel: ChannelName,
    error: Option<ErrorCode>,
    outcome: Option<OutcomeName>,
    epoch: Option<Epoch>,
    offset: Option<u64>,
    from: Option<u64>,
    to: Option<u64>,
    reason: Option<GapReason>,
}

impl WireConnected {
    fn into_frame(self) -> Result<ServerFrame, String> {
        let Self { session, node, user, heartbeat_ms, expires_at, subscriptions } = self;
        let subscriptions = subscriptions.into_iter().map(WireResult::into_result).collect::<Result<_, _>>()?;
        Ok(ServerFrame::Connected(Connected { session, node, user, heartbeat_ms, expires_at, subscriptions }))
    }
}

impl WireResult {
    fn into_result(self) -> Result<SubscriptionResult, String> {
        let Self { channel, error, outcome, epoch, offset, from, to, reason } = self;
        let result = match (error, outcome) {
            (Some(code), None) => Err(code),
            (None, Some(outcome)) => Ok(attached(outcome, position(epoch, offset)?, range(from, to)?, reason)?),
            _ => return Err("an entry of `subscriptions` has either `outcome` or `error`".into()),
        };
        Ok(SubscriptionResult { channel, result })
    }
}

#[derive(Deserialize)]
struct Unsubscribed {
    id: Option<RequestId>,
    channel: ChannelName,
    code: Option<ErrorCode>,
}

impl Unsubscribed {
    fn into_frame(self) -> ServerFrame {
        ServerFrame::Unsubscribed { id: self.id, channel: self.channel, code: self.code }
    }
}

#[derive(Deserialize)]
struct WireReply {
    id: RequestId,
    history: Option<HistoryPage>,
    presence: Option<PresenceSnapshot>,
    result: Option<Data>,
    expires_at: Option<u64>,
}

impl WireReply {
    fn into_frame(self) -> Result<ServerFrame, String> {
        let result = match (self.history, self.presence, self.result, self.expires_at) {
            (Some(page), None, None, None) => Reply::History(page),
            (None, Some(snapshot), None, None) => Reply::Presence(snapshot),
            (None, None, Some(data), None) => Reply::Result(data),
            (None, None, None, Some(expires_at)) => Reply::Refreshed { expires_at },
            _ => return Err("a `reply` has one of `history`, `presence` and `expires_at`".into()),
        };
        Ok(ServerFrame::Reply { id: self.id, result })
    }
}

#[derive(Deserialize)]
struct Gap {
    channel: ChannelName,
    epoch: Epoch,
    from: u64,
    to: u64,
    reason: GapReason,
}

impl Gap {
    fn into_frame(self) -> Result<ServerFrame, String> {
        let Self { channel, epoch, from, to, reason } = self;
        let lost = bounded(Range { from, to })?;
        Ok(ServerFrame::Gap { channel, epoch, lost, reason })
    }
}

#[derive(Deserialize)]
struct Skipped {
    channel: ChannelName,
    count: u64,
}

impl Skipped {
    fn into_frame(self) -> ServerFrame {
        ServerFrame::Skipped { channel: self.channel, count: self.count }
    }
}

#[derive(Deserialize)]
struct Expiring {
    expires_at: u64,
}

impl Expiring {
    fn into_frame(self) -> ServerFrame {
        ServerFrame::Expiring { expires_at: self.expires_at }
    }
}

#[derive(Deserialize)]
struct Drain {
    within_ms: u64,
}

impl Drain {
    fn into_frame(self) -> ServerFrame {
        ServerFrame::Drain { within_ms: self.within_ms }
    }
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum OutcomeName {
    Fresh,
    Continued,
    Gap,
}

fn attached(
    outcome: OutcomeName,
    head: Option<Position>,
    range: Option<Range>,
    reason: Option<GapReason>,
) -> Result<Attached, String> {
    let outcome = match (outcome, range, reason) {
        (OutcomeName::Fresh, None, None) => Outcome::Fresh { replay: None },
        (OutcomeName::Fresh, Some(range), None) => Outcome::Fresh { replay: Some(replayed(range)?) },
        (OutcomeName::Continued, Some(range), None) => Outcome::Continued { replay: replayed(range)? },
        (OutcomeName::Gap, Some(lost), Some(reason)) => Outcome::Gap { lost, reason },
        _ => return Err("`from`, `to` and `reason` do not belong to this `outcome`".into()),
    };
    Ok(Attached { outcome, head })
}

/// What is replayed begins at a message, and a client's position is the one before it.
fn replayed(range: Range) -> Result<Range, String> {
    if range.from >= 1 && range.to >= range.from - 1 {
        Ok(range)
    } else {
        Err("`from` is at least 1, and `to` at least `from`-1".into())
    }
}

fn position(epoch: Option<Epoch>, offset: Option<u64>) -> Result<Option<Position>, String> {
    match (epoch, offset) {
        (None, None) => Ok(None),
        (Some(epoch), Some(offset)) if offset <= OFFSET_MAX => Ok(Some(Position::new(epoch, offset))),
        _ => Err("`epoch` and `offset` (at most 2^53-1) come together or not at all".into()),
    }
}

fn range(from: Option<u64>, to: Option<u64>) -> Result<Option<Range>, String> {
    match (from, to) {
        (None, None) => Ok(None),
        (Some(from), Some(to)) => bounded(Range { from, to }).map(Some),
        _ => Err("`from` and `to` come together or not at all".into()),
    }
}

fn bounded(range: Range) -> Result<Range, String> {
    if range.from <= OFFSET_MAX && range.to <= OFFSET_MAX {
        Ok(range)
    } else {
        Err("`from` and `to` are at most 2^53-1".into())
    }
}
