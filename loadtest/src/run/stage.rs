//! A hub with all people of a scenario on it, ready to be measured once or several times.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::course::{Course, Measured};
use super::recorder::Recorder;
use super::target::{Driven, Hubs};
use crate::LoadError;
use crate::crew::Crew;
use crate::feed::Heads;
use crate::live::Live;
use crate::people::unix_ns;
use crate::plan::Scenario;
use crate::plan::cast::Cast;
use crate::plan::scenario::Phase;
use crate::process::{Cpu, pss_bytes};

/// A hub with people.
#[derive(Debug)]
pub(super) struct Stage {
    // Dropped in this order: people before what they are at.
    pub(super) crew: Crew,
    pub(super) hubs: Hubs,
    pub(super) scenario: Scenario,
    pub(super) cast: Arc<Cast>,
    pub(super) recorder: Recorder,
    /// The zero of all times.
    pub(super) zero: Instant,
    pub(super) began_unix_ms: u64,
    /// The channels as the courses so far left them.
    pub(super) heads: Heads,
    /// Messages of the courses so far.
    pub(super) posted: u64,
    /// CPU of the hub to open one connection, in microseconds.
    pub(super) us_per_open: Option<f64>,
    /// Memory of the hub for one connection, in bytes.
    pub(super) bytes_per_connection: Option<f64>,
}

impl Stage {
    /// Starts what must be started, and waits until everybody is live.
    pub(super) fn set(scenario: &Scenario, driven: &Driven) -> Result<Self, LoadError> {
        let cast = Arc::new(Cast::of(scenario)?);
        let hubs = Hubs::of(driven, scenario, &cast)?;
        let pids = hubs.pids();
        let before = (cpu_s(&pids), memory(&pids));
        let (zero, zero_unix_ns) = (Instant::now(), unix_ns());
        let crew = Crew::start(scenario, &hubs.entrance, zero_unix_ns)?;
        let planned_s = scenario.warm_up_s + scenario.steps().iter().map(|step| step.seconds).sum::<f64>();
        let ramp_s = scenario.people.count as f64 / scenario.people.ramp_per_s;
        let recorder = Recorder::new(zero, Live::new(&scenario.name, ramp_s + planned_s));
        let mut stage = Self {
            crew,
            hubs,
            scenario: scenario.clone(),
            cast,
            recorder,
            zero,
            began_unix_ms: zero_unix_ns / 1_000_000,
            heads: Heads::default(),
            posted: 0,
            us_per_open: None,
            bytes_per_connection: None,
        };
        stage.open()?;
        let after = (cpu_s(&pids), memory(&pids));
        let people = stage.crew.people() as f64;
        stage.us_per_open = after.0.zip(before.0).map(|(after, before)| (after - before).max(0.0) * 1e6 / people);
        stage.bytes_per_connection =
            after.1.zip(before.1).map(|(after, before)| after.saturating_sub(before) as f64 / people);
        Ok(stage)
    }

    /// Measures the people while messages are published at these rates.
    pub(super) fn measure(&mut self, steps: &[Phase]) -> Result<Measured, LoadError> {
        Course::run(self, steps)
    }

    fn open(&mut self) -> Result<(), LoadError> {
        let ramp = self.crew.people() as f64 / self.scenario.people.ramp_per_s;
        let until = Instant::now() + Duration::from_secs(self.hubs.open_within_s) + Duration::from_secs_f64(ramp);
        loop {
            self.recorder.round(&mut self.crew, &self.hubs, None)?;
            let tick = self.crew.tick();
            if tick.settled >= self.crew.people() {
                self.recorder.mark(&format!("{} people live", tick.settled));
                return Ok(());
            }
            if Instant::now() > until {
                let all = self.crew.people();
                let ends = self.crew.account()?.ends;
                return Err(LoadError::Late(format!("{} of {all} people live; others ended: {ends:?}", tick.settled)));
            }
        }
    }
}

/// CPU time of these processes so far, in seconds; none where one is not known.
fn cpu_s(pids: &[u32]) -> Option<f64> {
    if pids.is_empty() {
        return None;
    }
    pids.iter().map(|pid| Cpu::of(*pid).ok().map(|cpu| cpu.so_far_s().0 + cpu.so_far_s().1)).sum()
}

/// Memory of these processes, in bytes; none where one is not known.
fn memory(pids: &[u32]) -> Option<u64> {
    if pids.is_empty() {
        return None;
    }
    pids.iter().map(|pid| pss_bytes(*pid).ok()).sum()
}
