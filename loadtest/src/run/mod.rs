//! Plays a scenario file: starts or finds the hub or what else is driven, brings the people, publishes, measures each second, and judges.
//!
//! Read in this order: what is driven ([`target`]); the [`stage`] with people on it; one [`course`] over it, recorded each second
//! ([`recorder`]) and disturbed ([`faults`]); what is made of it ([`judge`]); and the search for the [`knee`].

mod course;
mod faults;
mod judge;
mod knee;
mod recorder;
mod stage;
mod target;
mod url;

use std::path::PathBuf;

use clap::Args;

use self::stage::Stage;
use crate::LoadError;
use crate::outcome::{Outcome, Verdict};
use crate::plan::Scenario;
use crate::plan::library::{READY_MADE, find};
use crate::report::Report;
use crate::target::description::Description;
use crate::target::library;

pub use self::target::Driven;

/// The flags of `run` and `knee`.
#[derive(Args, Clone, Debug)]
pub struct Played {
    /// A scenario that `list` names, or a file that ends in .toml.
    scenario: String,
    /// Changes a key of the scenario: `people.count=50`, `channels.0.count=3`.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Makes other random choices than the scenario's own seed.
    #[arg(long)]
    seed: Option<u64>,
    /// Also write the report as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(flatten)]
    driven: Driven,
}

/// The flags of `run`.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    #[command(flatten)]
    played: Played,
}

/// The flags of `knee`.
#[derive(Args, Clone, Debug)]
pub struct KneeArgs {
    #[command(flatten)]
    played: Played,
    #[command(flatten)]
    search: knee::Search,
}

impl RunArgs {
    /// Plays it once. How it ended.
    pub fn run(&self) -> Result<Verdict, LoadError> {
        let (scenario, text) = self.played.scenario()?;
        self.played.finish(&play(&scenario, text, &self.played.driven)?)
    }
}

/// Plays a scenario once; `source` is its text in the report.
pub(crate) fn play(scenario: &Scenario, source: String, driven: &Driven) -> Result<Outcome, LoadError> {
    let mut stage = Stage::set(scenario, driven)?;
    let measured = stage.measure(&scenario.steps())?;
    let outcome = judge::outcome(scenario, source, &mut stage, measured);
    stage.recorder.end();
    Ok(outcome)
}

impl KneeArgs {
    /// Raises the rate until a threshold breaks.
    pub fn run(&self) -> Result<Verdict, LoadError> {
        let (scenario, text) = self.played.scenario()?;
        let mut stage = Stage::set(&scenario, &self.played.driven)?;
        let outcome = self.search.run(&scenario, text, &mut stage)?;
        stage.recorder.end();
        drop(stage);
        self.played.finish(&outcome)
    }
}

/// Says which scenarios and targets come with the program.
pub fn list() -> Result<(), LoadError> {
    let report = Report::new("list");
    report.say("scenarios, for run and knee:");
    for (name, text) in READY_MADE {
        let Scenario { about, .. } = Scenario::parse(text, &[])?;
        report.say(&format!("  {name:<16} {about}"));
    }
    report.say("targets, for --target:");
    for (name, text) in library::READY_MADE {
        let Description { about, .. } = Description::parse(name, text, &[])?;
        report.say(&format!("  {name:<16} {about}"));
    }
    Ok(())
}

impl Played {
    fn scenario(&self) -> Result<(Scenario, String), LoadError> {
        let text = find(&self.scenario)?;
        let mut settings = self.set.clone();
        settings.extend(self.seed.map(|seed| format!("seed={seed}")));
        let scenario = Scenario::parse(&text, &settings)?;
        // What was played, not what was changed.
        let text = match settings.is_empty() {
            true => text,
            false => toml::to_string(&scenario).map_err(|error| LoadError::Start(error.to_string()))?,
        };
        Ok((scenario, text))
    }

    fn finish(&self, outcome: &Outcome) -> Result<Verdict, LoadError> {
        if let Some(path) = &self.json {
            outcome.write(path)?;
        }
        let report = Report::new("run");
        judge::lines(outcome).iter().for_each(|line| report.say(line));
        let verdict = outcome.verdict();
        report.say(match verdict {
            Verdict::Met => "all thresholds met",
            Verdict::Missed => "FAILED: a threshold was missed",
            Verdict::Invalid => "INVALID: these figures must not be used",
        });
        Ok(verdict)
    }
}
