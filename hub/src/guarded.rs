//! A store behind a circuit breaker: while the database is away callers hear so at once instead of waiting for it, and a
//! probe finds out when it is back. Knows the store by its trait alone.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use hubbub_persistence::records::{Act, ActFuture, Hit, Look, Looked, RecordKey, Records, Search};
use hubbub_persistence::{
    Append, AppendFuture, Continuity, Head, Page, ReadFrom, Retention, Revocation, Store, StoreError,
};
use hubbub_protocol::channel::{ChannelKey, TenantId, UserId};
use hubbub_protocol::{MessageId, Position};
use tokio::time::{Instant, sleep_until, timeout};

use crate::breaker::{Breaker, BreakerSettings};

/// How long a probe may take.
const PROBE: Duration = Duration::from_secs(2);

/// A store that is not asked while it is away.
pub struct GuardedStore {
    inner: Arc<dyn Store>,
    gate: Arc<Gate>,
}

struct Gate {
    // Held for a look or a count, never across an await.
    breaker: Mutex<Breaker>,
    began: Instant,
}

impl GuardedStore {
    /// Guards a store.
    pub fn new(inner: Arc<dyn Store>, settings: BreakerSettings) -> Self {
        let gate = Gate { breaker: Mutex::new(Breaker::new(settings)), began: Instant::now() };
        Self { inner, gate: Arc::new(gate) }
    }

    /// Guards the records of the same database.
    pub fn records(&self, inner: Arc<dyn Records>) -> Arc<dyn Records> {
        Arc::new(GuardedRecords { inner, store: self.inner.clone(), gate: self.gate.clone() })
    }

    fn allow(&self) -> Result<(), StoreError> {
        if self.gate.lock().allows() { Ok(()) } else { Err(away()) }
    }

    async fn guarded<T>(&self, call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        self.allow()?;
        let result = call.await;
        record(&self.inner, &self.gate, &result);
        result
    }
}

impl Gate {
    fn lock(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_ms(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }
}

fn count(question: &'static str) {
    metrics::counter!("hubbub_store_reads_total", "question" => question).increment(1);
}

fn away() -> StoreError {
    StoreError::Unavailable("it has failed again and again and is probed until it answers".into())
}

fn record<T>(inner: &Arc<dyn Store>, gate: &Arc<Gate>, result: &Result<T, StoreError>) {
    let failed = matches!(result, Err(StoreError::Unavailable(_) | StoreError::Unknown(_)));
    let now = gate.now_ms();
    if gate.lock().record(!failed, now) {
        tracing::error!("the store is away: durable channels answer `unavailable` until it is back");
        tokio::spawn(probe(inner.clone(), gate.clone()));
    }
}

/// Asks at growing intervals until the breaker closes. Ends with the node: then nobody else holds the gate.
async fn probe(inner: Arc<dyn Store>, gate: Arc<Gate>) {
    loop {
        let Some(at) = gate.lock().probe_at() else { return };
        sleep_until(gate.began + Duration::from_millis(at)).await;
        if Arc::strong_count(&gate) == 1 {
            return;
        }
        let answer = timeout(PROBE, inner.check()).await;
        let now = gate.now_ms();
        if gate.lock().probed(matches!(answer, Ok(Ok(()))), now) {
            tracing::info!("the store is back");
            return;
        }
    }
}

/// Records that are not asked for while their store is away.
struct GuardedRecords {
    inner: Arc<dyn Records>,
    store: Arc<dyn Store>,
    gate: Arc<Gate>,
}

impl GuardedRecords {
    async fn guarded<T>(&self, call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        if !self.gate.lock().allows() {
            return Err(away());
        }
        let result = call.await;
        record(&self.store, &self.gate, &result);
        result
    }
}

#[async_trait]
impl Records for GuardedRecords {
    fn act(&self, act: Arc<dyn Act>) -> ActFuture {
        if !self.gate.lock().allows() {
            return Box::pin(std::future::ready(Err(away())));
        }
        let (store, gate) = (self.store.clone(), self.gate.clone());
        let acting = self.inner.act(act);
        Box::pin(async move {
            let result = acting.await;
            record(&store, &gate, &result);
            result
        })
    }

    async fn look(&self, tenant: &TenantId, look: Look) -> Result<Looked, StoreError> {
        count("look");
        self.guarded(self.inner.look(tenant, look)).await
    }

    async fn search(&self, search: Search) -> Result<Vec<Hit>, StoreError> {
        count("search");
        self.guarded(self.inner.search(search)).await
    }

    async fn due(&self, now_ms: u64, limit: u32) -> Result<Vec<RecordKey>, StoreError> {
        self.guarded(self.inner.due(now_ms, limit)).await
    }

    async fn naming(
        &self,
        channel: &ChannelKey,
        user: &UserId,
        after: u64,
        limit: u32,
    ) -> Result<Vec<u64>, StoreError> {
        self.guarded(self.inner.naming(channel, user, after, limit)).await
    }
}

#[async_trait]
impl Store for GuardedStore {
    fn append(&self, append: Append) -> AppendFuture {
        if let Err(error) = self.allow() {
            return Box::pin(std::future::ready(Err(error)));
        }
        let (inner, gate) = (self.inner.clone(), self.gate.clone());
        let appending = self.inner.append(append);
        Box::pin(async move {
            let result = appending.await;
            record(&inner, &gate, &result);
            result
        })
    }

    async fn read(
        &self,
        channel: &ChannelKey,
        from: ReadFrom,
        limit: u32,
        max_bytes: usize,
    ) -> Result<Page, StoreError> {
        count("read");
        self.guarded(self.inner.read(channel, from, limit, max_bytes)).await
    }

    async fn heads(&self, channels: &[ChannelKey]) -> Result<Vec<Head>, StoreError> {
        count("heads");
        self.guarded(self.inner.heads(channels)).await
    }

    async fn continuity(&self, channel: &ChannelKey, position: Position) -> Result<Continuity, StoreError> {
        count("continuity");
        self.guarded(self.inner.continuity(channel, position)).await
    }

    async fn find(&self, channel: &ChannelKey, id: MessageId) -> Result<Option<Position>, StoreError> {
        self.guarded(self.inner.find(channel, id)).await
    }

    async fn erase(&self, channel: &ChannelKey, offset: u64) -> Result<bool, StoreError> {
        self.guarded(self.inner.erase(channel, offset)).await
    }

    async fn expire(&self, channel: &ChannelKey, retention: Retention, now_ms: u64) -> Result<u64, StoreError> {
        self.guarded(self.inner.expire(channel, retention, now_ms)).await
    }

    async fn forget_channel(&self, channel: &ChannelKey) -> Result<bool, StoreError> {
        self.guarded(self.inner.forget_channel(channel)).await
    }

    async fn channels(
        &self,
        tenant: &TenantId,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<(ChannelKey, Head)>, StoreError> {
        self.guarded(self.inner.channels(tenant, after, limit)).await
    }

    async fn tenants(&self) -> Result<Vec<TenantId>, StoreError> {
        self.guarded(self.inner.tenants()).await
    }

    async fn revoke(&self, revocation: Revocation) -> Result<(), StoreError> {
        self.guarded(self.inner.revoke(revocation)).await
    }

    async fn revocations(&self, now_ms: u64) -> Result<Vec<Revocation>, StoreError> {
        self.guarded(self.inner.revocations(now_ms)).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.guarded(self.inner.check()).await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

#[cfg(test)]
mod tests;
