//! Server-sent events: the text of an event, and the `id:` line that stands before a shared one.

use serde::Serialize;
use serde::ser::SerializeMap;

use crate::channel::ChannelName;
use crate::frame::{ServerFrame, SubscriptionResult};
use crate::json;
use crate::outcome::Attached;
use crate::position::{Position, write_composite};

/// A comment that keeps proxies from closing an idle stream.
pub const HEARTBEAT: &[u8] = b":\n\n";

/// Appends the event of a frame: a `message` without an event name (so that `onmessage` gets it), all
/// others named by their type. The data is the same JSON as on a WebSocket.
pub fn encode_into(frame: &ServerFrame, out: &mut Vec<u8>) {
    let name = match frame {
        ServerFrame::Message(_) => None,
        ServerFrame::Gap { .. } => Some("gap"),
        ServerFrame::Skipped { .. } => Some("skipped"),
        ServerFrame::Presence(_) => Some("presence"),
        ServerFrame::PresenceCount(_) => Some("presence_count"),
        ServerFrame::Expiring { .. } => Some("expiring"),
        ServerFrame::Drain { .. } => Some("drain"),
        ServerFrame::Error(_) => Some("error"),
        _ => Some("frame"),
    };
    event_into(name, &json::encode(frame), out);
}

/// Appends the first event of a stream: where it really starts, channel by channel in the order of the URL.
pub fn encode_open_into(channels: &[(ChannelName, Attached)], out: &mut Vec<u8>) {
    let results: Vec<_> = channels
        .iter()
        .map(|(channel, attached)| SubscriptionResult { channel: channel.clone(), result: Ok(*attached) })
        .collect();
    let body = serde_json::to_vec(&Open { subscriptions: &results }).expect("plain data");
    event_into(Some("open"), &body, out);
}

/// Appends the line `id: …` for the positions of a stream.
pub fn id_line_into(positions: &[Option<Position>], out: &mut Vec<u8>) {
    out.extend_from_slice(b"id: ");
    write_composite(positions, out);
    out.push(b'\n');
}

/// Appends `retry: …`: how long a browser waits before it reconnects, in milliseconds.
pub fn retry_into(milliseconds: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("retry: {milliseconds}\n\n").as_bytes());
}

struct Open<'a> {
    subscriptions: &'a [SubscriptionResult],
}

impl Serialize for Open<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("type", "open")?;
        map.serialize_entry("subscriptions", self.subscriptions)?;
        map.end()
    }
}

/// The JSON may hold line breaks where its publisher put them between tokens: each line is a `data:` line.
fn event_into(name: Option<&str>, json: &[u8], out: &mut Vec<u8>) {
    if let Some(name) = name {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(name.as_bytes());
        out.push(b'\n');
    }
    for line in json.split(|byte| matches!(byte, b'\n' | b'\r')) {
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(line);
        out.push(b'\n');
    }
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_breaks_in_data_become_data_lines() {
        let mut out = Vec::new();
        event_into(Some("x"), b"{\r\n\"a\":\n1}", &mut out);
        assert_eq!(out, b"event: x\ndata: {\ndata: \ndata: \"a\":\ndata: 1}\n\n");
    }
}
