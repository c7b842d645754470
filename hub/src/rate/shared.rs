//! Shared rates: what the users of a tenant may publish, each and all together, whichever nodes they are on. It does not know
//! what is published.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use hubbub_protocol::channel::{TenantId, UserId};

use super::memory::MemoryRates;
use crate::clock::Clock;

/// So many a second, so many at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    /// How many each second.
    pub per_second: u32,
    /// How many at once, after a rest.
    pub burst: u32,
}

impl Rate {
    /// `None` for 0 a second: not limited. Without a burst it is what comes in a second.
    pub fn new(per_second: u32, burst: u32) -> Option<Self> {
        let burst = if burst > 0 { burst } else { per_second };
        (per_second > 0).then_some(Self { per_second, burst })
    }
}

/// The rates of a tenant; what is `None` is not limited.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TenantRates {
    /// What all its users and services may publish together.
    pub publishes: Option<Rate>,
    /// What each of its users may publish.
    pub user_publishes: Option<Rate>,
}

/// Whose bucket.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Holder {
    /// The tenant as a whole.
    Tenant,
    /// One of its users.
    User(UserId),
}

/// Too many. Nothing was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many messages, wait {retry_after_ms} ms")]
pub struct Limited {
    /// When there is room again, in milliseconds.
    pub retry_after_ms: u64,
}

/// What was asked for could not be counted over all nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("rates can not be counted over all nodes now")]
pub struct Away;

/// Counts over all nodes.
///
/// Obligations, checked by the conformance suite of rates:
/// - **All or nothing.** `count` is taken from every bucket in one step, or from none; then the answer says when all of them have
///   room. Whatever nodes ask at the same moment, no more is taken than the buckets hold.
/// - **Buckets.** One begins full and is filled again by its rate, never above its burst. More than a burst at once needs a full
///   bucket and is paid for afterwards, so that a large batch is late and not impossible.
/// - **Cancellation.** A call that is dropped half-way may have taken.
#[async_trait]
pub trait SharedRates: Send + Sync + 'static {
    /// Takes `count` from the buckets of a tenant; waits for nothing but the answer.
    async fn take(
        &self,
        tenant: &TenantId,
        buckets: &[(Holder, Rate)],
        count: u32,
    ) -> Result<Result<(), Limited>, Away>;
}

/// The rates of every tenant, and where they are counted.
pub struct Rates {
    tenants: ArcSwap<HashMap<TenantId, TenantRates>>,
    shared: Option<Arc<dyn SharedRates>>,
    /// Counts on this node while nobody else can.
    here: MemoryRates,
}

impl Rates {
    /// Counts on this node alone.
    pub fn new(tenants: HashMap<TenantId, TenantRates>, clock: Arc<Clock>) -> Self {
        Self { tenants: ArcSwap::from_pointee(tenants), shared: None, here: MemoryRates::new(clock) }
    }

    /// The same, counted over all nodes. While they can not be asked it counts on this one.
    #[must_use]
    pub fn shared_by(self, shared: Arc<dyn SharedRates>) -> Self {
        Self { shared: Some(shared), ..self }
    }

    /// Replaces the rates of all tenants. What was taken stays taken.
    pub fn reload(&self, tenants: HashMap<TenantId, TenantRates>) {
        self.tenants.store(Arc::new(tenants));
    }

    /// What has to be asked before something is published; `None` when nothing limits it, which costs a look at a table.
    pub fn of(&self, tenant: &TenantId, user: Option<&UserId>) -> Option<Vec<(Holder, Rate)>> {
        let rates = *self.tenants.load().get(tenant)?;
        let of_user = user.and_then(|user| rates.user_publishes.map(|rate| (Holder::User(user.clone()), rate)));
        let of_tenant = rates.publishes.map(|rate| (Holder::Tenant, rate));
        let buckets: Vec<_> = of_user.into_iter().chain(of_tenant).collect();
        (!buckets.is_empty()).then_some(buckets)
    }

    /// Takes `count` publishes of a tenant, and of a user if one publishes.
    pub async fn take(&self, tenant: &TenantId, user: Option<&UserId>, count: u32) -> Result<(), Limited> {
        let Some(buckets) = self.of(tenant, user) else { return Ok(()) };
        let shared = match &self.shared {
            Some(shared) => shared.take(tenant, &buckets, count).await,
            None => Err(Away),
        };
        let taken = shared.unwrap_or_else(|Away| self.here.take_here(tenant, &buckets, count));
        taken.inspect_err(|_| metrics::counter!("hubbub_rate_limited_total").increment(1))
    }
}
