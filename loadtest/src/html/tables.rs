//! The words and tables of a run's page: what was run, how it ended, counts, costs and the scenario's source.

use std::fmt::Write;

use super::text::{Text, name};
use super::when::utc;
use crate::outcome::{Mark, Outcome, TargetKind, Threshold, Verdict};
use crate::quantity::{MISSING, Unit};

/// What was run, on which machine, when.
pub(super) fn head(out: &mut String, run: &Outcome) {
    let machine = &run.machine;
    let kind = match run.target.kind {
        TargetKind::Hubbub => "",
        TargetKind::Websocket => " (WebSocket, by templates)",
        TargetKind::Other => " (other)",
    };
    // Writing into a string can not fail.
    let _ = write!(out, "<header><h1>{}</h1>", Text(&run.scenario));
    let _ = write!(
        out,
        "<p>against <strong>{}</strong>{kind} <code>{}</code></p>",
        Text(&run.target.name),
        Text(&run.target.url)
    );
    let memory = Unit::Bytes.show(machine.memory_bytes as f64);
    let cores = if machine.cores == 1 { "core" } else { "cores" };
    let _ = write!(
        out,
        "<p class=\"quiet\">{} on {} · {} {cores}, ",
        utc(run.began_unix_ms),
        or_unknown(&machine.processor),
        machine.cores
    );
    let _ = writeln!(
        out,
        "{memory} · {} · took {} · seed {}</p></header>",
        or_unknown(&machine.kernel),
        Unit::Seconds.show(run.seconds),
        run.seed
    );
}

/// How the run ended, and what was demanded of it.
pub(super) fn verdict(out: &mut String, run: &Outcome) {
    let (class, sign, headline) = headline(run);
    let _ = write!(
        out,
        "<section class=\"verdict {class}\"><h2><span class=\"sign\" aria-hidden=\"true\">{sign}</span>{headline}</h2>"
    );
    if !run.invalid_because.is_empty() {
        out.push_str("<ul>");
        for reason in &run.invalid_because {
            let _ = write!(out, "<li>{}</li>", Text(reason));
        }
        out.push_str("</ul>");
    }
    if let Some(knee) = &run.knee {
        let rate = Unit::PerSecond.show(knee.rate_per_s);
        let _ = write!(
            out,
            "<p>The highest rate that held was <strong>{rate}</strong>; above it <code>{}</code> broke.</p>",
            Text(&knee.broke)
        );
    }
    if !run.thresholds.is_empty() {
        out.push_str(
            "<table><thead><tr><th>Threshold</th><th>Demanded</th><th>Measured</th><th>Result</th></tr></thead><tbody>",
        );
        for threshold in &run.thresholds {
            write_threshold(out, threshold);
        }
        out.push_str("</tbody></table>");
    }
    out.push_str("</section>\n");
}

/// The class, the sign and the words of a verdict.
pub(super) fn headline(run: &Outcome) -> (&'static str, &'static str, String) {
    let all = run.thresholds.len();
    let missed = run.thresholds.iter().filter(|threshold| !threshold.met).count();
    match run.verdict() {
        Verdict::Met if all == 0 => ("met", "✓", "Valid; the scenario sets no thresholds".to_owned()),
        Verdict::Met if all == 1 => ("met", "✓", "Met: the threshold of the scenario".to_owned()),
        Verdict::Met => ("met", "✓", format!("Met: all {all} thresholds of the scenario")),
        Verdict::Missed => ("missed", "✗", format!("Missed: {missed} of {all} thresholds")),
        Verdict::Invalid => ("invalid", "!", "Invalid: these figures must not be used".to_owned()),
    }
}

fn write_threshold(out: &mut String, threshold: &Threshold) {
    let unit = Unit::of(&threshold.name);
    let least = threshold.at_least.map(|limit| format!("≥ {}", unit.show(limit)));
    let most = threshold.at_most.map(|limit| format!("≤ {}", unit.show(limit)));
    let demanded = [least, most].into_iter().flatten().collect::<Vec<_>>().join(" and ");
    let value = threshold.value.map_or(MISSING.to_owned(), |value| unit.show(value));
    let (class, result) = if threshold.met { ("met", "✓ met") } else { ("missed", "✗ missed") };
    let _ = write!(out, "<tr class=\"{class}\"><th scope=\"row\"><code>{}</code></th>", name(&threshold.name));
    let _ = write!(out, "<td>{demanded}</td><td>{value}</td><td class=\"result\">{result}</td></tr>");
}

/// What most readers look for, large.
pub(super) fn figures(out: &mut String, run: &Outcome) {
    let latency = |ms: f64| if run.latency.count == 0 { MISSING.to_owned() } else { Unit::Milliseconds.show(ms) };
    let cost = |unit: Unit, value: Option<f64>| value.map_or(MISSING.to_owned(), |value| unit.show(value));
    let wrong = run.counts.lost + run.counts.duplicated + run.counts.reordered;
    let fastest =
        run.samples.iter().map(|sample| sample.deliveries_per_s).filter(|rate| rate.is_finite()).reduce(f64::max);
    out.push_str("<dl class=\"figures\">");
    for (name, value) in [
        ("p50", latency(run.latency.p50_ms)),
        ("p99", latency(run.latency.p99_ms)),
        ("p99.9", latency(run.latency.p999_ms)),
        ("deliveries, busiest second", cost(Unit::PerSecond, fastest)),
        ("connections", Unit::Count.show(run.counts.connections as f64)),
        ("lost, duplicated or reordered", Unit::Count.show(wrong as f64)),
        ("memory per connection", cost(Unit::Bytes, run.cost.bytes_per_connection)),
        ("user CPU per delivery", cost(Unit::Microseconds, run.cost.user_us_per_delivery)),
    ] {
        let _ = write!(out, "<div><dt>{name}</dt><dd>{value}</dd></div>");
    }
    out.push_str("</dl>\n");
}

/// The faults and phases under the numbers that the plots give them.
pub(super) fn marks(out: &mut String, run: &Outcome) {
    let timed: Vec<&Mark> = run.marks.iter().filter(|mark| mark.t_s.is_finite()).collect();
    if timed.is_empty() {
        return;
    }
    out.push_str("<section class=\"card\"><h2>Faults and phases</h2><ol class=\"marks-list\">");
    for mark in timed {
        let _ = write!(
            out,
            "<li><span>{}</span> <span class=\"quiet\">at {}</span></li>",
            Text(&mark.what),
            Unit::Seconds.show(mark.t_s)
        );
    }
    out.push_str("</ol></section>\n");
}

/// Exact counts, latencies and costs.
pub(super) fn numbers(out: &mut String, run: &Outcome) {
    let (counts, latency, cost) = (&run.counts, &run.latency, &run.cost);
    out.push_str("<section class=\"tables\">");
    let count = |name, value: u64| (name, Some(value as f64), Unit::Count);
    write_table(
        out,
        "Counts",
        &[
            count("connections", counts.connections),
            count("published", counts.published),
            count("acknowledged", counts.acknowledged),
            count("refused", counts.refused),
            count("deliveries", counts.deliveries),
            count("lost", counts.lost),
            count("duplicated", counts.duplicated),
            count("reordered", counts.reordered),
            count("gaps declared", counts.gaps),
            count("conflated", counts.conflated),
        ],
    );
    let timed = |name, ms: f64| (name, Some(ms).filter(|_| latency.count > 0), Unit::Milliseconds);
    write_table(
        out,
        "Latency",
        &[
            count("deliveries timed", latency.count),
            timed("p50", latency.p50_ms),
            timed("p90", latency.p90_ms),
            timed("p99", latency.p99_ms),
            timed("p99.9", latency.p999_ms),
            timed("slowest", latency.max_ms),
        ],
    );
    write_table(
        out,
        "Cost to the target",
        &[
            ("memory per connection", cost.bytes_per_connection, Unit::Bytes),
            ("CPU to open a connection", cost.us_per_open, Unit::Microseconds),
            ("user CPU per delivery", cost.user_us_per_delivery, Unit::Microseconds),
            ("system CPU per delivery", cost.system_us_per_delivery, Unit::Microseconds),
        ],
    );
    out.push_str("</section>\n");
}

fn write_table(out: &mut String, title: &str, rows: &[(&str, Option<f64>, Unit)]) {
    let _ = write!(out, "<div class=\"card\"><h2>{title}</h2><table><tbody>");
    for (name, value, unit) in rows {
        let value = value.map_or(MISSING.to_owned(), |value| unit.show(value));
        let _ = write!(out, "<tr><th scope=\"row\">{name}</th><td>{value}</td></tr>");
    }
    out.push_str("</tbody></table></div>");
}

/// The scenario as it was written, folded.
pub(super) fn source(out: &mut String, run: &Outcome) {
    if !run.source.is_empty() {
        let _ = writeln!(
            out,
            "<details class=\"card\"><summary>The scenario as TOML</summary><pre>{}</pre></details>",
            Text(&run.source)
        );
    }
}

fn or_unknown(text: &str) -> Text<'_> {
    Text(if text.is_empty() { "unknown" } else { text })
}
