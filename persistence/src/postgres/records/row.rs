//! How a record stands in a row.

use hubbub_protocol::channel::{ChannelKey, ChannelName, TenantId, UserId};
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::super::error::{damaged, row_error};
use super::super::rows::offset;
use crate::records::{Kind, Record, RecordKey};
use crate::store::StoreError;

/// The columns of [`record`], as every function answers them.
pub(super) const RECORD: &str = "home, kind, key, grp, at, who, text, body";

/// A record from the columns `at` and on.
pub(super) fn record(row: &PgRow, at: usize, tenant: &TenantId) -> Result<Record, StoreError> {
    let text = |column: usize| row.try_get::<Option<String>, _>(at + column).map_err(row_error);
    let who: Option<&str> = row.try_get(at + 5).map_err(row_error)?;
    let who = who.map(UserId::parse).transpose().map_err(|_| damaged("a record is about no user"))?;
    Ok(Record {
        key: key(row, at, tenant)?,
        group: text(3)?.unwrap_or_default(),
        at: offset(row.try_get(at + 4).map_err(row_error)?)?,
        who,
        text: text(6)?,
        body: text(7)?.unwrap_or_default(),
    })
}

/// The name of a record from the columns `at` (home), kind and key.
pub(super) fn key(row: &PgRow, at: usize, tenant: &TenantId) -> Result<RecordKey, StoreError> {
    let home = ChannelName::parse(row.try_get(at).map_err(row_error)?);
    let home = home.map_err(|_| damaged("the home of a record is no channel"))?;
    let kind = Kind::of_number(row.try_get(at + 1).map_err(row_error)?);
    let kind = kind.ok_or_else(|| damaged("a record is of no known kind"))?;
    let key = row.try_get(at + 2).map_err(row_error)?;
    Ok(RecordKey { home: ChannelKey::new(tenant.clone(), home), kind, key })
}
