//! The roster in memory: one node alone, or several of one process over the same [`Board`]. It does not outlive the process.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use hubbub_protocol::channel::{ChannelKey, UserId};
use hubbub_protocol::frame::{PresenceChange, PresenceCount, PresenceKind, PresenceSnapshot, PresentUser, Scope};

use super::roster::{Away, Bounds, COUNT_EVERY_MS, Counted, Entered, Entry, Lease, Page, Part, Roster, is_large};
use crate::broker::{Broker, Content, Envelope};
use crate::clock::Clock;

/// Entries that one call takes away.
const REAPED_AT_ONCE: usize = 512;

/// What nodes of one process share: leases and rooms.
#[derive(Debug)]
pub struct Board {
    state: Mutex<State>,
    bounds: Bounds,
    clock: Arc<Clock>,
}

/// A stretch of a node's life in which its lease did not run out.
type Incarnation = u64;

#[derive(Debug, Default)]
struct State {
    /// Until when each incarnation counts, in milliseconds since 1970. Kept until its entries are gone.
    leases: HashMap<Incarnation, u64>,
    begun: Incarnation,
    rooms: HashMap<ChannelKey, Room>,
    /// The highest version of a room that was forgotten.
    floor: u64,
}

#[derive(Debug)]
struct Room {
    version: u64,
    large: bool,
    /// The version that was counted last, and when.
    counted: (u64, u64),
    users: BTreeMap<UserId, Vec<Stand>>,
}

/// One user on one node.
#[derive(Clone, Copy, Debug)]
struct Stand {
    incarnation: Incarnation,
    connections: u32,
}

impl Board {
    /// An empty board.
    pub fn new(bounds: Bounds, clock: Arc<Clock>) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), bounds, clock })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A lock that a panic left behind still guards whole values: every change under it is one step.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One node's end of a [`Board`].
pub struct MemoryRoster {
    board: Arc<Board>,
    broker: Arc<dyn Broker>,
    own: Mutex<Option<Incarnation>>,
}

impl MemoryRoster {
    /// Joins the board; joins and leaves go out through the broker.
    pub fn new(board: Arc<Board>, broker: Arc<dyn Broker>) -> Self {
        Self { board, broker, own: Mutex::default() }
    }

    fn own(&self) -> MutexGuard<'_, Option<Incarnation>> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn tell(&self, told: Vec<Envelope>) {
        for envelope in told {
            if let Err(error) = self.broker.publish(envelope).await {
                tracing::warn!(%error, "a join or leave could not be told to other nodes");
            }
        }
    }
}

#[async_trait]
impl Roster for MemoryRoster {
    fn part(&self, _channel: &ChannelKey) -> Part {
        0
    }

    async fn enter(&self, entries: Vec<Entry>) -> Vec<Entered> {
        let (bounds, now) = (self.board.bounds, self.board.clock.now_ms());
        let mut told = Vec::new();
        let entered = {
            let mut state = self.board.lock();
            let own = *self.own().get_or_insert_with(|| state.begin(now + bounds.lease_ms));
            entries.iter().map(|entry| state.enter(own, entry, bounds, now, &mut told)).collect()
        };
        self.tell(told).await;
        entered
    }

    async fn renew(&self, parts: Vec<Part>) -> Vec<Lease> {
        let now = self.board.clock.now_ms();
        let until = now + self.board.bounds.lease_ms;
        let mut state = self.board.lock();
        let mut own = self.own();
        let lease = match own.filter(|own| state.lives(*own, now)) {
            Some(own) => {
                state.leases.insert(own, until);
                Lease::Held
            }
            None => {
                *own = Some(state.begin(until));
                Lease::Begun
            }
        };
        vec![lease; parts.len()]
    }

    async fn page(&self, channel: &ChannelKey, page: &Page) -> Result<PresenceSnapshot, Away> {
        Ok(self.board.lock().page(channel, page, self.board.clock.now_ms()))
    }

    async fn tell_count(&self, channel: &ChannelKey) -> Counted {
        let now = self.board.clock.now_ms();
        let count = {
            let mut state = self.board.lock();
            let count = state.page(channel, &Page { after: None, limit: 0 }, now).count;
            let Some(room) = state.rooms.get_mut(channel).filter(|room| room.counted.0 < room.version) else {
                return Counted::Told;
            };
            if now < room.counted.1 + COUNT_EVERY_MS {
                return Counted::Later;
            }
            room.counted = (room.version, now);
            PresenceCount { channel: channel.channel.clone(), version: room.version, count }
        };
        self.tell(vec![Envelope { channel: channel.clone(), content: Content::PresenceCount(count) }]).await;
        Counted::Told
    }

    async fn reap(&self) -> Result<u64, Away> {
        let (bounds, now) = (self.board.bounds, self.board.clock.now_ms());
        let mut told = Vec::new();
        let reaped = self.board.lock().reap(bounds, now, &mut told);
        self.tell(told).await;
        Ok(reaped)
    }
}

impl State {
    fn begin(&mut self, until: u64) -> Incarnation {
        self.begun += 1;
        self.leases.insert(self.begun, until);
        self.begun
    }

    fn lives(&self, incarnation: Incarnation, now: u64) -> bool {
        self.leases.get(&incarnation).is_some_and(|until| now < *until)
    }

    fn enter(
        &mut self,
        own: Incarnation,
        entry: &Entry,
        bounds: Bounds,
        now: u64,
        told: &mut Vec<Envelope>,
    ) -> Entered {
        if !self.lives(own, now) {
            return Entered::LeaseGone;
        }
        let floor = self.floor.max(now * 1_000);
        if entry.connections.is_none() && !self.rooms.contains_key(&entry.channel) {
            return Entered::Done { version: self.floor.max(entry.above), large: false };
        }
        let leases = &self.leases;
        let lives = |stand: &Stand| leases.get(&stand.incarnation).is_some_and(|until| now < *until);
        let room = self.rooms.entry(entry.channel.clone()).or_insert_with(|| Room::new(floor));
        let stands = room.users.entry(entry.user.clone()).or_default();
        let (stood, counted) = (!stands.is_empty(), stands.iter().any(lives));
        stands.retain(|stand| stand.incarnation != own && (counted || entry.connections.is_none() || lives(stand)));
        stands.extend(entry.connections.map(|connections| Stand { incarnation: own, connections }));
        let stands_still = !stands.is_empty();
        let event = match (stood, stands_still) {
            (true, false) => Some(PresenceKind::Leave),
            // Entries of nodes whose lease is gone are in no list: it is a join for everybody who asked meanwhile.
            (_, true) if !counted && entry.connections.is_some() => Some(PresenceKind::Join),
            _ => None,
        };
        if let Some(event) = event {
            room.change(entry, event, bounds, told);
        }
        let (version, large) = (room.version, room.large);
        self.forget(&entry.channel, &entry.user);
        Entered::Done { version, large }
    }

    /// Lets go of a user that stands nowhere, and of a room without users.
    fn forget(&mut self, channel: &ChannelKey, user: &UserId) {
        let Some(room) = self.rooms.get_mut(channel) else { return };
        if room.users.get(user).is_some_and(Vec::is_empty) {
            room.users.remove(user);
        }
        if room.users.is_empty() {
            self.floor = self.floor.max(room.version);
            self.rooms.remove(channel);
        }
    }

    fn page(&self, channel: &ChannelKey, page: &Page, now: u64) -> PresenceSnapshot {
        let Some(room) = self.rooms.get(channel) else {
            return PresenceSnapshot { version: self.floor, ..PresenceSnapshot::default() };
        };
        let present = |(user, stands): (&UserId, &Vec<Stand>)| {
            let living = stands.iter().filter(|stand| self.lives(stand.incarnation, now));
            let connections = living.map(|stand| stand.connections).reduce(u32::saturating_add);
            connections.map(|connections| PresentUser { user: user.clone(), connections })
        };
        let all_live = self.leases.values().all(|until| now < *until);
        let count = if all_live { room.users.len() } else { room.users.iter().filter_map(present).count() } as u64;
        let version = room.version;
        if room.large {
            return PresenceSnapshot { version, count, large: true, ..PresenceSnapshot::default() };
        }
        let begin = page.after.clone().map_or(Bound::Unbounded, Bound::Excluded);
        let mut behind = room.users.range((begin, Bound::Unbounded)).filter_map(present);
        let users: Vec<PresentUser> = behind.by_ref().take(page.limit as usize).collect();
        let next = behind.next().and_then(|_| users.last().map(|last| last.user.clone()));
        PresenceSnapshot { version, count, users, next, large: false, scope: Scope::Fleet }
    }

    fn reap(&mut self, bounds: Bounds, now: u64, told: &mut Vec<Envelope>) -> u64 {
        if self.leases.values().all(|until| now < *until) {
            return 0;
        }
        let dead = |stand: &Stand| !self.lives(stand.incarnation, now);
        let users = self.rooms.iter().flat_map(|(channel, room)| room.users.iter().map(move |user| (channel, user)));
        let dead: Vec<(ChannelKey, UserId)> = users
            .filter(|(_, (_, stands))| stands.iter().any(dead))
            .map(|(channel, (user, _))| (channel.clone(), user.clone()))
            .take(REAPED_AT_ONCE)
            .collect();
        for (channel, user) in &dead {
            let leases = &self.leases;
            let lives = |stand: &Stand| leases.get(&stand.incarnation).is_some_and(|until| now < *until);
            let Some(room) = self.rooms.get_mut(channel) else { continue };
            let Some(stands) = room.users.get_mut(user) else { continue };
            stands.retain(lives);
            if stands.is_empty() {
                let (channel, user) = (channel.clone(), user.clone());
                let entry = Entry { channel, user, connections: None, again: false, above: 0 };
                room.change(&entry, PresenceKind::Leave, bounds, told);
            }
            self.forget(channel, user);
        }
        if dead.len() < REAPED_AT_ONCE {
            // Nothing stands under them any more.
            self.leases.retain(|_, until| now < *until);
        }
        dead.len() as u64
    }
}

impl Room {
    fn new(floor: u64) -> Self {
        Self { version: floor, large: false, counted: (floor, 0), users: BTreeMap::new() }
    }

    /// Gives a join or leave its version, and tells it where that is due.
    fn change(&mut self, entry: &Entry, event: PresenceKind, bounds: Bounds, told: &mut Vec<Envelope>) {
        self.version = self.version.max(entry.above) + 1;
        // Whoever leaves still has a place here, without a stand.
        let count = self.users.len() - usize::from(event == PresenceKind::Leave);
        self.large = is_large(self.large, count as u64, bounds.list_users);
        if self.large || entry.again {
            return;
        }
        let (name, version, user) = (entry.channel.channel.clone(), self.version, entry.user.clone());
        let change = PresenceChange { channel: name, version, event, user };
        told.push(Envelope { channel: entry.channel.clone(), content: Content::Presence(change) });
    }
}
