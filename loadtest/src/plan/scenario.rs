//! What a scenario file says, as TOML. A key that does not exist is an error that names it and those that do. Loadtest's README
//! describes each key.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use toml::Table;

use super::PlanError;
use super::settings::set;

/// A scenario.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// What it shows, in a sentence.
    #[serde(default)]
    pub about: String,
    /// What random choices are made from. Default 1.
    #[serde(default = "one")]
    pub seed: u64,
    /// How long it is measured, in seconds, where there are no phases. Default 30.
    #[serde(default = "thirty")]
    pub seconds: f64,
    /// How long it runs before, in seconds. Default 2.
    #[serde(default = "two")]
    pub warm_up_s: f64,
    /// How long the last messages may be on their way, in seconds. Default 10.
    #[serde(default = "ten")]
    pub drain_s: f64,
    /// Who is there.
    pub people: People,
    /// What they follow.
    pub channels: Vec<Channels>,
    /// What is published.
    #[serde(default)]
    pub publish: Publish,
    /// Who leaves and comes back.
    #[serde(default)]
    pub reconnect: Reconnect,
    /// Who reads slowly.
    #[serde(default)]
    pub slow: Slow,
    /// Who loses the network for a while.
    #[serde(default)]
    pub tunnel: Tunnel,
    /// The rate, step by step; instead of `seconds`.
    #[serde(default)]
    pub phases: Vec<Phase>,
    /// What happens to nodes that were started for the run.
    #[serde(default)]
    pub faults: Vec<Fault>,
    /// What must hold, by the name of the figure.
    #[serde(default)]
    pub thresholds: BTreeMap<String, Limit>,
}

/// Who is there.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct People {
    /// How many.
    pub count: usize,
    /// Connections opened each second. Default 2,000.
    #[serde(default = "two_thousand")]
    pub ramp_per_s: f64,
    /// Share of them that reads an SSE stream instead of a WebSocket. Default 0.
    #[serde(default)]
    pub sse_share: f64,
    /// `max_rate` of these streams; none asks for every message. Default none.
    #[serde(default)]
    pub sse_max_rate: Option<f64>,
}

/// Channels of one kind.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Channels {
    /// Their names: `{n}` is the number, `{person}` the user it belongs to.
    pub template: String,
    /// How many; with `{person}` as many as there are people. Default 1.
    #[serde(default = "one_channel")]
    pub count: usize,
    /// Zipf's exponent of their popularity, among subscribers and messages; 0: all alike. Default 0.
    #[serde(default)]
    pub zipf: f64,
    /// How many each person follows. Default 1.
    #[serde(default = "one_channel")]
    pub per_person: usize,
    /// Their part of the messages beside that of other kinds. Default 1.
    #[serde(default = "one_part")]
    pub weight: f64,
}

/// Who publishes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// A service, through the internal API.
    #[default]
    Api,
    /// The people, through their WebSockets.
    People,
}

/// What is published.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Publish {
    /// Who does. Default `api`.
    #[serde(default)]
    pub by: By,
    /// Messages each second, of all together. Default 0.
    #[serde(default)]
    pub rate_per_s: f64,
    /// With `by = "people"`, instead of a rate: the mean time that a person thinks between two messages, in seconds. Default
    /// none.
    #[serde(default)]
    pub think_time_s: Option<f64>,
    /// Length of `data`, in bytes: a number, or `{ from, to }`. Default 128; at least 62.
    #[serde(default)]
    pub data_bytes: DataBytes,
    /// How many conflate keys each channel has; 0: none. Default 0.
    #[serde(default)]
    pub conflate_keys: usize,
    /// Connections to the internal API; each channel belongs to one, so that its messages stay in order. Default 4.
    #[serde(default = "four")]
    pub lanes: usize,
    /// Most messages in one request, when several are due. Default 100.
    #[serde(default = "hundred")]
    pub batch: usize,
}

/// Length of `data`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(untagged, expecting = "a number of bytes, or { from = BYTES, to = BYTES }")]
pub enum DataBytes {
    /// Always this.
    Fixed(usize),
    /// Any of these, each as likely.
    Between(Between),
}

/// Both included.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Between {
    /// The shortest.
    pub from: usize,
    /// The longest.
    pub to: usize,
}

impl Default for DataBytes {
    fn default() -> Self {
        Self::Fixed(128)
    }
}

/// Who leaves and comes back.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reconnect {
    /// People each second, of all, who lose their connection. Default 0.
    #[serde(default)]
    pub rate_per_s: f64,
    /// How long they are away, in seconds. Default 1.
    #[serde(default = "one_part")]
    pub away_s: f64,
    /// When a storm begins, in seconds after the measuring began. Default none.
    #[serde(default)]
    pub storm_at_s: Option<f64>,
    /// Share of the people who lose their connection in the storm. Default 1.
    #[serde(default = "one_part")]
    pub storm_share: f64,
    /// Over how many seconds they lose it. Default 0: all at once.
    #[serde(default)]
    pub storm_within_s: f64,
}

/// Who reads slowly.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slow {
    /// Share of the people. Default 0.
    #[serde(default)]
    pub share: f64,
    /// How much each of them reads, in bytes a second; 0: nothing at all. Default 0.
    #[serde(default)]
    pub bytes_per_s: u32,
}

/// Who loses the network for a while, as in a tunnel: the connection is not closed, but nothing comes any more, and the person
/// comes back over a new one.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tunnel {
    /// Share of the people. Default 0.
    #[serde(default)]
    pub share: f64,
    /// Mean time between two tunnels, in seconds. Default 30.
    #[serde(default = "thirty")]
    pub every_s: f64,
    /// How long a tunnel is, in seconds. Default 5.
    #[serde(default = "five")]
    pub for_s: f64,
}

/// A part of the measured time.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// How it is called in the report. Default: by its rate.
    #[serde(default)]
    pub name: Option<String>,
    /// How long it is, in seconds.
    pub seconds: f64,
    /// Messages each second.
    pub rate_per_s: f64,
}

/// What happens to a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// It is told to end, drains, and is started again.
    Restart,
    /// It is killed, and started again after `for_s`.
    Kill,
    /// It stands still for `for_s`.
    Pause,
}

/// Something that happens to a node that was started for the run.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// When, in seconds after the measuring began.
    pub at_s: f64,
    /// What.
    pub what: FaultKind,
    /// Which node: 1, 2, 3 … Default 1.
    #[serde(default = "one_channel")]
    pub node: usize,
    /// For how long, in seconds. Default 0.
    #[serde(default)]
    pub for_s: f64,
}

/// What must hold for a figure.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// It may not be above. Default none.
    #[serde(default)]
    pub at_most: Option<f64>,
    /// It may not be below. Default none.
    #[serde(default)]
    pub at_least: Option<f64>,
}

/// The figures that thresholds can name.
pub const FIGURES: &[&str] = &[
    "p50_ms",
    "p90_ms",
    "p99_ms",
    "p999_ms",
    "max_ms",
    "connections",
    "published",
    "acknowledged",
    "refused",
    "deliveries",
    "deliveries_per_s",
    "lost",
    "duplicated",
    "reordered",
    "gaps",
    "conflated",
    "bytes_per_connection",
    "user_us_per_delivery",
    "system_us_per_delivery",
    "us_per_open",
    "returns",
    "back_p99_ms",
    "back_max_ms",
];

impl Scenario {
    /// Reads a file, with changes from the command line, and checks it.
    pub fn parse(text: &str, settings: &[String]) -> Result<Self, PlanError> {
        let mut table: Table = text.parse().map_err(|error: toml::de::Error| PlanError::Toml(error.to_string()))?;
        for setting in settings {
            set(&mut table, setting)?;
        }
        // Read from text where nothing was changed: errors then show the line.
        let scenario = if settings.is_empty() { toml::from_str(text) } else { table.try_into() };
        let scenario: Self = scenario.map_err(|error| PlanError::Toml(error.to_string().trim_end().to_owned()))?;
        scenario.check()?;
        Ok(scenario)
    }

    /// The measured time, as phases.
    pub fn steps(&self) -> Vec<Phase> {
        match self.phases.is_empty() {
            true => {
                let rate_per_s = self.think_s().map_or(self.publish.rate_per_s, |think_s| self.speakers() / think_s);
                vec![Phase { name: None, seconds: self.seconds, rate_per_s }]
            }
            false => self.phases.clone(),
        }
    }

    /// The mean time that a person thinks between two messages, in seconds, where people publish.
    pub fn think_s(&self) -> Option<f64> {
        let Publish { by, rate_per_s, think_time_s, .. } = self.publish;
        let by_rate = || (rate_per_s > 0.0).then(|| self.speakers() / rate_per_s);
        think_time_s.or_else(by_rate).filter(|_| by == By::People)
    }

    /// About how many people can publish.
    fn speakers(&self) -> f64 {
        self.people.count as f64 * (1.0 - self.people.sse_share)
    }
}

impl Default for Publish {
    fn default() -> Self {
        Self {
            by: By::Api,
            rate_per_s: 0.0,
            think_time_s: None,
            data_bytes: DataBytes::default(),
            conflate_keys: 0,
            lanes: four(),
            batch: hundred(),
        }
    }
}

impl Default for Reconnect {
    fn default() -> Self {
        Self { rate_per_s: 0.0, away_s: 1.0, storm_at_s: None, storm_share: 1.0, storm_within_s: 0.0 }
    }
}

impl Default for Tunnel {
    fn default() -> Self {
        Self { share: 0.0, every_s: thirty(), for_s: five() }
    }
}

fn one() -> u64 {
    1
}

fn one_channel() -> usize {
    1
}

fn one_part() -> f64 {
    1.0
}

fn two() -> f64 {
    2.0
}

fn four() -> usize {
    4
}

fn five() -> f64 {
    5.0
}

fn ten() -> f64 {
    10.0
}

fn thirty() -> f64 {
    30.0
}

fn hundred() -> usize {
    100
}

fn two_thousand() -> f64 {
    2_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = "name = \"x\"\n[people]\ncount = 3\n[[channels]]\ntemplate = \"live:x\"\n";

    #[test]
    fn what_is_left_out_has_its_default() {
        let scenario = Scenario::parse(LEAST, &[]).expect("right");
        assert_eq!((scenario.seed, scenario.publish.data_bytes), (1, DataBytes::Fixed(128)));
        assert_eq!(scenario.steps().len(), 1);
        // The defaults of a section are those of its keys.
        let named = format!("{LEAST}[publish]\n[reconnect]\n[slow]\n[tunnel]\n");
        assert_eq!(Scenario::parse(&named, &[]).expect("right"), scenario);
    }

    #[test]
    fn an_unknown_key_is_named_and_so_are_those_there_are() {
        for (more, key, there_is) in [
            ("[publish]\nrate = 1\n", "`rate`", "`rate_per_s`"),
            ("[slow]\nshares = 1\n", "`shares`", "`bytes_per_s`"),
            ("[publish]\ndata_bytes = { from = 1 }\n", "data_bytes", "{ from = BYTES, to = BYTES }"),
            ("[thresholds]\np98_ms = { at_most = 1 }\n", "p98_ms", "p99_ms"),
            ("[thresholds]\np99_ms = { most = 1 }\n", "`most`", "`at_most`"),
        ] {
            let error = Scenario::parse(&format!("{LEAST}{more}"), &[]).expect_err(more).to_string();
            assert!(error.contains(key) && error.contains(there_is), "{error}");
        }
        let error = Scenario::parse(LEAST, &["people.counts=4".into()]).expect_err("no key").to_string();
        assert!(error.contains("`counts`") && error.contains("`count`"), "{error}");
    }
}
