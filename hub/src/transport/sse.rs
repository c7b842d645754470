//! Server-sent events: the request, checked, becomes a stream of the shard; tickets carry the rights of an `EventSource`.

use std::convert::Infallible;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::rejection::JsonRejection;
use axum::extract::{Request, State};
use axum::http::Method;
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use hubbub_protocol::frame::{ServerError, ServerFrame};
use hubbub_protocol::position::parse_composite;
use hubbub_protocol::{ChannelName, ErrorCode, Position, TenantId, limits};
use rand::RngExt;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::Opening;
use super::problem::Problem;
use super::public::{Entry, bearer, no_content};
use super::takeover::Claim;
use crate::auth::ticket::TicketId;
use crate::auth::{AuthError, Identity};
use crate::encoded::{Format, encode};
use crate::session::{AttachError, StreamRequest};

/// Flushes a second that `max_rate` may ask for.
const RATES: std::ops::RangeInclusive<f64> = 0.1..=50.0;

/// The query of `GET /sse`.
#[derive(Debug, Default)]
struct Query {
    channels: Vec<ChannelName>,
    rewind: Option<u32>,
    interval_ms: u64,
    ticket: Option<String>,
    last_event_id: Option<String>,
}

/// `GET /sse`.
pub(super) async fn open(State(entry): State<Entry>, request: Request) -> Response {
    let streams =
        request.headers().get(ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(b"text/event-stream"));
    match try_open(&entry, request).await {
        Ok(response) => response,
        // A browser gives up for good on any other status: what passes is told inside a stream that ends at once.
        Err(Failure::Problem(problem)) if streams && problem.is_temporary() => retry_later(&problem),
        Err(Failure::Problem(problem)) => problem.into_response(),
        Err(Failure::Over) => no_content(),
    }
}

/// Why there is no stream.
enum Failure {
    Problem(Problem),
    /// There will never be one again: what the ticket stands for has ended.
    Over,
}

impl<P: Into<Problem>> From<P> for Failure {
    fn from(problem: P) -> Self {
        Self::Problem(problem.into())
    }
}

async fn try_open(entry: &Entry, request: Request) -> Result<Response, Failure> {
    entry.check_origin(request.headers())?;
    let query = parse(request.uri().query().unwrap_or(""))?;
    let since = positions(&query, request.headers())?;
    let (identity, ticket) = identify(entry, &query, request.headers()).await?;
    for channel in &query.channels {
        entry.public.services.policy.subscribe(&identity, channel)?;
    }
    if request.method() == Method::HEAD {
        // What it would be; there is no stream without a reader.
        return Ok(event_stream(endless()));
    }
    let admission = entry.admit(&request)?;
    let Query { channels, rewind, interval_ms, .. } = query;
    let request = Box::new(StreamRequest { identity, channels, since, rewind, interval_ms, ticket });
    let (claimant, socket) = oneshot::channel();
    let (reply, opened) = oneshot::channel();
    let away =
        || Problem::new(ErrorCode::Unavailable, "the stream can not begin now, try again").retry_after(Some(1_000));
    entry.intake.send(Opening { request, admission, socket, reply }).await.map_err(|_| away())?;
    opened.await.map_err(|_| away())?.map_err(refused)?;
    let mut response = event_stream(endless());
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    Claim::Stream(claimant).put_into(&mut response);
    Ok(response)
}

fn refused(error: AttachError) -> Problem {
    let retry_after_ms = error.code.is_temporary().then_some(1_000);
    Problem::new(error.code, error.message).retry_after(retry_after_ms)
}

/// Who reads: by ticket, by token, or nobody in particular.
async fn identify(entry: &Entry, query: &Query, headers: &HeaderMap) -> Result<(Identity, Option<TicketId>), Failure> {
    let services = &entry.public.services;
    if let Some(ticket) = &query.ticket {
        return match entry.public.tickets.open(ticket, &query.channels, services.clock.now_ms()) {
            Ok(opened) if services.revocations.is_revoked(&opened.identity) => Err(Failure::Over),
            Ok(opened) => Ok((opened.identity, Some(opened.id))),
            Err(AuthError::Expired) => Err(Failure::Over),
            Err(error) => Err(error.into()),
        };
    }
    if let Some(token) = bearer(headers) {
        let identity = services.verifier.verify(token).await?;
        if services.revocations.is_revoked(&identity) {
            return Err(AuthError::Revoked.into());
        }
        return Ok((identity, None));
    }
    let tenant = entry.public.anonymous_tenant.load_full();
    let needed =
        || Problem::new(ErrorCode::Unauthorized, "send a token as `Authorization: Bearer <token>`, or a ticket");
    let tenant = tenant.map(|tenant| TenantId::clone(&tenant)).ok_or_else(needed)?;
    Ok((Identity::anonymous(tenant), None))
}

fn parse(text: &str) -> Result<Query, Problem> {
    let mut query = Query::default();
    for (name, value) in form_urlencoded::parse(text.as_bytes()) {
        let number = || value.parse::<u32>().ok().filter(|count| (1..=limits::REWIND).contains(count));
        match &*name {
            "channel" if query.channels.len() == limits::SSE_CHANNELS => {
                return Err(bad(format!("a stream has at most {} channels", limits::SSE_CHANNELS)));
            }
            "channel" => query.channels.push(ChannelName::parse(&value).map_err(|error| bad(error.to_string()))?),
            "rewind" => {
                query.rewind = Some(number().ok_or_else(|| bad(format!("`rewind` is 1 to {}", limits::REWIND)))?)
            }
            "max_rate" => query.interval_ms = interval_of(&value)?,
            "ticket" => query.ticket = Some(value.into_owned()),
            "last_event_id" => query.last_event_id = Some(value.into_owned()),
            _ => {}
        }
    }
    if query.channels.is_empty() {
        return Err(bad("name a channel: /sse?channel=feed:news".into()));
    }
    let mut names: Vec<_> = query.channels.iter().collect();
    names.sort_unstable();
    names.dedup();
    if names.len() < query.channels.len() {
        return Err(bad("a channel is named twice".into()));
    }
    Ok(query)
}

fn interval_of(rate: &str) -> Result<u64, Problem> {
    let rate = rate.parse::<f64>().ok().filter(|rate| RATES.contains(rate));
    let rate =
        rate.ok_or_else(|| bad(format!("`max_rate` is {} to {} flushes a second", RATES.start(), RATES.end())))?;
    Ok((1_000.0 / rate).ceil() as u64)
}

/// The header of a reconnect wins over the query of the first request.
fn positions(query: &Query, headers: &HeaderMap) -> Result<Vec<Option<Position>>, Problem> {
    let header = headers.get("last-event-id").map(|id| id.to_str().unwrap_or("?"));
    let Some(id) = header.filter(|id| !id.is_empty()).or(query.last_event_id.as_deref()) else { return Ok(Vec::new()) };
    if id.len() > limits::SSE_ID_BYTES {
        return Err(bad(format!("an event id is at most {} bytes", limits::SSE_ID_BYTES)));
    }
    parse_composite(id, query.channels.len()).map_err(|error| bad(error.to_string()))
}

fn bad(detail: String) -> Problem {
    Problem::new(ErrorCode::BadRequest, detail)
}

fn event_stream(body: Body) -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    (headers, body).into_response()
}

fn retry_later(problem: &Problem) -> Response {
    let mut body = Vec::new();
    let error = problem.to_error();
    hubbub_protocol::sse::retry_into(error.retry_after_ms.unwrap_or(1_000).max(500), &mut body);
    body.extend(encode(&ServerFrame::Error(error), Format::Sse));
    event_stream(Body::from(body))
}

/// A body of unknown length, so that nobody gives it one. Nothing comes out of it.
fn endless() -> Body {
    Body::from_stream(futures_util::stream::empty::<Result<Bytes, Infallible>>())
}

/// The body of `POST /v1/tickets`.
#[derive(Deserialize)]
pub(super) struct TicketRequest {
    channels: Vec<ChannelName>,
}

/// Its answer.
#[derive(Serialize)]
pub(super) struct TicketAnswer {
    ticket: String,
    expires_at: u64,
}

/// `POST /v1/tickets`.
pub(super) async fn issue_ticket(
    State(entry): State<Entry>,
    headers: HeaderMap,
    body: Result<Json<TicketRequest>, JsonRejection>,
) -> Result<Json<TicketAnswer>, Problem> {
    entry.check_origin(&headers)?;
    let services = &entry.public.services;
    let token = bearer(&headers)
        .ok_or_else(|| Problem::new(ErrorCode::Unauthorized, "send your token as `Authorization: Bearer <token>`"))?;
    let identity = services.verifier.verify(token).await?;
    if services.revocations.is_revoked(&identity) {
        return Err(AuthError::Revoked.into());
    }
    let Json(TicketRequest { channels }) = body.map_err(|error| bad(format!("send {{\"channels\": […]}}: {error}")))?;
    if channels.is_empty() || channels.len() > limits::SSE_CHANNELS {
        return Err(bad(format!("`channels` names 1 to {} channels", limits::SSE_CHANNELS)));
    }
    for channel in &channels {
        services.policy.subscribe(&identity, channel)?;
    }
    let ticket = entry.public.tickets.issue(&identity, &channels, rand::rng().random());
    Ok(Json(TicketAnswer { ticket, expires_at: identity.expires_at_ms }))
}

impl Problem {
    fn to_error(&self) -> ServerError {
        let (code, message, retry_after_ms) = self.parts();
        ServerError { id: None, code, message: message.to_owned(), retry_after_ms }
    }
}
