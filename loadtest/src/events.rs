//! Server-sent events in a buffer: the answer's head, chunks, events. Gives the JSON of each event, and remembers the last id.
//! Does no I/O.

use hubbub_protocol::outcome::{Attached, GapReason, Range};
use hubbub_protocol::{ChannelName, Epoch, Outcome, Position};
use serde::Deserialize;

use crate::frame::Carry;

/// What became of a stream after some bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fed {
    /// It goes on.
    More,
    /// The hub ended it.
    Ended,
    /// That was not HTTP.
    Broken,
}

/// Where in the chunks of the body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Chunk {
    /// The body has no chunks.
    Unchunked,
    /// In the line with the size, so far this.
    Size(usize),
    /// In what follows the digits of that line.
    AfterSize(usize),
    /// So many bytes are left.
    Inside(usize),
    /// In the line break behind a chunk.
    Behind,
}

/// A stream as it comes.
#[derive(Debug)]
pub struct Events {
    head: Carry,
    chunk: Chunk,
    text: Vec<u8>,
    id: Vec<u8>,
}

/// An event may have so many bytes.
const EVENT_MAX: usize = 1_024 * 1_024;

impl Default for Events {
    fn default() -> Self {
        Self { head: Carry::default(), chunk: Chunk::Unchunked, text: Vec::new(), id: Vec::new() }
    }
}

impl Events {
    /// A new connection begins; the last id stays.
    pub fn begin(&mut self) {
        *self = Self { id: std::mem::take(&mut self.id), ..Self::default() };
    }

    /// The id of the last event that had one.
    pub fn last_id(&self) -> Option<&str> {
        std::str::from_utf8(&self.id).ok().filter(|id| !id.is_empty())
    }

    /// Takes the head of the answer: nothing while it is not whole, nothing inside where it is not 200.
    pub fn head<'a>(&mut self, bytes: &'a [u8]) -> Option<Option<&'a [u8]>> {
        let (head, rest) = self.head.head(bytes)?;
        let head = String::from_utf8_lossy(&head[..head.len() - rest.len()]).to_ascii_lowercase();
        self.chunk = if head.contains("transfer-encoding: chunked") { Chunk::Size(0) } else { Chunk::Unchunked };
        Some(head.starts_with("http/1.1 200 ").then_some(rest))
    }

    /// Takes a part of the body and hands over the JSON of each whole event.
    pub fn feed(&mut self, bytes: &[u8], mut take: impl FnMut(&[u8])) -> Fed {
        let fed = self.unchunk(bytes);
        let mut begin = 0;
        while let Some(length) = self.text[begin..].windows(2).position(|two| two == b"\n\n") {
            for line in self.text[begin..begin + length].split(|byte| *byte == b'\n') {
                if let Some(id) = line.strip_prefix(b"id: ") {
                    self.id.clear();
                    self.id.extend_from_slice(id);
                } else if let Some(json) = line.strip_prefix(b"data: ") {
                    take(json);
                }
            }
            begin += length + 2;
        }
        self.text.drain(..begin);
        if self.text.is_empty() {
            // Idle people keep nothing.
            self.text = Vec::new();
        }
        if self.text.len() > EVENT_MAX { Fed::Broken } else { fed }
    }

    fn unchunk(&mut self, mut bytes: &[u8]) -> Fed {
        while let [first, rest @ ..] = bytes {
            match self.chunk {
                Chunk::Unchunked => {
                    self.text.extend_from_slice(bytes);
                    return Fed::More;
                }
                Chunk::Size(size) => {
                    bytes = rest;
                    self.chunk = match (char::from(*first).to_digit(16), first) {
                        (Some(digit), _) if size < EVENT_MAX => Chunk::Size(size * 16 + digit as usize),
                        (None, b'\r' | b';') => Chunk::AfterSize(size),
                        _ => return Fed::Broken,
                    };
                }
                Chunk::AfterSize(size) => {
                    bytes = rest;
                    match (first, size) {
                        (b'\n', 0) => return Fed::Ended,
                        (b'\n', size) => self.chunk = Chunk::Inside(size),
                        _ => {}
                    }
                }
                Chunk::Inside(left) => {
                    let (part, rest) = bytes.split_at(left.min(bytes.len()));
                    self.text.extend_from_slice(part);
                    bytes = rest;
                    self.chunk = if part.len() == left { Chunk::Behind } else { Chunk::Inside(left - part.len()) };
                }
                Chunk::Behind => {
                    bytes = rest;
                    if *first == b'\n' {
                        self.chunk = Chunk::Size(0);
                    }
                }
            }
        }
        Fed::More
    }
}

#[derive(Deserialize)]
struct Opened {
    subscriptions: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    channel: ChannelName,
    outcome: String,
    epoch: Option<Epoch>,
    offset: Option<u64>,
    from: Option<u64>,
    to: Option<u64>,
}

/// Where a stream begins on each channel, if this is its event `open`.
pub fn opened(json: &[u8]) -> Option<Vec<(ChannelName, Attached)>> {
    if !json.starts_with(br#"{"type":"open""#) {
        return None;
    }
    let opened: Opened = serde_json::from_slice(json).ok()?;
    let attached = |entry: Entry| {
        let range = entry.from.zip(entry.to).map(|(from, to)| Range { from, to });
        let outcome = match (entry.outcome.as_str(), range) {
            ("continued", Some(replay)) => Outcome::Continued { replay },
            // The reason makes no difference here.
            ("gap", Some(lost)) => Outcome::Gap { lost, reason: GapReason::Lost },
            (_, replay) => Outcome::Fresh { replay },
        };
        let head = entry.epoch.zip(entry.offset).map(|(epoch, offset)| Position::new(epoch, offset));
        (entry.channel, Attached { outcome, head })
    };
    Some(opened.subscriptions.into_iter().map(attached).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

    fn stream() -> Vec<u8> {
        let mut stream = HEAD.to_vec();
        for text in [
            "event: open\ndata: {\"type\":\"open\",\"subscriptions\":[]}\n\n",
            ":\n\nid: a.7\ndata: {\"type\":\"mess",
            "age\"}\n\n",
        ] {
            stream.extend(format!("{:x}\r\n{text}\r\n", text.len()).into_bytes());
        }
        stream.extend(b"0\r\n\r\n");
        stream
    }

    #[test]
    fn a_stream_means_the_same_however_it_is_cut() {
        let stream = stream();
        for size in [1, 2, 3, 7, 50, stream.len()] {
            let (mut events, mut seen, mut inside, mut fed) = (Events::default(), Vec::new(), false, Fed::More);
            for mut part in stream.chunks(size) {
                if !inside {
                    let Some(rest) = events.head(part) else { continue };
                    (inside, part) = (true, rest.expect("200"));
                }
                if fed == Fed::More {
                    fed = events.feed(part, |json| seen.push(String::from_utf8_lossy(json).into_owned()));
                }
            }
            assert_eq!(seen, [r#"{"type":"open","subscriptions":[]}"#, r#"{"type":"message"}"#], "parts of {size}");
            assert_eq!((events.last_id(), fed), (Some("a.7"), Fed::Ended), "parts of {size}");
            events.begin();
            assert_eq!(events.last_id(), Some("a.7"));
        }
    }

    #[test]
    fn what_is_no_stream_is_refused() {
        assert_eq!(Events::default().head(b"HTTP/1.1 403 Forbidden\r\n\r\n"), Some(None));
        let mut events = Events::default();
        events.head(HEAD).expect("whole");
        assert_eq!(events.feed(b"xyz", |_| {}), Fed::Broken);
    }

    #[test]
    fn the_first_event_says_where_each_channel_begins() {
        let json = br#"{"type":"open","subscriptions":[
            {"channel":"feed:a","outcome":"fresh","epoch":"1","offset":7},
            {"channel":"feed:b","outcome":"continued","epoch":"1","offset":9,"from":5,"to":9}]}"#;
        let starts: Vec<_> = opened(json).expect("open").iter().map(|(_, attached)| attached.start()).collect();
        assert_eq!(starts, [7, 4]);
        assert!(opened(br#"{"type":"message"}"#).is_none());
    }
}
