//! `hubbub config`: checks, shows and documents the configuration.

use std::process::ExitCode;

use clap::Subcommand;

use super::Done;
use super::sources::SourceArgs;
use crate::config::reference_markdown;

/// Arguments of `hubbub config`.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    /// Say what is wrong with it; exit code 0 when nothing is.
    Check(SourceArgs),
    /// Print the effective values and where each came from. Secrets are redacted.
    Show(SourceArgs),
    /// Print every key with type, default and meaning, as Markdown.
    Docs,
}

pub(super) fn run(args: &Args) -> Done {
    match &args.what {
        What::Check(sources) => {
            let config = sources.load(Vec::new())?;
            config.reloadable()?;
            println!("the configuration is fine");
        }
        What::Show(sources) => print!("{}", sources.load(Vec::new())?.show()),
        What::Docs => print!("{}", reference_markdown()),
    }
    Ok(ExitCode::SUCCESS)
}
