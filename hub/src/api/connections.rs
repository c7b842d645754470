//! Asking about connections: which a tenant has on this node.

use axum::Json;
use axum::extract::State;
use hubbub_protocol::UserId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::caller::{Caller, Turn};
use super::request::{InQuery, LIST_DEFAULT, LIST_MAX, limit};
use crate::auth::service::Scope;
use crate::shard::mail::ConnectionReport;
use crate::transport::problem::Problem;

/// Which connections.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ConnectionsQuery {
    /// Of this user alone.
    #[param(value_type = Option<String>)]
    user: Option<UserId>,
    /// At most so many. Default 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// Connections of a tenant.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ConnectionList {
    /// The connections, in no order.
    connections: Vec<ConnectionReport>,
    /// Whether there are more.
    more: bool,
}

/// List connections of this node. Needs the scope `users`.
#[utoipa::path(
    get, path = "/v1/connections", tag = "users", operation_id = "listConnections", security(("api_key" = ["users"])),
    params(ConnectionsQuery),
    responses((status = 200, description = "The connections.", body = ConnectionList)),
)]
pub(super) async fn list(
    State(api): State<Api>,
    Caller(service): Caller,
    InQuery(query): InQuery<ConnectionsQuery>,
    _turn: Turn,
) -> Result<Json<ConnectionList>, Problem> {
    api.services.policy.service(&service, Scope::Users)?;
    let limit = limit(query.limit, LIST_DEFAULT, LIST_MAX)? as usize;
    let mut connections = api.control.connections(service.tenant(), query.user.as_ref(), limit + 1).await;
    let more = connections.len() > limit;
    connections.truncate(limit);
    Ok(Json(ConnectionList { connections, more }))
}
