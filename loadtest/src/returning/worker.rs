//! One thread with people who come back: sockets, alarms, and who is where.

use std::io::ErrorKind;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mio::event::Event;
use mio::{Events, Interest, Poll, Token};

use super::alarm::{Alarm, Alarms, Deed};
use super::follow::{Follow, Heard};
use super::person::Said;
use super::seat::Seat;
use super::task::{Counts, Plan, Tokens};
use super::{Outcome, Progress};
use crate::connection::{End, Stage};
use crate::frame::{PONG, TEXT, client_frame};
use crate::plan::stamp::Stamp;
use crate::plan::template::user;
use crate::tls::Line;
use crate::worker::empty_latency;
use crate::{LoadError, during};

const BUFFER_BYTES: usize = 256 * 1024;
/// How often a thread without traffic looks whether it should stop.
const ROUND: Duration = Duration::from_millis(20);
/// A connection that is not live after this is given up, as the SDKs do.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Close codes from here on mean: do not come back.
const FOR_GOOD: u16 = 4_500;
/// The bits of a token that say which person; the others tell connections of one person apart.
const PERSON_BITS: u32 = 24;
/// How long a token of one person is valid, in seconds: almost a day, the most that a hub takes, so that nobody leaves for that.
const TOKEN_S: u64 = 23 * 3_600;
/// How often a slow person reads.
const SIPS_PER_S: u32 = 10;
/// What the kernel keeps for a slow person: little, so that the hub feels it soon.
const SLOW_RECEIVE_BUFFER_BYTES: usize = 4_096;

/// A running thread.
#[derive(Debug)]
pub(crate) struct Worker {
    poll: Poll,
    events: Events,
    buffer: Vec<u8>,
    plan: Plan,
    seats: Vec<Seat>,
    alarms: Alarms,
    /// People who were told to open.
    opened: usize,
    /// Whether people may publish.
    talking: bool,
    /// Whether people go through tunnels.
    moving: bool,
    /// Slow people read as everybody does: all must drain.
    hasty: bool,
    pub(crate) counts: Counts,
    pub(crate) heard: Heard,
    pub(crate) interruptions: Histogram<u64>,
    pub(crate) ends: Vec<End>,
}

impl Worker {
    /// Prepares a thread; nothing is opened yet.
    pub(crate) fn new(plan: Plan) -> Result<Self, LoadError> {
        let language = plan.language.as_ref();
        Ok(Self {
            poll: Poll::new().map_err(during("epoll"))?,
            events: Events::with_capacity(1_024),
            buffer: vec![0; BUFFER_BYTES],
            seats: plan.roles.iter().map(|role| Seat::new(role, language)).collect(),
            alarms: Alarms::new(plan.seed),
            plan,
            opened: 0,
            talking: false,
            moving: false,
            hasty: false,
            counts: Counts::default(),
            heard: Heard::default(),
            interruptions: empty_latency(),
            ends: Vec::new(),
        })
    }

    /// Opens everything, and comes back, until told to stop.
    pub(super) fn run(mut self, progress: &Progress) -> Result<Outcome, LoadError> {
        while !progress.stop.load(Ordering::Relaxed) {
            self.turn()?;
            progress.live.store(self.counts.live, Ordering::Relaxed);
            progress.returns.store(self.counts.returns, Ordering::Relaxed);
            progress.last_return_ns.store(self.counts.last_return_ns, Ordering::Relaxed);
            progress.messages.store(self.counts.messages, Ordering::Relaxed);
        }
        let follows = self.seats.into_iter().flat_map(|seat| seat.person.follows).collect();
        Ok(Outcome { follows, interruptions: self.interruptions, left: self.counts.left, ends: self.ends })
    }

    /// Waits for something and does it; the time that it did not wait.
    pub(crate) fn turn(&mut self) -> Result<Duration, LoadError> {
        self.open_more()?;
        let wait = self.alarms.wait(Instant::now(), ROUND);
        match self.poll.poll(&mut self.events, Some(wait)) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(during("epoll")(error)),
            _ => {}
        }
        let woken = Instant::now();
        let (events, mut buffer) =
            (std::mem::replace(&mut self.events, Events::with_capacity(0)), std::mem::take(&mut self.buffer));
        for event in &events {
            self.event(event, &mut buffer);
        }
        while let Some(alarm) = self.alarms.due(Instant::now()) {
            if self.seats[alarm.person].turn == alarm.turn {
                self.rang(alarm, &mut buffer)?;
            }
        }
        (self.events, self.buffer) = (events, buffer);
        Ok(woken.elapsed())
    }

    /// How many people there are.
    pub(crate) fn people(&self) -> usize {
        self.seats.len()
    }

    /// All accounts.
    pub(crate) fn follows(&self) -> impl Iterator<Item = &Follow> {
        self.seats.iter().flat_map(|seat| &seat.person.follows)
    }

    /// People begin to publish, or stop.
    pub(crate) fn talk(&mut self, talking: bool) {
        if talking && !self.talking {
            (0..self.seats.len()).for_each(|index| self.think(index, Instant::now()));
        }
        self.talking = talking;
    }

    /// People begin to go through tunnels, or stop.
    pub(crate) fn travel(&mut self, moving: bool) {
        if moving && !std::mem::replace(&mut self.moving, moving) {
            (0..self.seats.len()).for_each(|index| self.move_on(index));
        }
        self.moving = moving;
    }

    /// Slow people read all that comes from now on, or do not any more.
    pub(crate) fn hurry(&mut self, hasty: bool) {
        self.hasty = hasty;
        let mut buffer = std::mem::take(&mut self.buffer);
        for index in (0..self.seats.len()).filter(|_| hasty) {
            if self.seats[index].slow {
                self.read(index, &mut buffer, usize::MAX);
            }
        }
        self.buffer = buffer;
        for index in (0..self.seats.len()).filter(|_| !hasty) {
            self.sip_later(index);
        }
    }

    /// This person loses the connection within `within`, and comes back after `away`.
    pub(crate) fn send_away(&mut self, index: usize, away: Duration) {
        if self.seats[index].live {
            self.leave_unanswered(index);
            self.part(index);
            let turn = self.seats[index].turn;
            self.alarms.set(Instant::now() + away, index, turn, Deed::Open);
        }
    }

    fn open_more(&mut self) -> Result<(), LoadError> {
        let ramp = self.plan.ways.ramp_per_s.map(|rate| (rate * self.plan.zero.elapsed().as_secs_f64()) as usize + 1);
        let room = (self.counts.settled as usize + self.plan.in_flight).min(self.seats.len());
        let room = ramp.map_or(room, |ramp| room.min(ramp));
        while self.opened < room {
            self.opened += 1;
            self.open(self.opened - 1)?;
        }
        Ok(())
    }

    fn rang(&mut self, alarm: Alarm, buffer: &mut [u8]) -> Result<(), LoadError> {
        let Alarm { at, person: index, turn, deed } = alarm;
        match deed {
            Deed::Open => self.open(index)?,
            Deed::Leave => {
                self.counts.left += 1;
                self.part(index);
                self.open(index)?;
            }
            Deed::GiveUp if self.seats[index].person.stage != Stage::Live => {
                self.seats[index].person.stage = Stage::Over(End::Overdue);
                self.over(index, Duration::ZERO);
            }
            Deed::GiveUp => {}
            Deed::Sip if self.hasty => {}
            Deed::Sip => {
                self.read(index, buffer, (self.plan.ways.slow_bytes_per_s / SIPS_PER_S) as usize);
                // Not, if that ended the connection.
                if self.seats[index].turn == turn {
                    self.sip_later(index);
                }
            }
            Deed::EnterTunnel if self.moving => self.enter_tunnel(index),
            Deed::EnterTunnel => {}
            Deed::Say if self.talking => self.say(index, at),
            Deed::Say => {}
        }
        Ok(())
    }

    fn open(&mut self, index: usize) -> Result<(), LoadError> {
        let seat = &mut self.seats[index];
        let dial = &self.plan.dials[(seat.number + seat.failures as usize) % self.plan.dials.len()];
        let socket = dial.start(seat.slow.then_some(SLOW_RECEIVE_BUFFER_BYTES)).map_err(during("connect"))?;
        let mut socket = Line::new(socket, self.plan.tls.as_ref())?;
        seat.turn += 1;
        seat.upgraded = false;
        seat.person.begin();
        let token = Token(index | (seat.turn as usize) << PERSON_BITS);
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(socket.source(), token, interest).map_err(during("epoll"))?;
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
            match self.request(index) {
                Some(request) => self.write(index, &request),
                None => self.broke(index),
            }
        } else if event.is_writable()
            && let Some(Err(_)) = seat.socket.as_mut().map(Line::flush)
        {
            return self.broke(index);
        }
        let seat = &self.seats[index];
        let waits = seat.slow && seat.live && !self.hasty;
        if (event.is_readable() && !waits) || event.is_error() {
            self.read(index, buffer, usize::MAX);
        }
    }

    /// What a connection begins with; `None` where there is no token.
    fn request(&mut self, index: usize) -> Option<Vec<u8>> {
        let host = self.plan.host.as_deref();
        if let Some(language) = &self.plan.language {
            let needed = language.spoken.needs_token();
            let token = if needed { self.token(self.seats[index].number)? } else { String::new() };
            let address = self.plan.dials[0].target.to_string();
            let host = host.unwrap_or(&address);
            return self.seats[index].person.as_described().map(|described| described.upgrade(host, token));
        }
        let seat = &self.seats[index];
        let affinity = format!("person-{:08}", seat.number);
        if !seat.person.is_stream() {
            return Some(self.plan.dials[0].upgrade_with_affinity(&affinity, host));
        }
        let rate = self.plan.ways.sse_max_rate.map_or_else(String::new, |rate| format!("&max_rate={rate}"));
        let token = self.token(seat.number)?;
        Some(seat.person.stream_request(&token, &self.plan.names, &format!("{rate}&affinity={affinity}")))
    }

    fn token(&self, number: usize) -> Option<String> {
        match &self.plan.tokens {
            Tokens::Shared(token) => Some(token.clone()),
            Tokens::Each(maker) => maker.token_for(&user(number), TOKEN_S).ok(),
        }
    }

    /// Reads what there is, at most so much. A short read has emptied the socket, so nothing is asked twice.
    fn read(&mut self, index: usize, buffer: &mut [u8], mut at_most: usize) {
        while at_most > 0 {
            let Some(socket) = &mut self.seats[index].socket else { return };
            let room = at_most.min(buffer.len());
            match socket.read(&mut buffer[..room]) {
                Ok(0) => return self.broke(index),
                Ok(length) => {
                    let empty = length < room && socket.short_is_empty();
                    self.feed(index, &buffer[..length]);
                    at_most -= length;
                    if empty {
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
        self.heard.timed = self.plan.ways.timed && !seat.slow && seat.live;
        self.heard.now_ns = self.plan.zero.elapsed().as_nanos() as u64;
        self.heard.since_ns = seat.live_since_ns;
        let said = seat.person.feed(bytes, &self.plan.names, &mut self.heard);
        self.counts.messages += said.messages;
        self.counts.acknowledged += said.acknowledged;
        self.counts.refused += said.refused;
        if was != Stage::Live && seat.person.stage == Stage::Live {
            self.lives(index);
        }
        let retry_after_ms = said.retry_after_ms.unwrap_or(0);
        self.answer(index, said);
        if matches!(self.seats[index].person.stage, Stage::Over(_)) {
            self.over(index, Duration::from_millis(retry_after_ms));
        }
    }

    fn lives(&mut self, index: usize) {
        let (seat, now) = (&mut self.seats[index], Instant::now());
        (seat.failures, seat.live, seat.dark) = (0, true, None);
        let at = now.duration_since(self.plan.zero).as_nanos() as u64;
        seat.live_since_ns = at;
        self.counts.live += 1;
        match seat.down_since.take() {
            None => self.counts.settled += 1,
            Some(since) => {
                self.interruptions.saturating_record((now - since).as_nanos() as u64);
                self.counts.returns += 1;
                self.counts.last_return_ns = at;
            }
        }
        self.move_on(index);
        self.sip_later(index);
        self.think(index, now);
    }

    fn sip_later(&mut self, index: usize) {
        let seat = &self.seats[index];
        if seat.slow && seat.live && !self.hasty && self.plan.ways.slow_bytes_per_s >= SIPS_PER_S {
            self.alarms.set(Instant::now() + Duration::from_secs(1) / SIPS_PER_S, index, seat.turn, Deed::Sip);
        }
    }

    /// Sets when this person enters the next tunnel.
    fn move_on(&mut self, index: usize) {
        let seat = &self.seats[index];
        if seat.tunnel && seat.live && self.moving {
            let wait = Duration::from_secs_f64(self.alarms.dice.wait(self.plan.ways.tunnel.0));
            self.alarms.set(Instant::now() + wait, index, seat.turn, Deed::EnterTunnel);
        }
    }

    /// Sets when this person publishes next.
    fn think(&mut self, index: usize, from: Instant) {
        let seat = &self.seats[index];
        if let Some((_, think_s)) = &self.plan.ways.says
            && seat.live
            && !seat.person.is_stream()
        {
            let wait = Duration::from_secs_f64(self.alarms.dice.wait(*think_s));
            self.alarms.set(from + wait, index, seat.turn, Deed::Say);
        }
    }

    fn say(&mut self, index: usize, due: Instant) {
        let Some((posts, _)) = &self.plan.ways.says else { return };
        let (bytes, seat) = (posts.bytes(&mut self.alarms.dice), &mut self.seats[index]);
        let follow = self.alarms.dice.below(seat.person.follows.len());
        let due_ns = due.saturating_duration_since(self.plan.zero).as_nanos() as u64;
        // Several write into one channel, so nobody can count there but the hub.
        let data = Stamp { due_ns, number: 0 }.data(bytes);
        let (frame, answered) = seat.person.publish(follow, &data, &self.plan.names);
        self.counts.published += 1;
        self.counts.acknowledged += u64::from(!answered);
        self.think(index, due);
        self.write(index, &frame);
    }

    /// Nothing comes any more, and nobody closes.
    fn enter_tunnel(&mut self, index: usize) {
        let seat = &mut self.seats[index];
        if let Some(mut socket) = seat.socket.take() {
            // If it is not known there, nothing comes of it either.
            let _ = self.poll.registry().deregister(socket.source());
            seat.dark = Some(socket);
        }
        self.leave_unanswered(index);
        self.part(index);
        let (turn, length) = (self.seats[index].turn, self.plan.ways.tunnel.1);
        self.alarms.set(Instant::now() + length, index, turn, Deed::Open);
    }

    fn answer(&mut self, index: usize, said: Said) {
        if !said.write.is_empty() {
            self.write(index, &said.write);
        }
        if said.upgraded && self.plan.language.is_none() && !self.seats[index].person.is_stream() {
            match self.token(self.seats[index].number) {
                Some(token) => {
                    let greeting = self.seats[index].person.greeting(token, &self.plan.names);
                    self.write(index, &greeting);
                }
                None => self.broke(index),
            }
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

    /// Somebody goes before what was published has its answer: nobody can say what became of it, which is not the hub's doing, so
    /// it counts nowhere.
    fn leave_unanswered(&mut self, index: usize) {
        self.counts.published -= self.seats[index].person.forget_asked() as u64;
    }

    /// Drops the socket; the next connection, or the time until then, begins.
    fn part(&mut self, index: usize) {
        let seat = &mut self.seats[index];
        seat.socket = None;
        seat.turn += 1;
        // What was asked for on the old connection gets no answer.
        self.counts.refused += seat.person.forget_asked() as u64;
        if std::mem::take(&mut seat.live) {
            self.counts.live -= 1;
            seat.down_since = Some(Instant::now());
        }
    }
}
