//! Reads: pages, heads, single messages, the lists of channels and tenants.
//!
//! Each is one round trip, and each answer comes from one statement and so from one snapshot. Whatever is read is
//! checked; what should not be there is `Damaged`, never a panic.

use std::sync::Arc;

use hubbub_protocol::channel::{ChannelKey, ChannelName, TenantId, UserId};
use hubbub_protocol::{Data, Epoch, Key, Message, MessageId, Position};
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::connections::Connections;
use super::error::{damaged, row_error};
use super::rows::{index, message_id, offset, offset_to_sql, time, to_sql};
use super::script::{Access, Answer, Script, array, bytes, channel, names, tenant, text};
use crate::log::{Entry, Head, Page, ReadFrom};
use crate::page::{PAGE_MAX, PageCut};
use crate::store::StoreError;

/// A page and the ends of the log.
pub(super) async fn page(
    connections: &Arc<Connections>,
    key: &ChannelKey,
    from: ReadFrom,
    mut cut: PageCut,
    max_bytes: usize,
) -> Result<Page, StoreError> {
    let (bound, descending) = match from {
        ReadFrom::After(offset) => (offset, false),
        ReadFrom::Before(offset) => (offset, true),
    };
    let script = Script::new(Access::Read, Some(&key.tenant)).then(format_args!(
        "SELECT * FROM hubbub.page({}, {}, {}, {descending}, {}, {})",
        tenant(&key.tenant),
        channel(&key.channel),
        offset_to_sql(bound),
        cut.rows(),
        to_sql(max_bytes as u64),
    ));
    let Answer { present, rows } = connections.run(script).await?;
    let rows = rows.into_iter().next().unwrap_or_default();
    let mut rows = rows.iter();
    let ends = match rows.next() {
        Some(row) => head(row, 0, present.epoch)?,
        None => untouched(present.epoch),
    };
    for row in rows {
        if !cut.offer(entry(row, key, ends)?) {
            break;
        }
    }
    let (entries, more) = cut.finish();
    Ok(Page { head: ends, entries, more })
}

/// The ends of many logs, in the order asked for.
pub(super) async fn heads(connections: &Arc<Connections>, channels: &[ChannelKey]) -> Result<Vec<Head>, StoreError> {
    let script =
        Script::new(Access::Read, None).then(format_args!("SELECT * FROM hubbub.heads({})", names(channels.iter())));
    let Answer { present, rows } = connections.run(script).await?;
    let mut heads = vec![untouched(present.epoch); channels.len()];
    for row in rows.iter().flatten() {
        let number = index(row.try_get(0).map_err(row_error)?, heads.len())?;
        heads[number] = head(row, 1, present.epoch)?;
    }
    Ok(heads)
}

/// Where a message is. A tombstone still has its id.
pub(super) async fn find(
    connections: &Arc<Connections>,
    key: &ChannelKey,
    id: MessageId,
) -> Result<Option<Position>, StoreError> {
    let ids = array("bytea", std::iter::once(bytes(&id.to_bytes())));
    let script = Script::new(Access::Read, Some(&key.tenant))
        .then(format_args!("SELECT \"offset\" FROM hubbub.find({}, {ids})", names(std::iter::once(key))));
    let Answer { present, rows } = connections.run(script).await?;
    let found = rows.iter().flatten().next();
    found.map(|row| Ok(Position::new(present.epoch, offset(row.try_get(0).map_err(row_error)?)?))).transpose()
}

/// Channels of a tenant in the order of their names; at most as many as a page has entries.
pub(super) async fn channels(
    connections: &Arc<Connections>,
    access: Access,
    owner: &TenantId,
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<(ChannelKey, Head)>, StoreError> {
    let script = Script::new(access, Some(owner)).then(format_args!(
        "SELECT name, head, low FROM hubbub.channels WHERE tenant = {} AND name > {} ORDER BY name LIMIT {}",
        tenant(owner),
        text(after.unwrap_or_default()),
        limit.min(PAGE_MAX),
    ));
    let Answer { present, rows } = connections.run(script).await?;
    let channel = |row: &PgRow| {
        let name: &str = row.try_get(0).map_err(row_error)?;
        let name = ChannelName::parse(name).map_err(|_| damaged("a channel has no channel's name"))?;
        Ok((ChannelKey::new(owner.clone(), name), head(row, 1, present.epoch)?))
    };
    rows.iter().flatten().map(channel).collect()
}

/// Every tenant.
pub(super) async fn tenants(connections: &Arc<Connections>, access: Access) -> Result<Vec<TenantId>, StoreError> {
    let script = Script::new(access, None).then(format_args!("SELECT * FROM hubbub.tenants()"));
    let answer = connections.run(script).await?;
    let tenant = |row: &PgRow| {
        let name: &str = row.try_get(0).map_err(row_error)?;
        TenantId::parse(name).map_err(|_| damaged("a tenant has no tenant's name"))
    };
    answer.rows.iter().flatten().map(tenant).collect()
}

/// The ends of a log that nothing was appended to.
pub(super) fn untouched(epoch: Epoch) -> Head {
    Head { position: Position::new(epoch, 0), low: 0 }
}

/// Head and low of a row, from the column `at` on.
pub(super) fn head(row: &PgRow, at: usize, epoch: Epoch) -> Result<Head, StoreError> {
    let head = offset(row.try_get(at).map_err(row_error)?)?;
    let low = offset(row.try_get(at + 1).map_err(row_error)?)?;
    if low > head {
        return Err(damaged("a low-water mark is above its head"));
    }
    Ok(Head { position: Position::new(epoch, head), low })
}

/// The entry of a row of a page.
fn entry(row: &PgRow, key: &ChannelKey, ends: Head) -> Result<Entry, StoreError> {
    let at = offset(row.try_get(2).map_err(row_error)?)?;
    if at <= ends.low || at > ends.position.offset {
        return Err(damaged(format!("{key} holds the offset {at} beyond its ends")));
    }
    let Some(data) = row.try_get::<Option<String>, _>(8).map_err(row_error)? else {
        return Ok(Entry::Tombstone { offset: at });
    };
    let wrong = |what: &str| damaged(format!("{key} at {at}: {what}"));
    let text = |column: usize| row.try_get::<Option<&str>, _>(column).map_err(row_error);
    let parsed = |column: usize| text(column)?.map(Key::parse).transpose().map_err(|_| wrong("a key is not a key"));
    let author = text(7)?.map(UserId::parse).transpose().map_err(|_| wrong("the author is not a user"))?;
    Ok(Entry::Message(Message {
        channel: key.channel.clone(),
        id: message_id(&row.try_get::<Vec<u8>, _>(4).map_err(row_error)?)?,
        position: Some(Position::new(ends.position.epoch, at)),
        time: time(row.try_get(3).map_err(row_error)?)?,
        from: author,
        key: parsed(5)?,
        conflate_key: parsed(6)?,
        data: Data::parse(data).map_err(|_| wrong("the data is not JSON"))?,
    }))
}
