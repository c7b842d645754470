//! Writing what a client says. A field that has its default is left out.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::optional;
use crate::frame::{ClientFrame, Connect, HistoryQuery, PresenceQuery, Publish, RequestId, Resume, Side, Subscribe};
use crate::limits;
use crate::room::RoomRequest;

/// A client frame as JSON.
pub fn encode_client(frame: &ClientFrame) -> String {
    // Writing into memory can not fail, and no frame has a key that is not a string.
    serde_json::to_string(&Tagged(frame)).expect("frames are plain data")
}

struct Tagged<'a>(&'a ClientFrame);

impl Serialize for Tagged<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let ClientFrame::Room(id, request) = self.0 {
            return Room { kind: "room", id: *id, request }.serialize(serializer);
        }
        let (kind, id) = match self.0 {
            ClientFrame::Connect(_) => ("connect", None),
            ClientFrame::Subscribe(id, _) => ("subscribe", Some(id)),
            ClientFrame::Unsubscribe(id, _) => ("unsubscribe", Some(id)),
            ClientFrame::Publish(id, _) => ("publish", Some(id)),
            ClientFrame::History(id, _) => ("history", Some(id)),
            ClientFrame::Presence(id, _) => ("presence", Some(id)),
            ClientFrame::Room(id, _) => ("room", Some(id)),
            ClientFrame::Refresh(id, _) => ("refresh", Some(id)),
            ClientFrame::Pong => ("pong", None),
        };
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", kind)?;
        optional(&mut map, "id", id)?;
        match self.0 {
            ClientFrame::Connect(body) => connect(body, &mut map)?,
            ClientFrame::Subscribe(_, body) => subscribe(body, &mut map)?,
            ClientFrame::Publish(_, body) => publish(body, &mut map)?,
            ClientFrame::History(_, body) => history(body, &mut map)?,
            ClientFrame::Presence(_, body) => presence(body, &mut map)?,
            ClientFrame::Unsubscribe(_, channel) => map.serialize_entry("channel", channel)?,
            ClientFrame::Refresh(_, token) => map.serialize_entry("token", token)?,
            ClientFrame::Room(..) | ClientFrame::Pong => {}
        }
        map.end()
    }
}

#[derive(Serialize)]
struct Room<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: RequestId,
    #[serde(flatten)]
    request: &'a RoomRequest,
}

fn connect<M: SerializeMap>(body: &Connect, map: &mut M) -> Result<(), M::Error> {
    map.serialize_entry("token", &body.token)?;
    optional(map, "client", body.client.as_ref())?;
    if body.resume.is_empty() { Ok(()) } else { map.serialize_entry("resume", &body.resume) }
}

impl Serialize for Resume {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("channel", &self.channel)?;
        optional(&mut map, "epoch", self.since.map(|since| since.epoch).as_ref())?;
        optional(&mut map, "offset", self.since.map(|since| since.offset).as_ref())?;
        flag(&mut map, "presence", self.presence)?;
        flag(&mut map, "conflate", self.conflate)?;
        map.end()
    }
}

fn subscribe<M: SerializeMap>(body: &Subscribe, map: &mut M) -> Result<(), M::Error> {
    map.serialize_entry("channel", &body.channel)?;
    optional(map, "since", body.since.as_ref())?;
    optional(map, "rewind", body.rewind.as_ref())?;
    flag(map, "presence", body.presence)?;
    flag(map, "conflate", body.conflate)
}

fn publish<M: SerializeMap>(body: &Publish, map: &mut M) -> Result<(), M::Error> {
    map.serialize_entry("channel", &body.channel)?;
    optional(map, "key", body.key.as_ref())?;
    optional(map, "conflate_key", body.conflate_key.as_ref())?;
    map.serialize_entry("data", &body.data)
}

fn history<M: SerializeMap>(body: &HistoryQuery, map: &mut M) -> Result<(), M::Error> {
    map.serialize_entry("channel", &body.channel)?;
    match body.side {
        Side::After(offset) => map.serialize_entry("after", &offset)?,
        Side::Before(offset) => optional(map, "before", offset.as_ref())?,
    }
    let limit = Some(body.limit).filter(|limit| *limit != limits::HISTORY_PAGE_DEFAULT);
    optional(map, "limit", limit.as_ref())
}

fn presence<M: SerializeMap>(body: &PresenceQuery, map: &mut M) -> Result<(), M::Error> {
    map.serialize_entry("channel", &body.channel)?;
    optional(map, "after", body.after.as_ref())?;
    let limit = Some(body.limit).filter(|limit| *limit != limits::PRESENCE_PAGE);
    optional(map, "limit", limit.as_ref())
}

fn flag<M: SerializeMap>(map: &mut M, name: &str, value: bool) -> Result<(), M::Error> {
    if value { map.serialize_entry(name, &true) } else { Ok(()) }
}
