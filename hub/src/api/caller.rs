//! Who calls: the service behind an API key, the idempotency key of the call, and a place for what is expensive.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use hubbub_protocol::limits::BATCH;
use hubbub_protocol::message::KEY_MAX;
use hubbub_protocol::{ErrorCode, Key};
use tokio::sync::OwnedSemaphorePermit;

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

/// A place among the expensive requests, given back when it is dropped. Asked for after the caller is known and before the
/// body is read. Overflow policy: the request waits, within its time.
pub(super) struct Turn(#[expect(dead_code, reason = "held, not looked at")] OwnedSemaphorePermit);

impl FromRequestParts<Api> for Turn {
    type Rejection = Problem;

    async fn from_request_parts(_: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let turn = Arc::clone(&api.turns).acquire_owned().await;
        turn.map(Self).map_err(|_| Problem::new(ErrorCode::Unavailable, "the node is closing").retry_after(Some(1_000)))
    }
}

/// The header `Idempotency-Key`, if it was sent.
pub(super) struct IdempotencyKey(Option<Key>);

impl FromRequestParts<Api> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Problem> {
        let Some(value) = parts.headers.get("idempotency-key") else { return Ok(Self(None)) };
        let key = std::str::from_utf8(value.as_bytes()).ok().and_then(|text| Key::parse(text).ok());
        let wrong = "`Idempotency-Key` is 1 to 128 bytes of text without control characters";
        key.map(|key| Self(Some(key))).ok_or_else(|| Problem::new(ErrorCode::BadRequest, wrong))
    }
}

impl IdempotencyKey {
    /// The key of a request for one thing: header and body may both name it, but not two different ones.
    pub(super) fn with(self, body: Option<Key>) -> Result<Option<Key>, Problem> {
        match (self.0, body) {
            (Some(header), Some(body)) if header != body => {
                let detail = "`Idempotency-Key` and `key` of the body differ; send one of them, or the same twice";
                Err(Problem::new(ErrorCode::BadRequest, detail))
            }
            (header, body) => Ok(body.or(header)),
        }
    }

    /// The keys of the items of a request for many things.
    pub(super) fn of_items(self) -> Result<ItemKeys, Problem> {
        ItemKeys::new(self.0)
    }
}

/// What follows a key in the key of an item: `/` and an index below 1,000.
const INDEX_BYTES: usize = 4;
const _: () = assert!(BATCH <= 1_000);

/// Item `index` has `<key>/<index>`.
pub(super) struct ItemKeys(Option<Key>);

impl ItemKeys {
    /// Checks that an index fits behind the key, before anything is done for the first item.
    pub(super) fn new(key: Option<Key>) -> Result<Self, Problem> {
        let most = KEY_MAX - INDEX_BYTES;
        if key.as_ref().is_some_and(|key| key.as_str().len() > most) {
            let detail = format!("the key of a request for many has at most {most} bytes: `/<index>` follows it");
            return Err(Problem::new(ErrorCode::BadRequest, detail));
        }
        Ok(Self(key))
    }

    /// The key of one item.
    pub(super) fn at(&self, index: usize) -> Option<Key> {
        // Checked: it fits.
        self.0.as_ref().and_then(|key| Key::parse(&format!("{key}/{index}")).ok())
    }
}
