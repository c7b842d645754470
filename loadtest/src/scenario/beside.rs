//! Who is measured in one run: the hub, and beside it the bare loop or Bun. Both stay there for the whole run, each with its
//! own people, and take turns round by round, so that what else the machine does meets both alike.

use std::path::PathBuf;

use clap::Args;

use super::rounds::Rounds;
use super::{Run, Spent};
use crate::LoadError;
use crate::hub::Hub;
use crate::options::Target;
use crate::report::Report;

/// The flags of scenarios that take turns.
#[derive(Args, Debug)]
pub(super) struct BesideArgs {
    /// Measure Bun's own pub/sub beside the hub, not the bare loop. FOLDER is `loadtest/peers`.
    #[arg(long, value_name = "FOLDER")]
    bun: Option<PathBuf>,
    /// How many rounds each has. Figures are medians.
    #[arg(long, default_value_t = 1)]
    pub(super) rounds: usize,
}

/// One that is measured.
#[derive(Debug)]
pub(super) struct Side<'a> {
    /// `hub`, `control` or `bun`.
    pub(super) name: &'static str,
    pub(super) run: Run<'a>,
    /// Ends with the side.
    _server: Hub,
}

impl BesideArgs {
    /// Starts the hub, and what stands beside it unless that is left out.
    pub(super) fn sides<'a>(&self, target: &'a Target) -> Result<Vec<Side<'a>>, LoadError> {
        let side =
            |name, number, server: Hub| Side { name, run: Run::new(target, server.place, number), _server: server };
        let mut sides = vec![side("hub", 0, Hub::of(target)?)];
        match &self.bun {
            _ if target.no_control => {}
            Some(peers) => sides.push(side("bun", 1, Hub::bun(peers)?)),
            None => sides.push(side("control", 1, Hub::control()?)),
        }
        Ok(sides)
    }
}

/// The generator, in the middle round: one that is disturbed once in a while is not the limit.
pub(super) fn check_generator(name: &str, rounds: &[Spent], report: &mut Report) {
    let limited = rounds.iter().filter(|spent| spent.generator_was_the_limit()).count();
    let median = |of: fn(&Spent) -> f64| rounds.iter().map(of).collect::<Rounds>();
    let (cpu, busiest) = (median(|spent| spent.generator.percent()), median(|spent| spent.busiest));
    let (hub, idle) = (median(|spent| spent.hub.percent()), median(|spent| spent.machine_idle));
    report.say(&format!(
        "{name}: CPU of one core: {name} {} %, generator {} % (busiest thread {:.0} %), machine idle {:.0} %",
        hub.text(0),
        cpu.text(0),
        busiest.median() * 100.0,
        idle.median() * 100.0
    ));
    if name == "hub" {
        hub.keep("hub_cpu_percent", report);
        cpu.keep("generator_cpu_percent", report);
        busiest.keep("generator_busiest_thread", report);
        idle.keep("machine_idle", report);
    }
    if limited * 2 > rounds.len() {
        report.fail(format!("{name}: the generator was the limit in {limited} of {} rounds", rounds.len()));
    }
}
