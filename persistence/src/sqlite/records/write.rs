//! Writes what a batch changes. The table of words follows by triggers.

use sqlx::sqlite::SqliteConnection;

use super::super::error::store_error;
use super::super::rows::{chunks, to_sql, with_values};
use crate::records::view::Changes;
use crate::records::{Record, RecordKey};
use crate::store::StoreError;

const PUT: &str = "
    INSERT INTO records (tenant, home, kind, key, grp, at, who, text, body) {}
    ON CONFLICT (tenant, home, kind, key) DO UPDATE SET
        grp = excluded.grp, at = excluded.at, who = excluded.who, text = excluded.text, body = excluded.body";

pub(super) const REMOVE: &str = "
    DELETE FROM records WHERE row IN (
        SELECT r.row FROM ({}) AS v CROSS JOIN records AS r
        ON r.tenant = v.column1 AND r.home = v.column2 AND r.kind = v.column3 AND r.key = v.column4)";

/// Puts and removes.
pub(in super::super) async fn write_records(
    connection: &mut SqliteConnection,
    changes: &Changes,
) -> Result<(), StoreError> {
    let put: Vec<&Record> = changes.iter().filter_map(|(_, record)| record).collect();
    let gone: Vec<&RecordKey> = changes.iter().filter(|(_, record)| record.is_none()).map(|(key, _)| key).collect();
    for chunk in chunks(&put) {
        let mut query = sqlx::query(with_values(PUT, 9, chunk.len()));
        for record in chunk {
            let RecordKey { home, kind, key } = &record.key;
            query = query
                .bind(home.tenant.as_str())
                .bind(home.channel.as_str())
                .bind(kind.number())
                .bind(key.as_str())
                .bind(record.group.as_str())
                .bind(to_sql(record.at))
                .bind(record.who.as_ref().map(|who| who.as_str()))
                .bind(record.text.as_deref())
                .bind(record.body.as_str());
        }
        query.execute(&mut *connection).await.map_err(store_error)?;
    }
    for chunk in chunks(&gone) {
        let mut query = sqlx::query(with_values(REMOVE, 4, chunk.len()));
        for RecordKey { home, kind, key } in chunk {
            query = query.bind(home.tenant.as_str()).bind(home.channel.as_str()).bind(kind.number()).bind(key.as_str());
        }
        query.execute(&mut *connection).await.map_err(store_error)?;
    }
    Ok(())
}
