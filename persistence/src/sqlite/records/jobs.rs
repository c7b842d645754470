//! What jobs ask: tasks that are due, and messages that name a user.

use futures_util::TryStreamExt;
use hubbub_protocol::channel::{ChannelKey, TenantId, UserId};
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::super::error::{damaged, store_error};
use super::super::rows::{offset, to_sql};
use super::row;
use crate::naming::{STEP, Said};
use crate::page::PAGE_MAX;
use crate::records::RecordKey;
use crate::store::StoreError;

pub(super) const DUE: &str =
    "SELECT tenant, home, kind, key FROM records WHERE kind = 11 AND at <= ? ORDER BY at, tenant, home, key LIMIT ?";

/// Tasks of every tenant whose time has come, the oldest first.
pub(in super::super) async fn due(
    connection: &mut SqliteConnection,
    now: u64,
    limit: u32,
) -> Result<Vec<RecordKey>, StoreError> {
    let due = sqlx::query(DUE).bind(to_sql(now)).bind(limit.min(PAGE_MAX));
    let rows = due.fetch_all(connection).await.map_err(store_error)?;
    let key = |row: &SqliteRow| {
        let tenant = TenantId::parse(row.try_get(0).map_err(store_error)?);
        row::key(row, 1, &tenant.map_err(|_| damaged("a tenant has no tenant's name"))?)
    };
    rows.iter().map(key).collect()
}

/// One step through a log: which messages name the user, and how far it came; `None` at the end of the log.
pub(in super::super) async fn naming(
    connection: &mut SqliteConnection,
    channel: &ChannelKey,
    user: &UserId,
    after: u64,
) -> Result<(Vec<u64>, Option<u64>), StoreError> {
    let mut rows = sqlx::query(
        "SELECT m.offset, m.author, m.publisher, m.key, m.conflate_key, m.data
         FROM channels AS c CROSS JOIN messages AS m ON m.channel_id = c.id
         WHERE c.tenant = ? AND c.name = ? AND m.offset > ? ORDER BY m.offset LIMIT ?",
    )
    .bind(channel.tenant.as_str())
    .bind(channel.channel.as_str())
    .bind(to_sql(after))
    .bind(STEP)
    .fetch(connection);
    let (mut named, mut read, mut came) = (Vec::new(), 0, after);
    while let Some(row) = rows.try_next().await.map_err(store_error)? {
        let text = |column: usize| row.try_get::<Option<&str>, _>(column).map_err(store_error);
        read += 1;
        came = offset(row.try_get(0).map_err(store_error)?)?;
        // A tombstone says nothing.
        let Some(data) = text(5)? else { continue };
        if (Said { author: text(1)?, names: [text(2)?, text(3)?, text(4)?], data }).names(user) {
            named.push(came);
        }
    }
    Ok((named, (read == STEP).then_some(came)))
}
