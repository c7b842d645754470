//! Bytes in memory become WebSocket messages. tungstenite parses and checks; it owns no socket and keeps no bytes of an idle
//! connection.
//!
//! A shard has one parser that all its connections borrow. To lend it, one must know that the connection stands between two
//! frames: [`Boundary`] follows the frame headers for that. A connection in the middle of a frame or of a fragmented message
//! takes the parser along until it has ended.

use std::io::{self, Cursor, Read, Write};

use hubbub_protocol::CloseCode;
use tungstenite::Message;
use tungstenite::error::Error;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::OpCode;
use tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};

/// Longest header of a frame, in bytes (RFC 6455, 5.2).
const HEADER_BYTES: usize = 14;

/// What a parser reads ahead at once, in bytes.
const READ_BYTES: usize = 4 * 1024;

/// Parsers of one shard for one frame limit.
#[derive(Debug)]
pub(super) struct Parsers {
    idle: Option<Box<WebSocketContext>>,
    frame_bytes: usize,
}

impl Parsers {
    /// Parsers that take frames and messages of at most `frame_bytes`.
    pub(super) fn new(frame_bytes: usize) -> Self {
        Self { idle: None, frame_bytes }
    }

    fn take(&mut self) -> Box<WebSocketContext> {
        self.idle.take().unwrap_or_else(|| {
            let config = WebSocketConfig::default()
                .read_buffer_size(READ_BYTES)
                .write_buffer_size(0)
                // Only control frames are written by the parser: answers to pings and to a close.
                .max_write_buffer_size(READ_BYTES)
                .max_message_size(Some(self.frame_bytes))
                .max_frame_size(Some(self.frame_bytes))
                .accept_unmasked_frames(false);
            Box::new(WebSocketContext::new(Role::Server, Some(config)))
        })
    }
}

/// What of a connection's bytes has been read so far.
#[derive(Debug, Default)]
pub(super) struct Inbound {
    boundary: Boundary,
    /// The parser, while the connection stands within a frame or message.
    parser: Option<Box<WebSocketContext>>,
}

impl Inbound {
    /// Parses bytes: messages go to `messages`, pongs to `replies`. The answer to a goodbye comes last, behind whatever the
    /// messages cause.
    pub(super) fn feed(
        &mut self,
        parsers: &mut Parsers,
        mut input: &[u8],
        messages: &mut Vec<Message>,
        replies: &mut Vec<u8>,
    ) -> Result<Fed, CloseCode> {
        let mut parser = self.parser.take().unwrap_or_else(|| parsers.take());
        while !input.is_empty() {
            let (frame, rest) = input.split_at(self.boundary.cut(input));
            input = rest;
            let fed = parse(&mut parser, frame, messages, replies).map_err(|error| code_of(&error))?;
            if let Fed::Goodbye(_) = fed {
                // The parser is used up: lent again, it would refuse everything.
                return Ok(fed);
            }
        }
        if self.boundary.is_between_messages() {
            parsers.idle = Some(parser);
        } else {
            self.parser = Some(parser);
        }
        Ok(Fed::All)
    }

    /// Whether it stands between two messages: then nothing of it has to be kept.
    pub(super) fn is_idle(&self) -> bool {
        self.parser.is_none() && self.boundary.is_between_messages()
    }
}

/// How far the bytes went.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Fed {
    /// All of them are read.
    All,
    /// The peer said goodbye, and this is the answer; what follows is not looked at.
    Goodbye(Vec<u8>),
}

fn parse(
    parser: &mut WebSocketContext,
    input: &[u8],
    messages: &mut Vec<Message>,
    replies: &mut Vec<u8>,
) -> Result<Fed, Error> {
    let mut stream = Memory { input, output: replies };
    loop {
        let before = stream.output.len();
        match parser.read(&mut stream) {
            Ok(message) => messages.push(message),
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => break,
            // The parser reads nothing before it has written the answer: these bytes are that and nothing else.
            Err(Error::ConnectionClosed) => return Ok(Fed::Goodbye(stream.output.split_off(before))),
            Err(error) => return Err(error),
        }
    }
    parser.flush(&mut stream).map(|()| Fed::All)
}

fn code_of(error: &Error) -> CloseCode {
    match error {
        Error::Capacity(_) => CloseCode::TooLarge,
        Error::Utf8(_) => CloseCode::InvalidText,
        _ => CloseCode::Protocol,
    }
}

/// A stream over bytes that are there; at their end it would block.
struct Memory<'a> {
    input: &'a [u8],
    output: &'a mut Vec<u8>,
}

impl Read for Memory<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.input.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.input.read(into)
    }
}

impl Write for Memory<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Follows the frames of a connection: where the current one ends, and whether a message does.
#[derive(Debug, Default)]
struct Boundary {
    /// The beginning of a header that has not come whole.
    header: Vec<u8>,
    /// Payload bytes of the current frame that have not come.
    left: u64,
    /// Whether the current message goes on in another frame.
    fragmented: bool,
}

impl Boundary {
    /// How many of these bytes belong to the current frame; all of them when the frame is not whole or not valid.
    fn cut(&mut self, input: &[u8]) -> usize {
        let mut used = 0;
        if self.left == 0 {
            let known = self.header.len();
            self.header.extend_from_slice(&input[..input.len().min(HEADER_BYTES - known.min(HEADER_BYTES))]);
            let mut cursor = Cursor::new(self.header.as_slice());
            match FrameHeader::parse(&mut cursor) {
                Ok(Some((header, length))) => {
                    used = cursor.position() as usize - known;
                    self.left = length;
                    if matches!(header.opcode, OpCode::Data(_)) {
                        self.fragmented = !header.is_final;
                    }
                    self.header = Vec::new();
                }
                // Not whole yet, or the parser will say what is wrong with it.
                Ok(None) | Err(_) => return input.len(),
            }
        }
        let payload = self.left.min((input.len() - used) as u64);
        self.left -= payload;
        used + payload as usize
    }

    fn is_between_messages(&self) -> bool {
        self.left == 0 && self.header.is_empty() && !self.fragmented
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tungstenite::protocol::frame::Frame;
    use tungstenite::protocol::frame::coding::{Control, Data};

    use super::*;

    const LIMIT: usize = 2_000;

    fn masked(payload: &[u8], opcode: OpCode, last: bool) -> Vec<u8> {
        let header = FrameHeader { is_final: last, opcode, mask: Some([1, 2, 3, 4]), ..FrameHeader::default() };
        let mut bytes = Vec::new();
        Frame::from_payload(header, payload.to_vec().into()).format(&mut bytes).expect("memory");
        bytes
    }

    fn read_in_pieces(bytes: &[u8], pieces: &[usize]) -> (Vec<Message>, Vec<u8>, Result<(), CloseCode>, bool) {
        let (mut parsers, mut inbound) = (Parsers::new(LIMIT), Inbound::default());
        let (mut messages, mut replies, mut rest) = (Vec::new(), Vec::new(), bytes);
        let mut sizes = pieces.iter().cycle();
        while !rest.is_empty() {
            let (piece, after) = rest.split_at((*sizes.next().unwrap_or(&1)).clamp(1, rest.len()));
            rest = after;
            match inbound.feed(&mut parsers, piece, &mut messages, &mut replies) {
                Ok(Fed::All) => {}
                Ok(Fed::Goodbye(answer)) => {
                    replies.extend(answer);
                    break;
                }
                Err(code) => return (messages, replies, Err(code), false),
            }
        }
        (messages, replies, Ok(()), inbound.parser.is_none())
    }

    #[test]
    fn pings_are_answered_and_closes_echoed() {
        let ping = masked(b"hi", OpCode::Control(Control::Ping), true);
        let (_, replies, result, lent) = read_in_pieces(&ping, &[usize::MAX]);
        assert_eq!((replies.as_slice(), result, lent), (&[0x8a, 2, b'h', b'i'][..], Ok(()), true));
        let close = masked(&4_000u16.to_be_bytes(), OpCode::Control(Control::Close), true);
        let (messages, replies, result, _) = read_in_pieces(&close, &[usize::MAX]);
        assert!(matches!(messages.as_slice(), [Message::Close(Some(_))]));
        assert_eq!((replies.as_slice(), result), (&[0x88, 2, 0x0f, 0xa0][..], Ok(())));
    }

    #[test]
    fn a_goodbye_does_not_spoil_the_parser_of_others() {
        let (mut parsers, mut messages, mut replies) = (Parsers::new(LIMIT), Vec::new(), Vec::new());
        for round in 0..3 {
            let text = masked(b"hi", OpCode::Data(Data::Text), true);
            let close = masked(&4_000u16.to_be_bytes(), OpCode::Control(Control::Close), true);
            let mut inbound = Inbound::default();
            let fed = inbound.feed(&mut parsers, &[text, close].concat(), &mut messages, &mut replies);
            assert_eq!(fed, Ok(Fed::Goodbye(vec![0x88, 2, 0x0f, 0xa0])));
            assert_eq!((messages.len(), replies.len()), (2 * (round + 1), 0));
        }
    }

    #[test]
    fn what_breaks_the_protocol_has_a_code() {
        let text = OpCode::Data(Data::Text);
        let mut unmasked = Vec::new();
        Frame::message(&b"x"[..], text, true).format(&mut unmasked).expect("memory");
        let table = [
            (unmasked, CloseCode::Protocol),
            (masked(&[0xff, 0xfe], text, true), CloseCode::InvalidText),
            (masked(&[b'x'; LIMIT + 1], text, true), CloseCode::TooLarge),
            (masked(b"x", OpCode::Data(Data::Continue), true), CloseCode::Protocol),
            (masked(&[b'x'; 126], OpCode::Control(Control::Ping), true), CloseCode::Protocol),
            (vec![0xf1, 0x80, 0, 0, 0, 0], CloseCode::Protocol),
            (vec![0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0], CloseCode::TooLarge),
        ];
        for (bytes, code) in table {
            assert_eq!(read_in_pieces(&bytes, &[usize::MAX]).2, Err(code), "{bytes:02x?}");
        }
    }

    proptest! {
        /// However the bytes are cut, the same messages come out, and the parser is given back exactly at the end.
        #[test]
        fn pieces_do_not_matter(
            texts in prop::collection::vec((prop::collection::vec("[a-z]{0,200}", 1..4), any::<bool>()), 1..12),
            pieces in prop::collection::vec(1usize..300, 1..20),
        ) {
            let mut bytes = Vec::new();
            for (fragments, ping_between) in &texts {
                let count = fragments.len();
                for (index, fragment) in fragments.iter().enumerate() {
                    let opcode = if index == 0 { Data::Text } else { Data::Continue };
                    bytes.extend(masked(fragment.as_bytes(), OpCode::Data(opcode), index + 1 == count));
                    if *ping_between {
                        bytes.extend(masked(b"", OpCode::Control(Control::Ping), true));
                    }
                }
            }
            let (messages, _, result, lent) = read_in_pieces(&bytes, &pieces);
            prop_assert_eq!(result, Ok(()));
            prop_assert!(lent, "nothing is kept between messages");
            let expected: Vec<String> = texts.iter().map(|(fragments, _)| fragments.concat()).collect();
            let got: Vec<String> = messages.into_iter().filter(Message::is_text).map(|m| m.to_string()).collect();
            prop_assert_eq!(got, expected);
        }

        /// Noise never panics, and never makes the parser hold more than a message.
        #[test]
        fn noise_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..600), pieces in prop::collection::vec(1usize..100, 1..9)) {
            let _ = read_in_pieces(&bytes, &pieces);
        }
    }
}
