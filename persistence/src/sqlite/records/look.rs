//! A look: heads, records by name and lists, all from one snapshot.

use hubbub_protocol::Epoch;
use hubbub_protocol::channel::{ChannelKey, TenantId};
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use super::super::error::store_error;
use super::super::read;
use super::super::rows::{chunks, index, index_to_sql, with_values};
use super::answer::{KEY, statement};
use super::list::list;
use super::row::record;
use crate::records::{Look, Looked, Record, RecordKey};
use crate::store::StoreError;

/// Answers everything in one read transaction. The caller gives the connection back only when this ends well.
pub(in super::super) async fn look(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    look: &Look,
    epoch: Epoch,
) -> Result<Looked, StoreError> {
    // The snapshot is that of the first statement that reads.
    sqlx::query("BEGIN DEFERRED").execute(&mut *connection).await.map_err(store_error)?;
    let mut looked = Looked {
        heads: heads(connection, tenant, &look.heads, epoch).await?,
        keys: by_key(connection, tenant, &look.keys).await?,
        lists: Vec::with_capacity(look.lists.len()),
    };
    for part in &look.lists {
        looked.lists.push(list(connection, tenant, part).await?);
    }
    sqlx::query("COMMIT").execute(&mut *connection).await.map_err(store_error)?;
    Ok(looked)
}

async fn heads(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    channels: &[ChannelKey],
    epoch: Epoch,
) -> Result<Vec<crate::log::Head>, StoreError> {
    let mut heads = read::heads(connection, channels, epoch).await?;
    for (head, _) in heads.iter_mut().zip(channels).filter(|(_, channel)| channel.tenant != *tenant) {
        *head = read::untouched(epoch);
    }
    Ok(heads)
}

async fn by_key(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    keys: &[RecordKey],
) -> Result<Vec<Option<Record>>, StoreError> {
    let mut found = vec![None; keys.len()];
    let numbered: Vec<_> = keys.iter().enumerate().filter(|(_, key)| key.home.tenant == *tenant).collect();
    for chunk in chunks(&numbered) {
        let mut query = sqlx::query(with_values(&statement(KEY), 6, chunk.len()));
        for (number, RecordKey { home, kind, key }) in chunk {
            query = query
                .bind(index_to_sql(*number))
                .bind(tenant.as_str())
                .bind(home.channel.as_str())
                .bind(kind.number())
                .bind(key.as_str())
                .bind(0);
        }
        for row in query.fetch_all(&mut *connection).await.map_err(store_error)? {
            let number = index(row.try_get(0).map_err(store_error)?, found.len())?;
            found[number] = Some(record(&row, 1, tenant)?);
        }
    }
    Ok(found)
}
