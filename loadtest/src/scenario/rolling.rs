//! Restarts every node of a fleet behind nginx, one after the other, under people and traffic. Whoever is told to leave comes
//! back with positions, as the SDKs do; the account of each person on each channel must be clean to the last acknowledged
//! message, everybody must be back within the window of the drain, and the store must hardly notice.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use clap::Args;
use hubbub_local::postgres;

use super::{parse_channel, quantile_ms};
use crate::LoadError;
use crate::connection::Stamps;
use crate::fleet::{self, Fleet, FleetFlags, Shape};
use crate::report::Report;
use crate::returning::{Outcome, Returning, ReturningPlan};
use crate::traffic::{Acked, Pace, Traffic, TrafficPlan};

/// Files that a worker process of nginx may need; each connection is two.
const NGINX_CONNECTIONS: usize = 19_000;
/// Beyond the window of the drain, before somebody who is not back is given up.
const PATIENCE: Duration = Duration::from_secs(30);
/// What a client causes to be read from the store; heads of many channels at once are the sweep's.
pub(super) const READS: &[&str] = &["read", "continuity"];

/// The flags of `rolling`.
#[derive(Args, Debug)]
pub struct RollingArgs {
    #[command(flatten)]
    flags: FleetFlags,
    /// How many people.
    #[arg(long, default_value_t = 15_000)]
    people: usize,
    /// How many durable channels they share.
    #[arg(long, default_value_t = 100)]
    channels: usize,
    /// How many of them each follows.
    #[arg(long, default_value_t = 2)]
    follows: usize,
    /// How many nodes, each of which is restarted once.
    #[arg(long, default_value_t = 3)]
    nodes: usize,
    /// Worker processes of nginx.
    #[arg(long, default_value_t = 4)]
    nginx_workers: usize,
    /// Threads with people.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Messages a second, over all channels.
    #[arg(long, default_value_t = 50.0)]
    rate: f64,
    /// The window: how long the drain of a node may take, in milliseconds.
    #[arg(long, default_value_t = 30_000)]
    drain_ms: u64,
    /// How long the fleet runs before the first restart and after each, in seconds.
    #[arg(long, default_value_t = 5)]
    settle_s: u64,
    /// Makes the same jitter.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// What the restarts did.
#[derive(Default)]
struct Restarts {
    /// From SIGTERM until the last one was back, of each node, in milliseconds.
    back_ms: Vec<f64>,
    /// Store reads by processes that have ended since the beginning.
    ended: BTreeMap<&'static str, u64>,
}

impl RollingArgs {
    pub(super) fn run(&self) -> Result<bool, LoadError> {
        let mut report = Report::new("rolling");
        let mut fleet = self.fleet()?;
        let people = self.people(&fleet)?;
        report.say(&format!("{} people live behind nginx, {} restarts to come", self.people, self.nodes));
        let traffic = Traffic::start(self.traffic(&fleet))?;
        std::thread::sleep(Duration::from_secs(self.settle_s));
        let before = [self.reads(&fleet, READS)?, self.reads(&fleet, &["heads"])?];
        let mut restarts = Restarts::default();
        for node in 0..fleet.hubs.len() {
            self.restart(&mut fleet, node, &people, &mut restarts, &report)?;
            std::thread::sleep(Duration::from_secs(self.settle_s));
        }
        let acked = traffic.stop()?;
        people.wait_quiet(Duration::from_secs(2), PATIENCE);
        let ended = |what: &str| restarts.ended.get(what).copied().unwrap_or(0);
        let reads = (self.reads(&fleet, READS)? + ended("reads")).saturating_sub(before[0]);
        let heads = (self.reads(&fleet, &["heads"])? + ended("heads")).saturating_sub(before[1]);
        report.value("store_reads", reads);
        report.value("store_questions_for_heads", heads);
        let seen = people.finish()?;
        self.judge(&mut report, &restarts, reads, &acked, &seen);
        report.finish(self.flags.json.as_deref())
    }

    fn fleet(&self) -> Result<Fleet, LoadError> {
        let shape = Shape {
            nodes: self.nodes.max(2),
            postgres: postgres::Options::default().durable(),
            nginx: Some((self.nginx_workers, NGINX_CONNECTIONS)),
            env: vec![("HUBBUB_LIMITS__DRAIN_MS".to_owned(), self.drain_ms.to_string())],
            ..Shape::default()
        };
        Fleet::start(&self.flags.hub, &shape)
    }

    fn people(&self, fleet: &Fleet) -> Result<Returning, LoadError> {
        let names = self.names();
        let channels = names.iter().map(|name| parse_channel(name)).collect::<Result<_, _>>();
        let people = Returning::start(&ReturningPlan {
            entrance: fleet.entrance(),
            people: self.people,
            channels: channels.map_err(LoadError::Start)?,
            follows: self.follows.max(1),
            threads: self.threads,
            in_flight: self.flags.in_flight,
            seed: self.seed,
        })?;
        people.wait_live(Duration::from_secs(self.flags.open_within_s))?;
        Ok(people)
    }

    fn names(&self) -> Vec<String> {
        (0..self.channels.max(1)).map(|channel| format!("chat:rolling-{channel}")).collect()
    }

    fn traffic(&self, fleet: &Fleet) -> TrafficPlan {
        TrafficPlan {
            internals: fleet.internals(),
            api_key: fleet::API_KEY.to_owned(),
            keys: true,
            channels: self.names(),
            pace: Pace::Rate(self.rate),
            within: None,
            threads: 2 * self.nodes.max(2),
            stamps: Stamps { data_bytes: 128 },
            window: 0,
            zero: Instant::now(),
        }
    }

    /// Questions to the store by all processes that run.
    fn reads(&self, fleet: &Fleet, questions: &[&str]) -> Result<u64, LoadError> {
        fleet.internals().into_iter().map(|internal| store_reads(internal, questions)).sum()
    }

    /// Ends a node in good order, waits until everybody is back elsewhere, and starts it again.
    fn restart(
        &self,
        fleet: &mut Fleet,
        node: usize,
        people: &Returning,
        restarts: &mut Restarts,
        report: &Report,
    ) -> Result<(), LoadError> {
        let (hub, returns, begin) = (&mut fleet.hubs[node], people.total(|p| &p.returns), Instant::now());
        let internal = hub.internal();
        hub.terminate()?;
        // Its counters end with it: the last ones that could be read count.
        let mut last = (0, 0);
        let status = loop {
            if let (Ok(reads), Ok(heads)) = (store_reads(internal, READS), store_reads(internal, &["heads"])) {
                last = (reads, heads);
            }
            if let Some(status) = hub.ended()? {
                break status;
            }
            if begin.elapsed() > Duration::from_millis(self.drain_ms) + PATIENCE {
                return Err(LoadError::Late(format!("node-{} still drains:\n{}", node + 1, hub.log_tail())));
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        let ended_s = begin.elapsed().as_secs_f64();
        *restarts.ended.entry("reads").or_default() += last.0;
        *restarts.ended.entry("heads").or_default() += last.1;
        people.wait_live(PATIENCE)?;
        let back_ms = people.last_return().saturating_duration_since(begin).as_secs_f64() * 1e3;
        let returned = people.total(|p| &p.returns) - returns;
        let number = node + 1;
        report.say(&format!(
            "node-{number}: ended after {ended_s:.1} s with {status}; {returned} came back, the last one after {back_ms:.0} ms"
        ));
        restarts.back_ms.push(back_ms);
        hub.start_again()?;
        Ok(())
    }

    fn judge(&self, report: &mut Report, restarts: &Restarts, reads: u64, acked: &Acked, seen: &Outcome) {
        let heads = acked.heads().unwrap_or_else(|wrong| {
            report.fail(wrong);
            acked.offsets.iter().map(|offsets| offsets.iter().copied().max().unwrap_or(0)).collect()
        });
        let audit = seen.audit(&heads);
        let back_ms = restarts.back_ms.iter().copied().fold(0.0, f64::max);
        let [p50, p99, most] = [0.5, 0.99, 1.0].map(|quantile| quantile_ms(&seen.interruptions, quantile));
        let allowed = (self.channels * self.nodes * restarts.back_ms.len()) as u64;
        for (name, value) in [
            ("last_back_ms", back_ms),
            ("interruption_p50_ms", p50),
            ("interruption_p99_ms", p99),
            ("interruption_max_ms", most),
            ("ack_p99_ms", quantile_ms(&acked.latency, 0.99)),
        ] {
            report.value(name, value);
        }
        report.value("acknowledged", acked.messages());
        report.say(&format!(
            "{} acknowledged, {} sent again, p99 of the ack {:.1} ms; {audit}",
            acked.messages(),
            acked.retries,
            quantile_ms(&acked.latency, 0.99)
        ));
        let mut ends = BTreeMap::new();
        seen.ends.iter().for_each(|end| *ends.entry(format!("{end:?}")).or_insert(0) += 1);
        report.say(&format!("{} left because they were told to; other ends: {ends:?}", seen.left));
        report.say(&format!("interruptions: p50 {p50:.0} ms, p99 {p99:.0} ms, longest {most:.0} ms"));
        if !audit.is_clean() {
            report.fail(audit.to_string());
        }
        report.at_most("last_back_ms", back_ms, Some(self.drain_ms as f64));
        report.at_most("store_reads", reads as f64, Some(allowed as f64));
        report.figure(format!(
            "rolling: {} restarts under {} people and {} acknowledged messages: {} lost, {} duplicated, {} reordered, {} told \
             as gaps; all back within {:.1} s of {:.0} s, interruption p99 {p99:.0} ms; {reads} store reads of at most {allowed}",
            restarts.back_ms.len(),
            self.people,
            acked.messages(),
            audit.lost,
            audit.duplicated,
            audit.reordered,
            audit.gaps,
            back_ms / 1e3,
            self.drain_ms as f64 / 1e3
        ));
    }
}

/// Questions to the store by one process so far.
pub(super) fn store_reads(internal: std::net::SocketAddr, questions: &[&str]) -> Result<u64, LoadError> {
    fleet::publisher(internal)?.counter("hubbub_store_reads_total", questions)
}
