//! What a run says: lines as it goes, its figure last, and the same as JSON. A missed threshold fails the run.

use std::io::Write;
use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::LoadError;

/// The report of one run.
#[derive(Debug, Serialize)]
pub struct Report {
    scenario: String,
    values: Map<String, Value>,
    /// What fell short, in sentences.
    failures: Vec<String>,
    figure: String,
}

impl Report {
    /// An empty report.
    pub fn new(scenario: &str) -> Self {
        Self { scenario: scenario.to_owned(), values: Map::new(), failures: Vec::new(), figure: String::new() }
    }

    /// Says a line now.
    pub fn say(&self, line: &str) {
        let mut out = std::io::stdout().lock();
        // Nobody may be listening; the exit status still speaks.
        let _ = writeln!(out, "{line}").and_then(|()| out.flush());
    }

    /// Keeps a value under a name that ends in its unit.
    pub fn value(&mut self, name: &str, value: impl Into<Value>) {
        self.values.insert(name.to_owned(), value.into());
    }

    /// A number that was kept; not a number where there is none.
    pub fn get(&self, name: &str) -> f64 {
        self.values.get(name).and_then(Value::as_f64).unwrap_or(f64::NAN)
    }

    /// The value must be at most this.
    pub fn at_most(&mut self, name: &str, value: f64, limit: Option<f64>) {
        if let Some(limit) = limit.filter(|limit| value.is_nan() || value > *limit) {
            self.fail(format!("{name} is {value:.3}, above {limit}"));
        }
    }

    /// The value must be at least this.
    pub fn at_least(&mut self, name: &str, value: f64, limit: Option<f64>) {
        if let Some(limit) = limit.filter(|limit| value.is_nan() || value < *limit) {
            self.fail(format!("{name} is {value:.3}, below {limit}"));
        }
    }

    /// Something fell short.
    pub fn fail(&mut self, why: String) {
        self.failures.push(why);
    }

    /// The one line that the run is about.
    pub fn figure(&mut self, figure: String) {
        self.figure = figure;
    }

    /// Writes the JSON, says what fell short and last the figure. Whether all is well.
    pub fn finish(&self, json: Option<&Path>) -> Result<bool, LoadError> {
        if let Some(path) = json {
            let text = serde_json::to_string_pretty(self).unwrap_or_default();
            std::fs::write(path, text + "\n").map_err(|error| LoadError::Io("report", error))?;
        }
        for failure in &self.failures {
            self.say(&format!("FAILED: {failure}"));
        }
        self.say(&self.figure);
        Ok(self.failures.is_empty())
    }
}

/// Text that comes from a file, without what would steer a terminal.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missed_threshold_fails_the_run() {
        let failed = |fill: fn(&mut Report)| {
            let mut report = Report::new("test");
            fill(&mut report);
            !report.failures.is_empty()
        };
        assert!(!failed(|r| r.at_most("x", 1.0, Some(1.0))));
        assert!(!failed(|r| r.at_most("x", 9.0, None)));
        assert!(failed(|r| r.at_most("x", 1.1, Some(1.0))));
        assert!(failed(|r| r.at_most("x", f64::NAN, Some(1.0))));
        assert!(!failed(|r| r.at_least("x", 1.0, Some(1.0))));
        assert!(failed(|r| r.at_least("x", 0.9, Some(1.0))));
    }
}
