//! The roster: who is in which channel, on all nodes together. Here is what every roster owes; it does not know connections,
//! graces or clients, only what nodes say.

use async_trait::async_trait;
use hubbub_protocol::channel::{ChannelKey, UserId};
use hubbub_protocol::frame::PresenceSnapshot;

/// Channels whose entries stand under one lease of a node.
pub type Part = u16;

/// Least time between two counts of a channel, in milliseconds.
pub const COUNT_EVERY_MS: u64 = 1_000;

/// The bounds of a roster, the same on every node.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// How long what a node has said counts without being renewed, in milliseconds.
    pub lease_ms: u64,
    /// Most users of a channel that are told one by one.
    pub list_users: u64,
}

/// What a node says of one user in one channel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Where.
    pub channel: ChannelKey,
    /// Who.
    pub user: UserId,
    /// On how many connections of this node; `None`: not on this node any more.
    pub connections: Option<u32>,
    /// Whether it stood there before and the lease was lost: then it is no news, and no join is told.
    pub again: bool,
    /// The highest version of the channel that this node has told of; the next one is above it.
    pub above: u64,
}

/// What became of an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Entered {
    /// It stands.
    Done {
        /// The version of the channel.
        version: u64,
        /// Whether the channel is large: no change was told, a count is owed.
        large: bool,
    },
    /// It does not stand: the node's lease of this part is gone. Renew it, and enter everything of the part again.
    LeaseGone,
    /// Whether it stands is not known. Enter it again.
    Away,
}

/// What became of a lease.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lease {
    /// It holds on.
    Held,
    /// There was none, or it had run out. This is a new one, and nothing stands under it.
    Begun,
    /// Nobody knows.
    Away,
}

/// What became of a count that was owed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Counted {
    /// It was told, by this node or another, or there is nothing new to tell.
    Told,
    /// The last one was too short a time ago, or nobody could be asked. Try again later.
    Later,
}

/// The roster can not be asked now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the roster can not be asked now")]
pub struct Away;

/// Which users of a channel to tell.
#[derive(Clone, Debug)]
pub struct Page {
    /// Those behind this one, by id.
    pub after: Option<UserId>,
    /// At most so many.
    pub limit: u32,
}

/// Knows who is in which channel over all nodes, and tells the nodes of joins and leaves. One value is one node's end of it.
///
/// Obligations, checked by the conformance suite of presence:
/// - **Entries are states.** Entering the same thing twice is entering it once, so an unknown outcome is resolved by saying it
///   again.
/// - **Joins and leaves.** A join is told when a user stands in a channel that stood there on no node, a leave when the last
///   entry of a user is gone. Each has a version of the channel, above every one before it, also when the channel was empty in
///   between or the roster lost its memory. Changes of one channel are numbered without holes, except that entries made `again`
///   take a number and are not told.
/// - **Large channels.** Above `list_users` nothing is told one by one and lists are empty, until three quarters of them are
///   left; `tell_count` tells how many there are, at most once in [`COUNT_EVERY_MS`] over all nodes.
/// - **Leases.** What a node entered counts while its lease runs. After that it is in no page and (up to the size of a large
///   channel) in no count, and `reap` on any node takes it away and tells the leaves, each once. A lease that ran out does not
///   come back to life: the next one begins empty.
/// - **Bounds.** One call reaps a bounded number of entries.
/// - **Cancellation.** A call that is dropped half-way may have been done.
#[async_trait]
pub trait Roster: Send + Sync + 'static {
    /// Under which lease the entries of a channel stand.
    fn part(&self, channel: &ChannelKey) -> Part;

    /// Makes the entries stand; answers one for each, in their order. Begins the lease of a part that the node never used.
    async fn enter(&self, entries: Vec<Entry>) -> Vec<Entered>;

    /// Renews the leases of these parts, or begins new ones; answers one for each, in their order.
    async fn renew(&self, parts: Vec<Part>) -> Vec<Lease>;

    /// A page of who is there, and how many in all.
    async fn page(&self, channel: &ChannelKey, page: &Page) -> Result<PresenceSnapshot, Away>;

    /// Tells everybody who wants it how many are in a channel.
    async fn tell_count(&self, channel: &ChannelKey) -> Counted;

    /// Takes away entries of nodes whose lease is gone, if it is this node's turn to; answers how many.
    async fn reap(&self) -> Result<u64, Away>;
}

/// Whether a channel is large now, from whether it was: it does not go to and fro at the bound.
pub fn is_large(was: bool, count: u64, list_users: u64) -> bool {
    count > list_users || (was && count > list_users / 4 * 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_has_two_bounds() {
        for (was, count, large) in [
            (false, 1_000, false),
            (false, 1_001, true),
            (true, 1_000, true),
            (true, 751, true),
            (true, 750, false),
            (false, 751, false),
            (true, 0, false),
        ] {
            assert_eq!(is_large(was, count, 1_000), large, "{was} {count}");
        }
    }
}
