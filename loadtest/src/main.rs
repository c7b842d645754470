//! The command line of the load generator.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use hubbub_loadtest::LoadError;
use hubbub_loadtest::control::Control;
use hubbub_loadtest::crew::member;
use hubbub_loadtest::people::PeopleArgs;
use hubbub_loadtest::report::Report;
use hubbub_loadtest::run::{self, KneeArgs, RunArgs};
use hubbub_loadtest::scenario::Scenario;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
    /// Says which scenario files come with the program.
    List,
    /// The bare loop that scenarios compare the hub with. Prints where it listens.
    ControlServer,
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Scenario(scenario) => scenario.run(),
        Command::People(people) => people.run().map(|()| true),
        Command::Crew => member::run().map(|()| true),
        Command::Run(args) => return played(args.run()),
        Command::Knee(args) => return played(args.run()),
        Command::List => run::list().map(|()| true),
        Command::ControlServer => serve_control().map(|()| true),
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

fn played(status: Result<ExitCode, LoadError>) -> ExitCode {
    status.unwrap_or_else(|error| {
        Report::new("run").say(&format!("FAILED: {error}"));
        ExitCode::from(run::COULD_NOT_RUN)
    })
}

fn serve_control() -> Result<(), LoadError> {
    let control = Control::bind()?;
    Report::new("control").say(&control.ready()?);
    control.run()
}
