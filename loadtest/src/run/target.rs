//! What a scenario drives: a hub that runs, one that is started for it, or a fleet of them.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use clap::Args;

use crate::LoadError;
use crate::crew::Entrance;
use crate::fleet::{Fleet, Shape};
use crate::plan::scenario::Fault;

/// The flags that say what is driven.
#[derive(Args, Clone, Debug)]
pub struct Driven {
    /// Start this hub in development mode, and end it with the run.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["url", "internal", "hub_pid"])]
    hub: Option<PathBuf>,
    /// How many of them; several are a fleet over a private Redis and Postgres.
    #[arg(long, default_value_t = 1, requires = "hub")]
    nodes: usize,
    /// A setting of every hub that is started, by its environment variable.
    #[arg(long = "hub-env", value_name = "NAME=VALUE", requires = "hub")]
    hub_env: Vec<String>,
    /// Where a running hub, or its balancer, takes WebSockets: ws://HOST:PORT.
    #[arg(long, requires = "internal")]
    url: Option<String>,
    /// The internal API of a running hub: http://HOST:PORT; several are used in turns.
    #[arg(long)]
    internal: Vec<String>,
    /// A process of a running hub on this machine, so that its costs are measured.
    #[arg(long, value_name = "PID")]
    hub_pid: Vec<u32>,
    /// The secret that tokens are signed with (HS256).
    #[arg(long, default_value = "hubbub-development-secret-not-for-production")]
    secret: String,
    /// The name of that secret in tokens.
    #[arg(long, default_value = "dev")]
    kid: String,
    /// The key for the internal API.
    #[arg(long, default_value = "dev-key")]
    api_key: String,
    /// At least so many processes with people. By default one for each 15,000.
    #[arg(long, default_value_t = 1)]
    workers: usize,
    /// Connections that may be opening at once.
    #[arg(long, default_value_t = 256)]
    in_flight: usize,
    /// Seconds that opening may take beyond the ramp.
    #[arg(long, default_value_t = 60)]
    open_within_s: u64,
}

/// What is driven, while it lasts.
#[derive(Debug)]
pub(super) struct Hubs {
    /// What was started.
    pub(super) fleet: Option<Fleet>,
    /// Where people connect, and as whom.
    pub(super) entrance: Entrance,
    /// The internal ports.
    pub(super) internals: Vec<SocketAddr>,
    pub(super) api_key: String,
    pub(super) open_within_s: u64,
    pids: Vec<u32>,
}

impl Hubs {
    /// Finds or starts it. Faults need one that was started, with so many nodes.
    pub(super) fn of(driven: &Driven, faults: &[Fault]) -> Result<Self, LoadError> {
        if let Some(most) = faults.iter().map(|fault| fault.node).max()
            && (driven.hub.is_none() || most > driven.nodes.max(1))
        {
            return Err(LoadError::Start(format!(
                "a fault happens to node {most}: start so many with --hub and --nodes"
            )));
        }
        let (mut fleet, mut publics, mut internals) = (None, Vec::new(), Vec::new());
        match (&driven.hub, &driven.url) {
            (Some(program), _) => {
                let started = Fleet::start(program, &driven.shape()?)?;
                publics = started.hubs.iter().map(hubbub_local::hub::Hub::public).collect();
                internals = started.internals();
                fleet = Some(started);
            }
            (None, Some(url)) => {
                publics.push(address(url)?);
                for internal in &driven.internal {
                    internals.push(address(internal)?);
                }
            }
            (None, None) => {
                return Err(LoadError::Start("name a hub: --hub FILE, or --url and --internal".into()));
            }
        }
        let Driven { secret, kid, in_flight, workers, api_key, open_within_s, hub_pid, .. } = driven.clone();
        let entrance = Entrance { publics, secret, kid, in_flight, workers };
        Ok(Self { fleet, entrance, internals, api_key, open_within_s, pids: hub_pid })
    }

    /// The processes that are there now.
    pub(super) fn pids(&self) -> Vec<u32> {
        match &self.fleet {
            Some(fleet) => fleet.hubs.iter().filter_map(hubbub_local::hub::Hub::pid).collect(),
            None => self.pids.clone(),
        }
    }

    /// Where people connect first.
    pub(super) fn url(&self) -> String {
        self.entrance.publics.first().map_or_else(String::new, |public| format!("ws://{public}/ws"))
    }
}

impl Driven {
    fn shape(&self) -> Result<Shape, LoadError> {
        let nodes = self.nodes.max(1);
        let mut env = Vec::new();
        for setting in &self.hub_env {
            let (name, value) = setting.split_once('=').ok_or_else(|| {
                LoadError::Start(format!("--hub-env {setting}: it is NAME=VALUE, e.g. HUBBUB_LIMITS__DRAIN_MS=5000"))
            })?;
            env.push((name.to_owned(), value.to_owned()));
        }
        Ok(Shape { nodes, alone: nodes == 1, env, ..Shape::default() })
    }
}

/// `ws://host:port/…`, `http://host:port` or `host:port`. Tokens are sent, so not over the internet without TLS: a balancer that
/// ends it must stand on this side.
fn address(url: &str) -> Result<SocketAddr, LoadError> {
    let wrong = |why: &str| LoadError::Start(format!("{url}: {why}"));
    let rest = match url.split_once("://") {
        Some(("ws" | "http", rest)) => rest,
        Some(("wss" | "https", _)) => return Err(wrong("TLS is not spoken here; name a port without it")),
        Some(_) => return Err(wrong("it begins with ws:// or http://")),
        None => url,
    };
    let host = rest.split('/').next().unwrap_or(rest);
    let host = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
    let mut found = host.to_socket_addrs().map_err(|error| wrong(&error.to_string()))?;
    found.find(SocketAddr::is_ipv4).ok_or_else(|| wrong("it has no IPv4 address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_in_urls() {
        let of = |url| address(url).map(|address| address.to_string()).map_err(|error| error.to_string());
        assert_eq!(of("ws://127.0.0.1:8080/ws").as_deref(), Ok("127.0.0.1:8080"));
        assert_eq!(of("http://127.0.0.1").as_deref(), Ok("127.0.0.1:80"));
        assert_eq!(of("127.0.0.1:9").as_deref(), Ok("127.0.0.1:9"));
        for wrong in ["wss://127.0.0.1:1", "ftp://127.0.0.1:1", "ws://[::1]:1"] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }
}
