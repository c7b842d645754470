//! What everybody writes down during a round. Judges nothing.

use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use hubbub_client::Event;
use hubbub_protocol::{Message, Position};

use crate::checker::{Entry, Kind, Publication, Reading, Seen};

/// A channel of the torture.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) struct Channel {
    pub(crate) kind: Place,
    pub(crate) number: usize,
}

/// What its namespace remembers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) enum Place {
    Durable,
    /// Windows are of one round, since each round has a Redis of its own.
    Window {
        round: usize,
    },
}

impl Channel {
    pub(crate) fn kind(self) -> Kind {
        match self.kind {
            Place::Durable => Kind::Durable,
            Place::Window { .. } => Kind::Window,
        }
    }

    pub(crate) fn name(self) -> String {
        match self.kind {
            Place::Durable => format!("chat:{}", self.number),
            Place::Window { round } => format!("live:{round}.{}", self.number),
        }
    }
}

/// What is noted, with milliseconds since the beginning of the round.
pub(crate) type At<T> = (u64, T);

/// The notes of a round.
pub(crate) struct Notes {
    begun: Instant,
    publications: Mutex<Vec<At<Publication>>>,
    /// What nobody should have said: refusals for good, subscriptions and sessions that ended.
    surprises: Mutex<Vec<At<String>>>,
    incidents: Mutex<Vec<At<String>>>,
    pub(crate) acknowledged: AtomicU64,
    /// Publishes given up without an answer.
    pub(crate) unknown: AtomicU64,
    /// Attempts behind the first one, of publishes through the API.
    pub(crate) repeated: AtomicU64,
    /// Clients that left and came back as somebody new.
    pub(crate) naps: AtomicU64,
    /// Breaches of the protocol that clients hid from their readers.
    pub(crate) faults: AtomicU64,
    pub(crate) stop_writing: AtomicBool,
    /// From now on everybody stays.
    pub(crate) stop_napping: AtomicBool,
}

impl Notes {
    pub(crate) fn new() -> Self {
        Self {
            begun: Instant::now(),
            publications: Mutex::default(),
            surprises: Mutex::default(),
            incidents: Mutex::default(),
            acknowledged: AtomicU64::new(0),
            unknown: AtomicU64::new(0),
            repeated: AtomicU64::new(0),
            naps: AtomicU64::new(0),
            faults: AtomicU64::new(0),
            stop_writing: AtomicBool::new(false),
            stop_napping: AtomicBool::new(false),
        }
    }

    pub(crate) fn now(&self) -> u64 {
        self.begun.elapsed().as_millis() as u64
    }

    /// A publish was acknowledged.
    pub(crate) fn acknowledged(&self, channel: String, entry: Entry) {
        self.note(&self.publications, Publication { channel, entry });
        self.acknowledged.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }

    /// Something that must not happen.
    pub(crate) fn surprised(&self, what: String) {
        self.note(&self.surprises, what);
    }

    /// Something that was done.
    pub(crate) fn incident(&self, what: String) {
        self.note(&self.incidents, what);
    }

    pub(crate) fn publications(&self) -> Vec<At<Publication>> {
        lock(&self.publications).clone()
    }

    pub(crate) fn surprises(&self) -> Vec<At<String>> {
        lock(&self.surprises).clone()
    }

    pub(crate) fn incidents(&self) -> Vec<At<String>> {
        lock(&self.incidents).clone()
    }

    fn note<T>(&self, list: &Mutex<Vec<At<T>>>, what: T) {
        lock(list).push((self.now(), what));
    }
}

/// What one reader saw of one channel.
pub(crate) struct Page {
    pub(crate) reader: String,
    pub(crate) channel: Channel,
    /// Where it stood when the round began.
    pub(crate) since: Option<Position>,
    seen: Mutex<Vec<At<Seen>>>,
}

impl Page {
    pub(crate) fn new(reader: String, channel: Channel, since: Option<Position>) -> Self {
        Self { reader, channel, since, seen: Mutex::default() }
    }

    /// Writes an event down; false for one that ends the subscription, or that nobody asked for.
    pub(crate) fn note(&self, event: Event, notes: &Notes) -> bool {
        let seen = match event {
            Event::Outcome(attached) => Seen::Attached(attached),
            Event::Message(message) => Seen::Message(entry(&message)),
            Event::Gap { epoch, lost, reason } => Seen::Gap { at: Position::new(epoch, lost.to), lost, reason },
            other => {
                notes.surprised(format!("{} on {}: {other:?}", self.reader, self.channel.name()));
                return false;
            }
        };
        lock(&self.seen).push((notes.now(), seen));
        true
    }

    /// Where the reader stands.
    pub(crate) fn position(&self) -> Option<Position> {
        match lock(&self.seen).last() {
            None => self.since,
            Some((_, Seen::Attached(attached))) => attached.epoch().map(|epoch| Position::new(epoch, attached.start())),
            Some((_, Seen::Message(entry))) => Some(entry.position),
            Some((_, Seen::Gap { at, .. })) => Some(*at),
        }
    }

    /// Everything, for the checker.
    pub(crate) fn reading(&self) -> Reading {
        let seen = lock(&self.seen).iter().map(|(_, seen)| seen.clone()).collect();
        Reading { reader: self.reader.clone(), channel: self.channel.name(), since: self.since, seen }
    }

    /// Everything with its times.
    pub(crate) fn timed(&self) -> Vec<At<Seen>> {
        lock(&self.seen).clone()
    }
}

fn entry(message: &Message) -> Entry {
    let key = message.key.as_ref().map(|key| key.as_str().to_owned()).unwrap_or_default();
    // Both kinds of channels have a log; a message without a place is out of order everywhere.
    let position = message.position.unwrap_or(Position::new(hubbub_protocol::Epoch::from_u64(0), 0));
    Entry { position, id: message.id, key }
}

fn lock<T>(list: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    list.lock().unwrap_or_else(PoisonError::into_inner)
}
