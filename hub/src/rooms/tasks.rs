//! What is to be done later, or after a change: rows that the change itself leaves, so that a node that dies forgets nothing.

use hubbub_persistence::records::{Kind, Record};
use hubbub_protocol::MessageId;
use hubbub_protocol::channel::{ChannelKey, UserId};
use hubbub_protocol::room::{Notice, RoomRequest, What};
use serde::{Deserialize, Serialize};

use super::rows::{key, plain};

/// Something to do. Doing it twice does it once: whatever it appends has a key.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "task", rename_all = "snake_case")]
pub(super) enum TaskRow {
    /// Give these people a notice.
    Notices {
        /// Whom, and what about.
        people: Vec<(UserId, What)>,
        /// Which message.
        message: Option<MessageId>,
        /// Who did it.
        from: Option<UserId>,
        /// The beginning of what was said.
        text: String,
    },
    /// Send a message for a user.
    Send {
        /// Who.
        user: UserId,
        /// What.
        request: RoomRequest,
    },
    /// Tell the platform of a notice that its user does not see now.
    Webhook {
        /// Whose.
        user: UserId,
        /// It.
        notice: Box<Notice>,
        /// How often it was tried.
        tries: u32,
    },
    /// Go on with an export or an erasure.
    Job {
        /// Its id: that of a job of this home.
        job: MessageId,
    },
}

impl TaskRow {
    /// Its record; due at a time.
    pub(super) fn record(&self, home: &ChannelKey, name: &str, due: u64, who: Option<&UserId>) -> Record {
        let group = match self {
            Self::Send { .. } => "scheduled",
            Self::Notices { .. } | Self::Webhook { .. } | Self::Job { .. } => "",
        };
        plain(key(home, Kind::Task, name), group, due, who, self)
    }
}
