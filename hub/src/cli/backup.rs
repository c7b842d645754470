//! `hubbub backup`: copies the store into a new file while the node runs.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::Done;
use super::sources::SourceArgs;
use crate::config::Config;

/// Arguments of `hubbub backup`.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(flatten)]
    sources: SourceArgs,
    /// The new file. It must not be there yet.
    path: PathBuf,
}

pub(super) fn run(args: &Args) -> Done {
    let config = args.sources.load(Vec::new())?;
    Ok(backup(&config, &args.path))
}

/// Copies the store.
fn backup(_config: &Config, _path: &Path) -> ExitCode {
    eprintln!("hubbub: this build can not make backups yet");
    ExitCode::FAILURE
}
