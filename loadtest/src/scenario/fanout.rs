//! A steady rate to many subscribers of one channel: processor time for each delivery, latency, and an exact
//! account. Messages are due by the clock, so a hub that stalls is measured with its stall.

use std::time::{Duration, Instant};

use clap::Args;
use hdrhistogram::Histogram;
use hubbub_protocol::ChannelName;

use super::{Meter, Run, Spent, micros_each, parse_channel};
use crate::LoadError;
use crate::audit::AuditSum;
use crate::connection::Stamps;
use crate::crowd::{Channels, Crowd};
use crate::hub::{Hub, Place};
use crate::options::Target;
use crate::publisher::Publisher;
use crate::report::Report;
use crate::schedule::Schedule;

/// The flags of `fanout`.
#[derive(Args, Debug)]
pub struct FanoutArgs {
    #[command(flatten)]
    target: Target,
    /// How many subscribers.
    #[arg(long, default_value_t = 5_000)]
    subscribers: usize,
    /// Their channel.
    #[arg(long, default_value = "live:fanout", value_parser = parse_channel)]
    channel: ChannelName,
    /// Messages a second.
    #[arg(long, default_value_t = 100.0)]
    rate: f64,
    /// How long, in seconds.
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
}

/// What one run measured.
struct Measured {
    spent: Spent,
    deliveries: u64,
    /// From the first publish to the last delivery, in seconds.
    delivered_s: f64,
    audit: AuditSum,
    latency: Histogram<u64>,
    /// How late this program itself published, in the 99th percentile.
    own_lateness_ms: f64,
}

const WARM_UP: usize = 0;
const MEASURED: usize = 1;

impl FanoutArgs {
    pub(super) fn run(&self) -> Result<bool, LoadError> {
        let mut report = Report::new("fanout");
        let hub = Hub::of(&self.target)?;
        let of_hub = self.measure(hub.place, 0)?;
        drop(hub);
        let control = match self.target.no_control {
            true => None,
            false => {
                let control = Hub::control()?;
                Some(self.measure(control.place, 1)?)
            }
        };
        self.judge(&mut report, &of_hub, control.as_ref());
        report.finish(self.target.json.as_deref())
    }

    fn measure(&self, place: Place, number: u8) -> Result<Measured, LoadError> {
        let run = Run::new(&self.target, place, number);
        let stamps = Stamps { data_bytes: self.data_bytes.max(Stamps::LEAST_BYTES) };
        let channels = Channels::Shared(self.channel.clone());
        let crowd = run.crowd(self.subscribers, channels, false, Some(stamps), 2)?;
        let mut publisher = run.publisher()?;
        let mut lateness = Vec::new();
        self.publish(&mut publisher, &crowd, stamps, WARM_UP, Duration::from_secs(1), &mut lateness)?;
        self.settle(&crowd)?;

        let (meter, before, begin) = (Meter::start(&place, &crowd)?, crowd.messages(), Instant::now());
        lateness.clear();
        let within = Duration::from_secs(self.seconds);
        let head = self.publish(&mut publisher, &crowd, stamps, MEASURED, within, &mut lateness)?;
        let delivered_s = self.settle(&crowd)?.duration_since(begin).as_secs_f64();
        let spent = meter.stop(&crowd)?;
        let deliveries = crowd.messages() - before;
        let mut seen = crowd.finish()?;
        lateness.sort_unstable();
        let at_99 = lateness.get(lateness.len() * 99 / 100).copied().unwrap_or_default();
        Ok(Measured {
            spent,
            deliveries,
            delivered_s,
            audit: seen.sum(head),
            latency: seen.latency.swap_remove(MEASURED),
            own_lateness_ms: at_99.as_secs_f64() * 1e3,
        })
    }

    /// Publishes on schedule; the last offset.
    fn publish(
        &self,
        publisher: &mut Publisher,
        crowd: &Crowd,
        stamps: Stamps,
        window: usize,
        within: Duration,
        lateness: &mut Vec<Duration>,
    ) -> Result<u64, LoadError> {
        let (schedule, begin) = (Schedule::new(self.rate), crowd.start.elapsed());
        let mut head = 0;
        for number in 0..schedule.count(within) {
            let due = begin + schedule.due(number);
            let now = crowd.start.elapsed();
            // When the answer to the message before came after this one was due, the hub is late, not we.
            if now <= due {
                std::thread::sleep(due - now);
                lateness.push(crowd.start.elapsed() - due);
            }
            head = publisher.publish(self.channel.as_str(), &stamps.data(due.as_nanos() as u64, window))?;
        }
        Ok(head)
    }

    /// Waits until nothing comes any more: all is delivered, or will never be. When the last came.
    fn settle(&self, crowd: &Crowd) -> Result<Instant, LoadError> {
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

    fn judge(&self, report: &mut Report, hub: &Measured, control: Option<&Measured>) {
        let (user_us, system_us) = hub.each_us();
        let quantile_ms = |quantile| hub.latency.value_at_quantile(quantile) as f64 / 1e6;
        let (p50, p99, p999) = (quantile_ms(0.5), quantile_ms(0.99), quantile_ms(0.999));
        let rate = hub.deliveries as f64 / hub.delivered_s.max(1e-9);
        for (name, value) in [
            ("user_us_per_delivery", user_us),
            ("system_us_per_delivery", system_us),
            ("deliveries_per_second", rate),
            ("latency_p50_ms", p50),
            ("latency_p99_ms", p99),
            ("latency_p999_ms", p999),
            ("hub_cpu_percent", hub.spent.hub.percent()),
        ] {
            report.value(name, value);
        }
        report.value("deliveries", hub.deliveries);
        report.say(&format!("{} deliveries, {rate:.0}/s; {}", hub.deliveries, hub.audit));
        report.say(&format!("latency p50 {p50:.2} ms, p99 {p99:.2} ms, p99.9 {p999:.2} ms"));
        let (hub_percent, own) = (hub.spent.hub.percent(), hub.spent.generator.percent());
        report.say(&format!("CPU of one core: hub {hub_percent:.0} %, generator {own:.0} %"));
        hub.check("hub", report);
        hub.spent.check(report);
        report.at_most("user_us_per_delivery", user_us, self.max_user_us);
        report.at_most("latency_p99_ms", p99, self.max_p99_ms);
        let mut figure =
            format!("fanout: {user_us:.3} µs user + {system_us:.3} µs system for each delivery, p99 {p99:.2} ms");
        if let Some(control) = control {
            let (control_user, control_system) = control.each_us();
            control.check("control", report);
            report.value("control_user_us_per_delivery", control_user);
            report.value("control_system_us_per_delivery", control_system);
            let ratio = (user_us + system_us) / (control_user + control_system).max(1e-9);
            report.value("ratio", ratio);
            figure += &format!("; control {control_user:.3} + {control_system:.3} µs, ratio {ratio:.2}");
        }
        report.figure(figure);
    }
}

impl Measured {
    fn each_us(&self) -> (f64, f64) {
        let each = |seconds| micros_each(seconds, self.deliveries);
        (each(self.spent.hub.user_s), each(self.spent.hub.system_s))
    }

    fn check(&self, name: &str, report: &mut Report) {
        if !self.audit.is_clean() {
            report.fail(format!("{name}: {}", self.audit));
        }
        if self.own_lateness_ms > 5.0 {
            let late = self.own_lateness_ms;
            report.fail(format!("{name}: the generator was the limit: it published {late:.1} ms late (p99)"));
        }
    }
}
