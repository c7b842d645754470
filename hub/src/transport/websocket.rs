//! The upgrade to a WebSocket: the handshake is checked, and the socket taken back from HTTP.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{
    CONNECTION, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use hubbub_protocol::ErrorCode;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tungstenite::handshake::derive_accept_key;

use super::problem::Problem;
use super::public::Entry;
use super::{Intake, Mode, Upgraded};

/// `GET /ws`.
pub(super) async fn upgrade_native(State(entry): State<Entry>, request: Request) -> Response {
    upgrade(&entry, request, Mode::Native).unwrap_or_else(refused)
}

/// `GET /echo`, in development mode.
pub(super) async fn upgrade_echo(State(entry): State<Entry>, request: Request) -> Response {
    upgrade(&entry, request, Mode::Echo).unwrap_or_else(refused)
}

fn upgrade(entry: &Entry, mut request: Request, mode: Mode) -> Result<Response, Problem> {
    entry.check_origin(request.headers())?;
    let accept = accept_key(request.method(), request.headers())?;
    let admission = entry.admit(&request)?;
    let upgrading = hyper::upgrade::on(&mut request);
    let intake = entry.intake.clone();
    tokio::spawn(async move {
        let upgraded = match upgrading.await {
            Ok(upgraded) => upgraded,
            Err(error) => return tracing::debug!(%error, "an upgrade did not happen"),
        };
        // Our own listener made the stream: nothing else can be inside.
        let Ok(parts) = upgraded.downcast::<TokioIo<TcpStream>>() else {
            return tracing::error!("an upgraded stream is not the socket it was");
        };
        let (socket, early) = (parts.io.into_inner(), parts.read_buf);
        // The shard ends only with the node.
        let _ = intake.send(Intake::Socket(Upgraded { socket, early, admission, mode })).await;
    });
    let headers = [
        (UPGRADE, HeaderValue::from_static("websocket")),
        (CONNECTION, HeaderValue::from_static("Upgrade")),
        (SEC_WEBSOCKET_ACCEPT, accept),
    ];
    Ok((StatusCode::SWITCHING_PROTOCOLS, headers, Body::empty()).into_response())
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
fn accept_key(method: &Method, headers: &HeaderMap) -> Result<HeaderValue, Problem> {
    let has = |name: HeaderName, token: &str| {
        let values = headers.get_all(name);
        values
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|part| part.trim().eq_ignore_ascii_case(token))
    };
    if *method != Method::GET || !has(CONNECTION, "upgrade") || !has(UPGRADE, "websocket") {
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
