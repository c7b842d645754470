//! Reading: marks, threads, what to be told of, and the inbox.

use serde::{Deserialize, Serialize};

use super::{fifty, twenty, yes};
use crate::channel::ChannelName;
use crate::id::MessageId;
use crate::room::words::Level;

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
