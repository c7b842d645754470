//! The store: the trait that every backend implements, with its obligations.

use async_trait::async_trait;
use hubbub_protocol::channel::{ChannelKey, TenantId};
use hubbub_protocol::{MessageId, Position};

use crate::log::{Append, Appended, Continuity, Head, Page, ReadFrom, Retention, Revocation};

/// Why the store did not answer. The inner cause is logged where it happens, not carried to clients.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The database can not be reached or does not answer in time. Try again later.
    #[error("the store is away: {0}")]
    Unavailable(String),
    /// More waits than the store's queue holds. Try again later.
    #[error("the store has more waiting than it can take")]
    Overloaded,
    /// It is unknown whether the append was committed; ask [`Store::find`] for the id.
    #[error("the outcome of the commit is unknown: {0}")]
    Unknown(String),
    /// The store refused this one request (a constraint, a value too large), others are not touched.
    #[error("the store refused: {0}")]
    Refused(String),
    /// What was read is not what was written.
    #[error("the store is damaged: {0}")]
    Damaged(String),
}

/// Durable logs and revocations.
///
/// Obligations of every backend, checked by the conformance suite:
/// - **Order.** A channel's offsets are 1, 2, 3 … without holes, in the order in which its appends were enqueued. An append
///   is enqueued when `append` is called, before its future is first polled.
/// - **Durability.** `append` answers after the commit is on disk, as far as the set-up promises it.
/// - **Atomicity.** An append is in the log whole, with its key, or not at all. One bad append never fails its neighbours.
/// - **Keys.** Scoped to channel and publisher, kept for [`KEY_TTL_MS`] at least.
/// - **Snapshots.** A page and its head come from one snapshot.
/// - **Cancellation.** Dropping a future of `append` does not take the append back.
/// - **Tenants.** No call sees another tenant's rows.
/// - **Bounds.** The queue of waiting appends is bounded in count and bytes; beyond it `append` answers `Overloaded`.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Appends a message. Enqueued at once; the future answers after the commit.
    fn append(&self, append: Append) -> AppendFuture;

    /// Reads at most `limit` entries and, after the first, at most `max_bytes` of them.
    async fn read(
        &self,
        channel: &ChannelKey,
        from: ReadFrom,
        limit: u32,
        max_bytes: usize,
    ) -> Result<Page, StoreError>;

    /// The ends of each log, in the order asked for.
    async fn heads(&self, channels: &[ChannelKey]) -> Result<Vec<Head>, StoreError>;

    /// What an old position is worth now.
    async fn continuity(&self, channel: &ChannelKey, position: Position) -> Result<Continuity, StoreError>;

    /// Where a message is, if it was committed.
    async fn find(&self, channel: &ChannelKey, id: MessageId) -> Result<Option<Position>, StoreError>;

    /// Leaves a tombstone at the offset; its data, author and keys are gone. Answers whether a message was there.
    async fn erase(&self, channel: &ChannelKey, offset: u64) -> Result<bool, StoreError>;

    /// Removes expired messages of a channel and moves its low-water mark. Does a bounded amount of work; answers how
    /// many entries went, so that the caller asks again until it is none.
    async fn expire(&self, channel: &ChannelKey, retention: Retention, now_ms: u64) -> Result<u64, StoreError>;

    /// Forgets a channel as if it had never been: its log, its keys, its epochs, its name. Records are not its business. Does
    /// a bounded amount of work; answers whether it is gone, so that the caller asks again until it is. Whoever appends to it
    /// later begins with the offset 1.
    async fn forget_channel(&self, channel: &ChannelKey) -> Result<bool, StoreError>;

    /// Channels of a tenant that have a log, by name, after `after`; at most `limit`.
    async fn channels(
        &self,
        tenant: &TenantId,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<(ChannelKey, Head)>, StoreError>;

    /// Every tenant that has a log.
    async fn tenants(&self) -> Result<Vec<TenantId>, StoreError>;

    /// Remembers a revocation. The same one again only moves `until` and `before` later.
    async fn revoke(&self, revocation: Revocation) -> Result<(), StoreError>;

    /// All revocations that still count at `now_ms`; older ones may be forgotten.
    async fn revocations(&self, now_ms: u64) -> Result<Vec<Revocation>, StoreError>;

    /// Answers when the store can be read and written.
    async fn check(&self) -> Result<(), StoreError>;

    /// Commits what waits and closes. Later appends answer `Unavailable`.
    async fn close(&self);
}

/// Keys of durable channels are kept this long, in milliseconds: 48 hours.
pub const KEY_TTL_MS: u64 = 48 * 3_600_000;

/// The answer to an append.
pub type AppendFuture = std::pin::Pin<Box<dyn Future<Output = Result<Appended, StoreError>> + Send>>;
