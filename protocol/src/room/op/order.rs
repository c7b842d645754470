//! Keeping order: among people, in what is said, and the account of it.

use serde::{Deserialize, Serialize};

use super::{fifty, for_ever, yes};
use crate::channel::{ChannelName, UserId};
use crate::id::MessageId;
use crate::room::words::Links;

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
    /// The end of a report, and what comes of it.
    Resolve {
        /// Of which room.
        channel: ChannelName,
        /// Which.
        report: String,
        /// What is to be done.
        action: Resolution,
        /// The author of the message, who is banned; found when it is not said.
        user: Option<UserId>,
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

/// What became of a report.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// Nothing is wrong.
    Dismissed,
    /// The message is deleted.
    Deleted,
    /// Its author is banned, for ever.
    Banned,
}
