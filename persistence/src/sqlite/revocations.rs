//! Revocations: a row per token or user, gone some time after no token that it hits can live.

use hubbub_protocol::channel::{TenantId, UserId};
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::error::{damaged, store_error};
use super::rows::{time, to_sql};
use crate::log::{Revocation, RevokedSubject};
use crate::store::StoreError;

const TOKEN: &str = "token";
const USER: &str = "user";

/// Longest name of a token that is kept, in bytes: it comes from whoever issues tokens.
const TOKEN_MAX: usize = 1_024;
/// Most rows that one call forgets.
const FORGET: i64 = 1_000;

/// Remembers a revocation; the same one again only moves it later.
pub(super) async fn revoke(connection: &mut SqliteConnection, revocation: &Revocation) -> Result<(), StoreError> {
    let (kind, subject, before) = match &revocation.subject {
        RevokedSubject::Token(token) if token.len() > TOKEN_MAX => {
            return Err(StoreError::Refused(format!("a token id has at most {TOKEN_MAX} bytes")));
        }
        RevokedSubject::Token(token) => (TOKEN, token.as_str(), 0),
        RevokedSubject::User { user, before } => (USER, user.as_str(), *before),
    };
    sqlx::query(
        "INSERT INTO revocations (tenant, kind, subject, before, until) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (tenant, kind, subject) DO UPDATE SET
             before = max(before, excluded.before), until = max(until, excluded.until)",
    )
    .bind(revocation.tenant.as_str())
    .bind(kind)
    .bind(subject)
    .bind(to_sql(before))
    .bind(to_sql(revocation.until))
    .execute(connection)
    .await
    .map_err(store_error)?;
    Ok(())
}

/// All that still count.
pub(super) async fn counting(connection: &mut SqliteConnection, now: u64) -> Result<Vec<Revocation>, StoreError> {
    let rows = sqlx::query("SELECT tenant, kind, subject, before, until FROM revocations WHERE until > ?")
        .bind(to_sql(now))
        .fetch_all(connection)
        .await
        .map_err(store_error)?;
    rows.iter().map(revocation).collect()
}

/// Whether some count no more.
pub(super) async fn any_past(connection: &mut SqliteConnection, now: u64) -> Result<bool, StoreError> {
    sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM revocations WHERE until <= ?)")
        .bind(to_sql(now))
        .fetch_one(connection)
        .await
        .map_err(store_error)
}

/// Forgets some that count no more.
pub(super) async fn forget_past(connection: &mut SqliteConnection, now: u64) -> Result<(), StoreError> {
    sqlx::query(
        "DELETE FROM revocations WHERE (tenant, kind, subject) IN
             (SELECT tenant, kind, subject FROM revocations WHERE until <= ? LIMIT ?)",
    )
    .bind(to_sql(now))
    .bind(FORGET)
    .execute(connection)
    .await
    .map_err(store_error)?;
    Ok(())
}

fn revocation(row: &SqliteRow) -> Result<Revocation, StoreError> {
    let tenant: &str = row.try_get(0).map_err(store_error)?;
    let kind: &str = row.try_get(1).map_err(store_error)?;
    let subject: &str = row.try_get(2).map_err(store_error)?;
    let subject = match kind {
        TOKEN => RevokedSubject::Token(subject.to_owned()),
        USER => RevokedSubject::User {
            user: UserId::parse(subject).map_err(|_| damaged("a revocation names no user"))?,
            before: time(row.try_get(3).map_err(store_error)?)?,
        },
        _ => return Err(damaged("a revocation is of no known kind")),
    };
    Ok(Revocation {
        tenant: TenantId::parse(tenant).map_err(|_| damaged("a revocation names no tenant"))?,
        subject,
        until: time(row.try_get(4).map_err(store_error)?)?,
    })
}
