//! Revoking tokens: one, or all that a user has.

use axum::Json;
use axum::extract::State;
use hubbub_persistence::{Revocation, RevokedSubject, StoreError};
use hubbub_protocol::{ErrorCode, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::caller::Caller;
use super::request::Body;
use crate::auth::ring::TTL_MAX_S;
use crate::auth::service::Scope;
use crate::logs::LogError;
use crate::transport::problem::Problem;

/// Most that clocks of issuers may be off, in milliseconds: the largest leeway that the configuration takes.
const LEEWAY_MS: u64 = 300_000;
/// Longest life of a token, in milliseconds.
const TTL_MAX_MS: u64 = TTL_MAX_S * 1_000;
/// Longest `jti` of a token, in bytes.
const TOKEN_ID_MAX: usize = 128;

/// What to revoke: exactly one of `token_id` and `user`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RevokeRequest {
    /// The `jti` of one token.
    token_id: Option<String>,
    /// When that token expires, in milliseconds since 1970, so that the revocation can be forgotten. Default and at most:
    /// as long as any token could live.
    until: Option<u64>,
    /// Every token of this user.
    #[schema(value_type = Option<String>)]
    user: Option<UserId>,
    /// Those of the user's tokens that were issued before, in milliseconds since 1970. Default: the end of the present
    /// second. Tokens without `iat` are always meant.
    before: Option<u64>,
}

/// What was revoked.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RevokeAnswer {
    /// How many connections of this node were closed, with 4502.
    closed: usize,
    /// How long the hub remembers the revocation, in milliseconds since 1970.
    until: u64,
}

/// Revoke a token, or all tokens of a user. Needs the scope `tokens`.
///
/// The revocation is in the store before the answer, so it outlives a restart; connections with these tokens close with
/// 4502, and new ones are refused.
#[utoipa::path(
    post, path = "/v1/tokens/revoke", tag = "users", operation_id = "revokeTokens", security(("api_key" = ["tokens"])),
    request_body = RevokeRequest,
    responses((status = 200, description = "They are void.", body = RevokeAnswer)),
)]
pub(super) async fn revoke(
    State(api): State<Api>,
    Caller(service): Caller,
    body: Body,
) -> Result<Json<RevokeAnswer>, Problem> {
    api.services.policy.service(&service, Scope::Tokens)?;
    let (subject, until) = body.parse::<RevokeRequest>()?.subject(api.services.clock.now_ms())?;
    tracing::info!(tenant = %service.tenant(), ?subject, service = %service.id(), "tokens are revoked");
    let (control, tenant) = (api.control.clone(), service.tenant().clone());
    // In a task of its own: a caller that hangs up must not leave it in the store with the sockets open.
    let revoking = tokio::spawn(async move { control.revoke(Revocation { tenant, subject, until }).await });
    let fault = |_| Problem::new(ErrorCode::Internal, "the revocation ended unexpectedly; try again");
    let closed = revoking.await.map_err(fault)?.map_err(refused)?;
    Ok(Json(RevokeAnswer { closed, until }))
}

impl RevokeRequest {
    /// Whom it hits, and until when it must be remembered.
    fn subject(self, now_ms: u64) -> Result<(RevokedSubject, u64), Problem> {
        let bad = |detail: &str| Err(Problem::new(ErrorCode::BadRequest, detail));
        let longest = now_ms + TTL_MAX_MS + LEEWAY_MS;
        match self {
            Self { token_id: Some(id), until, user: None, before: None } => {
                if !(1..=TOKEN_ID_MAX).contains(&id.len()) {
                    return bad("`token_id` is the `jti` of a token, 1 to 128 bytes");
                }
                let until = until.map_or(longest, |until| until.saturating_add(LEEWAY_MS).min(longest));
                Ok((RevokedSubject::Token(id), until))
            }
            Self { token_id: None, until: None, user: Some(user), before } => {
                if before.is_some_and(|before| before > now_ms + LEEWAY_MS) {
                    return bad("`before` is in the future; a revocation is for tokens that exist");
                }
                // Tokens count in seconds. Rounded up, one of the present second is hit as well.
                let before = before.unwrap_or(now_ms + 1).div_ceil(1_000);
                Ok((RevokedSubject::User { user, before }, longest))
            }
            _ => bad("send `token_id` (with `until`, if you like) or `user` (with `before`, if you like)"),
        }
    }
}

fn refused(error: StoreError) -> Problem {
    Problem::from(LogError::from(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_763_600_000_400;
    const LONGEST: u64 = NOW + TTL_MAX_MS + LEEWAY_MS;

    fn subject(text: &str) -> Option<(RevokedSubject, u64)> {
        serde_json::from_str::<RevokeRequest>(text).expect("readable").subject(NOW).ok()
    }

    #[test]
    fn a_revocation_lives_as_long_as_such_a_token_could() {
        let token = |id: &str| RevokedSubject::Token(id.into());
        let user = |before| RevokedSubject::User { user: UserId::parse("u1").expect("valid"), before };
        let second = 1_763_600_000;
        let table = [
            (r#"{"token_id":"t"}"#.to_owned(), Some((token("t"), LONGEST))),
            (format!(r#"{{"token_id":"t","until":{}}}"#, NOW + 5), Some((token("t"), NOW + 5 + LEEWAY_MS))),
            (format!(r#"{{"token_id":"t","until":{}}}"#, u64::MAX), Some((token("t"), LONGEST))),
            (r#"{"user":"u1"}"#.to_owned(), Some((user(second + 1), LONGEST))),
            (format!(r#"{{"user":"u1","before":{}}}"#, second * 1_000), Some((user(second), LONGEST))),
            (format!(r#"{{"user":"u1","before":{}}}"#, NOW + LEEWAY_MS + 1), None),
            (r#"{"token_id":""}"#.to_owned(), None),
            (r#"{"token_id":"t","user":"u1"}"#.to_owned(), None),
            (r#"{"token_id":"t","before":1}"#.to_owned(), None),
            (r#"{"user":"u1","until":1}"#.to_owned(), None),
            ("{}".to_owned(), None),
        ];
        for (text, expected) in table {
            assert_eq!(subject(&text), expected, "{text}");
        }
    }
}
