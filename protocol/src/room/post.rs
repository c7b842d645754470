//! A message of a room as it is now: what was said, and what became of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::words::Role;
use crate::channel::UserId;
use crate::id::MessageId;

/// A message of a room.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Post {
    /// Its id: that of the event that made it.
    pub id: MessageId,
    /// The offset of that event.
    pub offset: u64,
    /// Counts the messages outside threads, or those of its thread.
    pub ordinal: u64,
    /// When it was sent, in milliseconds since 1970.
    pub time: u64,
    /// Its author; `None` for a service, or somebody who was erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<UserId>,
    /// The idempotency key that it was sent with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What it says.
    pub text: String,
    /// Stretches of the text with a meaning.
    pub entities: Vec<Entity>,
    /// What goes with it.
    pub attachments: Vec<Attachment>,
    /// What its links lead to.
    pub unfurls: Vec<Unfurl>,
    /// The message that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<MessageId>,
    /// The message that it hangs under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<MessageId>,
    /// How often it was edited.
    pub version: u32,
    /// When it was edited last.
    pub edited: Option<u64>,
    /// Whoever deleted it.
    pub deleted: Option<DeletedBy>,
    /// Whether it is pinned.
    pub pinned: bool,
    /// Reactions by emoji.
    pub reactions: BTreeMap<String, Count>,
    /// How many messages hang under it.
    pub replies: u64,
    /// When the last of them came.
    pub replied: Option<u64>,
}

/// How many reactions with one emoji.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Count {
    /// Of all.
    pub count: u64,
    /// Of whoever looks.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub mine: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Who deleted a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeletedBy {
    /// Its author.
    Author,
    /// Somebody who keeps order, or a service.
    Moderator,
}

/// A stretch of a text with a meaning. Counted in UTF-16 units.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Entity {
    /// What it means.
    #[serde(flatten)]
    pub mark: Mark,
    /// Where it begins.
    pub from: u32,
    /// Where it ends: the first unit behind it.
    pub to: u32,
}

/// What a stretch means.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Mark {
    /// Strong.
    Bold,
    /// Emphasised.
    Italic,
    /// Struck out.
    Strike,
    /// Code within a line.
    Code,
    /// Lines of code.
    Pre,
    /// Said by somebody else.
    Quote,
    /// Leads somewhere.
    Link {
        /// http, https or mailto; at most 2,048 bytes.
        url: String,
    },
    /// Names a member. Found by the hub.
    Mention {
        /// Whom.
        user: UserId,
    },
    /// Names the whole room. Found by the hub.
    MentionAll,
    /// Names those of a role. Found by the hub.
    MentionRole {
        /// Which.
        role: Role,
    },
}

impl Mark {
    /// Whether clients may say it, not the hub alone.
    pub fn is_format(&self) -> bool {
        !matches!(self, Self::Mention { .. } | Self::MentionAll | Self::MentionRole { .. })
    }
}

/// A file that lies elsewhere.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Attachment {
    /// The platform's name for it, at most 200 bytes.
    pub id: String,
    /// What it is called, at most 255 bytes.
    pub name: String,
    /// Its media type, e.g. `image/png`, at most 100 bytes.
    #[serde(rename = "type")]
    pub media: String,
    /// Its size in bytes.
    pub size: u64,
    /// Where it is: https, at most 2,048 bytes.
    pub url: String,
}

/// What a link in a message leads to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Unfurl {
    /// The link, at most 2,048 bytes.
    pub url: String,
    /// The title there, at most 300 bytes.
    #[serde(default)]
    pub title: String,
    /// What it is about, at most 1,000 bytes.
    #[serde(default)]
    pub description: String,
    /// A picture of it: https, at most 2,048 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
}
