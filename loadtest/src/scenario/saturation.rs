//! Publishes as much as can be delivered and counts deliveries a second. What is under way is bounded, so the rate
//! rises until something is saturated and nobody is thrown out for being slow; then all drains and is accounted.

use std::time::{Duration, Instant};

use clap::Args;
use hubbub_protocol::ChannelName;

use super::{Meter, Run, Spent, parse_channel};
use crate::LoadError;
use crate::audit::AuditSum;
use crate::connection::Stamps;
use crate::crowd::{Channels, Crowd};
use crate::hub::{Hub, Place};
use crate::options::Target;
use crate::report::Report;

/// The flags of `saturation`.
#[derive(Args, Debug)]
pub struct SaturationArgs {
    #[command(flatten)]
    target: Target,
    /// How many subscribers.
    #[arg(long, default_value_t = 5_000)]
    subscribers: usize,
    /// Their channel.
    #[arg(long, default_value = "live:saturation", value_parser = parse_channel)]
    channel: ChannelName,
    /// Length of `data`, in bytes.
    #[arg(long, default_value_t = 128)]
    data_bytes: usize,
    /// Windows that are measured, behind one to warm up.
    #[arg(long, default_value_t = 5)]
    windows: usize,
    /// Length of a window, in seconds.
    #[arg(long, default_value_t = 2)]
    window_s: u64,
    /// Messages published by one request.
    #[arg(long, default_value_t = 50)]
    batch: usize,
    /// Messages that may be published and not yet delivered, in the mean of all subscribers.
    #[arg(long, default_value_t = 1_000)]
    lag: u64,
    /// Fewest deliveries a second.
    #[arg(long)]
    min_deliveries: Option<f64>,
}

/// What one run measured.
struct Measured {
    /// Deliveries a second, by window.
    rates: Vec<f64>,
    spent: Spent,
    audit: AuditSum,
    ended: u64,
    head: u64,
}

impl SaturationArgs {
    pub(super) fn run(&self) -> Result<bool, LoadError> {
        let mut report = Report::new("saturation");
        let hub = Hub::of(&self.target)?;
        let of_hub = self.measure(hub.place, 0)?;
        drop(hub);
        let median = of_hub.median();
        of_hub.say("hub", &report);
        of_hub.spent.check(&mut report);
        if !of_hub.audit.is_clean() || of_hub.ended > 0 {
            report.fail(format!("{}; {} subscribers ended", of_hub.audit, of_hub.ended));
        }
        report.value("deliveries_per_second", median);
        report.value("windows", of_hub.rates.clone());
        report.value("messages", of_hub.head);
        report.value("hub_cpu_percent", of_hub.spent.hub.percent());
        report.at_least("deliveries_per_second", median, self.min_deliveries);
        let lost = of_hub.audit.lost;
        let mut figure =
            format!("saturation: {median:.0} deliveries/s to {} subscribers, {lost} lost", self.subscribers);
        if !self.target.no_control {
            let control = Hub::control()?;
            let of_control = self.measure(control.place, 1)?;
            of_control.say("control", &report);
            report.value("control_deliveries_per_second", of_control.median());
            let (bare, ratio) = (of_control.median(), median / of_control.median().max(1e-9));
            report.value("ratio", ratio);
            figure += &format!("; control {bare:.0}/s, ratio {ratio:.2}");
        }
        report.figure(figure);
        report.finish(self.target.json.as_deref())
    }

    fn measure(&self, place: Place, number: u8) -> Result<Measured, LoadError> {
        let run = Run::new(&self.target, place, number);
        let channels = Channels::Shared(self.channel.clone());
        let crowd = run.crowd(self.subscribers, channels, false, None, 0)?;
        let mut publisher = run.publisher()?;
        let data = Stamps { data_bytes: self.data_bytes }.data(0, 0);
        let (mut published, mut head) = (0, 0);
        let mut window = |crowd: &Crowd| -> Result<f64, LoadError> {
            let (begin, before) = (Instant::now(), crowd.messages());
            while begin.elapsed() < Duration::from_secs(self.window_s) {
                let under_way = published * self.subscribers as u64 - crowd.messages();
                if under_way >= self.lag * self.subscribers as u64 {
                    std::thread::sleep(Duration::from_micros(200));
                    if crowd.total(|p| &p.lost) > 0 {
                        return Err(LoadError::Late("a subscriber was cut off".into()));
                    }
                    continue;
                }
                head = publisher.publish_batch(self.channel.as_str(), &data, self.batch)?;
                published += self.batch as u64;
            }
            Ok((crowd.messages() - before) as f64 / begin.elapsed().as_secs_f64())
        };
        window(&crowd)?;
        let meter = Meter::start(&place, &crowd)?;
        let rates = (0..self.windows.max(1)).map(|_| window(&crowd)).collect::<Result<Vec<_>, _>>()?;
        let spent = meter.stop(&crowd)?;
        // What does not come within this time is lost, and the account says how much.
        let _ = crowd.wait_messages(published * self.subscribers as u64, Duration::from_secs(60));
        let ended = crowd.total(|p| &p.lost);
        let audit = crowd.finish()?.sum(head);
        Ok(Measured { rates, spent, audit, ended, head })
    }
}

impl Measured {
    fn median(&self) -> f64 {
        let mut rates = self.rates.clone();
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    }

    fn say(&self, name: &str, report: &Report) {
        let rates: Vec<_> = self.rates.iter().map(|rate| format!("{:.2}", rate / 1e6)).collect();
        report.say(&format!("{name}: million deliveries/s by window: {}; {}", rates.join(" "), self.audit));
        let Spent { hub, generator, machine_idle, busiest } = self.spent;
        report.say(&format!(
            "{name}: CPU of one core: {name} {:.0} % user + {:.0} % system, generator {:.0} % (busiest thread {:.0} %), \
             machine idle {:.0} %",
            hub.user_s / hub.elapsed_s * 100.0,
            hub.system_s / hub.elapsed_s * 100.0,
            generator.percent(),
            busiest * 100.0,
            machine_idle * 100.0,
        ));
    }
}
