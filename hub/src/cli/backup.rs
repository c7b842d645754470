//! `hubbub backup`: copies the store into a new file while no node runs on it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use hubbub_persistence::Store;
use hubbub_persistence::sqlite::{Settings, Sqlite};
use rand::RngExt;

use super::sources::SourceArgs;
use super::{CliError, Done};
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
    if config.store.postgres_url.is_some() {
        let what =
            "the store is Postgres: back it up with its own means, for example pg_basebackup and its log archive";
        return Err(CliError::Usage(what.to_owned()));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(CliError::Runtime)?;
    runtime.block_on(backup(&config, &args.path))
}

/// Copies the store.
async fn backup(config: &Config, path: &Path) -> Done {
    let refused = |error: hubbub_persistence::StoreError| CliError::Refused(error.to_string());
    let store = Sqlite::open(Settings::new(&config.store.path, rand::rng().random())).await.map_err(refused)?;
    let copied = store.backup_to(path).await;
    store.close().await;
    copied.map_err(refused)?;
    println!("{}", path.display());
    Ok(ExitCode::SUCCESS)
}
