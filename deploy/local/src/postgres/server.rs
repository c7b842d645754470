//! One Postgres server: database `hubbub`, a role that owns it and one that owns nothing.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::options::Options;
use super::template;
use crate::error::Error;
use crate::folder::Folder;
use crate::patience;
use crate::port::Port;
use crate::process::{self, PATIENCE, Process, Signal};
use crate::program::{self, Account};

const LOG: &str = "postgres.log";
/// The account that Debian's packages make.
const ACCOUNT: &str = "postgres";

/// A Postgres server on 127.0.0.1. Ended at once when dropped.
#[derive(Debug)]
pub struct Postgres {
    // Dropped in this order: the process before its folder.
    process: Option<Process>,
    pub(super) folder: Folder,
    pub(super) account: Account,
    pub(super) options: Options,
    port: Port,
}

impl Postgres {
    /// Starts one and waits until it answers. A kept folder that holds data already is used as it is.
    pub fn start(options: Options) -> Result<Self, Error> {
        let account = Account::unless_root(ACCOUNT)?;
        let folder = Folder::open(options.folder.as_deref(), account)?;
        let data = folder.file("data");
        if !data.is_dir() {
            template::copy_to(&data, account)?;
        }
        Self::in_folder(folder, account, options)
    }

    /// Starts one on the data that lies in the folder of the options.
    pub(super) fn on(options: Options) -> Result<Self, Error> {
        let account = Account::unless_root(ACCOUNT)?;
        let folder = Folder::open(options.folder.as_deref(), account)?;
        Self::in_folder(folder, account, options)
    }

    pub(super) fn in_folder(folder: Folder, account: Account, options: Options) -> Result<Self, Error> {
        let port = Port::get(options.port)?;
        let mut server = Self { process: None, folder, account, options, port };
        server.start_again()?;
        Ok(server)
    }

    /// Its port; stays the same when it starts again.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Where its data and its log are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// As the superuser `postgres`.
    pub fn admin_url(&self) -> String {
        self.url_as("postgres")
    }

    /// As `hubbub_owner`, who owns database and schema and is no superuser: for migrations.
    pub fn owner_url(&self) -> String {
        self.url_as("hubbub_owner")
    }

    /// As `hubbub`, who owns nothing: for nodes.
    pub fn url(&self) -> String {
        self.url_as("hubbub")
    }

    /// Starts it again on the same port, with its data; killing it first where it still runs.
    pub fn start_again(&mut self) -> Result<(), Error> {
        self.kill()?;
        let mut command = Command::new(program::find("postgres")?);
        command.arg("-D").arg(self.folder.file("data")).args(self.options.arguments(self.port()));
        command.current_dir(self.folder.path());
        self.account.apply(&mut command);
        let mut process = Process::spawn(command, &self.folder, LOG)?;
        process.until("an answer of Postgres", || {
            Ok(self.psql_in("postgres", "SELECT 1").ok().filter(|answer| answer == "1"))
        })?;
        self.process = Some(process);
        Ok(())
    }

    /// SIGKILL to all of its processes at once.
    pub fn kill(&mut self) -> Result<(), Error> {
        let Some(mut process) = self.process.take() else { return Ok(()) };
        // Stopped, it can not start another while its children are counted.
        process.signal(Signal::Stop)?;
        let children = process::children(process.pid());
        for child in &children {
            process::send(Signal::Kill, &child.to_string())?;
        }
        process.kill()?;
        // The shared memory of one that is still there would keep the server from starting again.
        let gone = |pid: &u32| process::is_gone(*pid);
        patience::until("the end of Postgres", PATIENCE, String::new, || Ok(children.iter().all(gone).then_some(())))
    }

    /// Ends it in good order, without waiting for its clients.
    pub fn stop(&mut self) -> Result<(), Error> {
        let Some(mut process) = self.process.take() else { return Ok(()) };
        process.signal(Signal::Interrupt)?;
        process.wait().map(drop)
    }

    /// SIGSTOP to all of its processes: connections stay open, nothing answers.
    pub fn pause(&mut self) -> Result<(), Error> {
        self.signal_all(Signal::Stop)
    }

    /// SIGCONT to all of its processes.
    pub fn resume(&mut self) -> Result<(), Error> {
        self.signal_all(Signal::Continue)
    }

    /// Runs SQL as the superuser in the database `hubbub`; one row per line, columns separated by `|`.
    pub fn psql(&self, sql: &str) -> Result<String, Error> {
        self.psql_in("hubbub", sql)
    }

    /// The last lines of its log.
    pub fn log_tail(&self) -> String {
        crate::folder::tail(&self.folder.file(LOG))
    }

    pub(super) fn psql_in(&self, database: &str, sql: &str) -> Result<String, Error> {
        program::run(self.psql_command(database)?.args(["-c", sql]))
    }

    pub(super) fn psql_command(&self, database: &str) -> Result<Command, Error> {
        let mut command = Command::new(program::find("psql")?);
        command.env("PGCONNECT_TIMEOUT", "5").env_remove("PGOPTIONS");
        command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d"]);
        command.arg(format!("postgres://postgres@127.0.0.1:{}/{database}", self.port()));
        Ok(command)
    }

    fn url_as(&self, role: &str) -> String {
        format!("postgres://{role}:{role}@127.0.0.1:{}/hubbub", self.port())
    }

    /// What a killed server leaves behind until it starts again: its `postmaster.pid` names the segment.
    fn remove_shared_memory(&self) -> Result<(), Error> {
        let note = fs::read_to_string(self.folder.file("data/postmaster.pid")).unwrap_or_default();
        let Some(segment) = note.lines().nth(6).and_then(|line| line.split_whitespace().nth(1)) else { return Ok(()) };
        program::run(Command::new("ipcrm").args(["-m", segment])).map(drop)
    }

    fn signal_all(&mut self, signal: Signal) -> Result<(), Error> {
        let Some(process) = &mut self.process else { return Ok(()) };
        let children = process::children(process.pid());
        process.signal(signal)?;
        children.iter().try_for_each(|child| process::send(signal, &child.to_string()))
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // Immediate shutdown: it gives its shared memory back, which a kill would leave behind. Paused children
            // could not obey.
            for child in process::children(process.pid()) {
                let _ = process::send(Signal::Continue, &child.to_string());
            }
            let _ = process.signal(Signal::Continue);
            let _ = process.signal(Signal::Quit);
            let _ = process.wait();
        }
        let _ = self.remove_shared_memory();
    }
}
