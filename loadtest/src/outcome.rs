//! The report of a scenario run as JSON: what the engine writes and what shows it reads. Does not know how a run is made,
//! nor how it is drawn.
//!
//! Numbers carry their unit in their name. What could not be measured is `null`; fields that a reader does not know are
//! passed over, so that an old reader shows what it understands of a new report.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize};

/// The format that is written. A change that an old reader would misunderstand gets the next number.
pub const FORMAT: u32 = 1;

/// Larger files are refused, in bytes: a day of samples takes 40 MB.
const LARGEST: u64 = 256 * 1024 * 1024;

/// What stops the reading or writing of a report.
#[derive(Debug, thiserror::Error)]
pub enum OutcomeError {
    /// The file could not be read or written.
    #[error("{0}: {1}")]
    File(PathBuf, std::io::Error),
    /// The file is larger than any report.
    #[error("{0}: too large for a report of a run")]
    TooLarge(PathBuf),
    /// The file is JSON of another kind, or none.
    #[error("{0}: not a report of a run: {1}")]
    NotAReport(PathBuf, serde_json::Error),
    /// The report is of a later version.
    #[error("{0}: format {1} is not understood, only {FORMAT}: use the version of hubbub-loadtest that wrote it")]
    Format(PathBuf, u32),
    /// The page would take the place of the report.
    #[error("{0}: is the report itself; say with --html where the page is to be written")]
    SameFile(PathBuf),
}

/// All that is known of one run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The version of this layout, [`FORMAT`].
    pub format: u32,
    /// The name of the scenario.
    pub scenario: String,
    /// The text of the scenario's TOML file.
    #[serde(default)]
    pub source: String,
    /// What the random choices were made from.
    #[serde(default)]
    pub seed: u64,
    /// What was driven.
    #[serde(default)]
    pub target: Target,
    /// When the run began, in milliseconds since 1970.
    #[serde(default)]
    pub began_unix_ms: u64,
    /// How long it took, in seconds.
    #[serde(default, deserialize_with = "number")]
    pub seconds: f64,
    /// Where it ran.
    #[serde(default)]
    pub machine: Machine,
    /// One for each second, in order.
    #[serde(default)]
    pub samples: Vec<Sample>,
    /// Faults and phases, in order.
    #[serde(default)]
    pub marks: Vec<Mark>,
    /// From publishing as scheduled to delivery, over the measured part of the run.
    #[serde(default)]
    pub latency: Latency,
    /// Exact counts over the whole run.
    #[serde(default)]
    pub counts: Counts,
    /// What it cost the target.
    #[serde(default)]
    pub cost: Cost,
    /// What the scenario demands, and whether it was met.
    #[serde(default)]
    pub thresholds: Vec<Threshold>,
    /// Why the figures must not be used; empty for a valid run.
    #[serde(default)]
    pub invalid_because: Vec<String>,
    /// Where a rising rate broke a threshold, if the run looked for that.
    #[serde(default)]
    pub knee: Option<Knee>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every threshold is met.
    Met,
    /// At least one threshold is not.
    Missed,
    /// The figures must not be used, whatever the thresholds say.
    Invalid,
}

/// What was driven.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Target {
    /// `hubbub`, or `websocket` for another server behind templates.
    pub kind: TargetKind,
    /// The name under which it is shown.
    pub name: String,
    /// Where it listened.
    pub url: String,
}

/// What kind of server was driven.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetKind {
    /// This hub.
    #[default]
    Hubbub,
    /// Any server that speaks WebSocket, by templates.
    Websocket,
    /// A kind that came after this reader.
    #[serde(other)]
    Other,
}

/// Where a run took place.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Machine {
    /// Processors that the operating system offers.
    pub cores: u32,
    /// Memory, in bytes.
    pub memory_bytes: u64,
    /// The kernel and its version.
    pub kernel: String,
    /// The model of the processor.
    pub processor: String,
}

/// One second of a run. Rates are means over that second, latencies those of its deliveries.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sample {
    /// When the second ended, in seconds since the run began.
    #[serde(deserialize_with = "number")]
    pub t_s: f64,
    /// Open connections.
    pub connections: u64,
    /// Messages per second that the schedule asked for.
    #[serde(deserialize_with = "number")]
    pub offered_per_s: f64,
    /// Messages sent per second.
    #[serde(deserialize_with = "number")]
    pub published_per_s: f64,
    /// Messages acknowledged per second.
    #[serde(deserialize_with = "number")]
    pub acknowledged_per_s: f64,
    /// Messages received by all subscribers together, per second.
    #[serde(deserialize_with = "number")]
    pub deliveries_per_s: f64,
    /// Half of the deliveries were faster, in milliseconds; none without deliveries.
    pub p50_ms: Option<f64>,
    /// 99 % of the deliveries were faster, in milliseconds.
    pub p99_ms: Option<f64>,
    /// 99.9 % of the deliveries were faster, in milliseconds.
    pub p999_ms: Option<f64>,
    /// The slowest delivery, in milliseconds.
    pub max_ms: Option<f64>,
    /// CPU of the target outside of the kernel, in cores; none where its process is not known.
    pub hub_user_cores: Option<f64>,
    /// CPU of the target inside of the kernel, in cores.
    pub hub_system_cores: Option<f64>,
    /// Memory of the target with its share of what is shared (PSS), in bytes.
    pub hub_pss_bytes: Option<u64>,
    /// CPU of all generator processes, in cores.
    #[serde(deserialize_with = "number")]
    pub generator_cores: f64,
    /// How much of one core the busiest generator thread took, 0 to 1.
    #[serde(deserialize_with = "number")]
    pub generator_busiest: f64,
    /// How much of the whole machine was idle, 0 to 1.
    #[serde(deserialize_with = "number")]
    pub machine_idle: f64,
}

/// Something that happened at a moment of the run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Mark {
    /// When, in seconds since the run began.
    #[serde(deserialize_with = "number")]
    pub t_s: f64,
    /// What, in a few words.
    pub what: String,
}

/// Latency over the measured part of a run, corrected for coordinated omission. All zero when nothing was delivered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Latency {
    /// Deliveries that were timed.
    pub count: u64,
    /// Median, in milliseconds.
    #[serde(deserialize_with = "number")]
    pub p50_ms: f64,
    /// 90th percentile, in milliseconds.
    #[serde(deserialize_with = "number")]
    pub p90_ms: f64,
    /// 99th percentile, in milliseconds.
    #[serde(deserialize_with = "number")]
    pub p99_ms: f64,
    /// 99.9th percentile, in milliseconds.
    #[serde(deserialize_with = "number")]
    pub p999_ms: f64,
    /// The slowest, in milliseconds.
    #[serde(deserialize_with = "number")]
    pub max_ms: f64,
    /// Quantile (0 to 1, rising) and milliseconds, dense enough for a plot.
    pub percentiles: Vec<(f64, f64)>,
}

/// Exact counts over the whole run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Connections that were open at the most.
    pub connections: u64,
    /// Messages sent.
    pub published: u64,
    /// Messages that the target accepted.
    pub acknowledged: u64,
    /// Messages that the target refused.
    pub refused: u64,
    /// Messages received by all subscribers together.
    pub deliveries: u64,
    /// Deliveries that a subscriber should have seen and did not.
    pub lost: u64,
    /// Deliveries that a subscriber saw again.
    pub duplicated: u64,
    /// Deliveries that came after a later one.
    pub reordered: u64,
    /// Gaps that the target declared.
    pub gaps: u64,
    /// Messages replaced by a later one, where the subscriber asked for that.
    pub conflated: u64,
}

/// What a run cost the target; none where its process is not known.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cost {
    /// Memory for each connection (PSS), in bytes.
    pub bytes_per_connection: Option<f64>,
    /// CPU outside of the kernel for each delivery, in microseconds.
    pub user_us_per_delivery: Option<f64>,
    /// CPU inside of the kernel for each delivery, in microseconds.
    pub system_us_per_delivery: Option<f64>,
    /// CPU to open a connection, in microseconds.
    pub us_per_open: Option<f64>,
}

/// What a scenario demands of one figure.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Threshold {
    /// The figure, with its unit at the end.
    pub name: String,
    /// It may not be above this.
    pub at_most: Option<f64>,
    /// It may not be below this.
    pub at_least: Option<f64>,
    /// What it was; none if it could not be measured.
    pub value: Option<f64>,
    /// Whether that is well.
    pub met: bool,
}

/// Where a rising rate broke a threshold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Knee {
    /// The highest rate that held, in messages per second.
    #[serde(deserialize_with = "number")]
    pub rate_per_s: f64,
    /// The threshold that broke above it.
    pub broke: String,
}

impl Outcome {
    /// Reads a report that was written as JSON.
    pub fn read(path: &Path) -> Result<Self, OutcomeError> {
        let file = |error| OutcomeError::File(path.to_owned(), error);
        let mut text = Vec::new();
        File::open(path).map_err(file)?.take(LARGEST + 1).read_to_end(&mut text).map_err(file)?;
        if text.len() as u64 > LARGEST {
            return Err(OutcomeError::TooLarge(path.to_owned()));
        }
        let not_a_report = |error| OutcomeError::NotAReport(path.to_owned(), error);
        // The version first: a later layout would fail below with words about some field.
        let Version { format } = serde_json::from_slice(&text).map_err(not_a_report)?;
        if format != FORMAT {
            return Err(OutcomeError::Format(path.to_owned(), format));
        }
        serde_json::from_slice(&text).map_err(not_a_report)
    }

    /// Writes the report as JSON. A number that is not finite is written as `null`.
    pub fn write(&self, path: &Path) -> Result<(), OutcomeError> {
        let file = |error| OutcomeError::File(path.to_owned(), error);
        let mut text =
            serde_json::to_vec_pretty(self).map_err(|error| OutcomeError::NotAReport(path.to_owned(), error))?;
        text.push(b'\n');
        File::create(path).map_err(file)?.write_all(&text).map_err(file)
    }

    /// How the run ended.
    pub fn verdict(&self) -> Verdict {
        if !self.invalid_because.is_empty() {
            Verdict::Invalid
        } else if self.thresholds.iter().all(|threshold| threshold.met) {
            Verdict::Met
        } else {
            Verdict::Missed
        }
    }
}

impl Verdict {
    /// The exit status that says the same.
    pub fn exit_status(self) -> u8 {
        match self {
            Self::Met => 0,
            Self::Missed => 1,
            Self::Invalid => 2,
        }
    }
}

/// The one field that every version of the layout has.
#[derive(Deserialize)]
struct Version {
    format: u32,
}

/// `null` stands for a number that was not finite when it was written; whoever shows it shows that it is missing.
fn number<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or(f64::NAN))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Outcome, OutcomeError> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("run.json");
        std::fs::write(&path, text).expect("written");
        Outcome::read(&path)
    }

    #[test]
    fn what_was_written_is_read_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("run.json");
        let mut run = Outcome { format: FORMAT, scenario: "broadcast".into(), seconds: 2.5, ..Outcome::default() };
        run.samples.push(Sample { t_s: 1.0, p99_ms: Some(3.25), hub_pss_bytes: Some(7), ..Sample::default() });
        run.latency.percentiles = vec![(0.5, 1.25), (0.99, 3.0)];
        run.knee = Some(Knee { rate_per_s: 9.0, broke: "p99_ms".into() });
        run.write(&path).expect("written");
        assert_eq!(Outcome::read(&path).expect("read"), run);
    }

    #[test]
    fn unknown_fields_are_passed_over_and_missing_ones_are_empty() {
        let run = read(
            r#"{"format":1,"scenario":"x","later":[1],"samples":[{"t_s":1.0,"new":true}],"target":{"kind":"ship"}}"#,
        )
        .expect("read");
        assert_eq!(run.samples.len(), 1);
        assert_eq!(run.samples[0].p99_ms, None);
        assert_eq!(run.target.kind, TargetKind::Other);
    }

    #[test]
    fn a_number_that_was_not_finite_does_not_make_the_report_unreadable() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("run.json");
        let run = Outcome { format: FORMAT, seconds: f64::NAN, ..Outcome::default() };
        run.write(&path).expect("written");
        assert!(Outcome::read(&path).expect("read").seconds.is_nan());
    }

    #[test]
    fn another_version_and_other_files_are_refused_by_name() {
        assert!(matches!(read(r#"{"format":2,"samples":"other"}"#), Err(OutcomeError::Format(_, 2))));
        assert!(matches!(read("{}"), Err(OutcomeError::NotAReport(..))));
        assert!(matches!(read("no"), Err(OutcomeError::NotAReport(..))));
        assert!(matches!(Outcome::read(Path::new("/nonexistent/run.json")), Err(OutcomeError::File(..))));
    }

    #[test]
    fn an_invalid_run_is_never_a_met_one() {
        let threshold = |met| Threshold { met, ..Threshold::default() };
        let mut run = Outcome { thresholds: vec![threshold(true)], ..Outcome::default() };
        assert_eq!(run.verdict(), Verdict::Met);
        run.thresholds.push(threshold(false));
        assert_eq!((run.verdict(), run.verdict().exit_status()), (Verdict::Missed, 1));
        run.invalid_because.push("the generator was the limit".into());
        assert_eq!((run.verdict(), run.verdict().exit_status()), (Verdict::Invalid, 2));
    }
}
