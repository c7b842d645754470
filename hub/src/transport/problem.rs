//! Problem details (RFC 9457): how HTTP requests fail, on both ports.

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use hubbub_protocol::ErrorCode;
use serde::Serialize;

/// A failed request: what went wrong and what to do.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Problem {
    /// `urn:hubbub:<code>`.
    #[serde(rename = "type")]
    kind: String,
    /// The code, for programs.
    #[schema(value_type = String)]
    code: ErrorCode,
    /// The HTTP status.
    status: u16,
    /// What went wrong and what to do, for people.
    detail: String,
    /// When to try again, in milliseconds; absent when trying again does not help.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
}

impl Problem {
    /// A problem with the status of its code.
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        let kind = format!("urn:hubbub:{}", code.as_str());
        Self { kind, code, status: code.http_status(), detail: detail.into(), retry_after_ms: None }
    }

    /// The same with another status.
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status.as_u16();
        self
    }

    /// Whether the same request may succeed later.
    pub fn is_temporary(&self) -> bool {
        self.code.is_temporary()
    }

    /// The code, the text, and when to try again in milliseconds.
    pub fn parts(&self) -> (ErrorCode, &str, Option<u64>) {
        (self.code, &self.detail, self.retry_after_ms)
    }

    /// The same with a time to try again.
    pub fn retry_after(mut self, milliseconds: Option<u64>) -> Self {
        self.retry_after_ms = milliseconds;
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let seconds = self.retry_after_ms.map(|milliseconds| milliseconds.div_ceil(1_000));
        let mut response = (status, Json(self)).into_response();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = seconds {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
