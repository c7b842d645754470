//! The flags that every scenario has: where the hub is and who may talk to it.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

/// Which hub, and how to be let in.
#[derive(Args, Clone, Debug)]
pub struct Target {
    /// Start this hub in development mode, and stop it at the end.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["public", "internal", "hub_pid"])]
    pub hub: Option<PathBuf>,
    /// The public port of a running hub.
    #[arg(long, value_name = "HOST:PORT", requires_all = ["internal", "hub_pid"])]
    pub public: Option<SocketAddr>,
    /// The internal port of a running hub.
    #[arg(long, value_name = "HOST:PORT")]
    pub internal: Option<SocketAddr>,
    /// The process of a running hub.
    #[arg(long, value_name = "PID")]
    pub hub_pid: Option<u32>,
    /// The secret that tokens are signed with (HS256).
    #[arg(long, default_value = "hubbub-development-secret-not-for-production")]
    pub secret: String,
    /// The name of that secret in tokens.
    #[arg(long, default_value = "dev")]
    pub kid: String,
    /// The key for the internal API.
    #[arg(long, default_value = "dev-key")]
    pub api_key: String,
    /// Threads with simulated people.
    #[arg(long, default_value_t = 1)]
    pub threads: usize,
    /// Connections that may be opening at once.
    #[arg(long, default_value_t = 256)]
    pub in_flight: usize,
    /// Seconds to open all connections.
    #[arg(long, default_value_t = 120)]
    pub open_within_s: u64,
    /// Leave out the control.
    #[arg(long)]
    pub no_control: bool,
    /// Also write the report as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}
