//! The upgrade to a WebSocket: the handshake is checked, and the socket taken back from HTTP.

use axum::extract::{Request, State};
use axum::http::header::{
    CONNECTION, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use axum::http::{Method, StatusCode, Version};
use axum::response::{IntoResponse, Response};
use hubbub_protocol::ErrorCode;
use tungstenite::handshake::derive_accept_key;

use super::Mode;
use super::problem::Problem;
use super::public::Entry;
use super::takeover::Claim;

/// `GET /ws`.
pub(super) async fn upgrade_native(State(entry): State<Entry>, request: Request) -> Response {
    upgrade(&entry, &request, Mode::Native).unwrap_or_else(refused)
}

/// `GET /echo`, in development mode.
pub(super) async fn upgrade_echo(State(entry): State<Entry>, request: Request) -> Response {
    upgrade(&entry, &request, Mode::Echo).unwrap_or_else(refused)
}

fn upgrade(entry: &Entry, request: &Request, mode: Mode) -> Result<Response, Problem> {
    entry.check_origin(request.headers())?;
    let accept = accept_key(request)?;
    let admission = entry.admit(request)?;
    let headers = [
        (UPGRADE, HeaderValue::from_static("websocket")),
        (CONNECTION, HeaderValue::from_static("Upgrade")),
        (SEC_WEBSOCKET_ACCEPT, accept),
    ];
    let mut response = (StatusCode::SWITCHING_PROTOCOLS, headers).into_response();
    Claim::Socket(admission, mode).put_into(&mut response);
    Ok(response)
}

/// A refusal names the version that would do (RFC 6455, 4.4), and a missing upgrade what to upgrade to (RFC 9110, 15.5.22).
fn refused(problem: Problem) -> Response {
    let mut response = problem.into_response();
    let upgrade = response.status() == StatusCode::UPGRADE_REQUIRED;
    let headers = response.headers_mut();
    headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    if upgrade {
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    }
    response
}

/// Checks the handshake (RFC 6455, 4.2.1).
fn accept_key(request: &Request) -> Result<HeaderValue, Problem> {
    let headers = request.headers();
    let has = |name: HeaderName, token: &str| {
        let values = headers.get_all(name);
        values
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|part| part.trim().eq_ignore_ascii_case(token))
    };
    let may = request.method() == Method::GET && request.version() >= Version::HTTP_11;
    if !may || !has(CONNECTION, "upgrade") || !has(UPGRADE, "websocket") {
        let detail = "open this address as a WebSocket (GET with `Connection: Upgrade` and `Upgrade: websocket`)";
        return Err(Problem::new(ErrorCode::BadRequest, detail).with_status(StatusCode::UPGRADE_REQUIRED));
    }
    if !has(SEC_WEBSOCKET_VERSION, "13") {
        return Err(Problem::new(ErrorCode::BadRequest, "`Sec-WebSocket-Version` must be 13"));
    }
    // 16 bytes in base 64.
    let key = headers.get(SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes).filter(|key| key.len() == 24);
    let key =
        key.ok_or_else(|| Problem::new(ErrorCode::BadRequest, "`Sec-WebSocket-Key` must be 16 bytes in base 64"))?;
    HeaderValue::try_from(derive_accept_key(key)).map_err(|_| Problem::new(ErrorCode::Internal, "the handshake failed"))
}
