//! The scenarios: each makes people do something, measures the hub, and measures the control in the same run.

mod beside;
mod chat_audit;
mod chat_scale;
mod cross_node;
mod durable_rate;
mod fanout;
mod growth;
mod hundred_thousand;
mod idle;
mod ingest;
mod open_cost;
mod paced;
mod rolling;
mod rounds;
mod saturation;
mod slow_reader;
mod stalled;
mod storm;
mod streams;

use std::time::Duration;

use hdrhistogram::Histogram;
use hubbub_protocol::ChannelName;

use crate::LoadError;
use crate::connection::Stamps;
use crate::crowd::{Channels, Crowd, CrowdPlan};
use crate::hub::Place;
use crate::options::Target;
use crate::process::{Cpu, machine_idle_s};
use crate::publisher::Publisher;
use crate::report::Report;
use crate::token::TokenMaker;

pub use chat_audit::ChatAuditArgs;
pub use chat_scale::ChatScaleArgs;
pub use cross_node::CrossNodeArgs;
pub use durable_rate::DurableRateArgs;
pub use fanout::FanoutArgs;
pub use growth::GrowthArgs;
pub use hundred_thousand::HundredThousandArgs;
pub use idle::IdleArgs;
pub use ingest::IngestArgs;
pub use open_cost::OpenCostArgs;
pub use rolling::RollingArgs;
pub use saturation::SaturationArgs;
pub use slow_reader::SlowReaderArgs;
pub use storm::StormArgs;
pub use streams::StreamsArgs;

/// A scenario with its flags.
#[derive(clap::Subcommand, Debug)]
pub enum Scenario {
    /// Memory and processor time of many connections that do nothing, and one broadcast to all.
    Idle(IdleArgs),
    /// Processor time to open a connection: TCP, upgrade, token, one subscribe.
    OpenCost(OpenCostArgs),
    /// Processor time and latency of a steady rate to many subscribers of one channel.
    Fanout(FanoutArgs),
    /// Deliveries a second when as much is published as can be.
    Saturation(SaturationArgs),
    /// What one reader that stops reading does to the latency of others.
    SlowReader(SlowReaderArgs),
    /// Memory of many SSE streams that do nothing, and one broadcast to all.
    Streams(StreamsArgs),
    /// Very many connections over a fleet, and one broadcast to every one.
    HundredThousand(HundredThousandArgs),
    /// What Redis and the second node add to the latency of a delivery.
    CrossNode(CrossNodeArgs),
    /// Acknowledged publishes into durable channels through a fleet: how many a second, and how soon.
    DurableRate(DurableRateArgs),
    /// Restarts every node of a fleet under people and traffic: nobody may lose anything.
    Rolling(RollingArgs),
    /// Messages a second that are taken in batches into window channels.
    Ingest(IngestArgs),
    /// Kills a node under very many people who come back and resume shared durable channels.
    Storm(StormArgs),
    /// Messages into rooms through a fleet, every event and every counter of every member audited.
    ChatAudit(ChatAuditArgs),
    /// History, lists, searches and jumps over a million messages and ten thousand rooms in Postgres.
    ChatScale(ChatScaleArgs),
    /// What a delivery and a connection cost when a fleet grows.
    Growth(GrowthArgs),
}

impl Scenario {
    /// Runs it. Whether every threshold was met.
    pub fn run(&self) -> Result<bool, LoadError> {
        match self {
            Self::Idle(args) => args.run(),
            Self::OpenCost(args) => args.run(),
            Self::Fanout(args) => args.run(),
            Self::Saturation(args) => args.run(),
            Self::SlowReader(args) => args.run(),
            Self::Streams(args) => args.run(),
            Self::HundredThousand(args) => args.run(),
            Self::CrossNode(args) => args.run(),
            Self::DurableRate(args) => args.run(),
            Self::Rolling(args) => args.run(),
            Self::Ingest(args) => args.run(),
            Self::Storm(args) => args.run(),
            Self::ChatAudit(args) => args.run(),
            Self::ChatScale(args) => args.run(),
            Self::Growth(args) => args.run(),
        }
    }
}

/// One run against one hub or control.
#[derive(Debug)]
struct Run<'a> {
    target: &'a Target,
    place: Place,
    tokens: TokenMaker,
    /// 0 for the hub, 1 for the control.
    number: u8,
}

impl<'a> Run<'a> {
    fn new(target: &'a Target, place: Place, number: u8) -> Self {
        Self { target, place, tokens: TokenMaker::new(&target.secret, &target.kid), number }
    }

    /// Opens a crowd and waits until all are live.
    fn crowd(
        &self,
        subscribers: usize,
        channels: Channels,
        token_each: bool,
        stamps: Option<Stamps>,
        windows: usize,
    ) -> Result<Crowd, LoadError> {
        let crowd = Crowd::start(&CrowdPlan {
            place: &self.place,
            run: self.number,
            subscribers,
            threads: self.target.threads,
            in_flight: self.target.in_flight,
            channels,
            tokens: &self.tokens,
            token_each,
            stamps,
            windows,
        })?;
        crowd.wait_live(Duration::from_secs(self.target.open_within_s))?;
        Ok(crowd)
    }

    fn publisher(&self) -> Result<Publisher, LoadError> {
        Publisher::connect(self.place.internal, &self.target.api_key)
    }
}

/// What hub, generator and machine spent between two moments.
#[derive(Clone, Copy, Debug)]
struct Spent {
    hub: crate::process::CpuSpent,
    generator: crate::process::CpuSpent,
    /// Share of all cores that was idle.
    machine_idle: f64,
    /// Share of the time that the busiest thread of people did not wait.
    busiest: f64,
}

/// The first of the two moments.
#[derive(Clone, Copy, Debug)]
struct Meter {
    pid: u32,
    hub: Cpu,
    generator: Cpu,
    idle_s: f64,
    busy_ns: u64,
}

impl Meter {
    fn start(place: &Place, crowd: &Crowd) -> Result<Self, LoadError> {
        let generator = Cpu::of(std::process::id())?;
        let (idle_s, busy_ns) = (machine_idle_s()?, crowd.busiest_ns());
        Ok(Self { pid: place.pid, hub: Cpu::of(place.pid)?, generator, idle_s, busy_ns })
    }

    fn stop(&self, crowd: &Crowd) -> Result<Spent, LoadError> {
        let hub = Cpu::of(self.pid)?.since(&self.hub);
        let generator = Cpu::of(std::process::id())?.since(&self.generator);
        let cores = std::thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64);
        let machine_idle = (machine_idle_s()? - self.idle_s) / (generator.elapsed_s.max(1e-9) * cores);
        let busiest = (crowd.busiest_ns() - self.busy_ns) as f64 / 1e9 / generator.elapsed_s.max(1e-9);
        Ok(Spent { hub, generator, machine_idle, busiest })
    }
}

impl Spent {
    /// A generator whose busiest thread has no time left, while the machine has, measures itself.
    fn generator_was_the_limit(&self) -> bool {
        self.busiest > 0.97 && self.machine_idle > 0.10
    }

    fn check(&self, report: &mut Report) {
        report.value("generator_cpu_percent", self.generator.percent());
        report.value("generator_busiest_thread", self.busiest);
        report.value("machine_idle", self.machine_idle);
        if self.generator_was_the_limit() {
            let busiest = self.busiest * 100.0;
            report.fail(format!("the generator was the limit: a thread was busy {busiest:.0} % of the time"));
        }
    }
}

/// Microseconds of processor time for each of `count` things.
fn micros_each(seconds: f64, count: u64) -> f64 {
    seconds * 1e6 / (count.max(1) as f64)
}

/// A quantile of nanoseconds, in milliseconds.
fn quantile_ms(latency: &Histogram<u64>, quantile: f64) -> f64 {
    latency.value_at_quantile(quantile) as f64 / 1e6
}

fn parse_channel(text: &str) -> Result<ChannelName, String> {
    ChannelName::parse(text).map_err(|error| error.to_string())
}
