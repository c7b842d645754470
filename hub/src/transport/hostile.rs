//! Reads bytes as the connection of a newcomer would, without a socket: for fuzzing and for the hostile tests.

use hubbub_protocol::{json, limits};
use tungstenite::Message;

use super::codec::{Inbound, Parsers};
use crate::session::decide::{Decision, Phase, decide};

/// Feeds the bytes in pieces of at most `piece`; answers how many messages came out, and whether the connection would be
/// closed for what was sent.
pub fn read_as_newcomer(bytes: &[u8], piece: usize) -> (u64, bool) {
    let (mut parsers, mut inbound) = (Parsers::new(limits::FRAME_BYTES), Inbound::default());
    let (mut messages, mut replies, mut read) = (Vec::new(), Vec::new(), 0);
    for chunk in bytes.chunks(piece.max(1)) {
        let fed = inbound.feed(&mut parsers, chunk, &mut messages, &mut replies);
        for message in messages.drain(..) {
            read += 1;
            let refused = match &message {
                Message::Text(text) => matches!(decide(Phase::Fresh, json::decode(text)), Decision::Close(..)),
                Message::Binary(_) | Message::Close(_) => true,
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => false,
            };
            if refused {
                return (read, true);
            }
        }
        if fed.is_err() {
            return (read, true);
        }
    }
    (read, false)
}
