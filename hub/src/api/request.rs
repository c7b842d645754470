//! The parts of a request, each checked as it comes in; what is wrong with one is a problem that says so.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderMap};
use axum::http::request::Parts;
use hubbub_protocol::ErrorCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Api;
use crate::transport::problem::Problem;

/// A JSON body, as the bytes it came in: what is read from it borrows from it.
pub(super) struct Body(Bytes);

impl FromRequest<Api> for Body {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Problem> {
        let json = is_json(request.headers());
        if json == Some(false) {
            return Err(no_json());
        }
        let bytes = Bytes::from_request(request, api).await.map_err(|rejection| {
            let large = rejection.status() == StatusCode::PAYLOAD_TOO_LARGE;
            let code = if large { ErrorCode::TooLarge } else { ErrorCode::BadRequest };
            Problem::new(code, format!("the body could not be read: {}", rejection.body_text()))
        })?;
        if json.is_none() && !bytes.is_empty() { Err(no_json()) } else { Ok(Self(bytes)) }
    }
}

impl Body {
    /// As it came.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// What it says.
    pub(super) fn parse<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Problem> {
        let wrong = |error| format!("the body is not what this route takes: {error}");
        serde_json::from_slice(&self.0).map_err(|error| Problem::new(ErrorCode::BadRequest, wrong(error)))
    }

    /// The same, where nothing says nothing special.
    pub(super) fn parse_or_default<'a, T: Deserialize<'a> + Default>(&'a self) -> Result<T, Problem> {
        if self.0.is_empty() { Ok(T::default()) } else { self.parse() }
    }
}

fn no_json() -> Problem {
    let detail = "send the body as JSON, with `content-type: application/json`";
    Problem::new(ErrorCode::BadRequest, detail).with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE)
}

/// Whether the body is said to be JSON; `None` when nothing is said.
fn is_json(headers: &HeaderMap) -> Option<bool> {
    let kind = headers.get(CONTENT_TYPE)?.to_str().unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    Some(kind == "application/json" || kind.starts_with("application/") && kind.ends_with("+json"))
}

/// What stands in the path, percent-decoded and checked.
pub(super) struct InPath<T>(pub(super) T);

impl<T: DeserializeOwned + Send> FromRequestParts<Api> for InPath<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let path = Path::<T>::from_request_parts(parts, api).await;
        path.map(|Path(value)| Self(value)).map_err(|rejection| {
            Problem::new(ErrorCode::BadRequest, format!("the path can not be read: {}", rejection.body_text()))
        })
    }
}

/// What stands behind the `?`. A parameter that the route does not know is an error: it would be a mistake that nobody sees.
pub(super) struct InQuery<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<Api> for InQuery<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let query = Query::<T>::from_request_parts(parts, api).await;
        query.map(|Query(value)| Self(value)).map_err(|rejection| {
            Problem::new(ErrorCode::BadRequest, format!("the query can not be read: {}", rejection.body_text()))
        })
    }
}

/// Most entries of a list.
pub(super) const LIST_MAX: u32 = 1_000;
/// Entries of a list when the request names no limit.
pub(super) const LIST_DEFAULT: u32 = 100;

/// A limit within its bounds.
pub(super) fn limit(asked: Option<u32>, default: u32, most: u32) -> Result<u32, Problem> {
    let limit = asked.unwrap_or(default);
    if (1..=most).contains(&limit) {
        return Ok(limit);
    }
    Err(Problem::new(ErrorCode::BadRequest, format!("`limit` is 1 to {most}, this is {limit}")))
}
