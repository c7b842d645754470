//! What can be asked of records.

use hubbub_protocol::channel::{ChannelKey, TenantId, UserId};

use super::{Kind, Record, RecordKey};
use crate::log::{Head, ReadFrom};

/// What an act may ask while it is decided.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Question {
    /// The record of this name.
    Key(RecordKey),
    /// The last record of a group whose place is not behind `at`.
    Last {
        /// Of this channel.
        home: ChannelKey,
        /// Of this kind.
        kind: Kind,
        /// Of this group.
        group: String,
        /// Up to this place.
        at: u64,
    },
    /// All records of a group by their place, at most [`super::GROUP_RECORDS`].
    Group {
        /// Of this channel.
        home: ChannelKey,
        /// Of this kind.
        kind: Kind,
        /// Of this group.
        group: String,
    },
}

impl Question {
    /// The channel that it is about.
    pub fn home(&self) -> &ChannelKey {
        match self {
            Self::Key(key) => &key.home,
            Self::Last { home, .. } | Self::Group { home, .. } => home,
        }
    }
}

/// What one look asks, all of it answered from one snapshot.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Look {
    /// The ends of these logs.
    pub heads: Vec<ChannelKey>,
    /// Records by name.
    pub keys: Vec<RecordKey>,
    /// Parts of lists.
    pub lists: Vec<List>,
}

/// A part of a list of records.
#[derive(Clone, PartialEq, Debug)]
pub enum List {
    /// Records of a group by their place, from there on in the direction of `from`.
    Group {
        /// Of this channel.
        home: ChannelKey,
        /// Of this kind.
        kind: Kind,
        /// Of this group.
        group: String,
        /// From which place.
        from: ReadFrom,
        /// At most so many.
        limit: u32,
    },
    /// Records of a kind by their key, behind `after`.
    Keys {
        /// Of this channel.
        home: ChannelKey,
        /// Of this kind.
        kind: Kind,
        /// Only those of this group.
        group: Option<String>,
        /// Behind this key.
        after: String,
        /// At most so many.
        limit: u32,
    },
    /// Records about a user, by kind, home and key, behind `after`.
    User {
        /// About this user.
        who: UserId,
        /// Of this kind alone.
        kind: Option<Kind>,
        /// In these homes alone; empty: in all.
        homes: Vec<ChannelKey>,
        /// Behind this record.
        after: Option<RecordKey>,
        /// At most so many.
        limit: u32,
    },
    /// Records of one kind in all channels whose group is this, by home, behind `after`.
    Everywhere {
        /// Of this kind.
        kind: Kind,
        /// Of this group.
        group: String,
        /// Behind this channel.
        after: Option<ChannelKey>,
        /// At most so many.
        limit: u32,
    },
}

/// The answers to a [`Look`], each in the order asked for.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Looked {
    /// The ends of the logs.
    pub heads: Vec<Head>,
    /// The records, `None` for those that there are not.
    pub keys: Vec<Option<Record>>,
    /// The lists.
    pub lists: Vec<Vec<Record>>,
}

/// Hits of one search that are ranked: the newest.
pub const RANKED: u32 = 500;
/// Messages that are looked at for one search: the newest that have its words.
pub const LOOKED: u32 = 2_000;

/// Words to search messages for. Of words that stand in very many messages the newest are found: of the newest [`LOOKED`] that have
/// them (in the channel, or in the tenant) those that fit, and of these the newest [`RANKED`]. Where more than one in ten messages with the
/// other words has the last one too, the newest [`LOOKED`] with the others will do. Messages that came later are newer.
#[derive(Clone, PartialEq, Debug)]
pub struct Search {
    /// Of this tenant.
    pub tenant: TenantId,
    /// What people type: words that must all occur; the last one may be the beginning of a word.
    pub words: String,
    /// Where.
    pub within: SearchIn,
    /// Only messages of this author.
    pub from: Option<UserId>,
    /// Leave out so many hits.
    pub skip: u32,
    /// At most so many.
    pub limit: u32,
}

/// Where is searched.
#[derive(Clone, PartialEq, Debug)]
pub enum SearchIn {
    /// In one channel.
    Channel(ChannelKey),
    /// In every channel in which this user has a record of the kind member whose group is `joined`.
    JoinedBy(UserId),
}

/// A message that was found.
#[derive(Clone, PartialEq, Debug)]
pub struct Hit {
    /// The record.
    pub record: Record,
    /// What fits in its text: pairs of UTF-16 units, from and to.
    pub highlights: Vec<(u32, u32)>,
}
