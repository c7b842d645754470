//! The internal API: how services publish, ask and act. JSON over HTTP on its own port. It joins the walk at the permit.
//!
//! Read in this order: who calls (`caller`), publishing (`publish`), and what operators look at (`health`).

mod caller;
mod health;
mod publish;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use hubbub_persistence::Store;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;

use crate::admission::Gatekeeper;
use crate::auth::service::ApiKeys;
use crate::control::Control;
use crate::node::probe::Probe;
use crate::session::Services;

/// Largest body of a request, in bytes.
const BODY_BYTES: usize = 16 * 1024 * 1024;

/// What the internal API works with.
#[derive(Clone)]
pub struct Api {
    /// What sessions work with: policy, publisher, logs, presence, clock.
    pub services: Services,
    /// Acts on live sessions.
    pub control: Control,
    /// Knows services.
    pub api_keys: Arc<ApiKeys>,
    /// Knows whether the node takes newcomers.
    pub gatekeeper: Arc<Gatekeeper>,
    /// What is remembered.
    pub store: Arc<dyn Store>,
    /// Sends canaries.
    pub probe: Arc<Probe>,
    /// Renders the metrics.
    pub metrics: PrometheusHandle,
}

/// Serves until the runtime ends.
pub async fn serve(listener: TcpListener, api: Api) {
    if let Err(error) = axum::serve(listener, router(api)).await {
        tracing::error!(%error, "the internal API ended");
    }
}

fn router(api: Api) -> Router {
    Router::new()
        .route("/v1/publish", post(publish::publish))
        .route("/v1/batch", post(publish::batch))
        .route("/metrics", get(health::metrics))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .with_state(api)
}
