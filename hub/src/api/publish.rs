//! Publishing one message: into a channel, or to a user.

use std::borrow::Cow;
use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::task::Poll;

use axum::Json;
use axum::extract::State;
use futures_util::FutureExt;
use hubbub_protocol::frame::Scope as Reach;
use hubbub_protocol::room::answer::Changed;
use hubbub_protocol::{ChannelName, Data, Epoch, ErrorCode, Key, MessageId, UserId};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::Api;
use super::caller::{Caller, IdempotencyKey};
use super::request::{Body, InPath};
use crate::auth::permit::{Permit, Publish};
use crate::auth::service::Service;
use crate::publish::{Draft, PublishError, Published};
use crate::rate::Limited;
use crate::rooms::NoticeDraft;
use crate::transport::problem::Problem;

/// A message for a channel. Names are checked one by one, so that in a batch one bad name fails one message.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PublishRequest<'a> {
    /// The channel.
    #[serde(borrow)]
    #[schema(value_type = String, example = "live:score")]
    channel: Cow<'a, str>,
    /// The message: any JSON value, kept as the text it comes as. At most `limits.frame_bytes` of it (64 KiB by default).
    #[serde(borrow)]
    #[schema(value_type = Value)]
    data: &'a RawValue,
    /// The idempotency key, 1 to 128 bytes: the same key with the same data gives the first answer again.
    key: Option<String>,
    /// Messages of the channel with the same conflate key replace each other for slow subscribers; 1 to 128 bytes.
    conflate_key: Option<String>,
    /// The user named as the author.
    from: Option<String>,
}

/// A message for a user.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NotifyRequest<'a> {
    /// The message, as in publish.
    #[serde(borrow)]
    #[schema(value_type = Value)]
    data: &'a RawValue,
    /// The idempotency key, as in publish.
    key: Option<String>,
    /// The conflate key, as in publish.
    conflate_key: Option<String>,
    /// The user named as the author.
    from: Option<String>,
    /// Put it into the user's inbox: it counts as unread until it is read, and reaches the platform's webhook while the user is
    /// nowhere connected. Default false.
    #[serde(default)]
    inbox: bool,
    /// Of the inbox: what people are shown, at most 1,000 characters.
    text: Option<String>,
    /// Of the inbox: the newest notice with the same one replaces the others; 1 to 128 bytes.
    collapse: Option<String>,
    /// Of the inbox: it is of no use any more from then on, in milliseconds since 1970.
    expires: Option<u64>,
}

/// Where a message went.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct PublishAnswer {
    /// The channel.
    #[schema(value_type = String, example = "live:score")]
    channel: ChannelName,
    /// The id of the message, 26 characters; with a repeated key that of the first one.
    #[schema(value_type = String)]
    id: MessageId,
    /// The epoch of its position; absent on a channel without a log.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    epoch: Option<Epoch>,
    /// The offset of its position; absent on a channel without a log.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    offset: Option<u64>,
    /// When the hub took it, in milliseconds since 1970.
    time: u64,
    /// `node` when a message without a log reached only the subscribers of this node: the others could not be reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    scope: Option<&'static str>,
}

/// Publish a message. Needs the scope `publish`.
///
/// The answer comes when the message is kept as its namespace promises: in the window, or committed in the store. Repeat
/// with the same key when no answer came.
#[utoipa::path(
    post, path = "/v1/publish", tag = "publishing", operation_id = "publish", security(("api_key" = ["publish"])),
    params(("Idempotency-Key" = Option<String>, Header, description = "The key, instead of `key` in the body.")),
    request_body = PublishRequest,
    responses((status = 200, description = "It is published.", body = PublishAnswer)),
)]
pub(super) async fn publish(
    State(api): State<Api>,
    Caller(service): Caller,
    key: IdempotencyKey,
    body: Body,
) -> Result<Json<PublishAnswer>, Problem> {
    let (channel, draft) = body.parse::<PublishRequest<'_>>()?.draft()?;
    let permit = api.services.policy.service_publish(&service, &channel)?;
    publish_one(&api, &permit, key, draft).await
}

/// Publish a message to one user. Needs the scope `publish`.
///
/// It goes into the channel `user:<id>`, which that user alone can read; with `inbox` as a notice (docs/CHAT.md). The namespace `user` must be declared with
/// `per_user = true`.
#[utoipa::path(
    post, path = "/v1/users/{id}/notify", tag = "publishing", operation_id = "notify",
    security(("api_key" = ["publish"])),
    params(
        ("id" = String, Path, description = "The user, percent-encoded."),
        ("Idempotency-Key" = Option<String>, Header, description = "The key, instead of `key` in the body."),
    ),
    request_body = NotifyRequest,
    responses((status = 200, description = "It is published.", body = PublishAnswer)),
)]
pub(super) async fn notify(
    State(api): State<Api>,
    Caller(service): Caller,
    InPath(user): InPath<UserId>,
    key: IdempotencyKey,
    body: Body,
) -> Result<Json<PublishAnswer>, Problem> {
    let permit = api.services.policy.service_publish(&service, &ChannelName::of_user(&user))?;
    if !permit.namespace().per_user {
        let detail = "the namespace `user` is not `per_user`: others could read what is meant for one";
        return Err(Problem::new(ErrorCode::NotSupported, detail));
    }
    let NotifyRequest { data, key: own, conflate_key, from, inbox, text, collapse, expires } = body.parse()?;
    if inbox {
        let draft = draft_of(data, own, None, from)?;
        let collapse = collapse.map(|collapse| parsed("collapse", &collapse, Key::parse)).transpose()?;
        let notice = NoticeDraft { from: draft.from, text, data: draft.data, collapse, expires };
        let key = key.with(draft.key)?;
        let Changed { message: id, place, time, .. } = api.services.rooms.notify(&service, &user, notice, key).await?;
        let (channel, epoch, offset) = (permit.name().clone(), Some(place.epoch), Some(place.offset));
        return Ok(Json(PublishAnswer { channel, id, epoch, offset, time, scope: None }));
    }
    if text.is_some() || collapse.is_some() || expires.is_some() {
        let detail = "`text`, `collapse` and `expires` are of the inbox: send `inbox: true` with them";
        return Err(Problem::new(ErrorCode::BadRequest, detail));
    }
    publish_one(&api, &permit, key, draft_of(data, own, conflate_key, from)?).await
}

async fn publish_one(
    api: &Api,
    permit: &Permit<Publish>,
    key: IdempotencyKey,
    mut draft: Draft,
) -> Result<Json<PublishAnswer>, Problem> {
    draft.key = key.with(draft.key)?;
    api.services.rates.take(&permit.channel().tenant, None, 1).await?;
    let publishing = api.services.publisher.publish(permit, draft);
    let published = to_its_end(publishing).await??;
    Ok(Json(PublishAnswer::new(permit.name().clone(), published)))
}

impl PublishRequest<'_> {
    /// The same, checked.
    pub(super) fn draft(self) -> Result<(ChannelName, Draft), Problem> {
        let channel = parsed("channel", &self.channel, ChannelName::parse)?;
        Ok((channel, draft_of(self.data, self.key, self.conflate_key, self.from)?))
    }
}

/// Checks the names beside the data.
pub(super) fn draft_of(
    data: &RawValue,
    key: Option<String>,
    conflate_key: Option<String>,
    from: Option<String>,
) -> Result<Draft, Problem> {
    let key_of = |field, text: Option<String>| text.map(|text| parsed(field, &text, Key::parse)).transpose();
    Ok(Draft {
        key: key_of("key", key)?,
        conflate_key: key_of("conflate_key", conflate_key)?,
        from: from.map(|from| parsed("from", &from, UserId::parse)).transpose()?,
        data: Data::from_raw(data),
    })
}

fn parsed<T, E: std::fmt::Display>(field: &str, text: &str, parse: fn(&str) -> Result<T, E>) -> Result<T, Problem> {
    parse(text).map_err(|error| Problem::new(ErrorCode::BadRequest, format!("`{field}`: {error}")))
}

/// Asks for the permit and enqueues; the future answers.
pub(super) fn begin(
    api: &Api,
    service: &Service,
    channel: &ChannelName,
    draft: Draft,
) -> Result<impl Future<Output = Result<Published, PublishError>> + Send + use<>, Problem> {
    let permit = api.services.policy.service_publish(service, channel)?;
    Ok(api.services.publisher.publish(&permit, draft))
}

impl PublishAnswer {
    pub(super) fn new(channel: ChannelName, published: Published) -> Self {
        let Published { id, position, time, scope } = published;
        let (epoch, offset) = (position.map(|p| p.epoch), position.map(|p| p.offset));
        Self { channel, id, epoch, offset, time, scope: (scope == Reach::Node).then_some("node") }
    }
}

/// Drives what was begun to its end. What is done at once, as everything that stays in this process is, costs no task; the rest
/// goes on in a task of its own: a caller that hangs up must not leave a message half published.
pub(super) async fn to_its_end<T>(begun: impl Future<Output = T> + Send + 'static) -> Result<T, Problem>
where
    T: Send + 'static,
{
    let mut begun = Box::pin(AssertUnwindSafe(begun).catch_unwind());
    match poll_fn(|context| Poll::Ready(begun.as_mut().poll(context))).await {
        Poll::Ready(done) => done.map_err(|_| fault()),
        Poll::Pending => match tokio::spawn(begun).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(_)) | Err(_) => Err(fault()),
        },
    }
}

/// The task of a publish panicked.
fn fault() -> Problem {
    Problem::new(ErrorCode::Internal, "the publish ended unexpectedly; try again with the same key")
}

impl From<Limited> for Problem {
    fn from(limited: Limited) -> Self {
        Self::new(ErrorCode::RateLimited, limited.to_string()).retry_after(Some(limited.retry_after_ms))
    }
}

impl From<PublishError> for Problem {
    fn from(error: PublishError) -> Self {
        Self::new(error.code(), error.to_string()).retry_after(error.retry_after_ms())
    }
}
