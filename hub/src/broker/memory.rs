//! The in-process broker: one node alone, or several in one process over the same [`Bus`]. Windows live in its memory.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use async_trait::async_trait;
use hubbub_persistence::{Append, Appended, Continuity, Head, Page, ReadFrom};
use hubbub_protocol::channel::ChannelKey;
use hubbub_protocol::{Epoch, Position, TenantId};
use rand::RngExt;

use super::window::Window;
use super::{Broker, BrokerError, Content, Envelope, Inbox, Link, Scope, Sieve, lane_of};
use crate::clock::Clock;
use crate::namespace::WindowBounds;

/// Windows are spread over so many locks, so that publishers into different channels rarely meet.
const PARTS: usize = 64;

/// Messages that go at once when the windows of a part are over their share.
const EVICTED_AT_ONCE: usize = 32;

/// How long the numbering of an empty window is kept, in milliseconds: longer than any token lives.
const NUMBERING_MS: u64 = 48 * 3_600_000;

/// What nodes of one process share: who wants what, and the windows.
#[derive(Debug)]
pub struct Bus {
    nodes: RwLock<Vec<Arc<Node>>>,
    parts: Vec<Mutex<Part>>,
    /// What all windows may hold together, in bytes.
    budget: usize,
    held: AtomicUsize,
    clock: Arc<Clock>,
}

#[derive(Debug)]
struct Part {
    /// The epoch of windows that begin now. A new one is drawn when a window is forgotten, because that one's numbers
    /// will be given again.
    epoch: Epoch,
    windows: HashMap<ChannelKey, Window>,
}

#[derive(Debug)]
struct Node {
    wanted: Mutex<HashSet<ChannelKey>>,
    inbox: Inbox,
}

impl Bus {
    /// A bus whose windows hold at most `budget` bytes together.
    pub fn new(budget: usize, clock: Arc<Clock>) -> Arc<Self> {
        let part = || Mutex::new(Part { epoch: new_epoch(), windows: HashMap::new() });
        let parts = (0..PARTS).map(|_| part()).collect();
        Arc::new(Self { nodes: RwLock::default(), parts, budget, held: AtomicUsize::new(0), clock })
    }

    /// Lets go what has aged. Call it every few seconds.
    pub fn expire(&self) {
        let now = self.clock.now_ms();
        for part in &self.parts {
            let mut part = lock(part);
            let before = part.windows.len();
            part.windows.retain(|_, window| {
                let freed = window.trim(now);
                self.held.fetch_sub(freed, Ordering::Relaxed);
                !(window.is_empty() && now.saturating_sub(window.touched_ms) > NUMBERING_MS.max(window.age_ms()))
            });
            if part.windows.len() < before {
                part.epoch = new_epoch();
            }
        }
    }

    /// What all windows hold together, in bytes.
    pub fn held_bytes(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    fn part(&self, channel: &ChannelKey) -> MutexGuard<'_, Part> {
        lock(&self.parts[lane_of(channel, PARTS)])
    }

    /// Over its budget the part lets the oldest messages of its windows go, some at a time from the window with the oldest:
    /// looking for it costs a walk over the part.
    fn shrink(&self, part: &mut Part) {
        let share = self.budget / PARTS;
        let mut held: usize = part.windows.values().map(Window::bytes).sum();
        while held > share {
            let oldest = part.windows.values_mut().filter(|w| !w.is_empty()).min_by_key(|w| w.oldest_ms());
            let Some(window) = oldest else { break };
            let freed: usize = (0..EVICTED_AT_ONCE).map(|_| window.drop_oldest()).sum();
            held -= freed;
            self.held.fetch_sub(freed, Ordering::Relaxed);
            metrics::counter!("hubbub_window_evictions_total").increment(1);
        }
    }

    fn append(&self, append: Append, bounds: WindowBounds) -> (Appended, Option<Envelope>) {
        let channel = append.channel.clone();
        let now = append.time;
        let mut part = self.part(&channel);
        let epoch = part.epoch;
        let window = part.windows.entry(channel.clone()).or_insert_with(|| Window::new(epoch, bounds, now));
        let before = window.bytes();
        let (appended, message) = window.append(append, bounds);
        let after = window.bytes();
        // Two relaxed steps: the sum may be off for a moment, the budget is a bound on the order of a part's share.
        self.held.fetch_add(after, Ordering::Relaxed);
        self.held.fetch_sub(before, Ordering::Relaxed);
        if self.held_bytes() > self.budget {
            self.shrink(&mut part);
        }
        (appended, message.map(|message| Envelope { channel, content: Content::Message(message) }))
    }

    fn sift(&self, part: &mut Part, tenant: &TenantId, sieve: &Sieve, sifted: &mut Vec<ChannelKey>) {
        let before = part.windows.len();
        part.windows.retain(|channel, window| {
            if channel.tenant != *tenant {
                return true;
            }
            let whole = sieve(&channel.channel, None);
            let freed = if whole {
                Some(window.bytes())
            } else {
                window.sift(|message| sieve(&channel.channel, Some(message)))
            };
            self.held.fetch_sub(freed.unwrap_or(0), Ordering::Relaxed);
            sifted.extend(freed.map(|_| channel.clone()));
            !whole
        });
        if part.windows.len() < before {
            part.epoch = new_epoch();
        }
    }

    async fn publish(&self, from: &Arc<Node>, envelope: Envelope) {
        let nodes = self.nodes.read().unwrap_or_else(PoisonError::into_inner).clone();
        let is_order = matches!(envelope.content, Content::Order(_));
        for node in nodes.into_iter().filter(|node| !(is_order && Arc::ptr_eq(node, from))) {
            if lock(&node.wanted).contains(&envelope.channel) {
                node.inbox.deliver(envelope.clone()).await;
            }
        }
    }
}

fn new_epoch() -> Epoch {
    Epoch::from_u64(rand::rng().random::<u64>() >> 4)
}

/// A lock that a panic left behind still guards whole values: every change under it is one step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One node's end of a [`Bus`].
#[derive(Debug)]
pub struct MemoryBroker {
    bus: Arc<Bus>,
    node: Arc<Node>,
}

impl MemoryBroker {
    /// Joins the bus.
    pub fn new(bus: Arc<Bus>, inbox: Inbox) -> Self {
        let node = Arc::new(Node { wanted: Mutex::default(), inbox });
        bus.nodes.write().unwrap_or_else(PoisonError::into_inner).push(node.clone());
        Self { bus, node }
    }
}

impl Drop for MemoryBroker {
    fn drop(&mut self) {
        let mut nodes = self.bus.nodes.write().unwrap_or_else(PoisonError::into_inner);
        nodes.retain(|node| !Arc::ptr_eq(node, &self.node));
    }
}

#[async_trait]
impl Broker for MemoryBroker {
    async fn subscribe(&self, channels: &[ChannelKey]) -> Result<(), BrokerError> {
        lock(&self.node.wanted).extend(channels.iter().cloned());
        Ok(())
    }

    async fn unsubscribe(&self, channels: &[ChannelKey]) -> Result<(), BrokerError> {
        let mut wanted = lock(&self.node.wanted);
        for channel in channels {
            wanted.remove(channel);
        }
        Ok(())
    }

    async fn publish(&self, envelope: Envelope) -> Result<Scope, BrokerError> {
        self.bus.publish(&self.node, envelope).await;
        Ok(Scope::Fleet)
    }

    async fn append(&self, append: Append, bounds: WindowBounds) -> Result<Appended, BrokerError> {
        let (appended, envelope) = self.bus.append(append, bounds);
        if let Some(envelope) = envelope {
            self.bus.publish(&self.node, envelope).await;
        }
        Ok(appended)
    }

    async fn read(
        &self,
        channel: &ChannelKey,
        from: ReadFrom,
        limit: u32,
        max_bytes: usize,
    ) -> Result<Page, BrokerError> {
        Ok(self.with_window(channel, |window| window.read(from, limit, max_bytes)))
    }

    async fn heads(&self, channels: &[ChannelKey]) -> Result<Vec<Head>, BrokerError> {
        Ok(channels.iter().map(|channel| self.with_window(channel, |window| window.head())).collect())
    }

    async fn continuity(&self, channel: &ChannelKey, position: Position) -> Result<Continuity, BrokerError> {
        Ok(self.with_window(channel, |window| window.continuity(position)))
    }

    async fn sift(&self, tenant: &TenantId, sieve: Arc<Sieve>) -> Result<Vec<ChannelKey>, BrokerError> {
        let mut sifted = Vec::new();
        for part in &self.bus.parts {
            self.bus.sift(&mut lock(part), tenant, &*sieve, &mut sifted);
            // A part at a time: who publishes meanwhile waits for one at most.
            tokio::task::yield_now().await;
        }
        Ok(sifted)
    }

    fn link(&self) -> Link {
        Link::Well
    }
}

impl MemoryBroker {
    /// An untouched window answers as an empty one and is not made: asking must not cost memory.
    fn with_window<T>(&self, channel: &ChannelKey, ask: impl FnOnce(&Window) -> T) -> T {
        let now = self.bus.clock.now_ms();
        let mut part = self.bus.part(channel);
        let epoch = part.epoch;
        match part.windows.get_mut(channel) {
            None => ask(&Window::new(epoch, WindowBounds::default(), now)),
            Some(window) => {
                let freed = window.trim(now);
                self.bus.held.fetch_sub(freed, Ordering::Relaxed);
                ask(window)
            }
        }
    }
}
