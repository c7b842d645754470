//! Publishes from several threads through the internal ports of several nodes: at a rate by the clock, or in batches as fast
//! as they are acknowledged. What fails is sent again under the same key through the next node. Keeps the account of what was
//! acknowledged; who receives it is not known here.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::connection::Stamps;
use crate::publisher::Publisher;
use crate::schedule::Schedule;
use crate::worker::empty_latency;
use crate::{LoadError, during};

/// How long one message may be tried.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(20);

/// What is published.
#[derive(Clone, Debug)]
pub struct TrafficPlan {
    /// Through which internal ports: each thread begins with one, in turns.
    pub internals: Vec<SocketAddr>,
    /// The key for these ports.
    pub api_key: String,
    /// Whether each message has a key of its own, so that it can be sent again; without, one that fails ends the traffic.
    pub keys: bool,
    /// Into which channels, in turns.
    pub channels: Vec<String>,
    /// How.
    pub pace: Pace,
    /// How long; `None` until it is stopped.
    pub within: Option<Duration>,
    /// From how many threads, which is also the most that is under way at once.
    pub threads: usize,
    /// What `data` is like.
    pub stamps: Stamps,
    /// The measurement window in stamps.
    pub window: usize,
    /// The zero of the times in stamps.
    pub zero: Instant,
}

/// How it is published.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Pace {
    /// So many a second, each when it is due, whether those before it were answered or not.
    Rate(f64),
    /// So many in one request, the next when it is answered.
    Batches(usize),
}

/// What was acknowledged.
#[derive(Clone, Debug)]
pub struct Acked {
    /// The offsets, by channel, in no order.
    pub offsets: Vec<Vec<u64>>,
    /// From the time when it was due (a batch: was sent) to the acknowledgement, in nanoseconds.
    pub latency: Histogram<u64>,
    /// How late this program sent what it was not kept from sending, in nanoseconds.
    pub lateness: Histogram<u64>,
    /// What had to be sent again.
    pub retries: u64,
    /// From the beginning to the last acknowledgement.
    pub elapsed: Duration,
}

/// Running threads.
#[derive(Debug)]
pub struct Traffic {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<Result<Acked, LoadError>>>,
}

#[derive(Debug)]
struct Shared {
    plan: TrafficPlan,
    begin: Instant,
    next: AtomicU64,
    stop: AtomicBool,
}

impl Traffic {
    /// Begins to publish.
    pub fn start(plan: TrafficPlan) -> Result<Self, LoadError> {
        let count = plan.threads.max(1);
        let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
        let shared = Arc::new(Shared { plan, begin: Instant::now(), next, stop });
        let mut threads = Vec::with_capacity(count);
        for number in 0..count {
            let lane = Lane { shared: Arc::clone(&shared), node: number, publisher: None, acked: Acked::new(&shared) };
            let builder = std::thread::Builder::new().name(format!("publisher-{number}"));
            threads.push(builder.spawn(move || lane.run()).map_err(during("thread"))?);
        }
        Ok(Self { shared, threads })
    }

    /// Publishes all that the plan says.
    pub fn run(plan: TrafficPlan) -> Result<Acked, LoadError> {
        Self::start(plan)?.join()
    }

    /// Begins nothing more, and waits for what is under way.
    pub fn stop(self) -> Result<Acked, LoadError> {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.join()
    }

    fn join(self) -> Result<Acked, LoadError> {
        let mut all = Acked::new(&self.shared);
        for thread in self.threads {
            all.add(thread.join().map_err(|_| LoadError::Start("a publisher panicked".into()))??);
        }
        Ok(all)
    }
}

/// One thread.
struct Lane {
    shared: Arc<Shared>,
    node: usize,
    publisher: Option<Publisher>,
    acked: Acked,
}

impl Lane {
    fn run(mut self) -> Result<Acked, LoadError> {
        let shared = Arc::clone(&self.shared);
        while !shared.stop.load(Ordering::Relaxed) {
            let number = shared.next.fetch_add(1, Ordering::Relaxed);
            let more = match shared.plan.pace {
                Pace::Rate(rate) => self.single(number, Schedule::new(rate))?,
                Pace::Batches(size) => self.batch(number, size)?,
            };
            if !more {
                break;
            }
        }
        Ok(self.acked)
    }

    /// Waits until a message is due and publishes it; whether there may be more.
    fn single(&mut self, number: u64, schedule: Schedule) -> Result<bool, LoadError> {
        let shared = Arc::clone(&self.shared);
        let (plan, due) = (&shared.plan, schedule.due(number));
        if plan.within.is_some_and(|within| due >= within) {
            return Ok(false);
        }
        // When all threads still wait for answers, the hub is late, not we.
        if let Some(wait) = due.checked_sub(shared.begin.elapsed()) {
            std::thread::sleep(wait);
            self.acked.lateness.saturating_record((shared.begin.elapsed().saturating_sub(due)).as_nanos() as u64);
        }
        let at = (shared.begin + due).saturating_duration_since(plan.zero);
        let data = plan.stamps.data(at.as_nanos() as u64, plan.window);
        let index = number as usize % plan.channels.len();
        let (channel, key) = (&plan.channels[index], self.key(number));
        let offset = self.insist(|publisher| match &key {
            Some(key) => publisher.publish_once(channel, &data, key),
            None => publisher.publish(channel, &data),
        })?;
        self.acked.offsets[index].push(offset);
        self.took(due);
        Ok(true)
    }

    /// Publishes a batch; whether there may be more.
    fn batch(&mut self, number: u64, size: usize) -> Result<bool, LoadError> {
        let shared = Arc::clone(&self.shared);
        let (plan, sent) = (&shared.plan, shared.begin.elapsed());
        if plan.within.is_some_and(|within| sent >= within) {
            return Ok(false);
        }
        let at = (shared.begin + sent).saturating_duration_since(plan.zero);
        let data = plan.stamps.data(at.as_nanos() as u64, plan.window);
        let first = number as usize * size;
        let indices: Vec<_> = (first..first + size).map(|index| index % plan.channels.len()).collect();
        let channels: Vec<_> = indices.iter().map(|index| plan.channels[*index].as_str()).collect();
        let key = self.key(number);
        let offsets = self.insist(|publisher| publisher.publish_each(&channels, &data, key.as_deref()))?;
        for (index, offset) in indices.into_iter().zip(offsets) {
            self.acked.offsets[index].push(offset);
        }
        self.took(sent);
        Ok(true)
    }

    fn key(&self, number: u64) -> Option<String> {
        let plan = &self.shared.plan;
        plan.keys.then(|| format!("{}-{number}", plan.window))
    }

    fn took(&mut self, since: Duration) {
        let now = self.shared.begin.elapsed();
        self.acked.latency.saturating_record(now.saturating_sub(since).as_nanos() as u64);
        self.acked.elapsed = now;
    }

    /// Tries until a node has acknowledged it.
    fn insist<T>(&mut self, mut send: impl FnMut(&mut Publisher) -> Result<T, LoadError>) -> Result<T, LoadError> {
        let until = Instant::now() + PATIENCE;
        loop {
            let failed = match self.connected().and_then(&mut send) {
                Ok(acked) => return Ok(acked),
                Err(failed) => failed,
            };
            if Instant::now() > until || !self.shared.plan.keys {
                return Err(failed);
            }
            self.publisher = None;
            self.node += 1;
            self.acked.retries += 1;
            std::thread::sleep(PAUSE);
        }
    }

    fn connected(&mut self) -> Result<&mut Publisher, LoadError> {
        let publisher = match self.publisher.take() {
            Some(publisher) => publisher,
            None => {
                let internals = &self.shared.plan.internals;
                Publisher::connect(internals[self.node % internals.len()], &self.shared.plan.api_key)?
            }
        };
        Ok(self.publisher.insert(publisher))
    }
}

impl Acked {
    fn new(shared: &Shared) -> Self {
        Self::empty(shared.plan.channels.len())
    }

    fn empty(channels: usize) -> Self {
        let offsets = vec![Vec::new(); channels];
        Self { offsets, latency: empty_latency(), lateness: empty_latency(), retries: 0, elapsed: Duration::ZERO }
    }

    /// That of several runs together: over the same channels, of which later runs may know more.
    pub fn of(runs: Vec<Self>) -> Self {
        let mut runs = runs.into_iter();
        let first = runs.next().unwrap_or_else(|| Self::empty(0));
        runs.fold(first, |mut all, run| {
            all.add(run);
            all
        })
    }

    /// The other may have gone to more channels behind these.
    fn add(&mut self, other: Self) {
        self.offsets.resize(self.offsets.len().max(other.offsets.len()), Vec::new());
        for (all, part) in self.offsets.iter_mut().zip(other.offsets) {
            all.extend(part);
        }
        // All histograms have the same bounds.
        self.latency.add(&other.latency).expect("the same bounds");
        self.lateness.add(&other.lateness).expect("the same bounds");
        self.retries += other.retries;
        self.elapsed = self.elapsed.max(other.elapsed);
    }

    /// How many messages.
    pub fn messages(&self) -> u64 {
        self.offsets.iter().map(|offsets| offsets.len() as u64).sum()
    }

    /// The head of each channel, if the offsets of each are 1, 2, 3 … without a hole and without one twice: nobody else
    /// has published into them.
    pub fn heads(&self) -> Result<Vec<u64>, String> {
        let head = |(channel, offsets): (usize, &Vec<u64>)| {
            let mut sorted = offsets.clone();
            sorted.sort_unstable();
            match sorted.iter().zip(1..).find(|(offset, expected)| **offset != *expected) {
                None => Ok(sorted.len() as u64),
                Some((offset, expected)) => {
                    Err(format!("channel {channel} acknowledged offset {offset} where {expected} was to come"))
                }
            }
        };
        self.offsets.iter().enumerate().map(head).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acknowledged_offsets_count_up_without_a_hole() {
        let plan = TrafficPlan {
            internals: vec![],
            api_key: String::new(),
            keys: true,
            channels: vec!["live:a".into(), "live:b".into()],
            pace: Pace::Rate(1.0),
            within: None,
            threads: 1,
            stamps: Stamps { data_bytes: 64 },
            window: 0,
            zero: Instant::now(),
        };
        let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
        let mut acked = Acked::new(&Shared { plan, begin: Instant::now(), next, stop });
        for (offsets, heads) in [(vec![2, 1, 3], Ok(vec![3, 0])), (vec![1, 3], Err(())), (vec![1, 1, 2], Err(()))] {
            acked.offsets[0] = offsets;
            assert_eq!(acked.heads().map_err(drop), heads);
        }
    }
}
