//! The words of a durable log: what goes in, what comes out, and what an old position is worth.

use hubbub_protocol::channel::{ChannelKey, TenantId, UserId};
use hubbub_protocol::{Data, GapReason, Key, Message, MessageId, Position};

/// A message that wants to be in a log.
#[derive(Clone, Debug)]
pub struct Append {
    /// Which log.
    pub channel: ChannelKey,
    /// The id of the message, made before this first attempt.
    pub id: MessageId,
    /// When the hub took it, in milliseconds since 1970.
    pub time: u64,
    /// The scope of the key: `user/<id>` or `service/<api key id>`.
    pub publisher: String,
    /// The idempotency key.
    pub key: Option<Key>,
    /// The conflate key.
    pub conflate_key: Option<Key>,
    /// The user named as its author.
    pub from: Option<UserId>,
    /// The message.
    pub data: Data,
}

impl Append {
    /// The message as subscribers get it; without a position it has none yet.
    pub fn message(&self, position: Option<Position>) -> Message {
        Message {
            channel: self.channel.channel.clone(),
            id: self.id,
            position,
            time: self.time,
            from: self.from.clone(),
            key: self.key.clone(),
            conflate_key: self.conflate_key.clone(),
            data: self.data.clone(),
        }
    }
}

/// How an append ended, when it did not fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Appended {
    /// The message is in the log. With `duplicate` it was there before, under the same key and with the same data;
    /// id, position and time are those of the first.
    At {
        /// Its id.
        id: MessageId,
        /// Its place.
        position: Position,
        /// Its time, in milliseconds since 1970.
        time: u64,
        /// Whether it was there before.
        duplicate: bool,
    },
    /// The key was used before with other data. Nothing was appended.
    KeyConflict,
}

/// One offset of a log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Entry {
    /// A message; its position is set.
    Message(Message),
    /// The message at this offset was erased.
    Tombstone {
        /// Which offset.
        offset: u64,
    },
}

impl Entry {
    /// The offset of the entry.
    pub fn offset(&self) -> u64 {
        match self {
            Self::Message(message) => message.position.map_or(0, |position| position.offset),
            Self::Tombstone { offset } => *offset,
        }
    }
}

/// The two ends of a log. An untouched channel has offset 0 and low 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    /// The newest message.
    pub position: Position,
    /// The low-water mark: offsets up to and including it have expired.
    pub low: u64,
}

/// From where a page is read, and in which direction. The offset itself is not included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReadFrom {
    /// Ascending from the one after this offset.
    After(u64),
    /// Descending from the one before this offset.
    Before(u64),
}

/// A page of a log, and the ends of the log as they were when it was read (one snapshot).
#[derive(Clone, PartialEq, Debug)]
pub struct Page {
    /// The ends of the log.
    pub head: Head,
    /// The entries in the direction of reading, tombstones included. Holes between them and above `low` are lost entries.
    pub entries: Vec<Entry>,
    /// Whether entries follow in the direction of reading.
    pub more: bool,
}

/// What an old position is worth now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Continuity {
    /// Everything after `offset` can be read: offsets of the old epoch up to there are the same messages now.
    /// (Expired ones show by the low-water mark.)
    Proven {
        /// Read after this offset.
        offset: u64,
    },
    /// The position is beyond what the current epoch continues, or of an unknown epoch: what the client saw after
    /// `since` may differ from what the log holds now.
    Broken {
        /// The last offset that is certain (0 when nothing is).
        since: u64,
        /// Always [`GapReason::Epoch`] today.
        reason: GapReason,
    },
}

/// How long a log keeps messages. A message expires as soon as one bound says so; `None` does not bound.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Retention {
    /// Keep at most so many messages.
    pub messages: Option<u64>,
    /// Keep messages for so many milliseconds.
    pub age_ms: Option<u64>,
}

/// Whom a revocation hits.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum RevokedSubject {
    /// One token, by its `jti`.
    Token(String),
    /// Every token of a user that was issued before `before` (seconds since 1970, compared with `iat`).
    User {
        /// Who.
        user: UserId,
        /// Tokens issued before this second are void.
        before: u64,
    },
}

/// A token, or the tokens of a user, are void.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Revocation {
    /// Of which tenant.
    pub tenant: TenantId,
    /// Whom it hits.
    pub subject: RevokedSubject,
    /// It can be forgotten from then on, in milliseconds since 1970: no token that it hits lives longer.
    pub until: u64,
}
