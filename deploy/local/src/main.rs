//! `hubbub-local cluster`: a fleet on this machine until Ctrl-C. The arguments; what they mean stands in `cluster`.
#![expect(clippy::print_stdout, reason = "what runs where is for the terminal")]

mod cluster;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser, Debug)]
#[command(name = "hubbub-local", version, about = "A fleet of hubs on one machine, without containers.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Run Redis, Postgres, hubs in development mode and nginx in front of them, until Ctrl-C.
    Cluster(Arguments),
}

/// Arguments of `hubbub-local cluster`.
#[derive(clap::Args, Debug)]
struct Arguments {
    /// The hub's binary. Default: `$HUBBUB_BIN`, or the one beside this program.
    #[arg(long, value_name = "FILE")]
    hub: Option<PathBuf>,
    /// How many hubs.
    #[arg(long, value_name = "COUNT", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=16))]
    nodes: u16,
    /// Port of nginx, for clients; 0 for any.
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    port: u16,
    /// Internal port of the first hub, the others take the next ones; 0 for any.
    #[arg(long, value_name = "PORT", default_value_t = 8081)]
    internal: u16,
    /// Folder of Redis, Postgres and logs. It is kept.
    #[arg(long, value_name = "DIR", default_value = "data/cluster")]
    data: PathBuf,
}

fn main() -> ExitCode {
    let Command::Cluster(arguments) = Cli::parse().command;
    match cluster::run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hubbub-local: {error}");
            ExitCode::FAILURE
        }
    }
}
