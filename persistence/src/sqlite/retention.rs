//! What goes: expiry from the old end, and erasure of single messages.
//!
//! Both run in one write transaction with a bounded amount of work, between two batches of appends.

use hubbub_protocol::channel::ChannelKey;
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use super::error::{damaged, store_error};
use super::keys;
use super::rows::{index_to_sql, offset, time, to_sql};
use crate::log::Retention;
use crate::plan::scope_of;
use crate::store::StoreError;

/// Most entries that one call removes, so that appends wait for milliseconds at most.
const CHUNK: usize = 1_000;

/// Removes expired entries from the old end. An entry behind a younger one stays until that one goes: the low-water
/// mark has no holes below it.
pub(super) async fn expire(
    connection: &mut SqliteConnection,
    channel: &ChannelKey,
    retention: Retention,
    now: u64,
) -> Result<u64, StoreError> {
    keys::prune(connection, now, CHUNK).await?;
    let Some((id, head, low)) = ends(connection, channel).await? else { return Ok(0) };
    let oldest: Vec<(i64, i64)> =
        sqlx::query_as("SELECT offset, time FROM messages WHERE channel_id = ? AND offset > ? ORDER BY offset LIMIT ?")
            .bind(id)
            .bind(to_sql(low))
            .bind(index_to_sql(CHUNK))
            .fetch_all(&mut *connection)
            .await
            .map_err(store_error)?;
    let mut up_to = low;
    let mut gone = 0;
    for (at, made) in oldest {
        let (at, made) = (offset(at)?, time(made)?);
        if at > head {
            return Err(damaged(format!("{channel} holds the offset {at} beyond its head")));
        }
        if !expired(at, made, head, retention, now) {
            break;
        }
        up_to = at;
        gone += 1;
    }
    if gone > 0 {
        cut(connection, id, up_to).await?;
    }
    Ok(gone)
}

/// Makes a tombstone of a message. Answers whether one was there.
pub(super) async fn erase(
    connection: &mut SqliteConnection,
    channel: &ChannelKey,
    offset: u64,
) -> Result<bool, StoreError> {
    let Some((id, _, _)) = ends(connection, channel).await? else { return Ok(false) };
    let row =
        sqlx::query("SELECT publisher, key FROM messages WHERE channel_id = ? AND offset = ? AND data IS NOT NULL")
            .bind(id)
            .bind(to_sql(offset))
            .fetch_optional(&mut *connection)
            .await
            .map_err(store_error)?;
    let Some(row) = row else { return Ok(false) };
    let publisher: Option<&str> = row.try_get(0).map_err(store_error)?;
    let key: Option<&str> = row.try_get(1).map_err(store_error)?;
    if let (Some(publisher), Some(key)) = (publisher, key) {
        keys::forget_digest(connection, id, scope_of(publisher, key), offset).await?;
    }
    sqlx::query(
        "UPDATE messages SET publisher = NULL, key = NULL, conflate_key = NULL, author = NULL, data = NULL
         WHERE channel_id = ? AND offset = ?",
    )
    .bind(id)
    .bind(to_sql(offset))
    .execute(connection)
    .await
    .map_err(store_error)?;
    Ok(true)
}

/// Forgets a channel, the log from its old end. Answers whether nothing of it is left.
pub(super) async fn forget_channel(
    connection: &mut SqliteConnection,
    channel: &ChannelKey,
) -> Result<bool, StoreError> {
    let Some((id, head, low)) = ends(connection, channel).await? else { return Ok(true) };
    let oldest: Vec<(i64,)> =
        sqlx::query_as("SELECT offset FROM messages WHERE channel_id = ? AND offset > ? ORDER BY offset LIMIT ?")
            .bind(id)
            .bind(to_sql(low))
            .bind(index_to_sql(CHUNK))
            .fetch_all(&mut *connection)
            .await
            .map_err(store_error)?;
    if oldest.len() == CHUNK {
        let up_to = oldest.last().map_or(Ok(head), |(at,)| offset(*at))?;
        cut(connection, id, up_to).await?;
        return Ok(false);
    }
    for sql in [
        "DELETE FROM messages WHERE channel_id = ?",
        "DELETE FROM keys WHERE channel_id = ?",
        "DELETE FROM epoch_starts WHERE channel_id = ?",
        "DELETE FROM channels WHERE id = ?",
    ] {
        sqlx::query(sql).bind(id).execute(&mut *connection).await.map_err(store_error)?;
    }
    Ok(true)
}

fn expired(at: u64, made: u64, head: u64, retention: Retention, now: u64) -> bool {
    let too_many = retention.messages.is_some_and(|messages| at <= head.saturating_sub(messages));
    let too_old = retention.age_ms.is_some_and(|age| made.saturating_add(age) <= now);
    too_many || too_old
}

async fn ends(connection: &mut SqliteConnection, channel: &ChannelKey) -> Result<Option<(i64, u64, u64)>, StoreError> {
    let row: Option<(i64, i64, i64)> =
        sqlx::query_as("SELECT id, head, low FROM channels WHERE tenant = ? AND name = ?")
            .bind(channel.tenant.as_str())
            .bind(channel.channel.as_str())
            .fetch_optional(connection)
            .await
            .map_err(store_error)?;
    row.map(|(id, head, low)| Ok((id, offset(head)?, offset(low)?))).transpose()
}

async fn cut(connection: &mut SqliteConnection, channel: i64, up_to: u64) -> Result<(), StoreError> {
    for sql in
        ["DELETE FROM messages WHERE channel_id = ? AND offset <= ?", "UPDATE channels SET low = ?2 WHERE id = ?1"]
    {
        sqlx::query(sql).bind(channel).bind(to_sql(up_to)).execute(&mut *connection).await.map_err(store_error)?;
    }
    Ok(())
}
