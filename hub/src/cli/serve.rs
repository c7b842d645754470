//! `hubbub serve`: loads the configuration, starts logging and runs the node until it is told to stop.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use hubbub_persistence::Store;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use rand::RngExt;
use tokio::runtime::{Builder, LocalOptions};
use tokio::signal::unix::{SignalKind, signal};

use super::sources::SourceArgs;
use super::{CliError, Done, logging, store};
use crate::auth::origin::Origins;
use crate::auth::policy::Policy;
use crate::auth::service::ApiKeys;
use crate::auth::ticket::{TICKET_SECRET_MIN, Tickets};
use crate::auth::verifier::Verifier;
use crate::clock::Clock;
use crate::config::sections::NodeSettings;
use crate::config::{Config, Reloadable};
use crate::guarded::GuardedStore;
use crate::node::{Carrier, Node, Settings};
use crate::rate::Rates;
use crate::rate::redis::RedisRates;
use crate::redis::{self, Redis};
use crate::rooms::platform::Platforms;
use crate::telemetry;

/// On so many cores one thread does everything.
const FEW_CORES: usize = 2;

/// Arguments of `hubbub serve`.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(flatten)]
    sources: SourceArgs,
    /// Address and port for clients.
    #[arg(long, value_name = "ADDR")]
    public: Option<SocketAddr>,
    /// Address and port for services, metrics and probes.
    #[arg(long, value_name = "ADDR")]
    internal: Option<SocketAddr>,
    /// Folder of the SQLite file.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

impl Args {
    fn flags(&self) -> Result<Vec<(&'static str, String)>, CliError> {
        let mut flags = Vec::new();
        flags.extend(self.public.map(|address| ("listen.public", address.to_string())));
        flags.extend(self.internal.map(|address| ("listen.internal", address.to_string())));
        if let Some(folder) = &self.data {
            let path = folder.join("hubbub.db").into_os_string().into_string();
            flags.push(("store.path", path.map_err(|_| CliError::Usage("--data must be UTF-8".into()))?));
        }
        Ok(flags)
    }
}

pub(super) fn run(args: &Args) -> Done {
    let flags = args.flags()?;
    let load = || args.sources.load(flags.clone());
    let config = load()?;
    logging::start(&config.log);
    let request_seconds = Matcher::Full(telemetry::API_REQUEST_SECONDS.to_owned());
    let metrics = PrometheusBuilder::new().set_buckets_for_metric(request_seconds, telemetry::SECONDS_BUCKETS);
    let metrics = metrics.and_then(PrometheusBuilder::install_recorder);
    let metrics = metrics.map_err(|error| CliError::Refused(format!("metrics can not be kept: {error}")))?;
    telemetry::describe();
    // Whoever is still at something at the end, such as a name that nobody resolves, is not waited for.
    match Threads::of(&config.node, cores()).shared {
        0 => {
            let mut builder = Builder::new_current_thread();
            let runtime = builder.enable_all().build_local(LocalOptions::default()).map_err(CliError::Runtime)?;
            let done = runtime.block_on(serve(args, config, metrics));
            runtime.shutdown_background();
            done
        }
        shared => {
            let mut builder = Builder::new_multi_thread();
            let runtime = builder.worker_threads(shared).thread_name("shared").enable_all().build();
            let runtime = runtime.map_err(CliError::Runtime)?;
            let done = runtime.block_on(serve(args, config, metrics));
            runtime.shutdown_background();
            done
        }
    }
}

/// Runs the node until SIGTERM or SIGINT.
async fn serve(args: &Args, config: Config, metrics: PrometheusHandle) -> Done {
    let mut terminate = signal(SignalKind::terminate()).map_err(CliError::Runtime)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(CliError::Runtime)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(CliError::Runtime)?;
    // It may wait for its database for long. Nobody was served yet, so there is nothing to drain.
    let (node, owners) = tokio::select! {
        started = Box::pin(start(config, metrics)) => started?,
        _ = terminate.recv() => return Ok(stopped_before_start()),
        _ = interrupt.recv() => return Ok(stopped_before_start()),
    };
    println!("ready public=http://{} internal=http://{}", node.public, node.internal);
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => match args.sources.load(args.flags()?) {
                Ok(config) => owners.reload(&node, &config),
                Err(error) => tracing::error!(%error, "reload refused, everything stays as it was"),
            },
        }
    }
    tracing::info!("draining; a second signal ends it at once");
    // Cut short, what was acknowledged is safe all the same: it is in its log since before the acknowledgement.
    Ok(tokio::select! {
        () = node.drain() => ExitCode::SUCCESS,
        _ = terminate.recv() => ExitCode::FAILURE,
        _ = interrupt.recv() => ExitCode::FAILURE,
    })
}

fn stopped_before_start() -> ExitCode {
    tracing::info!("stopped before it was ready; nobody was served yet");
    ExitCode::SUCCESS
}

async fn start(config: Config, metrics: PrometheusHandle) -> Result<(Node, Owners), CliError> {
    let refused = |error: &dyn std::error::Error| CliError::Refused(error.to_string());
    let clock = Arc::new(Clock::System);
    let (store, records) = store::open(&config).await?;
    let guarded = GuardedStore::new(store, config.breaker);
    let records = guarded.records(records);
    let store: Arc<dyn Store> = Arc::new(guarded);
    let carrier = carrier(&config, &clock)?;
    let Reloadable { namespaces, key_ring, services, rates, platforms, origins } = config.reloadable()?;
    let owners = Owners {
        verifier: Arc::new(Verifier::new(key_ring, clock.clone())),
        policy: Arc::new(Policy::new(namespaces)),
        api_keys: Arc::new(ApiKeys::new(services)),
        origins: Arc::new(Origins::new(origins)),
        rates: Arc::new(rates_over(&carrier, Rates::new(rates, clock.clone()))),
        platforms: Arc::new(Platforms::new(platforms).map_err(|error| refused(&error))?),
    };
    let fetching = owners.verifier.clone();
    tokio::spawn(async move {
        let Err(error) = fetching.keep_keys_fresh().await;
        tracing::error!(%error, "keys of token issuers can not be fetched");
    });
    let threads = Threads::of(&config.node, cores());
    let node = Node::start(Settings {
        name: config.node.name.as_str().into(),
        public: config.listen.public,
        internal: config.listen.internal,
        shards: threads.shards,
        shard_here: threads.shared == 0,
        limits: config.limits.clone(),
        store,
        records,
        carrier,
        clock,
        verifier: owners.verifier.clone(),
        policy: owners.policy.clone(),
        api_keys: owners.api_keys.clone(),
        origins: owners.origins.clone(),
        rates: owners.rates.clone(),
        platforms: owners.platforms.clone(),
        tickets: tickets(&config),
        anonymous_tenant: config.anonymous_tenant(),
        trusted_proxies: config.http.trusted_proxies.clone(),
        dev: config
            .dev
            .then(|| config.tenants.iter().flat_map(|tenant| tenant.token_keys.first()).next().cloned())
            .flatten(),
        metrics,
    });
    Ok((node.await.map_err(|error| refused(&error))?, owners))
}

/// Redis where it is configured; it is connected to in the background.
fn carrier(config: &Config, clock: &Arc<Clock>) -> Result<Carrier, CliError> {
    let settings = &config.redis;
    let Some(url) = &settings.url else { return Ok(Carrier::Alone) };
    let redis = Redis::start(
        redis::Settings {
            username: settings.username.clone(),
            password: settings.password.clone(),
            ca_file: settings.ca_file.clone(),
            prefix: settings.prefix.clone(),
            connections: settings.connections,
            breaker: config.breaker,
            ..redis::Settings::of(url.expose())
        },
        clock.clone(),
    );
    let redis = redis.map_err(|error| CliError::Refused(format!("redis: {error}")))?;
    Ok(Carrier::Redis { redis, incarnation: rand::rng().random() })
}

/// What tenants and users may publish counts over all nodes, where there are others.
fn rates_over(carrier: &Carrier, rates: Rates) -> Rates {
    match carrier {
        Carrier::Alone => rates,
        Carrier::Redis { redis, .. } => rates.shared_by(Arc::new(RedisRates::new(redis.clone()))),
    }
}

/// How the cores are shared out.
struct Threads {
    shards: usize,
    /// Beside the shards. None: the first shard's thread does their work too.
    shared: usize,
}

impl Threads {
    /// Few shared ones: each more makes the others wake it, which costs more than it takes off them. On few cores even one
    /// does. Shards have the rest: threads that take turns on a core move each other's work.
    fn of(node: &NodeSettings, cores: usize) -> Self {
        let shared = match node.shared_threads {
            0 if cores <= FEW_CORES => 0,
            0 => cores.div_ceil(4),
            set => set,
        };
        let rest = if shared == 0 { 1 } else { cores.saturating_sub(shared).max(1) };
        Self { shards: if node.shards > 0 { node.shards } else { rest }, shared }
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Without a configured secret tickets live as long as the node.
fn tickets(config: &Config) -> Tickets {
    match &config.tickets.secret {
        Some(secret) => Tickets::new(secret.expose().as_bytes()),
        None => Tickets::new(&rand::rng().random::<[u8; TICKET_SECRET_MIN]>()),
    }
}

/// Who holds what a reload replaces.
struct Owners {
    verifier: Arc<Verifier>,
    policy: Arc<Policy>,
    api_keys: Arc<ApiKeys>,
    origins: Arc<Origins>,
    rates: Arc<Rates>,
    platforms: Arc<Platforms>,
}

impl Owners {
    /// All of it or nothing.
    fn reload(&self, node: &Node, config: &Config) {
        let reloadable = match config.reloadable() {
            Ok(reloadable) => reloadable,
            Err(error) => return tracing::error!(%error, "reload refused, everything stays as it was"),
        };
        if let Some(name) = moved_log(&self.policy, &reloadable) {
            return tracing::error!(
                namespace = name,
                "reload refused: the `log` of a namespace can change only with a restart, everything stays as it was"
            );
        }
        let Reloadable { namespaces, key_ring, services, rates, platforms, origins } = reloadable;
        self.verifier.reload(key_ring);
        self.policy.reload(namespaces);
        self.api_keys.reload(services);
        self.origins.reload(origins);
        self.rates.reload(rates);
        self.platforms.reload(platforms);
        node.set_anonymous_tenant(config.anonymous_tenant());
        tracing::info!("keys, tenants, namespaces and origins reloaded");
    }
}

/// A namespace whose messages would be looked for in another place.
fn moved_log(policy: &Policy, next: &Reloadable) -> Option<String> {
    let now = policy.namespaces();
    let moved = next
        .namespaces
        .iter()
        .find(|(name, rules)| now.iter().any(|(other, before)| other == *name && before.log != rules.log));
    moved.map(|(name, _)| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_are_shared_out_and_what_is_told_counts() {
        for (cores, told, expected) in [
            // (shards, shared threads), 0 being the default.
            (1, (0, 0), (1, 0)),
            (2, (0, 0), (1, 0)),
            (3, (0, 0), (2, 1)),
            (4, (0, 0), (3, 1)),
            (16, (0, 0), (12, 4)),
            (2, (2, 0), (2, 0)),
            (2, (0, 1), (1, 1)),
            (4, (1, 0), (1, 1)),
            (1, (0, 3), (1, 3)),
        ] {
            let node = NodeSettings { shards: told.0, shared_threads: told.1, ..NodeSettings::default() };
            let threads = Threads::of(&node, cores);
            assert_eq!((threads.shards, threads.shared), expected, "{cores} cores, {told:?}");
        }
    }
}
