//! PgBouncer in transaction mode: a connection to the server is lent for one transaction.

use std::process::Command;

use crate::error::Error;
use crate::folder::{self, Folder};
use crate::port::Port;
use crate::postgres::Postgres;
use crate::process::Process;
use crate::program::{self, Account};

const LOG: &str = "pgbouncer.log";
/// It refuses to run as root.
const ACCOUNT: &str = "postgres";

/// A PgBouncer on 127.0.0.1 in front of a [`Postgres`]. Killed when dropped.
#[derive(Debug)]
pub struct PgBouncer {
    // Dropped in this order: the process before its folder.
    process: Option<Process>,
    folder: Folder,
    account: Account,
    port: Port,
}

impl PgBouncer {
    /// Starts one and waits until a query comes through. It lends at most 20 connections per role.
    pub fn start(postgres: &Postgres) -> Result<Self, Error> {
        let account = Account::unless_root(ACCOUNT)?;
        let folder = Folder::open(None, account)?;
        let port = Port::get(None)?;
        folder.write("users.txt", "\"hubbub\" \"hubbub\"\n\"hubbub_owner\" \"hubbub_owner\"\n", account)?;
        let text = format!(
            "[databases]\n\
             hubbub = host=127.0.0.1 port={server} dbname=hubbub\n\
             [pgbouncer]\n\
             listen_addr = 127.0.0.1\n\
             listen_port = {port}\n\
             unix_socket_dir =\n\
             auth_type = trust\n\
             auth_file = {users}\n\
             pool_mode = transaction\n\
             max_client_conn = 500\n\
             default_pool_size = 20\n\
             server_login_retry = 1\n",
            server = postgres.port(),
            port = port.number(),
            users = folder.file("users.txt").display(),
        );
        folder.write("pgbouncer.ini", &text, account)?;
        let mut bouncer = Self { process: None, folder, account, port };
        bouncer.start_again()?;
        Ok(bouncer)
    }

    /// Its port; stays the same when it starts again.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// As `hubbub`, who owns nothing: for nodes.
    pub fn url(&self) -> String {
        format!("postgres://hubbub:hubbub@127.0.0.1:{}/hubbub", self.port())
    }

    /// SIGKILL.
    pub fn kill(&mut self) -> Result<(), Error> {
        self.process.take().map_or(Ok(()), |mut process| process.kill())
    }

    /// Starts it again on the same port, killing it first where it still runs.
    pub fn start_again(&mut self) -> Result<(), Error> {
        self.kill()?;
        let mut command = Command::new(program::find("pgbouncer")?);
        command.arg(self.folder.file("pgbouncer.ini")).current_dir(self.folder.path());
        self.account.apply(&mut command);
        let mut process = Process::spawn(command, &self.folder, LOG)?;
        process
            .until("an answer through PgBouncer", || Ok(self.psql("SELECT 1").ok().filter(|answer| answer == "1")))?;
        self.process = Some(process);
        Ok(())
    }

    /// Runs SQL through it as `hubbub`.
    pub fn psql(&self, sql: &str) -> Result<String, Error> {
        let mut command = Command::new(program::find("psql")?);
        command.env("PGCONNECT_TIMEOUT", "5").env_remove("PGOPTIONS");
        command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql, "-d", &self.url()]);
        program::run(&mut command)
    }

    /// The last lines of its log.
    pub fn log_tail(&self) -> String {
        folder::tail(&self.folder.file(LOG))
    }
}
