//! What happened in a room: the `data` of a message in its log. All that a change of a snapshot needs is in it.

use serde::{Deserialize, Serialize};

use super::post::{Attachment, DeletedBy, Entity, Unfurl};
use super::words::{Level, Notice, Person, Reactions, Role, Room};
use crate::channel::{ChannelName, UserId};
use crate::id::MessageId;
use crate::message::Data;

/// An event of a room.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "event")]
pub enum Event {
    /// The room was made.
    #[serde(rename = "room.created")]
    RoomCreated {
        /// As it is.
        room: Box<Room>,
    },
    /// Something about the room changed.
    #[serde(rename = "room.updated")]
    RoomUpdated {
        /// What.
        set: RoomSet,
    },
    /// Somebody may join.
    #[serde(rename = "member.invited")]
    MemberInvited {
        /// Who.
        user: UserId,
        /// As what.
        role: Role,
        /// A mute from an earlier time in it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        muted_until: Option<u64>,
    },
    /// Somebody came in.
    #[serde(rename = "member.joined")]
    MemberJoined {
        /// Who.
        user: UserId,
        /// As what.
        role: Role,
        /// When.
        since: u64,
        /// How many are in it now.
        members: u64,
        /// What counts as read by them.
        read: u64,
        /// The same of room-wide mentions.
        mentions_all_read: u64,
        /// A mute from an earlier time in it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        muted_until: Option<u64>,
    },
    /// Somebody went, or declined.
    #[serde(rename = "member.left")]
    MemberLeft {
        /// Who.
        user: UserId,
        /// How many are in it now.
        members: u64,
        /// Why.
        reason: Left,
    },
    /// Somebody has another role.
    #[serde(rename = "member.changed")]
    MemberChanged {
        /// Who.
        user: UserId,
        /// Which.
        role: Role,
    },
    /// Somebody may not write, or may again.
    #[serde(rename = "member.muted")]
    MemberMuted {
        /// Who.
        user: UserId,
        /// Until then; `None`: may write.
        until: Option<u64>,
    },
    /// Somebody may not come in.
    #[serde(rename = "member.banned")]
    MemberBanned {
        /// Who.
        user: UserId,
        /// Until then; `None` for ever.
        until: Option<u64>,
        /// How many are in it now.
        members: u64,
    },
    /// Somebody may come in again.
    #[serde(rename = "member.unbanned")]
    MemberUnbanned {
        /// Who.
        user: UserId,
        /// How many are in it now.
        members: u64,
    },
    /// Something was said.
    #[serde(rename = "message.created")]
    MessageCreated(Created),
    /// It says something else now.
    #[serde(rename = "message.edited")]
    MessageEdited {
        /// Which message.
        message: MessageId,
        /// What it says.
        text: String,
        /// Stretches with a meaning.
        entities: Vec<Entity>,
        /// How often it was edited.
        version: u32,
    },
    /// It was taken back.
    #[serde(rename = "message.deleted")]
    MessageDeleted {
        /// Which message.
        message: MessageId,
        /// By whom.
        by: DeletedBy,
        /// Whether its place is gone too.
        hard: bool,
    },
    /// What its links lead to is known.
    #[serde(rename = "message.unfurled")]
    MessageUnfurled {
        /// Which message.
        message: MessageId,
        /// What was found.
        unfurls: Vec<Unfurl>,
    },
    /// It was pinned, or not any more.
    #[serde(rename = "message.pinned")]
    MessagePinned {
        /// Which message.
        message: MessageId,
        /// Whether it is now.
        pinned: bool,
    },
    /// Somebody reacted, or took it back.
    #[serde(rename = "reaction.changed")]
    ReactionChanged {
        /// To which message.
        message: MessageId,
        /// With what.
        emoji: String,
        /// Who.
        user: UserId,
        /// How often this user now.
        mine: u64,
        /// How often all now.
        count: u64,
    },
    /// Somebody has read.
    #[serde(rename = "read.moved")]
    ReadMoved(Moved),
    /// Somebody is writing. Has no position.
    #[serde(rename = "typing")]
    Typing {
        /// Who.
        user: UserId,
        /// In which thread.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        thread: Option<MessageId>,
        /// For how long that counts, in milliseconds.
        for_ms: u64,
    },
}

/// A message was sent.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Created {
    /// What it says.
    pub text: String,
    /// Stretches with a meaning.
    pub entities: Vec<Entity>,
    /// What goes with it.
    pub attachments: Vec<Attachment>,
    /// Its place outside threads, or in its thread.
    pub ordinal: u64,
    /// The message that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<MessageId>,
    /// The message that it hangs under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<MessageId>,
    /// Whom it mentions.
    pub mentions: Mentions,
    /// How often the room was mentioned as a whole now.
    pub mentions_all: u64,
    /// Who follows its thread from now on and did not before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub follows: Vec<UserId>,
}

/// Whom a message mentions.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Mentions {
    /// These, by name or role.
    pub users: Vec<UserId>,
    /// Everybody.
    pub all: bool,
}

/// Changed fields of a room.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the fields are those of `Room`")]
pub struct RoomSet {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archived: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slow_mode_s: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reactions: Option<Reactions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipts: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mention_all: Option<Role>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention_days: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filtered: Option<bool>,
}

/// Why somebody is not in a room any more.
#[expect(clippy::enum_variant_names, reason = "`left` is the word of the wire for it")]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Left {
    /// They went.
    Left,
    /// They were sent out.
    Kicked,
    /// They did not want to come.
    Declined,
}

/// A read mark moved.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Moved {
    /// Whose.
    pub user: UserId,
    /// Everything up to here is read.
    pub ordinal: u64,
    /// That many mentions by name are read.
    pub mentions_read: u64,
    /// That many room-wide ones; 0 in threads.
    pub mentions_all_read: u64,
    /// In which room; only in the reader's own channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<ChannelName>,
    /// In which thread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<MessageId>,
    /// Behind which offset of the room's log; only in the reader's own channel. Two logs have no order between them: a mark
    /// that the room's log has moved further on already is older than that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behind: Option<u64>,
}

/// An event of a user's own channel.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "event")]
pub enum OwnEvent {
    /// One is in a room, or invited.
    #[serde(rename = "room.joined")]
    RoomJoined {
        /// Which.
        channel: ChannelName,
    },
    /// One is not any more.
    #[serde(rename = "room.left")]
    RoomLeft {
        /// Which.
        channel: ChannelName,
    },
    /// What to be told of in a room.
    #[serde(rename = "member.notify")]
    MemberNotify {
        /// Which.
        channel: ChannelName,
        /// What.
        level: Level,
    },
    /// A thread is followed, or not any more.
    #[serde(rename = "thread.followed")]
    ThreadFollowed {
        /// In which room.
        channel: ChannelName,
        /// Which.
        thread: MessageId,
        /// Whether it is.
        following: bool,
        /// What of it counts as read: all that was said before one followed it for the first time.
        #[serde(default)]
        read: u64,
        /// Behind which offset of the room's log, as with a read mark.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        behind: Option<u64>,
    },
    /// A read mark moved, where the room does not tell it.
    #[serde(rename = "read.moved")]
    ReadMoved(Moved),
    /// Something about oneself changed.
    #[serde(rename = "person.changed")]
    PersonChanged {
        /// As it is now.
        person: Person,
    },
    /// A notice came.
    #[serde(rename = "inbox.added")]
    InboxAdded {
        /// It.
        notice: Box<Notice>,
        /// With it counted.
        person: Person,
        /// The notice that it takes the place of.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        replaces: Option<MessageId>,
    },
    /// Notices were read.
    #[serde(rename = "inbox.read")]
    InboxRead {
        /// Everything up to this offset.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        upto: Option<u64>,
        /// This one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        notice: Option<MessageId>,
        /// Without them.
        person: Person,
    },
}

/// Version of the events.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Versioned<'a, T> {
    #[serde(flatten)]
    event: &'a T,
    v: u32,
}

impl Event {
    /// As the data of a message.
    pub fn data(&self) -> Data {
        data(self)
    }
}

impl OwnEvent {
    /// As the data of a message.
    pub fn data(&self) -> Data {
        data(self)
    }
}

fn data<T: Serialize>(event: &T) -> Data {
    // Plain data with text for keys: writing it into memory can not fail.
    let text = serde_json::to_string(&Versioned { event, v: VERSION }).expect("plain data");
    Data::parse(text).expect("serde writes JSON")
}
