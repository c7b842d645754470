//! The subscription index of a shard: which of its connections want which channel.

use std::collections::HashMap;

use hubbub_protocol::channel::{ChannelKey, TenantId};
use hubbub_protocol::{Epoch, Position};
use slab::Slab;
use tokio::sync::oneshot;

use super::gather::Gathered;
use crate::namespace::{LogKind, Overflow};

/// What is special about a subscriber.
pub mod flags {
    /// The subscription is still reading the log.
    pub(in crate::shard) const CATCHING: u8 = 1;
    /// It wants to know who joins and leaves.
    pub const PRESENCE: u8 = 2;
    /// It asked for conflation.
    pub const CONFLATE: u8 = 4;
    /// It reads server-sent events.
    pub const STREAM: u8 = 8;
    /// It follows the channel among others: no presence, no place among those who are there.
    pub const FOLLOW: u8 = 32;
    /// It follows, and counts among those who are there all the same: a user in the own channel.
    pub const COUNTED: u8 = 64;
    /// It has read the log in an epoch that the channel has not reached here yet.
    pub(in crate::shard) const AHEAD: u8 = 16;
}
pub(super) use flags::{AHEAD, CATCHING, CONFLATE, FOLLOW, PRESENCE, STREAM};

/// Whether a subscriber with these flags counts among those who are there.
pub(super) fn counts(flags: u8) -> bool {
    flags & FOLLOW == 0 || flags & flags::COUNTED != 0
}

/// Any of these keeps a subscriber off the shortest path.
pub(super) const SLOW_PATH: u8 = CATCHING | CONFLATE | STREAM | AHEAD;

/// A subscriber of a channel: 32 bytes, so that a broadcast walks little memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subscriber {
    /// It has everything up to here; `None` while it catches up, and without a log.
    pub(super) attach: Option<Position>,
    /// Its connection.
    pub(super) connection: u32,
    pub(super) flags: u8,
}

impl Subscriber {
    /// Whether it has what ends at a position. One that is ahead has everything of the epochs before its own.
    #[inline]
    pub(super) fn has(&self, position: Option<Position>) -> bool {
        match (self.attach, position) {
            (Some(own), Some(new)) if own.epoch == new.epoch => new.offset <= own.offset,
            (Some(_), Some(_)) => self.flags & AHEAD != 0,
            _ => false,
        }
    }

    /// The channel comes to a new epoch. Without a gap its offsets mean what they meant before; behind a gap nothing is the
    /// same. Answers whether the subscriber can follow: one that is ahead in yet another epoch can not.
    pub(super) fn enter(&mut self, epoch: Epoch, gap: bool) -> bool {
        match self.attach {
            None => true,
            Some(own) if own.epoch == epoch => {
                self.flags &= !AHEAD;
                true
            }
            Some(_) if self.flags & AHEAD != 0 => false,
            Some(own) => {
                self.attach = (!gap).then_some(Position::new(epoch, own.offset));
                true
            }
        }
    }
}

/// Whoever waits until a channel is open here.
pub(super) type Opened = oneshot::Sender<Result<(), String>>;

/// A channel with subscribers here, or that had some a moment ago.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) key: ChannelKey,
    pub(super) kind: LogKind,
    pub(super) overflow: Overflow,
    pub(super) presence: bool,
    /// What comes is handed out once in so many milliseconds; 0 for at once.
    pub(super) flush_ms: u64,
    pub(super) gathered: Gathered,
    /// Whether the interest is registered.
    pub(super) open: bool,
    /// Everything up to here was handed to the subscribers; `None` without a log.
    pub(super) position: Option<Position>,
    pub(super) subscribers: Vec<Subscriber>,
    pub(super) waiting: Vec<Opened>,
    /// Counts the times it became empty, so that an old linger timer does not end a new life.
    pub(super) emptied: u32,
}

impl Slot {
    /// Its rules.
    pub(super) fn rules(&self) -> SlotRules {
        let Self { kind, overflow, presence, flush_ms, .. } = *self;
        SlotRules { kind, overflow, presence, flush_ms }
    }
}

/// The rules of a slot, from its namespace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SlotRules {
    /// What the channel remembers.
    pub kind: LogKind,
    /// What happens to a slow subscriber.
    pub overflow: Overflow,
    /// Whether the hub keeps account of who is in it.
    pub presence: bool,
    /// What comes is handed out once in so many milliseconds; 0 for at once.
    pub flush_ms: u64,
}

/// All channels of a shard.
#[derive(Debug, Default)]
pub(super) struct Channels {
    slots: Slab<Slot>,
    by_key: HashMap<ChannelKey, u32>,
    by_tenant: HashMap<TenantId, usize>,
}

impl Channels {
    pub(super) fn find(&self, key: &ChannelKey) -> Option<u32> {
        self.by_key.get(key).copied()
    }

    /// How many channels of a tenant are here.
    pub(super) fn of_tenant(&self, tenant: &TenantId) -> usize {
        self.by_tenant.get(tenant).copied().unwrap_or(0)
    }

    pub(super) fn insert(&mut self, key: ChannelKey, rules: SlotRules) -> u32 {
        let SlotRules { kind, overflow, presence, flush_ms } = rules;
        let index = self.slots.insert(Slot {
            key: key.clone(),
            kind,
            overflow,
            presence,
            flush_ms,
            gathered: Gathered::default(),
            open: false,
            position: None,
            subscribers: Vec::new(),
            waiting: Vec::new(),
            emptied: 0,
        }) as u32;
        *self.by_tenant.entry(key.tenant.clone()).or_default() += 1;
        self.by_key.insert(key, index);
        index
    }

    #[inline]
    pub(super) fn get(&mut self, slot: u32) -> Option<&mut Slot> {
        self.slots.get_mut(slot as usize)
    }

    pub(super) fn peek(&self, slot: u32) -> Option<&Slot> {
        self.slots.get(slot as usize)
    }

    pub(super) fn remove(&mut self, slot: u32) -> Option<Slot> {
        let removed = self.slots.try_remove(slot as usize)?;
        self.by_key.remove(&removed.key);
        if let Some(count) = self.by_tenant.get_mut(&removed.key.tenant) {
            *count -= 1;
            if *count == 0 {
                self.by_tenant.remove(&removed.key.tenant);
            }
        }
        Some(removed)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().map(|(_, slot)| slot)
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }
}
