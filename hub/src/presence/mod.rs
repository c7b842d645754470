//! Presence: who is in which channel. One task of the node owns what happens here, the roster beneath it knows all nodes.
//!
//! A user is present while one of its connections subscribes, on whatever node, and for a grace after the last one went, so
//! that a reconnect is silent. Read in this order: what a roster owes (`roster`), what a node knows by itself (`book`), who
//! brings the two together (`task`), the rosters (`memory`, `redis`), and what is told where a broker missed something (`missed`).

mod book;
pub mod memory;
pub mod missed;
pub mod redis;
pub mod roster;
mod task;

use std::sync::Arc;
use std::time::Duration;

use hubbub_protocol::channel::{ChannelKey, UserId};
use hubbub_protocol::frame::PresenceSnapshot;
use tokio::sync::{mpsc, oneshot};

pub use self::roster::Page;
use self::roster::{Bounds, Roster};
use self::task::{Request, Task};
use crate::broker::Broker;
use crate::clock::Clock;
use crate::limits::Limits;

/// Changes and questions that may wait. Overflow policy: the asking task waits.
const WAITING: usize = 8_192;

/// The times of presence.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long a user stays present after the last connection went.
    pub grace: Duration,
    /// How long what this node told the roster counts without being renewed.
    pub lease: Duration,
}

/// The bounds of a roster, from those of its node.
pub fn bounds(limits: &Limits) -> Bounds {
    Bounds { lease_ms: limits.presence_lease_ms, list_users: limits.presence_list_users }
}

impl Settings {
    /// From the bounds of a node.
    pub fn of(limits: &Limits) -> Self {
        let (grace, lease) = (limits.presence_grace_ms, limits.presence_lease_ms);
        Self { grace: Duration::from_millis(grace), lease: Duration::from_millis(lease) }
    }

    fn renew_every(&self) -> Duration {
        self.lease / 3
    }

    /// A killed node is to be gone soon after its lease.
    fn reap_every(&self) -> Duration {
        self.lease / 8
    }
}

/// The way to the presence task.
#[derive(Clone)]
pub struct Presence {
    requests: mpsc::Sender<Request>,
    roster: Arc<dyn Roster>,
}

impl Presence {
    /// Starts the task on the current runtime. It ends when the last clone is gone; what it entered counts until its lease has
    /// run out, so that users who move to another node are never absent.
    pub fn start(roster: Arc<dyn Roster>, broker: Arc<dyn Broker>, clock: Arc<Clock>, settings: Settings) -> Self {
        let (requests, receiver) = mpsc::channel(WAITING);
        tokio::spawn(Task::new(roster.clone(), broker, clock, settings).run(receiver));
        Self { requests, roster }
    }

    /// A connection of the user subscribed to the channel.
    pub async fn join(&self, channel: ChannelKey, user: UserId) {
        // The task ends only with the node.
        let _ = self.requests.send(Request::Join(channel, user)).await;
    }

    /// A connection of the user subscribes no longer.
    pub async fn leave(&self, channel: ChannelKey, user: UserId) {
        let _ = self.requests.send(Request::Leave(channel, user)).await;
    }

    /// Those of these channels in which somebody of this node is present.
    async fn present_among(&self, channels: Vec<ChannelKey>) -> Vec<ChannelKey> {
        let (reply, answer) = oneshot::channel();
        let _ = self.requests.send(Request::Among(channels, reply)).await;
        answer.await.unwrap_or_default()
    }

    /// Who is in the channel on all nodes, with all that this node was told before; while the others can not be asked, who is
    /// there on this one.
    pub async fn page(&self, channel: ChannelKey, page: Page) -> PresenceSnapshot {
        let (reply, settled) = oneshot::channel();
        let _ = self.requests.send(Request::Settled(channel.clone(), reply)).await;
        let _ = settled.await;
        if let Ok(snapshot) = self.roster.page(&channel, &page).await {
            return snapshot;
        }
        let (reply, here) = oneshot::channel();
        let _ = self.requests.send(Request::Here(channel, page, reply)).await;
        here.await.unwrap_or_default()
    }
}
