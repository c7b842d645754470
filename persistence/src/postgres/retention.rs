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
use crate::plan::{Half, scope_of};
use crate::store::StoreError;

/// Most entries that one call removes, so that appends to the channel wait for milliseconds at most.
const CHUNK: u32 = 1_000;
/// The time by the clock of the database: those of nodes may differ.
const PRESENT: &str = "(extract(epoch FROM now()) * 1000)::bigint";
/// How often a node looks whether slots are to take turns. One node does the work of all.
const TIDYING: Duration = Duration::from_secs(600);

/// Removes expired entries from the old end, a bounded number of them. A node whose clock runs ahead would remove what
/// has not expired: it can not be later than the clock of the database says.
pub(super) async fn expire(
    connections: &Arc<Connections>,
    key: &ChannelKey,
    retention: Retention,
    now: u64,
) -> Result<u64, StoreError> {
    let script = Script::new(Access::Repeatable, Some(&key.tenant)).then(format_args!(
        "SELECT hubbub.expire({}, {}, {}, {}, least({}, {PRESENT}), {CHUNK})",
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

/// Forgets a channel, at most a bounded part of it at once. Answers whether nothing is left.
pub(super) async fn forget_channel(connections: &Arc<Connections>, key: &ChannelKey) -> Result<bool, StoreError> {
    let script = Script::new(Access::Repeatable, Some(&key.tenant))
        .then(format_args!("SELECT hubbub.forget_channel({}, {CHUNK})", channel(&key.channel),));
    let answer = connections.run(script).await?;
    match answer.rows.iter().flatten().next() {
        Some(row) => row.try_get(0).map_err(row_error),
        None => Err(damaged("a forgetting was not answered")),
    }
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
                send(connection, forget_digest(&owner, id, &scope_of(publisher, key), at)).await?;
            }
        }
        let unknown = |_| Fault::Failed(StoreError::Unavailable("a commit was not answered".into()));
        send(connection, "COMMIT".into()).await.map_err(unknown)?;
        Ok(row.is_some())
    }
}

/// That a key was used stays known for its time, or a client that repeats itself would bring the message back. Every
/// slot is named, since their indexes begin with it: without it each would be read whole under the lock of the head.
fn forget_digest(owner: &str, channel_id: i64, scope: &Half, at: i64) -> String {
    format!(
        "UPDATE hubbub.keys SET digest = NULL WHERE slot IN (0, 1, 2, 3) AND tenant = {owner}
         AND channel_id = {channel_id} AND scope = {} AND \"offset\" = {at}",
        bytes(scope)
    )
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

/// Once.
async fn tidy(connections: &Arc<Connections>) -> Result<(), StoreError> {
    let script = Script::new(Access::Repeatable, None).then(format_args!("SELECT hubbub.tidy({PRESENT})"));
    connections.run(script).await.map(drop)
}

#[cfg(test)]
mod tests {
    use hubbub_local::postgres::{Options, Postgres as Server};
    use hubbub_protocol::channel::TenantId;

    use super::super::connections::connect;
    use super::super::{migrate, options};
    use super::*;

    /// Without statistics, as on a new slot, and under our settings.
    #[tokio::test]
    async fn a_key_is_found_by_steps_into_the_index_of_each_slot() {
        let server = Server::start(Options::default()).expect("a server");
        migrate(&server.owner_url(), "hubbub").await.expect("migrated");
        let mut connection = connect(&options(&server.url()).expect("a url"), TIDYING).await.expect("connected");
        let acme = TenantId::parse("acme").expect("a tenant");
        // Nobody has entered yet, and a script wants an epoch.
        send(&mut connection, "SELECT hubbub.enter(1)".into()).await.expect("entered");
        let forget = forget_digest(&tenant(&acme), 1, &[7; 16], 1);
        let script = Script::new(Access::Read, Some(&acme)).then(format_args!("EXPLAIN {forget}"));
        let answer = script.run(&mut connection).await.expect("explained");
        let plan: Vec<String> = answer.rows.iter().flatten().map(|row| row.get(0)).collect();
        let steps: Vec<_> = plan.iter().filter(|line| line.contains("Index Cond")).collect();
        assert_eq!(steps.len(), 4, "{plan:#?}");
        for step in steps {
            assert!(["slot = ", "channel_id = ", "scope = "].iter().all(|of| step.contains(of)), "{plan:#?}");
        }
        assert!(plan.iter().all(|line| !line.contains("Seq Scan")), "{plan:#?}");
    }
}
