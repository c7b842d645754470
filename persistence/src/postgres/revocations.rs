//! Revocations: a row per token or user, gone some time after no token that it hits can live.

use std::sync::Arc;

use hubbub_protocol::channel::{TenantId, UserId};
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::connections::Connections;
use super::error::{damaged, row_error};
use super::rows::{time, to_sql};
use super::script::{Access, Answer, Script, tenant, text};
use crate::log::{Revocation, RevokedSubject};
use crate::store::StoreError;

const TOKEN: &str = "token";
const USER: &str = "user";

/// Longest name of a token that is kept, in bytes: it comes from whoever issues tokens.
const TOKEN_MAX: usize = 1_024;
/// Most rows that one call forgets.
const FORGET: u32 = 1_000;

/// Remembers a revocation; the same one again only moves it later.
pub(super) async fn revoke(connections: &Arc<Connections>, revocation: &Revocation) -> Result<(), StoreError> {
    let (kind, subject, before) = match &revocation.subject {
        RevokedSubject::Token(token) if token.len() > TOKEN_MAX || token.contains('\0') => {
            return Err(StoreError::Refused(format!(
                "a token id has at most {TOKEN_MAX} bytes, and none that is zero"
            )));
        }
        RevokedSubject::Token(token) => (TOKEN, token.as_str(), 0),
        RevokedSubject::User { user, before } => (USER, user.as_str(), *before),
    };
    let script = Script::new(Access::Repeatable, Some(&revocation.tenant)).then(format_args!(
        "INSERT INTO hubbub.revocations AS r (tenant, kind, subject, before, until) VALUES ({}, '{kind}', {}, {}, {})
         ON CONFLICT (tenant, kind, subject) DO UPDATE SET
             before = greatest(r.before, excluded.before), until = greatest(r.until, excluded.until)",
        tenant(&revocation.tenant),
        text(subject),
        to_sql(before),
        to_sql(revocation.until),
    ));
    connections.run(script).await.map(drop)
}

/// All that still count, of all tenants; and whether some count no more.
pub(super) async fn counting(connections: &Arc<Connections>, now: u64) -> Result<(Vec<Revocation>, bool), StoreError> {
    let now = to_sql(now);
    let script = Script::new(Access::Read, None)
        .then(format_args!("SELECT hubbub.past_revocations({now})"))
        .then(format_args!("SELECT * FROM hubbub.counting_revocations({now})"));
    let Answer { rows, .. } = connections.run(script).await?;
    let [past, counting, ..] = &rows[..] else { return Err(damaged("a script was not answered whole")) };
    let past = past.first().map(|row| row.try_get(0).map_err(row_error)).transpose()?.unwrap_or(false);
    Ok((counting.iter().map(revocation).collect::<Result<_, _>>()?, past))
}

/// Forgets some that count no more.
pub(super) async fn forget_past(connections: &Arc<Connections>, now: u64) -> Result<(), StoreError> {
    let script = Script::new(Access::Repeatable, None)
        .then(format_args!("SELECT hubbub.forget_revocations({}, {FORGET})", to_sql(now)));
    connections.run(script).await.map(drop)
}

fn revocation(row: &PgRow) -> Result<Revocation, StoreError> {
    let owner: &str = row.try_get(0).map_err(row_error)?;
    let kind: &str = row.try_get(1).map_err(row_error)?;
    let subject: &str = row.try_get(2).map_err(row_error)?;
    let subject = match kind {
        TOKEN => RevokedSubject::Token(subject.to_owned()),
        USER => RevokedSubject::User {
            user: UserId::parse(subject).map_err(|_| damaged("a revocation names no user"))?,
            before: time(row.try_get(3).map_err(row_error)?)?,
        },
        _ => return Err(damaged("a revocation is of no known kind")),
    };
    Ok(Revocation {
        tenant: TenantId::parse(owner).map_err(|_| damaged("a revocation names no tenant"))?,
        subject,
        until: time(row.try_get(4).map_err(row_error)?)?,
    })
}
