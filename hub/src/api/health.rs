//! What operators and their tools look at: metrics, is it alive, is it ready. None of it needs an API key.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::timeout;
use utoipa::ToSchema;

use super::Api;
use crate::broker::Link;

/// How long the store may take to say that it is well; below the patience of probes.
const STORE_PATIENCE: Duration = Duration::from_millis(800);
/// How long what the store said counts, in milliseconds: each check writes to the disk, and anybody may ask.
const STORE_CHECK_MS: u64 = 1_000;

/// What `/readyz` says.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReadinessAnswer {
    /// `ready`, `degraded` (it serves, something it needs is away) or `unready` (send clients elsewhere).
    status: &'static str,
    /// Why it is not simply ready.
    reasons: Vec<String>,
}

/// Metrics for Prometheus, as text.
#[utoipa::path(
    get, path = "/metrics", tag = "node", operation_id = "metrics", security(()),
    responses((status = 200, description = "The metrics.", content_type = "text/plain", body = String)),
)]
pub(super) async fn metrics(State(api): State<Api>) -> Response {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], api.metrics.render()).into_response()
}

/// The process answers.
#[utoipa::path(
    get, path = "/healthz", tag = "node", operation_id = "healthz", security(()),
    responses((status = 200, description = "It does.", content_type = "text/plain", body = String)),
)]
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// The node takes clients.
///
/// A canary walks the way of a message and must come back within a second. Faults of this node make it unready; a store or a
/// broker that is away only degraded, since other nodes miss it as well.
#[utoipa::path(
    get, path = "/readyz", tag = "node", operation_id = "readyz", security(()),
    responses(
        (status = 200, description = "It does, `ready` or `degraded`.", body = ReadinessAnswer),
        (status = 503, description = "It is `unready`: send clients elsewhere.", body = ReadinessAnswer),
    ),
)]
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
    let mut away: Vec<String> = api.store_check.ask(&api).await.err().into_iter().collect();
    match api.broker.link() {
        Link::Well => {}
        Link::Away(why) => away.push(format!("the broker is away: {why}")),
        Link::Deaf(why) => reasons.push(format!("nothing comes from the broker, though it answers: {why}")),
    }
    let (status, code) = match (reasons.is_empty(), away.is_empty()) {
        (false, _) => ("unready", StatusCode::SERVICE_UNAVAILABLE),
        (true, false) => ("degraded", StatusCode::OK),
        (true, true) => ("ready", StatusCode::OK),
    };
    reasons.extend(away);
    (code, Json(ReadinessAnswer { status, reasons })).into_response()
}

/// What the store said when it was asked last.
#[derive(Debug, Default)]
pub(super) struct StoreCheck {
    // Held across an await on purpose: the store is asked once at a time.
    last: Mutex<Option<(u64, Result<(), String>)>>,
}

impl StoreCheck {
    async fn ask(&self, api: &Api) -> Result<(), String> {
        let mut last = self.last.lock().await;
        let now_ms = api.services.clock.now_ms();
        if let Some((at, said)) = &*last
            && now_ms.saturating_sub(*at) < STORE_CHECK_MS
        {
            return said.clone();
        }
        let checked = timeout(STORE_PATIENCE, api.store.check()).await;
        let said = match checked {
            Ok(said) => said.map_err(|error| error.to_string()),
            Err(_) => Err(format!("the store did not answer within {} ms", STORE_PATIENCE.as_millis())),
        };
        *last = Some((now_ms, said.clone()));
        said
    }
}
