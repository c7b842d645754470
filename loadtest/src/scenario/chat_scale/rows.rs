//! What the hub writes for what is done in a room: events of logs and records, with the same numbers and the same JSON. That they
//! are the same is not believed: see `model`. Knows no SQL.

use std::collections::{BTreeMap, HashMap};

use hubbub_protocol::channel::{ChannelName, UserId};
use hubbub_protocol::room::event::{Created, Mentions};
use hubbub_protocol::room::{
    Entity, Event, Last, Level, Links, Mark, Member, MemberState, Moved, OwnEvent, Post, Reactions, Role, Room,
    RoomKind,
};
use hubbub_protocol::{Data, MessageId};
use serde::Serialize;

use crate::LoadError;

/// An event of a log, in the columns of its row.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct EventRow {
    pub(super) channel: String,
    pub(super) offset: u64,
    pub(super) time: u64,
    pub(super) id: MessageId,
    pub(super) publisher: String,
    pub(super) author: Option<String>,
    pub(super) data: String,
}

/// A record, in the columns of its row.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct RecordRow {
    pub(super) home: String,
    pub(super) kind: i16,
    pub(super) key: String,
    pub(super) group: String,
    pub(super) at: u64,
    pub(super) who: Option<String>,
    pub(super) text: Option<String>,
    pub(super) body: String,
}

const ROOM: i16 = 1;
const MEMBER: i16 = 2;
const MESSAGE: i16 = 3;
const MENTION: i16 = 6;

#[derive(Serialize)]
struct RoomBody<'a> {
    room: &'a Room,
    moderators: [UserId; 0],
    owners: [UserId; 0],
    links: Links,
}

#[derive(Serialize)]
struct MemberBody<'a> {
    member: &'a Member,
    sent: u64,
    shadow: bool,
}

#[derive(Serialize)]
struct PostBody<'a> {
    post: &'a Post,
    holds: [u64; 1],
}

#[derive(Serialize)]
struct MentionBody {
    rank: u64,
    message: MessageId,
}

/// What is to be written, and how long the own logs of users are.
#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) events: Vec<EventRow>,
    pub(super) records: Vec<RecordRow>,
    own: HashMap<UserId, u64>,
}

/// Something that somebody does at a time. The ids of its events go on from that of the first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Act {
    pub(super) id: MessageId,
    pub(super) time: u64,
}

/// A room as it comes to be.
#[derive(Debug)]
pub(super) struct Telling {
    channel: ChannelName,
    room: Room,
    /// By user: their place, and when they sent something last.
    members: HashMap<UserId, (Member, u64)>,
    /// The end of its log.
    pub(super) head: u64,
    /// Ordinals of messages that mention everybody.
    pub(super) mentions_all: Vec<u64>,
}

/// Whose act it is: that of the service, or of a user.
type Actor<'a> = Option<&'a UserId>;

fn publisher(actor: Actor<'_>) -> String {
    actor.map_or_else(|| "service/dev".to_owned(), |user| format!("user/{user}"))
}

fn json<T: Serialize>(value: &T) -> String {
    // Plain data with text for keys: writing it into memory can not fail.
    serde_json::to_string(value).expect("plain data")
}

/// A user of this name.
pub(super) fn user(name: &str) -> Result<UserId, LoadError> {
    UserId::parse(name).map_err(|error| LoadError::Start(format!("{name}: {error}")))
}

impl Book {
    fn own(&mut self, user: &UserId, actor: Actor<'_>, act: Act, number: u64, event: &OwnEvent) {
        let offset = self.own.entry(user.clone()).or_default();
        *offset += 1;
        let (channel, offset) = (ChannelName::of_user(user).to_string(), *offset);
        self.event(channel, offset, actor, act, number, &event.data());
    }

    fn event(&mut self, channel: String, offset: u64, actor: Actor<'_>, act: Act, number: u64, data: &Data) {
        self.events.push(EventRow {
            channel,
            offset,
            time: act.time,
            id: act.id.plus(number),
            publisher: publisher(actor),
            author: actor.map(ToString::to_string),
            data: data.get().to_owned(),
        });
    }
}

impl Telling {
    /// A public room that the service makes, with people in it.
    pub(super) fn create(
        channel: &str,
        name: &str,
        people: &[String],
        act: Act,
        book: &mut Book,
    ) -> Result<Self, LoadError> {
        let channel = ChannelName::parse(channel).map_err(|error| LoadError::Start(format!("{channel}: {error}")))?;
        let room = Room {
            channel: channel.clone(),
            kind: RoomKind::Public,
            name: name.to_owned(),
            topic: String::new(),
            archived: false,
            created: act.time,
            by: None,
            members: 0,
            messages: 0,
            mentions_all: 0,
            slow_mode_s: 0,
            reactions: Reactions::default(),
            receipts: false,
            mention_all: Role::Member,
            retention_days: 0,
            filtered: false,
            pins: Vec::new(),
            last: None,
        };
        let mut told = Self { channel, room, members: HashMap::new(), head: 0, mentions_all: Vec::new() };
        told.tell(None, act, 0, &Event::RoomCreated { room: Box::new(told.room.clone()) }, book);
        for (number, name) in people.iter().enumerate() {
            told.come_in(&user(name)?, None, act, 1 + 2 * number as u64, book);
        }
        Ok(told)
    }

    /// Somebody joins.
    pub(super) fn join(&mut self, name: &str, act: Act, book: &mut Book) -> Result<(), LoadError> {
        let user = user(name)?;
        self.come_in(&user, Some(&user), act, 0, book);
        Ok(())
    }

    fn come_in(&mut self, user: &UserId, actor: Actor<'_>, act: Act, number: u64, book: &mut Book) {
        self.room.members += 1;
        let member = Member {
            user: user.clone(),
            role: Role::Member,
            state: MemberState::Joined,
            since: act.time,
            read: self.room.messages,
            mentions: 0,
            mentions_read: 0,
            mentions_all_read: self.room.mentions_all,
            notify: Level::All,
            muted_until: None,
            banned_until: None,
        };
        let event = Event::MemberJoined {
            user: user.clone(),
            role: member.role,
            since: member.since,
            members: self.room.members,
            read: member.read,
            mentions_all_read: member.mentions_all_read,
            muted_until: None,
        };
        self.tell(actor, act, number, &event, book);
        book.own(user, actor, act, number + 1, &OwnEvent::RoomJoined { channel: self.channel.clone() });
        self.members.insert(user.clone(), (member, 0));
    }

    /// Somebody says something that names nobody, or everybody at its beginning.
    pub(super) fn send(&mut self, author: &str, text: &str, act: Act, book: &mut Book) -> Result<(), LoadError> {
        let author = user(author)?;
        let all = text.starts_with("@here");
        let entities: Vec<_> = all.then_some(Entity { mark: Mark::MentionAll, from: 0, to: 5 }).into_iter().collect();
        let room = &mut self.room;
        room.messages += 1;
        room.mentions_all += u64::from(all);
        let created = Created {
            text: text.to_owned(),
            entities: entities.clone(),
            attachments: Vec::new(),
            ordinal: room.messages,
            reply_to: None,
            thread: None,
            mentions: Mentions { users: Vec::new(), all },
            mentions_all: room.mentions_all,
            follows: Vec::new(),
        };
        let post = Post {
            id: act.id,
            offset: self.head + 1,
            ordinal: room.messages,
            time: act.time,
            from: Some(author.clone()),
            key: None,
            text: text.to_owned(),
            entities,
            attachments: Vec::new(),
            unfurls: Vec::new(),
            reply_to: None,
            thread: None,
            version: 0,
            edited: None,
            deleted: None,
            pinned: false,
            reactions: BTreeMap::new(),
            replies: 0,
            replied: None,
        };
        room.last = Some(Last::of(&post));
        if let Some((member, sent)) = self.members.get_mut(&author) {
            (member.read, member.mentions_all_read, *sent) = (room.messages, room.mentions_all, act.time);
        }
        if all {
            self.mentions_all.push(post.ordinal);
            self.mention(&post, book);
        }
        self.tell(Some(&author), act, 0, &Event::MessageCreated(created), book);
        book.records.push(RecordRow {
            home: self.channel.to_string(),
            kind: MESSAGE,
            key: post.id.to_string(),
            group: String::new(),
            at: post.ordinal,
            who: Some(author.to_string()),
            text: Some(post.text.clone()),
            body: json(&PostBody { post: &post, holds: [post.offset] }),
        });
        Ok(())
    }

    fn mention(&self, post: &Post, book: &mut Book) {
        book.records.push(RecordRow {
            home: self.channel.to_string(),
            kind: MENTION,
            key: format!("*/{:016}", post.ordinal),
            group: "*".to_owned(),
            at: post.ordinal,
            who: None,
            text: None,
            body: json(&MentionBody { rank: self.room.mentions_all, message: post.id }),
        });
    }

    /// Somebody reads up to a message.
    pub(super) fn read(&mut self, name: &str, ordinal: u64, act: Act, book: &mut Book) -> Result<(), LoadError> {
        let user = user(name)?;
        let all = self.mentions_all.partition_point(|mention| *mention <= ordinal) as u64;
        let Some((member, _)) = self.members.get_mut(&user) else { return Ok(()) };
        if (member.read, member.mentions_all_read) == (ordinal, all) {
            return Ok(());
        }
        (member.read, member.mentions_all_read) = (ordinal, all);
        book.records.push(self.member(&user));
        let moved = Moved {
            user: user.clone(),
            ordinal,
            mentions_read: 0,
            mentions_all_read: all,
            channel: Some(self.channel.clone()),
            thread: None,
            behind: Some(self.head),
        };
        book.own(&user, Some(&user), act, 0, &OwnEvent::ReadMoved(moved));
        Ok(())
    }

    /// The records of the room and of its members as they are in the end.
    pub(super) fn end(&self, book: &mut Book) {
        let home = self.channel.to_string();
        let body = json(&RoomBody { room: &self.room, moderators: [], owners: [], links: Links::All });
        let (group, key) = ("open".to_owned(), "-".to_owned());
        book.records.push(RecordRow { home, kind: ROOM, key, group, at: 0, who: None, text: None, body });
        book.records.extend(self.members.keys().map(|user| self.member(user)));
    }

    fn member(&self, user: &UserId) -> RecordRow {
        let (member, sent) = &self.members[user];
        RecordRow {
            home: self.channel.to_string(),
            kind: MEMBER,
            key: user.to_string(),
            group: "joined".to_owned(),
            at: 0,
            who: Some(user.to_string()),
            text: None,
            body: json(&MemberBody { member, sent: *sent, shadow: false }),
        }
    }

    fn tell(&mut self, actor: Actor<'_>, act: Act, number: u64, event: &Event, book: &mut Book) {
        self.head += 1;
        book.event(self.channel.to_string(), self.head, actor, act, number, &event.data());
    }
}
