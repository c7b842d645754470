//! A process with people of a scenario: opens them, does what it is told, and says how far it is, until its input closes.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::time::{Duration, Instant};

use super::lines::{Account, Job, Line, Order, TargetJob, Tick};
use crate::people::{buckets, say, unix_ns};
use crate::plan::Scenario;
use crate::plan::cast::Cast;
use crate::plan::dice::Dice;
use crate::plan::posts::Posts;
use crate::returning::task::{Plan, Tokens, Ways};
use crate::returning::worker::Worker;
use crate::socket::{Dial, source};
use crate::target::Spoken;
use crate::target::description::Description;
use crate::target::dialogue::Language;
use crate::tls::Tls;
use crate::token::TokenMaker;
use crate::worker::empty_latency;
use crate::{LoadError, during};

/// How often it says how far it is.
const PACE: Duration = Duration::from_millis(200);
/// Orders that may wait; more wait in the pipe.
const ORDERS: usize = 16;
/// Purposes of dice.
const ALARMS: u64 = 10;
const LEAVING: u64 = 11;

/// Is such a process.
pub fn run() -> Result<(), LoadError> {
    let result = Member::start().and_then(Member::run);
    if let Err(error) = &result {
        // Nobody may be listening any more.
        let _ = say(&Line::Failed(error.to_string()));
    }
    result
}

/// The process.
struct Member {
    worker: Worker,
    orders: Receiver<Order>,
    leaving: Leaving,
    heads: Option<Vec<u64>>,
    busy: Duration,
    zero: Instant,
}

/// Who leaves when.
struct Leaving {
    dice: Dice,
    /// Mean time between two people of this process who leave, in seconds.
    mean_s: Option<f64>,
    away: Duration,
    /// When the next one leaves; while there is something to measure.
    next: Option<Instant>,
    storm_at: Option<Duration>,
    storm_share: f64,
    storm_within_s: f64,
    /// Who leaves in the storm, the last one first.
    storm: Vec<(Instant, usize)>,
}

impl Member {
    fn start() -> Result<Self, LoadError> {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).map_err(during("input"))?;
        let job: Job = serde_json::from_str(&line).map_err(|error| LoadError::Start(format!("job: {error}")))?;
        let scenario = Scenario::parse(&job.scenario, &[])?;
        let zero = Instant::now() - Duration::from_nanos(unix_ns().saturating_sub(job.zero_unix_ns));
        let worker = Worker::new(plan(&job, &scenario, zero)?)?;
        let (sender, orders) = sync_channel(ORDERS);
        std::thread::spawn(move || {
            for line in std::io::stdin().lock().lines().map_while(Result::ok) {
                // What is not understood ends the channel, and so the process.
                let Ok(order) = serde_json::from_str(&line) else { return };
                if sender.send(order).is_err() {
                    return;
                }
            }
        });
        let leaving = Leaving::new(&job, &scenario);
        Ok(Self { worker, orders, leaving, heads: None, busy: Duration::ZERO, zero })
    }

    fn run(mut self) -> Result<(), LoadError> {
        let mut next = Instant::now();
        loop {
            self.busy += self.worker.turn()?;
            loop {
                match self.orders.try_recv() {
                    Ok(order) => self.obey(order)?,
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return Ok(()),
                }
            }
            self.leaving.leave(&mut self.worker);
            if Instant::now() >= next {
                next += PACE;
                self.tick()?;
            }
        }
    }

    fn obey(&mut self, order: Order) -> Result<(), LoadError> {
        match order {
            Order::Talk => self.worker.talk(true),
            Order::Measure(from_ns) => {
                if self.heads.take().is_some() {
                    self.worker.hurry(false);
                }
                self.worker.heard.measured_from_ns = from_ns;
                self.worker.heard.measured = empty_latency();
                self.worker.talk(true);
                self.worker.travel(true);
                self.leaving.begin(self.zero + Duration::from_nanos(from_ns), self.worker.people());
            }
            Order::Quiet => {
                self.worker.talk(false);
                self.worker.travel(false);
                self.leaving.end();
                say(&Line::Heads(self.worker.heard.heads.iter().map(|(channel, head)| (*channel, *head)).collect()))?;
            }
            Order::Check(heads) => {
                self.heads = Some(heads);
                self.worker.hurry(true);
            }
            Order::Account => say(&Line::Account(self.account()))?,
        }
        Ok(())
    }

    fn tick(&mut self) -> Result<(), LoadError> {
        let counts = self.worker.counts;
        let behind = self.heads.as_ref().map(|heads| {
            self.worker
                .follows()
                .filter(|follow| follow.lost(heads.get(follow.channel).copied().unwrap_or(0)) > 0)
                .count()
        });
        let tick = Tick {
            live: counts.live,
            settled: counts.settled,
            returns: counts.returns,
            messages: counts.messages,
            published: counts.published,
            acknowledged: counts.acknowledged,
            refused: counts.refused,
            lost: self.worker.follows().map(|follow| follow.lost(0)).sum(),
            duplicated: self.worker.follows().map(|follow| follow.audit.duplicated).sum(),
            busy_ns: self.busy.as_nanos() as u64,
            behind: behind.unwrap_or(0) as u64,
            checked: behind.is_some(),
        };
        let lately = std::mem::replace(&mut self.worker.heard.lately, empty_latency());
        say(&Line::Tick(tick, buckets(&lately)))
    }

    fn account(&self) -> Account {
        let mut account = Account {
            latency: buckets(&self.worker.heard.measured),
            away: buckets(&self.worker.interruptions),
            ..Account::default()
        };
        let heads = self.heads.as_deref().unwrap_or(&[]);
        for follow in self.worker.follows() {
            account.received += follow.audit.received;
            account.lost += follow.lost(heads.get(follow.channel).copied().unwrap_or(0));
            account.duplicated += follow.audit.duplicated;
            account.reordered += follow.audit.reordered;
            account.gaps += follow.audit.gaps;
            account.conflated += follow.audit.conflated;
        }
        let mut ends = BTreeMap::new();
        self.worker.ends.iter().for_each(|end| *ends.entry(format!("{end:?}")).or_default() += 1);
        Account { ends, ..account }
    }
}

fn plan(job: &Job, scenario: &Scenario, zero: Instant) -> Result<Plan, LoadError> {
    let cast = Cast::of(scenario)?;
    let dial = |target: &SocketAddr| {
        let local = target.ip().is_loopback();
        Dial { target: *target, source: if local { source(0, job.index) } else { Ipv4Addr::UNSPECIFIED } }
    };
    let language = job.target.as_ref().map(|target| language(target, &cast, &job.secret)).transpose()?;
    let publish = &scenario.publish;
    let posts = Posts::of(scenario.seed, publish);
    Ok(Plan {
        dials: job.publics.iter().map(dial).collect(),
        roles: (job.index..cast.people()).step_by(job.of).map(|number| cast.role(number)).collect(),
        names: cast.names.into(),
        in_flight: job.in_flight.max(1),
        tokens: Tokens::Each(Box::new(TokenMaker::new(&job.secret, &job.kid))),
        seed: Dice::of(scenario.seed, ALARMS, job.index as u64).throw(),
        zero,
        ways: Ways {
            ramp_per_s: Some(scenario.people.ramp_per_s / job.of as f64),
            timed: true,
            sse_max_rate: scenario.people.sse_max_rate,
            slow_bytes_per_s: scenario.slow.bytes_per_s,
            tunnel: (scenario.tunnel.every_s, Duration::from_secs_f64(scenario.tunnel.for_s)),
            says: scenario.think_s().map(|think_s| (posts, think_s)),
        },
        language,
        host: job.host.clone(),
        tls: job.trust.as_ref().map(Tls::of).transpose()?,
    })
}

fn language(target: &TargetJob, cast: &Cast, secret: &str) -> Result<Arc<Language>, LoadError> {
    let spoken = Spoken::of(&target.file, &Description::parse(&target.file, &target.text, &[])?)?;
    let (channels, secret) = (spoken.names(&cast.names)?, secret.to_owned());
    Ok(Arc::new(Language { spoken, channels, secret }))
}

impl Leaving {
    fn new(job: &Job, scenario: &Scenario) -> Self {
        let reconnect = &scenario.reconnect;
        Self {
            dice: Dice::of(scenario.seed, LEAVING, job.index as u64),
            mean_s: (reconnect.rate_per_s > 0.0).then(|| job.of as f64 / reconnect.rate_per_s),
            away: Duration::from_secs_f64(reconnect.away_s),
            next: None,
            storm_at: reconnect.storm_at_s.map(Duration::from_secs_f64),
            storm_share: reconnect.storm_share,
            storm_within_s: reconnect.storm_within_s,
            storm: Vec::new(),
        }
    }

    fn begin(&mut self, from: Instant, people: usize) {
        self.next = self.mean_s.map(|mean_s| from + Duration::from_secs_f64(self.dice.wait(mean_s)));
        // Only once, if the rate is looked for in steps.
        let Some(storm_at) = self.storm_at.take() else { return };
        for index in 0..people {
            if self.dice.share() < self.storm_share {
                let within = Duration::from_secs_f64(self.dice.share() * self.storm_within_s);
                self.storm.push((from + storm_at + within, index));
            }
        }
        self.storm.sort_by(|one, other| other.cmp(one));
    }

    fn end(&mut self) {
        self.next = None;
        self.storm.clear();
    }

    /// Sends away who leaves now.
    fn leave(&mut self, worker: &mut Worker) {
        let now = Instant::now();
        while self.storm.last().is_some_and(|(at, _)| *at <= now) {
            if let Some((_, index)) = self.storm.pop() {
                worker.send_away(index, self.away);
            }
        }
        while let Some((at, mean_s)) = self.next.zip(self.mean_s).filter(|(at, _)| *at <= now) {
            worker.send_away(self.dice.below(worker.people()), self.away);
            self.next = Some(at + Duration::from_secs_f64(self.dice.wait(mean_s)));
        }
    }
}
