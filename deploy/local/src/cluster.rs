//! The fleet of `make cluster`: starts each part after what it needs, says what runs where, and ends it in reverse.

use std::path::Path;
use std::time::Duration;

use hubbub_local::Error;
use hubbub_local::hub::{self, Hub};
use hubbub_local::nginx::{self, Nginx};
use hubbub_local::postgres::{self, Postgres};
use hubbub_local::redis::{self, Standalone};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::Arguments;

/// Every node must open what another one has sealed. Of development, like everything in this fleet.
const TICKET_SECRET: &str = "hubbub-local-ticket-secret-not-for-production";
/// How long clients get to leave: it is a person who waits.
const DRAIN_MS: &str = "3000";
/// Between two looks at whether everybody still lives.
const WATCH: Duration = Duration::from_secs(1);

/// Everything that runs. Fields are dropped in this order, each before what it needs.
struct Fleet {
    nginx: Nginx,
    hubs: Vec<Hub>,
    redis: Standalone,
    postgres: Postgres,
}

/// Runs until SIGINT or SIGTERM.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|source| Error::System { doing: "starting a runtime".into(), source })?;
    let mut fleet = Fleet::start(arguments)?;
    fleet.describe(arguments);
    // Only from here on: during the start the default of Ctrl-C is right, and the watchdogs end what runs already.
    let told = runtime.block_on(fleet.watch());
    println!("ending: hubs, nginx, Redis, Postgres");
    fleet.stop()?;
    told
}

impl Fleet {
    fn start(arguments: &Arguments) -> Result<Self, Error> {
        let data = arguments.data.as_path();
        println!("starting Postgres and Redis, data in {}", data.display());
        let postgres = Postgres::start(postgres::Options::default().durable().folder(&data.join("postgres")))?;
        let redis = redis::Options::default().append_only("everysec").folder(&data.join("redis"));
        let redis = Standalone::start(redis)?;
        let binary = arguments.hub.clone().map_or_else(hub::default_binary, Ok)?;
        let options = |name: &str| node(&binary, &data.join(name), &postgres, &redis);
        println!("running hubbub migrate");
        hub::run(&options("migrate"), &["migrate", "--dev"])?;
        let mut hubs = Vec::new();
        for index in 0..arguments.nodes {
            let name = format!("node-{}", index + 1);
            println!("starting {name}");
            let options = options(&name).env("HUBBUB_NODE__NAME", &name);
            hubs.push(Hub::start(match arguments.internal {
                0 => options,
                first => options.internal_port(first + index),
            })?);
        }
        let publics: Vec<_> = hubs.iter().map(Hub::public).collect();
        let options = nginx::Options::default().connections(8_192);
        let options = if arguments.port == 0 { options } else { options.port(arguments.port) };
        let nginx = Nginx::start(&publics, options)?;
        Ok(Self { nginx, hubs, redis, postgres })
    }

    fn describe(&self, arguments: &Arguments) {
        println!();
        println!("clients    http://{}  (nginx; pages, /ws, /sse)", self.nginx.address());
        for (number, hub) in (1..).zip(&self.hubs) {
            let (internal, public, process) = (hub.internal(), hub.public(), hub.pid().unwrap_or_default());
            println!("node-{number}     internal http://{internal}  public http://{public}  process {process}");
        }
        println!("Redis      {}", self.redis.url());
        println!("Postgres   {}  (data in {})", self.postgres.admin_url(), self.postgres.folder().display());
        println!("logs       {}/*/*.log", arguments.data.display());
        println!("ready; end it with Ctrl-C");
    }

    /// Until a signal. A hub that ends is reported, and the others go on: that is what the fleet is for.
    async fn watch(&mut self) -> Result<(), Error> {
        let [mut interrupt, mut terminate] = [listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?];
        loop {
            tokio::select! {
                _ = interrupt.recv() => return Ok(()),
                _ = terminate.recv() => return Ok(()),
                () = tokio::time::sleep(WATCH) => self.report_ended()?,
            }
        }
    }

    fn report_ended(&mut self) -> Result<(), Error> {
        for (number, hub) in (1..).zip(&mut self.hubs) {
            if let Some(status) = hub.ended()? {
                println!("node-{number} ended with {status}; its last lines:\n{}", hub.log_tail());
                hub.kill()?;
            }
        }
        Ok(())
    }

    /// Hubs first, all at once, while everything that they need is there.
    fn stop(mut self) -> Result<(), Error> {
        self.hubs.iter_mut().try_for_each(Hub::terminate)?;
        for hub in &mut self.hubs {
            hub.wait()?;
        }
        self.nginx.stop()?;
        self.redis.stop()?;
        self.postgres.stop()
    }
}

fn node(binary: &Path, folder: &Path, postgres: &Postgres, redis: &Standalone) -> hub::Options {
    hub::Options::default()
        .binary(binary)
        .folder(folder)
        .env("HUBBUB_REDIS__URL", &redis.url())
        .env("HUBBUB_STORE__POSTGRES_URL", &postgres.url())
        .env("HUBBUB_STORE__POSTGRES_MIGRATE_URL", &postgres.owner_url())
        .env("HUBBUB_TICKETS__SECRET", TICKET_SECRET)
        .env("HUBBUB_HTTP__TRUSTED_PROXIES", "127.0.0.1/32")
        .env("HUBBUB_LIMITS__DRAIN_MS", DRAIN_MS)
}

fn listen(kind: SignalKind) -> Result<Signal, Error> {
    signal(kind).map_err(|source| Error::System { doing: "listening to signals".into(), source })
}
