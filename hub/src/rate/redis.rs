//! Rates counted in Redis: one script for all buckets of a take, by the clock of the server. Everything of a tenant has its hash
//! tag, so that a cluster can do it in one step.

use async_trait::async_trait;
use hubbub_protocol::channel::TenantId;

use super::shared::{Away, Holder, Limited, Rate, SharedRates};
use crate::redis::{Redis, RedisError, Script, Value};

static TAKE: Script = Script::new(include_str!("lua/take.lua"));

/// The buckets in a Redis.
pub struct RedisRates {
    redis: Redis,
}

impl RedisRates {
    /// Over this link.
    pub fn new(redis: Redis) -> Self {
        Self { redis }
    }

    fn key(&self, tenant: &TenantId, holder: &Holder) -> String {
        match holder {
            Holder::Tenant => self.redis.key(tenant, "rate", "publish"),
            Holder::User(user) => self.redis.key(tenant, "rate", format_args!("publish/{user}")),
        }
    }
}

#[async_trait]
impl SharedRates for RedisRates {
    async fn take(
        &self,
        tenant: &TenantId,
        buckets: &[(Holder, Rate)],
        count: u32,
    ) -> Result<Result<(), Limited>, Away> {
        let keys = buckets.iter().map(|(holder, _)| self.key(tenant, holder)).collect();
        let rates = buckets.iter().flat_map(|(_, rate)| [rate.per_second, rate.burst]);
        let args = [count].into_iter().chain(rates).map(|number| Value::from(number.to_string())).collect();
        let reply = self.redis.run(&TAKE, keys, args).await;
        let wait = reply.and_then(|reply| reply.as_u64().ok_or(RedisError::Malformed("rates")));
        match wait {
            Ok(0) => Ok(Ok(())),
            Ok(retry_after_ms) => Ok(Err(Limited { retry_after_ms })),
            Err(RedisError::Away(_)) => Err(Away),
            Err(error) => {
                tracing::warn!(%error, "rates are counted on this node alone");
                Err(Away)
            }
        }
    }
}
