//! Several runs of one scenario beside each other: which may be compared, and what a reader must know before. Does not
//! judge which run is the better one, only which figure is.

mod figures;
mod table;

use std::path::{Path, PathBuf};

use clap::Args;

pub use figures::{Better, Change, NOISE, Row, rows};
pub(crate) use table::aligned;
pub use table::table;

use crate::html;
use crate::outcome::{Outcome, OutcomeError, Verdict};
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

/// The name of a file for a legend, without its folder.
pub(crate) fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::outcome::{Counts, Latency};

    pub(crate) fn run(p99_ms: f64, lost: u64) -> Outcome {
        Outcome {
            scenario: "broadcast".into(),
            latency: Latency { count: 10, p50_ms: 1.0, p99_ms, ..Latency::default() },
            counts: Counts { lost, ..Counts::default() },
            ..Outcome::default()
        }
    }

    pub(crate) fn compared(runs: Vec<Outcome>) -> Vec<Compared> {
        ('A'..).zip(runs).map(|(letter, run)| Compared { letter, path: format!("{letter}.json").into(), run }).collect()
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
}
