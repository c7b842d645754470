//! Several runs of one scenario beside each other: every figure, how far it is from that of the first run, and the same as
//! a table for a terminal. Does not judge which run is the better one, only which figure.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::html;
use crate::outcome::{Cost, Counts, Outcome, OutcomeError, Verdict};
use crate::quantity::{MISSING, Unit};
use crate::report::Report;

/// Puts the reports of several runs beside each other.
#[derive(Args, Clone, Debug)]
pub struct CompareArgs {
    /// The report that the others are compared with, as JSON.
    #[arg(value_name = "A.json")]
    first: PathBuf,
    /// The reports that are compared with it.
    #[arg(value_name = "B.json", required = true, num_args = 1..=MOST_RUNS)]
    others: Vec<PathBuf>,
    /// Also write a page.
    #[arg(long, value_name = "OUT.html")]
    html: Option<PathBuf>,
    /// Compare runs of different scenarios too.
    #[arg(long)]
    force: bool,
}

/// Runs beside the first: each needs a letter, and a table has an end.
const MOST_RUNS: usize = 25;

/// What stops a comparison.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// A report could not be read, or the page not be written.
    #[error(transparent)]
    Outcome(#[from] OutcomeError),
    /// The runs did not do the same.
    #[error(
        "{0} ran `{1}` and {2} ran `{3}`: figures of different scenarios say nothing about each other; --force compares them"
    )]
    Different(PathBuf, String, PathBuf, String),
}

/// A run with the letter under which the table names it.
#[derive(Clone, Debug)]
pub struct Compared {
    /// `A`, `B`, …
    pub letter: char,
    /// The file it was read from.
    pub path: PathBuf,
    /// The run itself.
    pub run: Outcome,
}

/// One figure of all runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The figure, with its unit at the end.
    pub name: String,
    /// Which way is better, where one is.
    pub better: Better,
    /// Of each run; none where it was not measured.
    pub values: Vec<Option<f64>>,
}

/// Which way a figure is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// Less is better.
    Lower,
    /// More is better.
    Higher,
    /// It describes the run.
    Neither,
}

/// How far a figure is from that of the first run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// Minus the first run's.
    pub difference: f64,
    /// Divided by the first run's; none where that is zero.
    pub ratio: Option<f64>,
    /// Whether it is better, or worse, by more than [`NOISE`]; none if neither.
    pub better: Option<bool>,
}

/// Ratios nearer to 1 than this are not called better or worse: two runs of the same thing differ by as much.
pub const NOISE: f64 = 0.05;

impl CompareArgs {
    /// Says the table. Invalid if one of the runs is.
    pub fn run(&self) -> Result<Verdict, CompareError> {
        let paths = std::iter::once(&self.first).chain(&self.others);
        let runs: Vec<Compared> = ('A'..='Z')
            .zip(paths)
            .map(|(letter, path)| Ok(Compared { letter, path: path.clone(), run: Outcome::read(path)? }))
            .collect::<Result<_, OutcomeError>>()?;
        if !self.force {
            same_scenario(&runs)?;
        }
        let out = Report::new("compare");
        out.say(table(&runs).trim_end());
        if let Some(to) = &self.html {
            if let Some(same) = runs.iter().find(|run| run.path == *to) {
                return Err(OutcomeError::SameFile(same.path.clone()).into());
            }
            html::write(to, &html::comparison(&runs))?;
            out.say(&format!("\nwritten: {}", to.display()));
        }
        let invalid = runs.iter().any(|compared| compared.run.verdict() == Verdict::Invalid);
        Ok(if invalid { Verdict::Invalid } else { Verdict::Met })
    }
}

/// Refuses runs that did not do the same.
pub fn same_scenario(runs: &[Compared]) -> Result<(), CompareError> {
    let Some((first, others)) = runs.split_first() else { return Ok(()) };
    match others.iter().find(|other| other.run.scenario != first.run.scenario) {
        None => Ok(()),
        Some(other) => Err(CompareError::Different(
            first.path.clone(),
            first.run.scenario.clone(),
            other.path.clone(),
            other.run.scenario.clone(),
        )),
    }
}

/// What a reader must know before believing a ratio, in sentences.
pub fn warnings(runs: &[Compared]) -> Vec<String> {
    let mut out = Vec::new();
    for Compared { letter, run, .. } in runs.iter().filter(|compared| !compared.run.invalid_because.is_empty()) {
        out.push(format!("{letter} is invalid, its figures must not be used: {}", run.invalid_because.join("; ")));
    }
    let Some((first, others)) = runs.split_first() else { return out };
    for Compared { letter, run, .. } in others {
        if run.scenario != first.run.scenario {
            out.push(format!("{letter} ran another scenario than A: {} and {}", run.scenario, first.run.scenario));
        } else if run.source != first.run.source {
            out.push(format!("{letter} ran another version of the scenario than A: their files differ"));
        }
        if run.machine != first.run.machine {
            out.push(format!("{letter} ran on another machine than A"));
        }
    }
    out
}

/// All figures that at least one run has.
pub fn rows(runs: &[Compared]) -> Vec<Row> {
    let mut rows: Vec<Row> = FIGURES
        .iter()
        .map(|(name, better, of)| Row {
            name: (*name).to_owned(),
            better: *better,
            values: runs.iter().map(|compared| of(&compared.run).filter(|value| value.is_finite())).collect(),
        })
        .collect();
    for threshold in runs.iter().flat_map(|compared| &compared.run.thresholds) {
        if rows.iter().any(|row| row.name == threshold.name) {
            continue;
        }
        let value_of = |compared: &Compared| {
            let mut same = compared.run.thresholds.iter().filter(|other| other.name == threshold.name);
            same.find_map(|other| other.value).filter(|value| value.is_finite())
        };
        let better = match (threshold.at_most, threshold.at_least) {
            (Some(_), None) => Better::Lower,
            (None, Some(_)) => Better::Higher,
            _ => Better::Neither,
        };
        rows.push(Row { name: threshold.name.clone(), better, values: runs.iter().map(value_of).collect() });
    }
    rows.retain(|row| row.values.iter().any(Option::is_some));
    rows
}

impl Row {
    /// How far the value of one run is from that of the first.
    pub fn change(&self, of: usize) -> Option<Change> {
        let first = (*self.values.first()?)?;
        let value = (*self.values.get(of)?)?;
        let ratio = (first != 0.0).then(|| value / first).filter(|ratio| ratio.is_finite());
        let matters = ratio.map_or(value != first, |ratio| (ratio - 1.0).abs() > NOISE);
        let better = match self.better {
            _ if !matters => None,
            Better::Neither => None,
            Better::Lower => Some(value < first),
            Better::Higher => Some(value > first),
        };
        Some(Change { difference: value - first, ratio, better })
    }

    /// A value with its unit.
    pub fn shown(&self, of: usize) -> String {
        self.values.get(of).copied().flatten().map_or(MISSING.to_owned(), |value| Unit::of(&self.name).show(value))
    }

    /// A difference with its sign and unit.
    pub fn shown_difference(&self, change: Change) -> String {
        let sign = if change.difference > 0.0 { "+" } else { "" };
        format!("{sign}{}", Unit::of(&self.name).show(change.difference))
    }
}

impl Change {
    /// The ratio as a person reads it, and whether that is well.
    pub fn shown_ratio(self) -> String {
        let ratio = self.ratio.map_or(MISSING.to_owned(), |ratio| match ratio {
            ratio if ratio.abs() >= 100.0 => format!("× {ratio:.0}"),
            ratio if ratio.abs() >= 0.1 || ratio == 0.0 => format!("× {ratio:.2}"),
            ratio => format!("× {ratio:.4}"),
        });
        match self.better {
            Some(true) => format!("{ratio} better"),
            Some(false) => format!("{ratio} worse"),
            None => ratio,
        }
    }
}

/// The comparison as lines for a terminal.
pub fn table(runs: &[Compared]) -> String {
    let mut out = String::new();
    for Compared { letter, path, run } in runs {
        let verdict = match run.verdict() {
            Verdict::Met => "met",
            Verdict::Missed => "missed",
            Verdict::Invalid => "INVALID",
        };
        let name = plain(&format!("{} against {}", run.scenario, run.target.name));
        // Writing into a string can not fail.
        let _ = writeln!(out, "{letter}  {}  {name}: {verdict}", plain(&path.to_string_lossy()));
    }
    for warning in warnings(runs) {
        let _ = writeln!(out, "!  {}", plain(&warning));
    }
    out.push('\n');
    aligned(&mut out, &cells(runs));
    out
}

fn cells(runs: &[Compared]) -> Vec<Vec<String>> {
    let mut head = vec!["figure".to_owned(), "A".to_owned()];
    for Compared { letter, .. } in runs.iter().skip(1) {
        head.extend([letter.to_string(), format!("{letter} − A"), format!("{letter} / A")]);
    }
    let line = |row: &Row| {
        let mut line = vec![plain(&row.name), row.shown(0)];
        for of in 1..runs.len() {
            let change = row.change(of);
            line.push(row.shown(of));
            line.push(change.map_or(MISSING.to_owned(), |change| row.shown_difference(change)));
            line.push(change.map_or(MISSING.to_owned(), Change::shown_ratio));
        }
        line
    };
    std::iter::once(head).chain(rows(runs).iter().map(line)).collect()
}

/// The first column to the left, numbers to the right.
fn aligned(out: &mut String, cells: &[Vec<String>]) {
    let columns = cells.first().map_or(0, Vec::len);
    let width = |column: usize| cells.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for line in cells {
        let mut text = String::new();
        for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
            let _ = match column {
                0 => write!(text, "{cell:<width$}"),
                _ => write!(text, "  {cell:>width$}"),
            };
        }
        let _ = writeln!(out, "{}", text.trim_end());
    }
}

/// Text of a file without what would steer a terminal.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

type Figure = (&'static str, Better, fn(&Outcome) -> Option<f64>);

/// What every run has. Names are those of the report's fields, which thresholds use as well.
const FIGURES: [Figure; 22] = [
    ("seconds", Better::Neither, |run| Some(run.seconds)),
    ("knee_rate_per_s", Better::Higher, |run| run.knee.as_ref().map(|knee| knee.rate_per_s)),
    ("p50_ms", Better::Lower, |run| timed(run, run.latency.p50_ms)),
    ("p90_ms", Better::Lower, |run| timed(run, run.latency.p90_ms)),
    ("p99_ms", Better::Lower, |run| timed(run, run.latency.p99_ms)),
    ("p999_ms", Better::Lower, |run| timed(run, run.latency.p999_ms)),
    ("max_ms", Better::Lower, |run| timed(run, run.latency.max_ms)),
    ("peak_deliveries_per_s", Better::Higher, busiest),
    ("connections", Better::Neither, |run| counted(run, |counts| counts.connections)),
    ("published", Better::Neither, |run| counted(run, |counts| counts.published)),
    ("acknowledged", Better::Neither, |run| counted(run, |counts| counts.acknowledged)),
    ("refused", Better::Lower, |run| counted(run, |counts| counts.refused)),
    ("deliveries", Better::Neither, |run| counted(run, |counts| counts.deliveries)),
    ("lost", Better::Lower, |run| counted(run, |counts| counts.lost)),
    ("duplicated", Better::Lower, |run| counted(run, |counts| counts.duplicated)),
    ("reordered", Better::Lower, |run| counted(run, |counts| counts.reordered)),
    ("gaps", Better::Lower, |run| counted(run, |counts| counts.gaps)),
    ("conflated", Better::Neither, |run| counted(run, |counts| counts.conflated)),
    ("bytes_per_connection", Better::Lower, |run| cost(run, |cost| cost.bytes_per_connection)),
    ("us_per_open", Better::Lower, |run| cost(run, |cost| cost.us_per_open)),
    ("user_us_per_delivery", Better::Lower, |run| cost(run, |cost| cost.user_us_per_delivery)),
    ("system_us_per_delivery", Better::Lower, |run| cost(run, |cost| cost.system_us_per_delivery)),
];

/// Latencies of a run that delivered nothing are not zero, they are unknown.
fn timed(run: &Outcome, ms: f64) -> Option<f64> {
    (run.latency.count > 0).then_some(ms)
}

fn counted(run: &Outcome, of: impl Fn(&Counts) -> u64) -> Option<f64> {
    Some(of(&run.counts) as f64)
}

fn cost(run: &Outcome, of: impl Fn(&Cost) -> Option<f64>) -> Option<f64> {
    of(&run.cost)
}

fn busiest(run: &Outcome) -> Option<f64> {
    run.samples.iter().map(|sample| sample.deliveries_per_s).filter(|rate| rate.is_finite()).reduce(f64::max)
}

/// The name of a file for a legend, without its folder.
pub(crate) fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{Latency, Threshold};

    fn run(p99_ms: f64, lost: u64) -> Outcome {
        Outcome {
            scenario: "broadcast".into(),
            latency: Latency { count: 10, p50_ms: 1.0, p99_ms, ..Latency::default() },
            counts: Counts { lost, ..Counts::default() },
            ..Outcome::default()
        }
    }

    fn compared(runs: Vec<Outcome>) -> Vec<Compared> {
        ('A'..).zip(runs).map(|(letter, run)| Compared { letter, path: format!("{letter}.json").into(), run }).collect()
    }

    fn row<'a>(rows: &'a [Row], name: &str) -> &'a Row {
        rows.iter().find(|row| row.name == name).expect("a row of that name")
    }

    #[test]
    fn differences_and_ratios_are_those_to_the_first_run() {
        let rows = rows(&compared(vec![run(40.0, 0), run(50.0, 3), run(20.0, 0)]));
        let p99 = row(&rows, "p99_ms");
        let second = p99.change(1).expect("a change");
        assert_eq!((second.difference, second.ratio, second.better), (10.0, Some(1.25), Some(false)));
        assert_eq!((p99.shown_difference(second), second.shown_ratio()), ("+10 ms".into(), "× 1.25 worse".into()));
        let third = p99.change(2).expect("a change");
        assert_eq!((third.difference, third.ratio, third.better), (-20.0, Some(0.5), Some(true)));
        assert_eq!(p99.shown_difference(third), "−20 ms");

        let lost = row(&rows, "lost").change(1).expect("a change");
        assert_eq!(
            (lost.difference, lost.ratio, lost.better),
            (3.0, None, Some(false)),
            "nothing is a multiple of zero"
        );
        let same = row(&rows, "lost").change(2).expect("a change");
        assert_eq!((same.difference, same.better), (0.0, None));
    }

    #[test]
    fn what_is_within_noise_or_describes_the_run_is_not_judged() {
        let rows = rows(&compared(vec![run(40.0, 0), Outcome { seconds: 9.0, ..run(41.0, 0) }]));
        assert_eq!(row(&rows, "p99_ms").change(1).expect("a change").better, None);
        assert_eq!(row(&rows, "seconds").change(1).expect("a change").better, None);
    }

    #[test]
    fn what_one_run_did_not_measure_has_no_change() {
        let mut first = run(1.0, 0);
        first.cost.us_per_open = Some(80.0);
        first.latency.max_ms = f64::NAN;
        let mut second = run(1.0, 0);
        second.latency = Latency::default();
        let rows = rows(&compared(vec![first, second]));
        let open = row(&rows, "us_per_open");
        assert_eq!((open.change(1), open.shown(0), open.shown(1)), (None, "80 µs".into(), MISSING.into()));
        assert!(rows.iter().all(|row| row.name != "user_us_per_delivery"), "measured by neither");
        assert!(rows.iter().all(|row| row.name != "max_ms"), "not a number");
        assert_eq!(row(&rows, "p99_ms").shown(1), MISSING, "no delivery is not a latency of zero");
    }

    #[test]
    fn thresholds_of_their_own_become_rows_that_know_which_way_is_better() {
        let with = |value, at_most, at_least| {
            let threshold = Threshold { name: "back_within_s".into(), at_most, at_least, value, met: true };
            Outcome { thresholds: vec![threshold], ..run(1.0, 0) }
        };
        let rows = rows(&compared(vec![with(Some(10.0), Some(15.0), None), with(Some(5.0), Some(15.0), None)]));
        assert_eq!(row(&rows, "back_within_s").better, Better::Lower);
        assert_eq!(row(&rows, "back_within_s").change(1).expect("a change").better, Some(true));
        assert_eq!(row(&rows, "back_within_s").shown(0), "10 s");
    }

    #[test]
    fn different_scenarios_are_refused_and_invalid_runs_are_named() {
        let other = Outcome { scenario: "storm".into(), ..run(1.0, 0) };
        let runs = compared(vec![run(1.0, 0), run(1.0, 0), other]);
        assert!(same_scenario(&runs[..2]).is_ok());
        let refused = same_scenario(&runs).expect_err("refused").to_string();
        assert!(refused.contains("C.json ran `storm`"), "{refused}");

        let invalid = Outcome { invalid_because: vec!["the generator\u{1b}[31m was the limit".into()], ..run(1.0, 0) };
        let text = table(&compared(vec![run(1.0, 0), invalid]));
        assert!(text.contains("B.json  broadcast against : INVALID"), "{text}");
        assert!(text.contains("!  B is invalid"), "{text}");
        assert!(!text.contains('\u{1b}'), "a file does not steer the terminal");
    }

    #[test]
    fn columns_are_aligned() {
        let text = table(&compared(vec![run(40.0, 0), run(1234.0, 3)]));
        let lines: Vec<_> = text.lines().skip_while(|line| !line.starts_with("figure")).collect();
        let end_of_b = |line: &&str| line.chars().take(60).collect::<String>();
        assert!(lines.len() > 10, "{text}");
        let head = lines[0].chars().collect::<Vec<_>>();
        let column = head.iter().position(|c| *c == 'A').expect("A");
        for line in &lines {
            let chars: Vec<char> = line.chars().collect();
            assert!(chars[column] != ' ' && chars[column + 1] == ' ', "{}", end_of_b(line));
        }
    }
}
