//! The rows of rooms: what stands in the records, and under which names. Conversions at the edge of the store, nothing else.

use std::collections::BTreeMap;

use hubbub_persistence::records::{Kind, Record, RecordKey};
use hubbub_protocol::channel::{ChannelKey, ChannelName, UserId};
use hubbub_protocol::room::{Entity, Level, Links, Member, MemberState, Notice, Person, Post, Role, Room};
use hubbub_protocol::{ErrorCode, MessageId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::refusal;
use hubbub_persistence::records::Refusal;

/// A room, with what only the hub needs.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct RoomRow {
    pub(super) room: Room,
    /// Those who keep order, at most [`LEADERS`] of each role.
    pub(super) moderators: Vec<UserId>,
    pub(super) owners: Vec<UserId>,
    pub(super) links: Links,
}

/// Most moderators of a room, and most owners.
pub(super) const LEADERS: usize = 100;

/// A member, with what only the hub needs.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct MemberRow {
    pub(super) member: Member,
    /// When they sent something last.
    pub(super) sent: u64,
    /// What they send goes nowhere.
    pub(super) shadow: bool,
}

/// A message, with what only the hub needs.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct PostRow {
    pub(super) post: Post,
    /// Offsets of the events that hold what it says.
    pub(super) holds: Vec<u64>,
}

/// What a message said before an edit.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct VersionRow {
    pub(super) version: u32,
    pub(super) time: u64,
    pub(super) text: String,
    pub(super) entities: Vec<Entity>,
}

/// A mention counts those of its group before it, itself included.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct MentionRow {
    pub(super) rank: u64,
    pub(super) message: MessageId,
}

/// Somebody's place in a thread.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct FollowerRow {
    pub(super) user: UserId,
    pub(super) thread: MessageId,
    pub(super) following: bool,
    pub(super) read: u64,
    pub(super) mentions: u64,
    pub(super) mentions_read: u64,
}

/// Words that a room refuses.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub(super) struct FilterRow {
    pub(super) words: Vec<String>,
}

/// Somebody's reactions to one message.
pub(super) type ReactionRow = BTreeMap<String, u64>;

/// A row that stands under one name in its home.
pub(super) trait Row: Serialize + DeserializeOwned {
    /// Its kind.
    const KIND: Kind;
}

impl Row for RoomRow {
    const KIND: Kind = Kind::Room;
}
impl Row for MemberRow {
    const KIND: Kind = Kind::Member;
}
impl Row for PostRow {
    const KIND: Kind = Kind::Message;
}
impl Row for VersionRow {
    const KIND: Kind = Kind::Version;
}
impl Row for MentionRow {
    const KIND: Kind = Kind::Mention;
}
impl Row for FollowerRow {
    const KIND: Kind = Kind::Follower;
}
impl Row for FilterRow {
    const KIND: Kind = Kind::Filter;
}
impl Row for ReactionRow {
    const KIND: Kind = Kind::Reaction;
}
impl Row for Person {
    const KIND: Kind = Kind::Person;
}
impl Row for Notice {
    const KIND: Kind = Kind::Notice;
}

/// The name of a record.
pub(super) fn key(home: &ChannelKey, kind: Kind, name: impl Into<String>) -> RecordKey {
    RecordKey { home: home.clone(), kind, key: name.into() }
}

/// The name of what there is one of in a home.
pub(super) const ONLY: &str = "-";
/// The group of room-wide mentions.
pub(super) const EVERYBODY: &str = "*";

pub(super) fn room_key(home: &ChannelKey) -> RecordKey {
    key(home, Kind::Room, ONLY)
}

pub(super) fn member_key(home: &ChannelKey, user: &UserId) -> RecordKey {
    key(home, Kind::Member, user.as_str())
}

pub(super) fn post_key(home: &ChannelKey, id: MessageId) -> RecordKey {
    key(home, Kind::Message, id.to_string())
}

pub(super) fn reaction_key(home: &ChannelKey, id: MessageId, user: &UserId) -> RecordKey {
    key(home, Kind::Reaction, format!("{id}/{user}"))
}

pub(super) fn follower_key(home: &ChannelKey, thread: MessageId, user: &UserId) -> RecordKey {
    key(home, Kind::Follower, format!("{thread}/{user}"))
}

pub(super) fn filter_key(home: &ChannelKey) -> RecordKey {
    key(home, Kind::Filter, ONLY)
}

pub(super) fn person_key(home: &ChannelKey) -> RecordKey {
    key(home, Kind::Person, ONLY)
}

/// The group of mentions of one user in a thread; outside threads it is the user alone.
pub(super) fn mention_group(user: &UserId, thread: Option<MessageId>) -> String {
    thread.map_or_else(|| user.to_string(), |thread| format!("{thread}/{user}"))
}

/// The name of a mention of a group at an ordinal.
pub(super) fn mention_key(home: &ChannelKey, group: &str, at: u64) -> RecordKey {
    key(home, Kind::Mention, format!("{group}/{at:016}"))
}

/// The channel that belongs to one user of a tenant.
pub(super) fn own_channel(of: &ChannelKey, user: &UserId) -> ChannelKey {
    ChannelKey::new(of.tenant.clone(), ChannelName::of_user(user))
}

/// What stands in a record. One that can not be read is a fault of ours, or of whoever wrote into the database.
pub(super) fn read<R: DeserializeOwned>(record: &Record) -> Result<R, Refusal> {
    serde_json::from_str(&record.body).map_err(|error| {
        tracing::error!(key = ?record.key, %error, "a record can not be read");
        refusal(ErrorCode::Internal, "what the hub remembers of this can not be read; the operator finds it in the log")
    })
}

fn body<R: Serialize>(row: &R) -> String {
    // Plain data with text for keys: writing it into memory can not fail.
    serde_json::to_string(row).expect("plain data")
}

impl RoomRow {
    pub(super) fn record(&self, home: &ChannelKey) -> Record {
        let group = if self.room.kind.is_open() && !self.room.archived { "open" } else { "" };
        Record { key: room_key(home), group: group.into(), at: 0, who: None, text: None, body: body(self) }
    }

    /// The place of a user in the lists of those who keep order.
    pub(super) fn set_role(&mut self, user: &UserId, role: Option<Role>) {
        self.moderators.retain(|other| other != user);
        self.owners.retain(|other| other != user);
        match role {
            Some(Role::Moderator) => self.moderators.push(user.clone()),
            Some(Role::Owner) => self.owners.push(user.clone()),
            _ => {}
        }
    }
}

impl MemberRow {
    /// Somebody new.
    pub(super) fn new(user: UserId, role: Role, state: MemberState, room: &Room, since: u64) -> Self {
        let member = Member {
            user,
            role,
            state,
            since,
            read: room.messages,
            mentions: 0,
            mentions_read: 0,
            mentions_all_read: room.mentions_all,
            notify: Level::All,
            muted_until: None,
            banned_until: None,
        };
        Self { member, sent: 0, shadow: false }
    }

    pub(super) fn record(&self, home: &ChannelKey) -> Record {
        let user = &self.member.user;
        Record {
            key: member_key(home, user),
            group: self.member.state.as_str().into(),
            at: 0,
            who: Some(user.clone()),
            text: None,
            body: body(self),
        }
    }
}

impl PostRow {
    pub(super) fn record(&self, home: &ChannelKey) -> Record {
        let Post { id, ordinal, from, text, thread, .. } = &self.post;
        Record {
            key: post_key(home, *id),
            group: thread.map_or_else(String::new, |thread| thread.to_string()),
            at: *ordinal,
            who: from.clone(),
            text: (!text.is_empty()).then(|| text.clone()),
            body: body(self),
        }
    }
}

impl VersionRow {
    pub(super) fn record(&self, home: &ChannelKey, of: MessageId, author: Option<&UserId>) -> Record {
        Record {
            key: key(home, Kind::Version, format!("{of}/{:06}", self.version)),
            group: of.to_string(),
            at: u64::from(self.version),
            who: author.cloned(),
            text: None,
            body: body(self),
        }
    }
}

impl MentionRow {
    /// At an ordinal; of a user, or of everybody.
    pub(super) fn record(&self, home: &ChannelKey, group: &str, at: u64, who: Option<&UserId>) -> Record {
        Record {
            key: mention_key(home, group, at),
            group: group.to_owned(),
            at,
            who: who.cloned(),
            text: None,
            body: body(self),
        }
    }
}

impl FollowerRow {
    pub(super) fn new(user: &UserId, thread: MessageId) -> Self {
        Self { user: user.clone(), thread, following: true, read: 0, mentions: 0, mentions_read: 0 }
    }

    pub(super) fn record(&self, home: &ChannelKey) -> Record {
        Record {
            key: follower_key(home, self.thread, &self.user),
            group: if self.following { "following".into() } else { String::new() },
            at: 0,
            who: Some(self.user.clone()),
            text: None,
            body: body(self),
        }
    }
}

impl FilterRow {
    pub(super) fn record(&self, home: &ChannelKey) -> Record {
        Record { key: filter_key(home), group: String::new(), at: 0, who: None, text: None, body: body(self) }
    }
}

/// The record of somebody's reactions.
pub(super) fn reaction_record(home: &ChannelKey, to: MessageId, user: &UserId, row: &ReactionRow) -> Record {
    Record {
        key: reaction_key(home, to, user),
        group: to.to_string(),
        at: 0,
        who: Some(user.clone()),
        text: None,
        body: body(row),
    }
}

/// The record of a user, in their own channel.
pub(super) fn person_record(own: &ChannelKey, user: &UserId, person: &Person) -> Record {
    Record {
        key: person_key(own),
        group: String::new(),
        at: 0,
        who: Some(user.clone()),
        text: None,
        body: body(person),
    }
}

/// The record of a notice, in the channel of whom it is for. Those that are not read are listed apart.
pub(super) fn notice_record(own: &ChannelKey, user: &UserId, notice: &Notice) -> Record {
    Record {
        key: notice_key(own, notice),
        group: if notice.read { "read".into() } else { "unread".into() },
        at: notice.offset,
        who: Some(user.clone()),
        text: None,
        body: body(notice),
    }
}

/// The name of a notice: of those that replace each other there is one.
pub(super) fn notice_key(own: &ChannelKey, notice: &Notice) -> RecordKey {
    let name =
        notice.collapse.as_ref().map_or_else(|| notice.id.to_string(), |collapse| format!("collapse/{collapse}"));
    key(own, Kind::Notice, name)
}

/// Any other record: its body is what the caller says.
pub(super) fn plain<T: Serialize>(key: RecordKey, group: &str, at: u64, who: Option<&UserId>, row: &T) -> Record {
    Record { key, group: group.to_owned(), at, who: who.cloned(), text: None, body: body(row) }
}
