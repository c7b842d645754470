//! How a Redis server is set up, and the configuration file that says so.

use std::path::{Path, PathBuf};

/// The set-up of one server. By default nothing is persisted and everybody may do everything without a password.
#[derive(Clone, Debug, Default)]
pub struct Options {
    append_only: Option<String>,
    snapshots: bool,
    users: Vec<String>,
    pub(super) tls: bool,
    pub(super) folder: Option<PathBuf>,
    pub(super) port: Option<u16>,
    args: Vec<String>,
}

impl Options {
    /// Keeps an append-only file, synced `always`, `everysec` or `no`.
    #[must_use]
    pub fn append_only(mut self, fsync: &str) -> Self {
        self.append_only = Some(fsync.to_owned());
        self
    }

    /// Keeps snapshots (RDB) as Redis does by default.
    #[must_use]
    pub fn snapshots(mut self) -> Self {
        self.snapshots = true;
        self
    }

    /// Adds an ACL user, e.g. `("hub", "secret", "~hub:* &hub:* +@all")`. From the first one on who does not log in may
    /// do nothing.
    #[must_use]
    pub fn acl_user(mut self, name: &str, password: &str, rules: &str) -> Self {
        self.users.push(format!("user {name} on >{password} {rules}"));
        self
    }

    /// Speaks TLS alone, with certificates that are made at the start.
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Keeps its files in this folder, which stays when the server goes.
    #[must_use]
    pub fn folder(mut self, folder: &Path) -> Self {
        self.folder = Some(folder.to_owned());
        self
    }

    /// Listens on this port instead of any free one.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Adds directives as they would stand on the command line: `["--maxmemory", "10mb"]`.
    #[must_use]
    pub fn args<'a>(mut self, args: impl IntoIterator<Item = &'a str>) -> Self {
        self.args.extend(args.into_iter().map(str::to_owned));
        self
    }

    /// What stands behind the configuration file on the command line.
    pub(super) fn arguments(&self) -> &[String] {
        &self.args
    }

    /// The configuration file but for its port.
    pub(super) fn directives(&self) -> String {
        let mut lines = vec![
            "bind 127.0.0.1".to_owned(),
            "daemonize no".into(),
            "protected-mode no".into(),
            // The test that drops a server must not wait for its snapshot.
            "shutdown-timeout 0".into(),
            // One who logs in even when the default user may not: `cli` and replication work with every set-up.
            format!("user {ADMIN} on >{ADMIN} ~* &* +@all"),
            format!("user {REPLICATOR} on >{REPLICATOR} +psync +replconf +ping"),
            format!("masteruser {REPLICATOR}"),
            format!("masterauth {REPLICATOR}"),
            // Replicas are there at once.
            "repl-diskless-sync-delay 0".into(),
            "repl-ping-replica-period 1".into(),
        ];
        match &self.append_only {
            Some(fsync) => lines.extend(["appendonly yes".to_owned(), format!("appendfsync {fsync}")]),
            None => lines.push("appendonly no".into()),
        }
        lines.push(if self.snapshots { "save 3600 1 300 100 60 10000" } else { "save \"\"" }.to_owned());
        if !self.users.is_empty() {
            lines.push("user default off".into());
            lines.extend(self.users.iter().cloned());
        }
        lines.join("\n") + "\n"
    }
}

/// The user of `cli`, who may do everything; his name is his password.
pub(super) const ADMIN: &str = "local-admin";
/// The user of replicas: switched off, replication stops while everything else goes on.
pub(super) const REPLICATOR: &str = "local-replicator";
