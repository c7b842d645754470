//! The log of a channel, page by page, and the erasure of single messages.

use axum::Json;
use axum::extract::State;
use hubbub_persistence::{Entry, ReadFrom};
use hubbub_protocol::limits::{HISTORY_PAGE, HISTORY_PAGE_DEFAULT};
use hubbub_protocol::position::OFFSET_MAX;
use hubbub_protocol::{ChannelName, Data, Epoch, ErrorCode, Key, Message, MessageId, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::caller::{Caller, Turn};
use super::request::{InPath, InQuery, limit};
use crate::logs::LogError;
use crate::namespace::LogKind;
use crate::transport::problem::Problem;

/// Most bytes of messages in one page; `more` says that others follow.
const PAGE_BYTES: usize = 4 * 1024 * 1024;

/// Which page.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PageQuery {
    /// Messages after this offset, ascending.
    #[param(minimum = 0)]
    after: Option<u64>,
    /// Messages before this offset, descending. Without both: the newest, descending.
    #[param(minimum = 0)]
    before: Option<u64>,
    /// At most so many. Default 50.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// A page of a channel's log.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HistoryAnswer {
    /// The epoch of the log.
    #[schema(value_type = String)]
    epoch: Epoch,
    /// The oldest offset that is still kept; greater than `last` when nothing is.
    first: u64,
    /// The newest offset.
    last: u64,
    /// Whether there is more in the direction of reading.
    more: bool,
    /// The messages, in the direction of reading. Erased ones are left out. At most 4 MiB of them.
    messages: Vec<MessageAnswer>,
}

/// A message of a log.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MessageAnswer {
    /// The channel.
    #[schema(value_type = String)]
    channel: ChannelName,
    /// The id of the message.
    #[schema(value_type = String)]
    id: MessageId,
    /// The epoch of its position.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    epoch: Option<Epoch>,
    /// The offset of its position.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    offset: Option<u64>,
    /// When the hub took it, in milliseconds since 1970.
    time: u64,
    /// Its author, if one is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    from: Option<UserId>,
    /// Its idempotency key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    key: Option<Key>,
    /// Its conflate key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    conflate_key: Option<Key>,
    /// What was published.
    #[schema(value_type = Value)]
    data: Data,
}

/// What became of an erasure.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EraseAnswer {
    /// The channel.
    #[schema(value_type = String)]
    channel: ChannelName,
    /// The offset.
    offset: u64,
    /// Whether a message was there. `false`: there never was one, it has expired, or it was erased before.
    erased: bool,
}

/// Read a page of a channel's log. Needs the scope `read`.
#[utoipa::path(
    get, path = "/v1/channels/{channel}/history", tag = "channels", operation_id = "history",
    security(("api_key" = ["read"])),
    params(("channel" = String, Path, description = "The channel, percent-encoded (`/` is %2F)."), PageQuery),
    responses((status = 200, description = "A page.", body = HistoryAnswer)),
)]
pub(super) async fn page(
    State(api): State<Api>,
    Caller(service): Caller,
    InPath(channel): InPath<ChannelName>,
    InQuery(query): InQuery<PageQuery>,
    _turn: Turn,
) -> Result<Json<HistoryAnswer>, Problem> {
    let permit = api.services.policy.service_history(&service, &channel)?;
    let limit = limit(query.limit, HISTORY_PAGE_DEFAULT, HISTORY_PAGE)?;
    let from = match (query.after, query.before) {
        (Some(_), Some(_)) => return Err(bad("send `after` or `before`, not both")),
        (Some(after), None) => ReadFrom::After(checked(after)?),
        (None, Some(before)) => ReadFrom::Before(checked(before)?),
        (None, None) => ReadFrom::Before(OFFSET_MAX + 1),
    };
    let read = api.services.logs.history(permit.namespace().log, permit.channel(), from, limit, PAGE_BYTES);
    let page = read.await?;
    let message_of = |entry| match entry {
        Entry::Message(message) => Some(MessageAnswer::from(message)),
        Entry::Tombstone { .. } => None,
    };
    Ok(Json(HistoryAnswer {
        epoch: page.head.position.epoch,
        first: page.head.low + 1,
        last: page.head.position.offset,
        more: page.more,
        messages: page.entries.into_iter().filter_map(message_of).collect(),
    }))
}

/// Erase a message of a durable log. Needs the scope `admin`.
///
/// Its data, author and keys are gone; its offset stays. Who attaches later, or catches up, gets a `gap` with the reason
/// `expired` for it; who has seen it is not told. Windows can not erase (`not_supported`): they forget by themselves.
#[utoipa::path(
    delete, path = "/v1/channels/{channel}/messages/{offset}", tag = "channels", operation_id = "eraseMessage",
    security(("api_key" = ["admin"])),
    params(
        ("channel" = String, Path, description = "The channel, percent-encoded (`/` is %2F)."),
        ("offset" = u64, Path, description = "The offset of the message."),
    ),
    responses((status = 200, description = "It is not there any more.", body = EraseAnswer)),
)]
pub(super) async fn erase(
    State(api): State<Api>,
    Caller(service): Caller,
    InPath((channel, offset)): InPath<(ChannelName, u64)>,
) -> Result<Json<EraseAnswer>, Problem> {
    let permit = api.services.policy.service_moderate(&service, &channel)?;
    if permit.namespace().log != LogKind::Durable {
        let detail = "only messages of durable logs can be erased; a window forgets by itself";
        return Err(Problem::new(ErrorCode::NotSupported, detail));
    }
    let offset = checked(offset)?;
    let erased = api.store.erase(permit.channel(), offset).await.map_err(LogError::from)?;
    api.control.erased(permit.channel().clone()).await;
    tracing::info!(channel = %permit.channel(), offset, erased, service = %service.id(), "a message was erased");
    Ok(Json(EraseAnswer { channel, offset, erased }))
}

/// An offset that a position could have.
fn checked(offset: u64) -> Result<u64, Problem> {
    if offset <= OFFSET_MAX { Ok(offset) } else { Err(bad("an offset is a whole number from 0 to 2^53-1")) }
}

fn bad(detail: &str) -> Problem {
    Problem::new(ErrorCode::BadRequest, detail)
}

impl From<Message> for MessageAnswer {
    fn from(message: Message) -> Self {
        let Message { channel, id, position, time, from, key, conflate_key, data } = message;
        let (epoch, offset) = (position.map(|p| p.epoch), position.map(|p| p.offset));
        Self { channel, id, epoch, offset, time, from, key, conflate_key, data }
    }
}
