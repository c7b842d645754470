//! People's data: everything about a user told or taken away, as jobs, and the proofs that are left.

use axum::Json;
use axum::body::{Body as HttpBody, Bytes};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use hubbub_protocol::{ErrorCode, MessageId, UserId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::Api;
use super::caller::Caller;
use super::request::{Body, InPath, InQuery, LIST_DEFAULT, LIST_MAX, limit};
use crate::auth::service::{Scope, Service};
use crate::rooms::people::{Proof, Purpose};
use crate::transport::problem::Problem;
use crate::transport::room_origin;

/// A job that was begun.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BegunAnswer {
    /// Its id.
    #[schema(value_type = String)]
    job: MessageId,
}

/// Proofs that were kept outside the hub.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct AgainRequest {
    /// As `GET /v1/proofs` has answered them, at most 1,000: a restore has lost those that came after the backup.
    #[schema(value_type = Vec<Object>)]
    proofs: Vec<Proof>,
}

/// Which proofs.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ProofsQuery {
    /// Those behind this hash.
    after: Option<String>,
    /// At most so many. Default 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// Proofs of erasures.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProofsAnswer {
    /// Each with `hash` (SHA-256 of tenant and user), `began`, `ended`, `counts` and the version of the hub.
    #[schema(value_type = Vec<Object>)]
    proofs: Vec<Proof>,
    /// Where the next page begins, if there is one.
    next: Option<String>,
}

/// Tell everything about a user. Needs the scope `admin`.
///
/// Begins a job; when it is done `GET /v1/jobs/{id}/result` reads what there is.
#[utoipa::path(
    post, path = "/v1/users/{id}/export", tag = "users", operation_id = "exportUser", security(("api_key" = ["admin"])),
    params(("id" = String, Path, description = "The user, percent-encoded.")),
    request_body(content = Object, description = "None."),
    responses((status = 200, description = "It begins.", body = BegunAnswer)),
)]
pub(super) async fn export(
    State(api): State<Api>,
    Caller(service): Caller,
    InPath(user): InPath<UserId>,
    headers: HeaderMap,
) -> Result<Json<BegunAnswer>, Problem> {
    begin(&api, &service, Purpose::Export, Some(user), &headers).await
}

/// Take a user out of everything. Needs the scope `admin`.
///
/// Begins a job. Revoke the user's tokens before, or they write on. What stays, and what is not reached at once, stands in
/// docs/OPERATIONS.md.
#[utoipa::path(
    post, path = "/v1/users/{id}/erase", tag = "users", operation_id = "eraseUser", security(("api_key" = ["admin"])),
    params(("id" = String, Path, description = "The user, percent-encoded.")),
    request_body(content = Object, description = "None."),
    responses((status = 200, description = "It begins.", body = BegunAnswer)),
)]
pub(super) async fn erase(
    State(api): State<Api>,
    Caller(service): Caller,
    InPath(user): InPath<UserId>,
    headers: HeaderMap,
) -> Result<Json<BegunAnswer>, Problem> {
    begin(&api, &service, Purpose::Erase, Some(user), &headers).await
}

/// Look for users who were erased and are there again, after a restore from a backup. Needs the scope `admin`.
///
/// Begins a job that compares everybody who is found with the proofs; whoever was erased is erased again, by jobs that it names
/// under `began`.
#[utoipa::path(
    post, path = "/v1/erase/again", tag = "users", operation_id = "eraseAgain", security(("api_key" = ["admin"])),
    request_body(content = inline(Option<AgainRequest>), description = "May be left out."),
    responses((status = 200, description = "It begins.", body = BegunAnswer)),
)]
pub(super) async fn again(
    State(api): State<Api>,
    Caller(service): Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<BegunAnswer>, Problem> {
    api.services.policy.service(&service, Scope::Admin)?;
    let AgainRequest { proofs } = body.parse_or_default::<Option<_>>()?.unwrap_or_default();
    api.services.rooms.bring_proofs(service.tenant(), proofs).await?;
    begin(&api, &service, Purpose::Again, None, &headers).await
}

/// How far a job is. Needs the scope `admin`.
#[utoipa::path(
    get, path = "/v1/jobs/{id}", tag = "users", operation_id = "showJob", security(("api_key" = ["admin"])),
    params(("id" = String, Path, description = "The job.")),
    responses((status = 200, description = "State, progress, times, counts and error.", body = Object)),
)]
pub(super) async fn show(
    State(api): State<Api>,
    Caller(service): Caller,
    InPath(job): InPath<String>,
) -> Result<Json<Value>, Problem> {
    api.services.policy.service(&service, Scope::Admin)?;
    Ok(Json(api.services.rooms.job_state(service.tenant(), parsed(&job)?).await?))
}

/// What an export tells, as lines of JSON. Needs the scope `admin`.
///
/// It is read while it is answered, as it is now; nothing of it is kept.
#[utoipa::path(
    get, path = "/v1/jobs/{id}/result", tag = "users", operation_id = "jobResult", security(("api_key" = ["admin"])),
    params(("id" = String, Path, description = "The job.")),
    responses((status = 200, description = "Lines of JSON.", body = String, content_type = "application/x-ndjson")),
)]
pub(super) async fn result(
    State(api): State<Api>,
    Caller(service): Caller,
    InPath(job): InPath<String>,
) -> Result<Response, Problem> {
    api.services.policy.service(&service, Scope::Admin)?;
    let rooms = api.services.rooms.clone();
    let export = rooms.export(service.tenant(), parsed(&job)?).await?;
    let pages = stream::try_unfold((rooms, export), |(rooms, mut export)| async move {
        let page = rooms.export_page(&mut export).await?;
        Ok::<_, crate::rooms::RoomError>(page.map(|page| (Bytes::from(page), (rooms, export))))
    });
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], HttpBody::from_stream(pages)).into_response())
}

/// Proofs of erasures, by hash. Needs the scope `admin`.
///
/// Keep a copy outside the database: a restore loses those that came after the backup.
#[utoipa::path(
    get, path = "/v1/proofs", tag = "users", operation_id = "listProofs", security(("api_key" = ["admin"])),
    params(ProofsQuery),
    responses((status = 200, description = "A page.", body = ProofsAnswer)),
)]
pub(super) async fn proofs(
    State(api): State<Api>,
    Caller(service): Caller,
    InQuery(query): InQuery<ProofsQuery>,
) -> Result<Json<ProofsAnswer>, Problem> {
    api.services.policy.service(&service, Scope::Admin)?;
    let limit = limit(query.limit, LIST_DEFAULT, LIST_MAX)?;
    let after = query.after.unwrap_or_default();
    let proofs = api.services.rooms.proofs(service.tenant(), &after, limit).await?;
    let next = proofs.last().filter(|_| proofs.len() == limit as usize).map(|proof| proof.hash().to_owned());
    Ok(Json(ProofsAnswer { proofs, next }))
}

async fn begin(
    api: &Api,
    service: &Service,
    purpose: Purpose,
    user: Option<UserId>,
    headers: &HeaderMap,
) -> Result<Json<BegunAnswer>, Problem> {
    api.services.policy.service(service, Scope::Admin)?;
    let (tenant, origin) = (service.tenant(), room_origin(None, headers));
    let job = api.services.rooms.begin_job(tenant, purpose, user, Some(service.id().clone()), origin).await?;
    Ok(Json(BegunAnswer { job }))
}

fn parsed(job: &str) -> Result<MessageId, Problem> {
    MessageId::parse(job).map_err(|_| Problem::new(ErrorCode::NotFound, "there is no such job"))
}
