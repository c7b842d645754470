//! The table of idempotency keys: which was used for which message. It holds neither the publisher nor the key nor the
//! data, only digests of them.

use std::collections::HashMap;

use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::error::{damaged, store_error};
use super::rows::{chunks, index, index_to_sql, message_id, offset, time, to_sql, with_values};
use crate::plan::{Half, HeldKey, ScopedKey};
use crate::store::{KEY_TTL_MS, StoreError};

/// The keys of a batch that were used before, however long ago. A channel without a log holds none.
pub(super) async fn held_keys(
    connection: &mut SqliteConnection,
    asked: &[ScopedKey],
    channel_id: impl Fn(usize) -> Option<i64>,
) -> Result<HashMap<ScopedKey, HeldKey>, StoreError> {
    let numbered = asked.iter().enumerate().filter_map(|(number, (channel, scope))| {
        channel_id(*channel).map(|channel| (index_to_sql(number), channel, scope))
    });
    let numbered: Vec<_> = numbered.collect();
    let mut held = HashMap::new();
    for chunk in chunks(&numbered) {
        let sql = with_values(
            "SELECT v.column1, k.offset, k.id, k.time, k.digest FROM ({}) AS v CROSS JOIN keys AS k
             ON k.channel_id = v.column2 AND k.scope = v.column3",
            3,
            chunk.len(),
        );
        let mut query = sqlx::query(sql);
        for (number, channel, scope) in chunk {
            query = query.bind(*number).bind(*channel).bind(scope.to_vec());
        }
        for row in query.fetch_all(&mut *connection).await.map_err(store_error)? {
            let number = index(row.try_get(0).map_err(store_error)?, asked.len())?;
            held.insert(asked[number], held_key(&row)?);
        }
    }
    Ok(held)
}

fn held_key(row: &SqliteRow) -> Result<HeldKey, StoreError> {
    let digest: Option<&[u8]> = row.try_get(4).map_err(store_error)?;
    Ok(HeldKey {
        offset: offset(row.try_get(1).map_err(store_error)?)?,
        id: message_id(row.try_get(2).map_err(store_error)?)?,
        time: time(row.try_get(3).map_err(store_error)?)?,
        digest: digest.map(TryInto::try_into).transpose().map_err(|_| damaged("a digest is not 16 bytes"))?,
    })
}

/// Remembers keys. One whose time had run out is replaced.
pub(super) async fn write_keys(
    connection: &mut SqliteConnection,
    keys: &[(ScopedKey, HeldKey)],
    channel_id: impl Fn(usize) -> Option<i64>,
) -> Result<(), StoreError> {
    for chunk in chunks(keys) {
        // REPLACE and not an update: the new row goes to the end of the table, where the young ones are.
        let sql = with_values("REPLACE INTO keys (channel_id, scope, offset, id, time, digest) {}", 6, chunk.len());
        let mut query = sqlx::query(sql);
        for ((channel, scope), held) in chunk {
            query = query
                .bind(channel_id(*channel))
                .bind(scope.to_vec())
                .bind(to_sql(held.offset))
                .bind(held.id.to_bytes().to_vec())
                .bind(to_sql(held.time))
                .bind(held.digest.map(|digest| digest.to_vec()));
        }
        query.execute(&mut *connection).await.map_err(store_error)?;
    }
    Ok(())
}

/// Forgets keys whose time has run out, among the `limit` oldest rows.
pub(super) async fn prune(connection: &mut SqliteConnection, now: u64, limit: usize) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM keys WHERE row IN (SELECT row FROM keys ORDER BY row LIMIT ?) AND time < ?")
        .bind(index_to_sql(limit))
        .bind(to_sql(now.saturating_sub(KEY_TTL_MS)))
        .execute(connection)
        .await
        .map_err(store_error)?;
    Ok(())
}

/// Forgets what the message of a key said. That the key was used stays known for its time, or a client that repeats
/// itself would bring an erased message back.
pub(super) async fn forget_digest(
    connection: &mut SqliteConnection,
    channel: i64,
    scope: Half,
    at: u64,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE keys SET digest = NULL WHERE channel_id = ? AND scope = ? AND offset = ?")
        .bind(channel)
        .bind(scope.to_vec())
        .bind(to_sql(at))
        .execute(connection)
        .await
        .map_err(store_error)?;
    Ok(())
}
