//! One `redis-server` process, a Sentinel too, with its folder and port. What it is for others decide.

use std::fs;
use std::process::Command;

use super::options::{ADMIN, Options, REPLICATOR};
use super::tls::Certificates;
use crate::error::{Error, during};
use crate::folder::Folder;
use crate::patience;
use crate::port::Port;
use crate::process::{PATIENCE, Process, Signal};
use crate::program::{self, Account};

const LOG: &str = "redis.log";
/// How long a command may take.
const ANSWER_SECONDS: &str = "5";
/// What persistence leaves in the folder.
const DATA: &[&str] = &["dump.rdb", "appendonlydir"];

#[derive(Debug)]
pub(super) struct Server {
    // Dropped in this order: the process before its folder.
    process: Option<Process>,
    folder: Folder,
    port: Port,
    /// Whether it watches others instead of keeping data.
    sentinel: bool,
    arguments: Vec<String>,
    certificates: Option<Certificates>,
}

impl Server {
    /// Sets one up without starting it. `more` is added to the configuration file.
    pub(super) fn prepare(options: &Options, more: &str) -> Result<Self, Error> {
        let port = Port::get(options.port)?;
        let folder = Folder::open(options.folder.as_deref(), Account::Ours)?;
        let certificates = options.tls.then(|| Certificates::make(&folder)).transpose()?;
        let listen = match &certificates {
            Some(certificates) => format!("port 0\ntls-port {}\n{}", port.number(), certificates.directives()),
            None => format!("port {}\n", port.number()),
        };
        let text = format!("{}{listen}dir {}\n{more}", options.directives(), folder.path().display());
        folder.write("redis.conf", &text, Account::Ours)?;
        let arguments = options.arguments().to_vec();
        Ok(Self { process: None, folder, port, sentinel: false, arguments, certificates })
    }

    /// Sets up one that watches others.
    pub(super) fn prepare_sentinel(directives: &str) -> Result<Self, Error> {
        let port = Port::get(None)?;
        let folder = Folder::open(None, Account::Ours)?;
        let text = format!("bind 127.0.0.1\nport {}\ndir {}\n{directives}", port.number(), folder.path().display());
        folder.write("redis.conf", &text, Account::Ours)?;
        Ok(Self {
            process: None,
            folder,
            port,
            sentinel: true,
            arguments: vec!["--sentinel".into()],
            certificates: None,
        })
    }

    /// Starts it and waits until it answers.
    pub(super) fn start(&mut self, more: &[&str]) -> Result<(), Error> {
        let mut command = Command::new(program::find("redis-server")?);
        command.arg(self.folder.file("redis.conf")).args(&self.arguments).args(more);
        let mut process = Process::spawn(command, &self.folder, LOG)?;
        process.until("an answer to PING", || Ok(self.cli(&["PING"]).ok().filter(|answer| answer == "PONG")))?;
        self.process = Some(process);
        Ok(())
    }

    pub(super) fn port(&self) -> u16 {
        self.port.number()
    }

    pub(super) fn certificates(&self) -> Option<&Certificates> {
        self.certificates.as_ref()
    }

    pub(super) fn is_running(&self) -> bool {
        self.process.is_some()
    }

    /// Runs `redis-cli`. What Redis refuses is an error.
    pub(super) fn cli(&self, words: &[&str]) -> Result<String, Error> {
        // A paused server would never answer, and redis-cli knows no timeout.
        let mut command = Command::new("timeout");
        command.arg(ANSWER_SECONDS).arg(program::find("redis-cli")?);
        command.args(["-e", "-h", "127.0.0.1", "-p", &self.port().to_string()]);
        if !self.sentinel {
            command.args(["--user", ADMIN, "--pass", ADMIN, "--no-auth-warning"]);
        }
        if let Some(certificates) = &self.certificates {
            command.arg("--tls").arg("--cacert").arg(&certificates.authority);
        }
        program::run(command.args(words))
    }

    pub(super) fn kill(&mut self) -> Result<(), Error> {
        match self.process.take() {
            Some(mut process) => process.kill(),
            None => Ok(()),
        }
    }

    /// Ends it as `SHUTDOWN` does: with the snapshot that its set-up asks for.
    pub(super) fn stop(&mut self) -> Result<(), Error> {
        let Some(mut process) = self.process.take() else { return Ok(()) };
        process.signal(Signal::Terminate)?;
        process.wait().map(drop)
    }

    /// Forgets what it persisted.
    pub(super) fn lose_data(&self) -> Result<(), Error> {
        for path in DATA.iter().map(|name| self.folder.file(name)) {
            if path.is_dir() {
                fs::remove_dir_all(&path).map_err(during(format!("removing {}", path.display())))?;
            } else if path.exists() {
                fs::remove_file(&path).map_err(during(format!("removing {}", path.display())))?;
            }
        }
        Ok(())
    }

    pub(super) fn signal(&mut self, signal: Signal) -> Result<(), Error> {
        self.process.as_mut().map_or(Ok(()), |process| process.signal(signal))
    }

    /// Replicas of this server get nothing more, although it runs and they run.
    pub(super) fn stop_replication(&self) -> Result<(), Error> {
        self.cli(&["ACL", "SETUSER", REPLICATOR, "off"])?;
        self.cli(&["CLIENT", "KILL", "TYPE", "replica"]).map(drop)
    }

    /// They get it again.
    pub(super) fn resume_replication(&self) -> Result<(), Error> {
        self.cli(&["ACL", "SETUSER", REPLICATOR, "on"]).map(drop)
    }

    /// A line of a section of `INFO`.
    pub(super) fn info(&self, section: &str, key: &str) -> Option<String> {
        let text = self.cli(&["INFO", section]).ok()?;
        text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':').map(|value| value.trim().to_owned()))
    }

    pub(super) fn is_primary(&self) -> bool {
        self.is_running() && self.info("replication", "role").as_deref() == Some("master")
    }

    /// Whether it is a replica that has all and gets more.
    pub(super) fn follows(&self) -> bool {
        self.info("replication", "master_link_status").as_deref() == Some("up")
    }

    pub(super) fn log_tail(&self) -> String {
        crate::folder::tail(&self.folder.file(LOG))
    }

    /// Waits for something about this server.
    pub(super) fn until<T>(&self, what: &str, look: impl FnMut() -> Result<Option<T>, Error>) -> Result<T, Error> {
        patience::until(what, PATIENCE, || self.log_tail(), look)
    }
}
