//! People who come back: each follows several channels, leaves a node that drains within the window that it was told, comes
//! back at once, and after anything else with a back-off, always with its positions. As the SDKs do, at little cost.

mod alarm;
mod described;
mod follow;
mod person;
mod seat;
pub(crate) mod task;
pub(crate) mod worker;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use hubbub_protocol::ChannelName;

pub use follow::Follow;

use self::task::{Plan, Tokens, Ways};
use self::worker::Worker;
use crate::audit::AuditSum;
use crate::connection::End;
use crate::plan::cast::Role;
use crate::socket::{self, Dial};
use crate::worker::empty_latency;
use crate::{LoadError, during, fleet};

/// Who comes back where.
#[derive(Clone, Debug)]
pub struct ReturningPlan {
    /// Where they connect.
    pub entrance: SocketAddr,
    /// How many.
    pub people: usize,
    /// What there is to follow.
    pub channels: Vec<ChannelName>,
    /// How many channels each follows.
    pub follows: usize,
    /// On how many threads.
    pub threads: usize,
    /// How many may be opening at once, over all threads, the first time.
    pub in_flight: usize,
    /// Makes the same dice.
    pub seed: u64,
}

impl ReturningPlan {
    /// Neighbours follow neighbouring channels, and all channels have as many followers.
    fn role(&self, number: usize) -> Role {
        let (channels, follows) = (self.channels.len(), self.follows.min(self.channels.len()).max(1));
        let follows = (0..follows).map(|follow| (number + follow * (channels / follows)) % channels);
        Role { number, follows: follows.collect(), ..Role::default() }
    }
}

/// What a thread has done so far, readable while it runs.
#[derive(Debug, Default)]
pub struct Progress {
    /// People who are live now.
    pub live: AtomicU64,
    /// Times that somebody was live again.
    pub returns: AtomicU64,
    /// When that happened last, in nanoseconds after the start.
    pub last_return_ns: AtomicU64,
    /// Messages received.
    pub messages: AtomicU64,
    stop: AtomicBool,
}

/// What they saw.
#[derive(Debug)]
pub struct Outcome {
    /// The accounts, of everybody for each of their channels.
    pub follows: Vec<Follow>,
    /// From the end of a connection that was live until the next one was, in nanoseconds.
    pub interruptions: Histogram<u64>,
    /// How often somebody left because the node drained.
    pub left: u64,
    /// How connections ended otherwise.
    pub ends: Vec<End>,
}

impl Outcome {
    /// The sum of the accounts, each up to the head of its channel.
    pub fn audit(&self, heads: &[u64]) -> AuditSum {
        let head = |follow: &Follow| heads.get(follow.channel).copied().unwrap_or(0);
        let each = self.follows.iter().map(|follow| AuditSum::of([&follow.audit], head(follow)));
        each.fold(AuditSum::default(), AuditSum::plus)
    }
}

type Running = JoinHandle<Result<Outcome, LoadError>>;

/// Threads with people.
#[derive(Debug)]
pub struct Returning {
    workers: Vec<(Arc<Progress>, Running)>,
    people: u64,
    start: Instant,
}

impl Returning {
    /// Starts the threads, which begin to open.
    pub fn start(plan: &ReturningPlan) -> Result<Self, LoadError> {
        let (threads, start) = (plan.threads.clamp(1, plan.people.max(1)), Instant::now());
        let names: Arc<[ChannelName]> = plan.channels.clone().into();
        let mut workers = Vec::with_capacity(threads);
        for thread in 0..threads {
            let plan = Plan {
                dials: vec![Dial { target: plan.entrance, source: socket::source(0, thread) }],
                roles: (thread..plan.people).step_by(threads).map(|number| plan.role(number)).collect(),
                names: Arc::clone(&names),
                in_flight: plan.in_flight.div_ceil(threads),
                tokens: Tokens::Shared(fleet::tokens().token(&format!("people-{thread}"))?),
                seed: plan.seed.wrapping_add(thread as u64),
                zero: start,
                ways: Ways::default(),
                language: None,
                host: None,
                tls: None,
            };
            let progress = Arc::new(Progress::default());
            let worker = Worker::new(plan)?;
            let builder = std::thread::Builder::new().name(format!("returning-{thread}"));
            let running = builder
                .spawn({
                    let progress = Arc::clone(&progress);
                    move || worker.run(&progress)
                })
                .map_err(during("thread"))?;
            workers.push((progress, running));
        }
        Ok(Self { workers, people: plan.people as u64, start })
    }

    /// One of the counts, of all threads together.
    pub fn total(&self, count: impl Fn(&Progress) -> &AtomicU64) -> u64 {
        self.workers.iter().map(|(progress, _)| count(progress).load(Ordering::Relaxed)).sum()
    }

    /// When somebody was live again last.
    pub fn last_return(&self) -> Instant {
        let each = self.workers.iter().map(|(progress, _)| progress.last_return_ns.load(Ordering::Relaxed));
        self.start + Duration::from_nanos(each.max().unwrap_or(0))
    }

    /// Waits until all are live.
    pub fn wait_live(&self, within: Duration) -> Result<(), LoadError> {
        let until = Instant::now() + within;
        while self.total(|p| &p.live) < self.people {
            if Instant::now() >= until || self.workers.iter().any(|(_, worker)| worker.is_finished()) {
                let live = self.total(|p| &p.live);
                return Err(LoadError::Late(format!("{live} of {} live after {within:?}", self.people)));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Waits until nothing has come for `quiet`, at most `within`.
    pub fn wait_quiet(&self, quiet: Duration, within: Duration) {
        let until = Instant::now() + within;
        let (mut messages, mut since) = (self.total(|p| &p.messages), Instant::now());
        while since.elapsed() < quiet && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(10));
            if self.total(|p| &p.messages) != messages {
                (messages, since) = (self.total(|p| &p.messages), Instant::now());
            }
        }
    }

    /// Ends the threads and gives what they saw.
    pub fn finish(self) -> Result<Outcome, LoadError> {
        for (progress, _) in &self.workers {
            progress.stop.store(true, Ordering::Relaxed);
        }
        let mut all = Outcome { follows: Vec::new(), interruptions: empty_latency(), left: 0, ends: Vec::new() };
        for (_, worker) in self.workers {
            let one = worker.join().map_err(|_| LoadError::Start("a thread of people panicked".into()))??;
            all.follows.extend(one.follows);
            // All histograms have the same bounds.
            all.interruptions.add(&one.interruptions).expect("the same bounds");
            all.left += one.left;
            all.ends.extend(one.ends);
        }
        Ok(all)
    }
}
