//! What is made of a course: figures, thresholds, whether the generator was the limit, and the report.

use hdrhistogram::Histogram;

use super::course::Measured;
use super::stage::Stage;
use crate::outcome::{Cost, Counts, FORMAT, Latency, Machine, Outcome, Sample, Threshold};
use crate::people::histogram;
use crate::plan::Scenario;

/// How late this program may publish while the machine has time left, in milliseconds: later than that it measures itself.
const OWN_LATENESS_MS: f64 = 20.0;
/// A thread that is busier than this has no time left.
const BUSY: f64 = 0.97;
/// What the kernel and a quiet machine use beside hub and generator, in cores.
const OTHERS_CORES: f64 = 0.3;
/// A machine that has more than this left is not the limit.
const IDLE: f64 = 0.10;

/// The report of one course.
pub(super) fn outcome(scenario: &Scenario, source: String, stage: &mut Stage, measured: Measured) -> Outcome {
    let samples = stage.recorder.samples[measured.samples.clone()].to_vec();
    let invalid_because = invalid(&samples, &measured);
    let others = others_cores(&samples, machine().cores);
    if let Some(cores) = others.filter(|cores| *cores > OTHERS_CORES) {
        stage
            .recorder
            .mark(&format!("neither hub nor generator: {cores:.1} cores in the mean were used by something else"));
    }
    let account = &measured.account;
    let away = histogram(&account.away);
    let each = |seconds: f64| (measured.deliveries > 0).then(|| seconds * 1e6 / measured.deliveries as f64);
    let mut outcome = Outcome {
        format: FORMAT,
        scenario: scenario.name.clone(),
        source,
        seed: scenario.seed,
        target: stage.hubs.target.clone(),
        began_unix_ms: stage.began_unix_ms,
        seconds: stage.zero.elapsed().as_secs_f64(),
        machine: machine(),
        samples: stage.recorder.samples.clone(),
        marks: stage.recorder.marks.clone(),
        latency: latency(&histogram(&account.latency)),
        counts: Counts {
            connections: stage.recorder.most_live.max(stage.crew.tick().live),
            published: measured.published,
            acknowledged: measured.acknowledged,
            refused: measured.refused,
            deliveries: account.received,
            lost: account.lost,
            duplicated: account.duplicated,
            reordered: account.reordered,
            gaps: account.gaps,
            conflated: account.conflated,
        },
        cost: Cost {
            bytes_per_connection: stage.bytes_per_connection,
            user_us_per_delivery: measured.hub_cpu_s.and_then(|cpu| each(cpu.0)),
            system_us_per_delivery: measured.hub_cpu_s.and_then(|cpu| each(cpu.1)),
            us_per_open: stage.us_per_open,
        },
        thresholds: Vec::new(),
        invalid_because,
        knee: None,
    };
    outcome.thresholds = thresholds(scenario, |name| match name {
        "deliveries_per_s" => Some(measured.deliveries as f64 / measured.seconds.max(1e-9)),
        "returns" => Some(stage.crew.tick().returns as f64),
        "back_p99_ms" => Some(away.value_at_quantile(0.99) as f64 / 1e6),
        "back_max_ms" => Some(away.max() as f64 / 1e6),
        name => figure(&outcome, name),
    });
    outcome
}

/// A figure that the report holds.
fn figure(outcome: &Outcome, name: &str) -> Option<f64> {
    let Outcome { latency, counts, cost, .. } = outcome;
    let timed = |ms: f64| (latency.count > 0).then_some(ms);
    match name {
        "p50_ms" => timed(latency.p50_ms),
        "p90_ms" => timed(latency.p90_ms),
        "p99_ms" => timed(latency.p99_ms),
        "p999_ms" => timed(latency.p999_ms),
        "max_ms" => timed(latency.max_ms),
        "connections" => Some(counts.connections as f64),
        "published" => Some(counts.published as f64),
        "acknowledged" => Some(counts.acknowledged as f64),
        "refused" => Some(counts.refused as f64),
        "deliveries" => Some(counts.deliveries as f64),
        "lost" => Some(counts.lost as f64),
        "duplicated" => Some(counts.duplicated as f64),
        "reordered" => Some(counts.reordered as f64),
        "gaps" => Some(counts.gaps as f64),
        "conflated" => Some(counts.conflated as f64),
        "bytes_per_connection" => cost.bytes_per_connection,
        "user_us_per_delivery" => cost.user_us_per_delivery,
        "system_us_per_delivery" => cost.system_us_per_delivery,
        "us_per_open" => cost.us_per_open,
        _ => None,
    }
}

/// What could not be measured is not met.
fn thresholds(scenario: &Scenario, figure: impl Fn(&str) -> Option<f64>) -> Vec<Threshold> {
    let judge = |(name, limit): (&String, &crate::plan::scenario::Limit)| {
        let value = figure(name).filter(|value| value.is_finite());
        let met = value.is_some_and(|value| {
            limit.at_most.is_none_or(|most| value <= most) && limit.at_least.is_none_or(|least| value >= least)
        });
        Threshold { name: name.clone(), at_most: limit.at_most, at_least: limit.at_least, value, met }
    };
    scenario.thresholds.iter().map(judge).collect()
}

/// Why the figures say more of this program than of the hub.
fn invalid(samples: &[Sample], measured: &Measured) -> Vec<String> {
    let mut why = Vec::new();
    let count = samples.len().max(1) as f64;
    let limited = samples.iter().filter(|s| s.generator_busiest > BUSY && s.machine_idle > IDLE).count();
    // A second may be an accident; a tenth of the time is not.
    if limited as f64 > (count * 0.1).max(1.0) {
        why.push(format!("the generator was the limit: in {limited} of {count} s a thread of it was always busy"));
    }
    let idle = samples.iter().map(|s| s.machine_idle).sum::<f64>() / count;
    let late_ms = measured.lateness.value_at_quantile(0.99) as f64 / 1e6;
    if late_ms > OWN_LATENESS_MS && idle > IDLE {
        why.push(format!("the generator was late: it published {late_ms:.1} ms after the schedule (p99)"));
    }
    why
}

/// What neither hub nor generator used, in cores: other programs, and what stands behind a fleet. None where the hub's processes
/// are not known.
fn others_cores(samples: &[Sample], cores: u32) -> Option<f64> {
    let each = samples.iter().map(|s| {
        let hub = s.hub_user_cores? + s.hub_system_cores?;
        Some(f64::from(cores) * (1.0 - s.machine_idle) - hub - s.generator_cores)
    });
    let each: Vec<f64> = each.collect::<Option<_>>()?;
    (!each.is_empty()).then(|| each.iter().sum::<f64>() / each.len() as f64)
}

fn latency(all: &Histogram<u64>) -> Latency {
    let ms = |quantile| if all.is_empty() { 0.0 } else { all.value_at_quantile(quantile) as f64 / 1e6 };
    let quantiles = (0..100).map(|percent| f64::from(percent) / 100.0);
    let tail = (2..=5).flat_map(|digits| {
        let step = 10f64.powi(-digits);
        (1..=9).rev().map(move |nines| 1.0 - f64::from(nines) * step)
    });
    let percentiles = quantiles.chain(tail).filter(|quantile| *quantile > 0.0);
    let mut percentiles: Vec<_> = percentiles.chain([1.0]).map(|quantile| (quantile, ms(quantile))).collect();
    percentiles.sort_by(|one, other| one.0.total_cmp(&other.0));
    percentiles.dedup_by(|one, other| (one.0 - other.0).abs() < 1e-9);
    if all.is_empty() {
        percentiles.clear();
    }
    Latency {
        count: all.len(),
        p50_ms: ms(0.5),
        p90_ms: ms(0.9),
        p99_ms: ms(0.99),
        p999_ms: ms(0.999),
        max_ms: ms(1.0),
        percentiles,
    }
}

fn machine() -> Machine {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.trim_start_matches([' ', '\t', ':']).trim().to_owned()
    };
    let memory = field(&read("/proc/meminfo"), "MemTotal").trim_end_matches("kB").trim().parse::<u64>();
    Machine {
        cores: std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32),
        memory_bytes: memory.map_or(0, |kib| kib * 1_024),
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        processor: field(&read("/proc/cpuinfo"), "model name"),
    }
}

/// The report as lines for a person.
pub(super) fn lines(outcome: &Outcome) -> Vec<String> {
    let Outcome { counts, latency, cost, .. } = outcome;
    let mut lines = vec![
        format!(
            "{}: {} connections; {} published, {} acknowledged, {} refused; {} deliveries: {} lost, {} duplicated, \
             {} reordered, {} told as gaps, {} conflated",
            outcome.scenario,
            counts.connections,
            counts.published,
            counts.acknowledged,
            counts.refused,
            counts.deliveries,
            counts.lost,
            counts.duplicated,
            counts.reordered,
            counts.gaps,
            counts.conflated
        ),
        format!(
            "latency of {} deliveries: p50 {:.2} ms, p90 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms, longest {:.2} ms",
            latency.count, latency.p50_ms, latency.p90_ms, latency.p99_ms, latency.p999_ms, latency.max_ms
        ),
    ];
    let known = |value: Option<f64>| value.map_or_else(|| "?".to_owned(), |value| format!("{value:.2}"));
    lines.push(format!(
        "cost: {} bytes each, {} µs to open, {} µs user and {} µs system for each delivery",
        known(cost.bytes_per_connection),
        known(cost.us_per_open),
        known(cost.user_us_per_delivery),
        known(cost.system_us_per_delivery)
    ));
    let busiest = outcome.samples.iter().map(|s| s.generator_busiest).fold(0.0, f64::max);
    let idle = outcome.samples.iter().map(|s| s.machine_idle).fold(1.0, f64::min);
    lines.push(format!(
        "generator: busiest thread at most {:.0} %, machine idle at least {:.0} %",
        busiest * 100.0,
        idle * 100.0
    ));
    if let Some(knee) = &outcome.knee {
        lines.push(format!("knee: {:.0} messages/s hold; above, {} broke", knee.rate_per_s, knee.broke));
    }
    lines.extend(outcome.invalid_because.iter().map(|why| format!("INVALID: {why}")));
    for threshold in outcome.thresholds.iter().filter(|threshold| !threshold.met) {
        let limit = threshold.at_most.map(|most| format!("above {most}"));
        let limit = limit.or(threshold.at_least.map(|least| format!("below {least}"))).unwrap_or_default();
        lines.push(format!("MISSED: {} is {}, {limit}", threshold.name, known(threshold.value)));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_rise_and_end_with_the_longest() {
        let mut all = crate::worker::empty_latency();
        (1..=10_000).for_each(|value| all.saturating_record(value * 10_000));
        let latency = latency(&all);
        assert!(latency.percentiles.is_sorted_by(|one, other| one.0 < other.0 && one.1 <= other.1));
        assert_eq!(latency.percentiles.last().map(|last| last.1), Some(latency.max_ms));
        assert!((49.0..52.0).contains(&latency.p50_ms) && latency.count == 10_000);
    }

    #[test]
    fn what_others_use_is_what_is_left_over() {
        let sample = Sample {
            hub_user_cores: Some(0.5),
            hub_system_cores: Some(0.25),
            generator_cores: 0.25,
            machine_idle: 0.25,
            ..Sample::default()
        };
        assert_eq!(others_cores(&[sample.clone(), sample.clone()], 2), Some(0.5));
        assert_eq!(others_cores(&[Sample { hub_user_cores: None, ..sample }], 2), None);
        assert_eq!(others_cores(&[], 2), None);
    }

    #[test]
    fn what_was_not_measured_is_not_met() {
        let text = "name = \"x\"\n[people]\ncount = 3\n[[channels]]\ntemplate = \"live:x\"\n[thresholds]\n\
                    p99_ms = { at_most = 10 }\nlost = { at_most = 0 }\nconflated = { at_least = 1 }\n";
        let scenario = Scenario::parse(text, &[]).expect("right");
        let met = |p99: Option<f64>| {
            let values = thresholds(&scenario, |name| if name == "p99_ms" { p99 } else { Some(0.0) });
            values.iter().map(|threshold| (threshold.name.clone(), threshold.met)).collect::<Vec<_>>()
        };
        let row = |p99| vec![("conflated".to_owned(), false), ("lost".to_owned(), true), ("p99_ms".to_owned(), p99)];
        assert_eq!((met(Some(10.0)), met(Some(10.1)), met(None)), (row(true), row(false), row(false)));
    }
}
