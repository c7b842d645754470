//! The finished frames of one channel, one behind the other, so that a write takes as many as wait.

use hubbub_protocol::{ChannelName, Data, Epoch, Message, MessageId, Position, ServerFrame, json};

use crate::frame::{TEXT, server_frame};

/// What nobody needs any more is thrown away when there is so much of it, in bytes.
const FORGET_BYTES: usize = 1024 * 1024;

/// The frames of one channel.
#[derive(Debug, Default)]
pub(super) struct Log {
    frames: Vec<u8>,
    /// Bytes thrown away before `frames`.
    start: u64,
    offset: u64,
}

impl Log {
    /// The last offset.
    pub(super) fn head(&self) -> u64 {
        self.offset
    }

    /// Where the next frame will begin.
    pub(super) fn end(&self) -> u64 {
        self.start + self.frames.len() as u64
    }

    /// Everything from a place on.
    pub(super) fn from(&self, place: u64) -> &[u8] {
        &self.frames[(place.saturating_sub(self.start) as usize).min(self.frames.len())..]
    }

    /// Appends the frame of a message; the result as the internal API would give it.
    pub(super) fn append(&mut self, channel: &str, data: &str) -> String {
        self.offset += 1;
        let (Ok(name), Ok(data)) = (ChannelName::parse(channel), Data::parse(data.to_owned())) else {
            return r#"{"code":"bad_request"}"#.to_owned();
        };
        let id = MessageId::from_parts(1_763_600_000_000, u128::from(self.offset));
        let message = Message {
            channel: name,
            id,
            position: Some(Position::new(Epoch::from_u64(1 << 60), self.offset)),
            time: 1_763_600_000_000,
            from: None,
            key: None,
            conflate_key: None,
            data,
        };
        self.frames.extend(server_frame(TEXT, &json::encode(&ServerFrame::Message(message))));
        format!(r#"{{"channel":"{channel}","id":"{id}","epoch":"x","offset":{},"time":1}}"#, self.offset)
    }

    /// Throws away what lies before a place, when it is much.
    pub(super) fn forget(&mut self, before: u64) {
        let length = before.saturating_sub(self.start) as usize;
        if length >= FORGET_BYTES {
            self.frames.drain(..length.min(self.frames.len()));
            self.start = before;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_stays_valid_while_the_past_is_forgotten() {
        let mut log = Log::default();
        let data = format!("\"{}\"", "x".repeat(100_000));
        let mut places = vec![];
        for _ in 0..30 {
            places.push(log.end());
            log.append("live:a", &data);
        }
        let before = log.from(places[20]).to_vec();
        log.forget(places[20]);
        assert_eq!(log.from(places[20]), before);
        assert!(log.frames.len() < 1_100_000 + FORGET_BYTES, "{}", log.frames.len());
        assert_eq!((log.head(), log.from(log.end()).len()), (30, 0));
    }
}
