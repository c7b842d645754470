//! One simulated subscriber, as a state over bytes: upgrade, greeting, subscription, messages. Does no I/O.

use serde::{Deserialize, Serialize};

use crate::audit::Audit;
use crate::frame::{self, Carry};

/// How far a subscriber has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// The upgrade has no answer yet.
    Upgrading,
    /// The frames `connect` and `subscribe` have no answer yet.
    Greeting,
    /// Messages come.
    Live,
    /// The hub closed, refused, or sent something that it may not.
    Over(End),
}

/// Why a subscriber is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum End {
    /// Closed with this code, 0 without one.
    Closed(u16),
    /// The upgrade, the session or the subscription was refused.
    Refused,
    /// Bytes came that are not the protocol.
    Broken,
    /// Given up, because the answer to the greeting did not come in time.
    Overdue,
}

/// What must be written now.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Wants {
    /// The frames `connect` and `subscribe`.
    pub greeting: bool,
    /// The answer to a ping of the hub.
    pub pong: bool,
    /// The answer to a ping of the WebSocket.
    pub control_pong: bool,
}

/// Where a message carries the time at which it was due: `data` is `{"t":"<20 digits>","w":"<3 digits>",…}` of
/// a known length at the end of the frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamps {
    /// The length of `data`.
    pub data_bytes: usize,
}

/// What one read brought, for all subscribers of a thread together.
pub trait Tally {
    /// A message that was due at `due_ns` of measurement window `window`.
    fn message(&mut self, due_ns: u64, window: usize);
}

/// One simulated subscriber.
#[derive(Debug)]
pub struct Connection {
    /// How far it has come.
    pub stage: Stage,
    /// The account of its messages.
    pub audit: Audit,
    carry: Carry,
    hint: usize,
}

const OFFSET: &[u8] = br#""offset":"#;
const TEXT: &[u8] = br#""text":""#;
/// About where it stands.
const TEXT_HINT: usize = 200;
/// More than there are windows.
const WINDOWS: u64 = 1_000;

impl Default for Connection {
    fn default() -> Self {
        Self { stage: Stage::Upgrading, audit: Audit::default(), carry: Carry::default(), hint: 0 }
    }
}

impl Connection {
    /// Takes what was read.
    pub fn feed(&mut self, mut bytes: &[u8], stamps: Option<Stamps>, tally: &mut impl Tally) -> Wants {
        let mut wants = Wants::default();
        if self.stage == Stage::Upgrading {
            let Some((head, rest)) = self.carry.head(bytes) else { return wants };
            if !head.starts_with(b"HTTP/1.1 101 ") {
                self.stage = Stage::Over(End::Refused);
                return wants;
            }
            (self.stage, wants.greeting, bytes) = (Stage::Greeting, true, rest);
        }
        let mut carry = std::mem::take(&mut self.carry);
        let whole = carry.frames(bytes, |opcode, payload| {
            self.frame(opcode, payload, stamps, tally, &mut wants);
            !matches!(self.stage, Stage::Over(_))
        });
        self.carry = carry;
        if !whole {
            self.stage = Stage::Over(End::Broken);
        }
        wants
    }

    /// The connection ended without a close frame.
    pub fn gone(&mut self) {
        if !matches!(self.stage, Stage::Over(_)) {
            self.stage = Stage::Over(End::Closed(0));
        }
    }

    #[inline]
    fn frame(&mut self, opcode: u8, payload: &[u8], stamps: Option<Stamps>, tally: &mut impl Tally, wants: &mut Wants) {
        if opcode == frame::TEXT && frame::is_message(payload) {
            if let Some(offset) = frame::number(payload, OFFSET, &mut self.hint) {
                self.audit.message(offset);
            } else {
                self.audit.received += 1;
            }
            if let Some((due_ns, window)) = stamps.and_then(|stamps| stamps.read(payload)) {
                tally.message(due_ns, window);
            }
        } else {
            self.other_frame(opcode, payload, wants);
        }
    }

    #[cold]
    fn other_frame(&mut self, opcode: u8, payload: &[u8], wants: &mut Wants) {
        match opcode {
            frame::TEXT if payload.starts_with(br#"{"type":"ping""#) => wants.pong = true,
            frame::TEXT if payload.starts_with(br#"{"type":"subscribed""#) => self.subscribed(payload),
            frame::TEXT if payload.starts_with(br#"{"type":"error""#) => self.stage = Stage::Over(End::Refused),
            frame::TEXT if payload.starts_with(br#"{"type":"gap""#) => self.gap(payload),
            frame::PING => wants.control_pong = true,
            frame::CLOSE => self.stage = Stage::Over(End::Closed(frame::close_code(payload).unwrap_or(0))),
            _ => {}
        }
    }

    fn subscribed(&mut self, payload: &[u8]) {
        self.stage = Stage::Live;
        self.audit.begin(frame::number(payload, OFFSET, &mut 0).unwrap_or(0));
    }

    fn gap(&mut self, payload: &[u8]) {
        let from = frame::number(payload, br#""from":"#, &mut 0);
        let to = frame::number(payload, br#""to":"#, &mut 0);
        if let (Some(from), Some(to)) = (from, to) {
            self.audit.gap(from, to);
        }
    }
}

impl Stamps {
    /// `data` with its stamps, exactly as long as promised.
    pub fn data(self, due_ns: u64, window: usize) -> String {
        let mut data = format!(r#"{{"t":"{due_ns:020}","w":"{window:03}","p":""#);
        let filling = self.data_bytes.saturating_sub(data.len() + 2);
        data.extend(std::iter::repeat_n('x', filling));
        data.push_str(r#""}"#);
        data
    }

    /// Not at the end of the frame: the time and the window are the beginning of what is said in a room.
    pub const SAID: Self = Self { data_bytes: 0 };

    /// A text for a room with its stamps.
    pub fn said(due_ns: u64, window: usize, more: &str) -> String {
        format!("{:020}{more}", due_ns * WINDOWS + window as u64)
    }

    /// The shortest `data` that holds the stamps.
    pub const LEAST_BYTES: usize = 45;

    #[inline]
    fn read(self, payload: &[u8]) -> Option<(u64, usize)> {
        if self == Self::SAID {
            let stamp = frame::number(payload, TEXT, &mut { TEXT_HINT })?;
            return Some((stamp / WINDOWS, (stamp % WINDOWS) as usize));
        }
        let start = payload.len().checked_sub(self.data_bytes + 1)?;
        let due = payload.get(start + 6..start + 26)?;
        let window = payload.get(start + 33..start + 36)?;
        Some((frame::digits(due)?, frame::digits(window)? as usize))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{TEXT, server_frame};

    #[derive(Default)]
    struct Seen(Vec<(u64, usize)>);

    impl Tally for Seen {
        fn message(&mut self, due_ns: u64, window: usize) {
            self.0.push((due_ns, window));
        }
    }

    const STAMPS: Stamps = Stamps { data_bytes: 64 };

    fn message(offset: u64) -> Vec<u8> {
        let data = STAMPS.data(offset * 1_000, 3);
        assert_eq!(data.len(), STAMPS.data_bytes);
        let text = format!(
            r#"{{"type":"message","channel":"live:a","id":"x","epoch":"1","offset":{offset},"time":1,"data":{data}}}"#
        );
        server_frame(TEXT, text.as_bytes())
    }

    fn stream() -> Vec<u8> {
        let mut stream = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n".to_vec();
        stream.extend(server_frame(TEXT, br#"{"type":"connected","session":"x"}"#));
        let subscribed =
            br#"{"type":"subscribed","id":1,"channel":"live:a","outcome":"fresh","epoch":"1","offset":41}"#;
        stream.extend(server_frame(TEXT, subscribed));
        (42..=50).for_each(|offset| stream.extend(message(offset)));
        stream.extend(server_frame(TEXT, br#"{"type":"ping"}"#));
        stream
    }

    #[test]
    fn the_shortest_data_holds_the_stamps() {
        assert_eq!(Stamps { data_bytes: 0 }.data(1, 1).len(), Stamps::LEAST_BYTES);
    }

    #[test]
    fn a_stream_means_the_same_however_it_is_cut() {
        let stream = stream();
        for size in [1, 2, 3, 7, 50, 200, stream.len()] {
            let (mut connection, mut seen, mut greetings, mut pongs) = (Connection::default(), Seen::default(), 0, 0);
            for part in stream.chunks(size) {
                let wants = connection.feed(part, Some(STAMPS), &mut seen);
                greetings += u32::from(wants.greeting);
                pongs += u32::from(wants.pong);
            }
            assert_eq!(connection.stage, Stage::Live, "parts of {size}");
            assert_eq!((greetings, pongs), (1, 1));
            assert_eq!((connection.audit.received, connection.audit.lost(50)), (9, 0));
            let due: Vec<_> = (42..=50).map(|offset| (offset * 1_000, 3)).collect();
            assert_eq!(seen.0, due);
        }
    }

    #[test]
    fn every_end_is_known() {
        let table: [(&[u8], Vec<u8>, End); 4] = [
            (b"HTTP/1.1 403 Forbidden\r\n\r\n", vec![], End::Refused),
            (b"HTTP/1.1 101 x\r\n\r\n", server_frame(TEXT, br#"{"type":"error","code":"forbidden"}"#), End::Refused),
            (b"HTTP/1.1 101 x\r\n\r\n", server_frame(frame::CLOSE, b"\x0f\xa1"), End::Closed(4001)),
            (b"HTTP/1.1 101 x\r\n\r\n", vec![0x01, 0x00], End::Broken),
        ];
        for (head, frame, end) in table {
            let mut connection = Connection::default();
            connection.feed(&[head, &frame].concat(), None, &mut Seen::default());
            assert_eq!(connection.stage, Stage::Over(end));
        }
        let mut connection = Connection::default();
        connection.gone();
        assert_eq!(connection.stage, Stage::Over(End::Closed(0)));
    }

    #[test]
    fn gaps_are_counted() {
        let mut connection = Connection { stage: Stage::Live, ..Connection::default() };
        let gap = br#"{"type":"gap","channel":"live:a","epoch":"1","from":1,"to":4,"reason":"lost"}"#;
        connection.feed(&server_frame(TEXT, gap), None, &mut Seen::default());
        assert_eq!((connection.audit.gaps, connection.audit.last()), (4, 4));
    }
}
