//! Parts of lists. Each steps through one index and reads no further than it answers, but for those that say so.

use hubbub_protocol::channel::{ChannelKey, TenantId, UserId};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, Sqlite};

use super::super::error::store_error;
use super::super::rows::{chunks, to_sql, with_values};
use super::row::{RECORD, record};
use crate::log::ReadFrom;
use crate::page::PAGE_MAX;
use crate::records::{Kind, List, Record, RecordKey};
use crate::store::StoreError;

pub(super) type Query<'q> = sqlx::query::Query<'q, Sqlite, sqlx::sqlite::SqliteArguments>;

/// One list of this tenant.
pub(super) async fn list(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    list: &List,
) -> Result<Vec<Record>, StoreError> {
    let (home, query) = match list {
        List::Group { home, kind, group, from, limit } => (Some(home), group_query(home, *kind, group, *from, *limit)),
        List::Keys { home, kind, group, after, limit } => (Some(home), keys_query(home, *kind, group, after, *limit)),
        List::User { who, kind, homes, after, limit } => {
            return of_user(connection, tenant, who, *kind, homes, after.as_ref(), *limit).await;
        }
        List::Everywhere { kind, group, after, limit } => {
            (None, everywhere_query(tenant, *kind, group, after.as_ref(), *limit))
        }
        List::Placed { kind, group, from, limit } => (None, placed_query(tenant, *kind, group, *from, *limit)),
    };
    if home.is_some_and(|home| home.tenant != *tenant) {
        return Ok(Vec::new());
    }
    fetch(connection, tenant, query).await
}

pub(super) fn group_query<'q>(
    home: &'q ChannelKey,
    kind: Kind,
    group: &'q str,
    from: ReadFrom,
    limit: u32,
) -> Query<'q> {
    let (bound, condition) = match from {
        ReadFrom::After(at) => (at, "r.at > ? ORDER BY r.at, r.key"),
        ReadFrom::Before(at) => (at, "r.at < ? ORDER BY r.at DESC, r.key DESC"),
    };
    let sql = format!(
        "SELECT {RECORD} FROM records AS r
         WHERE r.tenant = ? AND r.home = ? AND r.kind = ? AND r.grp = ? AND {condition} LIMIT ?"
    );
    sqlx::query(AssertSqlSafe(sql))
        .bind(home.tenant.as_str())
        .bind(home.channel.as_str())
        .bind(kind.number())
        .bind(group)
        .bind(to_sql(bound))
        .bind(limit.min(PAGE_MAX))
}

/// Of one group it steps through the keys of all: a page of a large group is found at once, one of a small group reads more.
pub(super) fn keys_query<'q>(
    home: &'q ChannelKey,
    kind: Kind,
    group: &'q Option<String>,
    after: &'q str,
    limit: u32,
) -> Query<'q> {
    let sql = format!(
        "SELECT {RECORD} FROM records AS r
         WHERE r.tenant = ? AND r.home = ? AND r.kind = ? AND r.key > ? AND (? OR +r.grp = ?) ORDER BY r.key LIMIT ?"
    );
    sqlx::query(AssertSqlSafe(sql))
        .bind(home.tenant.as_str())
        .bind(home.channel.as_str())
        .bind(kind.number())
        .bind(after)
        .bind(group.is_none())
        .bind(group.as_deref().unwrap_or_default())
        .bind(limit.min(PAGE_MAX))
}

/// Kinds that have no index for it read all of the tenant's: see the migration.
pub(super) fn everywhere_query<'q>(
    tenant: &'q TenantId,
    kind: Kind,
    group: &'q str,
    after: Option<&'q ChannelKey>,
    limit: u32,
) -> Query<'q> {
    // The kind stands in the text: the index is of some kinds alone.
    let sql = format!(
        "SELECT {RECORD} FROM records AS r
         WHERE r.tenant = ? AND r.kind = {} AND r.grp = ? AND r.home > ? ORDER BY r.home, r.key LIMIT ?",
        kind.number()
    );
    sqlx::query(AssertSqlSafe(sql))
        .bind(tenant.as_str())
        .bind(group)
        .bind(after.map_or("", |after| after.channel.as_str()))
        .bind(limit.min(PAGE_MAX))
}

/// Kinds that have no index for it sort all of the tenant's: see the migration.
pub(super) fn placed_query<'q>(
    tenant: &'q TenantId,
    kind: Kind,
    group: &'q str,
    from: ReadFrom,
    limit: u32,
) -> Query<'q> {
    let (bound, condition) = match from {
        ReadFrom::After(at) => (at, "r.at > ? ORDER BY r.at, r.home, r.key"),
        ReadFrom::Before(at) => (at, "r.at < ? ORDER BY r.at DESC, r.home DESC, r.key DESC"),
    };
    // The kind stands in the text: the index is of one kind alone.
    let sql = format!(
        "SELECT {RECORD} FROM records AS r WHERE r.tenant = ? AND r.kind = {} AND r.grp = ? AND {condition} LIMIT ?",
        kind.number()
    );
    sqlx::query(AssertSqlSafe(sql)).bind(tenant.as_str()).bind(group).bind(to_sql(bound)).bind(limit.min(PAGE_MAX))
}

/// Kind by kind, so that each is one way through the index.
async fn of_user(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    who: &UserId,
    kind: Option<Kind>,
    homes: &[ChannelKey],
    after: Option<&RecordKey>,
    limit: u32,
) -> Result<Vec<Record>, StoreError> {
    let limit = limit.min(PAGE_MAX) as usize;
    let mut of_tenant: Vec<&ChannelKey> = homes.iter().filter(|home| home.tenant == *tenant).collect();
    of_tenant.sort_unstable();
    of_tenant.dedup();
    let mut found = Vec::new();
    for kind in Kind::ALL.iter().copied().filter(|each| kind.is_none_or(|kind| kind == *each)) {
        let bound = match after {
            Some(after) if after.kind > kind => continue,
            Some(after) if after.kind == kind => (after.home.channel.as_str(), after.key.as_str()),
            _ => ("", ""),
        };
        if homes.is_empty() {
            let query = user_query(tenant, who, kind, bound, limit - found.len());
            found.extend(fetch(connection, tenant, query).await?);
        }
        for chunk in chunks(&of_tenant) {
            if found.len() >= limit {
                break;
            }
            let query = homes_query(tenant, who, kind, chunk, bound, limit - found.len());
            let mut more = fetch(connection, tenant, query).await?;
            more.sort_by(|a, b| a.key.cmp(&b.key));
            found.extend(more);
        }
        found.truncate(limit);
        if found.len() >= limit {
            break;
        }
    }
    Ok(found)
}

pub(super) fn user_query<'q>(
    tenant: &'q TenantId,
    who: &'q UserId,
    kind: Kind,
    (home, key): (&'q str, &'q str),
    limit: usize,
) -> Query<'q> {
    let sql = format!(
        "SELECT {RECORD} FROM records AS r
         WHERE r.tenant = ? AND r.who = ? AND r.kind = ? AND (r.home, r.key) > (?, ?) ORDER BY r.home, r.key LIMIT ?"
    );
    sqlx::query(AssertSqlSafe(sql))
        .bind(tenant.as_str())
        .bind(who.as_str())
        .bind(kind.number())
        .bind(home)
        .bind(key)
        .bind(to_sql(limit as u64))
}

pub(super) fn homes_query<'q>(
    tenant: &'q TenantId,
    who: &'q UserId,
    kind: Kind,
    homes: &[&'q ChannelKey],
    (home, key): (&'q str, &'q str),
    limit: usize,
) -> Query<'q> {
    let statement = format!(
        "SELECT {RECORD} FROM ({{}}) AS v CROSS JOIN records AS r ON r.row IN (
             SELECT l.row FROM records AS l
             WHERE l.tenant = ? AND l.who = ? AND l.kind = ? AND l.home = v.column1 AND (l.home, l.key) > (?, ?)
             ORDER BY l.key LIMIT ?)"
    );
    let mut query = sqlx::query(with_values(&statement, 1, homes.len()));
    for home in homes {
        query = query.bind(home.channel.as_str());
    }
    query.bind(tenant.as_str()).bind(who.as_str()).bind(kind.number()).bind(home).bind(key).bind(to_sql(limit as u64))
}

async fn fetch(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    query: Query<'_>,
) -> Result<Vec<Record>, StoreError> {
    let rows: Vec<SqliteRow> = query.fetch_all(connection).await.map_err(store_error)?;
    rows.iter().map(|row| record(row, 0, tenant)).collect()
}
