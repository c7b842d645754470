//! A node, put together: settings in, listeners and threads out, and its orderly end.
//!
//! The shards have a thread each; lanes, presence, store and internal API share the runtime that calls [`Node::start`]. On
//! few cores one thread has all of it.

mod backbone;
mod housekeeping;
mod shards;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use hubbub_persistence::records::Records;
use hubbub_persistence::{Store, StoreError};
use hubbub_protocol::TenantId;
use ipnet::IpNet;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep};

pub use self::backbone::Carrier;

use self::backbone::Backbone;
use self::housekeeping::House;
use crate::admission::{Bounds, Gatekeeper};
use crate::api::{self, Api};
use crate::auth::keys::TokenKeySettings;
use crate::auth::origin::Origins;
use crate::auth::policy::Policy;
use crate::auth::revocation::Revocations;
use crate::auth::service::ApiKeys;
use crate::auth::ticket::Tickets;
use crate::auth::verifier::Verifier;
use crate::clock::Clock;
use crate::control::{Control, orders};
use crate::limits::Limits;
use crate::memory;
use crate::presence::{self, Presence};
use crate::publish::Publisher;
use crate::rate::Rates;
use crate::rooms::platform::Platforms;
use crate::rooms::{self, Rooms};
use crate::session::Services;
use crate::shard::mail::{Mail, Mailbox, MailboxReader};
use crate::transport::listener;
use crate::transport::public::Public;
use crate::transport::turns::Turns;

/// Connections that may be between accept and upgrade, in all and from one address.
const HANDSHAKES: usize = 8_192;
const HANDSHAKES_PER_ADDRESS: u32 = 2_048;
/// Files that a process needs beside its connections.
const SPARE_FILES: usize = 256;
/// What a goodbye to a socket that does not answer and the news for the roster may take beside the grace of presence, in
/// milliseconds.
const ABSENT_MS: u64 = 2_500;
/// How often a drain looks whether everybody has gone.
const DRAIN_LOOK: Duration = Duration::from_millis(20);
/// What is left of the deadline for the last goodbyes; of a short one a quarter.
const GOODBYES: Duration = Duration::from_secs(2);

/// What a node is made of.
pub struct Settings {
    /// Its name, e.g. in `connected`.
    pub name: Arc<str>,
    /// The public port.
    pub public: SocketAddr,
    /// The internal port.
    pub internal: SocketAddr,
    /// How many shards.
    pub shards: usize,
    /// Whether the first of them runs on the thread that starts the node, whose runtime must be a local one.
    pub shard_here: bool,
    /// The bounds.
    pub limits: Limits,
    /// What is remembered.
    pub store: Arc<dyn Store>,
    /// What rooms remember, in the same database.
    pub records: Arc<dyn Records>,
    /// What carries messages to other nodes.
    pub carrier: Carrier,
    /// The time.
    pub clock: Arc<Clock>,
    /// Proves tokens.
    pub verifier: Arc<Verifier>,
    /// Knows who may do what.
    pub policy: Arc<Policy>,
    /// Knows services.
    pub api_keys: Arc<ApiKeys>,
    /// Which pages may open connections.
    pub origins: Arc<Origins>,
    /// What tenants and their users may publish.
    pub rates: Arc<Rates>,
    /// What the platforms of tenants want to know.
    pub platforms: Arc<Platforms>,
    /// The tickets of SSE streams.
    pub tickets: Tickets,
    /// Whose public channels are read without a token.
    pub anonymous_tenant: Option<TenantId>,
    /// Whose `X-Forwarded-For` counts.
    pub trusted_proxies: Vec<IpNet>,
    /// In development mode: the key that signs tokens for everybody who asks.
    pub dev: Option<TokenKeySettings>,
    /// Renders the metrics of the process.
    pub metrics: PrometheusHandle,
}

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The port is taken or may not be used.
    #[error("can not listen on {0}: {1}; is another hub running, or is the address not of this machine?")]
    Listen(SocketAddr, #[source] io::Error),
    /// The revocations could not be loaded.
    #[error("can not load revocations: {0}")]
    Store(#[from] StoreError),
    /// A thread could not be started.
    #[error("can not start a shard: {0}")]
    Thread(#[source] io::Error),
}

/// A running node.
pub struct Node {
    /// Where clients connect.
    pub public: SocketAddr,
    /// Where services connect.
    pub internal: SocketAddr,
    entry: Arc<Public>,
    gatekeeper: Arc<Gatekeeper>,
    shards: Arc<[Mailbox]>,
    shard_here: Option<tokio::task::JoinHandle<()>>,
    threads: Vec<JoinHandle<()>>,
    closing: watch::Sender<bool>,
    ended: watch::Sender<bool>,
    store: Arc<dyn Store>,
    drain_notice: Duration,
    drain: Duration,
}

impl Node {
    /// Puts a node together and starts it on the current runtime and threads of its own.
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        let Settings { name, store, clock, verifier, policy, tickets, dev, .. } = settings;
        let limits = Arc::new(settings.limits);
        let count = settings.shards.max(1);
        let listen = |error| StartError::Listen(settings.public, error);
        let (public, listeners) = listener::bind(settings.public, count).map_err(listen)?;
        let internal_listener = TcpListener::bind(settings.internal).await;
        let internal_listener = internal_listener.map_err(|error| StartError::Listen(settings.internal, error))?;
        let internal = internal_listener.local_addr().map_err(|error| StartError::Listen(settings.internal, error))?;

        let backbone = Backbone::raise(settings.carrier, count, store.clone(), &clock, &limits).await;
        let Backbone { broker, roster, bus, logs, hot, interest, probe, shards, readers, lanes, missed, notices } =
            backbone;
        let revocations = Arc::new(Revocations::new());
        for revocation in store.revocations(clock.now_ms()).await? {
            revocations.insert(revocation);
        }
        let presence = Presence::start(roster, broker.clone(), clock.clone(), presence::Settings::of(&limits));
        tokio::spawn(presence::missed::follow(presence.clone(), lanes, missed));
        let publisher = Publisher::new(logs.clone(), broker.clone(), clock.clone(), limits.frame_bytes);
        let gatekeeper = Gatekeeper::new(bounds(&limits), clock.now_ms());
        let (sender, untold) = mpsc::channel(orders::UNTOLD);
        let control =
            Control::new(shards.clone(), store.clone(), broker.clone(), revocations.clone(), hot.clone(), sender);
        tokio::spawn(orders::follow(control.clone(), broker.clone(), clock.clone(), notices, untold));
        let rooms = Rooms::new(rooms::Parts {
            records: settings.records,
            store: store.clone(),
            broker: broker.clone(),
            control: control.clone(),
            policy: policy.clone(),
            rates: settings.rates.clone(),
            presence: presence.clone(),
            platforms: settings.platforms,
            clock: clock.clone(),
            absent_ms: limits.presence_grace_ms.max(limits.presence_lease_ms * 9 / 8) + ABSENT_MS,
        });
        tokio::spawn(rooms::follow_work(rooms.clone()));
        tokio::spawn(rooms::watch_readers(rooms.clone()));
        let services = Services {
            node: name,
            verifier,
            policy: policy.clone(),
            revocations: revocations.clone(),
            publisher,
            logs,
            hot: hot.clone(),
            presence,
            rates: settings.rates,
            rooms: rooms.clone(),
            shards: shards.clone(),
            clock: clock.clone(),
            limits: limits.clone(),
        };
        let entry = Arc::new(Public {
            services: services.clone(),
            origins: settings.origins,
            gatekeeper: gatekeeper.clone(),
            trusted_proxies: settings.trusted_proxies,
            tickets,
            anonymous_tenant: ArcSwapOption::from_pointee(settings.anonymous_tenant),
            dev,
            turns: Turns::new(limits.room_requests, limits.room_requests_per_user),
        });
        let watermark =
            Some(limits.memory_watermark_bytes).filter(|bytes| *bytes > 0).or_else(memory::default_watermark);
        let api = Api::new(api::Parts {
            services,
            control,
            api_keys: settings.api_keys,
            gatekeeper: gatekeeper.clone(),
            store: store.clone(),
            probe,
            broker,
            metrics: settings.metrics,
            memory_watermark: watermark,
        });
        tokio::spawn(api::serve(internal_listener, api));
        let house = House {
            bus,
            hot,
            store: store.clone(),
            rooms: rooms.clone(),
            policy,
            revocations,
            gatekeeper: gatekeeper.clone(),
            shards: shards.clone(),
            clock: clock.clone(),
            watermark,
        };
        house.start();

        let (closing, ended) = (watch::Sender::new(false), watch::Sender::new(false));
        let handshakes = Gatekeeper::new(handshake_bounds(), clock.now_ms());
        let mut seeds = listeners.into_iter().zip(readers).enumerate().map(
            |(index, (listener, mailbox)): (usize, (_, MailboxReader))| shards::Seed {
                index,
                listener,
                mailbox,
                interest: interest.clone(),
                public: entry.clone(),
                handshakes: handshakes.clone(),
                closing: closing.subscribe(),
                ended: ended.subscribe(),
            },
        );
        let shard_here =
            settings.shard_here.then(|| seeds.next()).flatten().map(|seed| tokio::task::spawn_local(shards::run(seed)));
        let threads = seeds.map(shards::start).collect::<io::Result<Vec<_>>>().map_err(StartError::Thread)?;
        let (drain_notice, drain) =
            (Duration::from_millis(limits.drain_notice_ms), Duration::from_millis(limits.drain_ms));
        Ok(Self {
            public,
            internal,
            entry,
            gatekeeper,
            shards,
            shard_here,
            threads,
            closing,
            ended,
            store,
            drain_notice,
            drain,
        })
    }

    /// Public channels of another tenant are read without a token from now on.
    pub fn set_anonymous_tenant(&self, tenant: Option<TenantId>) {
        self.entry.anonymous_tenant.store(tenant.map(Arc::new));
    }

    /// Sends everybody away in good order and ends: unready, wait for the balancer, accept what still waits, ask the
    /// clients to reconnect in paced batches, close whoever stays. What was acknowledged is in its log before this returns.
    pub async fn drain(self) {
        let deadline = Instant::now() + self.drain_notice + self.drain;
        self.gatekeeper.drain();
        sleep(self.drain_notice).await;
        self.closing.send_replace(true);
        let goodbyes = GOODBYES.min(self.drain / 4);
        let within_ms = self.drain.saturating_sub(goodbyes).as_millis() as u64;
        self.tell_shards(|| Mail::Drain { within_ms }).await;
        self.wait_until_empty(deadline - goodbyes).await;
        self.tell_shards(|| Mail::Finish).await;
        self.wait_until_empty(deadline).await;
        self.ended.send_replace(true);
        // A shard that panicked has said so already.
        if let Some(shard) = self.shard_here {
            let _ = shard.await;
        }
        for thread in self.threads {
            let _ = thread.join();
        }
        self.store.close().await;
    }

    async fn tell_shards(&self, mail: impl Fn() -> Mail) {
        for shard in self.shards.iter() {
            shard.send(mail()).await;
        }
    }

    async fn wait_until_empty(&self, deadline: Instant) {
        while self.gatekeeper.connections() > 0 && Instant::now() < deadline {
            sleep(DRAIN_LOOK).await;
        }
    }
}

fn bounds(limits: &Limits) -> Bounds {
    let files = open_files().saturating_sub(SPARE_FILES);
    Bounds {
        connections: if limits.connections > 0 { limits.connections } else { files },
        per_address: limits.connections_per_ip,
        per_second: limits.connects_per_second,
        burst: limits.connect_burst,
    }
}

fn handshake_bounds() -> Bounds {
    Bounds { connections: HANDSHAKES, per_address: HANDSHAKES_PER_ADDRESS, per_second: 1_000_000, burst: 4_000_000 }
}

/// How many files this process may open.
fn open_files() -> usize {
    const UNKNOWN: usize = 1_024;
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find(|line| line.starts_with("Max open files"));
    line.and_then(|line| line.split_ascii_whitespace().nth(3)).and_then(|soft| soft.parse().ok()).unwrap_or(UNKNOWN)
}
