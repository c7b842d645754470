//! A hub: the binary itself, told where to listen, started and ended like a service.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use crate::error::{Error, during};
use crate::folder::{self, Folder};
use crate::port::Port;
use crate::process::{Process, Signal};
use crate::program::{self, Account};

const LOG: &str = "hub.log";

/// How a hub is started. By default in development mode, on any free ports, with its SQLite file in a private folder.
#[derive(Clone, Debug)]
pub struct Options {
    binary: Option<PathBuf>,
    folder: Option<PathBuf>,
    public: Option<u16>,
    internal: Option<u16>,
    config: Option<String>,
    dev: bool,
    args: Vec<String>,
    env: BTreeMap<String, String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            binary: None,
            folder: None,
            public: None,
            internal: None,
            config: None,
            dev: true,
            args: Vec::new(),
            env: BTreeMap::new(),
        }
    }
}

impl Options {
    /// Runs this binary instead of `$HUBBUB_BIN`, or of the `hubbub` that was built beside this program.
    #[must_use]
    pub fn binary(mut self, path: &Path) -> Self {
        // It is started in another folder.
        self.binary = Some(std::path::absolute(path).unwrap_or_else(|_| path.to_owned()));
        self
    }

    /// Keeps its files in this folder, which stays when the hub goes.
    #[must_use]
    pub fn folder(mut self, folder: &Path) -> Self {
        self.folder = Some(folder.to_owned());
        self
    }

    /// Listens on these ports, public and internal, instead of any free ones.
    #[must_use]
    pub fn ports(mut self, public: u16, internal: u16) -> Self {
        self.public = Some(public);
        self.internal_port(internal)
    }

    /// Takes this one as its internal port.
    #[must_use]
    pub fn internal_port(mut self, port: u16) -> Self {
        self.internal = Some(port);
        self
    }

    /// Gives it this configuration file.
    #[must_use]
    pub fn config(mut self, text: &str) -> Self {
        self.config = Some(text.to_owned());
        self
    }

    /// Without the preset of development: the configuration must say everything.
    #[must_use]
    pub fn production(mut self) -> Self {
        self.dev = false;
        self
    }

    /// Adds an argument of `hubbub serve`.
    #[must_use]
    pub fn arg(mut self, arg: &str) -> Self {
        self.args.push(arg.to_owned());
        self
    }

    /// Sets a key of the configuration by its environment variable, e.g. `("HUBBUB_REDIS__URL", "redis://…")`.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }
}

impl Options {
    /// The binary with its settings and nobody else's.
    fn bare_command(&self, binary: &Path) -> Command {
        let mut command = Command::new(binary);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("HUBBUB_")) {
            command.env_remove(name);
        }
        command.envs(&self.env);
        command
    }
}

/// A hub on 127.0.0.1. Killed when dropped.
#[derive(Debug)]
pub struct Hub {
    // Dropped in this order: the process before its folder.
    process: Option<Process>,
    folder: Folder,
    options: Options,
    binary: PathBuf,
    public: Port,
    internal: Port,
}

impl Hub {
    /// Starts one and waits for its line `ready public=… internal=…`.
    pub fn start(options: Options) -> Result<Self, Error> {
        let binary = options.binary.clone().map_or_else(default_binary, Ok)?;
        let folder = Folder::open(options.folder.as_deref(), Account::Ours)?;
        if let Some(text) = &options.config {
            folder.write("hubbub.toml", text, Account::Ours)?;
        }
        let [public, internal] = [Port::get(options.public)?, Port::get(options.internal)?];
        let mut hub = Self { process: None, folder, options, binary, public, internal };
        hub.start_again()?;
        Ok(hub)
    }

    /// Where clients connect.
    pub fn public(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.public.number()).into()
    }

    /// Where services and probes connect.
    pub fn internal(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.internal.number()).into()
    }

    /// Its process, if it was started and neither killed nor waited for.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    /// Starts it again on the same ports with the same data; killing it first where it still runs.
    pub fn start_again(&mut self) -> Result<(), Error> {
        self.kill()?;
        let before = self.ready_lines();
        let mut process = Process::spawn(self.command(), &self.folder, LOG)?;
        process.until("the line `ready …`", || Ok((self.ready_lines() > before).then_some(())))?;
        self.process = Some(process);
        Ok(())
    }

    /// Starts it again with another setting; `None` takes one back.
    pub fn start_again_with(&mut self, settings: &[(&str, Option<&str>)]) -> Result<(), Error> {
        for (name, value) in settings {
            match value {
                Some(value) => self.options.env.insert((*name).to_owned(), (*value).to_owned()),
                None => self.options.env.remove(*name),
            };
        }
        self.start_again()
    }

    /// SIGKILL, and waits for the end.
    pub fn kill(&mut self) -> Result<(), Error> {
        self.process.take().map_or(Ok(()), |mut process| process.kill())
    }

    /// SIGTERM: the hub drains. See [`Self::wait`].
    pub fn terminate(&mut self) -> Result<(), Error> {
        self.signal(Signal::Terminate)
    }

    /// SIGHUP: the hub reads its configuration again.
    pub fn reload(&mut self) -> Result<(), Error> {
        self.signal(Signal::Hangup)
    }

    /// SIGSTOP: connections stay open, nothing answers.
    pub fn pause(&mut self) -> Result<(), Error> {
        self.signal(Signal::Stop)
    }

    /// SIGCONT.
    pub fn resume(&mut self) -> Result<(), Error> {
        self.signal(Signal::Continue)
    }

    /// Waits for its end, and says how it ended; `None` where it did not run.
    pub fn wait(&mut self) -> Result<Option<ExitStatus>, Error> {
        let Some(process) = &mut self.process else { return Ok(None) };
        let status = process.wait()?;
        self.process = None;
        Ok(Some(status))
    }

    /// How it ended, if it did; without waiting.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>, Error> {
        self.process.as_mut().map_or(Ok(None), Process::ended)
    }

    /// All that it has said.
    pub fn log(&self) -> String {
        let text = fs::read(self.folder.file(LOG)).unwrap_or_default();
        String::from_utf8_lossy(&text).into_owned()
    }

    /// The last lines of what it has said.
    pub fn log_tail(&self) -> String {
        folder::tail(&self.folder.file(LOG))
    }

    fn signal(&mut self, signal: Signal) -> Result<(), Error> {
        self.process.as_mut().map_or(Ok(()), |process| process.signal(signal))
    }

    fn ready_lines(&self) -> usize {
        self.log().lines().filter(|line| line.starts_with("ready public=")).count()
    }

    fn command(&self) -> Command {
        let mut command = self.options.bare_command(&self.binary);
        command.arg("serve").args(self.options.dev.then_some("--dev")).arg("--data").arg(self.folder.path());
        command.args(["--public", &self.public().to_string(), "--internal", &self.internal().to_string()]);
        if self.options.config.is_some() {
            command.arg("--config").arg(self.folder.file("hubbub.toml"));
        }
        command.args(&self.options.args).current_dir(self.folder.path());
        command
    }
}

/// Runs another command of the binary to its end, with the settings of the options, and gives back what it printed.
pub fn run(options: &Options, arguments: &[&str]) -> Result<String, Error> {
    let binary = options.binary.clone().map_or_else(default_binary, Ok)?;
    program::run(options.bare_command(&binary).args(arguments))
}

/// `$HUBBUB_BIN`, or the binary in the folder of this program, or in the one above it: tests lie in `target/debug/deps`.
pub fn default_binary() -> Result<PathBuf, Error> {
    if let Some(path) = std::env::var_os("HUBBUB_BIN") {
        return Ok(path.into());
    }
    let program = std::env::current_exe().map_err(during("where this program is"))?;
    let found = program.ancestors().skip(1).take(2).map(|folder| folder.join("hubbub")).find(|path| path.is_file());
    found.ok_or_else(|| Error::Missing {
        program: "target/debug/hubbub".into(),
        hint: "`cargo build -p hubbub`, or name one in HUBBUB_BIN",
    })
}
