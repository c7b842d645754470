//! Copies of a server: snapshots of its data folder, and standbys that follow it.

use std::process::Command;

use tempfile::TempDir;

use super::server::Postgres;
use super::template::copy;
use crate::error::{Error, during};
use crate::folder::Folder;
use crate::patience;
use crate::process::PATIENCE;
use crate::program;

/// A backup of a data folder.
#[derive(Debug)]
pub struct Snapshot {
    folder: TempDir,
}

impl Postgres {
    /// Stops the server in good order, copies its data and starts it again: a cold backup.
    pub fn snapshot(&mut self) -> Result<Snapshot, Error> {
        let folder = tempfile::Builder::new().prefix("hubbub-local-snapshot-").tempdir();
        let folder = folder.map_err(during("a temporary folder"))?;
        self.stop()?;
        copy(&self.folder.file("data"), &folder.path().join("data"))?;
        self.start_again()?;
        Ok(Snapshot { folder })
    }

    /// Kills the server, puts the data of the snapshot in the place of its own and starts it again: a restore from a
    /// backup, after which everything that came behind the snapshot is gone.
    pub fn restore(&mut self, snapshot: &Snapshot) -> Result<(), Error> {
        self.kill()?;
        let data = self.folder.file("data");
        std::fs::remove_dir_all(&data).map_err(during("removing the data"))?;
        copy(&snapshot.folder.path().join("data"), &data)?;
        self.start_again()
    }

    /// A standby: a base backup that follows this server by streaming, in hot standby.
    pub fn standby(&self) -> Result<Self, Error> {
        let folder = Folder::open(None, self.account)?;
        let mut command = Command::new(program::find("pg_basebackup")?);
        command.args(["--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast", "--no-sync", "-D"]);
        command.arg(folder.file("data")).arg("-d").arg(self.admin_url());
        self.account.apply(&mut command);
        program::run(&mut command)?;
        let mut options = self.options.clone();
        (options.folder, options.port) = (None, None);
        Self::in_folder(folder, self.account, options)
    }

    /// Makes a primary of a standby: a new timeline begins.
    pub fn promote(&self) -> Result<(), Error> {
        self.psql("SELECT pg_promote(true, 30)").map(drop)
    }

    /// Waits until a standby has replayed everything that this server has committed.
    pub fn wait_for_standby(&self, standby: &Self) -> Result<(), Error> {
        let committed = self.psql("SELECT pg_current_wal_lsn()")?;
        let replayed = format!("SELECT pg_last_wal_replay_lsn() >= '{committed}'");
        patience::until(
            "a standby that has everything",
            PATIENCE,
            || standby.log_tail(),
            || Ok((standby.psql(&replayed)? == "t").then_some(())),
        )
    }
}
