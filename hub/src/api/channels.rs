//! Asking about channels: which there are, one of them, and who is in it.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use hubbub_persistence::Head;
use hubbub_protocol::channel::{ChannelKey, ChannelName, UserId};
use hubbub_protocol::frame::{PresenceSnapshot, PresentUser, Scope};
use hubbub_protocol::limits::PRESENCE_PAGE;
use hubbub_protocol::{Epoch, ErrorCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::caller::{Caller, Turn};
use super::request::{InPath, InQuery, LIST_DEFAULT, LIST_MAX, limit};
use crate::auth::service::{self, Service};
use crate::logs::LogError;
use crate::namespace::LogKind;
use crate::presence::Page;
use crate::transport::problem::Problem;

/// When somebody whose log is away should try again, in milliseconds.
const AWAY_RETRY_MS: u64 = 1_000;

/// Which part of the list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Begin behind this channel: `next` of the page before.
    #[param(value_type = Option<String>)]
    after: Option<ChannelName>,
    /// At most so many. Default 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// Which part of the users of a channel.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PresenceQuery {
    /// Begin behind this user: `next` of the page before.
    #[param(value_type = Option<String>)]
    after: Option<UserId>,
    /// At most so many. Default 1,000.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// A page of the list of channels.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChannelList {
    /// The channels, by name.
    channels: Vec<ChannelAnswer>,
    /// `after` of the next page; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    next: Option<ChannelName>,
}

/// What is known of a channel.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct ChannelAnswer {
    /// Its name.
    #[schema(value_type = String)]
    channel: ChannelName,
    /// Its namespace.
    namespace: String,
    /// What it remembers: `none`, `window` or `durable`.
    #[schema(value_type = String)]
    log: LogKind,
    /// Subscriptions to it on this node.
    subscribers: usize,
    /// Users in it; absent in lists, and where the namespace keeps no account of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    present: Option<u64>,
    /// The epoch of its log; absent without a log.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    epoch: Option<Epoch>,
    /// The newest offset, 0 before the first message; absent without a log.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    offset: Option<u64>,
    /// The oldest offset that is still kept, above `offset` when nothing is; absent without a log.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    first: Option<u64>,
}

/// Who is in a channel.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PresenceAnswer {
    /// Grows with each join and leave of the channel.
    version: u64,
    /// How many users there are in all.
    count: u64,
    /// The users of this page, by id.
    users: Vec<PresentAnswer>,
    /// `after` of the next page; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    next: Option<UserId>,
    /// There are too many for a list: `users` is empty.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    large: bool,
    /// `node` when this node alone is known because the others can not be asked now.
    #[serde(skip_serializing_if = "Scope::is_fleet")]
    #[schema(value_type = Option<String>, nullable = false)]
    scope: Scope,
}

/// One user in a channel.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PresentAnswer {
    /// Who.
    #[schema(value_type = String)]
    user: UserId,
    /// On how many connections; 0 while the user may still come back.
    connections: u32,
}

/// List channels. Needs the scope `read`.
///
/// Those with subscribers on this node, and those with a durable log; of them the ones that the API key may touch. A
/// `window` without subscribers is not in the list.
#[utoipa::path(
    get, path = "/v1/channels", tag = "channels", operation_id = "listChannels", security(("api_key" = ["read"])),
    params(ListQuery),
    responses((status = 200, description = "A page of the list.", body = ChannelList)),
)]
pub(super) async fn list(
    State(api): State<Api>,
    Caller(service): Caller,
    InQuery(query): InQuery<ListQuery>,
    _turn: Turn,
) -> Result<Json<ChannelList>, Problem> {
    api.services.policy.service(&service, service::Scope::Read)?;
    let limit = limit(query.limit, LIST_DEFAULT, LIST_MAX)? as usize;
    let mut walk = Walk { api: &api, service: &service, after: query.after, found: Vec::new() };
    // One beyond the page tells whether there is a next one. Pages that the key may not see are walked over.
    while walk.found.len() <= limit && walk.step(limit + 1).await? {}
    let mut found = walk.found;
    let more = found.len() > limit;
    found.truncate(limit);
    add_window_heads(&api, &service, &mut found).await?;
    let next = found.last().filter(|_| more).map(|last| last.channel.clone());
    Ok(Json(ChannelList { channels: found, next }))
}

/// Show one channel. Needs the scope `read`.
#[utoipa::path(
    get, path = "/v1/channels/{channel}", tag = "channels", operation_id = "showChannel",
    security(("api_key" = ["read"])),
    params(("channel" = String, Path, description = "The channel, percent-encoded (`/` is %2F).")),
    responses((status = 200, description = "What is known of it.", body = ChannelAnswer)),
)]
pub(super) async fn show(
    State(api): State<Api>,
    Caller(service): Caller,
    InPath(channel): InPath<ChannelName>,
) -> Result<Json<ChannelAnswer>, Problem> {
    let permit = api.services.policy.service_subscribe(&service, &channel)?;
    let (namespace, key) = (permit.namespace(), permit.channel());
    let mut answer = ChannelAnswer::new(channel, namespace.log, api.control.subscribers(key).await);
    if namespace.log != LogKind::None {
        answer.set_head(api.services.logs.head(namespace.log, key).await?);
    }
    if namespace.presence {
        answer.present = Some(api.services.presence.page(key.clone(), Page { after: None, limit: 1 }).await.count);
    }
    Ok(Json(answer))
}

/// Who is in a channel. Needs the scope `read`.
#[utoipa::path(
    get, path = "/v1/channels/{channel}/presence", tag = "channels", operation_id = "presence",
    security(("api_key" = ["read"])),
    params(("channel" = String, Path, description = "The channel, percent-encoded (`/` is %2F)."), PresenceQuery),
    responses((status = 200, description = "A page of who is there.", body = PresenceAnswer)),
)]
pub(super) async fn presence(
    State(api): State<Api>,
    Caller(service): Caller,
    InPath(channel): InPath<ChannelName>,
    InQuery(query): InQuery<PresenceQuery>,
) -> Result<Json<PresenceAnswer>, Problem> {
    let permit = api.services.policy.service_presence(&service, &channel)?;
    let page = Page { after: query.after, limit: limit(query.limit, PRESENCE_PAGE, PRESENCE_PAGE)? };
    let snapshot = api.services.presence.page(permit.channel().clone(), page).await;
    let PresenceSnapshot { version, count, users, next, large, scope } = snapshot;
    let answer = |present: PresentUser| PresentAnswer { user: present.user, connections: present.connections };
    let users = users.into_iter().map(answer).collect();
    Ok(Json(PresenceAnswer { version, count, users, next, large, scope }))
}

/// Walks the channels of a tenant by name.
struct Walk<'a> {
    api: &'a Api,
    service: &'a Service,
    after: Option<ChannelName>,
    found: Vec<ChannelAnswer>,
}

impl Walk<'_> {
    /// Looks at the next `count` names, or fewer; answers whether there can be more.
    async fn step(&mut self, count: usize) -> Result<bool, Problem> {
        let (tenant, after) = (self.service.tenant(), self.after.as_ref());
        let live = self.api.control.channels(tenant, after, count).await;
        // A count fits: it is at most one above the largest limit.
        let stored = self.api.store.channels(tenant, after.map(ChannelName::as_str), count as u32).await;
        let stored = stored.map_err(LogError::from)?;
        let told_all = live.len() < count && stored.len() < count;
        let mut names: BTreeMap<ChannelName, (usize, Option<Head>)> =
            live.into_iter().map(|(channel, subscribers)| (channel, (subscribers, None))).collect();
        for (key, head) in stored {
            names.entry(key.channel).or_default().1 = Some(head);
        }
        // Behind the first `count` names one of the two sources may have told less than there is.
        let more = !told_all || names.len() > count;
        let looked_at = names.into_iter().take(count);
        let namespaces = self.api.services.policy.namespaces();
        for (channel, (subscribers, head)) in looked_at {
            self.after = Some(channel.clone());
            let Some(namespace) = namespaces.of(&channel).filter(|_| self.service.reaches(&channel)) else { continue };
            let head = head.filter(|_| namespace.log == LogKind::Durable);
            if subscribers > 0 || head.is_some() {
                let mut answer = ChannelAnswer::new(channel, namespace.log, subscribers);
                head.into_iter().for_each(|head| answer.set_head(head));
                self.found.push(answer);
            }
        }
        Ok(more)
    }
}

/// The heads of windows come from the broker; those of durable logs without a message are not in the store's list.
async fn add_window_heads(api: &Api, service: &Service, found: &mut [ChannelAnswer]) -> Result<(), Problem> {
    for kind in [LogKind::Window, LogKind::Durable] {
        let headless = |answer: &&mut ChannelAnswer| answer.log == kind && answer.offset.is_none();
        let mut answers: Vec<&mut ChannelAnswer> = found.iter_mut().filter(headless).collect();
        if answers.is_empty() {
            continue;
        }
        let key = |answer: &&mut ChannelAnswer| ChannelKey::new(service.tenant().clone(), answer.channel.clone());
        let keys: Vec<ChannelKey> = answers.iter().map(key).collect();
        for (answer, head) in answers.iter_mut().zip(api.services.logs.heads(kind, &keys).await?) {
            answer.set_head(head);
        }
    }
    Ok(())
}

impl ChannelAnswer {
    fn new(channel: ChannelName, log: LogKind, subscribers: usize) -> Self {
        let namespace = channel.namespace().to_owned();
        Self { channel, namespace, log, subscribers, present: None, epoch: None, offset: None, first: None }
    }

    fn set_head(&mut self, head: Head) {
        self.epoch = Some(head.position.epoch);
        self.offset = Some(head.position.offset);
        self.first = Some(head.low + 1);
    }
}

impl From<LogError> for Problem {
    fn from(error: LogError) -> Self {
        tracing::warn!(%error, "the internal API could not read a log");
        match error {
            LogError::Unavailable(_) | LogError::Overloaded => {
                let detail = format!("the log can not be read now, try again in {AWAY_RETRY_MS} ms");
                Self::new(ErrorCode::Unavailable, detail).retry_after(Some(AWAY_RETRY_MS))
            }
            LogError::Failed(_) => {
                Self::new(ErrorCode::Internal, "the log failed; the operator finds the cause in the log of the hub")
            }
        }
    }
}
