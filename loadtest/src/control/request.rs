//! What is said to the control server, just well enough understood to answer with the bytes of a hub.

use hubbub_protocol::frame::Connected;
use hubbub_protocol::outcome::Attached;
use hubbub_protocol::{ChannelName, ClientFrame, Epoch, Position, ServerFrame, SessionId, UserId, json};
use serde::Deserialize;
use serde_json::value::RawValue;
use tungstenite::handshake::derive_accept_key;

use crate::frame::{TEXT, server_frame};

/// A request or a frame.
#[derive(Debug)]
pub(super) enum Request {
    /// An upgrade, with the text that accepts it.
    Upgrade { accept: String },
    /// The frame `connect`.
    Connect,
    /// The frame `subscribe`.
    Subscribe(String),
    /// Channels and data to publish.
    Publish(Vec<(String, String)>),
    /// Anything else.
    Other,
}

/// Reads the first request or frame and its length; `None` when it is not whole, an error when it never will be.
pub(super) fn parse(bytes: &[u8], internal: bool, upgraded: bool) -> Result<Option<(Request, usize)>, ()> {
    if upgraded {
        return frame(bytes);
    }
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&bytes[..end]).map_err(drop)?;
    if !internal {
        let key = header(head, "sec-websocket-key").ok_or(())?;
        return Ok(Some((Request::Upgrade { accept: derive_accept_key(key.as_bytes()) }, end + 4)));
    }
    let length: usize = header(head, "content-length").and_then(|length| length.parse().ok()).ok_or(())?;
    let Some(body) = bytes.get(end + 4..end + 4 + length) else { return Ok(None) };
    publishes(body).map(|publishes| Some((Request::Publish(publishes), end + 4 + length)))
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    lines.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// The bodies of publish, batch and broadcast in one.
#[derive(Deserialize)]
struct Body<'a> {
    channel: Option<String>,
    channels: Option<Vec<String>>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    publishes: Option<Vec<Body<'a>>>,
}

fn publishes(body: &[u8]) -> Result<Vec<(String, String)>, ()> {
    let body: Body<'_> = serde_json::from_slice(body).map_err(drop)?;
    let all = body.publishes.unwrap_or_default();
    let single = Body { publishes: None, ..body };
    Ok(all.into_iter().chain([single]).flat_map(Body::expand).collect())
}

impl Body<'_> {
    fn expand(self) -> Vec<(String, String)> {
        let data = self.data.map_or("null", RawValue::get);
        let channels = self.channels.into_iter().flatten().chain(self.channel);
        channels.map(|channel| (channel, data.to_owned())).collect()
    }
}

/// A masked client frame.
fn frame(bytes: &[u8]) -> Result<Option<(Request, usize)>, ()> {
    let [first, second, ..] = bytes else { return Ok(None) };
    let (size, header) = match second & 0x7f {
        126 => match bytes.get(2..4) {
            Some(size) => (usize::from(size[0]) << 8 | usize::from(size[1]), 4),
            None => return Ok(None),
        },
        127 => return Err(()),
        size => (usize::from(size), 2),
    };
    let Some(masked) = bytes.get(header..header + 4 + size) else { return Ok(None) };
    let (mask, payload) = masked.split_at(4);
    let payload: Vec<u8> = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
    let text = std::str::from_utf8(&payload).unwrap_or_default();
    let request = match (first & 0x0f == TEXT).then(|| json::decode(text)) {
        Some(Ok(ClientFrame::Connect(_))) => Request::Connect,
        Some(Ok(ClientFrame::Subscribe(_, wish))) => Request::Subscribe(wish.channel.to_string()),
        _ => Request::Other,
    };
    Ok(Some((request, header + 4 + size)))
}

pub(super) fn upgraded(accept: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-accept: {accept}\r\n\r\n"
    )
    .into_bytes()
}

pub(super) fn connected() -> Vec<u8> {
    let connected = Connected {
        session: SessionId::from_parts(1, 1),
        node: "control".into(),
        user: UserId::parse("control").expect("a valid name"),
        heartbeat_ms: 25_000,
        expires_at: 1_763_600_000_000,
        subscriptions: vec![],
    };
    server_frame(TEXT, &json::encode(&ServerFrame::Connected(connected)))
}

pub(super) fn subscribed(channel: &str, offset: u64) -> Vec<u8> {
    // The name was read from a frame, so it is one.
    let channel = ChannelName::parse(channel).expect("a valid name");
    let attached = Attached::fresh(Some(Position::new(Epoch::from_u64(1 << 60), offset)));
    server_frame(TEXT, &json::encode(&ServerFrame::Subscribed { id: 1, channel, attached }))
}

pub(super) fn published(items: &[String]) -> Vec<u8> {
    let body = if let [single] = items { single.clone() } else { format!(r#"{{"results":[{}]}}"#, items.join(",")) };
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::client_frame;

    #[test]
    fn requests_are_waited_for_until_they_are_whole() {
        let body = r#"{"channel":"live:a","data":{"n":1}}"#;
        let whole = format!("POST /v1/publish HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        for cut in 0..whole.len() {
            assert!(matches!(parse(&whole.as_bytes()[..cut], true, false), Ok(None)), "{cut}");
        }
        let Ok(Some((Request::Publish(items), length))) = parse(whole.as_bytes(), true, false) else {
            panic!("not a publish")
        };
        assert_eq!((items, length), (vec![("live:a".into(), r#"{"n":1}"#.into())], whole.len()));
    }

    #[test]
    fn batches_and_broadcasts_are_publishes_too() {
        let batch = br#"{"publishes":[{"channel":"live:a","data":1},{"channel":"live:b","data":2}]}"#;
        assert_eq!(publishes(batch).expect("a body").len(), 2);
        let broadcast = br#"{"channels":["live:a","live:b"],"data":1}"#;
        assert_eq!(publishes(broadcast).expect("a body").len(), 2);
        assert!(publishes(b"nonsense").is_err());
    }

    #[test]
    fn frames_are_unmasked() {
        let mut bytes = client_frame(TEXT, br#"{"type":"subscribe","id":1,"channel":"live:a"}"#);
        let mask = [1, 2, 3, 4];
        bytes[2..6].copy_from_slice(&mask);
        bytes[6..].iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
        let Ok(Some((Request::Subscribe(channel), length))) = parse(&bytes, false, true) else { panic!("not a frame") };
        assert_eq!((channel.as_str(), length), ("live:a", bytes.len()));
    }
}
