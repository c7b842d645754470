//! Who calls: the service behind an API key, the idempotency key of the call, and its body.

use axum::Json;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use hubbub_protocol::{ErrorCode, Key};
use serde::de::DeserializeOwned;

use super::Api;
use crate::auth::service::Service;
use crate::transport::problem::Problem;

/// The service that calls, proven by `Authorization: Bearer <api key>`.
pub(super) struct Caller(pub(super) Service);

impl FromRequestParts<Api> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let split = header.and_then(|value| value.split_once(' '));
        let key = split.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, key)| key.trim());
        let missing = || Problem::new(ErrorCode::Unauthorized, "send the API key as `Authorization: Bearer <api key>`");
        Ok(Self(api.api_keys.authenticate(key.ok_or_else(missing)?)?))
    }
}

/// The header `Idempotency-Key`, if it was sent.
pub(super) struct IdempotencyKey(pub(super) Option<Key>);

impl FromRequestParts<Api> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Problem> {
        let Some(value) = parts.headers.get("idempotency-key") else { return Ok(Self(None)) };
        let key = value.to_str().ok().and_then(|text| Key::parse(text).ok());
        let wrong = "`Idempotency-Key` is 1 to 128 bytes of text without control characters";
        key.map(|key| Self(Some(key))).ok_or_else(|| Problem::new(ErrorCode::BadRequest, wrong))
    }
}

impl IdempotencyKey {
    /// The key of item `index` of a request with many.
    pub(super) fn of_item(&self, index: usize) -> Result<Option<Key>, Problem> {
        let Some(key) = &self.0 else { return Ok(None) };
        let long =
            || Problem::new(ErrorCode::BadRequest, "`Idempotency-Key` is too long: `/<index>` must fit behind it");
        Key::parse(&format!("{key}/{index}")).map(Some).map_err(|_| long())
    }
}

/// A JSON body whose errors are problems.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Api> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Problem> {
        match Json::<T>::from_request(request, api).await {
            Ok(Json(body)) => Ok(Self(body)),
            Err(rejection) => {
                let large = rejection.status().as_u16() == ErrorCode::TooLarge.http_status();
                let code = if large { ErrorCode::TooLarge } else { ErrorCode::BadRequest };
                Err(Problem::new(code, rejection.body_text()))
            }
        }
    }
}
