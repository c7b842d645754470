//! What can be asked for in rooms, the same on every way in. Fields that are not known are ignored.

macro_rules! body {
    ($(#[$doc:meta])+ $name:ident { $($(#[$field_doc:meta])+ $field:ident: $type:ty $(= $default:literal)?,)+ }) => {
        $(#[$doc])+
        #[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
        pub struct $name { $($(#[$field_doc])+ $(#[serde(default = $default)])? pub $field: $type,)+ }
    };
}

mod order;
mod people;
mod posts;
mod reading;

pub use order::*;
pub use people::*;
pub use posts::*;
pub use reading::*;

use serde::{Deserialize, Serialize};

use super::NEVER;
use super::words::Role;
use crate::channel::ChannelName;
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
