//! `hubbub migrate`: brings the tables of Postgres up to date. Nodes of this version and the one before may run meanwhile.

use std::process::ExitCode;

use super::sources::SourceArgs;
use super::{CliError, Done};

/// Arguments of `hubbub migrate`.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(flatten)]
    sources: SourceArgs,
}

pub(super) fn run(args: &Args) -> Done {
    let store = args.sources.load_backends()?.store;
    let Some(url) = store.postgres_migrate_url else {
        let what = "store.postgres_migrate_url is not set: the database as the role that owns its tables, directly and not \
                    through a pooler. (SQLite needs no such command: a node brings its file up to date by itself.)";
        return Err(CliError::Usage(what.to_owned()));
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(CliError::Runtime)?;
    let migrated = runtime.block_on(hubbub_persistence::postgres::migrate(url.expose(), &store.postgres_role));
    migrated.map_err(|error| CliError::Refused(error.to_string()))?;
    println!("the tables are up to date");
    Ok(ExitCode::SUCCESS)
}
