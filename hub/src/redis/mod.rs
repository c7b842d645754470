//! The way to Redis: connections, time limits, scripts and the circuit breaker, for everybody who keeps something there. It
//! does not know what is kept.
//!
//! Redis 7.0 or newer, in three forms told apart by the scheme of the URL: `redis://host:port/db`,
//! `redis-sentinel://host:port?node=host:port&sentinelServiceName=name`, `redis-cluster://host:port?node=host:port`; each with
//! TLS as `rediss…`.
//!
//! Two rules for whoever builds on it:
//! - **Nothing is repeated** that may have been done. [`RedisError::Away`] says that the outcome is unknown.
//! - **A reply is a number, or a list that begins with one.** The client library takes a text that begins with `MOVED` or `ASK`
//!   for a redirect and a list that begins with `message`, `subscribe` and the like for a push of pub/sub, also where they are
//!   the answer to a command. So what users chose is never the reply itself nor first in it.

pub mod bucket;
mod link;

mod connect;
mod place;
mod script;

use std::fmt;
use std::path::PathBuf;

pub use fred::types::Value;

pub use self::link::{Redis, State};
pub use self::script::Script;
use crate::auth::secret::Secret;
use crate::breaker::BreakerSettings;

/// Where Redis is, and how long it may take.
#[derive(Clone)]
pub struct Settings {
    /// Its URL. A name and a password in it are used when there are none below.
    pub url: String,
    /// The ACL user.
    pub username: Option<String>,
    /// The password.
    pub password: Option<Secret>,
    /// Certificates in PEM that are trusted for `rediss…`, beside those of the machine.
    pub ca_file: Option<PathBuf>,
    /// Every key and every pub/sub channel begins with it.
    pub prefix: String,
    /// Time for an answer, in milliseconds.
    pub command_ms: u64,
    /// Time for a connection, in milliseconds.
    pub connect_ms: u64,
    /// Connections for commands (to each server of a cluster).
    pub connections: usize,
    /// When Redis counts as away.
    pub breaker: BreakerSettings,
}

impl Settings {
    /// The defaults for a URL: prefix `hubbub`, 2 s for an answer, 1 s for a connection, 2 connections.
    pub fn of(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            username: None,
            password: None,
            ca_file: None,
            prefix: "hubbub".into(),
            command_ms: 2_000,
            connect_ms: 1_000,
            connections: 2,
            breaker: BreakerSettings::default(),
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("url", &connect::without_secrets(&self.url))
            .field("username", &self.username)
            .field("password", &self.password)
            .field("ca_file", &self.ca_file)
            .field("prefix", &self.prefix)
            .field("command_ms", &self.command_ms)
            .field("connect_ms", &self.connect_ms)
            .field("connections", &self.connections)
            .field("breaker", &self.breaker)
            .finish()
    }
}

/// Why Redis did not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RedisError {
    /// These settings can never work.
    #[error("{0}")]
    Settings(String),
    /// No answer came, or one that says "not now". Whether it was done is unknown.
    #[error("Redis is away: {0}")]
    Away(String),
    /// Redis answered, and it did not do it: memory is full, the ACL user may not, or there is a mistake of ours.
    #[error("Redis refused: {0}")]
    Refused(String),
    /// The answer is not one that was asked for: another program writes to our keys, or a newer hub.
    #[error("Redis answered what nobody asked: {0}")]
    Malformed(&'static str),
}
