//! Whether one reader that stops reading is felt by the others: windows with it between windows without it, in one
//! run. Two sets of windows without it tell how much two equal sets differ here. Then the slow reader, thrown out,
//! comes back with its position, and must have lost nothing.

use std::time::{Duration, Instant};

use clap::Args;
use hdrhistogram::Histogram;
use hubbub_protocol::ChannelName;

use super::stalled::Stalled;
use super::{Meter, Run, parse_channel};
use crate::LoadError;
use crate::audit::Audit;
use crate::connection::Stamps;
use crate::crowd::{Channels, Crowd};
use crate::hub::Hub;
use crate::options::Target;
use crate::publisher::Publisher;
use crate::report::Report;
use crate::schedule::Schedule;
use crate::socket::{self, Dial};

/// The flags of `slow-reader`.
#[derive(Args, Debug)]
pub struct SlowReaderArgs {
    #[command(flatten)]
    target: Target,
    /// How many others.
    #[arg(long, default_value_t = 1_000)]
    readers: usize,
    /// The channel; with a durable log, or the slow reader's position is out of the window when it comes back.
    #[arg(long, default_value = "chat:slow-reader", value_parser = parse_channel)]
    channel: ChannelName,
    /// Messages a second.
    #[arg(long, default_value_t = 200.0)]
    rate: f64,
    /// Length of `data`, in bytes.
    #[arg(long, default_value_t = 1_024)]
    data_bytes: usize,
    /// Windows of each kind: without, with, without.
    #[arg(long, default_value_t = 10)]
    windows: usize,
    /// Length of a window, in seconds.
    #[arg(long, default_value_t = 6)]
    window_s: u64,
    /// Bytes published to a reader that does not read before it must have been thrown out.
    #[arg(long, default_value_t = 8 * 1024 * 1024)]
    stall_bytes: u64,
    /// Most change of the 99th percentile beyond the spread of the control, in percent.
    #[arg(long)]
    max_change_percent: Option<f64>,
    /// Most spread of the control, in percent: on a noisier machine the comparison says nothing.
    #[arg(long)]
    max_spread_percent: Option<f64>,
}

/// The kinds of windows, in the order in which they take turns.
const KINDS: usize = 3;
const WITH: usize = 1;
/// Messages outside of all windows.
const OUTSIDE: usize = 999;

impl SlowReaderArgs {
    pub(super) fn run(&self) -> Result<bool, LoadError> {
        let mut report = Report::new("slow-reader");
        let hub = Hub::of(&self.target)?;
        let run = Run::new(&self.target, hub.place, 0);
        // Windows are numbered with three digits, and the last number is no window.
        let rounds = self.windows.clamp(1, (OUTSIDE - 1) / KINDS);
        let stamps = Stamps { data_bytes: self.data_bytes.max(Stamps::LEAST_BYTES) };
        let channels = Channels::Shared(self.channel.clone());
        let crowd = run.crowd(self.readers, channels, false, Some(stamps), rounds * KINDS)?;
        let mut publisher = run.publisher()?;
        let mut bench =
            Bench { args: self, run: &run, crowd: &crowd, publisher: &mut publisher, stamps, head: 0, published: 0 };
        bench.window(OUTSIDE)?;
        let meter = Meter::start(&hub.place, &crowd)?;
        for window in 0..rounds * KINDS {
            let slow = (window % KINDS == WITH).then(|| bench.open_slow());
            bench.window(window)?;
            // It is closed here, still unread.
            drop(slow.map(join).transpose()?);
        }
        let spent = meter.stop(&crowd)?;
        let came_back = bench.throw_out_and_resume()?;
        let (head, expected) = (bench.head, bench.published * self.readers as u64);
        // What does not come within this time is lost, and the account says how much.
        let _ = crowd.wait_messages(expected, Duration::from_secs(10));
        let seen = crowd.finish()?;
        spent.check(&mut report);
        let audit = seen.sum(head);
        report.say(&format!("others: {audit}"));
        if !audit.is_clean() || !seen.ends.is_empty() {
            report.fail(format!("others: {audit}; {} of them ended", seen.ends.len()));
        }
        came_back.judge(head, &mut report);
        self.judge(&seen.latency, &mut report);
        report.finish(self.target.json.as_deref())
    }

    fn judge(&self, latency: &[Histogram<u64>], report: &mut Report) {
        let pooled = |kind: usize| {
            let mut of_kind = latency.iter().skip(kind).step_by(KINDS);
            let first = of_kind.next().cloned();
            of_kind.fold(first, |sum, window| {
                sum.map(|mut sum| {
                    // All histograms have the same bounds.
                    sum.add(window).expect("the same bounds");
                    sum
                })
            })
        };
        let p99 = |kind: usize| pooled(kind).map_or(f64::NAN, |all| all.value_at_quantile(0.99) as f64 / 1e6);
        let (first, with, second) = (p99(0), p99(WITH), p99(2));
        let without = f64::midpoint(first, second);
        let spread = (first - second).abs() / without * 100.0;
        let change = (with / without - 1.0) * 100.0;
        let beyond = (change - spread).max(0.0);
        for (kind, name) in ["without", "with", "without again"].into_iter().enumerate() {
            let windows = latency.iter().skip(kind).step_by(KINDS);
            let each: Vec<_> =
                windows.map(|window| format!("{:.2}", window.value_at_quantile(0.99) as f64 / 1e6)).collect();
            report.say(&format!("p99 in ms by window, {name}: {}", each.join(" ")));
        }
        for (name, value) in [
            ("p99_without_ms", without),
            ("p99_with_ms", with),
            ("control_spread_percent", spread),
            ("change_percent", change),
            ("change_beyond_spread_percent", beyond),
        ] {
            report.value(name, value);
        }
        report.at_most("control_spread_percent", spread, self.max_spread_percent);
        report.at_most("change_beyond_spread_percent", beyond, self.max_change_percent);
        report.figure(format!(
            "slow-reader: p99 of {} others {without:.2} ms without, {with:.2} ms with it: {change:+.1} %, \
             spread of the control {spread:.1} %",
            self.readers
        ));
    }
}

/// What happened to the slow reader that was thrown out.
struct CameBack {
    code: u16,
    outcome: String,
    /// What it got on its two connections, one behind the other.
    audits: [Audit; 2],
}

impl CameBack {
    fn judge(&self, head: u64, report: &mut Report) {
        let [before, after] = &self.audits;
        let lost = before.lost(before.last()) + after.lost(head);
        let wrong = before.duplicated + before.reordered + after.duplicated + after.reordered;
        let gaps = before.gaps + after.gaps;
        let Self { code, outcome, .. } = self;
        report.say(&format!(
            "slow reader: {} messages, closed with {code}, resumed as {outcome}, {} messages; {lost} lost, \
             {wrong} duplicated or reordered, {gaps} told as gaps",
            before.received, after.received
        ));
        report.value("slow_reader_close_code", *code);
        report.value("slow_reader_lost", lost);
        if lost + wrong + gaps > 0 || outcome != "continued" {
            report.fail("the slow reader did not get everything once and in order".into());
        }
        // Where the socket is full the code may not get through; another code is wrong.
        if !matches!(code, 0 | 4001) {
            report.fail(format!("the slow reader was closed with {code}, not 4001"));
        }
    }
}

type Opening = std::thread::JoinHandle<Result<Stalled, LoadError>>;

fn join(opening: Opening) -> Result<Stalled, LoadError> {
    opening.join().map_err(|_| LoadError::Start("the slow reader panicked".into()))?
}

/// The handles of a run.
struct Bench<'a> {
    args: &'a SlowReaderArgs,
    run: &'a Run<'a>,
    crowd: &'a Crowd,
    publisher: &'a mut Publisher,
    stamps: Stamps,
    /// The last offset.
    head: u64,
    /// How many messages this run has published.
    published: u64,
}

impl Bench<'_> {
    /// Publishes at the rate for the length of a window.
    fn window(&mut self, window: usize) -> Result<(), LoadError> {
        let (schedule, begin) = (Schedule::new(self.args.rate), self.crowd.start.elapsed());
        for number in 0..schedule.count(Duration::from_secs(self.args.window_s)) {
            let due = begin + schedule.due(number);
            std::thread::sleep(due.saturating_sub(self.crowd.start.elapsed()));
            let data = self.stamps.data(due.as_nanos() as u64, window);
            self.head = self.publisher.publish(self.args.channel.as_str(), &data)?;
            self.published += 1;
        }
        Ok(())
    }

    /// Opens a slow reader beside the publishing, which must not wait for it.
    fn open_slow(&self) -> Opening {
        let (dial, channel) = (self.dial(), self.args.channel.clone());
        let token = self.run.tokens.token("slow");
        std::thread::spawn(move || Stalled::open(&dial, token?, &channel, None))
    }

    /// Publishes past a reader that does not read until the hub must have ended it; then it comes back.
    fn throw_out_and_resume(&mut self) -> Result<CameBack, LoadError> {
        let mut slow = join(self.open_slow())?;
        let data = self.stamps.data(0, OUTSIDE);
        let (mut bytes, until) = (0, Instant::now() + Duration::from_secs(120));
        while bytes < self.args.stall_bytes {
            // The others keep up: each has what was published before a little while ago.
            let received = self.crowd.messages() / self.args.readers.max(1) as u64;
            if self.published.saturating_sub(received) > 500 && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(1));
                continue;
            }
            self.head = self.publisher.publish_batch(self.args.channel.as_str(), &data, 50)?;
            self.published += 50;
            bytes += 50 * data.len() as u64;
        }
        let code = slow.drain()?;
        let token = self.run.tokens.token("slow")?;
        let mut again = Stalled::open(&self.dial(), token, &self.args.channel, slow.position())?;
        again.read_to(self.head)?;
        Ok(CameBack { code, outcome: again.outcome.clone(), audits: [slow.audit, again.audit] })
    }

    fn dial(&self) -> Dial {
        Dial { target: self.run.place.public, source: socket::source(self.run.number, 199) }
    }
}
