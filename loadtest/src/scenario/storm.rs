//! A node dies under people who each follow several shared durable channels, and starts again: how long until the last one is
//! back, with positions, what is lost, and how often the store is asked. Messages go on being published all the time. A person
//! who loses a connection comes back with a back-off that doubles, as the SDKs do.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use clap::Args;

use super::rolling::{READS, store_reads};
use super::rounds::Rounds;
use super::{parse_channel, quantile_ms};
use crate::LoadError;
use crate::connection::Stamps;
use crate::fleet::{self, Fleet, FleetFlags, Shape};
use crate::report::Report;
use crate::returning::{Returning, ReturningPlan};
use crate::traffic::{Acked, Pace, Traffic, TrafficPlan};

/// How long everybody may be away before the run is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// The flags of `storm`.
#[derive(Args, Debug)]
pub struct StormArgs {
    #[command(flatten)]
    flags: FleetFlags,
    /// How many people. One process may open 20,000 files here.
    #[arg(long, default_value_t = 19_000)]
    people: usize,
    /// How many durable channels they share.
    #[arg(long, default_value_t = 100)]
    channels: usize,
    /// How many of them each follows.
    #[arg(long, default_value_t = 10)]
    follows: usize,
    /// Messages a second, over all channels.
    #[arg(long, default_value_t = 10.0)]
    rate: f64,
    /// How often the node dies.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How long it runs before, in seconds.
    #[arg(long, default_value_t = 3)]
    settle_s: u64,
    /// The hub alone with its file, without Redis and Postgres.
    #[arg(long)]
    alone: bool,
    /// Threads with people, each with an address of its own.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Makes the same jitter.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Longest time until everybody is back, in the worst round, in seconds.
    #[arg(long)]
    max_back_s: Option<f64>,
    /// Most questions to the store for each channel, in the worst round.
    #[arg(long)]
    max_reads_per_channel: Option<f64>,
}

/// What the rounds measured.
#[derive(Default)]
struct Storms {
    /// From the end of the node until the last one was back, in seconds.
    back_s: Vec<f64>,
    /// The part of it that the node took to start, in seconds.
    start_s: Vec<f64>,
    /// Questions to the store.
    reads: Vec<f64>,
}

impl StormArgs {
    pub(super) fn run(&self) -> Result<bool, LoadError> {
        let mut report = Report::new("storm");
        let shape = Shape { nodes: 1, alone: self.alone, ..Shape::default() };
        let mut fleet = Fleet::start(&self.flags.hub, &shape)?;
        let people = self.people(&fleet)?;
        report.say(&format!("{} people live, each on {} of {} channels", self.people, self.follows, self.channels));
        let traffic = Traffic::start(self.traffic(&fleet))?;
        let mut storms = Storms::default();
        for _ in 0..self.rounds.max(1) {
            std::thread::sleep(Duration::from_secs(self.settle_s));
            self.storm(&mut fleet, &people, &mut storms, &report)?;
        }
        let acked = traffic.stop()?;
        people.wait_quiet(Duration::from_secs(2), PATIENCE);
        let seen = people.finish()?;
        let heads = acked.heads().unwrap_or_else(|wrong| {
            report.fail(wrong);
            vec![u64::MAX; self.channels]
        });
        let audit = seen.audit(&heads);
        let mut ends = BTreeMap::new();
        seen.ends.iter().for_each(|end| *ends.entry(format!("{end:?}")).or_insert(0) += 1);
        let [p50, p99] = [0.5, 0.99].map(|quantile| quantile_ms(&seen.interruptions, quantile));
        report.say(&format!("interruptions: p50 {p50:.0} ms, p99 {p99:.0} ms; connections ended: {ends:?}"));
        report.say(&format!("{} acknowledged, {} sent again; {audit}", acked.messages(), acked.retries));
        if !audit.is_clean() {
            report.fail(audit.to_string());
        }
        self.judge(&mut report, &storms, &acked, audit.lost);
        report.finish(self.flags.json.as_deref())
    }

    fn names(&self) -> Vec<String> {
        (0..self.channels.max(1)).map(|channel| format!("chat:storm-{channel}")).collect()
    }

    fn people(&self, fleet: &Fleet) -> Result<Returning, LoadError> {
        let channels = self.names().iter().map(|name| parse_channel(name)).collect::<Result<_, _>>();
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

    fn traffic(&self, fleet: &Fleet) -> TrafficPlan {
        TrafficPlan {
            internals: fleet.internals(),
            api_key: fleet::API_KEY.to_owned(),
            keys: true,
            channels: self.names(),
            pace: Pace::Rate(self.rate),
            within: None,
            threads: 4,
            stamps: Stamps { data_bytes: 128 },
            window: 0,
            zero: Instant::now(),
        }
    }

    /// The node is killed and starts again at once; until everybody is back.
    fn storm(
        &self,
        fleet: &mut Fleet,
        people: &Returning,
        storms: &mut Storms,
        report: &Report,
    ) -> Result<(), LoadError> {
        let (hub, begin, returns) = (&mut fleet.hubs[0], Instant::now(), people.total(|p| &p.returns));
        hub.kill()?;
        hub.start_again()?;
        let started = begin.elapsed();
        let all = returns + self.people as u64;
        while people.total(|p| &p.returns) < all || people.total(|p| &p.live) < self.people as u64 {
            if begin.elapsed() > PATIENCE {
                let back = people.total(|p| &p.returns) - returns;
                return Err(LoadError::Late(format!("{back} of {} back after {PATIENCE:?}", self.people)));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let back = people.last_return().saturating_duration_since(begin);
        // Its counters began with it.
        let reads = store_reads(hub.internal(), READS)?;
        report.say(&format!(
            "killed: up again after {:.1} s, the last of {} back after {:.1} s; {reads} store reads",
            started.as_secs_f64(),
            self.people,
            back.as_secs_f64()
        ));
        storms.start_s.push(started.as_secs_f64());
        storms.back_s.push(back.as_secs_f64());
        storms.reads.push(reads as f64);
        Ok(())
    }

    fn judge(&self, report: &mut Report, storms: &Storms, acked: &Acked, lost: u64) {
        let [back, start, reads] =
            [&storms.back_s, &storms.start_s, &storms.reads].map(|each| each.iter().copied().collect::<Rounds>());
        back.keep("last_back_s", report);
        start.keep("node_start_s", report);
        reads.keep("store_reads", report);
        report.value("acknowledged", acked.messages());
        report.value("lost", lost);
        report.at_most("last_back_s, worst round,", back.most(), self.max_back_s);
        let each = reads.most() / self.channels.max(1) as f64;
        report.at_most("store_reads_per_channel, worst round,", each, self.max_reads_per_channel);
        report.figure(format!(
            "storm: {} people with {} channels each all back after {} s, {lost} lost; {} store reads for {} channels",
            self.people,
            self.follows,
            back.text(1),
            reads.text(0),
            self.channels
        ));
    }
}
