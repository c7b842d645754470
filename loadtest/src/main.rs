//! The command line of the load generator.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use hubbub_loadtest::LoadError;
use hubbub_loadtest::control::Control;
use hubbub_loadtest::people::PeopleArgs;
use hubbub_loadtest::report::Report;
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
    /// The bare loop that scenarios compare the hub with. Prints where it listens.
    ControlServer,
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Scenario(scenario) => scenario.run(),
        Command::People(people) => people.run().map(|()| true),
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

fn serve_control() -> Result<(), LoadError> {
    let control = Control::bind()?;
    Report::new("control").say(&control.ready()?);
    control.run()
}
