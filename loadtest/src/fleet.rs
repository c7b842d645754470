//! The fleet of a run: hubs over a private Redis and Postgres, behind nginx where that is asked for. Everything ends with its
//! handle. Knows nothing of people.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use hubbub_local::hub::{self, Hub};
use hubbub_local::nginx::{self, Nginx};
use hubbub_local::postgres::{self, Postgres};
use hubbub_local::redis::{self, Standalone};

use crate::LoadError;
use crate::hub::Place;
use crate::publisher::Publisher;
use crate::token::TokenMaker;

/// What development hubs sign tokens with, the name of that secret, and their API key.
const SECRET: &str = "hubbub-development-secret-not-for-production";
const KID: &str = "dev";
pub(crate) const API_KEY: &str = "dev-key";
/// Every node must open what another one has sealed.
const TICKET_SECRET: &str = "hubbub-loadtest-ticket-secret-not-for-production";

/// The flags that every scenario with a fleet has.
#[derive(Args, Clone, Debug)]
pub struct FleetFlags {
    /// The hub that is started, in development mode.
    #[arg(long, value_name = "FILE")]
    pub hub: PathBuf,
    /// Connections that may be opening at once.
    #[arg(long, default_value_t = 256)]
    pub in_flight: usize,
    /// Seconds to open all connections.
    #[arg(long, default_value_t = 180)]
    pub open_within_s: u64,
    /// Leave out the control.
    #[arg(long)]
    pub no_control: bool,
    /// Also write the report as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// What is started.
#[derive(Clone, Debug, Default)]
pub struct Shape {
    /// How many hubs.
    pub nodes: usize,
    /// Without Redis and Postgres: each node is alone.
    pub alone: bool,
    /// The Postgres for durable logs.
    pub postgres: postgres::Options,
    /// Worker processes of the nginx in front, and the connections of each; without them there is none.
    pub nginx: Option<(usize, usize)>,
    /// Settings of every hub, by their environment variables.
    pub env: Vec<(String, String)>,
}

/// What runs. Fields are dropped in this order, each before what it needs.
#[derive(Debug)]
pub struct Fleet {
    nginx: Option<Nginx>,
    /// The hubs.
    pub hubs: Vec<Hub>,
    /// What carries messages between them, if anything does.
    pub redis: Option<Standalone>,
    /// The database, if there is one.
    pub postgres: Option<Postgres>,
}

impl Fleet {
    /// Starts everything and waits until it is ready.
    pub fn start(binary: &Path, shape: &Shape) -> Result<Self, LoadError> {
        // They run in folders of their own.
        let binary =
            binary.canonicalize().map_err(|error| LoadError::Start(format!("{}: {error}", binary.display())))?;
        let (mut redis, mut postgres) = (None, None);
        if !shape.alone {
            postgres = Some(Postgres::start(shape.postgres.clone())?);
            redis = Some(Standalone::start(redis::Options::default())?);
        }
        let mut options = hub::Options::default().binary(&binary).env("HUBBUB_TICKETS__SECRET", TICKET_SECRET);
        for (name, value) in &shape.env {
            options = options.env(name, value);
        }
        if let Some(redis) = &redis {
            options = options.env("HUBBUB_REDIS__URL", &redis.url());
        }
        if let Some(postgres) = &postgres {
            let (url, owner) = (postgres.url(), postgres.owner_url());
            options = options.env("HUBBUB_STORE__POSTGRES_URL", &url).env("HUBBUB_STORE__POSTGRES_MIGRATE_URL", &owner);
            hub::run(&options, &["migrate", "--dev"])?;
        }
        if shape.nginx.is_some() {
            options = options.env("HUBBUB_HTTP__TRUSTED_PROXIES", "127.0.0.1/32");
        }
        let start = |number| Hub::start(options.clone().env("HUBBUB_NODE__NAME", &format!("node-{number}")));
        let hubs = (1..=shape.nodes).map(start).collect::<Result<Vec<_>, _>>()?;
        let nginx = shape.nginx.map(|(workers, connections)| {
            let publics: Vec<_> = hubs.iter().map(Hub::public).collect();
            Nginx::start(&publics, nginx::Options::default().workers(workers).connections(connections))
        });
        Ok(Self { nginx: nginx.transpose()?, hubs, redis, postgres })
    }

    /// A node, for who connects to it directly.
    pub fn place(&self, node: usize) -> Result<Place, LoadError> {
        let hub = &self.hubs[node];
        let pid = hub.pid().ok_or_else(|| LoadError::Start(format!("node {} does not run", node + 1)))?;
        Ok(Place { public: hub.public(), internal: hub.internal(), pid })
    }

    /// Where clients connect: nginx, or the first node.
    pub fn entrance(&self) -> SocketAddr {
        self.nginx.as_ref().map_or_else(|| self.hubs[0].public(), Nginx::address)
    }

    /// The internal ports.
    pub fn internals(&self) -> Vec<SocketAddr> {
        self.hubs.iter().map(Hub::internal).collect()
    }
}

/// Makes tokens that development hubs believe.
pub fn tokens() -> TokenMaker {
    TokenMaker::new(SECRET, KID)
}

/// Connects to the internal API of a development hub.
pub fn publisher(internal: SocketAddr) -> Result<Publisher, LoadError> {
    Publisher::connect(internal, API_KEY)
}
