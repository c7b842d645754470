//! The mailbox of a shard: what lanes and the node tell it, bounded in count and bytes.
//!
//! Overflow policy: the sender waits. A shard never waits for a lane while it empties its mailbox, so this can not lock up.

use std::collections::HashSet;
use std::sync::Arc;

use hubbub_protocol::channel::{ChannelKey, ChannelName, TenantId, UserId};
use hubbub_protocol::{CloseCode, Epoch, Key, Position};
use serde::Serialize;
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::auth::ticket::TicketId;
use crate::encoded::Encoded;

/// Bytes of deliveries that may wait for one shard.
const MAILBOX_BYTES: usize = 64 * 1024 * 1024;

/// A frame for the subscribers of a channel.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Which channel.
    pub channel: ChannelKey,
    /// Where the log stands after it; `None` for what has no place in a log.
    pub position: Option<Position>,
    /// Only for subscriptions that asked for presence.
    pub presence: bool,
    /// The conflate key, when it is a message that has one.
    pub conflate_key: Option<Key>,
    /// The frame.
    pub encoded: Encoded,
    /// About how many bytes it takes while it waits.
    pub cost: usize,
}

impl Delivery {
    /// The epoch of its place.
    pub(super) fn epoch(&self) -> Option<Epoch> {
        self.position.map(|position| position.epoch)
    }
}

/// Something for a shard to do.
#[derive(Debug)]
pub enum Mail {
    /// A frame for the subscribers of a channel.
    Delivery(Delivery),
    /// The shard's interest in a channel is registered: deliveries after `position` will follow.
    Attached {
        /// Which channel.
        channel: ChannelKey,
        /// Everything up to here was delivered before; `None` without a log. The error says that the interest could not be
        /// registered.
        position: Result<Option<Position>, String>,
    },
    /// Close the connections that match; answers how many there were.
    Close(CloseOrder, oneshot::Sender<usize>),
    /// End the subscriptions of a user to a channel.
    ShutOut {
        /// Which channel.
        channel: ChannelKey,
        /// Whose.
        user: UserId,
    },
    /// Tell who reads which channel of these namespaces.
    Readers {
        /// Which namespaces.
        namespaces: Arc<HashSet<String>>,
        /// Where to.
        reply: oneshot::Sender<Vec<(ChannelKey, UserId)>>,
    },
    /// A newer stream was opened with this ticket elsewhere.
    EndTicket(TicketId),
    /// Tell every connection to reconnect within the window, in paced batches.
    Drain {
        /// The window, in milliseconds.
        within_ms: u64,
    },
    /// Close what is still there, now.
    Finish,
    /// Close the connections with the largest outboxes until so many bytes are free.
    Relieve {
        /// How many bytes.
        bytes: usize,
    },
    /// Tell about the shard.
    Inspect(oneshot::Sender<ShardReport>),
    /// Tell about the connections of a tenant.
    Connections {
        /// Of which tenant.
        tenant: TenantId,
        /// Of this user alone.
        user: Option<UserId>,
        /// At most so many.
        limit: usize,
        /// Where to.
        reply: oneshot::Sender<Vec<ConnectionReport>>,
    },
    /// How many subscribers the channels of a tenant have here: the first ones by name that have any.
    Channels {
        /// Of which tenant.
        tenant: TenantId,
        /// Behind this name.
        after: Option<ChannelName>,
        /// At most so many.
        limit: usize,
        /// Where to.
        reply: oneshot::Sender<Vec<(ChannelName, usize)>>,
    },
    /// How many subscribers one channel has here.
    Subscribers(ChannelKey, oneshot::Sender<usize>),
}

/// Which connections to close, and how.
#[derive(Clone, Debug)]
pub struct CloseOrder {
    /// Of which tenant.
    pub tenant: TenantId,
    /// Of this user; `None` closes by token alone.
    pub user: Option<UserId>,
    /// Opened with this token.
    pub token_id: Option<String>,
    /// Whose token was issued before this second.
    pub issued_before: Option<u64>,
    /// The code they get.
    pub code: CloseCode,
}

/// What a shard tells about itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, utoipa::ToSchema)]
pub struct ShardReport {
    /// WebSocket connections with a session.
    pub sessions: usize,
    /// SSE streams.
    pub streams: usize,
    /// Connections in all, also those before their connect frame.
    pub connections: usize,
    /// Subscriptions of all connections.
    pub subscriptions: usize,
    /// Channels with subscribers.
    pub channels: usize,
    /// Bytes that wait for slow readers.
    pub outbox_bytes: usize,
}

/// What is known of one connection.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, utoipa::ToSchema)]
pub struct ConnectionReport {
    /// The session's id.
    pub session: String,
    /// Who, when it is not an anonymous reader.
    pub user: Option<String>,
    /// `websocket` or `sse`.
    pub transport: &'static str,
    /// Name and version of the client program, as it said.
    pub client: Option<String>,
    /// From where.
    pub address: String,
    /// How many channels it subscribes to.
    pub subscriptions: usize,
    /// Bytes that wait for it.
    pub outbox_bytes: usize,
}

/// Makes a mailbox for `count` pieces of mail.
pub fn mailbox(count: usize) -> (Mailbox, MailboxReader) {
    let (sender, receiver) = mpsc::channel(count);
    let bytes = Arc::new(Semaphore::new(MAILBOX_BYTES));
    (Mailbox { sender, bytes: bytes.clone() }, MailboxReader { receiver, bytes })
}

/// The sender's end.
#[derive(Clone, Debug)]
pub struct Mailbox {
    sender: mpsc::Sender<Mail>,
    bytes: Arc<Semaphore>,
}

impl Mailbox {
    /// Puts a piece of mail in, waiting while the mailbox is full. A shard that is gone takes nothing any more.
    pub async fn send(&self, mail: Mail) {
        let cost = cost(&mail);
        if cost > 0 {
            // The semaphore is never closed.
            let Ok(permit) = self.bytes.acquire_many(cost).await else { return };
            permit.forget();
        }
        if self.sender.send(mail).await.is_err() {
            self.bytes.add_permits(cost as usize);
        }
    }
}

/// The shard's end.
#[derive(Debug)]
pub struct MailboxReader {
    receiver: mpsc::Receiver<Mail>,
    bytes: Arc<Semaphore>,
}

impl MailboxReader {
    /// Takes up to `most` pieces that wait, into `into`; waits for the first. Answers how many; 0 when no sender is left.
    pub async fn take(&mut self, into: &mut Vec<Mail>, most: usize) -> usize {
        let count = self.receiver.recv_many(into, most).await;
        self.taken(&into[into.len() - count..]);
        count
    }

    /// The same of what waits now.
    pub fn take_now(&mut self, into: &mut Vec<Mail>, most: usize) -> usize {
        let before = into.len();
        into.extend(std::iter::from_fn(|| self.receiver.try_recv().ok()).take(most));
        self.taken(&into[before..]);
        into.len() - before
    }

    fn taken(&self, mail: &[Mail]) {
        let cost: u32 = mail.iter().map(cost).sum();
        self.bytes.add_permits(cost as usize);
    }
}

/// Only deliveries are big; a frame is far below 4 GiB, and a single one never more than the mailbox holds.
fn cost(mail: &Mail) -> u32 {
    match mail {
        Mail::Delivery(delivery) => delivery.cost.min(MAILBOX_BYTES / 2) as u32,
        _ => 0,
    }
}
