//! The command line: reads arguments, loads the configuration, runs one command. Decides nothing that the library could not
//! be asked for otherwise.
#![expect(clippy::print_stdout, reason = "the answers of commands are for the terminal and for pipes")]

mod backup;
mod config;
mod erase;
mod logging;
mod migrate;
mod publish;
mod serve;
mod sources;
mod store;
mod token;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The arguments of the program.
#[derive(Parser, Debug)]
#[command(name = "hubbub", version, about = "A real-time hub: live WebSockets, resumable SSE and durable channels.")]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Run a node.
    Serve(serve::Args),
    /// Print a token that is signed with the first HMAC key of a tenant.
    Token(token::Args),
    /// Publish a message through the internal API.
    Publish(publish::Args),
    /// Bring the tables of Postgres up to date.
    Migrate(migrate::Args),
    /// Take a user out of everything, or after a restore everybody who was taken out before.
    Erase(erase::Args),
    /// Copy the SQLite store into a new file, while no node runs on it.
    Backup(backup::Args),
    /// Check, show or document the configuration.
    Config(config::Args),
}

/// Runs the command of the process's arguments.
pub fn run() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Serve(args) => serve::run(&args),
        Command::Token(args) => token::run(&args),
        Command::Publish(args) => publish::run(&args),
        Command::Migrate(args) => migrate::run(&args),
        Command::Erase(args) => erase::run(&args),
        Command::Backup(args) => backup::run(&args),
        Command::Config(args) => config::run(&args),
    };
    done.unwrap_or_else(|error| {
        eprintln!("hubbub: {error}");
        ExitCode::FAILURE
    })
}

/// What a command ends with: its exit code, or the reason that is printed.
type Done = Result<ExitCode, CliError>;

/// Why a command failed. The text is the whole story for the person at the terminal.
#[derive(Debug, thiserror::Error)]
enum CliError {
    #[error(transparent)]
    Config(#[from] crate::config::ConfigError),
    #[error("{path} can not be read: {error}")]
    File { path: String, error: std::io::Error },
    #[error("{0}")]
    Usage(String),
    #[error(transparent)]
    Mint(#[from] crate::auth::mint::MintError),
    #[error("{url} can not be reached: {cause}; is the node running, and is this its internal port?")]
    Unreachable { url: String, cause: String },
    #[error("{0}")]
    Refused(String),
    #[error("the runtime can not start: {0}")]
    Runtime(std::io::Error),
}
