//! Publishes the messages of a scenario through the internal API or a described server, each when it is due, whatever became of those before. A channel
//! belongs to one lane, so that its messages stay in order; what is due at the same time goes into one request. Keeps the
//! account of what was accepted; who receives it is not known here.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::http::Server;
use crate::plan::cast::Cast;
use crate::plan::posts::{Post, Posts};
use crate::plan::stamp::Stamp;
use crate::publisher::{Item, Publisher, Taken};
use crate::schedule::Steps;
use crate::target::outlet::{Entry, Outlet};
use crate::worker::empty_latency;
use crate::{LoadError, during};

/// After a request that failed, before the next one is tried.
const PAUSE: Duration = Duration::from_millis(20);
/// How often a lane without work looks whether it should stop.
const ROUND: Duration = Duration::from_millis(50);

/// What is published.
#[derive(Clone, Debug)]
pub struct FeedPlan {
    /// The internal ports; each lane begins with one, in turns.
    pub internals: Vec<Server>,
    /// Through what.
    pub through: Through,
    /// The channels.
    pub cast: Arc<Cast>,
    /// The messages.
    pub posts: Posts,
    /// When they are due.
    pub steps: Steps,
    /// How many lanes.
    pub lanes: usize,
    /// Most messages of a request.
    pub batch: usize,
    /// When the steps begin.
    pub begin: Instant,
    /// The zero of the times in stamps.
    pub zero: Instant,
    /// The first message.
    pub first: u64,
}

/// What is published through.
#[derive(Clone, Debug)]
pub enum Through {
    /// The internal API of hubs, with this key.
    Hub(String),
    /// A described server.
    Target(Box<Entry>),
}

/// What was published so far, readable while it goes on.
#[derive(Debug, Default)]
pub struct Published {
    /// Messages sent.
    pub sent: AtomicU64,
    /// Messages accepted.
    pub accepted: AtomicU64,
    /// Messages refused, or without an answer.
    pub refused: AtomicU64,
    stop: AtomicBool,
}

/// The channels as they stand, over several feeds one behind the other.
#[derive(Clone, Debug, Default)]
pub struct Heads {
    /// The last offset of each channel that has a log.
    pub offsets: HashMap<usize, u64>,
    /// The last number of each channel.
    pub numbers: HashMap<usize, u64>,
}

/// What a lane, or all of them, did.
#[derive(Debug)]
pub struct Fed {
    /// The channels as they stand.
    pub heads: Heads,
    /// How late this program sent what it was not kept from sending, in nanoseconds.
    pub lateness: Histogram<u64>,
    /// The first thing that was refused.
    pub complaint: Option<String>,
}

/// Running lanes.
#[derive(Debug)]
pub struct Feed {
    /// What was published so far.
    pub published: Arc<Published>,
    lanes: Vec<JoinHandle<Fed>>,
}

impl Feed {
    /// Starts the lanes; `heads` is what the feed before left.
    pub fn start(plan: FeedPlan, heads: &Heads) -> Result<Self, LoadError> {
        let (published, plan) = (Arc::new(Published::default()), Arc::new(plan));
        let mut lanes = Vec::with_capacity(plan.lanes);
        for number in 0..plan.lanes {
            let mine = |channel: &usize| channel % plan.lanes == number;
            let only = |all: &HashMap<usize, u64>| all.iter().filter(|(c, _)| mine(c)).map(|(c, n)| (*c, *n)).collect();
            let heads = Heads { offsets: only(&heads.offsets), numbers: only(&heads.numbers) };
            let fed = Fed { heads, lateness: empty_latency(), complaint: None };
            let (plan, published) = (Arc::clone(&plan), Arc::clone(&published));
            let lane = Lane { plan, published, number, node: number, open: None, fed };
            let builder = std::thread::Builder::new().name(format!("feed-{number}"));
            lanes.push(builder.spawn(move || lane.run()).map_err(during("thread"))?);
        }
        Ok(Self { published, lanes })
    }

    /// Begins nothing more, waits for what is under way, and gives the account.
    pub fn stop(self) -> Result<Fed, LoadError> {
        self.published.stop.store(true, Ordering::Relaxed);
        self.finish()
    }

    /// Waits until everything is published, and gives the account.
    pub fn finish(self) -> Result<Fed, LoadError> {
        let mut all = Fed { heads: Heads::default(), lateness: empty_latency(), complaint: None };
        for lane in self.lanes {
            let fed = lane.join().map_err(|_| LoadError::Start("a lane panicked".into()))?;
            all.heads.offsets.extend(fed.heads.offsets);
            all.heads.numbers.extend(fed.heads.numbers);
            // All histograms have the same bounds.
            all.lateness.add(&fed.lateness).expect("the same bounds");
            all.complaint = all.complaint.or(fed.complaint);
        }
        Ok(all)
    }
}

/// One connection.
struct Lane {
    plan: Arc<FeedPlan>,
    published: Arc<Published>,
    number: usize,
    node: usize,
    open: Option<Open>,
    fed: Fed,
}

impl Lane {
    fn run(mut self) -> Fed {
        let (plan, mut next, mut idle) = (Arc::clone(&self.plan), 0, true);
        let mut waiting: Vec<(Duration, Post)> = Vec::new();
        while !self.published.stop.load(Ordering::Relaxed) {
            let now = plan.begin.elapsed();
            let mut due = plan.steps.due(next);
            while waiting.len() < plan.batch
                && let Some(at) = due.filter(|due| *due <= now)
            {
                let post = plan.posts.post(&plan.cast, plan.first + next);
                if post.channel % plan.lanes == self.number {
                    waiting.push((at, post));
                }
                next += 1;
                due = plan.steps.due(next);
            }
            if let Some((at, _)) = waiting.first() {
                // When the request before it has just been answered, the hub is late, not we.
                if idle {
                    self.fed.lateness.saturating_record(now.saturating_sub(*at).as_nanos() as u64);
                }
                self.publish(&waiting);
                waiting.clear();
                idle = false;
                continue;
            }
            let Some(due) = due else { break };
            self.rest();
            std::thread::sleep(due.saturating_sub(plan.begin.elapsed()).min(ROUND));
            idle = true;
        }
        self.fed
    }

    fn publish(&mut self, posts: &[(Duration, Post)]) {
        let plan = Arc::clone(&self.plan);
        let items: Vec<_> = posts.iter().map(|(due, post)| self.item(&plan, *due, post)).collect();
        let count = items.len() as u64;
        self.published.sent.fetch_add(count, Ordering::Relaxed);
        let taken = match self.connected().and_then(|open| open.publish(&items, posts)) {
            Ok(taken) => taken,
            Err(error) => {
                self.published.refused.fetch_add(count, Ordering::Relaxed);
                self.fed.complaint.get_or_insert_with(|| error.to_string());
                (self.open, self.node) = (None, self.node + 1);
                return std::thread::sleep(PAUSE);
            }
        };
        self.give_back(posts, &taken);
        for ((_, post), taken) in posts.iter().zip(taken) {
            match taken {
                Taken::Accepted(offset) => {
                    self.published.accepted.fetch_add(1, Ordering::Relaxed);
                    if offset > 0 {
                        // Not the highest: a log that was lost counts anew.
                        self.fed.heads.offsets.insert(post.channel, offset);
                    }
                }
                Taken::Refused(why) => {
                    self.published.refused.fetch_add(1, Ordering::Relaxed);
                    self.fed.complaint.get_or_insert(why);
                }
            }
        }
    }

    /// What was refused is no hole: it gives its number back, unless one behind it has gone out in the same request.
    fn give_back(&mut self, posts: &[(Duration, Post)], taken: &[Taken]) {
        let mut behind = HashSet::new();
        for ((_, post), taken) in posts.iter().zip(taken).rev() {
            match taken {
                Taken::Accepted(_) => drop(behind.insert(post.channel)),
                Taken::Refused(_) if behind.contains(&post.channel) => {}
                Taken::Refused(_) => {
                    let number = self.fed.heads.numbers.entry(post.channel).or_default();
                    *number = number.saturating_sub(1);
                }
            }
        }
    }

    fn item<'a>(&mut self, plan: &'a FeedPlan, due: Duration, post: &Post) -> Item<'a> {
        let number = self.fed.heads.numbers.entry(post.channel).or_default();
        *number += 1;
        let due_ns = (plan.begin + due).saturating_duration_since(plan.zero).as_nanos() as u64;
        let data = Stamp { due_ns, number: *number }.data(post.data_bytes);
        Item { channel: plan.cast.names[post.channel].as_str(), data, conflate_key: post.conflate_key }
    }

    fn connected(&mut self) -> Result<&mut Open, LoadError> {
        let open = match self.open.take() {
            Some(open) => open,
            None => {
                let internals = &self.plan.internals;
                Open::at(&internals[self.node % internals.len()], &self.plan.through)?
            }
        };
        Ok(self.open.insert(open))
    }

    /// While nothing is due.
    fn rest(&mut self) {
        // The next message will find out what is wrong with the connection.
        if self.open.as_mut().is_some_and(|open| open.rest().is_err()) {
            self.open = None;
        }
    }
}

/// An open connection.
enum Open {
    Hub(Publisher),
    Target(Outlet),
}

impl Open {
    fn at(server: &Server, through: &Through) -> Result<Self, LoadError> {
        match through {
            Through::Hub(api_key) => Publisher::at(server, api_key).map(Self::Hub),
            Through::Target(entry) => Outlet::connect(server, entry).map(Self::Target),
        }
    }

    fn publish(&mut self, items: &[Item<'_>], posts: &[(Duration, Post)]) -> Result<Vec<Taken>, LoadError> {
        match self {
            Self::Hub(publisher) => publisher.publish_items(items),
            Self::Target(outlet) => {
                // Who is not a hub has other names for channels.
                let items = items.iter().zip(posts).map(|(item, (_, post))| (post.channel, item.data.as_str()));
                outlet.publish(&items.collect::<Vec<_>>())
            }
        }
    }

    fn rest(&mut self) -> Result<(), LoadError> {
        match self {
            Self::Hub(_) => Ok(()),
            Self::Target(outlet) => outlet.rest(),
        }
    }
}

impl Heads {
    /// The head of each of so many channels: its last offset, or its last number where it has no log.
    pub fn of(&self, channels: usize, told: &[(usize, u64)]) -> Vec<u64> {
        let head = |channel| self.offsets.get(&channel).or(self.numbers.get(&channel)).copied().unwrap_or(0);
        let mut heads: Vec<_> = (0..channels).map(head).collect();
        for (channel, offset) in told {
            heads[*channel] = heads[*channel].max(*offset);
        }
        heads
    }
}
