//! The words of rooms: what people ask for, what happened, and how a room looks. Plain data and pure rules of text; who may do what,
//! and what follows from it, is decided elsewhere.
//!
//! Read in this order: what a room is made of ([`words`]), its messages ([`post`]) and their [`text`]; what can be asked for
//! ([`op`]); what is answered ([`answer`]); what happened ([`event`]). `docs/CHAT.md` is this for people.

pub mod words;

pub mod post;
pub mod text;

pub mod op;

pub mod answer;
pub mod event;

pub use event::{Event, Left, Moved, OwnEvent};
pub use op::{Op, RoomRequest};
pub use post::{Attachment, Count, DeletedBy, Entity, Mark, Post, Unfurl};
pub use text::{Text, TextError};
pub use words::{Last, Level, Links, Member, MemberState, Notice, Person, Reactions, Role, Room, RoomKind, What};

/// A time that never comes: the largest number that JavaScript can hold exactly.
pub const NEVER: u64 = (1 << 53) - 1;
