//! A reader that subscribes and then does not read, until it is told to; and can come back with its position.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use hubbub_protocol::frame::{Connect, Resume, Subscribe};
use hubbub_protocol::{ChannelName, ClientFrame, Epoch, Position, json};

use crate::audit::Audit;
use crate::frame::{self, CLOSE, Scan, TEXT, client_frame, scan};
use crate::socket::Dial;
use crate::{LoadError, during};

/// The kernel keeps at least so much for the reader, in bytes; little, so that the hub feels it soon.
const RECEIVE_BUFFER_BYTES: usize = 4_096;

/// A subscriber that reads when it is told to.
#[derive(Debug)]
pub(super) struct Stalled {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// What it got.
    pub(super) audit: Audit,
    epoch: Option<Epoch>,
    /// How its subscription began: `fresh`, `continued` or `gap`.
    pub(super) outcome: String,
}

impl Stalled {
    /// Opens, subscribes (or resumes), and reads up to the answer.
    pub(super) fn open(
        dial: &Dial,
        token: String,
        channel: &ChannelName,
        since: Option<Position>,
    ) -> Result<Self, LoadError> {
        let stalls = since.is_none().then_some(RECEIVE_BUFFER_BYTES);
        let stream = dial.connect(stalls).map_err(during("slow reader"))?;
        stream.set_read_timeout(Some(Duration::from_secs(30))).map_err(during("slow reader"))?;
        let mut reader =
            Self { stream, buffer: Vec::new(), audit: Audit::default(), epoch: None, outcome: String::new() };
        reader.write(&dial.upgrade())?;
        reader.upgraded()?;
        let entry = |since| Resume { channel: channel.clone(), since: Some(since), presence: false, conflate: false };
        let resume = since.map(entry).into_iter().collect();
        reader.say(&ClientFrame::Connect(Connect { token, client: None, resume }))?;
        let answer = if since.is_none() {
            let wish =
                Subscribe { channel: channel.clone(), since: None, rewind: None, presence: false, conflate: false };
            reader.say(&ClientFrame::Subscribe(1, wish))?;
            reader.wait_for(br#"{"type":"subscribed""#)?
        } else {
            reader.wait_for(br#"{"type":"connected""#)?
        };
        reader.begin(&answer, since);
        Ok(reader)
    }

    /// The place behind its last message.
    pub(super) fn position(&self) -> Option<Position> {
        self.epoch.map(|epoch| Position::new(epoch, self.audit.last()))
    }

    /// Reads all that comes until the connection ends; its close code, 0 without one.
    pub(super) fn drain(&mut self) -> Result<u16, LoadError> {
        loop {
            match self.next() {
                Ok((CLOSE, payload)) => return Ok(frame::close_code(&payload).unwrap_or(0)),
                Ok((opcode, payload)) => self.take(opcode, &payload),
                Err(LoadError::Io(_, error))
                    if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) =>
                {
                    return Ok(0);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads until it has the message at `head`.
    pub(super) fn read_to(&mut self, head: u64) -> Result<(), LoadError> {
        while self.audit.last() < head {
            let (opcode, payload) = self.next()?;
            if opcode == CLOSE {
                return Err(LoadError::Late(format!("closed at {} of {head}", self.audit.last())));
            }
            self.take(opcode, &payload);
        }
        Ok(())
    }

    fn take(&mut self, opcode: u8, payload: &[u8]) {
        let field = |name: &[u8]| frame::number(payload, name, &mut 0);
        if opcode != TEXT {
        } else if frame::is_message(payload) {
            if let Some(offset) = field(br#""offset":"#) {
                self.audit.message(offset);
            }
        } else if payload.starts_with(br#"{"type":"gap""#)
            && let (Some(from), Some(to)) = (field(br#""from":"#), field(br#""to":"#))
        {
            self.audit.gap(from, to);
        }
    }

    fn begin(&mut self, answer: &[u8], since: Option<Position>) {
        let text = String::from_utf8_lossy(answer);
        let field = |name: &str| {
            let (_, rest) = text.split_once(&format!("\"{name}\":\""))?;
            rest.split_once('"').map(|(value, _)| value.to_owned())
        };
        self.epoch = field("epoch").and_then(|epoch| Epoch::parse(&epoch).ok());
        self.outcome = field("outcome").unwrap_or_default();
        let head = frame::number(answer, br#""offset":"#, &mut 0).unwrap_or(0);
        self.audit.begin(since.map_or(head, |since| since.offset));
    }

    fn upgraded(&mut self) -> Result<(), LoadError> {
        while !self.buffer.windows(4).any(|window| window == b"\r\n\r\n") {
            self.read_more()?;
        }
        let end = self.buffer.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(0);
        if !self.buffer.starts_with(b"HTTP/1.1 101 ") {
            return Err(LoadError::Late("the upgrade of the slow reader was refused".into()));
        }
        self.buffer.drain(..end + 4);
        Ok(())
    }

    fn wait_for(&mut self, prefix: &[u8]) -> Result<Vec<u8>, LoadError> {
        loop {
            let (opcode, payload) = self.next()?;
            if payload.starts_with(prefix) {
                return Ok(payload);
            }
            if opcode == CLOSE || payload.starts_with(br#"{"type":"error""#) {
                let said = String::from_utf8_lossy(&payload).into_owned();
                return Err(LoadError::Late(format!("the slow reader was refused: {said}")));
            }
        }
    }

    fn next(&mut self) -> Result<(u8, Vec<u8>), LoadError> {
        loop {
            match scan(&self.buffer) {
                Scan::Frame { opcode, payload, length } => {
                    let payload = payload.to_vec();
                    self.buffer.drain(..length);
                    return Ok((opcode, payload));
                }
                Scan::Partial(_) => self.read_more()?,
                Scan::Broken => return Err(LoadError::Late("the slow reader got a broken frame".into())),
            }
        }
    }

    fn read_more(&mut self) -> Result<(), LoadError> {
        let mut part = [0; 4_096];
        match self.stream.read(&mut part).map_err(during("slow reader"))? {
            0 => Err(LoadError::Io("slow reader", ErrorKind::UnexpectedEof.into())),
            length => {
                self.buffer.extend_from_slice(&part[..length]);
                Ok(())
            }
        }
    }

    fn say(&mut self, frame: &ClientFrame) -> Result<(), LoadError> {
        self.write(&client_frame(TEXT, json::encode_client(frame).as_bytes()))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), LoadError> {
        self.stream.write_all(bytes).map_err(during("slow reader"))
    }
}
