//! The broker carries messages between nodes and holds `window` logs. It does not know subscribers, only nodes' interest.

pub mod memory;
mod window;

pub mod redis;

use std::sync::Arc;

use async_trait::async_trait;
use hubbub_persistence::{Append, Appended, Continuity, Head, Page, ReadFrom};
use hubbub_protocol::channel::ChannelKey;
pub use hubbub_protocol::envelope::{Content, Envelope, Order};
pub use hubbub_protocol::frame::Scope;
use hubbub_protocol::{ChannelName, Message, Position, TenantId};
use tokio::sync::mpsc;

use crate::auth::identity::OWN_TENANT;
use crate::namespace::WindowBounds;

/// What a broker hands to its node.
#[derive(Clone, Debug)]
pub enum Incoming {
    /// Another node, or this one, published.
    Envelope(Envelope),
    /// Deliveries of these channels may have been lost: look at their logs.
    Sweep(Vec<ChannelKey>),
}

/// Why the broker did not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BrokerError {
    /// The broker can not be reached. Try again later.
    #[error("the broker is away: {0}")]
    Unavailable(String),
}

/// How a node's way to the others is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Link {
    /// Everything comes and goes.
    Well,
    /// The broker can not be reached; what is told now stays on this node. Why, for an operator.
    Away(String),
    /// The broker answers, yet nothing comes from it: a fault of this node. Why, for an operator.
    Deaf(String),
}

/// Says whether a message of a window goes; without a message, whether the window goes whole.
pub type Sieve = dyn Fn(&ChannelName, Option<&Message>) -> bool + Send + Sync;

/// Carries envelopes between nodes, and keeps `window` logs.
///
/// Obligations, checked by the conformance suite of the broker:
/// - **Interest.** After `subscribe` answered, every envelope of the channel that is published later, by any node and by this
///   one, is handed to [`Inbox`], unless the link breaks; then `Sweep` names the channel as soon as the link is back. While
///   the link is away `subscribe` answers all the same: this node's own envelopes come, and the `Sweep` follows.
/// - **Orders** go to the other nodes alone: who gives one has done it, and done later again it would hit whoever came back.
/// - **Order.** None is promised between envelopes: nodes race. Positions tell.
/// - **Window logs.** `append` numbers, stores, deduplicates by key and publishes in one step: an envelope is published for
///   what was appended, exactly once, and for nothing else. Offsets count 1, 2, 3 … in an epoch.
/// - **Sifting.** What a sieve takes out of a window is in no page any more and its key is free; its offset is a tombstone and
///   numbering goes on. A window that goes whole is as if it had never been, in an epoch of its own. What is appended while it
///   is sifted may be passed over.
/// - **Bounds.** A window never holds more than its bounds, and keeps its numbering when it is empty.
/// - **Cancellation.** `append` and `publish` are driven to their end: callers run them in a task of their own. Dropped
///   half-way, an append may be in the window without being published.
#[async_trait]
pub trait Broker: Send + Sync + 'static {
    /// Wants the envelopes of these channels. Answers when the interest is confirmed.
    async fn subscribe(&self, channels: &[ChannelKey]) -> Result<(), BrokerError>;

    /// Wants them no longer.
    async fn unsubscribe(&self, channels: &[ChannelKey]) -> Result<(), BrokerError>;

    /// Hands an envelope to every node that wants its channel, this one included unless it is an order; answers how far it went. While the link is
    /// away that is this node.
    async fn publish(&self, envelope: Envelope) -> Result<Scope, BrokerError>;

    /// Appends to a window and publishes.
    async fn append(&self, append: Append, bounds: WindowBounds) -> Result<Appended, BrokerError>;

    /// Reads at most `limit` entries and, after the first, at most `max_bytes` of them.
    async fn read(
        &self,
        channel: &ChannelKey,
        from: ReadFrom,
        limit: u32,
        max_bytes: usize,
    ) -> Result<Page, BrokerError>;

    /// The ends of each window, in the order asked for.
    async fn heads(&self, channels: &[ChannelKey]) -> Result<Vec<Head>, BrokerError>;

    /// What an old position of a window is worth now.
    async fn continuity(&self, channel: &ChannelKey, position: Position) -> Result<Continuity, BrokerError>;

    /// Hands every window of a tenant, and every message in them, to a sieve; answers of which something went.
    async fn sift(&self, tenant: &TenantId, sieve: Arc<Sieve>) -> Result<Vec<ChannelKey>, BrokerError>;

    /// How the way to the other nodes is, as far as is known now. Asks nobody.
    fn link(&self) -> Link;
}

/// The channel on which nodes tell each other what to do to live sessions. Belongs to the hub's own tenant.
pub fn control_channel() -> ChannelKey {
    // Both follow the rules of names.
    let tenant = TenantId::parse(OWN_TENANT).expect("a valid name");
    ChannelKey::new(tenant, ChannelName::parse("control:nodes").expect("a valid name"))
}

/// What comes on the control channel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ControlNotice {
    /// Do this.
    Order(Order),
    /// Orders may have been lost: look at the store.
    Missed,
}

/// Where a broker puts what comes in: one bounded queue for each lane, chosen by the channel, and one for control. A full
/// queue makes the broker wait.
#[derive(Clone, Debug)]
pub struct Inbox {
    lanes: Arc<[mpsc::Sender<Incoming>]>,
    control: Option<mpsc::Sender<ControlNotice>>,
    missed: Option<mpsc::Sender<Vec<ChannelKey>>>,
}

impl Inbox {
    /// An inbox over the queues of the lanes; there must be one at least. Nobody listens to control.
    pub fn new(lanes: Vec<mpsc::Sender<Incoming>>) -> Self {
        Self { lanes: lanes.into(), control: None, missed: None }
    }

    /// The same with a queue for control.
    #[must_use]
    pub fn with_control(self, control: mpsc::Sender<ControlNotice>) -> Self {
        Self { control: Some(control), ..self }
    }

    /// The same with a queue for channels of which envelopes may have been missed: for what no log brings again. What finds it full
    /// goes.
    #[must_use]
    pub fn with_missed(self, missed: mpsc::Sender<Vec<ChannelKey>>) -> Self {
        Self { missed: Some(missed), ..self }
    }

    /// Hands an envelope to its lane, or an order to control.
    pub async fn deliver(&self, envelope: Envelope) {
        if let Content::Order(order) = envelope.content {
            return self.tell_control(ControlNotice::Order(order)).await;
        }
        let lane = lane_of(&envelope.channel, self.lanes.len());
        // A lane that is gone means that the node is closing: nobody is left to deliver to.
        let _ = self.lanes[lane].send(Incoming::Envelope(envelope)).await;
    }

    /// Tells the lanes, or control, that deliveries of these channels may have been lost.
    pub async fn sweep(&self, channels: &[ChannelKey]) {
        if let Some(missed) = &self.missed {
            let _ = missed.try_send(channels.to_vec());
        }
        let control = control_channel();
        let mut by_lane = vec![Vec::new(); self.lanes.len()];
        for channel in channels {
            if *channel == control {
                self.tell_control(ControlNotice::Missed).await;
            } else {
                by_lane[lane_of(channel, self.lanes.len())].push(channel.clone());
            }
        }
        for (lane, channels) in self.lanes.iter().zip(by_lane).filter(|(_, channels)| !channels.is_empty()) {
            let _ = lane.send(Incoming::Sweep(channels)).await;
        }
    }

    async fn tell_control(&self, notice: ControlNotice) {
        if let Some(control) = &self.control {
            // Control that is gone means that the node is closing.
            let _ = control.send(notice).await;
        }
    }
}

/// Which of `count` lanes owns a channel. FNV-1a: stable, and no attacker gains from a full lane but himself.
pub fn lane_of(channel: &ChannelKey, count: usize) -> usize {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in channel.tenant.as_str().bytes().chain(channel.channel.as_str().bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    (hash % count as u64) as usize
}
