//! One thread with many sockets: it waits for those that are readable, reads each into one buffer and feeds its
//! connection. Counts go out through atomics after each round; accounts and latencies when it ends.

use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mio::event::Event;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::LoadError;
use crate::audit::Audit;
use crate::connection::{Connection, End, Stage, Stamps, Tally, Wants};
use crate::during;
use crate::frame::{PONG, TEXT, client_frame};
use crate::socket::Dial;

/// What a worker is to do.
#[derive(Debug)]
pub struct Plan {
    /// Where to connect.
    pub dial: Dial,
    /// What each subscriber says first: `connect` and `subscribe`, masked. One socket for each.
    pub greetings: Vec<Vec<u8>>,
    /// How many may be between connecting and live at once.
    pub in_flight: usize,
    /// Where messages carry their time, when latency is measured.
    pub stamps: Option<Stamps>,
    /// How many windows latency is measured in.
    pub windows: usize,
    /// The zero of all times.
    pub start: Instant,
}

/// What a worker has done so far, readable while it runs.
#[derive(Debug, Default)]
pub struct Progress {
    /// Subscribers that became live.
    pub live: AtomicU64,
    /// Those that ended before they were.
    pub failed: AtomicU64,
    /// Those that ended afterwards.
    pub lost: AtomicU64,
    /// Messages received.
    pub messages: AtomicU64,
    /// Bytes received.
    pub bytes: AtomicU64,
    /// Pings answered.
    pub pongs: AtomicU64,
    /// Time not spent waiting, in nanoseconds.
    pub busy_ns: AtomicU64,
    /// Set by the owner to end it.
    pub stop: AtomicBool,
}

/// What a worker leaves behind.
#[derive(Debug)]
pub struct Outcome {
    /// The account of each subscriber.
    pub audits: Vec<Audit>,
    /// Why subscribers ended, for those that did.
    pub ends: Vec<End>,
    /// Latency in nanoseconds, by window.
    pub latency: Vec<Histogram<u64>>,
}

/// Reads are into one buffer of this size: large enough for a batch, small enough for the cache.
const BUFFER_BYTES: usize = 256 * 1024;
/// How often a worker without traffic looks whether it should stop.
const ROUND: Duration = Duration::from_millis(20);

/// A simulated subscriber and its socket.
#[derive(Debug)]
struct Person {
    /// `None` when it is over.
    socket: Option<TcpStream>,
    /// Whether the upgrade was asked for.
    upgraded: bool,
    connection: Connection,
}

/// A running worker.
#[derive(Debug)]
pub struct Worker {
    poll: Poll,
    plan: Plan,
    progress: Arc<Progress>,
    people: Vec<Person>,
    upgrade: Vec<u8>,
    pong: Vec<u8>,
    counts: Counts,
}

/// What a worker counts as it goes.
#[derive(Debug)]
struct Counts {
    now_ns: u64,
    live: u64,
    failed: u64,
    lost: u64,
    messages: u64,
    bytes: u64,
    pongs: u64,
    latency: Vec<Histogram<u64>>,
}

/// Latencies from one microsecond to one minute in nanoseconds, to two digits.
pub fn empty_latency() -> Histogram<u64> {
    Histogram::new_with_bounds(1_000, 60_000_000_000, 2).expect("a valid range")
}

impl Tally for Counts {
    #[inline]
    fn message(&mut self, due_ns: u64, window: usize) {
        if let Some(latency) = self.latency.get_mut(window) {
            latency.saturating_record(self.now_ns.saturating_sub(due_ns));
        }
    }
}

impl Worker {
    /// Prepares a worker; nothing is opened yet.
    pub fn new(plan: Plan, progress: Arc<Progress>) -> Result<Self, LoadError> {
        let latency = vec![empty_latency(); plan.windows];
        Ok(Self {
            poll: Poll::new().map_err(during("epoll"))?,
            upgrade: plan.dial.upgrade(),
            pong: client_frame(TEXT, br#"{"type":"pong"}"#),
            people: Vec::with_capacity(plan.greetings.len()),
            counts: Counts { now_ns: 0, live: 0, failed: 0, lost: 0, messages: 0, bytes: 0, pongs: 0, latency },
            plan,
            progress,
        })
    }

    /// Opens everything and reads until told to stop.
    pub fn run(mut self) -> Result<Outcome, LoadError> {
        let mut buffer = vec![0; BUFFER_BYTES];
        let mut events = Events::with_capacity(1_024);
        while !self.progress.stop.load(Ordering::Relaxed) {
            self.open_more()?;
            match self.poll.poll(&mut events, Some(ROUND)) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(during("epoll")(error)),
                _ => {}
            }
            let woken = Instant::now();
            for event in &events {
                self.event(event, &mut buffer);
            }
            self.publish_progress(woken.elapsed());
        }
        let mut outcome = Outcome { audits: Vec::new(), ends: Vec::new(), latency: self.counts.latency };
        for person in self.people {
            if let Stage::Over(end) = person.connection.stage {
                outcome.ends.push(end);
            }
            outcome.audits.push(person.connection.audit);
        }
        Ok(outcome)
    }

    fn open_more(&mut self) -> Result<(), LoadError> {
        let settled = (self.counts.live + self.counts.failed) as usize;
        let room = (settled + self.plan.in_flight).min(self.plan.greetings.len());
        while self.people.len() < room {
            let mut socket = self.plan.dial.start(None).map_err(during("connect"))?;
            let (token, interest) = (Token(self.people.len()), Interest::READABLE | Interest::WRITABLE);
            self.poll.registry().register(&mut socket, token, interest).map_err(during("epoll"))?;
            self.people.push(Person { socket: Some(socket), upgraded: false, connection: Connection::default() });
        }
        Ok(())
    }

    fn event(&mut self, event: &Event, buffer: &mut [u8]) {
        let index = event.token().0;
        // The first writability says that the connection is made.
        if event.is_writable() && !self.people[index].upgraded {
            self.people[index].upgraded = true;
            let upgrade = std::mem::take(&mut self.upgrade);
            self.write(index, &upgrade);
            self.upgrade = upgrade;
        }
        if event.is_readable() || event.is_error() {
            self.read(index, buffer);
        }
    }

    /// Reads all there is. A short read has emptied the socket, so nothing is asked twice.
    fn read(&mut self, index: usize, buffer: &mut [u8]) {
        loop {
            let Some(socket) = &mut self.people[index].socket else { return };
            match socket.read(buffer) {
                Ok(0) => return self.end(index),
                Ok(length) => {
                    self.counts.now_ns = self.plan.start.elapsed().as_nanos() as u64;
                    self.counts.bytes += length as u64;
                    self.feed(index, &buffer[..length]);
                    if length < buffer.len() {
                        return;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return self.end(index),
            }
        }
    }

    fn feed(&mut self, index: usize, bytes: &[u8]) {
        let connection = &mut self.people[index].connection;
        let (was, received) = (connection.stage, connection.audit.received);
        let wants = connection.feed(bytes, self.plan.stamps, &mut self.counts);
        let stage = connection.stage;
        self.counts.messages += connection.audit.received - received;
        // A subscriber that became live and ended in the same read counts as both.
        let reached_live = stage == Stage::Live || connection.audit.received > 0;
        if was != Stage::Live && reached_live {
            self.counts.live += 1;
        }
        if wants != Wants::default() {
            self.answer(index, wants);
        }
        if let Stage::Over(_) = stage {
            self.close(index, was == Stage::Live || reached_live);
        }
    }

    #[cold]
    fn answer(&mut self, index: usize, wants: Wants) {
        if wants.greeting {
            let greeting = std::mem::take(&mut self.plan.greetings[index]);
            self.write(index, &greeting);
        }
        if wants.pong {
            let pong = std::mem::take(&mut self.pong);
            self.write(index, &pong);
            self.pong = pong;
        }
        if wants.control_pong {
            self.write(index, &client_frame(PONG, b""));
        }
        self.counts.pongs += u64::from(wants.pong) + u64::from(wants.control_pong);
    }

    /// What a subscriber writes is small and rare; a socket that has no room for it is broken.
    fn write(&mut self, index: usize, bytes: &[u8]) {
        let Some(socket) = &mut self.people[index].socket else { return };
        if !matches!(socket.write(bytes), Ok(length) if length == bytes.len()) {
            self.end(index);
        }
    }

    /// The socket ended by itself.
    #[cold]
    fn end(&mut self, index: usize) {
        let connection = &mut self.people[index].connection;
        let was_live = connection.stage == Stage::Live;
        connection.gone();
        self.close(index, was_live);
    }

    #[cold]
    fn close(&mut self, index: usize, was_live: bool) {
        if self.people[index].socket.take().is_none() {
            return;
        }
        if was_live {
            self.counts.lost += 1;
        } else {
            self.counts.failed += 1;
        }
    }

    fn publish_progress(&self, busy: Duration) {
        let Self { progress, counts, .. } = self;
        progress.live.store(counts.live, Ordering::Relaxed);
        progress.failed.store(counts.failed, Ordering::Relaxed);
        progress.lost.store(counts.lost, Ordering::Relaxed);
        progress.messages.store(counts.messages, Ordering::Relaxed);
        progress.bytes.store(counts.bytes, Ordering::Relaxed);
        progress.pongs.store(counts.pongs, Ordering::Relaxed);
        progress.busy_ns.fetch_add(busy.as_nanos() as u64, Ordering::Relaxed);
    }
}
