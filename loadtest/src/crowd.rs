//! Many subscribers on few threads, or in processes of their own: opens them, waits for them, and adds up what they saw.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use hubbub_protocol::frame::{Connect, Subscribe};
use hubbub_protocol::{ChannelName, ClientFrame, json};

use crate::LoadError;
use crate::audit::{Audit, AuditSum};
use crate::connection::{End, Stamps};
use crate::during;
use crate::frame::{TEXT, client_frame};
use crate::hub::Place;
use crate::people::{self, PeopleArgs};
use crate::socket::{self, Dial};
use crate::token::TokenMaker;
use crate::worker::{Outcome, Plan, Progress, Worker};

/// What each subscriber subscribes to.
#[derive(Clone, Debug)]
pub enum Channels {
    /// All to this one.
    Shared(ChannelName),
    /// Subscriber n to `<prefix><n>`.
    Own(String),
    /// So many rooms: subscriber n to `<prefix><n modulo rooms>`.
    Rooms(String, usize),
    /// The same for people with names of their node.
    Members {
        /// As in [`Self::Rooms`].
        prefix: String,
        /// How many.
        rooms: usize,
        /// Which node.
        node: usize,
    },
}

impl Channels {
    /// The channel of a subscriber.
    pub fn of(&self, subscriber: usize) -> Result<ChannelName, LoadError> {
        match self {
            Self::Shared(channel) => Ok(channel.clone()),
            Self::Own(prefix) => numbered(prefix, subscriber),
            Self::Rooms(prefix, rooms) | Self::Members { prefix, rooms, .. } => {
                numbered(prefix, subscriber % rooms.max(&1))
            }
        }
    }

    /// The name of a subscriber.
    pub fn user(&self, subscriber: usize) -> String {
        match self {
            Self::Members { node, .. } => format!("member-{node}-{subscriber}"),
            Self::Shared(_) | Self::Own(_) | Self::Rooms(..) => format!("person-{subscriber}"),
        }
    }
}

fn numbered(prefix: &str, number: usize) -> Result<ChannelName, LoadError> {
    ChannelName::parse(&format!("{prefix}{number}")).map_err(|error| LoadError::Start(error.to_string()))
}

/// What a crowd is.
#[derive(Debug)]
pub struct CrowdPlan<'a> {
    /// The hub.
    pub place: &'a Place,
    /// Tells runs of one process apart.
    pub run: u8,
    /// How many.
    pub subscribers: usize,
    /// On how many threads.
    pub threads: usize,
    /// How many may be opening at once, over all threads.
    pub in_flight: usize,
    /// Where they listen.
    pub channels: Channels,
    /// Who makes their tokens.
    pub tokens: &'a TokenMaker,
    /// Whether each has a token of its own, or each thread one.
    pub token_each: bool,
    /// As in [`Plan`].
    pub stamps: Option<Stamps>,
    /// As in [`Plan`].
    pub windows: usize,
}

type Running = JoinHandle<Result<Outcome, LoadError>>;

/// Subscribers on their threads.
#[derive(Debug)]
pub struct Crowd {
    workers: Vec<(Arc<Progress>, Running)>,
    /// Whether workers are processes, each of which counts its people from 0.
    apart: bool,
    subscribers: usize,
    /// The zero of the times in stamps.
    pub start: Instant,
}

/// What a crowd saw.
#[derive(Debug)]
pub struct Seen {
    /// The account of each.
    pub audits: Vec<Audit>,
    /// Which subscriber each account is of: its number within the crowd, or within its process.
    numbers: Vec<usize>,
    /// Why subscribers ended that ended.
    pub ends: Vec<End>,
    /// Latency in nanoseconds, by window.
    pub latency: Vec<Histogram<u64>>,
}

impl Seen {
    /// The sum of the accounts.
    pub fn sum(&self, head: u64) -> AuditSum {
        AuditSum::of(&self.audits, head)
    }

    /// The same where channels have different heads: that of a subscriber's channel, by the subscriber's number.
    pub fn sum_of(&self, head: impl Fn(usize) -> u64) -> AuditSum {
        let each = self.numbers.iter().zip(&self.audits).map(|(number, audit)| AuditSum::of([audit], head(*number)));
        each.fold(AuditSum::default(), AuditSum::plus)
    }
}

impl Crowd {
    /// Starts the threads, which begin to open.
    pub fn start(plan: &CrowdPlan<'_>) -> Result<Self, LoadError> {
        Self::start_at(plan, Instant::now())
    }

    /// The same with another zero of the times in stamps.
    pub fn start_at(plan: &CrowdPlan<'_>, start: Instant) -> Result<Self, LoadError> {
        let threads = plan.threads.clamp(1, plan.subscribers.max(1));
        let mut workers = Vec::with_capacity(threads);
        for thread in 0..threads {
            let greetings = greetings(plan, thread, threads)?;
            let dial = Dial { target: plan.place.public, source: socket::source(plan.run, thread) };
            let (in_flight, stamps, windows) = (plan.in_flight.div_ceil(threads), plan.stamps, plan.windows);
            let progress = Arc::new(Progress::default());
            let plan = Plan { dial, greetings, in_flight, stamps, windows, start };
            let worker = Worker::new(plan, Arc::clone(&progress))?;
            let builder = std::thread::Builder::new().name(format!("people-{thread}"));
            workers.push((progress, builder.spawn(move || worker.run()).map_err(during("thread"))?));
        }
        Ok(Self { workers, apart: false, subscribers: plan.subscribers, start })
    }

    /// Starts a process for each part, which begins to open. One process may open only so many files.
    pub fn in_processes(parts: &[PeopleArgs], start: Instant) -> Result<Self, LoadError> {
        let mut workers = Vec::with_capacity(parts.len());
        for part in parts {
            let progress = Arc::new(Progress::default());
            workers.push((Arc::clone(&progress), people::start(part, progress)?));
        }
        Ok(Self { workers, apart: true, subscribers: parts.iter().map(|part| part.subscribers).sum(), start })
    }

    /// Waits until all are live.
    pub fn wait_live(&self, within: Duration) -> Result<(), LoadError> {
        let all = self.subscribers as u64;
        self.wait(within, || self.total(|p| &p.live) + self.total(|p| &p.failed) >= all)?;
        match self.total(|p| &p.failed) {
            0 => Ok(()),
            failed => Err(LoadError::Late(format!("{failed} of {all} subscribers were refused or cut off"))),
        }
    }

    /// Waits until so many messages have come to all together, or some subscriber is lost.
    pub fn wait_messages(&self, messages: u64, within: Duration) -> Result<(), LoadError> {
        self.wait(within, || self.messages() >= messages || self.total(|p| &p.lost) > 0)
    }

    fn wait(&self, within: Duration, done: impl Fn() -> bool) -> Result<(), LoadError> {
        let until = Instant::now() + within;
        while !done() {
            if Instant::now() >= until || self.workers.iter().any(|(_, worker)| worker.is_finished()) {
                let (live, messages) = (self.total(|p| &p.live), self.messages());
                let all = self.subscribers;
                return Err(LoadError::Late(format!("{live} of {all} live, {messages} messages after {within:?}")));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Messages received so far.
    pub fn messages(&self) -> u64 {
        self.total(|p| &p.messages)
    }

    /// One of the counts, of all threads together.
    pub fn total(&self, count: impl Fn(&Progress) -> &AtomicU64) -> u64 {
        self.workers.iter().map(|(progress, _)| count(progress).load(Ordering::Relaxed)).sum()
    }

    /// The time that the busiest thread did not spend waiting, in nanoseconds.
    pub fn busiest_ns(&self) -> u64 {
        self.workers.iter().map(|(progress, _)| progress.busy_ns.load(Ordering::Relaxed)).max().unwrap_or(0)
    }

    /// Ends the threads and gives what they saw.
    pub fn finish(self) -> Result<Seen, LoadError> {
        for (progress, _) in &self.workers {
            progress.stop.store(true, Ordering::Relaxed);
        }
        let (stride, apart) = (self.workers.len(), self.apart);
        let mut seen = Seen { audits: Vec::new(), numbers: Vec::new(), ends: Vec::new(), latency: Vec::new() };
        for (index, (_, worker)) in self.workers.into_iter().enumerate() {
            let outcome = worker.join().map_err(|_| LoadError::Start("a worker panicked".into()))??;
            let number = |nth| if apart { nth } else { index + nth * stride };
            seen.numbers.extend((0..outcome.audits.len()).map(number));
            seen.audits.extend(outcome.audits);
            seen.ends.extend(outcome.ends);
            if seen.latency.is_empty() {
                seen.latency = outcome.latency;
            } else {
                for (sum, part) in seen.latency.iter_mut().zip(&outcome.latency) {
                    // All histograms have the same bounds.
                    sum.add(part).expect("the same bounds");
                }
            }
        }
        Ok(seen)
    }
}

/// What the subscribers of one thread say first.
fn greetings(plan: &CrowdPlan<'_>, thread: usize, threads: usize) -> Result<Vec<Vec<u8>>, LoadError> {
    let shared = plan.tokens.token(&format!("people-{thread}"))?;
    (thread..plan.subscribers)
        .step_by(threads)
        .map(|subscriber| {
            let token = match plan.token_each {
                true => plan.tokens.token(&plan.channels.user(subscriber))?,
                false => shared.clone(),
            };
            Ok(greeting(token, plan.channels.of(subscriber)?))
        })
        .collect()
}

fn greeting(token: String, channel: ChannelName) -> Vec<u8> {
    let connect = Connect { token, client: Some("loadtest/1".to_owned()), resume: Vec::new() };
    let subscribe = Subscribe { channel, since: None, rewind: None, presence: false, conflate: false };
    let mut frames = client_frame(TEXT, json::encode_client(&ClientFrame::Connect(connect)).as_bytes());
    frames.extend(client_frame(TEXT, json::encode_client(&ClientFrame::Subscribe(1, subscribe)).as_bytes()));
    frames
}
