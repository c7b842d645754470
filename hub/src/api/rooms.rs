//! Rooms for services: every operation, by the service itself or for a user.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use hubbub_protocol::Data;

use super::Api;
use super::caller::{Caller, Turn};
use super::request::{Body, InPath};
use crate::rooms::HttpRequest;
use crate::transport::problem::Problem;
use crate::transport::{room_key, room_origin};

/// Do or ask something in rooms.
///
/// The operations, their fields and their answers stand in docs/CHAT.md. Questions need the scope `read`, what members do needs
/// `publish`, moderation and administration need `admin`. With `as` the service acts for a user, within that user's rights;
/// without it the service itself acts, above all roles.
#[utoipa::path(
    post, path = "/v1/rooms/{op}", tag = "rooms", operation_id = "rooms", security(("api_key" = ["read"])),
    params(
        ("op" = String, Path, description = "The operation, e.g. `send`."),
        ("Idempotency-Key" = Option<String>, Header, description = "The key, instead of `key` in the body."),
    ),
    request_body(content = Object, description = "The fields of the operation; `as` names a user to act for."),
    responses((status = 200, description = "What the operation answers.", body = Object)),
)]
pub(super) async fn act(
    State(api): State<Api>,
    Caller(service): Caller,
    InPath(op): InPath<String>,
    headers: HeaderMap,
    _turn: Turn,
    body: Body,
) -> Result<Json<Data>, Problem> {
    let HttpRequest { request, user } = HttpRequest::parse(&op, body.bytes(), room_key(&headers)?)?;
    let origin = room_origin(None, &headers);
    Ok(Json(api.services.rooms.by_service(&service, user, origin, request).await?))
}
