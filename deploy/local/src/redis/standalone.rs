//! One Redis server.

use std::path::Path;

use super::options::Options;
use super::server::Server;
use crate::error::Error;
use crate::process::Signal;

/// What a server finds when it starts again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Data {
    /// What it had persisted, which is nothing with the default options.
    Kept,
    /// Nothing.
    Lost,
}

/// One Redis server on 127.0.0.1. Killed when dropped.
#[derive(Debug)]
pub struct Standalone {
    server: Server,
}

impl Standalone {
    /// Starts one and waits until it answers.
    pub fn start(options: Options) -> Result<Self, Error> {
        let mut server = Server::prepare(&options, "")?;
        server.start(&[])?;
        Ok(Self { server })
    }

    /// Its port; stays the same when it starts again.
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// `redis://127.0.0.1:PORT`, with TLS `rediss://`. Names no user.
    pub fn url(&self) -> String {
        let scheme = if self.server.certificates().is_some() { "rediss" } else { "redis" };
        format!("{scheme}://127.0.0.1:{}", self.port())
    }

    /// The certificate of the authority to trust, with [`Options::tls`].
    pub fn ca_file(&self) -> Option<&Path> {
        self.server.certificates().map(|certificates| certificates.authority.as_path())
    }

    /// SIGKILL.
    pub fn kill(&mut self) -> Result<(), Error> {
        self.server.kill()
    }

    /// SIGTERM, and waits for the end: snapshots and the append-only file are written.
    pub fn stop(&mut self) -> Result<(), Error> {
        self.server.stop()
    }

    /// Starts it again on the same port, killing it first where it still runs.
    pub fn start_again(&mut self, data: Data) -> Result<(), Error> {
        self.server.kill()?;
        if data == Data::Lost {
            self.server.lose_data()?;
        }
        self.server.start(&[])
    }

    /// SIGSTOP: connections stay open, nothing answers.
    pub fn pause(&mut self) -> Result<(), Error> {
        self.server.signal(Signal::Stop)
    }

    /// SIGCONT.
    pub fn resume(&mut self) -> Result<(), Error> {
        self.server.signal(Signal::Continue)
    }

    /// Runs `redis-cli` as a user who may do everything. What Redis refuses is an error.
    pub fn cli(&self, words: &[&str]) -> Result<String, Error> {
        self.server.cli(words)
    }

    /// The last lines of its log.
    pub fn log_tail(&self) -> String {
        self.server.log_tail()
    }
}
