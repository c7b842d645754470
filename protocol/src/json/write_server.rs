//! Writing what the hub says. Knows nothing of who will read it.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::optional;
use crate::frame::{Connected, Reply, Scope, ServerFrame, SubscriptionResult};
use crate::outcome::{Attached, Outcome};

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
            ServerFrame::PresenceCount(body) => With { kind: "presence_count", body }.serialize(serializer),
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
        ServerFrame::Ack { id, message, position, time, scope } => {
            map.serialize_entry("type", "ack")?;
            map.serialize_entry("id", id)?;
            map.serialize_entry("message", message)?;
            optional(map, "epoch", position.map(|p| p.epoch).as_ref())?;
            optional(map, "offset", position.map(|p| p.offset).as_ref())?;
            map.serialize_entry("time", time)?;
            optional(map, "scope", (*scope == Scope::Node).then_some("node").as_ref())?;
        }
        ServerFrame::Reply { id, result } => {
            map.serialize_entry("type", "reply")?;
            map.serialize_entry("id", id)?;
            match result {
                Reply::History(page) => map.serialize_entry("history", page)?,
                Reply::Presence(snapshot) => map.serialize_entry("presence", snapshot)?,
                Reply::Result(data) => map.serialize_entry("result", data)?,
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
        ServerFrame::Message(_)
        | ServerFrame::Error(_)
        | ServerFrame::Presence(_)
        | ServerFrame::PresenceCount(_)
        | ServerFrame::Connected(_) => {
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
fn attached_fields<M: SerializeMap>(attached: &Attached, map: &mut M) -> Result<(), M::Error> {
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
