//! Messages: saying something, what becomes of it, and finding it again.

use serde::{Deserialize, Serialize};

use super::{fifty, one, twenty, yes};
use crate::channel::{ChannelName, UserId};
use crate::id::MessageId;
use crate::room::post::{Attachment, Entity, Unfurl};

body! {
    /// Something to say.
    Send {
        /// Where.
        channel: ChannelName,
        /// What.
        text: String,
        /// Stretches of the text with a meaning.
        entities: Vec<Entity> = "Vec::new",
        /// What goes with it.
        attachments: Vec<Attachment> = "Vec::new",
        /// The message that it answers.
        reply_to: Option<MessageId>,
        /// The message that it hangs under.
        thread: Option<MessageId>,
        /// Send it then, in milliseconds since 1970.
        at: Option<u64>,
    }
}
body! {
    /// Other words for a message.
    Edit {
        /// Where.
        channel: ChannelName,
        /// Which message.
        message: MessageId,
        /// What it says from now on.
        text: String,
        /// Stretches of the text with a meaning.
        entities: Vec<Entity> = "Vec::new",
    }
}
body! {
    /// A message to be taken back.
    Delete {
        /// Where.
        channel: ChannelName,
        /// Which message.
        message: MessageId,
        /// Without a trace.
        hard: bool = "bool::default",
    }
}
body! {
    /// Messages to be deleted.
    BulkDelete {
        /// Where.
        channel: ChannelName,
        /// These, at most 100.
        messages: Vec<MessageId> = "Vec::new",
        /// Or the newest ones of this user.
        user: Option<UserId>,
        /// Not older than this time.
        since: u64 = "u64::default",
        /// Without a trace.
        hard: bool = "bool::default",
    }
}
body! {
    /// What links lead to.
    SetUnfurls {
        /// Where.
        channel: ChannelName,
        /// Of which message.
        message: MessageId,
        /// What was found, at most 10.
        unfurls: Vec<Unfurl>,
    }
}
body! {
    /// A pin.
    Pin {
        /// Where.
        channel: ChannelName,
        /// Of which message.
        message: MessageId,
        /// Whether it is pinned from now on.
        pinned: bool = "yes",
    }
}
body! {
    /// A reaction.
    React {
        /// Where.
        channel: ChannelName,
        /// To which message.
        message: MessageId,
        /// Which.
        emoji: String,
        /// How often from now on; 0 takes it back.
        count: u64 = "one",
    }
}
body! {
    /// Somebody is writing.
    Typing {
        /// Where.
        channel: ChannelName,
        /// In which thread.
        thread: Option<MessageId>,
    }
}
body! {
    /// A page of messages.
    Messages {
        /// Of which room.
        channel: ChannelName,
        /// Before this offset.
        before: Option<u64>,
        /// Behind this offset.
        after: Option<u64>,
        /// Around a place.
        around: Option<Around>,
        /// Those of a thread.
        thread: Option<MessageId>,
        /// At most so many, up to 200.
        limit: u32 = "fifty",
    }
}
body! {
    /// One message.
    OfMessage {
        /// Of which room.
        channel: ChannelName,
        /// Which.
        message: MessageId,
    }
}
body! {
    /// What will be sent.
    Scheduled {
        /// Into this room alone.
        channel: Option<ChannelName>,
    }
}
body! {
    /// Something not to be sent after all.
    Unschedule {
        /// Where.
        channel: ChannelName,
        /// What.
        task: String,
    }
}
body! {
    /// Words to look for.
    Search {
        /// The words.
        text: String,
        /// In this room alone.
        channel: Option<ChannelName>,
        /// Of this author alone.
        from: Option<UserId>,
        /// `next` of the page before.
        before: Option<String>,
        /// At most so many, up to 50.
        limit: u32 = "twenty",
    }
}

/// Around what a page lies.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Around {
    /// An offset.
    Offset(u64),
    /// A message.
    Message(MessageId),
    /// The first one that is not read.
    Unread(Unread),
}

/// The first message that is not read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unread {
    /// It.
    Unread,
}
