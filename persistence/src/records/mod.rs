//! Records: what rooms remember beside their logs, and how a change of them is decided and stored together with its events.
//!
//! Read in this order: the words (this file), what may be asked ([`question`]), what a decision sees ([`view`]), the decision
//! itself ([`act`]); for tests records in memory (`ledger`) and acts that do what they are told (`scripted`). Nothing here
//! knows what a room is: rules live above.

pub mod question;

pub mod view;

pub mod act;

#[cfg(feature = "conformance")]
pub mod ledger;

#[cfg(any(test, feature = "conformance"))]
pub mod scripted;

use hubbub_protocol::channel::{ChannelKey, TenantId, UserId};

use crate::store::StoreError;
pub use act::{Act, ActFuture, Acted, Event, Refusal, Stop, Verdict};
pub use question::{Hit, List, Look, Looked, Question, Search, SearchIn};
pub use view::View;

use async_trait::async_trait;

/// Longest key of a record, in bytes.
pub const KEY_MAX: usize = 640;
/// Longest group of a record, in bytes.
pub const GROUP_MAX: usize = 256;
/// Most records that [`Question::Group`] answers; of a larger group the oldest.
pub const GROUP_RECORDS: usize = 1_000;

macro_rules! kinds {
    ($($(#[$doc:meta])+ $name:ident = $number:literal;)+) => {
        /// What a record is about. The number is what backends store.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        pub enum Kind { $($(#[$doc])+ $name,)+ }

        impl Kind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// What backends store.
            pub fn number(self) -> i16 {
                match self { $(Self::$name => $number),+ }
            }

            /// The kind of a number that was stored.
            pub fn of_number(number: i16) -> Option<Self> {
                match number { $($number => Some(Self::$name),)+ _ => None }
            }
        }
    };
}

kinds! {
    /// A room.
    Room = 1;
    /// Somebody's place in a room.
    Member = 2;
    /// A message of a room.
    Message = 3;
    /// Somebody's reaction to a message.
    Reaction = 4;
    /// What a message said before an edit.
    Version = 5;
    /// A mention: of one member, or of the whole room.
    Mention = 6;
    /// Somebody's place in a thread.
    Follower = 7;
    /// The words that a room refuses.
    Filter = 8;
    /// A report to the moderators.
    Report = 9;
    /// An act of moderation or administration.
    Audit = 10;
    /// Something to do later.
    Task = 11;
    /// What the hub remembers of a user.
    Person = 12;
    /// A notice in a user's inbox.
    Notice = 13;
    /// An export or erasure under way.
    Job = 14;
    /// Proof of an erasure.
    Proof = 15;
}

/// Names a record. Its home is the channel whose lock guards it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct RecordKey {
    /// The channel that it belongs to.
    pub home: ChannelKey,
    /// What it is about.
    pub kind: Kind,
    /// Its name among those of its kind and home, 1 to [`KEY_MAX`] bytes.
    pub key: String,
}

/// One row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// Its name.
    pub key: RecordKey,
    /// What it is listed under, at most [`GROUP_MAX`] bytes; may be empty.
    pub group: String,
    /// Its place in the list, at most 2^53-1.
    pub at: u64,
    /// The user that it is about.
    pub who: Option<UserId>,
    /// What search finds it by.
    pub text: Option<String>,
    /// Everything else: JSON.
    pub body: String,
}

/// Records and the acts that change them.
///
/// Obligations of every backend, checked by the conformance suite:
/// - **One queue.** Acts wait in the queue of [`crate::Store::append`] and keep its order: an act sees all that was enqueued before
///   it for the channels it names, of this node and of others that were committed.
/// - **Atomicity.** Events, their offsets, records, erasures and the key of an act are stored together or not at all; one that
///   is refused changes nothing and fails nobody else.
/// - **Isolation.** While an act is decided nobody else changes the heads and the records of the channels that it names.
/// - **Keys.** As with appends: the digest is that of [`Act::digest`].
/// - **Erasure** by an act is that of [`crate::Store::erase`].
/// - **Snapshots.** All answers of one `look` and its heads come from one snapshot.
/// - **Tenants.** No call but `due` sees another tenant's rows.
#[async_trait]
pub trait Records: Send + Sync + 'static {
    /// Decides and stores an act. Enqueued at once; the future answers after the commit.
    fn act(&self, act: std::sync::Arc<dyn Act>) -> ActFuture;

    /// Answers everything from one snapshot.
    async fn look(&self, tenant: &TenantId, look: Look) -> Result<Looked, StoreError>;

    /// Records of the kind message whose text fits, best first. Bounded as [`Search`] says; of what that leaves, pages meet.
    async fn search(&self, search: Search) -> Result<Vec<Hit>, StoreError>;

    /// Tasks of every tenant whose `at` is not after `now_ms`, the oldest first; at most `limit`.
    async fn due(&self, now_ms: u64, limit: u32) -> Result<Vec<RecordKey>, StoreError>;

    /// Offsets behind `after` of messages in the channel's log that name the user: as author, or anywhere in their data, publisher
    /// or key. At most `limit`, ascending. Reads the log from there on: for jobs, not for requests.
    async fn naming(&self, channel: &ChannelKey, user: &UserId, after: u64, limit: u32)
    -> Result<Vec<u64>, StoreError>;
}
