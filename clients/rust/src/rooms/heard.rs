//! A message of the hub, read as what happened in a room or to oneself. Total on input: what is not known changes nothing.

use hubbub_protocol::room::{Event, OwnEvent};
use hubbub_protocol::{ChannelName, Message, UserId};

/// A message that was read.
#[derive(Debug)]
pub(super) struct Heard<'a> {
    pub(super) message: &'a Message,
    pub(super) what: What,
}

/// What happened.
#[derive(Debug)]
pub(super) enum What {
    /// In a room.
    Room(Event),
    /// In the own channel of whoever looks.
    Own(OwnEvent),
    /// Something that this version does not know. It has its place in the log all the same.
    Unknown,
}

impl<'a> Heard<'a> {
    /// Reads a message for a viewer.
    pub(super) fn of(message: &'a Message, viewer: &UserId) -> Self {
        let data = message.data.get();
        let what = if is_own(&message.channel, viewer) {
            serde_json::from_str(data).map(What::Own)
        } else {
            serde_json::from_str(data).map(What::Room)
        };
        Self { message, what: what.unwrap_or(What::Unknown) }
    }

    /// Its offset; 0 for what has no place in a log.
    pub(super) fn offset(&self) -> u64 {
        self.message.position.map_or(0, |position| position.offset)
    }

    /// Whether the viewer did it.
    pub(super) fn is_by(&self, user: &UserId) -> bool {
        self.message.from.as_ref() == Some(user)
    }
}

/// Whether a channel is that of the viewer alone.
pub(super) fn is_own(channel: &ChannelName, viewer: &UserId) -> bool {
    channel.namespace() == "user" && channel.name() == viewer.as_str()
}
