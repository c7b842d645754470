//! As many messages as can be taken in batches into window channels, first by one hub alone, then by a hub over Redis with the
//! subscribers on another one. Every message must be acknowledged and come to the subscriber of its channel.

use std::time::{Duration, Instant};

use clap::Args;

use super::quantile_ms;
use super::rounds::Rounds;
use crate::LoadError;
use crate::connection::Stamps;
use crate::crowd::{Channels, Crowd, CrowdPlan};
use crate::fleet::{self, Fleet, FleetFlags, Shape};
use crate::process::Cpu;
use crate::report::Report;
use crate::traffic::{Acked, Pace, Traffic, TrafficPlan};

const PREFIX: &str = "live:ingest-";
const WARM_UP: Duration = Duration::from_secs(1);
/// How long the last messages may be on their way.
const PATIENCE: Duration = Duration::from_secs(30);

/// The flags of `ingest`.
#[derive(Args, Debug)]
pub struct IngestArgs {
    #[command(flatten)]
    flags: FleetFlags,
    /// Into how many channels. Each has one subscriber.
    #[arg(long, default_value_t = 100)]
    channels: usize,
    /// Messages in a batch.
    #[arg(long, default_value_t = 200)]
    batch: usize,
    /// Batches that are under way at once.
    #[arg(long, default_value_t = 4)]
    batches: usize,
    /// How many rounds.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How long each takes, in seconds.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Length of `data`, in bytes.
    #[arg(long, default_value_t = 128)]
    data_bytes: usize,
    /// Every message has an idempotency key.
    #[arg(long)]
    keys: bool,
    /// Leave Redis out.
    #[arg(long)]
    alone: bool,
    /// Fewest messages a second by one hub alone.
    #[arg(long)]
    min_alone: Option<f64>,
    /// Fewest messages a second over Redis.
    #[arg(long)]
    min_redis: Option<f64>,
}

/// One set-up.
struct SetUp {
    name: &'static str,
    shape: Shape,
    limit: Option<f64>,
}

impl IngestArgs {
    pub(super) fn run(&self) -> Result<bool, LoadError> {
        let mut report = Report::new("ingest");
        let alone = Shape { nodes: 1, alone: true, ..Shape::default() };
        let mut figure = self.measure(&SetUp { name: "alone", shape: alone, limit: self.min_alone }, &mut report)?;
        if !self.alone {
            let redis = Shape { nodes: 2, ..Shape::default() };
            let over = self.measure(&SetUp { name: "redis", shape: redis, limit: self.min_redis }, &mut report)?;
            figure += &format!("; {over}");
        }
        report.figure(format!("ingest: {figure}"));
        report.finish(self.flags.json.as_deref())
    }

    /// Publishes through the first node to subscribers on the last one; the part of the figure.
    fn measure(&self, set_up: &SetUp, report: &mut Report) -> Result<String, LoadError> {
        let (name, fleet) = (set_up.name, Fleet::start(&self.flags.hub, &set_up.shape)?);
        let crowd = self.crowd(&fleet)?;
        let mut runs = vec![Traffic::run(self.plan(&fleet, &crowd, 0, WARM_UP))?];
        let (mut rates, mut costs) = (Vec::new(), Vec::new());
        for round in 1..=self.rounds.max(1) {
            let before = Cpu::of(fleet.place(0)?.pid)?;
            let acked = Traffic::run(self.plan(&fleet, &crowd, round, Duration::from_secs(self.seconds)))?;
            let (spent, messages) = (Cpu::of(fleet.place(0)?.pid)?.since(&before), acked.messages());
            rates.push(messages as f64 / acked.elapsed.as_secs_f64().max(1e-9));
            costs.push(super::micros_each(spent.total_s(), messages));
            runs.push(acked);
            let sent: u64 = runs.iter().map(Acked::messages).sum();
            // What does not come within this time is lost, and the account says how much.
            let _ = crowd.wait_messages(sent, PATIENCE);
        }
        let acked = Acked::of(runs);
        let heads = acked.heads().unwrap_or_else(|wrong| {
            report.fail(format!("{name}: {wrong}"));
            vec![u64::MAX; self.channels.max(1)]
        });
        let seen = crowd.finish()?;
        let (audit, ended) = (seen.sum_of(|number| heads[number]), seen.ends.len());
        if !audit.is_clean() || ended > 0 || acked.retries > 0 {
            report.fail(format!("{name}: {audit}; {ended} subscribers ended, {} sent again", acked.retries));
        }
        let (rates, costs): (Rounds, Rounds) = (rates.into_iter().collect(), costs.into_iter().collect());
        rates.keep(&format!("{name}_messages_per_second"), report);
        costs.keep(&format!("{name}_hub_us_per_message"), report);
        report.at_least(&format!("{name}_messages_per_second"), rates.median(), set_up.limit);
        report.say(&format!(
            "{name}: {} acknowledged, p99 of a batch {:.1} ms, {} µs of hub CPU for each message; {audit}",
            acked.messages(),
            quantile_ms(&acked.latency, 0.99),
            costs.text(1)
        ));
        Ok(format!("{name} {} messages/s, {} lost", rates.text(0), audit.lost))
    }

    fn crowd(&self, fleet: &Fleet) -> Result<Crowd, LoadError> {
        let last = fleet.hubs.len().saturating_sub(1);
        let crowd = Crowd::start_at(
            &CrowdPlan {
                place: &fleet.place(last)?,
                run: 0,
                subscribers: self.channels.max(1),
                threads: 1,
                in_flight: self.flags.in_flight,
                channels: Channels::Own(PREFIX.to_owned()),
                tokens: &fleet::tokens(),
                token_each: false,
                stamps: None,
                windows: 0,
            },
            Instant::now(),
        )?;
        crowd.wait_live(Duration::from_secs(self.flags.open_within_s))?;
        Ok(crowd)
    }

    fn plan(&self, fleet: &Fleet, crowd: &Crowd, window: usize, within: Duration) -> TrafficPlan {
        TrafficPlan {
            internals: fleet.internals()[..1].to_vec(),
            api_key: fleet::API_KEY.to_owned(),
            keys: self.keys,
            channels: (0..self.channels.max(1)).map(|channel| format!("{PREFIX}{channel}")).collect(),
            pace: Pace::Batches(self.batch.max(1)),
            within: Some(within),
            threads: self.batches,
            stamps: Stamps { data_bytes: self.data_bytes.max(Stamps::LEAST_BYTES) },
            window,
            zero: crowd.start,
        }
    }
}
