//! A broker that delays, reorders, duplicates and drops what it carries between nodes, and breaks links. The windows are the
//! real ones; only their messages travel badly. As the contract of brokers says, what was lost is named by a sweep later,
//! except on durable channels now and then, where the tail sweep of the lanes has to find it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use hubbub::broker::memory::{Bus, MemoryBroker};
use hubbub::broker::{Broker, BrokerError, Content, Envelope, Inbox, Link, Scope, Sieve};
use hubbub::clock::Clock;
use hubbub::namespace::WindowBounds;
use hubbub_persistence::{Append, Appended, Continuity, Head, Page, ReadFrom};
use hubbub_protocol::channel::ChannelKey;
use hubbub_protocol::{Message, Position, TenantId};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::sleep;

/// The network between the nodes.
pub(crate) struct Network {
    clock: Arc<Clock>,
    inner: Mutex<Inner>,
}

struct Inner {
    /// The windows, until they are lost.
    windows: Arc<MemoryBroker>,
    dice: StdRng,
    nodes: BTreeMap<u64, End>,
    /// Whether anything goes wrong at all.
    faulty: bool,
    faults: Faults,
    /// What was ever appended to a window, in order, for the checker.
    appended: BTreeMap<ChannelKey, Vec<Message>>,
}

struct End {
    wanted: BTreeSet<ChannelKey>,
    inbox: Inbox,
    up: bool,
}

/// What went wrong, counted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    pub(crate) dropped: u64,
    pub(crate) duplicated: u64,
    pub(crate) delayed: u64,
    pub(crate) outages: u64,
    pub(crate) memory_losses: u64,
}

/// What becomes of one envelope on its way to one node.
enum Fate {
    Arrive(Inbox, u64),
    Twice(Inbox, u64, u64),
    Lost { announced_in: Option<u64> },
}

impl Network {
    pub(crate) fn new(seed: u64, clock: Arc<Clock>) -> Arc<Self> {
        let inner = Inner {
            windows: empty_windows(&clock),
            dice: StdRng::seed_from_u64(seed ^ 0xb0b),
            nodes: BTreeMap::new(),
            faulty: true,
            faults: Faults::default(),
            appended: BTreeMap::new(),
        };
        Arc::new(Self { clock, inner: Mutex::new(inner) })
    }

    pub(crate) fn join(self: &Arc<Self>, node: u64, inbox: Inbox) -> Arc<dyn Broker> {
        let end = End { wanted: BTreeSet::new(), inbox, up: true };
        self.with(|inner| inner.nodes.insert(node, end));
        Arc::new(SimBroker { network: self.clone(), node })
    }

    /// The windows as they are now.
    pub(crate) fn windows(&self) -> Arc<MemoryBroker> {
        self.with(|inner| inner.windows.clone())
    }

    /// What holds the windows restarts without its data: new epochs, numbering from 1. Every link broke with it, and says so.
    pub(crate) async fn lose_memory(&self) {
        let windows = empty_windows(&self.clock);
        let ends: Vec<_> = self.with(|inner| {
            inner.windows = windows;
            inner.faults.memory_losses += 1;
            inner
                .nodes
                .values()
                .map(|end| (end.inbox.clone(), end.wanted.iter().cloned().collect::<Vec<_>>()))
                .collect()
        });
        for (inbox, wanted) in ends {
            inbox.sweep(&wanted).await;
        }
    }

    pub(crate) fn leave(&self, node: u64) {
        self.with(|inner| inner.nodes.remove(&node));
    }

    pub(crate) fn faults(&self) -> Faults {
        self.with(|inner| inner.faults)
    }

    pub(crate) fn appended(&self, channel: &ChannelKey) -> Vec<Message> {
        self.with(|inner| inner.appended.get(channel).cloned().unwrap_or_default())
    }

    pub(crate) fn heal(&self) {
        self.with(|inner| inner.faulty = false);
    }

    /// A link breaks: everything on it is lost until it is back, which is then said.
    pub(crate) async fn outage(&self, node: u64, length: Duration) {
        self.with(|inner| {
            inner.faults.outages += 1;
            inner.nodes.get_mut(&node).map(|end| end.up = false)
        });
        sleep(length).await;
        let back = self.with(|inner| {
            let end = inner.nodes.get_mut(&node)?;
            end.up = true;
            Some((end.inbox.clone(), end.wanted.iter().cloned().collect::<Vec<_>>()))
        });
        if let Some((inbox, wanted)) = back {
            inbox.sweep(&wanted).await;
        }
    }

    /// The time of a question or an answer.
    async fn travel(&self) {
        let wait = self.with(|inner| inner.dice.random_range(0..12));
        sleep(Duration::from_millis(wait)).await;
    }

    fn with<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        work(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn carry(self: &Arc<Self>, envelope: &Envelope, durable: bool) {
        let nodes: Vec<u64> = self.with(|inner| inner.nodes.keys().copied().collect());
        for node in nodes {
            match self.with(|inner| inner.fate(node, &envelope.channel, durable)) {
                None => {}
                Some(Fate::Arrive(inbox, wait)) => arrive(inbox, wait, envelope.clone()),
                Some(Fate::Twice(inbox, first, second)) => {
                    arrive(inbox.clone(), first, envelope.clone());
                    arrive(inbox, second, envelope.clone());
                }
                Some(Fate::Lost { announced_in: None }) => {}
                Some(Fate::Lost { announced_in: Some(wait) }) => {
                    let (network, channel) = (self.clone(), envelope.channel.clone());
                    tokio::spawn(async move {
                        sleep(Duration::from_millis(wait)).await;
                        let inbox = network.with(|inner| inner.nodes.get(&node).map(|end| end.inbox.clone()));
                        if let Some(inbox) = inbox {
                            inbox.sweep(&[channel]).await;
                        }
                    });
                }
            }
        }
    }
}

/// Windows on a bus that delivers nothing: nobody registers interest with it.
fn empty_windows(clock: &Arc<Clock>) -> Arc<MemoryBroker> {
    let (sender, _) = tokio::sync::mpsc::channel(1);
    Arc::new(MemoryBroker::new(Bus::new(1 << 24, clock.clone()), Inbox::new(vec![sender])))
}

fn arrive(inbox: Inbox, wait: u64, envelope: Envelope) {
    tokio::spawn(async move {
        sleep(Duration::from_millis(wait)).await;
        inbox.deliver(envelope).await;
    });
}

impl Inner {
    fn fate(&mut self, node: u64, channel: &ChannelKey, durable: bool) -> Option<Fate> {
        let end = self.nodes.get(&node).filter(|end| end.wanted.contains(channel))?;
        let inbox = end.inbox.clone();
        if !end.up {
            // The end of the outage announces it.
            self.faults.dropped += 1;
            return Some(Fate::Lost { announced_in: None });
        }
        if !self.faulty {
            return Some(Fate::Arrive(inbox, 0));
        }
        Some(match self.dice.random_range(0..100) {
            0..5 => {
                self.faults.dropped += 1;
                let announced = !durable || self.dice.random_bool(0.5);
                Fate::Lost { announced_in: announced.then(|| self.dice.random_range(10..5_000)) }
            }
            5..12 => {
                self.faults.duplicated += 1;
                Fate::Twice(inbox, self.dice.random_range(0..60), self.dice.random_range(0..400))
            }
            12..30 => {
                self.faults.delayed += 1;
                Fate::Arrive(inbox, self.dice.random_range(0..300))
            }
            _ => Fate::Arrive(inbox, self.dice.random_range(0..4)),
        })
    }
}

/// One node's end of the network.
struct SimBroker {
    network: Arc<Network>,
    node: u64,
}

#[async_trait]
impl Broker for SimBroker {
    async fn subscribe(&self, channels: &[ChannelKey]) -> Result<(), BrokerError> {
        let (wait, fails) = self.network.with(|inner| {
            let faulty = inner.faulty;
            (inner.dice.random_range(0..20), faulty && inner.dice.random_bool(0.03))
        });
        sleep(Duration::from_millis(wait)).await;
        if fails {
            return Err(BrokerError::Unavailable("simulated".into()));
        }
        self.network.with(|inner| {
            if let Some(end) = inner.nodes.get_mut(&self.node) {
                end.wanted.extend(channels.iter().cloned());
            }
        });
        Ok(())
    }

    async fn unsubscribe(&self, channels: &[ChannelKey]) -> Result<(), BrokerError> {
        self.network.with(|inner| {
            if let Some(end) = inner.nodes.get_mut(&self.node) {
                end.wanted.retain(|wanted| !channels.contains(wanted));
            }
        });
        Ok(())
    }

    async fn publish(&self, envelope: Envelope) -> Result<Scope, BrokerError> {
        let logged = matches!(&envelope.content, Content::Message(message) if message.position.is_some());
        self.network.carry(&envelope, logged);
        Ok(Scope::Fleet)
    }

    async fn append(&self, append: Append, bounds: WindowBounds) -> Result<Appended, BrokerError> {
        let appended = self.network.windows().append(append.clone(), bounds).await?;
        if let Appended::At { position, duplicate: false, .. } = appended {
            let message = append.message(Some(position));
            let channel = append.channel;
            self.network.with(|inner| inner.appended.entry(channel.clone()).or_default().push(message.clone()));
            self.network.carry(&Envelope { channel, content: Content::Message(message) }, false);
        }
        // The answer travels too, and is lost with a node that crashes meanwhile.
        let wait = self.network.with(|inner| inner.dice.random_range(0..8));
        sleep(Duration::from_millis(wait)).await;
        Ok(appended)
    }

    async fn read(
        &self,
        channel: &ChannelKey,
        from: ReadFrom,
        limit: u32,
        max_bytes: usize,
    ) -> Result<Page, BrokerError> {
        self.network.travel().await;
        let page = self.network.windows().read(channel, from, limit, max_bytes).await;
        // What is read grows old on its way back.
        self.network.travel().await;
        page
    }

    async fn heads(&self, channels: &[ChannelKey]) -> Result<Vec<Head>, BrokerError> {
        self.network.travel().await;
        let heads = self.network.windows().heads(channels).await;
        self.network.travel().await;
        heads
    }

    async fn continuity(&self, channel: &ChannelKey, position: Position) -> Result<Continuity, BrokerError> {
        self.network.travel().await;
        self.network.windows().continuity(channel, position).await
    }

    async fn sift(&self, tenant: &TenantId, sieve: Arc<Sieve>) -> Result<Vec<ChannelKey>, BrokerError> {
        self.network.windows().sift(tenant, sieve).await
    }

    fn link(&self) -> Link {
        Link::Well
    }
}
