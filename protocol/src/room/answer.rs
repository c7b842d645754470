//! What questions about rooms are answered with.

use serde::{Deserialize, Serialize};

use super::post::{Entity, Post};
use super::words::{Member, MemberState, Notice, Person, Role, Room};
use crate::channel::{ChannelName, UserId};
use crate::id::MessageId;
use crate::position::{Epoch, Position};

/// A place in a log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Place {
    /// The epoch.
    pub epoch: Epoch,
    /// The offset.
    pub offset: u64,
}

impl From<Position> for Place {
    fn from(position: Position) -> Self {
        Self { epoch: position.epoch, offset: position.offset }
    }
}

/// To a change: its event.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Changed {
    /// The id of the event.
    pub message: MessageId,
    /// Its place.
    #[serde(flatten)]
    pub place: Place,
    /// Its time.
    pub time: u64,
    /// Its channel, where the caller did not name one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<ChannelName>,
}

/// A room of a user.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct RoomEntry {
    /// The room.
    pub room: Room,
    /// Their place in it; absent for somebody who only looks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub me: Option<Member>,
    /// The place in the log of which this is a snapshot.
    #[serde(flatten)]
    pub place: Place,
    /// How many messages are not read.
    pub unread: u64,
    /// How many mentions.
    pub mentions: u64,
}

/// To `rooms`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct RoomsAnswer {
    /// The rooms, by channel.
    pub rooms: Vec<RoomEntry>,
    /// The place in the user's own channel of which this is a snapshot.
    pub user: Place,
    /// The user.
    pub person: Person,
    /// `after` of the next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<ChannelName>,
}

/// A member as others see it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MemberEntry {
    /// Who.
    pub user: UserId,
    /// As what.
    pub role: Role,
    /// How they belong to it.
    pub state: MemberState,
    /// Since when.
    pub since: u64,
    /// They may not write until then.
    pub muted_until: Option<u64>,
    /// When a ban ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub banned_until: Option<u64>,
    /// What they have read, where that is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<u64>,
}

/// To `members`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MembersAnswer {
    /// The members, by id.
    pub members: Vec<MemberEntry>,
    /// The place in the log of which this is a snapshot.
    #[serde(flatten)]
    pub place: Place,
    /// `after` of the next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<UserId>,
}

/// To `discover`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct DiscoverAnswer {
    /// The rooms, by channel.
    pub rooms: Vec<Room>,
    /// `after` of the next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<ChannelName>,
}

/// To `messages`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct MessagesAnswer {
    /// The place in the log of which this is a snapshot.
    #[serde(flatten)]
    pub place: Place,
    /// The messages, ascending.
    pub messages: Vec<Post>,
    /// Whether there are older ones.
    pub before: bool,
    /// Whether there are newer ones.
    pub after: bool,
    /// The room.
    pub room: Room,
    /// The place of whoever asks in it; of a thread the read mark is the thread's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub me: Option<Member>,
    /// The place of whoever asks in the thread that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<ThreadPlace>,
    /// The message that the thread hangs under; absent when it was deleted without a trace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<Post>,
    /// The place in the own channel of whoever asks of which this is a snapshot: read marks stand there too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Place>,
}

/// Somebody's place in a thread.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ThreadPlace {
    /// The message that the thread hangs under.
    pub root: MessageId,
    /// Whether they follow it.
    pub following: bool,
    /// Everything up to this ordinal is read.
    pub read: u64,
    /// How often they were mentioned in it.
    pub mentions: u64,
    /// How many of those are read.
    pub mentions_read: u64,
}

/// A thread that is followed.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ThreadEntry {
    /// In which room.
    pub channel: ChannelName,
    /// The message that it hangs under.
    pub thread: Post,
    /// How many of its messages are not read.
    pub unread: u64,
    /// How many mentions.
    pub mentions: u64,
    /// Everything up to this ordinal is read.
    pub read: u64,
    /// How many mentions are read.
    pub mentions_read: u64,
    /// The place in the log of the room of which this is a snapshot.
    #[serde(flatten)]
    pub place: Place,
}

/// To `threads`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ThreadsAnswer {
    /// Followed threads, by channel and thread.
    pub threads: Vec<ThreadEntry>,
    /// The place in the user's own channel of which this is a snapshot.
    pub user: Place,
    /// `after` of the next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// What a message said before.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct VersionEntry {
    /// Which version: 0 is the first.
    pub version: u32,
    /// When it was written.
    pub time: u64,
    /// What it said.
    pub text: String,
    /// Stretches with a meaning.
    pub entities: Vec<Entity>,
}

/// To `search`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SearchAnswer {
    /// What was found, best first.
    pub hits: Vec<SearchHit>,
    /// `before` of the next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A message that was found.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SearchHit {
    /// Where.
    pub channel: ChannelName,
    /// It.
    pub message: Post,
    /// What fits in its text: from and to, in UTF-16 units.
    pub highlights: Vec<(u32, u32)>,
}

/// To `inbox`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct InboxAnswer {
    /// The notices, newest first.
    pub notices: Vec<Notice>,
    /// The user.
    pub person: Person,
    /// The place in the own channel of which this is a snapshot.
    #[serde(flatten)]
    pub place: Place,
}
