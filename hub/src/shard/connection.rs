//! A connection as its shard keeps it: plain thread-local state, small while idle.

use std::net::IpAddr;
use std::rc::Rc;

use hubbub_protocol::{CloseCode, Position, SessionId};
use slab::Slab;
use tokio::sync::{Notify, Semaphore};

use super::conflate::Conflater;
use super::mail::Delivery;
use super::wire::Wire;
use crate::admission::Admission;
use crate::auth::Identity;
use crate::encoded::Format;
use crate::outbox::Outbox;
use crate::rate::Bucket;

/// Names a connection of a shard. A name that outlived its connection names nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ConnectionId {
    pub(super) index: u32,
    generation: u32,
}

impl ConnectionId {
    /// A number that differs between connections, for spreading their times.
    pub fn spread(self) -> u64 {
        u64::from(self.generation).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16
    }
}

/// Names a subscription of a shard. A name that outlived its subscription names nothing, even when the connection subscribed to
/// the channel again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SubscriptionId {
    pub(super) connection: ConnectionId,
    pub(super) serial: u32,
}

/// How far a connection is on its way out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Closing {
    /// It is not.
    No,
    /// The last bytes wait in the outbox.
    Flushing,
    /// They are written; the peer's end is awaited until a deadline.
    Finished,
}

/// One connection.
#[derive(Debug)]
pub struct Connection {
    generation: u32,
    pub(super) format: Format,
    pub(super) closing: Closing,
    /// Whether it stands in the list of connections to flush.
    pub(super) dirty: bool,
    /// Whether its writer would block.
    pub(super) blocked: bool,
    pub(super) wire: Rc<Wire>,
    pub(super) outbox: Outbox,
    /// The tick at which something was last heard (WebSocket) or said (SSE).
    pub(super) active: u64,
    pub(super) subscriptions: Vec<Subscription>,
    pub(super) session: Option<Box<Session>>,
    /// What only some connections need.
    pub(super) extra: Option<Box<Extra>>,
    /// Counts the connection while it lives.
    pub(super) admission: Admission,
}

/// One authenticated use of a connection.
#[derive(Debug)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Who, and what they may do.
    pub identity: Identity,
    /// Name and version of the client program, as it said.
    pub client: Option<Box<str>>,
    /// Its rate.
    pub bucket: Bucket,
    /// Requests under way.
    pub in_flight: u32,
    /// Refused requests beyond those that were allowed since; a client that ignores refusals is closed.
    pub refused: u32,
    /// The tick of the timer that watches the token's expiry; others are left from an earlier token.
    pub expiry_due: Option<u64>,
    /// Whether the client was told that the token expires.
    pub warned: bool,
}

/// A session's interest in a channel.
#[derive(Debug)]
pub struct Subscription {
    /// The channel's slot in the index of the shard.
    pub(super) slot: u32,
    /// Where it stands among the subscribers of the slot.
    pub(super) place: u32,
    /// Tells it from earlier ones of the connection to the same channel.
    pub(super) serial: u32,
    /// Set while it catches up.
    pub(super) gate: Option<Box<Gate>>,
}

/// Holds live messages back while a subscription reads the last page of the log.
#[derive(Debug, Default)]
pub struct Gate {
    /// Whether the answer to the subscribe has left. Presence, which no log brings again, goes past the gate from then on.
    pub(super) answered: bool,
    /// Whether live messages are held. While they are not, the log will be read again.
    pub(super) open: bool,
    /// Whether more came than it may hold.
    pub(super) overflowed: bool,
    /// Where the channel stood here when it was opened.
    pub(super) opened_at: Option<Position>,
    pub(super) held: Vec<Delivery>,
    pub(super) bytes: usize,
}

/// What only some connections need.
#[derive(Debug, Default)]
pub struct Extra {
    /// Waiting messages of conflating subscriptions.
    pub(super) conflater: Conflater,
    /// Woken when the outbox has drained.
    pub(super) drained: Option<Rc<Notify>>,
    /// Whose turn it is to write a page into the drained outbox.
    pub(super) turn: Option<Rc<Semaphore>>,
    /// Whose turn it is to publish, where that is limited.
    pub(super) publish_turn: Option<Rc<Semaphore>>,
    /// Woken when a subscription was answered, or is gone.
    pub(super) settled: Option<Rc<Notify>>,
    /// Woken when a request under way has ended.
    pub(super) room: Option<Rc<Notify>>,
    /// The slots of the channels that it follows, whether or not a subscription took their place, with the flags of a follower.
    pub(super) followed: Vec<(u32, u8)>,
    /// An SSE stream's own state.
    pub(super) stream: Option<Stream>,
}

/// What an SSE stream is beside a connection.
#[derive(Debug)]
pub struct Stream {
    /// The channels of the URL in its order, by slot, and how far each was sent.
    pub(super) channels: Vec<(u32, Option<Position>)>,
    /// Flushes are at least so far apart, in milliseconds; 0 sends at once.
    pub(super) interval_ms: u64,
    /// The tick of the last flush.
    pub(super) flushed: u64,
    /// Whether a timer for the next flush runs.
    pub(super) armed: bool,
}

impl Connection {
    /// The address that counts for limits.
    pub(super) fn address(&self) -> IpAddr {
        self.admission.address()
    }

    pub(super) fn extra(&mut self) -> &mut Extra {
        self.extra.get_or_insert_default()
    }

    pub(super) fn stream(&mut self) -> Option<&mut Stream> {
        self.extra.as_mut()?.stream.as_mut()
    }

    pub(super) fn subscription(&mut self, slot: u32) -> Option<&mut Subscription> {
        self.subscriptions.iter_mut().find(|subscription| subscription.slot == slot)
    }

    pub(super) fn named(&mut self, serial: u32) -> Option<&mut Subscription> {
        self.subscriptions.iter_mut().find(|subscription| subscription.serial == serial)
    }

    /// Wakes whoever waits for this connection, so that they see what became of it.
    pub(super) fn wake_waiters(&mut self) {
        let Some(extra) = self.extra.as_mut() else { return };
        for waiter in [extra.drained.take(), extra.settled.take(), extra.room.take()].into_iter().flatten() {
            waiter.notify_waiters();
        }
    }

    /// Wakes whoever waits for a subscription to be answered.
    pub(super) fn wake_settled(&mut self) {
        if let Some(settled) = self.extra.as_mut().and_then(|extra| extra.settled.take()) {
            settled.notify_waiters();
        }
    }

    /// Whether frames may still be added.
    pub(super) fn is_open(&self) -> bool {
        self.closing == Closing::No
    }
}

/// The connections of a shard.
#[derive(Debug, Default)]
pub struct Connections {
    slab: Slab<Connection>,
    generations: u32,
}

impl Connections {
    /// Adds a connection at a tick.
    pub(super) fn insert(&mut self, wire: Wire, format: Format, admission: Admission, tick: u64) -> ConnectionId {
        self.generations = self.generations.wrapping_add(1);
        let generation = self.generations;
        let index = self.slab.insert(Connection {
            generation,
            format,
            closing: Closing::No,
            dirty: false,
            blocked: matches!(wire, Wire::Coming),
            wire: Rc::new(wire),
            outbox: Outbox::default(),
            active: tick,
            subscriptions: Vec::new(),
            session: None,
            extra: None,
            admission,
        });
        // A process can not open 2^32 files.
        ConnectionId { index: index as u32, generation }
    }

    /// The connection of a name, if it still lives.
    pub fn get(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.slab.get_mut(id.index as usize).filter(|connection| connection.generation == id.generation)
    }

    /// The connection at an index that the caller knows to be live.
    #[inline]
    pub(super) fn at(&mut self, index: u32) -> Option<&mut Connection> {
        self.slab.get_mut(index as usize)
    }

    pub(super) fn id_at(&self, index: u32) -> Option<ConnectionId> {
        self.slab.get(index as usize).map(|connection| ConnectionId { index, generation: connection.generation })
    }

    pub(super) fn remove(&mut self, id: ConnectionId) -> Option<Connection> {
        self.get(id)?;
        let removed = self.slab.remove(id.index as usize);
        if self.slab.is_empty() && self.slab.capacity() > 1_024 {
            self.slab = Slab::new();
        }
        Some(removed)
    }

    /// Every connection with its name.
    pub(super) fn iter(&self) -> impl Iterator<Item = (ConnectionId, &Connection)> {
        self.slab.iter().map(|(index, connection)| {
            (ConnectionId { index: index as u32, generation: connection.generation }, connection)
        })
    }
}

/// What a connection is told when it closes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Goodbye {
    /// A code of the hub.
    Code(CloseCode),
    /// The peer said goodbye first and gets its own code back.
    Echo,
}
