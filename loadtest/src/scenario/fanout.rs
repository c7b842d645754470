//! A steady rate to many subscribers of one channel, or of many rooms: processor time for each delivery, latency, and an exact
//! account, of the hub and in turns with it of what stands beside it. Messages are due by the clock, so a hub that stalls is
//! measured with its stall.

use std::time::{Duration, Instant};

use clap::Args;
use hdrhistogram::Histogram;
use hubbub_protocol::ChannelName;

use super::beside::{BesideArgs, Side, check_generator};
use super::rounds::{Rounds, ratios};
use super::{Meter, Spent, micros_each, parse_channel, quantile_ms};
use crate::LoadError;
use crate::audit::AuditSum;
use crate::connection::Stamps;
use crate::crowd::{Channels, Crowd};
use crate::options::Target;
use crate::report::Report;
use crate::traffic::{Acked, Pace, Traffic, TrafficPlan};

/// Before anything is measured.
const WARM_UP: Duration = Duration::from_secs(1);
/// How late this program may publish in the middle round, in milliseconds, while the machine has time left, and while it has
/// not: then whoever is measured shares it with this program, and latency counts from when a message was due all the same.
const OWN_LATENESS_MS: [f64; 2] = [10.0, 20.0];

/// The flags of `fanout`.
#[derive(Args, Debug)]
pub struct FanoutArgs {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    beside: BesideArgs,
    /// What the figure is called.
    #[arg(long, default_value = "fanout")]
    title: String,
    /// How many subscribers.
    #[arg(long, default_value_t = 5_000)]
    subscribers: usize,
    /// Their channel.
    #[arg(long, default_value = "live:fanout", value_parser = parse_channel)]
    channel: ChannelName,
    /// Rooms that they are spread over, in turns; messages go to one room after the other.
    #[arg(long, default_value_t = 1)]
    rooms: usize,
    /// Messages a second.
    #[arg(long, default_value_t = 100.0)]
    rate: f64,
    /// Connections to the internal API, which is also the most that is published and not answered. With one, a server that answers
    /// only when it has written to everybody never has two messages to write at once.
    #[arg(long, default_value_t = 1)]
    publishers: usize,
    /// How long a round is, in seconds.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Length of `data`, in bytes.
    #[arg(long, default_value_t = 128)]
    data_bytes: usize,
    /// Most user processor time for each delivery, in microseconds.
    #[arg(long)]
    max_user_us: Option<f64>,
    /// Highest 99th percentile of latency, in milliseconds.
    #[arg(long)]
    max_p99_ms: Option<f64>,
    /// Most processor time for each delivery, as a multiple of what stands beside the hub.
    #[arg(long)]
    max_cpu_ratio: Option<f64>,
    /// Highest median of latency, as such a multiple.
    #[arg(long)]
    max_p50_ratio: Option<f64>,
    /// Highest 99th percentile of latency, as such a multiple.
    #[arg(long)]
    max_p99_ratio: Option<f64>,
}

/// One of those that are measured, with its people.
struct Measuring<'a> {
    side: Side<'a>,
    crowd: Crowd,
    stamps: Stamps,
    rounds: Vec<Round>,
    acked: Vec<Acked>,
}

/// What one round cost.
#[derive(Clone, Copy)]
struct Round {
    spent: Spent,
    deliveries: u64,
    /// From the first publish to the last delivery, in seconds.
    delivered_s: f64,
    /// How late this program itself published, in the 99th percentile.
    own_lateness_ms: f64,
}

/// What one side did.
struct Measured {
    name: &'static str,
    rounds: Vec<Round>,
    audit: AuditSum,
    ended: usize,
    /// By round.
    latency: Vec<Histogram<u64>>,
}

impl FanoutArgs {
    pub(super) fn run(&self) -> Result<bool, LoadError> {
        let mut report = Report::new(&self.title);
        let sides = self.beside.sides(&self.target)?;
        let mut sides = sides.into_iter().map(|side| self.gather(side)).collect::<Result<Vec<_>, _>>()?;
        for round in 1..=self.beside.rounds.max(1) {
            for side in &mut sides {
                self.round(side, round)?;
            }
        }
        let measured = sides.into_iter().map(|side| finish(side, &mut report)).collect::<Result<Vec<_>, _>>()?;
        self.judge(&mut report, &measured);
        report.finish(self.target.json.as_deref())
    }

    /// Opens the people of one side and warms it up.
    fn gather<'a>(&self, side: Side<'a>) -> Result<Measuring<'a>, LoadError> {
        let stamps = Stamps { data_bytes: self.data_bytes.max(Stamps::LEAST_BYTES) };
        let channels = match self.rooms {
            0 | 1 => Channels::Shared(self.channel.clone()),
            rooms => Channels::Rooms(format!("{}-", self.channel), rooms),
        };
        let windows = self.beside.rounds.max(1) + 1;
        let crowd = side.run.crowd(self.subscribers, channels, false, Some(stamps), windows)?;
        let mut measuring = Measuring { side, crowd, stamps, rounds: Vec::new(), acked: Vec::new() };
        let acked = Traffic::run(self.traffic(&measuring, 0, WARM_UP))?;
        measuring.acked.push(acked);
        settle(&measuring.crowd)?;
        Ok(measuring)
    }

    fn traffic(&self, measuring: &Measuring<'_>, window: usize, within: Duration) -> TrafficPlan {
        let channels = match self.rooms {
            0 | 1 => vec![self.channel.to_string()],
            rooms => (0..rooms).map(|room| format!("{}-{room}", self.channel)).collect(),
        };
        TrafficPlan {
            internals: vec![measuring.side.run.place.internal],
            api_key: self.target.api_key.clone(),
            channels,
            keys: false,
            pace: Pace::Rate(self.rate),
            within: Some(within),
            threads: self.publishers,
            stamps: measuring.stamps,
            window,
            zero: measuring.crowd.start,
        }
    }

    fn round(&self, measuring: &mut Measuring<'_>, round: usize) -> Result<(), LoadError> {
        let (crowd, place) = (&measuring.crowd, &measuring.side.run.place);
        let (meter, before, begin) = (Meter::start(place, crowd)?, crowd.messages(), Instant::now());
        let acked = Traffic::run(self.traffic(measuring, round, Duration::from_secs(self.seconds)))?;
        let delivered_s = settle(crowd)?.duration_since(begin).as_secs_f64();
        let spent = meter.stop(crowd)?;
        let (deliveries, own_lateness_ms) = (crowd.messages() - before, quantile_ms(&acked.lateness, 0.99));
        measuring.acked.push(acked);
        measuring.rounds.push(Round { spent, deliveries, delivered_s, own_lateness_ms });
        Ok(())
    }

    fn judge(&self, report: &mut Report, sides: &[Measured]) {
        let hub = &sides[0];
        let rate = hub.of(|round| round.deliveries as f64 / round.delivered_s.max(1e-9));
        rate.keep("deliveries_per_second", report);
        report.value("deliveries", hub.rounds.iter().map(|round| round.deliveries).sum::<u64>());
        for (name, rounds) in [
            ("user_us_per_delivery", hub.of(Round::user_us)),
            ("system_us_per_delivery", hub.of(Round::system_us)),
            ("latency_p50_ms", hub.quantile(0.5).into_iter().collect()),
            ("latency_p99_ms", hub.quantile(0.99).into_iter().collect()),
            ("latency_p999_ms", hub.quantile(0.999).into_iter().collect()),
        ] {
            rounds.keep(name, report);
        }
        sides.iter().for_each(|side| side.say(report));
        report.at_most("user_us_per_delivery", hub.of(Round::user_us).median(), self.max_user_us);
        report.at_most("latency_p99_ms", report.get("latency_p99_ms"), self.max_p99_ms);
        let mut figure = format!("{}: {}", self.title, hub.figure());
        if let [_, beside] = sides {
            let cpu = |side: &Measured| side.rounds.iter().map(Round::cpu_us).collect::<Vec<_>>();
            beside.of(Round::user_us).keep("beside_user_us_per_delivery", report);
            beside.of(Round::system_us).keep("beside_system_us_per_delivery", report);
            figure += &format!("; {} {}", beside.name, beside.figure());
            for (name, what, rounds, limit) in [
                ("ratio", "CPU", ratios(&cpu(hub), &cpu(beside)), self.max_cpu_ratio),
                ("p50_ratio", "p50", ratios(&hub.quantile(0.5), &beside.quantile(0.5)), self.max_p50_ratio),
                ("p99_ratio", "p99", ratios(&hub.quantile(0.99), &beside.quantile(0.99)), self.max_p99_ratio),
            ] {
                rounds.keep(name, report);
                report.at_most(name, rounds.median(), limit);
                figure += &format!("; ratio of {what} {}", rounds.text(2));
            }
        }
        report.figure(figure);
    }
}

/// Waits until nothing comes any more: all is delivered, or will never be. When the last came.
fn settle(crowd: &Crowd) -> Result<Instant, LoadError> {
    let (mut last, mut since) = (crowd.messages(), Instant::now());
    let until = Instant::now() + Duration::from_secs(60);
    while since.elapsed() < Duration::from_millis(300) {
        std::thread::sleep(Duration::from_millis(10));
        if crowd.messages() != last {
            (last, since) = (crowd.messages(), Instant::now());
        }
        if Instant::now() > until {
            return Err(LoadError::Late("messages still come a minute after the last was published".into()));
        }
    }
    Ok(since)
}

fn finish(measuring: Measuring<'_>, report: &mut Report) -> Result<Measured, LoadError> {
    let Measuring { side, crowd, rounds, acked, .. } = measuring;
    let heads = Acked::of(acked).heads().unwrap_or_else(|wrong| {
        report.fail(format!("{}: {wrong}", side.name));
        vec![u64::MAX]
    });
    let mut seen = crowd.finish()?;
    let audit = seen.sum_of(|number| heads[number % heads.len()]);
    let latency = seen.latency.split_off(1);
    Ok(Measured { name: side.name, rounds, audit, ended: seen.ends.len(), latency })
}

impl Round {
    fn user_us(&self) -> f64 {
        micros_each(self.spent.hub.user_s, self.deliveries)
    }

    fn system_us(&self) -> f64 {
        micros_each(self.spent.hub.system_s, self.deliveries)
    }

    fn cpu_us(&self) -> f64 {
        micros_each(self.spent.hub.total_s(), self.deliveries)
    }
}

impl Measured {
    fn of(&self, number: impl Fn(&Round) -> f64) -> Rounds {
        self.rounds.iter().map(number).collect()
    }

    /// A quantile of latency by round, in milliseconds.
    fn quantile(&self, quantile: f64) -> Vec<f64> {
        self.latency.iter().map(|latency| quantile_ms(latency, quantile)).collect()
    }

    fn figure(&self) -> String {
        let quantile = |quantile| self.quantile(quantile).into_iter().collect::<Rounds>().text(2);
        let (user, system) = (self.of(Round::user_us).text(3), self.of(Round::system_us).text(3));
        format!(
            "{user} µs user + {system} µs system for each delivery, p50 {} ms, p99 {} ms",
            quantile(0.5),
            quantile(0.99)
        )
    }

    /// Says what is behind the figure, and whether it is valid.
    fn say(&self, report: &mut Report) {
        let Self { name, rounds, audit, ended, .. } = self;
        let deliveries: u64 = rounds.iter().map(|round| round.deliveries).sum();
        let rate = self.of(|round| round.deliveries as f64 / round.delivered_s.max(1e-9));
        report.say(&format!("{name}: {deliveries} deliveries, {}/s; {audit}", rate.text(0)));
        let spent: Vec<_> = rounds.iter().map(|round| round.spent).collect();
        check_generator(name, &spent, report);
        if !audit.is_clean() || *ended > 0 {
            report.fail(format!("{name}: {audit}; {ended} subscribers ended"));
        }
        let late = self.of(|round| round.own_lateness_ms);
        let full = self.of(|round| round.spent.machine_idle).median() < 0.10;
        if late.median() > OWN_LATENESS_MS[usize::from(full)] {
            report.fail(format!("{name}: the generator was the limit: it published {} ms late (p99)", late.text(1)));
        }
    }
}
