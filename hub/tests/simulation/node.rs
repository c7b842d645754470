//! A node of the simulation: the hub's own shards, lanes, presence and sessions, without sockets. A crash drops all its tasks
//! where they stand.

use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use hubbub::admission::{Bounds, Gatekeeper};
use hubbub::auth::keys::TokenKeySettings;
use hubbub::auth::{KeyRing, Policy, Revocations, Verifier};
use hubbub::clock::Clock;
use hubbub::config::Config;
use hubbub::control::Control;
use hubbub::deliver::hot::{Hot, HotBounds};
use hubbub::deliver::{Intake, Interest, Parts};
use hubbub::encoded::Format;
use hubbub::limits::Limits;
use hubbub::logs::Logs;
use hubbub::namespace::{LogKind, Namespace, Namespaces, Operation, WindowBounds};
use hubbub::presence::memory::{Board, MemoryRoster};
use hubbub::presence::{self, Presence};
use hubbub::publish::Publisher;
use hubbub::rate::Rates;
use hubbub::rooms::platform::Platforms;
use hubbub::rooms::{self, Rooms};
use hubbub::session::{self, Services};
use hubbub::shard::mail::mailbox;
use hubbub::shard::{PipeWriter, Shard, Wire};
use hubbub_persistence::Store;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, LocalSet, spawn_local};

use crate::broker::Network;
use crate::rooms::NoRecords;
use crate::store::SimStore;

const SHARDS: usize = 2;
/// Messages that a window of the simulation keeps.
pub(crate) const WINDOW: u32 = 60;

/// A socket that a client opens: where the hub's bytes go, and what the client says.
pub(crate) struct Dial {
    pub(crate) wire: PipeWriter,
    pub(crate) said: mpsc::Receiver<String>,
}

/// What every node is made of.
#[derive(Clone)]
pub(crate) struct Blueprint {
    pub(crate) network: Arc<Network>,
    pub(crate) store: SimStore,
    pub(crate) clock: Arc<Clock>,
    pub(crate) limits: Arc<Limits>,
}

/// A node that runs.
pub(crate) struct SimNode {
    pub(crate) id: u64,
    pub(crate) door: mpsc::Sender<Dial>,
    tasks: JoinHandle<()>,
    network: Arc<Network>,
}

impl SimNode {
    pub(crate) fn start(blueprint: &Blueprint, id: u64) -> Self {
        let set = LocalSet::new();
        let (door, dials) = mpsc::channel(16);
        {
            let _entered = set.enter();
            spawn_local(build(blueprint.clone(), id, dials));
        }
        Self { id, door, tasks: spawn_local(set), network: blueprint.network.clone() }
    }

    /// Ends it without a word.
    pub(crate) fn crash(self) {
        self.network.leave(self.id);
        self.tasks.abort();
    }
}

/// The same order as in `hubbub::node`: mailboxes, lanes over the broker, presence, services, shards.
async fn build(blueprint: Blueprint, id: u64, mut dials: mpsc::Receiver<Dial>) {
    let Blueprint { network, store, clock, limits } = blueprint;
    let (mailboxes, readers): (Vec<_>, Vec<_>) = (0..SHARDS).map(|_| mailbox(limits.mailbox_messages)).unzip();
    let intake = Intake::new(SHARDS, 64);
    let broker = network.join(id, intake.inbox());
    let store: Arc<dyn Store> = Arc::new(store);
    let logs = Logs::new(broker.clone(), store.clone());
    let shards: Arc<[_]> = mailboxes.into();
    let hot = Hot::new(HotBounds::from(&*limits));
    let parts = Parts {
        broker: broker.clone(),
        logs: logs.clone(),
        hot: hot.clone(),
        shards: shards.clone(),
        limits: limits.clone(),
    };
    let interest = Interest::start(intake, &parts, &tokio::runtime::Handle::current());
    let board = Board::new(presence::bounds(&limits), clock.clone());
    let roster = Arc::new(MemoryRoster::new(board, broker.clone()));
    let presence = Presence::start(roster, broker.clone(), clock.clone(), presence::Settings::of(&limits));
    let (policy, revocations) = (Arc::new(Policy::new(namespaces())), Arc::new(Revocations::new()));
    let rates = Arc::new(Rates::new(HashMap::new(), clock.clone()));
    let (untold, _) = mpsc::channel(1);
    let control = Control::new(shards.clone(), store.clone(), broker.clone(), revocations.clone(), hot.clone(), untold);
    let rooms = Rooms::new(rooms::Parts {
        records: Arc::new(NoRecords),
        store,
        broker: broker.clone(),
        control,
        policy: policy.clone(),
        rates: rates.clone(),
        presence: presence.clone(),
        platforms: Arc::new(Platforms::new(HashMap::new()).expect("TLS")),
        clock: clock.clone(),
        absent_ms: 0,
    });
    let services = Rc::new(Services {
        node: format!("node-{id}").into(),
        verifier: Arc::new(Verifier::new(key_ring(), clock.clone())),
        policy,
        revocations,
        publisher: Publisher::new(logs.clone(), broker, clock.clone(), limits.frame_bytes),
        logs,
        hot,
        presence: presence.clone(),
        rates,
        rooms,
        shards,
        clock: clock.clone(),
        limits: limits.clone(),
    });
    let start = |(index, reader)| {
        Shard::start(index, reader, interest.clone(), presence.clone(), clock.clone(), limits.clone())
    };
    let running: Vec<Rc<Shard>> = readers.into_iter().enumerate().map(start).collect();
    let bounds = Bounds { connections: 10_000, per_address: 10_000, per_second: 1_000_000, burst: 1_000_000 };
    let gatekeeper = Gatekeeper::new(bounds, 0);
    let mut next = 0;
    while let Some(dial) = dials.recv().await {
        next += 1;
        let Ok(admission) = gatekeeper.admit(IpAddr::from([127, 0, 0, 1]), 0) else { continue };
        let (shard, services) = (Rc::clone(&running[next % SHARDS]), Rc::clone(&services));
        spawn_local(serve(shard, services, dial, admission));
    }
}

/// What `transport::websocket` does for a socket.
async fn serve(shard: Rc<Shard>, services: Rc<Services>, mut dial: Dial, admission: hubbub::admission::Admission) {
    let id = shard.with(|state| state.adopt(Wire::Pipe(dial.wire), Format::Json, admission, true));
    while let Some(text) = dial.said.recv().await {
        session::hear(&shard, id);
        if let Some(wait) = session::receive(&shard, &services, id, &text) {
            wait.await;
        }
        if !shard.with(|state| state.lives(id)) {
            break;
        }
    }
    shard.with(|state| state.remove(id));
}

/// The key of the development preset.
pub(crate) fn signing_key() -> TokenKeySettings {
    Config::development().tenants[0].token_keys[0].clone()
}

fn key_ring() -> KeyRing {
    let config = Config::development();
    let tenants = config.tenants.iter().map(|tenant| (&tenant.id, tenant.token_keys.as_slice()));
    KeyRing::new(config.tokens.clone(), tenants).expect("the development preset is valid")
}

fn namespaces() -> Namespaces {
    let allow = vec![Operation::Subscribe, Operation::Publish, Operation::History, Operation::Presence];
    let of = |log| Namespace { log, allow: allow.clone(), ..Namespace::default() };
    let window = WindowBounds { messages: WINDOW, ..WindowBounds::default() };
    let declared = [
        ("dur".to_owned(), of(LogKind::Durable)),
        ("win".to_owned(), Namespace { window, ..of(LogKind::Window) }),
        ("eph".to_owned(), of(LogKind::None)),
    ];
    Namespaces::new(declared).expect("valid")
}
