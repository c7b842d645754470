//! What operators and their tools look at: metrics, is it alive, is it ready.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::Api;

/// What `/readyz` says.
#[derive(Debug, Serialize)]
struct Readiness {
    /// `ready`, `degraded` (it serves, something it needs is away) or `unready` (send clients elsewhere).
    status: &'static str,
    /// Why it is not simply ready.
    reasons: Vec<String>,
}

/// `GET /metrics`, for Prometheus.
pub(super) async fn metrics(State(api): State<Api>) -> Response {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], api.metrics.render()).into_response()
}

/// `GET /healthz`: the process answers.
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: a canary walks the way of a message; faults of this node make it unready, a store that is away degraded.
pub(super) async fn readyz(State(api): State<Api>) -> Response {
    let mut reasons = Vec::new();
    if api.gatekeeper.is_draining() {
        reasons.push("draining".to_owned());
    }
    if api.gatekeeper.memory_short() {
        reasons.push("memory is above its watermark".to_owned());
    }
    if let Err(why) = api.probe.fly().await {
        reasons.push(why);
    }
    let away = api.store.check().await.err().map(|error| error.to_string());
    let (status, code) = match (reasons.is_empty(), &away) {
        (false, _) => ("unready", StatusCode::SERVICE_UNAVAILABLE),
        (true, Some(_)) => ("degraded", StatusCode::OK),
        (true, None) => ("ready", StatusCode::OK),
    };
    reasons.extend(away);
    (code, Json(Readiness { status, reasons })).into_response()
}
