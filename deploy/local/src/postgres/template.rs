//! A data folder with database and roles, made once per machine: `initdb` takes seconds, a copy a fraction of one.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::options::Options;
use super::server::Postgres;
use crate::error::{Error, during};
use crate::program::{self, Account};

/// Counts up when what is in the template changes.
const VERSION: u32 = 2;

/// What operators run too: the owner of the schema, and the one as whom nodes work, who owns nothing.
const ROLES: &str = include_str!("../../../postgres/roles.sql");

/// Fills an empty folder with a copy of the template.
pub(super) fn copy_to(data: &Path, account: Account) -> Result<(), Error> {
    let template = template(account)?;
    copy(&template, data)
}

/// Copies a data folder whose server is down, owners and all.
pub(super) fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    let mut command = Command::new("cp");
    program::run(command.arg("-a").arg("--").arg(from).arg(to)).map(drop)
}

/// The template, made if nobody has made it yet. Others who want it at the same time wait.
fn template(account: Account) -> Result<PathBuf, Error> {
    let version = program::run(Command::new(program::find("initdb")?).arg("--version"))?;
    let version: String = version.chars().filter(|letter| letter.is_ascii_alphanumeric()).collect();
    let owner = if account == Account::Ours { "own" } else { "root" };
    let name = format!("hubbub-local-{version}-{VERSION}-{owner}");
    let path = std::env::temp_dir().join(&name);
    let lock = File::create(path.with_extension("lock")).map_err(during("the lock of the Postgres template"))?;
    lock.lock().map_err(during("waiting for the Postgres template"))?;
    if !path.is_dir() {
        make(&path, account)?;
    }
    Ok(path)
}

fn make(path: &Path, account: Account) -> Result<(), Error> {
    let folder = tempfile::Builder::new().prefix("hubbub-local-initdb-").tempdir();
    let folder = folder.map_err(during("a temporary folder"))?;
    account.give(folder.path())?;
    let data = folder.path().join("data");
    let mut command = Command::new(program::find("initdb")?);
    command.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "-D"]);
    account.apply(command.arg(&data));
    program::run(&mut command)?;
    let mut server = Postgres::on(Options::default().folder(folder.path()))?;
    let roles = folder.path().join("roles.sql");
    fs::write(&roles, ROLES).map_err(during("writing the roles"))?;
    let mut command = server.psql_command("postgres")?;
    command.env("HUBBUB_OWNER_PASSWORD", "hubbub_owner").env("HUBBUB_PASSWORD", "hubbub");
    program::run(command.arg("-f").arg(&roles))?;
    server.stop()?;
    drop(server);
    // Whole or not at all: the name appears when everything is there.
    let made = path.with_extension("new");
    if made.exists() {
        fs::remove_dir_all(&made).map_err(during("removing half a template"))?;
    }
    copy(&data, &made)?;
    fs::rename(&made, path).map_err(during("naming the template"))
}
