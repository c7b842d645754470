//! One thread with people who come back: sockets, alarms, and who is where.

use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use hubbub_protocol::ChannelName;
use mio::event::Event;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::alarm::{Alarms, Deed};
use super::person::{Person, Said};
use super::{Outcome, Progress};
use crate::connection::{End, Stage};
use crate::frame::{PONG, TEXT, client_frame};
use crate::socket::Dial;
use crate::worker::empty_latency;
use crate::{LoadError, during};

/// What a thread is to do.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) dial: Dial,
    /// The numbers of its people.
    pub(super) people: Vec<usize>,
    pub(super) names: Arc<[ChannelName]>,
    /// How many channels each follows.
    pub(super) follows: usize,
    /// How many may be opening at once the first time.
    pub(super) in_flight: usize,
    pub(super) token: String,
    pub(super) seed: u64,
    pub(super) start: Instant,
}

const BUFFER_BYTES: usize = 256 * 1024;
/// How often a thread without traffic looks whether it should stop.
const ROUND: Duration = Duration::from_millis(20);
/// A connection that is not live after this is given up, as the SDKs do.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Close codes from here on mean: do not come back.
const FOR_GOOD: u16 = 4_500;
/// The bits of a token that say which person; the others tell connections of one person apart.
const PERSON_BITS: u32 = 24;

/// A person and where it is.
#[derive(Debug)]
struct Seat {
    person: Person,
    number: usize,
    socket: Option<TcpStream>,
    upgraded: bool,
    live: bool,
    /// Counts connections and the times between them.
    turn: u32,
    /// Attempts in a row that came to nothing.
    failures: u32,
    /// Since when somebody who was live is not.
    down_since: Option<Instant>,
}

/// A running thread.
#[derive(Debug)]
pub(super) struct Worker {
    poll: Poll,
    plan: Plan,
    progress: Arc<Progress>,
    seats: Vec<Seat>,
    alarms: Alarms,
    live: u64,
    /// People who have been live.
    settled: usize,
    /// People who were told to open.
    opened: usize,
    messages: u64,
    returns: u64,
    left: u64,
    interruptions: Histogram<u64>,
    ends: Vec<End>,
}

impl Worker {
    /// Prepares a thread; nothing is opened yet.
    pub(super) fn new(plan: Plan, progress: Arc<Progress>) -> Result<Self, LoadError> {
        let channels = plan.names.len();
        // Neighbours follow neighbouring channels, and all channels have as many followers.
        let seat = |number: &usize| Seat {
            person: Person::new(
                (0..plan.follows).map(|follow| (number + follow * (channels / plan.follows)) % channels),
            ),
            number: *number,
            socket: None,
            upgraded: false,
            live: false,
            turn: 0,
            failures: 0,
            down_since: None,
        };
        Ok(Self {
            poll: Poll::new().map_err(during("epoll"))?,
            seats: plan.people.iter().map(seat).collect(),
            alarms: Alarms::new(plan.seed),
            plan,
            progress,
            live: 0,
            settled: 0,
            opened: 0,
            messages: 0,
            returns: 0,
            left: 0,
            interruptions: empty_latency(),
            ends: Vec::new(),
        })
    }

    /// Opens everything, and comes back, until told to stop.
    pub(super) fn run(mut self) -> Result<Outcome, LoadError> {
        let mut buffer = vec![0; BUFFER_BYTES];
        let mut events = Events::with_capacity(1_024);
        while !self.progress.stop.load(Ordering::Relaxed) {
            self.open_more()?;
            match self.poll.poll(&mut events, Some(self.alarms.wait(Instant::now(), ROUND))) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(during("epoll")(error)),
                _ => {}
            }
            for event in &events {
                self.event(event, &mut buffer);
            }
            while let Some(alarm) = self.alarms.due(Instant::now()) {
                if self.seats[alarm.person].turn == alarm.turn {
                    self.rang(alarm.person, alarm.deed)?;
                }
            }
            self.publish_progress();
        }
        let follows = self.seats.into_iter().flat_map(|seat| seat.person.follows).collect();
        Ok(Outcome { follows, interruptions: self.interruptions, left: self.left, ends: self.ends })
    }

    fn open_more(&mut self) -> Result<(), LoadError> {
        let room = (self.settled + self.plan.in_flight).min(self.seats.len());
        while self.opened < room {
            self.opened += 1;
            self.open(self.opened - 1)?;
        }
        Ok(())
    }

    fn rang(&mut self, index: usize, deed: Deed) -> Result<(), LoadError> {
        match deed {
            Deed::Open => self.open(index),
            Deed::Leave => {
                self.left += 1;
                self.part(index);
                self.open(index)
            }
            Deed::GiveUp if self.seats[index].person.stage != Stage::Live => {
                self.seats[index].person.stage = Stage::Over(End::Overdue);
                self.over(index, Duration::ZERO);
                Ok(())
            }
            Deed::GiveUp => Ok(()),
        }
    }

    fn open(&mut self, index: usize) -> Result<(), LoadError> {
        let mut socket = self.plan.dial.start().map_err(during("connect"))?;
        let seat = &mut self.seats[index];
        seat.turn += 1;
        seat.upgraded = false;
        seat.person.begin();
        let token = Token(index | (seat.turn as usize) << PERSON_BITS);
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut socket, token, interest).map_err(during("epoll"))?;
        seat.socket = Some(socket);
        self.alarms.set(Instant::now() + HANDSHAKE, index, seat.turn, Deed::GiveUp);
        Ok(())
    }

    fn event(&mut self, event: &Event, buffer: &mut [u8]) {
        let Token(token) = event.token();
        let (index, turn) = (token & ((1 << PERSON_BITS) - 1), (token >> PERSON_BITS) as u32);
        let seat = &mut self.seats[index];
        // An event of a connection that was left in this round.
        if seat.turn != turn {
            return;
        }
        // The first writability says that the connection is made.
        if event.is_writable() && !seat.upgraded {
            seat.upgraded = true;
            let upgrade = self.plan.dial.upgrade_with_affinity(&format!("person-{:08}", seat.number));
            self.write(index, &upgrade);
        }
        if event.is_readable() || event.is_error() {
            self.read(index, buffer);
        }
    }

    /// Reads all there is. A short read has emptied the socket, so nothing is asked twice.
    fn read(&mut self, index: usize, buffer: &mut [u8]) {
        loop {
            let Some(socket) = &mut self.seats[index].socket else { return };
            match socket.read(buffer) {
                Ok(0) => return self.broke(index),
                Ok(length) => {
                    self.feed(index, &buffer[..length]);
                    if length < buffer.len() {
                        return;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return self.broke(index),
            }
        }
    }

    fn feed(&mut self, index: usize, bytes: &[u8]) {
        let seat = &mut self.seats[index];
        let was = seat.person.stage;
        let said = seat.person.feed(bytes, &self.plan.names);
        self.messages += said.messages;
        if was != Stage::Live && seat.person.stage == Stage::Live {
            self.lives(index);
        }
        self.answer(index, said);
        if matches!(self.seats[index].person.stage, Stage::Over(_)) {
            self.over(index, Duration::from_millis(said.retry_after_ms.unwrap_or(0)));
        }
    }

    fn lives(&mut self, index: usize) {
        let (seat, now) = (&mut self.seats[index], Instant::now());
        (seat.failures, seat.live) = (0, true);
        self.live += 1;
        match seat.down_since.take() {
            None => self.settled += 1,
            Some(since) => {
                self.interruptions.saturating_record((now - since).as_nanos() as u64);
                self.returns += 1;
                let at = now.duration_since(self.plan.start).as_nanos() as u64;
                self.progress.last_return_ns.store(at, Ordering::Relaxed);
            }
        }
    }

    fn answer(&mut self, index: usize, said: Said) {
        if said.upgraded {
            let (token, names) = (self.plan.token.clone(), Arc::clone(&self.plan.names));
            let greeting = self.seats[index].person.greeting(token, &names);
            self.write(index, &greeting);
        }
        if said.ping {
            self.write(index, &client_frame(TEXT, br#"{"type":"pong"}"#));
        }
        if said.control_ping {
            self.write(index, &client_frame(PONG, b""));
        }
        if let Some(ms) = said.drain_ms {
            let at = Instant::now() + self.alarms.within(Duration::from_millis(ms));
            self.alarms.set(at, index, self.seats[index].turn, Deed::Leave);
        }
    }

    /// What a person writes is small and rare; a socket that has no room for it is broken.
    fn write(&mut self, index: usize, bytes: &[u8]) {
        let Some(socket) = &mut self.seats[index].socket else { return };
        if !matches!(socket.write(bytes), Ok(length) if length == bytes.len()) {
            self.broke(index);
        }
    }

    /// The socket ended by itself.
    fn broke(&mut self, index: usize) {
        self.seats[index].person.stage = Stage::Over(End::Closed(0));
        self.over(index, Duration::ZERO);
    }

    /// The connection is over; the person comes back later, unless the hub said never.
    fn over(&mut self, index: usize, at_least: Duration) {
        let Stage::Over(end) = self.seats[index].person.stage else { return };
        if self.seats[index].socket.is_none() {
            return;
        }
        self.ends.push(end);
        self.part(index);
        let seat = &mut self.seats[index];
        if !matches!(end, End::Closed(FOR_GOOD..)) {
            let at = Instant::now() + self.alarms.pause(seat.failures, at_least);
            self.alarms.set(at, index, seat.turn, Deed::Open);
        }
        seat.failures += 1;
    }

    /// Drops the socket; the next connection, or the time until then, begins.
    fn part(&mut self, index: usize) {
        let seat = &mut self.seats[index];
        seat.socket = None;
        seat.turn += 1;
        if std::mem::take(&mut seat.live) {
            self.live -= 1;
            seat.down_since = Some(Instant::now());
        }
    }

    fn publish_progress(&self) {
        self.progress.live.store(self.live, Ordering::Relaxed);
        self.progress.returns.store(self.returns, Ordering::Relaxed);
        self.progress.messages.store(self.messages, Ordering::Relaxed);
    }
}
