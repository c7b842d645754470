//! Reads: pages, heads, single messages, the lists of channels and tenants.
//!
//! Each answer comes from one statement and so from one snapshot. Whatever is read is checked; what should not be there
//! is `Damaged`, never a panic.

use futures_util::TryStreamExt;
use hubbub_protocol::channel::{ChannelKey, ChannelName, TenantId, UserId};
use hubbub_protocol::{Data, Epoch, Key, Message, MessageId, Position};
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::error::{damaged, store_error};
use super::rows::{chunks, index, index_to_sql, message_id, offset, time, to_sql, with_values};
use crate::log::{Entry, Head, Page, ReadFrom};
use crate::page::{PAGE_MAX, PageCut};
use crate::store::StoreError;

const ASCENDING: &str = "
    SELECT c.head, c.low, m.offset, m.id, m.time, m.key, m.conflate_key, m.author, m.data
    FROM channels AS c LEFT JOIN messages AS m ON m.channel_id = c.id AND m.offset > ?
    WHERE c.tenant = ? AND c.name = ? ORDER BY m.offset LIMIT ?";

const DESCENDING: &str = "
    SELECT c.head, c.low, m.offset, m.id, m.time, m.key, m.conflate_key, m.author, m.data
    FROM channels AS c LEFT JOIN messages AS m ON m.channel_id = c.id AND m.offset < ?
    WHERE c.tenant = ? AND c.name = ? ORDER BY m.offset DESC LIMIT ?";

/// A page and the ends of the log.
pub(super) async fn page(
    connection: &mut SqliteConnection,
    channel: &ChannelKey,
    from: ReadFrom,
    mut cut: PageCut,
    epoch: Epoch,
) -> Result<Page, StoreError> {
    let (sql, bound) = match from {
        ReadFrom::After(offset) => (ASCENDING, offset),
        ReadFrom::Before(offset) => (DESCENDING, offset),
    };
    let mut rows = sqlx::query(sql)
        .bind(to_sql(bound))
        .bind(channel.tenant.as_str())
        .bind(channel.channel.as_str())
        .bind(cut.rows())
        .fetch(connection);
    let mut ends = untouched(epoch);
    while let Some(row) = rows.try_next().await.map_err(store_error)? {
        ends = head(&row, 0, epoch)?;
        let Some(entry) = entry(&row, channel, ends)? else { break };
        if !cut.offer(entry) {
            break;
        }
    }
    let (entries, more) = cut.finish();
    Ok(Page { head: ends, entries, more })
}

/// The ends of many logs, in the order asked for.
pub(super) async fn heads(
    connection: &mut SqliteConnection,
    channels: &[ChannelKey],
    epoch: Epoch,
) -> Result<Vec<Head>, StoreError> {
    let mut heads = vec![untouched(epoch); channels.len()];
    let numbered: Vec<_> = channels.iter().enumerate().collect();
    for chunk in chunks(&numbered) {
        let sql = with_values(
            "SELECT v.column1, c.head, c.low
             FROM ({}) AS v CROSS JOIN channels AS c ON c.tenant = v.column2 AND c.name = v.column3",
            3,
            chunk.len(),
        );
        let mut query = sqlx::query(sql);
        for (number, channel) in chunk {
            query = query.bind(index_to_sql(*number)).bind(channel.tenant.as_str()).bind(channel.channel.as_str());
        }
        for row in query.fetch_all(&mut *connection).await.map_err(store_error)? {
            let number = index(row.try_get(0).map_err(store_error)?, channels.len())?;
            heads[number] = head(&row, 1, epoch)?;
        }
    }
    Ok(heads)
}

/// Where a message is. A tombstone still has its id.
pub(super) async fn find(
    connection: &mut SqliteConnection,
    channel: &ChannelKey,
    id: MessageId,
    epoch: Epoch,
) -> Result<Option<Position>, StoreError> {
    let found: Option<i64> = sqlx::query_scalar(
        "SELECT m.offset FROM channels AS c CROSS JOIN messages AS m ON m.channel_id = c.id
         WHERE c.tenant = ? AND c.name = ? AND m.id = ?",
    )
    .bind(channel.tenant.as_str())
    .bind(channel.channel.as_str())
    .bind(id.to_bytes().to_vec())
    .fetch_optional(connection)
    .await
    .map_err(store_error)?;
    found.map(|found| Ok(Position::new(epoch, offset(found)?))).transpose()
}

/// Channels of a tenant in the order of their names; at most as many as a page has entries.
pub(super) async fn channels(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    after: Option<&str>,
    limit: u32,
    epoch: Epoch,
) -> Result<Vec<(ChannelKey, Head)>, StoreError> {
    let rows = sqlx::query("SELECT name, head, low FROM channels WHERE tenant = ? AND name > ? ORDER BY name LIMIT ?")
        .bind(tenant.as_str())
        .bind(after.unwrap_or_default())
        .bind(limit.min(PAGE_MAX))
        .fetch_all(connection)
        .await
        .map_err(store_error)?;
    let channel = |row: SqliteRow| {
        let name: &str = row.try_get(0).map_err(store_error)?;
        let name = ChannelName::parse(name).map_err(|_| damaged("a channel has no channel's name"))?;
        Ok((ChannelKey::new(tenant.clone(), name), head(&row, 1, epoch)?))
    };
    rows.into_iter().map(channel).collect()
}

/// Every tenant. Steps from one to the next in the index, so that it costs as much as there are tenants, not channels.
pub(super) async fn tenants(connection: &mut SqliteConnection) -> Result<Vec<TenantId>, StoreError> {
    let names: Vec<String> = sqlx::query_scalar(
        "WITH RECURSIVE step (tenant) AS (
             SELECT min(tenant) FROM channels
             UNION ALL
             SELECT (SELECT min(c.tenant) FROM channels AS c WHERE c.tenant > step.tenant)
             FROM step WHERE step.tenant IS NOT NULL
         )
         SELECT tenant FROM step WHERE tenant IS NOT NULL",
    )
    .fetch_all(connection)
    .await
    .map_err(store_error)?;
    names.iter().map(|name| TenantId::parse(name).map_err(|_| damaged("a tenant has no tenant's name"))).collect()
}

/// The ends of a log that nothing was appended to.
pub(super) fn untouched(epoch: Epoch) -> Head {
    Head { position: Position::new(epoch, 0), low: 0 }
}

/// Head and low of a row, from the column `at` on.
fn head(row: &SqliteRow, at: usize, epoch: Epoch) -> Result<Head, StoreError> {
    let head = offset(row.try_get(at).map_err(store_error)?)?;
    let low = offset(row.try_get(at + 1).map_err(store_error)?)?;
    if low > head {
        return Err(damaged("a low-water mark is above its head"));
    }
    Ok(Head { position: Position::new(epoch, head), low })
}

/// The entry of a row of a page; `None` when the log had nothing to join.
fn entry(row: &SqliteRow, channel: &ChannelKey, ends: Head) -> Result<Option<Entry>, StoreError> {
    let Some(at) = row.try_get::<Option<i64>, _>(2).map_err(store_error)?.map(offset).transpose()? else {
        return Ok(None);
    };
    if at <= ends.low || at > ends.position.offset {
        return Err(damaged(format!("{channel} holds the offset {at} beyond its ends")));
    }
    let Some(data) = row.try_get::<Option<String>, _>(8).map_err(store_error)? else {
        return Ok(Some(Entry::Tombstone { offset: at }));
    };
    let wrong = |what: &str| damaged(format!("{channel} at {at}: {what}"));
    let text = |column: usize| row.try_get::<Option<&str>, _>(column).map_err(store_error);
    let key = |column: usize| text(column)?.map(Key::parse).transpose().map_err(|_| wrong("a key is not a key"));
    let author = text(7)?.map(UserId::parse).transpose().map_err(|_| wrong("the author is not a user"))?;
    Ok(Some(Entry::Message(Message {
        channel: channel.channel.clone(),
        id: message_id(row.try_get(3).map_err(store_error)?)?,
        position: Some(Position::new(ends.position.epoch, at)),
        time: time(row.try_get(4).map_err(store_error)?)?,
        from: author,
        key: key(5)?,
        conflate_key: key(6)?,
        data: Data::parse(data).map_err(|_| wrong("the data is not JSON"))?,
    })))
}
