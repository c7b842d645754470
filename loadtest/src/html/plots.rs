//! Which plots a run has.

use super::lines::{end_s, over_time, percentiles, values};
use super::plot::{Line, Plot};
use super::scale::Scale;
use crate::outcome::{Outcome, Sample};
use crate::quantity::Unit;

/// All plots of a run, in reading order.
pub(super) fn all(out: &mut String, run: &Outcome) {
    out.push_str("<section class=\"plots\">\n");
    for plot in
        [latency(run), by_quantile(run), deliveries(run), messages(run), connections(run), cpu(run), memory(run)]
    {
        plot.write(out);
    }
    out.push_str("</section>\n");
}

/// The latencies of several runs by quantile, over each other.
pub(super) fn quantiles_of(title: &'static str, lines: Vec<Line>) -> Plot<'static> {
    let quantiles = lines.iter().flat_map(|line| &line.points).map(|point| point.x);
    Plot {
        title,
        note: "How many of the deliveries were faster; each further nine takes the same room. Log scale upwards.",
        unit: Unit::Milliseconds,
        x: Scale::nines(quantiles),
        y: Scale::log(values(&lines)),
        lines,
        marks: &[],
        wide: false,
    }
}

fn latency(run: &Outcome) -> Plot<'_> {
    let lines = vec![
        over_time(run, "p50", |sample| sample.p50_ms),
        over_time(run, "p99", |sample| sample.p99_ms),
        over_time(run, "p99.9", |sample| sample.p999_ms),
    ];
    Plot {
        title: "Latency over time",
        note: "From when a message was due to its delivery, each second by itself. Log scale.",
        unit: Unit::Milliseconds,
        x: Scale::time(end_s(run)),
        y: Scale::log(values(&lines)),
        lines,
        marks: &run.marks,
        wide: true,
    }
}

fn by_quantile(run: &Outcome) -> Plot<'_> {
    quantiles_of("Latency by percentile", vec![percentiles(run, "latency")])
}

fn deliveries(run: &Outcome) -> Plot<'_> {
    let lines = vec![over_time(run, "deliveries", |sample| Some(sample.deliveries_per_s))];
    rates(run, "Deliveries", "Messages received by all subscribers together, per second.", Unit::PerSecond, lines)
}

fn messages(run: &Outcome) -> Plot<'_> {
    let lines = vec![
        over_time(run, "offered", |sample| Some(sample.offered_per_s)),
        over_time(run, "published", |sample| Some(sample.published_per_s)),
        over_time(run, "acknowledged", |sample| Some(sample.acknowledged_per_s)),
    ];
    rates(
        run,
        "Messages offered",
        "What the schedule asked for, what was sent and what was accepted, per second.",
        Unit::PerSecond,
        lines,
    )
}

fn connections(run: &Outcome) -> Plot<'_> {
    let lines = vec![over_time(run, "connections", |sample| Some(sample.connections as f64))];
    rates(run, "Connections", "Open at the end of each second.", Unit::Count, lines)
}

fn cpu(run: &Outcome) -> Plot<'_> {
    let cores = f64::from(run.machine.cores);
    let idle = move |sample: &Sample| Some(sample.machine_idle * cores).filter(|_| cores > 0.0);
    let lines = vec![
        over_time(run, "hub, user", |sample| sample.hub_user_cores),
        over_time(run, "hub, system", |sample| sample.hub_system_cores),
        over_time(run, "generator", |sample| Some(sample.generator_cores)),
        over_time(run, "machine idle", idle),
    ];
    rates(run, "Processor", "Cores kept busy; what is idle is room that nobody used.", Unit::Cores, lines)
}

fn memory(run: &Outcome) -> Plot<'_> {
    let lines = vec![over_time(run, "hub", |sample| sample.hub_pss_bytes.map(|bytes| bytes as f64))];
    rates(run, "Memory", "Of the hub, with its share of what it shares (PSS).", Unit::Bytes, lines)
}

fn rates<'a>(run: &'a Outcome, title: &'a str, note: &'a str, unit: Unit, lines: Vec<Line>) -> Plot<'a> {
    let y = Scale::linear(values(&lines), unit);
    Plot { title, note, unit, x: Scale::time(end_s(run)), y, lines, marks: &run.marks, wide: false }
}
