//! Looks at everything once a second: what was published, what came, what it cost. Keeps all samples and marks of a run.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::target::Hubs;
use crate::LoadError;
use crate::crew::Crew;
use crate::feed::Published;
use crate::live::{Live, Second};
use crate::outcome::{Mark, Sample};
use crate::process::{Cpu, machine_idle_s, pss_bytes};
use crate::schedule::Steps;

/// How long a round waits.
const ROUND: Duration = Duration::from_millis(20);
const SECOND: Duration = Duration::from_secs(1);

/// What is published at the moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Going<'a> {
    pub(super) published: &'a Published,
    pub(super) steps: &'a Steps,
    pub(super) begin: Instant,
}

/// Keeps what it saw, and shows it.
#[derive(Debug)]
pub(super) struct Recorder {
    zero: Instant,
    live: Option<Live>,
    last: Totals,
    pub(super) samples: Vec<Sample>,
    pub(super) marks: Vec<Mark>,
    /// Most people who were live at once.
    pub(super) most_live: u64,
    /// CPU of the hub so far, in the program and in the kernel, in seconds: kept over processes that end.
    pub(super) hub_cpu: HashMap<u32, (f64, f64)>,
}

/// Sums by a moment.
#[derive(Clone, Debug)]
struct Totals {
    at: Instant,
    sent: u64,
    acknowledged: u64,
    messages: u64,
    hub: (f64, f64),
    generator_s: f64,
    busy_ns: Vec<u64>,
    idle_s: f64,
}

impl Recorder {
    pub(super) fn new(zero: Instant, live: Live) -> Self {
        let idle_s = machine_idle_s().unwrap_or(0.0);
        let last = Totals {
            at: zero,
            sent: 0,
            acknowledged: 0,
            messages: 0,
            hub: (0.0, 0.0),
            generator_s: 0.0,
            busy_ns: Vec::new(),
            idle_s,
        };
        Self {
            zero,
            live: Some(live),
            last,
            samples: Vec::new(),
            marks: Vec::new(),
            most_live: 0,
            hub_cpu: HashMap::new(),
        }
    }

    /// Something happened now.
    pub(super) fn mark(&mut self, what: &str) {
        let mark = Mark { t_s: self.zero.elapsed().as_secs_f64(), what: what.to_owned() };
        if let Some(live) = &mut self.live {
            live.mark(&mark);
        }
        self.marks.push(mark);
    }

    /// Shows nothing more.
    pub(super) fn end(&mut self) {
        if let Some(live) = self.live.take() {
            live.end();
        }
    }

    /// Takes in what there is, and a sample when a second is over.
    pub(super) fn round(&mut self, crew: &mut Crew, hubs: &Hubs, going: Option<Going<'_>>) -> Result<(), LoadError> {
        std::thread::sleep(ROUND);
        crew.hear()?;
        if self.last.at.elapsed() >= SECOND {
            self.sample(crew, hubs, going);
        }
        Ok(())
    }

    /// CPU of the hub so far, in the program and in the kernel, in seconds; none where its process is not known.
    pub(super) fn hub_cpu_s(&mut self, hubs: &Hubs) -> Option<(f64, f64)> {
        for pid in hubs.pids() {
            if let Ok(cpu) = Cpu::of(pid) {
                self.hub_cpu.insert(pid, cpu.so_far_s());
            }
        }
        let add = |sum: (f64, f64), one: &(f64, f64)| (sum.0 + one.0, sum.1 + one.1);
        (!self.hub_cpu.is_empty()).then(|| self.hub_cpu.values().fold((0.0, 0.0), add))
    }

    fn sample(&mut self, crew: &mut Crew, hubs: &Hubs, going: Option<Going<'_>>) {
        let (now, tick) = (Instant::now(), crew.tick());
        let load = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
        let (sent, accepted) = going.map_or((0, 0), |g| (load(&g.published.sent), load(&g.published.accepted)));
        let hub = self.hub_cpu_s(hubs);
        let generators = crew.pids().into_iter().chain([std::process::id()]);
        let generator_s = generators.filter_map(|pid| Cpu::of(pid).ok()).map(|cpu| cpu.so_far_s().0 + cpu.so_far_s().1);
        let totals = Totals {
            at: now,
            sent: sent + tick.published,
            acknowledged: accepted + tick.acknowledged,
            messages: tick.messages,
            hub: hub.unwrap_or_default(),
            generator_s: generator_s.sum(),
            busy_ns: crew.busy_ns(),
            idle_s: machine_idle_s().unwrap_or(0.0),
        };
        let before = std::mem::replace(&mut self.last, totals);
        let (seconds, totals) = ((now - before.at).as_secs_f64(), &self.last);
        // A feed begins to count anew.
        let rate = |now: u64, before: u64| now.saturating_sub(if now < before { 0 } else { before }) as f64 / seconds;
        let share = |now: f64, before: f64| ((now - before) / seconds).max(0.0);
        let busiest = totals.busy_ns.iter().zip(before.busy_ns.iter().chain(std::iter::repeat(&0)));
        let busiest = busiest.map(|(now, before)| share(*now as f64 / 1e9, *before as f64 / 1e9)).fold(0.0, f64::max);
        let lately = crew.take_lately();
        let cores = std::thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64);
        let pss: Option<u64> = hubs.pids().into_iter().map(|pid| pss_bytes(pid).ok()).sum();
        self.most_live = self.most_live.max(tick.live);
        let sample = Sample {
            t_s: (now - self.zero).as_secs_f64(),
            connections: tick.live,
            offered_per_s: going.map_or(0.0, |g| g.steps.rate_at(now.saturating_duration_since(g.begin))),
            published_per_s: rate(totals.sent, before.sent),
            acknowledged_per_s: rate(totals.acknowledged, before.acknowledged),
            deliveries_per_s: rate(totals.messages, before.messages),
            p50_ms: quantile(&lately, 0.5),
            p99_ms: quantile(&lately, 0.99),
            p999_ms: quantile(&lately, 0.999),
            max_ms: quantile(&lately, 1.0),
            hub_user_cores: hub.map(|hub| share(hub.0, before.hub.0)),
            hub_system_cores: hub.map(|hub| share(hub.1, before.hub.1)),
            hub_pss_bytes: pss.filter(|bytes| *bytes > 0),
            generator_cores: share(totals.generator_s, before.generator_s),
            generator_busiest: busiest.min(1.0),
            machine_idle: (share(totals.idle_s, before.idle_s) / cores).min(1.0),
        };
        let second = Second { sample, lost: tick.lost, duplicated: tick.duplicated };
        if let Some(live) = &mut self.live {
            live.second(&second);
        }
        self.samples.push(second.sample);
    }
}

fn quantile(latency: &Histogram<u64>, quantile: f64) -> Option<f64> {
    (!latency.is_empty()).then(|| latency.value_at_quantile(quantile) as f64 / 1e6)
}
