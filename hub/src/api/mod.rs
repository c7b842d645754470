//! The internal API: how services publish, ask and act. JSON over HTTP on its own port. It joins the walk at the permit.
//!
//! Read in this order: connections (`serve`), what every request goes through (`bounds`), who calls (`caller`) with what
//! (`request`); publishing one message (`publish`) and many (`many`); asking (`channels`, `history`, `connections`, `node`);
//! acting (`rooms`, `users`, `people`, `tokens`); what operators and their tools look at (`health`), and the description of it all (`openapi`).

mod serve;

mod bounds;
mod caller;
mod request;

mod many;
mod publish;

mod channels;
mod connections;
mod history;
mod node;

mod people;
mod rooms;
mod tokens;
mod users;

mod health;
mod openapi;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use hubbub_persistence::Store;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::Semaphore;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

use crate::admission::Gatekeeper;
use crate::auth::service::ApiKeys;
use crate::broker::Broker;
use crate::control::Control;
use crate::limits::Limits;
use crate::probe::Probe;
use crate::session::Services;

pub use serve::serve;

/// What a body may be larger than the data in it, in bytes: names, keys and what is around them.
const BODY_SPARE: usize = 16 * 1024;

/// What the internal API is made of.
pub struct Parts {
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
    /// Whose link is told by readiness.
    pub broker: Arc<dyn Broker>,
    /// Renders the metrics.
    pub metrics: PrometheusHandle,
    /// Memory above which newcomers are refused, in bytes.
    pub memory_watermark: Option<u64>,
}

/// What the handlers work with. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    parts: Arc<Parts>,
    /// Places for expensive requests.
    turns: Arc<Semaphore>,
    store_check: Arc<health::StoreCheck>,
    /// What `/openapi.json` answers.
    document: Bytes,
    /// When the node started, in milliseconds since 1970.
    started_ms: u64,
}

impl Api {
    /// Over these parts, counting the uptime from now.
    pub fn new(parts: Parts) -> Self {
        let Services { clock, limits, .. } = &parts.services;
        let turns = Arc::new(Semaphore::new(limits.api_expensive_requests.min(Semaphore::MAX_PERMITS)));
        let started_ms = clock.now_ms();
        let document = openapi::finished(routes(limits).into_openapi());
        Self { parts: Arc::new(parts), turns, store_check: Arc::default(), document, started_ms }
    }

    fn timeout(&self) -> Duration {
        Duration::from_millis(self.services.limits.api_timeout_ms)
    }
}

impl std::ops::Deref for Api {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}

/// Every route, each with its description.
fn routes(limits: &Limits) -> OpenApiRouter<Api> {
    let large = || DefaultBodyLimit::max(limits.api_body_bytes);
    OpenApiRouter::with_openapi(openapi::beginning())
        .routes(routes!(publish::publish))
        .routes(routes!(many::batch).layer(large()))
        .routes(routes!(many::broadcast).layer(large()))
        .routes(routes!(publish::notify))
        .routes(routes!(channels::list))
        .routes(routes!(channels::show))
        .routes(routes!(channels::presence))
        .routes(routes!(history::page))
        .routes(routes!(history::erase))
        .routes(routes!(rooms::act))
        .routes(routes!(users::disconnect))
        .routes(routes!(people::export))
        .routes(routes!(people::erase))
        .routes(routes!(people::again))
        .routes(routes!(people::show))
        .routes(routes!(people::result))
        .routes(routes!(people::proofs))
        .routes(routes!(tokens::revoke))
        .routes(routes!(connections::list))
        .routes(routes!(node::show))
        .routes(routes!(health::metrics))
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(openapi::openapi))
}

fn router(api: Api) -> Router {
    let limits = Arc::clone(&api.services.limits);
    Router::from(routes(&limits))
        .fallback(bounds::no_route)
        .method_not_allowed_fallback(bounds::no_method)
        .layer(DefaultBodyLimit::max(limits.frame_bytes + BODY_SPARE))
        .layer(from_fn_with_state(api.clone(), bounds::bounded))
        .with_state(api)
}
