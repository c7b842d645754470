//! A room, its members, and what the hub remembers of a user.

use serde::{Deserialize, Serialize};

use super::post::Post;
use crate::channel::{ChannelName, UserId};
use crate::id::MessageId;

/// Who may come in, and who may write.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoomKind {
    /// Everybody may look and join.
    Public,
    /// Who is invited.
    Private,
    /// A fixed set of people.
    Direct,
    /// Everybody may look and join, moderators write.
    Announcement,
}

impl RoomKind {
    /// Whether everybody of the tenant may see it and join.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Public | Self::Announcement)
    }
}

/// What somebody is in a room, from less to more.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads, writes and reacts.
    Guest,
    /// Invites as well.
    #[default]
    Member,
    /// Keeps order.
    Moderator,
    /// Decides about the room.
    Owner,
}

/// How somebody belongs to a room.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberState {
    /// Is in it.
    Joined,
    /// May join.
    Invited,
    /// Was in it.
    Left,
    /// May not come back.
    Banned,
}

impl MemberState {
    /// As it stands on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Joined => "joined",
            Self::Invited => "invited",
            Self::Left => "left",
            Self::Banned => "banned",
        }
    }
}

/// How reactions add up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reactions {
    /// One for each user and message.
    Unique,
    /// Each emoji once for each user and message.
    #[default]
    Distinct,
    /// Each emoji many times.
    Counted,
}

/// Of what somebody wants to be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Every message.
    #[default]
    All,
    /// Mentions and replies.
    Mentions,
    /// Nothing.
    None,
}

/// Who may post links.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Links {
    /// Everybody.
    #[default]
    All,
    /// Not guests.
    Members,
    /// Moderators alone.
    None,
}

/// A room as its members see it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Room {
    /// Its channel.
    pub channel: ChannelName,
    /// Who may come in.
    pub kind: RoomKind,
    /// Its name, 1 to 100 characters; empty for a direct room without one.
    pub name: String,
    /// What it is about, at most 1,000 characters.
    pub topic: String,
    /// Nobody writes into it any more.
    pub archived: bool,
    /// When it was made, in milliseconds since 1970.
    pub created: u64,
    /// Who made it; `None` for a service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<UserId>,
    /// How many are in it.
    pub members: u64,
    /// The ordinal of the newest message outside threads.
    pub messages: u64,
    /// How often the whole room was mentioned outside threads.
    pub mentions_all: u64,
    /// How long a member waits between two messages, in seconds.
    pub slow_mode_s: u32,
    /// How reactions add up.
    pub reactions: Reactions,
    /// Whether reading is told to everybody.
    pub receipts: bool,
    /// Who may mention the whole room: this role and above.
    pub mention_all: Role,
    /// Messages go after so many days; 0 for what the namespace says.
    pub retention_days: u32,
    /// Whether words or links are refused.
    pub filtered: bool,
    /// Pinned messages, the newest pin first.
    pub pins: Vec<MessageId>,
    /// The newest message outside threads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Last>,
}

/// The newest message of a room, for lists.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Last {
    /// Its id.
    pub id: MessageId,
    /// Its ordinal.
    pub ordinal: u64,
    /// Its time.
    pub time: u64,
    /// Its author; `None` for a service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<UserId>,
    /// The beginning of its text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// It is deleted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
}

/// Characters of a text that a [`Last`] keeps.
const LAST_TEXT: usize = 200;

impl Last {
    /// Of a message.
    pub fn of(post: &Post) -> Self {
        Self {
            id: post.id,
            ordinal: post.ordinal,
            time: post.time,
            from: post.from.clone(),
            text: Self::text(&post.text),
            deleted: post.deleted.is_some(),
        }
    }

    /// The beginning of a text.
    pub fn text(text: &str) -> String {
        text.chars().take(LAST_TEXT).collect()
    }
}

/// Somebody's place in a room.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Member {
    /// Who.
    pub user: UserId,
    /// As what.
    pub role: Role,
    /// How they belong to it.
    pub state: MemberState,
    /// Since when, in milliseconds since 1970.
    pub since: u64,
    /// Everything up to this ordinal is read.
    pub read: u64,
    /// How often they were mentioned by name.
    pub mentions: u64,
    /// How many of those are read.
    pub mentions_read: u64,
    /// How many of the room-wide ones are read.
    pub mentions_all_read: u64,
    /// Of what they want to be told.
    pub notify: Level,
    /// They may not write until then; [`super::NEVER`] for ever.
    pub muted_until: Option<u64>,
    /// When a ban ends; only with that state, and `None` for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub banned_until: Option<u64>,
}

impl Member {
    /// How many messages of the room they have not read.
    pub fn unread(&self, room: &Room) -> u64 {
        room.messages.saturating_sub(self.read)
    }

    /// How many mentions they have not read.
    pub fn unread_mentions(&self, room: &Room) -> u64 {
        let own = self.mentions.saturating_sub(self.mentions_read);
        own + room.mentions_all.saturating_sub(self.mentions_all_read)
    }

    /// Whether they may not write at `now`.
    pub fn is_muted(&self, now: u64) -> bool {
        self.muted_until.is_some_and(|until| now < until)
    }

    /// Whether they may not come in at `now`.
    pub fn is_banned(&self, now: u64) -> bool {
        self.state == MemberState::Banned && self.banned_until.is_none_or(|until| now < until)
    }
}

/// What the hub remembers of a user beside rooms.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Person {
    /// Notices that are not read.
    pub unread: u64,
    /// Nothing is to disturb them until then.
    pub dnd_until: Option<u64>,
}

/// What a notice is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Somebody mentioned them.
    Mention,
    /// Somebody answered them.
    Reply,
    /// Somebody invited them into a room.
    Invitation,
    /// A report to the moderators.
    Report,
    /// A service has something to say.
    Service,
}

/// Something in the inbox of a user.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Notice {
    /// Its id: that of its event.
    pub id: MessageId,
    /// The offset of its event in the user's own channel.
    pub offset: u64,
    /// When it came.
    pub time: u64,
    /// What it is about.
    pub what: What,
    /// Which room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<ChannelName>,
    /// Which message of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<MessageId>,
    /// Who did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<UserId>,
    /// The beginning of what was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// What the service says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<serde_json::Value>,
    /// The newest of those with the same one replaces the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collapse: Option<String>,
    /// It is of no use any more from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<u64>,
    /// It is read.
    pub read: bool,
}
