//! What can be asked for in rooms, the same on every way in. Fields that are not known are ignored.

use serde::{Deserialize, Serialize};

use super::NEVER;
use super::post::{Attachment, Entity, Unfurl};
use super::words::{Level, Links, Reactions, Role, RoomKind};
use crate::channel::{ChannelName, UserId};
use crate::id::MessageId;
use crate::message::Key;

/// An operation, with the idempotency key that may go with it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct RoomRequest {
    /// What is asked for.
    #[serde(flatten)]
    pub op: Op,
    /// The idempotency key of a change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Key>,
}

macro_rules! ops {
    ($($(#[$doc:meta])+ $name:ident($body:ty) = $text:literal, $access:ident;)+) => {
        /// An operation of rooms. What each means and who may do it stands in `docs/CHAT.md`.
        #[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
        #[serde(tag = "op")]
        pub enum Op { $($(#[$doc])+ #[serde(rename = $text)] $name($body),)+ }

        impl Op {
            /// The name of every operation.
            pub const NAMES: &'static [&'static str] = &[$($text),+];

            /// Its name.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$name(_) => $text),+ }
            }

            /// What a service needs for it.
            pub fn access(&self) -> Access {
                match self { $(Self::$name(_) => Access::$access),+ }
            }
        }
    };
}

/// What kind of right an operation asks of a service.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// It asks.
    Read,
    /// It does what members do.
    Write,
    /// It keeps order or decides about a room.
    Order,
}

ops! {
    /// Makes a room.
    Create(Create) = "create", Write;
    /// Changes name or topic.
    Update(Update) = "update", Order;
    /// Changes the rules.
    Configure(Configure) = "configure", Order;
    /// Archives it, or takes it back.
    Archive(Archive) = "archive", Order;
    /// Invites somebody.
    Invite(Invite) = "invite", Write;
    /// Comes in.
    Join(InRoom) = "join", Write;
    /// Goes, or declines.
    Leave(InRoom) = "leave", Write;
    /// Brings people in.
    Add(Add) = "add", Order;
    /// Gives a role.
    Role(SetRole) = "role", Order;
    /// Lists the own rooms.
    Rooms(Rooms) = "rooms", Read;
    /// Shows a room.
    Room(InRoom) = "room", Read;
    /// Lists the members.
    Members(Members) = "members", Read;
    /// Lists rooms that are open to everybody.
    Discover(Discover) = "discover", Read;
    /// Says something.
    Send(Send) = "send", Write;
    /// Says it in other words.
    Edit(Edit) = "edit", Write;
    /// Takes it back.
    Delete(Delete) = "delete", Write;
    /// Deletes many.
    BulkDelete(BulkDelete) = "bulk_delete", Order;
    /// Tells what links lead to.
    Unfurl(SetUnfurls) = "unfurl", Order;
    /// Pins a message.
    Pin(Pin) = "pin", Order;
    /// Reacts to a message.
    React(React) = "react", Write;
    /// Is writing.
    Typing(Typing) = "typing", Write;
    /// Reads messages.
    Messages(Messages) = "messages", Read;
    /// Reads one.
    Message(OfMessage) = "message", Read;
    /// Reads what it said before.
    Versions(OfMessage) = "versions", Read;
    /// Lists what will be sent.
    Scheduled(Scheduled) = "scheduled", Read;
    /// Does not send it.
    Unschedule(Unschedule) = "unschedule", Write;
    /// Searches.
    Search(Search) = "search", Read;
    /// Follows a thread, or not.
    Follow(Follow) = "follow", Write;
    /// Lists followed threads.
    Threads(Threads) = "threads", Read;
    /// Has read.
    Read(Read) = "read", Write;
    /// Says what to be told of.
    Notify(Notify) = "notify", Write;
    /// Is not to be disturbed.
    Dnd(Dnd) = "dnd", Write;
    /// Lists who has read a message.
    Receipts(OfMessage) = "receipts", Read;
    /// Lets somebody not write.
    Mute(Mute) = "mute", Order;
    /// Sends somebody out.
    Kick(Kick) = "kick", Order;
    /// Sends somebody out who may not come back.
    Ban(Ban) = "ban", Order;
    /// Lets somebody come back.
    Unban(OfUser) = "unban", Order;
    /// Lets somebody talk to nobody.
    ShadowBan(ShadowBan) = "shadow_ban", Order;
    /// Shows or changes what words are refused.
    Filters(Filters) = "filters", Order;
    /// Tells the moderators.
    Report(Report) = "report", Write;
    /// Lists what they were told.
    Reports(Reports) = "reports", Order;
    /// Ends a report.
    Resolve(Resolve) = "resolve", Order;
    /// Lists acts of moderation and administration.
    Audit(AuditQuery) = "audit", Order;
    /// Reads the inbox.
    Inbox(InboxQuery) = "inbox", Read;
    /// Has read it.
    InboxRead(InboxRead) = "inbox_read", Write;
}

macro_rules! body {
    ($(#[$doc:meta])+ $name:ident { $($(#[$field_doc:meta])+ $field:ident: $type:ty $(= $default:literal)?,)+ }) => {
        $(#[$doc])+
        #[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
        pub struct $name { $($(#[$field_doc])+ $(#[serde(default = $default)])? pub $field: $type,)+ }
    };
}

fn for_ever() -> Option<u64> {
    Some(NEVER)
}

fn yes() -> bool {
    true
}

fn one() -> u64 {
    1
}

fn member() -> Role {
    Role::Member
}

fn rooms() -> u32 {
    500
}

fn hundred() -> u32 {
    100
}

fn fifty() -> u32 {
    50
}

fn twenty() -> u32 {
    20
}

body! {
    /// One room, and nothing else.
    InRoom {
        /// Which.
        channel: ChannelName,
    }
}
body! {
    /// A room to be made.
    Create {
        /// Its channel; drawn when absent.
        channel: Option<ChannelName>,
        /// Its kind.
        kind: RoomKind,
        /// Its name.
        name: Option<String>,
        /// Its topic.
        topic: Option<String>,
        /// Who is in it from the beginning, at most 100.
        members: Vec<UserId> = "Vec::new",
        /// How reactions add up.
        reactions: Reactions = "Reactions::default",
        /// Whether reading is told. Default: for at most 50 members.
        receipts: Option<bool>,
        /// Who may mention everybody.
        mention_all: Role = "member",
        /// Pause between two messages of a member, in seconds.
        slow_mode_s: u32 = "u32::default",
    }
}
body! {
    /// Another name or topic.
    Update {
        /// Which room.
        channel: ChannelName,
        /// Its name from now on.
        name: Option<String>,
        /// Its topic from now on.
        topic: Option<String>,
    }
}
body! {
    /// Other rules.
    Configure {
        /// Which room.
        channel: ChannelName,
        /// Pause between two messages of a member, 0 to 21,600 s.
        slow_mode_s: Option<u32>,
        /// How reactions add up from now on.
        reactions: Option<Reactions>,
        /// Whether reading is told.
        receipts: Option<bool>,
        /// Who may mention everybody.
        mention_all: Option<Role>,
        /// Days after which messages go; 0 for what the namespace says.
        retention_days: Option<u32>,
    }
}
body! {
    /// The end of a room, or its return.
    Archive {
        /// Which room.
        channel: ChannelName,
        /// Whether it is archived from now on.
        archived: bool = "yes",
    }
}
body! {
    /// An invitation.
    Invite {
        /// Into which room.
        channel: ChannelName,
        /// Whom.
        user: UserId,
        /// As what.
        role: Role = "member",
    }
}
body! {
    /// People to bring in.
    Add {
        /// Into which room.
        channel: ChannelName,
        /// Whom, at most 100.
        users: Vec<UserId>,
        /// As what.
        role: Role = "member",
    }
}
body! {
    /// A role to give.
    SetRole {
        /// In which room.
        channel: ChannelName,
        /// To whom.
        user: UserId,
        /// Which.
        role: Role,
    }
}
body! {
    /// A page of the own rooms.
    Rooms {
        /// At most so many, up to 1,000.
        limit: u32 = "rooms",
        /// Behind this room.
        after: Option<ChannelName>,
        /// Send their events from now on.
        follow: bool = "bool::default",
        /// Only these, at most 1,000.
        channels: Option<Vec<ChannelName>>,
    }
}
body! {
    /// A page of members.
    Members {
        /// Of which room.
        channel: ChannelName,
        /// Behind this user.
        after: Option<UserId>,
        /// At most so many, up to 1,000.
        limit: u32 = "hundred",
    }
}
body! {
    /// A page of open rooms.
    Discover {
        /// Of this namespace alone.
        namespace: Option<String>,
        /// Behind this room.
        after: Option<ChannelName>,
        /// At most so many, up to 1,000.
        limit: u32 = "hundred",
    }
}
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
body! {
    /// Whether to follow a thread.
    Follow {
        /// Where.
        channel: ChannelName,
        /// Which thread.
        thread: MessageId,
        /// From now on.
        following: bool = "yes",
    }
}
body! {
    /// A page of followed threads.
    Threads {
        /// `next` of the page before.
        after: Option<String>,
        /// At most so many, up to 100.
        limit: u32 = "fifty",
    }
}
body! {
    /// A read mark.
    Read {
        /// Where.
        channel: ChannelName,
        /// Everything up to it.
        ordinal: u64,
        /// In which thread.
        thread: Option<MessageId>,
    }
}
body! {
    /// What to be told of.
    Notify {
        /// In which room.
        channel: ChannelName,
        /// What.
        level: Level,
    }
}
body! {
    /// Do not disturb.
    Dnd {
        /// Until then; `None`: disturb.
        until: Option<u64>,
    }
}
body! {
    /// Somebody may not write.
    Mute {
        /// Where.
        channel: ChannelName,
        /// Who.
        user: UserId,
        /// Until then; null lifts it, absent is for ever.
        until: Option<u64> = "for_ever",
        /// Why.
        reason: Option<String>,
    }
}
body! {
    /// Somebody has to go.
    Kick {
        /// Out of which room.
        channel: ChannelName,
        /// Who.
        user: UserId,
        /// Why.
        reason: Option<String>,
    }
}
body! {
    /// Somebody has to go and may not come back.
    Ban {
        /// Out of which room.
        channel: ChannelName,
        /// Who.
        user: UserId,
        /// Until then; absent or null for ever.
        until: Option<u64>,
        /// Why.
        reason: Option<String>,
    }
}
body! {
    /// Somebody in a room.
    OfUser {
        /// Which room.
        channel: ChannelName,
        /// Who.
        user: UserId,
    }
}
body! {
    /// Somebody talks to nobody.
    ShadowBan {
        /// Where.
        channel: ChannelName,
        /// Who.
        user: UserId,
        /// From now on.
        on: bool = "yes",
    }
}
body! {
    /// What a room refuses.
    Filters {
        /// Which room.
        channel: ChannelName,
        /// These words from now on, at most 500 of at most 100 bytes.
        words: Option<Vec<String>>,
        /// Who may post links from now on.
        links: Option<Links>,
    }
}
body! {
    /// Something for the moderators.
    Report {
        /// Where.
        channel: ChannelName,
        /// Which message.
        message: MessageId,
        /// Why.
        reason: String,
    }
}
body! {
    /// A page of reports.
    Reports {
        /// Of which room.
        channel: ChannelName,
        /// Only those that are not resolved.
        open: bool = "yes",
        /// Behind this place: `next` of the page before.
        after: Option<u64>,
        /// At most so many, up to 100.
        limit: u32 = "fifty",
    }
}
body! {
    /// The end of a report.
    Resolve {
        /// Of which room.
        channel: ChannelName,
        /// Which.
        report: String,
        /// What was done.
        action: Resolution,
    }
}
body! {
    /// A page of the audit log.
    AuditQuery {
        /// Of this room.
        channel: Option<ChannelName>,
        /// Before this place: `next` of the page before.
        after: Option<u64>,
        /// At most so many, up to 100.
        limit: u32 = "fifty",
    }
}
body! {
    /// A page of the inbox.
    InboxQuery {
        /// Before this offset.
        before: Option<u64>,
        /// At most so many, up to 100.
        limit: u32 = "twenty",
    }
}
body! {
    /// What of the inbox is read.
    InboxRead {
        /// Everything up to it.
        offset: Option<u64>,
        /// This notice.
        notice: Option<MessageId>,
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

/// What became of a report.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// Nothing is wrong.
    Dismissed,
    /// The message was deleted.
    Deleted,
    /// Its author was banned.
    Banned,
}

impl Op {
    /// The room that it is about; `None` for what is about several, or about none.
    pub fn channel(&self) -> Option<&ChannelName> {
        Some(match self {
            Self::Create(body) => body.channel.as_ref()?,
            Self::Update(body) => &body.channel,
            Self::Configure(body) => &body.channel,
            Self::Archive(body) => &body.channel,
            Self::Invite(body) => &body.channel,
            Self::Join(body) | Self::Leave(body) | Self::Room(body) => &body.channel,
            Self::Add(body) => &body.channel,
            Self::Role(body) => &body.channel,
            Self::Members(body) => &body.channel,
            Self::Send(body) => &body.channel,
            Self::Edit(body) => &body.channel,
            Self::Delete(body) => &body.channel,
            Self::BulkDelete(body) => &body.channel,
            Self::Unfurl(body) => &body.channel,
            Self::Pin(body) => &body.channel,
            Self::React(body) => &body.channel,
            Self::Typing(body) => &body.channel,
            Self::Messages(body) => &body.channel,
            Self::Message(body) | Self::Versions(body) | Self::Receipts(body) => &body.channel,
            Self::Unschedule(body) => &body.channel,
            Self::Follow(body) => &body.channel,
            Self::Read(body) => &body.channel,
            Self::Notify(body) => &body.channel,
            Self::Mute(body) => &body.channel,
            Self::Kick(body) => &body.channel,
            Self::Ban(body) => &body.channel,
            Self::Unban(body) => &body.channel,
            Self::ShadowBan(body) => &body.channel,
            Self::Filters(body) => &body.channel,
            Self::Report(body) => &body.channel,
            Self::Reports(body) => &body.channel,
            Self::Resolve(body) => &body.channel,
            Self::Scheduled(body) => body.channel.as_ref()?,
            Self::Search(body) => body.channel.as_ref()?,
            Self::Audit(body) => body.channel.as_ref()?,
            Self::Rooms(_)
            | Self::Discover(_)
            | Self::Threads(_)
            | Self::Dnd(_)
            | Self::Inbox(_)
            | Self::InboxRead(_) => return None,
        })
    }
}
