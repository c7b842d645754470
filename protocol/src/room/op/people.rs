//! Rooms themselves: making them, their rules, their people, and lists of them.

use serde::{Deserialize, Serialize};

use super::{hundred, member, rooms, yes};
use crate::channel::{ChannelName, UserId};
use crate::room::words::{Reactions, Role, RoomKind};

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
