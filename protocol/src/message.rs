//! Messages: what a channel carries.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::channel::{ChannelName, UserId};
use crate::id::MessageId;
use crate::position::{Epoch, OFFSET_MAX, Position, PositionError};

/// Longest idempotency key or conflate key, in bytes.
pub const KEY_MAX: usize = 128;

/// The text is not a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key is 1 to {KEY_MAX} bytes of text without control characters")]
pub struct KeyError;

/// An idempotency key or a conflate key: short text chosen by the publisher.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Key(Arc<str>);

impl Key {
    /// Checks the text and keeps it.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let valid = (1..=KEY_MAX).contains(&text.len()) && !text.chars().any(char::is_control);
        if valid { Ok(Self(text.into())) } else { Err(KeyError) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// What the publisher sent: one JSON value, kept as the text it came as and never parsed into a tree.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Data(Arc<RawValue>);

impl Data {
    /// Takes a checked JSON text.
    pub fn from_raw(raw: &RawValue) -> Self {
        Self(raw.to_owned().into())
    }

    /// Checks that the text is one JSON value and keeps it.
    pub fn parse(text: String) -> Result<Self, serde_json::Error> {
        RawValue::from_string(text).map(|raw| Self(raw.into()))
    }

    /// The JSON text.
    pub fn get(&self) -> &str {
        self.0.get()
    }
}

impl PartialEq for Data {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl Eq for Data {}

impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.get())
    }
}

/// A message as every subscriber of its channel sees it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(into = "WireMessage", try_from = "WireMessage")]
pub struct Message {
    /// Where it was published.
    pub channel: ChannelName,
    /// Its id.
    pub id: MessageId,
    /// Its place in the log; `None` on a channel without one.
    pub position: Option<Position>,
    /// When the hub took it, in milliseconds since 1970.
    pub time: u64,
    /// The user who published it; `None` when a service did without naming one.
    pub from: Option<UserId>,
    /// The publisher's idempotency key, by which a client recognises its own.
    pub key: Option<Key>,
    /// Messages of a channel with the same conflate key replace each other.
    pub conflate_key: Option<Key>,
    /// What was published.
    pub data: Data,
}

/// A message as it is written: epoch and offset stand beside the other fields. (Serde's `flatten` would
/// buffer the fields and lose the raw text of `data`.)
#[derive(Serialize, Deserialize)]
pub(crate) struct WireMessage {
    channel: ChannelName,
    id: MessageId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    epoch: Option<Epoch>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
    time: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<UserId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<Key>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    conflate_key: Option<Key>,
    data: Data,
}

impl From<Message> for WireMessage {
    fn from(message: Message) -> Self {
        let Message { channel, id, position, time, from, key, conflate_key, data } = message;
        let (epoch, offset) = (position.map(|p| p.epoch), position.map(|p| p.offset));
        Self { channel, id, epoch, offset, time, from, key, conflate_key, data }
    }
}

impl TryFrom<WireMessage> for Message {
    type Error = PositionError;

    fn try_from(wire: WireMessage) -> Result<Self, PositionError> {
        let WireMessage { channel, id, epoch, offset, time, from, key, conflate_key, data } = wire;
        let position = match (epoch, offset) {
            (Some(epoch), Some(offset)) if offset <= OFFSET_MAX => Some(Position::new(epoch, offset)),
            (None, None) => None,
            _ => return Err(PositionError::Offset),
        };
        Ok(Self { channel, id, position, time, from, key, conflate_key, data })
    }
}

impl Message {
    /// About how many bytes the message takes in memory and in a log's budget.
    pub fn cost(&self) -> usize {
        // The fixed part stands for ids, times, names and the containers' own overhead.
        const FIXED: usize = 160;
        let keys = [&self.key, &self.conflate_key].into_iter().flatten().map(|k| k.as_str().len()).sum::<usize>();
        FIXED + self.data.get().len() + keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_keeps_its_text() {
        let text = "{ \"a\":1e400,\n \"a\" : [ ] }";
        let data = Data::parse(text.to_owned()).expect("json");
        assert_eq!(data.get(), text);
        assert!(Data::parse("{".to_owned()).is_err());
        assert!(Data::parse("1 2".to_owned()).is_err());
    }

    #[test]
    fn keys_are_short_and_printable() {
        assert!(Key::parse("c0ffee/ß").is_ok());
        for bad in ["", "a\nb", "\0", &"k".repeat(KEY_MAX + 1)] {
            assert!(Key::parse(bad).is_err(), "{bad:?}");
        }
    }
}
