//! How a Postgres server is set up.

use std::path::{Path, PathBuf};

/// The set-up of a server. By default it does not wait for the disk (`fsync` off) but writes each commit to the kernel
/// before it answers, so that killed processes lose nothing; only a power cut could.
#[derive(Clone, Debug, Default)]
pub struct Options {
    durable: bool,
    pub(super) folder: Option<PathBuf>,
    pub(super) port: Option<u16>,
    settings: Vec<(String, String)>,
}

/// Connections at once, of all clients.
const CONNECTIONS: u32 = 200;

impl Options {
    /// Waits for the disk as in production: `fsync`, `synchronous_commit` and `full_page_writes` on.
    #[must_use]
    pub fn durable(mut self) -> Self {
        self.durable = true;
        self
    }

    /// Keeps its data in this folder, which stays when the server goes. Where we are root and the account of Postgres may
    /// not enter it, another one is taken; see [`super::Postgres::folder`].
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

    /// Adds a setting, e.g. `("shared_buffers", "512MB")`.
    #[must_use]
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Arguments of `postgres`.
    pub(super) fn arguments(&self, port: u16) -> Vec<String> {
        let disk = if self.durable { "on" } else { "off" };
        let port = port.to_string();
        let connections = CONNECTIONS.to_string();
        let fixed = [
            ("listen_addresses", "127.0.0.1"),
            ("port", &port),
            ("unix_socket_directories", ""),
            ("max_connections", &connections),
            ("fsync", disk),
            ("full_page_writes", disk),
            ("synchronous_commit", "on"),
            // Files instead of shared memory with a name, which would outlive a kill.
            ("dynamic_shared_memory_type", "mmap"),
            ("hot_standby", "on"),
            ("timezone", "UTC"),
        ];
        let settings = self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        fixed
            .into_iter()
            .chain(settings)
            .flat_map(|(name, value)| ["-c".to_owned(), format!("{name}={value}")])
            .collect()
    }
}
