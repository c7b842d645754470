//! Looks for the knee: raises the rate step by step with the same people until a threshold breaks, then halves the last step.

use clap::Args;

use super::judge;
use super::stage::Stage;
use crate::LoadError;
use crate::outcome::{Knee, Outcome};
use crate::plan::Scenario;
use crate::plan::scenario::{By, Phase};
use crate::report::Report;

/// How it is looked for.
#[derive(Args, Clone, Debug)]
pub(super) struct Search {
    /// The first rate, in messages a second. By default that of the scenario.
    #[arg(long)]
    from: Option<f64>,
    /// The highest rate that is tried.
    #[arg(long, default_value_t = 1_000_000.0)]
    to: f64,
    /// What each step multiplies the rate by.
    #[arg(long, default_value_t = 1.5)]
    factor: f64,
    /// How long a rate is held, in seconds.
    #[arg(long, default_value_t = 10.0)]
    step_s: f64,
    /// How often the last step is halved.
    #[arg(long, default_value_t = 2)]
    halvings: u32,
}

/// How often a rate is measured at most, where something else kept the generator from it.
const TRIES: usize = 3;

/// A rate that was tried.
struct Tried {
    outcome: Outcome,
    /// The threshold that broke, or why the rate could not be measured.
    broke: Option<String>,
}

impl Search {
    /// The report of the highest rate that held, with the samples of all.
    pub(super) fn run(&self, scenario: &Scenario, source: String, stage: &mut Stage) -> Result<Outcome, LoadError> {
        let from = self.from.unwrap_or(scenario.publish.rate_per_s);
        let usable =
            scenario.publish.by == By::Api && !scenario.thresholds.is_empty() && from > 0.0 && self.factor > 1.0;
        if !usable || !self.step_s.is_finite() || self.step_s < 0.5 {
            let why = "the knee needs a scenario with thresholds whose messages come by the API, a rate above 0, a factor \
                       above 1, and steps of at least 0.5 s";
            return Err(LoadError::Start(why.into()));
        }
        let (mut rate, mut held, mut broke) = (from, None::<(f64, Outcome)>, None::<(f64, Tried)>);
        while rate <= self.to && broke.is_none() {
            let tried = self.try_rate(scenario, &source, stage, rate)?;
            match tried.broke {
                Some(_) => broke = Some((rate, tried)),
                None => held = Some((rate, tried.outcome)),
            }
            rate *= self.factor;
        }
        // What was lost once stays lost: the accounts of all steps are one, so then nothing below can hold any more.
        let clean = broke.as_ref().is_none_or(|(_, tried)| tried.outcome.counts.lost == 0);
        for _ in 0..if clean { self.halvings } else { 0 } {
            let (Some((low, _)), Some((high, _))) = (&held, &broke) else { break };
            let rate = f64::midpoint(*low, *high);
            let tried = self.try_rate(scenario, &source, stage, rate)?;
            match tried.broke {
                Some(_) => broke = Some((rate, tried)),
                None => held = Some((rate, tried.outcome)),
            }
        }
        Ok(self.report(stage, held, broke))
    }

    /// Measures at a rate. What says more of this program than of the hub is measured again.
    fn try_rate(&self, scenario: &Scenario, source: &str, stage: &mut Stage, rate: f64) -> Result<Tried, LoadError> {
        let mut tried = Self::measure(self.step_s, scenario, source, stage, rate)?;
        for _ in 1..TRIES {
            let Some(why) = tried.outcome.invalid_because.first() else { break };
            Report::new("knee").say(&format!("{rate:.0} messages/s again: {why}"));
            tried = Self::measure(self.step_s, scenario, source, stage, rate)?;
        }
        let verdict = tried.broke.as_ref().map_or_else(|| "holds".to_owned(), |why| format!("breaks: {why}"));
        let p99 = tried.outcome.latency.p99_ms;
        Report::new("knee").say(&format!("{rate:.0} messages/s: p99 {p99:.2} ms, {verdict}"));
        Ok(tried)
    }

    fn measure(
        seconds: f64,
        scenario: &Scenario,
        source: &str,
        stage: &mut Stage,
        rate: f64,
    ) -> Result<Tried, LoadError> {
        let measured = stage.measure(&[Phase { name: None, seconds, rate_per_s: rate }])?;
        let outcome = judge::outcome(scenario, source.to_owned(), stage, measured);
        let missed = outcome.thresholds.iter().find(|threshold| !threshold.met).map(|threshold| threshold.name.clone());
        let broke = missed.or_else(|| outcome.invalid_because.first().cloned());
        Ok(Tried { outcome, broke })
    }

    fn report(&self, stage: &Stage, held: Option<(f64, Outcome)>, broke: Option<(f64, Tried)>) -> Outcome {
        let why = broke.as_ref().and_then(|(_, tried)| tried.broke.clone());
        let (rate, mut outcome) = match (held, broke) {
            (Some(held), _) => held,
            (None, Some((_, tried))) => (0.0, tried.outcome),
            (None, None) => (0.0, Outcome::default()),
        };
        outcome.samples = stage.recorder.samples.clone();
        outcome.marks = stage.recorder.marks.clone();
        outcome.seconds = stage.zero.elapsed().as_secs_f64();
        outcome.knee =
            Some(Knee { rate_per_s: rate, broke: why.unwrap_or_else(|| format!("nothing up to {}", self.to)) });
        outcome
    }
}
