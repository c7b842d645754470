//! What goes: expiry from the old end, erasure of single messages, and the turns of slots.

use std::sync::{Arc, Weak};
use std::time::Duration;

use hubbub_protocol::channel::ChannelKey;
use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::connections::{Connections, Work};
use super::error::{Fault, damaged, row_error};
use super::rows::{offset_to_sql, to_sql};
use super::script::{Access, Answer, Script, bytes, channel, number, send, tenant};
use crate::log::Retention;
use crate::plan::scope_of;
use crate::store::StoreError;

/// Most entries that one call removes, so that appends to the channel wait for milliseconds at most.
const CHUNK: u32 = 1_000;
/// How often a node looks whether slots are to take turns. One node does the work of all.
const TIDYING: Duration = Duration::from_secs(600);

/// Removes expired entries from the old end, a bounded number of them.
pub(super) async fn expire(
    connections: &Arc<Connections>,
    key: &ChannelKey,
    retention: Retention,
    now: u64,
) -> Result<u64, StoreError> {
    let script = Script::new(Access::Repeatable, Some(&key.tenant)).then(format_args!(
        "SELECT hubbub.expire({}, {}, {}, {}, {}, {CHUNK})",
        tenant(&key.tenant),
        channel(&key.channel),
        number(retention.messages.map(to_sql)),
        number(retention.age_ms.map(to_sql)),
        to_sql(now),
    ));
    let answer = connections.run(script).await?;
    let gone: i64 = match answer.rows.iter().flatten().next() {
        Some(row) => row.try_get(0).map_err(row_error)?,
        None => return Err(damaged("an expiry was not answered")),
    };
    u64::try_from(gone).map_err(|_| damaged("a count is below nothing"))
}

/// Makes a tombstone of a message. Answers whether one was there.
pub(super) async fn erase(connections: &Arc<Connections>, key: &ChannelKey, offset: u64) -> Result<bool, StoreError> {
    connections.run(Erase { key: key.clone(), offset: offset_to_sql(offset) }).await
}

struct Erase {
    key: ChannelKey,
    offset: i64,
}

impl Work for Erase {
    type Answer = bool;

    async fn run(&self, connection: &mut PgConnection) -> Result<bool, Fault> {
        let (owner, name, at) = (tenant(&self.key.tenant), channel(&self.key.channel), self.offset);
        let script = Script::new(Access::Open, Some(&self.key.tenant))
            .then(format_args!("SELECT * FROM hubbub.erase({owner}, {name}, {at})"));
        let Answer { rows, .. } = script.run(connection).await?;
        let row = rows.iter().flatten().next();
        if let Some(row) = row {
            let id: i64 = row.try_get(0).map_err(row_error)?;
            let publisher: Option<&str> = row.try_get(1).map_err(row_error)?;
            let key: Option<&str> = row.try_get(2).map_err(row_error)?;
            if let (Some(publisher), Some(key)) = (publisher, key) {
                // That the key was used stays known for its time, or a client that repeats itself would bring the
                // message back.
                let scope = bytes(&scope_of(publisher, key));
                let forget = format!(
                    "UPDATE hubbub.keys SET digest = NULL
                     WHERE tenant = {owner} AND channel_id = {id} AND scope = {scope} AND \"offset\" = {at}"
                );
                send(connection, forget).await?;
            }
        }
        let unknown = |_| Fault::Failed(StoreError::Unavailable("a commit was not answered".into()));
        send(connection, "COMMIT".into()).await.map_err(unknown)?;
        Ok(row.is_some())
    }
}

/// Lets slots take turns for as long as the store is there.
pub(super) async fn keep_tidy(connections: Weak<Connections>) {
    let mut ticks = tokio::time::interval(TIDYING);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(connections) = connections.upgrade() else { return };
        if let Err(error) = tidy(&connections).await {
            tracing::warn!(%error, "slots could not take turns, they do so later");
        }
    }
}

/// Once, by the clock of the database: nodes may differ.
async fn tidy(connections: &Arc<Connections>) -> Result<(), StoreError> {
    let script = Script::new(Access::Repeatable, None)
        .then(format_args!("SELECT hubbub.tidy((extract(epoch FROM now()) * 1000)::bigint)"));
    connections.run(script).await.map(drop)
}
