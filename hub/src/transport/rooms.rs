//! Rooms over REST on the public port: for whoever holds a token and no socket.

use std::net::IpAddr;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::header::USER_AGENT;
use axum::http::{HeaderMap, StatusCode};
use hubbub_protocol::{Data, ErrorCode, Key};

use super::problem::Problem;
use super::public::{Address, Entry, bearer};
use crate::auth::AuthError;
use crate::rooms::{HttpRequest, Origin, RoomError};

/// Longest name of a program that is remembered, in bytes.
const AGENT: usize = 200;

/// `POST /v1/rooms/{op}`.
pub(super) async fn act(
    State(entry): State<Entry>,
    Path(op): Path<String>,
    Address(address): Address,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Data>, Problem> {
    entry.check_origin(&headers)?;
    let body = body.map_err(|rejection| {
        let large = rejection.status() == StatusCode::PAYLOAD_TOO_LARGE;
        let code = if large { ErrorCode::TooLarge } else { ErrorCode::BadRequest };
        Problem::new(code, rejection.body_text())
    })?;
    let services = &entry.public.services;
    let token = bearer(&headers)
        .ok_or_else(|| Problem::new(ErrorCode::Unauthorized, "send your token as `Authorization: Bearer <token>`"))?;
    let identity = services.verifier.verify(token).await?;
    if services.revocations.is_revoked(&identity) {
        return Err(AuthError::Revoked.into());
    }
    let HttpRequest { request, user } = HttpRequest::parse(&op, &body, key(&headers)?)?;
    if user.is_some() {
        return Err(Problem::new(ErrorCode::Forbidden, "`as` is for services; a token acts for its own user"));
    }
    let _turn = entry.public.turns.take(&identity.tenant, identity.user.as_ref()).await?;
    Ok(Json(services.rooms.by_user(&identity, origin(address, &headers), request).await?))
}

/// The idempotency key of a request, if it has one.
pub(crate) fn key(headers: &HeaderMap) -> Result<Option<Key>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let key = std::str::from_utf8(value.as_bytes()).ok().and_then(|text| Key::parse(text).ok());
    let wrong = "`Idempotency-Key` is 1 to 128 bytes of text without control characters";
    key.map(Some).ok_or_else(|| Problem::new(ErrorCode::BadRequest, wrong))
}

/// From where a request comes.
pub(crate) fn origin(address: Option<IpAddr>, headers: &HeaderMap) -> Origin {
    let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok());
    let agent = agent.map(|agent| agent.chars().take(AGENT).collect::<String>().into());
    Origin { address: address.map(|address| address.to_string().into()), agent }
}

impl From<RoomError> for Problem {
    fn from(error: RoomError) -> Self {
        Self::new(error.code(), error.to_string()).retry_after(error.retry_after_ms())
    }
}
