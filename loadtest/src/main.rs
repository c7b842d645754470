//! The command line of the load generator.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use hubbub_loadtest::LoadError;
use hubbub_loadtest::against::AgainstArgs;
use hubbub_loadtest::compare::CompareArgs;
use hubbub_loadtest::control::Control;
use hubbub_loadtest::crew::member;
use hubbub_loadtest::html::ReportArgs;
use hubbub_loadtest::outcome::Verdict;
use hubbub_loadtest::people::PeopleArgs;
use hubbub_loadtest::report::Report;
use hubbub_loadtest::run::{self, KneeArgs, RunArgs};
use hubbub_loadtest::scenario::Scenario;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Simulated people for Hubbub, and reports that can be believed.
#[derive(Parser, Debug)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    #[command(flatten)]
    Scenario(Box<Scenario>),
    /// People in a process of their own, for a scenario that needs more than one process may hold. Not for people to call.
    #[command(hide = true)]
    People(PeopleArgs),
    /// The people of a scenario file, in a process of their own. Not for people to call.
    #[command(hide = true)]
    Crew,
    /// Plays a scenario file and judges it: exit status 0 when all thresholds were met, 1 when one was missed, 2 when the
    /// figures must not be used, 3 when it could not be played.
    Run(Box<RunArgs>),
    /// Plays a scenario file at rising rates until a threshold breaks.
    Knee(Box<KneeArgs>),
    /// Plays a scenario against the hub and its peers, one after the other. Exit status 1 when a peer could not be measured.
    Against(Box<AgainstArgs>),
    /// Says which scenarios and targets come with the program.
    List,
    /// The bare loop that scenarios compare the hub with. Prints where it listens.
    ControlServer,
    /// Show the report of a run as a page.
    Report(ReportArgs),
    /// Put the reports of several runs beside each other. Exit status 2 when one of the runs is invalid.
    Compare(CompareArgs),
}

/// The exit status when there is nothing to show.
const COULD_NOT_RUN: u8 = 3;

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Scenario(scenario) => scenario.run(),
        Command::People(people) => people.run().map(|()| true),
        Command::Crew => member::run().map(|()| true),
        Command::Run(args) => return shown(args.run()),
        Command::Knee(args) => return shown(args.run()),
        Command::Against(args) => return shown(args.run()),
        Command::List => run::list().map(|()| true),
        Command::ControlServer => serve_control().map(|()| true),
        Command::Report(report) => return shown(report.run().map(|()| Verdict::Met)),
        Command::Compare(compare) => return shown(compare.run()),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            Report::new("error").say(&format!("FAILED: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn shown<E: std::fmt::Display>(done: Result<Verdict, E>) -> ExitCode {
    match done {
        Ok(verdict) => ExitCode::from(verdict.exit_status()),
        Err(error) => {
            Report::new("error").say(&format!("FAILED: {error}"));
            ExitCode::from(COULD_NOT_RUN)
        }
    }
}

fn serve_control() -> Result<(), LoadError> {
    let control = Control::bind()?;
    Report::new("control").say(&control.ready()?);
    control.run()
}
