//! The hub and its peers play the same scenario one after the other, each alone with the generator: what they cost and how long
//! they take, as ratios to the hub. A peer that can not be measured is named, and the run fails.

mod peer;
mod table;

use std::path::{Path, PathBuf};

use clap::Args;

use self::peer::Peer;
use crate::LoadError;
use crate::compare::Compared;
use crate::html;
use crate::outcome::{Outcome, Verdict};
use crate::plan::Scenario;
use crate::plan::library::find;
use crate::report::Report;
use crate::run::{Driven, play};

/// The flags of `against`.
#[derive(Args, Clone, Debug)]
pub struct AgainstArgs {
    /// Which peers. By default all of them.
    #[arg(value_enum)]
    peers: Vec<Peer>,
    /// The hub that is started, in development mode.
    #[arg(long, value_name = "FILE")]
    hub: PathBuf,
    /// What they play: a scenario that `list` names, or a file that ends in .toml. Its thresholds do not count.
    #[arg(long, default_value = "broadcast")]
    scenario: String,
    /// How many people; few enough that weak ones survive.
    #[arg(long, default_value_t = 2_000)]
    people: usize,
    /// Messages a second. 20 to 2,000 people is what Socket.IO carries with half a core.
    #[arg(long, default_value_t = 20.0)]
    rate: f64,
    /// How long each is measured.
    #[arg(long, default_value_t = 20.0)]
    seconds: f64,
    /// Changes another key of the scenario.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Where the peers of npm lie, with their packages installed.
    #[arg(long = "peers", value_name = "FOLDER", default_value = "loadtest/peers")]
    folder: PathBuf,
    /// Where reports and the page of the comparison are written.
    #[arg(long, value_name = "FOLDER", default_value = "target/compare")]
    out: PathBuf,
}

/// How the hub is called in the comparison.
const HUB: &str = "hubbub";

impl AgainstArgs {
    /// Plays, and says the table. Missed where a peer could not be measured, or the hub lost something.
    pub fn run(&self) -> Result<Verdict, LoadError> {
        let report = Report::new("against");
        let (scenario, source) = self.scenario()?;
        std::fs::create_dir_all(&self.out).map_err(crate::during("folder of reports"))?;
        let peers = if self.peers.is_empty() { Peer::ALL.to_vec() } else { self.peers.clone() };
        report.say(&format!("{HUB}:"));
        let hub = play(&scenario, source.clone(), &Driven::start(&self.hub))?;
        let mut runs = vec![self.keep(HUB, hub, 'A')?];
        let mut missing = Vec::new();
        for (letter, peer) in ('B'..='Z').zip(peers) {
            report.say(&format!("{}:", peer.name()));
            // Its process ends before the next one's begins.
            let played = peer.start(&self.folder).and_then(|there| play(&scenario, source.clone(), &there.driven));
            match played.and_then(|outcome| self.keep(peer.name(), outcome, letter)) {
                Ok(run) => runs.push(run),
                Err(error) => missing.push(format!("{} could not be measured: {error}", peer.name())),
            }
        }
        let page = self.out.join("comparison.html");
        html::write(&page, &html::comparison(&runs))?;
        report.say(&table::table(&runs));
        report.say(&format!("written: {} and a .json for each", page.display()));
        missing.iter().for_each(|why| report.say(&format!("MISSING: {why}")));
        Ok(verdict(&runs, &missing, &report))
    }

    fn scenario(&self) -> Result<(Scenario, String), LoadError> {
        let mut settings = vec![
            format!("people.count={}", self.people),
            format!("publish.rate_per_s={:?}", self.rate),
            format!("seconds={:?}", self.seconds),
        ];
        settings.extend(self.set.clone());
        let mut scenario = Scenario::parse(&find(&self.scenario)?, &settings)?;
        // What a peer loses is a figure here, and no failure.
        scenario.thresholds.clear();
        let text = toml::to_string(&scenario).map_err(|error| LoadError::Start(error.to_string()))?;
        Ok((scenario, text))
    }

    fn keep(&self, name: &str, run: Outcome, letter: char) -> Result<Compared, LoadError> {
        let path = self.out.join(Path::new(name).with_extension("json"));
        run.write(&path)?;
        Ok(Compared { letter, path, run })
    }
}

fn verdict(runs: &[Compared], missing: &[String], report: &Report) -> Verdict {
    let mut verdict = if missing.is_empty() { Verdict::Met } else { Verdict::Missed };
    for Compared { run, .. } in runs {
        for why in &run.invalid_because {
            report.say(&format!("INVALID: {}: {why}", run.target.name));
            verdict = Verdict::Invalid;
        }
        if run.counts.deliveries == 0 {
            report.say(&format!("MISSING: {} delivered nothing", run.target.name));
            verdict = Verdict::Missed;
        }
    }
    let ours = runs.first().map(|hub| hub.run.counts.clone()).unwrap_or_default();
    if ours.lost + ours.duplicated + ours.reordered + ours.gaps + ours.refused > 0 {
        report.say("FAILED: the hub lost, repeated, reordered or refused something");
        verdict = Verdict::Missed;
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::tests::{compared, run};
    use crate::outcome::Counts;

    #[test]
    fn a_missing_peer_and_a_hub_that_loses_fail_and_a_peer_that_loses_does_not() {
        let report = Report::new("against");
        let with = |lost| Outcome { counts: Counts { deliveries: 9, lost, ..Counts::default() }, ..run(1.0, 0) };
        let judge = |hub, peer, missing: &[String]| verdict(&compared(vec![with(hub), with(peer)]), missing, &report);
        assert_eq!(judge(0, 3, &[]), Verdict::Met);
        assert_eq!(judge(0, 0, &["nats".to_owned()]), Verdict::Missed);
        assert_eq!(judge(1, 0, &[]), Verdict::Missed);
        assert_eq!(verdict(&compared(vec![with(0), run(1.0, 0)]), &[], &report), Verdict::Missed);
        let invalid = Outcome { invalid_because: vec!["late".to_owned()], ..with(0) };
        assert_eq!(verdict(&compared(vec![with(0), invalid]), &[], &report), Verdict::Invalid);
    }
}
