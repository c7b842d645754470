//! The page of several runs beside each other.

use std::fmt::Write;

use super::lines::{end_s, over_time, percentiles, values};
use super::page::page;
use super::plot::Plot;
use super::plots::quantiles_of;
use super::scale::Scale;
use super::tables::headline;
use super::text::Text;
use crate::compare::{Change, Compared, Row, file_name, rows, warnings};
use crate::outcome::Sample;
use crate::quantity::{MISSING, Unit};

/// The page of several runs; the first is the one that the others are compared with.
pub fn comparison(runs: &[Compared]) -> String {
    let scenario = runs.first().map_or("", |first| &first.run.scenario);
    page(&format!("{scenario}, {} runs compared", runs.len()), |out| {
        // Writing into a string can not fail.
        let _ = write!(out, "<header><h1>{}, compared</h1></header>", Text(scenario));
        write_runs(out, runs);
        out.push_str("<section class=\"plots\">\n");
        let quantiles = runs.iter().map(|compared| percentiles(&compared.run, name(compared))).collect();
        quantiles_of("Latency by percentile", quantiles).write(out);
        over(runs, "p99 over time", Unit::Milliseconds, |sample| sample.p99_ms).write(out);
        over(runs, "Deliveries", Unit::PerSecond, |sample| Some(sample.deliveries_per_s)).write(out);
        let hub = |sample: &Sample| Some(sample.hub_user_cores? + sample.hub_system_cores?);
        over(runs, "Processor of the server", Unit::Cores, hub).write(out);
        out.push_str("</section>\n");
        write_table(out, runs);
    })
}

fn write_runs(out: &mut String, runs: &[Compared]) {
    out.push_str("<section class=\"card\"><ul class=\"runs\">");
    for compared in runs {
        let (class, sign, verdict) = headline(&compared.run);
        let path = compared.path.to_string_lossy();
        let _ = write!(out, "<li><strong>{}</strong> <code>{}</code> against ", compared.letter, Text(&path));
        let _ =
            write!(out, "{} · <span class=\"{class}\">{sign} {verdict}</span></li>", Text(&compared.run.target.name));
    }
    out.push_str("</ul></section>");
    let warnings = warnings(runs);
    if !warnings.is_empty() {
        out.push_str("<section class=\"verdict invalid\"><h2><span class=\"sign\" aria-hidden=\"true\">!</span>");
        out.push_str("Read with care</h2><ul>");
        for warning in &warnings {
            let _ = write!(out, "<li>{}</li>", Text(warning));
        }
        out.push_str("</ul></section>\n");
    }
}

fn over<'a>(runs: &[Compared], title: &'a str, unit: Unit, figure: impl Fn(&Sample) -> Option<f64> + Copy) -> Plot<'a> {
    let lines: Vec<_> = runs.iter().map(|compared| over_time(&compared.run, name(compared), figure)).collect();
    let y = match unit {
        Unit::Milliseconds => Scale::log(values(&lines)),
        _ => Scale::linear(values(&lines), unit),
    };
    let end = runs.iter().map(|compared| end_s(&compared.run)).fold(0.0, f64::max);
    let note = if unit == Unit::Milliseconds { "Each second by itself. Log scale." } else { "Each second by itself." };
    Plot { title, note, unit, x: Scale::time(end), y, lines, marks: &[], wide: false }
}

fn write_table(out: &mut String, runs: &[Compared]) {
    out.push_str(
        "<section class=\"card\"><h2>Figures</h2><div class=\"scroll\"><table><thead><tr><th>Figure</th><th>A</th>",
    );
    for Compared { letter, .. } in runs.iter().skip(1) {
        let difference = if with_differences(runs) { format!("<th>{letter} − A</th>") } else { String::new() };
        let _ = write!(out, "<th>{letter}</th>{difference}<th>{letter} / A</th>");
    }
    out.push_str("</tr></thead><tbody>");
    for row in rows(runs) {
        let _ = write!(out, "<tr><th scope=\"row\"><code>{}</code></th><td>{}</td>", Text(&row.name), row.shown(0));
        for of in 1..runs.len() {
            write_change(out, &row, of, with_differences(runs));
        }
        out.push_str("</tr>");
    }
    out.push_str("</tbody></table></div></section>\n");
}

/// Many runs have room for their ratios alone.
fn with_differences(runs: &[Compared]) -> bool {
    runs.len() <= 3
}

fn write_change(out: &mut String, row: &Row, of: usize, with_difference: bool) {
    let _ = write!(out, "<td>{}</td>", row.shown(of));
    let change = row.change(of);
    if with_difference {
        let difference = change.map_or_else(|| MISSING.to_owned(), |change| row.shown_difference(change));
        let _ = write!(out, "<td>{difference}</td>");
    }
    let class = match change.and_then(|change| change.better) {
        Some(true) => " class=\"better\"",
        Some(false) => " class=\"worse\"",
        None => "",
    };
    let ratio = change.map_or_else(|| MISSING.to_owned(), Change::shown_ratio);
    let _ = write!(out, "<td{class}>{ratio}</td>");
}

/// The letter of a run and what it is called.
fn name(compared: &Compared) -> String {
    format!("{} {}", compared.letter, file_name(&compared.path))
}
