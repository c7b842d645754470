//! What jobs ask: tasks that are due, and messages that name a user.

use std::sync::Arc;

use hubbub_protocol::channel::{ChannelKey, TenantId, UserId};
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::super::connections::Connections;
use super::super::error::{damaged, row_error};
use super::super::rows::{offset, offset_to_sql, to_sql};
use super::super::script::{Access, Script, channel, tenant};
use super::row;
use crate::naming::{STEP, Said};
use crate::page::PAGE_MAX;
use crate::records::RecordKey;
use crate::store::StoreError;

/// Bytes of messages that one step reads: they stand in memory together.
const STEP_BYTES: u32 = 4 * 1024 * 1024;

/// Tasks of every tenant whose time has come, the oldest first.
pub(super) async fn due(connections: &Arc<Connections>, now: u64, limit: u32) -> Result<Vec<RecordKey>, StoreError> {
    let (now, limit) = (to_sql(now), limit.min(PAGE_MAX));
    let script = Script::new(Access::Read, None)
        .then(format_args!("SELECT tenant, home, kind, key FROM hubbub.due_tasks({now}, {limit})"));
    let answer = connections.run(script).await?;
    let key = |row: &PgRow| {
        let tenant = TenantId::parse(row.try_get(0).map_err(row_error)?);
        row::key(row, 1, &tenant.map_err(|_| damaged("a tenant has no tenant's name"))?)
    };
    answer.rows.iter().flatten().map(key).collect()
}

/// One step through a log: which messages name the user, and how far it came; `None` at the end of the log.
pub(super) async fn naming(
    connections: &Arc<Connections>,
    key: &ChannelKey,
    user: &UserId,
    after: u64,
) -> Result<(Vec<u64>, Option<u64>), StoreError> {
    let script = Script::new(Access::Read, Some(&key.tenant)).then(format_args!(
        "SELECT * FROM hubbub.said({}, {}, {}, {STEP}, {STEP_BYTES})",
        tenant(&key.tenant),
        channel(&key.channel),
        offset_to_sql(after),
    ));
    let answer = connections.run(script).await?;
    let (mut named, mut came) = (Vec::new(), None);
    for row in answer.rows.iter().flatten() {
        let text = |column: usize| row.try_get::<Option<&str>, _>(column).map_err(row_error);
        let at = offset(row.try_get(0).map_err(row_error)?)?;
        came = Some(at);
        // A tombstone says nothing.
        let Some(data) = text(5)? else { continue };
        if (Said { author: text(1)?, names: [text(2)?, text(3)?, text(4)?], data }).names(user) {
            named.push(at);
        }
    }
    Ok((named, came))
}
