//! The rooms of one tenant over a store, with a clock that is held, a broker in memory, and everything that is told in it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use hubbub::auth::grants::Grants;
use hubbub::auth::secret::Secret;
use hubbub::auth::service::{ApiKeySettings, Scope, Service};
use hubbub::auth::{Identity, Policy, Revocations};
use hubbub::broker::memory::{Bus, MemoryBroker};
use hubbub::broker::{Broker, Content, Inbox, Incoming};
use hubbub::clock::Clock;
use hubbub::control::Control;
use hubbub::deliver::hot::{Hot, HotBounds};
use hubbub::limits::Limits;
use hubbub::namespace::{LogKind, Namespace, Namespaces};
use hubbub::presence::memory::{Board, MemoryRoster};
use hubbub::presence::{self, Presence};
use hubbub::rate::Rates;
use hubbub::rooms::platform::Platforms;
use hubbub::rooms::{NoticeDraft, Origin, Parts, RoomError, Rooms};
use hubbub_persistence::records::{Act, ActFuture, Hit, Look, Looked, RecordKey, Records, Search};
use hubbub_persistence::{Store, StoreError};
use hubbub_protocol::channel::{ChannelKey, ChannelName, TenantId, UserId};
use hubbub_protocol::room::RoomRequest;
use hubbub_protocol::{Data, Message};
use serde::de::DeserializeOwned;
use tokio::sync::{Notify, mpsc};

use crate::backends::Backend;

/// When every sequence begins, in milliseconds since 1970.
const BEGIN: u64 = 1_763_600_000_000;
/// Messages that may wait to be taken between two steps.
const TOLD: usize = 16_384;

/// Who acts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Who {
    User(UserId),
    Service,
}

pub(crate) struct World {
    pub(crate) rooms: Rooms,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) tenant: TenantId,
    clock: Arc<Clock>,
    service: Service,
    broker: Arc<MemoryBroker>,
    told: mpsc::Receiver<Incoming>,
    pub(crate) gate: Arc<Gate>,
}

/// Holds a question between two looks at the records, once, so that something can happen there.
#[derive(Default)]
pub(crate) struct Gate {
    armed: AtomicBool,
    pub(crate) reached: Notify,
    pub(crate) passed: Notify,
}

impl Gate {
    pub(crate) fn arm(&self) {
        self.armed.store(true, Ordering::Relaxed);
    }

    async fn pass(&self) {
        if self.armed.swap(false, Ordering::Relaxed) {
            self.reached.notify_one();
            self.passed.notified().await;
        }
    }
}

impl World {
    pub(crate) async fn begin(backend: &Backend, tenant: &str) -> Self {
        let tenant = TenantId::parse(tenant).expect("a tenant");
        let clock = Arc::new(Clock::Manual(AtomicU64::new(BEGIN)));
        let (sender, told) = mpsc::channel(TOLD);
        let broker = Arc::new(MemoryBroker::new(Bus::new(1 << 20, clock.clone()), Inbox::new(vec![sender])));
        let limits = Limits::default();
        let (orders, _) = mpsc::channel(1);
        let (shards, hot) = (Arc::from([]), Hot::new(HotBounds::from(&limits)));
        let (store, revocations) = (backend.store.clone(), Arc::new(Revocations::new()));
        let control = Control::new(shards, store.clone(), broker.clone(), revocations, hot, orders);
        let board = Board::new(presence::bounds(&limits), clock.clone());
        let roster = Arc::new(MemoryRoster::new(board, broker.clone()));
        let presence = Presence::start(roster, broker.clone(), clock.clone(), presence::Settings::of(&limits));
        let gate = Arc::new(Gate::default());
        let rooms = Rooms::new(Parts {
            store: store.clone(),
            records: Arc::new(OfTenant {
                records: backend.records.clone(),
                tenant: tenant.clone(),
                gate: gate.clone(),
            }),
            broker: broker.clone(),
            control,
            policy: Arc::new(Policy::new(namespaces())),
            rates: Arc::new(Rates::new(HashMap::new(), clock.clone())),
            presence,
            platforms: Arc::new(Platforms::new(HashMap::new()).expect("a client")),
            clock: clock.clone(),
            absent_ms: 0,
        });
        let service = service(&tenant);
        Self { rooms, store, tenant, clock, service, broker, told, gate }
    }

    pub(crate) fn now(&self) -> u64 {
        self.clock.now_ms()
    }

    pub(crate) fn pass(&self, ms: u64) {
        if let Clock::Manual(now) = &*self.clock {
            now.fetch_add(ms, Ordering::Relaxed);
        }
    }

    pub(crate) fn key(&self, channel: &ChannelName) -> ChannelKey {
        ChannelKey::new(self.tenant.clone(), channel.clone())
    }

    /// Hears of a channel from now on.
    pub(crate) async fn watch(&self, channel: &ChannelName) {
        self.broker.subscribe(&[self.key(channel)]).await.expect("in memory");
    }

    /// What was told since the last time, sorted by channel and offset within it: acts at the same time are told in any order.
    pub(crate) fn told(&mut self) -> Vec<Message> {
        let mut told = Vec::new();
        while let Ok(incoming) = self.told.try_recv() {
            if let Incoming::Envelope(envelope) = incoming
                && let Content::Message(message) = envelope.content
                && message.position.is_some()
            {
                told.push(message);
            }
        }
        told.sort_by_key(|message| message.position.map(|position| position.offset));
        told
    }

    pub(crate) async fn act(&self, who: &Who, request: RoomRequest) -> Result<Data, RoomError> {
        match who {
            Who::User(user) => self.rooms.by_user(&self.identity(user), Origin::default(), request).await,
            Who::Service => self.rooms.by_service(&self.service, None, Origin::default(), request).await,
        }
    }

    /// Asks for a user. A refusal is `None`.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, user: &UserId, request: RoomRequest) -> Option<T> {
        let data = self.rooms.by_user(&self.identity(user), Origin::default(), request).await;
        match data {
            Ok(data) => Some(serde_json::from_str(data.get()).expect("the answer of the question")),
            Err(RoomError::Refused(_)) => None,
            Err(error) => panic!("a question failed: {error}"),
        }
    }

    /// Puts a notice of a service into the inbox of a user.
    pub(crate) async fn notify(&self, user: &UserId, draft: NoticeDraft) -> Result<(), RoomError> {
        self.rooms.notify(&self.service, user, draft, None).await.map(|_| ())
    }

    pub(crate) async fn may_look(&self, user: &UserId, channel: &ChannelName) -> bool {
        self.rooms.seen(Some(user), &self.key(channel)).await.expect("a store")
    }

    fn identity(&self, user: &UserId) -> Identity {
        Identity {
            tenant: self.tenant.clone(),
            user: Some(user.clone()),
            token_id: None,
            issued_at: 0,
            expires_at_ms: u64::MAX,
            grants: Grants::Defaults,
        }
    }
}

fn service(tenant: &TenantId) -> Service {
    let scopes = vec![Scope::Publish, Scope::Read, Scope::Users, Scope::Admin];
    let secret = Some(Secret::new("the key of the property of rooms"));
    let settings = ApiKeySettings { id: "platform".into(), secret, scopes, ..ApiKeySettings::default() };
    settings.service(tenant, true).expect("a good key").1
}

fn namespaces() -> Namespaces {
    let durable = Namespace { log: LogKind::Durable, ..Namespace::default() };
    let room = Namespace { rooms: true, ..durable.clone() };
    let user = Namespace { per_user: true, ..durable };
    Namespaces::new([("room".to_owned(), room), ("user".to_owned(), user)]).expect("good rules")
}

/// Records that many sequences share: what is due of others is theirs.
struct OfTenant {
    records: Arc<dyn Records>,
    tenant: TenantId,
    gate: Arc<Gate>,
}

#[async_trait]
impl Records for OfTenant {
    fn act(&self, act: Arc<dyn Act>) -> ActFuture {
        self.records.act(act)
    }

    async fn look(&self, tenant: &TenantId, look: Look) -> Result<Looked, StoreError> {
        let lists = !look.lists.is_empty();
        let looked = self.records.look(tenant, look).await;
        if lists {
            self.gate.pass().await;
        }
        looked
    }

    async fn search(&self, search: Search) -> Result<Vec<Hit>, StoreError> {
        self.records.search(search).await
    }

    async fn due(&self, now_ms: u64, limit: u32) -> Result<Vec<RecordKey>, StoreError> {
        let mut due = self.records.due(now_ms, 10 * limit).await?;
        due.retain(|key| key.home.tenant == self.tenant);
        due.truncate(limit as usize);
        Ok(due)
    }

    async fn naming(
        &self,
        channel: &ChannelKey,
        user: &UserId,
        after: u64,
        limit: u32,
    ) -> Result<Vec<u64>, StoreError> {
        self.records.naming(channel, user, after, limit).await
    }
}
