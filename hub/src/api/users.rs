//! Acting on users: closing their connections.

use axum::Json;
use axum::extract::State;
use hubbub_protocol::UserId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::caller::Caller;
use super::request::{Body, InPath};
use crate::auth::service::Scope;
use crate::transport::problem::Problem;

/// How to close.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct DisconnectRequest {
    /// Whether the client shall come back at once (close code 4007) or not at all (4503). Default false.
    reconnect: bool,
}

/// What was closed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ClosedAnswer {
    /// How many connections of this node.
    pub(super) closed: usize,
}

/// Close the connections of a user. Needs the scope `users`.
///
/// Clients that behave do not come back after 4503, but nothing keeps them out: revoke the user's tokens for that.
#[utoipa::path(
    post, path = "/v1/users/{id}/disconnect", tag = "users", operation_id = "disconnectUser",
    security(("api_key" = ["users"])),
    params(("id" = String, Path, description = "The user, percent-encoded.")),
    request_body(content = inline(Option<DisconnectRequest>), description = "May be left out."),
    responses((status = 200, description = "They are closed.", body = ClosedAnswer)),
)]
pub(super) async fn disconnect(
    State(api): State<Api>,
    Caller(service): Caller,
    InPath(user): InPath<UserId>,
    body: Body,
) -> Result<Json<ClosedAnswer>, Problem> {
    api.services.policy.service(&service, Scope::Users)?;
    let DisconnectRequest { reconnect } = body.parse_or_default::<Option<_>>()?.unwrap_or_default();
    tracing::info!(tenant = %service.tenant(), %user, reconnect, service = %service.id(), "a user is disconnected");
    let closed = api.control.disconnect(service.tenant().clone(), user, reconnect).await;
    Ok(Json(ClosedAnswer { closed }))
}
