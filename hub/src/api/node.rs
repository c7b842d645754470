//! Asking about the node itself.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use super::caller::Caller;
use crate::auth::service::Scope;
use crate::limits::Limits;
use crate::memory;
use crate::shard::mail::ShardReport;
use crate::transport::problem::Problem;

/// What a node tells about itself.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NodeAnswer {
    /// Its name.
    name: String,
    /// The version of the hub.
    version: &'static str,
    /// How long it has been running, in milliseconds.
    uptime_ms: u64,
    /// Whether it sends its clients away.
    draining: bool,
    /// Connections that are open now, WebSockets and SSE streams, of all tenants.
    connections: usize,
    /// Each shard.
    shards: Vec<ShardReport>,
    /// Its memory.
    memory: MemoryAnswer,
    /// The limits that matter for callers and clients.
    limits: LimitsAnswer,
}

/// The memory of a node.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MemoryAnswer {
    /// What the process holds, in bytes; absent where the system does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    resident_bytes: Option<u64>,
    /// Above it newcomers are refused, in bytes; absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    watermark_bytes: Option<u64>,
    /// Whether newcomers are refused for it now.
    short: bool,
}

/// Limits of a node.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LimitsAnswer {
    /// Most connections.
    connections: usize,
    /// Most connections from one address.
    connections_per_ip: u32,
    /// Largest frame from a client, and largest `data`, in bytes.
    frame_bytes: usize,
    /// Most subscriptions of one connection.
    subscriptions_per_connection: usize,
    /// Most channels of a tenant with subscribers here.
    channels_per_tenant: usize,
    /// Requests a connection may send each second.
    requests_per_second: u32,
    /// What may wait for one slow reader, in bytes.
    outbox_bytes: usize,
    /// Largest body of a batch, in bytes.
    api_body_bytes: usize,
    /// How long a request to this API may take, in milliseconds.
    api_timeout_ms: u64,
}

/// Show the node. Needs the scope `admin`.
#[utoipa::path(
    get, path = "/v1/node", tag = "node", operation_id = "showNode", security(("api_key" = ["admin"])),
    responses((status = 200, description = "The node.", body = NodeAnswer)),
)]
pub(super) async fn show(State(api): State<Api>, Caller(service): Caller) -> Result<Json<NodeAnswer>, Problem> {
    api.services.policy.service(&service, Scope::Admin)?;
    let Limits { connections_per_ip, frame_bytes, subscriptions_per_connection, .. } = *api.services.limits;
    let Limits { channels_per_tenant, requests_per_second, outbox_bytes, .. } = *api.services.limits;
    let Limits { api_body_bytes, api_timeout_ms, .. } = *api.services.limits;
    Ok(Json(NodeAnswer {
        name: api.services.node.to_string(),
        version: env!("CARGO_PKG_VERSION"),
        uptime_ms: api.services.clock.now_ms().saturating_sub(api.started_ms),
        draining: api.gatekeeper.is_draining(),
        connections: api.gatekeeper.connections(),
        shards: api.control.reports().await,
        memory: MemoryAnswer {
            resident_bytes: memory::resident(),
            watermark_bytes: api.memory_watermark,
            short: api.gatekeeper.memory_short(),
        },
        limits: LimitsAnswer {
            connections: api.gatekeeper.capacity(),
            connections_per_ip,
            frame_bytes,
            subscriptions_per_connection,
            channels_per_tenant,
            requests_per_second,
            outbox_bytes,
            api_body_bytes,
            api_timeout_ms,
        },
    }))
}
