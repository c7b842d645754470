//! Sends at a rate through the internal ports of all nodes, each message by the member whose turn it is, and keeps what was
//! acknowledged.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde_json::json;

use super::ChatAuditArgs;
use crate::connection::Stamps;
use crate::fleet::{self, Fleet};
use crate::publisher::Publisher;
use crate::schedule::Schedule;
use crate::worker::empty_latency;
use crate::{LoadError, during};

/// What is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    /// Messages of rooms, by their members.
    Send,
    /// Plain messages into durable channels.
    Publish,
}

impl Way {
    pub(super) fn name(self) -> &'static str {
        if self == Self::Send { "rooms" } else { "control" }
    }

    pub(super) fn prefix(self) -> &'static str {
        if self == Self::Send { "room:audit-" } else { "chat:audit-" }
    }

    /// As many bytes of `data` as an event of a room has with such a text.
    pub(super) fn stamps(self, text_bytes: usize) -> Stamps {
        if self == Self::Send { Stamps::SAID } else { Stamps { data_bytes: text_bytes.max(20) + EVENT_BYTES } }
    }
}

/// What an event of a message has beside its text, in bytes.
const EVENT_BYTES: usize = 140;

/// One acknowledged message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Acked {
    pub(super) room: usize,
    /// The how manieth of its room.
    pub(super) round: u64,
    pub(super) offset: u64,
}

/// What was sent.
pub(super) struct Said {
    pub(super) acked: Vec<Acked>,
    /// From when it was due to the acknowledgement, in nanoseconds.
    pub(super) latency: Histogram<u64>,
    /// How late this program sent what it was not kept from sending, in nanoseconds.
    pub(super) lateness: Histogram<u64>,
    elapsed: Duration,
}

impl Said {
    fn empty() -> Self {
        let (latency, lateness) = (empty_latency(), empty_latency());
        Self { acked: Vec::new(), latency, lateness, elapsed: Duration::ZERO }
    }

    pub(super) fn rate(&self) -> f64 {
        self.acked.len() as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }

    /// Both together, with the latency of the second.
    pub(super) fn of(warm: Self, mut said: Self) -> Self {
        said.acked.extend(warm.acked);
        said
    }

    /// The head of the log of each room, if the offsets go on behind its beginning without a hole and without one twice.
    pub(super) fn heads(&self, bases: &[u64]) -> Result<Vec<u64>, String> {
        let mut offsets = vec![Vec::new(); bases.len()];
        self.acked.iter().for_each(|acked| offsets[acked.room].push(acked.offset));
        let head = |(room, base): (usize, &u64)| {
            offsets[room].sort_unstable();
            match offsets[room].iter().zip(base + 1..).find(|(offset, expected)| **offset != *expected) {
                None => Ok(base + offsets[room].len() as u64),
                Some((offset, expected)) => {
                    Err(format!("room {room} acknowledged {offset} where {expected} was to come"))
                }
            }
        };
        bases.iter().enumerate().map(head).collect()
    }
}

/// What the threads of one run share.
struct Shared<'a> {
    args: &'a ChatAuditArgs,
    way: Way,
    internals: Vec<std::net::SocketAddr>,
    begin: Instant,
    zero: Instant,
    window: usize,
    within: Duration,
    next: AtomicU64,
}

/// Sends for so long; `of` is the measurement window and the zero of the times in stamps.
pub(super) fn run(
    args: &ChatAuditArgs,
    fleet: &Fleet,
    way: Way,
    within: Duration,
    (window, zero): (usize, Instant),
) -> Result<Said, LoadError> {
    let (internals, begin) = (fleet.internals(), Instant::now());
    let shared = Arc::new(Shared { args, way, internals, begin, zero, window, within, next: AtomicU64::new(0) });
    std::thread::scope(|scope| {
        let mut threads = Vec::new();
        for number in 0..args.senders.max(1) {
            let shared = Arc::clone(&shared);
            let builder = std::thread::Builder::new().name(format!("sender-{number}"));
            threads.push(builder.spawn_scoped(scope, move || shared.send(number)).map_err(during("thread"))?);
        }
        let mut all = Said::empty();
        for thread in threads {
            let said = thread.join().map_err(|_| LoadError::Start("a sender panicked".into()))??;
            all.acked.extend(said.acked);
            // All histograms have the same bounds.
            all.latency.add(&said.latency).expect("the same bounds");
            all.lateness.add(&said.lateness).expect("the same bounds");
            all.elapsed = all.elapsed.max(said.elapsed);
        }
        Ok(all)
    })
}

impl Shared<'_> {
    fn send(&self, thread: usize) -> Result<Said, LoadError> {
        let mut said = Said::empty();
        let mut publisher = Publisher::connect(self.internals[thread % self.internals.len()], fleet::API_KEY)?;
        let schedule = Schedule::new(self.args.rate);
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let due = schedule.due(number);
            if due >= self.within {
                return Ok(said);
            }
            // When all threads still wait for answers, the hub is late, not we.
            if let Some(wait) = due.checked_sub(self.begin.elapsed()) {
                std::thread::sleep(wait);
                said.lateness.saturating_record(self.begin.elapsed().saturating_sub(due).as_nanos() as u64);
            }
            let (room, round) = (number as usize % self.args.rooms, number / self.args.rooms as u64);
            // The warm-up has rounds of its own, so that every message has another key.
            let round = round * 2 + self.window as u64;
            let at = (self.begin + due).saturating_duration_since(self.zero).as_nanos() as u64;
            let offset = self.one(&mut publisher, room, round, at)?;
            said.acked.push(Acked { room, round, offset });
            let now = self.begin.elapsed();
            said.latency.saturating_record(now.saturating_sub(due).as_nanos() as u64);
            said.elapsed = now;
        }
    }

    fn one(&self, publisher: &mut Publisher, room: usize, round: u64, at: u64) -> Result<u64, LoadError> {
        let (args, key) = (self.args, format!("{round}/{room}"));
        let channel = format!("{}{room}", self.way.prefix());
        if self.way == Way::Publish {
            let data = self.way.stamps(args.text_bytes).data(at, self.window);
            return publisher.publish_once(&channel, &data, &key);
        }
        let mut text = Stamps::said(at, self.window, " ");
        if let Some(member) = named(args, round) {
            text.push('@');
            text.push_str(&args.member(room, member));
            text.push(' ');
        }
        text.extend(std::iter::repeat_n('x', args.text_bytes.saturating_sub(text.len())));
        let body = json!({ "channel": channel, "text": text, "as": args.member(room, by(args, round)), "key": key });
        let answer = publisher.room("send", &body)?;
        answer["offset"].as_u64().ok_or_else(|| LoadError::Api(format!("a send without an offset: {answer}")))
    }
}

/// Whose turn it is.
pub(super) fn by(args: &ChatAuditArgs, round: u64) -> usize {
    (round / 2) as usize % args.members
}

/// Whom that message names.
pub(super) fn named(args: &ChatAuditArgs, round: u64) -> Option<usize> {
    let count = round / 2;
    (args.mention_each > 0 && count % args.mention_each == 1).then(|| (count as usize + 3) % args.members)
}
