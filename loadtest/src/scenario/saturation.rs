//! Publishes as much as can be delivered and counts deliveries a second, of the hub and in turns with it of what stands beside
//! it. What is under way is bounded, so the rate rises until something is saturated and nobody is thrown out for being slow;
//! after each window all drains, and at the end all is accounted.

use std::time::{Duration, Instant};

use clap::Args;
use hubbub_protocol::ChannelName;

use super::beside::{BesideArgs, Side, check_generator};
use super::rounds::{Rounds, ratios};
use super::{Meter, Spent, parse_channel};
use crate::LoadError;
use crate::connection::Stamps;
use crate::crowd::{Channels, Crowd};
use crate::options::Target;
use crate::publisher::Publisher;
use crate::report::Report;

/// How long a window runs before it is measured: until as much is under way as may be.
const LEAD_IN: Duration = Duration::from_millis(500);
/// How long what is under way may take. What does not come then is lost, and the account says how much.
const PATIENCE: Duration = Duration::from_secs(60);

/// The flags of `saturation`.
#[derive(Args, Debug)]
pub struct SaturationArgs {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    beside: BesideArgs,
    /// How many subscribers.
    #[arg(long, default_value_t = 5_000)]
    subscribers: usize,
    /// Their channel.
    #[arg(long, default_value = "live:saturation", value_parser = parse_channel)]
    channel: ChannelName,
    /// Length of `data`, in bytes.
    #[arg(long, default_value_t = 128)]
    data_bytes: usize,
    /// Length of a round, in seconds.
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
    /// Fewest, as a multiple of what stands beside the hub.
    #[arg(long)]
    min_ratio: Option<f64>,
}

/// One of those that are measured, with its people.
struct Measuring<'a> {
    side: Side<'a>,
    crowd: Crowd,
    publisher: Publisher,
    /// Messages so far, and the last offset.
    published: u64,
    head: u64,
    /// Deliveries a second, by round.
    rates: Vec<f64>,
    spent: Vec<Spent>,
}

impl SaturationArgs {
    pub(super) fn run(&self) -> Result<bool, LoadError> {
        let mut report = Report::new("saturation");
        let sides = self.beside.sides(&self.target)?;
        let mut sides = sides.into_iter().map(|side| self.gather(side)).collect::<Result<Vec<_>, _>>()?;
        // The first is to warm up.
        for round in 0..=self.beside.rounds.max(1) {
            for side in &mut sides {
                let (rate, spent) = self.window(side)?;
                if round > 0 {
                    side.rates.push(rate);
                    side.spent.push(spent);
                }
            }
        }
        self.judge(&mut report, sides)?;
        report.finish(self.target.json.as_deref())
    }

    fn gather<'a>(&self, side: Side<'a>) -> Result<Measuring<'a>, LoadError> {
        let crowd = side.run.crowd(self.subscribers, Channels::Shared(self.channel.clone()), false, None, 0)?;
        let publisher = side.run.publisher()?;
        Ok(Measuring { side, crowd, publisher, published: 0, head: 0, rates: Vec::new(), spent: Vec::new() })
    }

    /// Publishes for the time of a round, and waits until all is delivered; deliveries a second meanwhile, and what they cost.
    fn window(&self, side: &mut Measuring<'_>) -> Result<(f64, Spent), LoadError> {
        let data = Stamps { data_bytes: self.data_bytes }.data(0, 0);
        self.publish(side, &data, LEAD_IN)?;
        let (meter, begin, before) =
            (Meter::start(&side.side.run.place, &side.crowd)?, Instant::now(), side.crowd.messages());
        self.publish(side, &data, Duration::from_secs(self.window_s))?;
        let rate = (side.crowd.messages() - before) as f64 / begin.elapsed().as_secs_f64();
        let spent = meter.stop(&side.crowd)?;
        let _ = side.crowd.wait_messages(side.published * self.subscribers as u64, PATIENCE);
        Ok((rate, spent))
    }

    fn publish(&self, side: &mut Measuring<'_>, data: &str, within: Duration) -> Result<(), LoadError> {
        let (begin, subscribers) = (Instant::now(), self.subscribers as u64);
        while begin.elapsed() < within {
            let under_way = side.published * subscribers - side.crowd.messages();
            if under_way < self.lag * subscribers {
                side.head = side.publisher.publish_batch(self.channel.as_str(), data, self.batch)?;
                side.published += self.batch as u64;
                continue;
            }
            std::thread::sleep(Duration::from_micros(200));
            if side.crowd.total(|p| &p.lost) > 0 {
                return Err(LoadError::Late(format!("{}: a subscriber was cut off", side.side.name)));
            }
        }
        Ok(())
    }

    fn judge(&self, report: &mut Report, sides: Vec<Measuring<'_>>) -> Result<(), LoadError> {
        let rates: Vec<_> = sides.iter().map(|side| side.rates.clone()).collect();
        let mut figure = format!("saturation, {} subscribers:", self.subscribers);
        for (side, rates) in sides.into_iter().zip(&rates) {
            let (name, rounds) = (side.side.name, rates.iter().copied().collect::<Rounds>());
            let (ended, head) = (side.crowd.total(|p| &p.lost), side.head);
            let audit = side.crowd.finish()?.sum(head);
            report.say(&format!("{name}: {} deliveries/s; {head} messages; {audit}", rounds.text(0)));
            check_generator(name, &side.spent, report);
            if !audit.is_clean() || ended > 0 {
                report.fail(format!("{name}: {audit}; {ended} subscribers ended"));
            }
            figure += &format!(" {name} {} deliveries/s, {} lost;", rounds.text(0), audit.lost);
            match name {
                "hub" => {
                    rounds.keep("deliveries_per_second", report);
                    report.value("messages", head);
                    report.at_least("deliveries_per_second", rounds.median(), self.min_deliveries);
                }
                _ => rounds.keep("beside_deliveries_per_second", report),
            }
        }
        if let [hub, beside] = &rates[..] {
            let ratio = ratios(hub, beside);
            ratio.keep("ratio", report);
            report.at_least("ratio", ratio.median(), self.min_ratio);
            figure += &format!(" ratio {}", ratio.text(2));
        }
        report.figure(figure.trim_end_matches(';').to_owned());
        Ok(())
    }
}
