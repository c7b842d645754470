//! The backbone of a node: broker, logs, lanes, and the canary that walks through them all. Everybody else is hung on it.

use std::sync::Arc;
use std::time::Duration;

use hubbub_persistence::Store;
use hubbub_protocol::channel::ChannelKey;
use tokio::sync::mpsc;

use crate::broker::memory::{Bus, MemoryBroker};
use crate::broker::redis::RedisBroker;
use crate::broker::{Broker, ControlNotice, Inbox};
use crate::clock::Clock;
use crate::control::orders;
use crate::deliver::hot::{Hot, HotBounds};
use crate::deliver::{Intake, Interest, Parts};
use crate::limits::Limits;
use crate::logs::Logs;
use crate::presence;
use crate::presence::memory::{Board, MemoryRoster};
use crate::presence::missed::MISSED;
use crate::presence::redis::RedisRoster;
use crate::presence::roster::Roster;
use crate::probe::Probe;
use crate::redis::Redis;
use crate::shard::mail::{Mailbox, MailboxReader, mailbox};

/// What carries messages to other nodes.
#[derive(Clone, Debug)]
pub enum Carrier {
    /// There are none.
    Alone,
    /// Redis.
    Redis {
        /// The link to it.
        redis: Redis,
        /// Drawn at random for this run of the node.
        incarnation: [u8; 16],
    },
}

/// What messages travel on.
pub(super) struct Backbone {
    pub(super) broker: Arc<dyn Broker>,
    /// Who is where, over all nodes.
    pub(super) roster: Arc<dyn Roster>,
    /// The windows of a node that is alone.
    pub(super) bus: Option<Arc<Bus>>,
    pub(super) logs: Logs,
    pub(super) hot: Hot,
    pub(super) interest: Interest,
    pub(super) probe: Arc<Probe>,
    /// The mailboxes of the shards, and their readers.
    pub(super) shards: Arc<[Mailbox]>,
    pub(super) readers: Vec<MailboxReader>,
    /// The way to the lanes of this node.
    pub(super) lanes: Inbox,
    /// Channels of which envelopes may have been missed.
    pub(super) missed: mpsc::Receiver<Vec<ChannelKey>>,
    /// What other nodes want to be done.
    pub(super) notices: mpsc::Receiver<ControlNotice>,
}

impl Backbone {
    /// Puts it together on the current runtime. Orders of other nodes are wanted from here on.
    pub(super) async fn raise(
        carrier: Carrier,
        shards: usize,
        store: Arc<dyn Store>,
        clock: &Arc<Clock>,
        limits: &Arc<Limits>,
    ) -> Self {
        // One mailbox more than shards: the probe's.
        let (mailboxes, mut readers): (Vec<_>, Vec<_>) = (0..=shards).map(|_| mailbox(limits.mailbox_messages)).unzip();
        let lanes = Intake::new(shards, limits.mailbox_messages);
        let (notify, notices) = mpsc::channel(orders::NOTICES);
        let (miss, missed) = mpsc::channel(MISSED);
        let to_lanes = lanes.inbox();
        let inbox = to_lanes.clone().with_control(notify).with_missed(miss);
        let Ends { broker, roster, bus } = carry(carrier, inbox, clock, limits);
        orders::listen(&*broker).await;
        let logs = Logs::new(broker.clone(), store);
        let hot = Hot::new(HotBounds::from(&**limits));
        let shared: Arc<[Mailbox]> = mailboxes[..shards].into();
        let parts = Parts {
            broker: broker.clone(),
            logs: logs.clone(),
            hot: hot.clone(),
            shards: mailboxes.into(),
            limits: limits.clone(),
        };
        let interest = Interest::start(lanes, &parts, &tokio::runtime::Handle::current());
        let mailbox = readers.pop().unwrap_or_else(|| mailbox(1).1);
        let probe = Arc::new(Probe::start(broker.clone(), &interest, mailbox, shards).await);
        let lanes = to_lanes;
        Self { broker, roster, bus, logs, hot, interest, probe, shards: shared, readers, lanes, missed, notices }
    }
}

/// The ends of this node in what carries to the others.
struct Ends {
    broker: Arc<dyn Broker>,
    roster: Arc<dyn Roster>,
    bus: Option<Arc<Bus>>,
}

fn carry(carrier: Carrier, inbox: Inbox, clock: &Arc<Clock>, limits: &Limits) -> Ends {
    match carrier {
        Carrier::Alone => {
            let bus = Bus::new(limits.window_bytes_per_node, clock.clone());
            let broker: Arc<dyn Broker> = Arc::new(MemoryBroker::new(bus.clone(), inbox));
            let board = Board::new(presence::bounds(limits), clock.clone());
            Ends { broker: broker.clone(), roster: Arc::new(MemoryRoster::new(board, broker)), bus: Some(bus) }
        }
        Carrier::Redis { redis, incarnation } => {
            let linger = Duration::from_millis(limits.interest_linger_ms);
            let roster = RedisRoster::new(redis.clone(), incarnation, presence::bounds(limits));
            Ends { broker: RedisBroker::start(redis, inbox, incarnation, linger), roster, bus: None }
        }
    }
}
