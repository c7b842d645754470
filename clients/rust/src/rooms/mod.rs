//! Rooms in a client: a local model that is right as long as it hears what happens, and operations with typed answers.
//!
//! A model is a snapshot, which the hub has answered, and what the events behind it make of it. It is pure: it takes messages
//! ([`RoomsModel::apply`]) and says when something is missing, so that only another snapshot helps. What stands in a snapshot
//! already is known by its place in the log and dropped.
//!
//! Read in this order: where a model stands (`cursor`), what it hears (`heard`), and what that changes in a room (`change`) and
//! in a message (`post`); one room (`entry`) and the list of them (`list`); its messages (`timeline`, `room`, `thread`);
//! `members`, `threads` and `inbox`; what is on its way (`outbox`). Then the operations (`api`), and the list as a connection keeps it
//! right (`live`).

mod cursor;
mod heard;

mod change;
mod post;

mod entry;
mod list;

mod timeline;

mod room;
mod thread;

mod members;
mod threads;

mod inbox;

mod outbox;

mod api;
mod live;

pub use api::{Change, Rooms};
pub use cursor::Step;
pub use entry::Entry;
pub use inbox::{InboxModel, NOTICES};
pub use list::{RoomsModel, Wanted};
pub use live::{FollowedRooms, Happened};
pub use members::MembersModel;
pub use outbox::{Outbox, Outgoing, Sending};
pub use room::RoomModel;
pub use thread::ThreadModel;
pub use threads::ThreadsModel;
pub use timeline::HELD;
