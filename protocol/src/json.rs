//! The JSON codec of frames: total on input, and `data` passes through as text.
//!
//! A client frame is read into one flat struct and then into its variant: serde's tagged enums would buffer
//! the fields and lose the raw text of `data`.

use std::borrow::Cow;

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::channel::ChannelName;
use crate::code::ErrorCode;
use crate::frame::{
    ClientFrame, Connect, Connected, HistoryQuery, Publish, Reply, RequestId, Resume, ServerError, ServerFrame, Side,
    Subscribe, SubscriptionResult,
};
use crate::limits;
use crate::message::{Data, Key};
use crate::outcome::{Attached, Outcome};
use crate::position::{Epoch, OFFSET_MAX, Position};

/// A frame that can not be understood. Carries the request id when it could be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct DecodeError {
    /// The request.
    pub id: Option<RequestId>,
    /// What is wrong with the frame and how it should be.
    pub message: String,
}

impl From<DecodeError> for ServerError {
    fn from(error: DecodeError) -> Self {
        Self { id: error.id, code: ErrorCode::BadRequest, message: error.message, retry_after_ms: None }
    }
}

/// Every field of every client frame. Unknown fields are ignored, so that newer clients work with older hubs.
#[derive(Deserialize)]
struct Flat<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    id: Option<RequestId>,
    #[serde(borrow)]
    channel: Option<Cow<'a, str>>,
    #[serde(borrow)]
    token: Option<Cow<'a, str>>,
    #[serde(borrow)]
    client: Option<Cow<'a, str>>,
    #[serde(borrow)]
    resume: Option<Vec<FlatResume<'a>>>,
    since: Option<Position>,
    rewind: Option<u32>,
    presence: Option<bool>,
    conflate: Option<bool>,
    key: Option<Key>,
    conflate_key: Option<Key>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    after: Option<u64>,
    before: Option<u64>,
    limit: Option<u32>,
}

#[derive(Deserialize)]
struct FlatResume<'a> {
    #[serde(borrow)]
    channel: Cow<'a, str>,
    #[serde(borrow)]
    epoch: Option<Cow<'a, str>>,
    offset: Option<u64>,
    #[serde(default)]
    presence: bool,
    #[serde(default)]
    conflate: bool,
}

/// Reads a client frame.
pub fn decode(text: &str) -> Result<ClientFrame, DecodeError> {
    let flat: Flat<'_> = serde_json::from_str(text)
        .map_err(|error| DecodeError { id: None, message: format!("not a frame: {error}") })?;
    let id = flat.id;
    flat.into_frame().map_err(|message| DecodeError { id, message })
}

impl Flat<'_> {
    fn into_frame(self) -> Result<ClientFrame, String> {
        match &*self.kind {
            "connect" => self.connect().map(ClientFrame::Connect),
            "subscribe" => Ok(ClientFrame::Subscribe(self.request()?, self.subscribe()?)),
            "unsubscribe" => Ok(ClientFrame::Unsubscribe(self.request()?, self.channel()?)),
            "publish" => Ok(ClientFrame::Publish(self.request()?, self.publish()?)),
            "history" => Ok(ClientFrame::History(self.request()?, self.history()?)),
            "presence" => Ok(ClientFrame::Presence(self.request()?, self.channel()?)),
            "refresh" => Ok(ClientFrame::Refresh(self.request()?, self.token()?)),
            "pong" => Ok(ClientFrame::Pong),
            _ => Err("`type` is none of connect, subscribe, unsubscribe, publish, history, presence, refresh, pong".into()),
        }
    }

    fn request(&self) -> Result<RequestId, String> {
        self.id.filter(|id| *id <= OFFSET_MAX).ok_or_else(|| "`id` must be a whole number from 0 to 2^53-1".into())
    }

    fn channel(&self) -> Result<ChannelName, String> {
        let text = self.channel.as_deref().ok_or("`channel` is missing")?;
        ChannelName::parse(text).map_err(|error| error.to_string())
    }

    fn token(&self) -> Result<String, String> {
        self.token.as_deref().map(str::to_owned).ok_or_else(|| "`token` is missing".into())
    }

    fn connect(self) -> Result<Connect, String> {
        let resume = self.resume.as_deref().unwrap_or_default();
        if resume.len() > limits::SUBSCRIPTIONS {
            return Err(format!("`resume` holds more than {} channels", limits::SUBSCRIPTIONS));
        }
        if self.client.as_ref().is_some_and(|name| name.len() > limits::CLIENT_NAME_BYTES) {
            return Err(format!("`client` is longer than {} bytes", limits::CLIENT_NAME_BYTES));
        }
        Ok(Connect {
            token: self.token()?,
            client: self.client.as_deref().map(str::to_owned),
            resume: resume.iter().map(FlatResume::to_resume).collect::<Result<_, _>>()?,
        })
    }

    fn subscribe(&self) -> Result<Subscribe, String> {
        if self.since.is_some() && self.rewind.is_some() {
            return Err("`since` and `rewind` exclude each other".into());
        }
        if self.rewind.is_some_and(|rewind| rewind > limits::REWIND) {
            return Err(format!("`rewind` is at most {}", limits::REWIND));
        }
        Ok(Subscribe {
            channel: self.channel()?,
            since: self.since,
            rewind: self.rewind,
            presence: self.presence.unwrap_or(false),
            conflate: self.conflate.unwrap_or(false),
        })
    }

    fn publish(self) -> Result<Publish, String> {
        let channel = self.channel()?;
        let data = Data::from_raw(self.data.ok_or("`data` is missing")?);
        Ok(Publish { channel, key: self.key, conflate_key: self.conflate_key, data })
    }

    fn history(&self) -> Result<HistoryQuery, String> {
        let side = match (self.after, self.before) {
            (Some(_), Some(_)) => return Err("`after` and `before` exclude each other".into()),
            (Some(after), None) => Side::After(after),
            (None, before) => Side::Before(before),
        };
        let limit = self.limit.unwrap_or(limits::HISTORY_PAGE_DEFAULT);
        if !(1..=limits::HISTORY_PAGE).contains(&limit) {
            return Err(format!("`limit` is 1 to {}", limits::HISTORY_PAGE));
        }
        Ok(HistoryQuery { channel: self.channel()?, side, limit })
    }
}

impl FlatResume<'_> {
    fn to_resume(&self) -> Result<Resume, String> {
        let channel = ChannelName::parse(&self.channel).map_err(|error| error.to_string())?;
        let since = match (&self.epoch, self.offset) {
            (None, None) => None,
            (Some(epoch), Some(offset)) if offset <= OFFSET_MAX => {
                Some(Position::new(Epoch::parse(epoch).map_err(|error| error.to_string())?, offset))
            }
            _ => return Err("an entry of `resume` has both `epoch` and `offset` (at most 2^53-1), or neither".into()),
        };
        Ok(Resume { channel, since, presence: self.presence, conflate: self.conflate })
    }
}

/// Appends a server frame to `out`.
pub fn encode_into(frame: &ServerFrame, out: &mut Vec<u8>) {
    // Writing into memory can not fail, and no frame has a key that is not a string.
    serde_json::to_writer(out, &Tagged(frame)).expect("frames are plain data");
}

/// A server frame as JSON.
pub fn encode(frame: &ServerFrame) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    encode_into(frame, &mut out);
    out
}

struct Tagged<'a>(&'a ServerFrame);

#[derive(Serialize)]
struct With<'a, T> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    body: &'a T,
}

impl Serialize for Tagged<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            ServerFrame::Message(body) => With { kind: "message", body }.serialize(serializer),
            ServerFrame::Error(body) => With { kind: "error", body }.serialize(serializer),
            ServerFrame::Presence(body) => With { kind: "presence", body }.serialize(serializer),
            ServerFrame::Connected(body) => connected(body, serializer),
            other => {
                let mut map = serializer.serialize_map(None)?;
                small_frame(other, &mut map)?;
                map.end()
            }
        }
    }
}

/// The frames whose fields stand in the enum itself.
fn small_frame<M: SerializeMap>(frame: &ServerFrame, map: &mut M) -> Result<(), M::Error> {
    match frame {
        ServerFrame::Subscribed { id, channel, attached } => {
            map.serialize_entry("type", "subscribed")?;
            map.serialize_entry("id", id)?;
            map.serialize_entry("channel", channel)?;
            attached_fields(attached, map)?;
        }
        ServerFrame::Unsubscribed { id, channel, code } => {
            map.serialize_entry("type", "unsubscribed")?;
            optional(map, "id", id.as_ref())?;
            map.serialize_entry("channel", channel)?;
            optional(map, "code", code.as_ref())?;
        }
        ServerFrame::Ack { id, message, position, time } => {
            map.serialize_entry("type", "ack")?;
            map.serialize_entry("id", id)?;
            map.serialize_entry("message", message)?;
            optional(map, "epoch", position.map(|p| p.epoch).as_ref())?;
            optional(map, "offset", position.map(|p| p.offset).as_ref())?;
            map.serialize_entry("time", time)?;
        }
        ServerFrame::Reply { id, result } => {
            map.serialize_entry("type", "reply")?;
            map.serialize_entry("id", id)?;
            match result {
                Reply::History(page) => map.serialize_entry("history", page)?,
                Reply::Presence(snapshot) => map.serialize_entry("presence", snapshot)?,
                Reply::Refreshed { expires_at } => map.serialize_entry("expires_at", expires_at)?,
            }
        }
        ServerFrame::Gap { channel, epoch, lost, reason } => {
            map.serialize_entry("type", "gap")?;
            map.serialize_entry("channel", channel)?;
            map.serialize_entry("epoch", epoch)?;
            map.serialize_entry("from", &lost.from)?;
            map.serialize_entry("to", &lost.to)?;
            map.serialize_entry("reason", reason)?;
        }
        ServerFrame::Skipped { channel, count } => {
            map.serialize_entry("type", "skipped")?;
            map.serialize_entry("channel", channel)?;
            map.serialize_entry("count", count)?;
        }
        ServerFrame::Ping => map.serialize_entry("type", "ping")?,
        ServerFrame::Expiring { expires_at } => {
            map.serialize_entry("type", "expiring")?;
            map.serialize_entry("expires_at", expires_at)?;
        }
        ServerFrame::Drain { within_ms } => {
            map.serialize_entry("type", "drain")?;
            map.serialize_entry("within_ms", within_ms)?;
        }
        ServerFrame::Message(_) | ServerFrame::Error(_) | ServerFrame::Presence(_) | ServerFrame::Connected(_) => {
            // Written whole by `Tagged`.
        }
    }
    Ok(())
}

fn connected<S: Serializer>(body: &Connected, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    map.serialize_entry("type", "connected")?;
    map.serialize_entry("session", &body.session)?;
    map.serialize_entry("node", &body.node)?;
    map.serialize_entry("user", &body.user)?;
    map.serialize_entry("heartbeat_ms", &body.heartbeat_ms)?;
    map.serialize_entry("expires_at", &body.expires_at)?;
    map.serialize_entry("subscriptions", &body.subscriptions)?;
    map.end()
}

impl Serialize for SubscriptionResult {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("channel", &self.channel)?;
        match &self.result {
            Ok(attached) => attached_fields(attached, &mut map)?,
            Err(code) => map.serialize_entry("error", code)?,
        }
        map.end()
    }
}

/// `outcome`, `epoch`, `offset`, and what the outcome adds.
pub(crate) fn attached_fields<M: SerializeMap>(attached: &Attached, map: &mut M) -> Result<(), M::Error> {
    let (name, range, reason) = match &attached.outcome {
        Outcome::Fresh { replay } => ("fresh", *replay, None),
        Outcome::Continued { replay } => ("continued", Some(*replay), None),
        Outcome::Gap { lost, reason } => ("gap", Some(*lost), Some(reason)),
    };
    map.serialize_entry("outcome", name)?;
    optional(map, "epoch", attached.head.map(|head| head.epoch).as_ref())?;
    optional(map, "offset", attached.head.map(|head| head.offset).as_ref())?;
    optional(map, "from", range.map(|range| range.from).as_ref())?;
    optional(map, "to", range.map(|range| range.to).as_ref())?;
    optional(map, "reason", reason)
}

fn optional<M: SerializeMap, T: Serialize>(map: &mut M, name: &str, value: Option<&T>) -> Result<(), M::Error> {
    value.map_or(Ok(()), |value| map.serialize_entry(name, value))
}
