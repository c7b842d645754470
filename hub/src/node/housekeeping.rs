//! What a node does by the clock: forget what has expired, watch its memory, keep its gauges.

use std::sync::Arc;
use std::time::Duration;

use hubbub_persistence::{Retention, Store, StoreError};
use hubbub_protocol::channel::ChannelKey;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::admission::Gatekeeper;
use crate::auth::policy::Policy;
use crate::auth::revocation::Revocations;
use crate::broker::memory::Bus;
use crate::clock::Clock;
use crate::deliver::hot::Hot;
use crate::memory;
use crate::namespace::{LogKind, Namespace};
use crate::rooms::Rooms;
use crate::shard::mail::{Mail, Mailbox};

/// How often memory is looked at.
const MEMORY: Duration = Duration::from_millis(500);
/// How often windows let go of what has aged.
const WINDOWS: Duration = Duration::from_secs(5);
/// How often durable logs let go of what has expired.
const RETENTION: Duration = Duration::from_secs(60);
/// Channels of a tenant that are looked at in one question.
const CHANNELS: u32 = 500;
/// When memory has fallen below this part of the watermark newcomers are welcome again.
const RELAXED: f64 = 0.95;

/// What housekeeping works on.
#[derive(Clone)]
pub(super) struct House {
    /// The windows of a node that is alone.
    pub(super) bus: Option<Arc<Bus>>,
    pub(super) hot: Hot,
    pub(super) store: Arc<dyn Store>,
    /// Rooms say for how long they keep messages.
    pub(super) rooms: Rooms,
    pub(super) policy: Arc<Policy>,
    pub(super) revocations: Arc<Revocations>,
    pub(super) gatekeeper: Arc<Gatekeeper>,
    pub(super) shards: Arc<[Mailbox]>,
    pub(super) clock: Arc<Clock>,
    /// In bytes; `None` when the system does not tell and nothing is configured.
    pub(super) watermark: Option<u64>,
}

impl House {
    /// Starts the tasks on the current runtime.
    pub(super) fn start(self) {
        tokio::spawn(self.clone().watch_memory());
        tokio::spawn(self.clone().expire_windows());
        tokio::spawn(self.expire_logs());
    }

    /// Above the watermark newcomers are refused and the largest outboxes close first.
    async fn watch_memory(self) {
        let mut ticks = ticker(MEMORY);
        loop {
            ticks.tick().await;
            metrics::gauge!("hubbub_connections").set(self.gatekeeper.connections() as f64);
            if let Some(bus) = &self.bus {
                metrics::gauge!("hubbub_window_bytes").set(bus.held_bytes() as f64);
            }
            let Some(resident) = memory::resident() else { continue };
            metrics::gauge!("hubbub_resident_bytes").set(resident as f64);
            let Some(watermark) = self.watermark else { continue };
            let relaxed = (watermark as f64 * RELAXED) as u64;
            if resident > watermark {
                let share = ((resident - relaxed) as usize).div_ceil(self.shards.len().max(1));
                tracing::warn!(resident, watermark, "memory is short: refusing newcomers, closing the slowest readers");
                self.gatekeeper.set_memory_short(true);
                for shard in self.shards.iter() {
                    shard.send(Mail::Relieve { bytes: share }).await;
                }
            } else if resident < relaxed {
                self.gatekeeper.set_memory_short(false);
            }
        }
    }

    async fn expire_windows(self) {
        let mut ticks = ticker(WINDOWS);
        loop {
            ticks.tick().await;
            if let Some(bus) = &self.bus {
                bus.expire();
            }
            self.hot.tidy(Instant::now());
            self.revocations.prune(self.clock.now_ms());
        }
    }

    async fn expire_logs(self) {
        let mut ticks = ticker(RETENTION);
        loop {
            ticks.tick().await;
            if let Err(error) = self.expire_logs_once().await {
                tracing::warn!(%error, "durable logs could not be tidied, trying again in a minute");
            }
        }
    }

    async fn expire_logs_once(&self) -> Result<(), StoreError> {
        for tenant in self.store.tenants().await? {
            let mut after: Option<String> = None;
            loop {
                let page = self.store.channels(&tenant, after.as_deref(), CHANNELS).await?;
                for (channel, _) in &page {
                    let namespaces = self.policy.namespaces();
                    let Some(rules) = namespaces.of(&channel.channel).cloned() else { continue };
                    let Some(retention) = retention_of(&rules) else { continue };
                    let retention = if rules.rooms { self.expire_room(channel, retention).await } else { retention };
                    while self.store.expire(channel, retention, self.clock.now_ms()).await? > 0 {}
                }
                match page.last() {
                    Some((last, _)) => after = Some(last.channel.as_str().to_owned()),
                    None => break,
                }
            }
        }
        Ok(())
    }
}

impl House {
    /// Messages of a room go by its own age too, where that is the tighter one. Answers by which its log goes.
    async fn expire_room(&self, room: &ChannelKey, retention: Retention) -> Retention {
        let age_ms = match self.rooms.age(room).await {
            Ok(own) => own.into_iter().chain(retention.age_ms).min(),
            Err(error) => {
                tracing::debug!(%error, "a room did not say for how long it keeps messages");
                return retention;
            }
        };
        if let Some(until) = age_ms.and_then(|age| self.clock.now_ms().checked_sub(age))
            && let Err(error) = self.rooms.let_go(room, until).await
        {
            tracing::warn!(%error, "messages of a room could not be let go, trying again in a minute");
        }
        Retention { age_ms, ..retention }
    }
}

/// Neither bound: still asked for, since the store learns by it how long messages of a channel live.
fn retention_of(namespace: &Namespace) -> Option<Retention> {
    const DAY_MS: u64 = 86_400_000;
    let durable = namespace.durable;
    (namespace.log == LogKind::Durable).then(|| Retention {
        messages: (durable.messages > 0).then_some(durable.messages),
        age_ms: (durable.age_days > 0).then(|| durable.age_days.saturating_mul(DAY_MS)),
    })
}

fn ticker(period: Duration) -> tokio::time::Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::namespace::DurableBounds;

    #[test]
    fn zero_is_no_bound() {
        let of = |age_days, messages| {
            let durable = DurableBounds { age_days, messages };
            retention_of(&Namespace { log: LogKind::Durable, durable, ..Namespace::default() })
        };
        assert_eq!(of(0, 0), Some(Retention { messages: None, age_ms: None }));
        assert_eq!(of(0, 7), Some(Retention { messages: Some(7), age_ms: None }));
        assert_eq!(of(2, 0), Some(Retention { messages: None, age_ms: Some(172_800_000) }));
        assert_eq!(of(u64::MAX, 0), Some(Retention { messages: None, age_ms: Some(u64::MAX) }));
        assert_eq!(retention_of(&Namespace::default()), None, "nothing is kept in the store");
    }
}
