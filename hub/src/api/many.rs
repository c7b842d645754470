//! Publishing many messages in one request: a batch of different ones, or the same into many channels. Each has its own
//! result.

use std::borrow::Cow;
use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use futures_util::stream::{self, StreamExt};
use hubbub_protocol::limits::BATCH;
use hubbub_protocol::{ChannelName, ErrorCode};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::Api;
use super::caller::{Caller, IdempotencyKey, ItemKeys, Turn};
use super::publish::{PublishAnswer, PublishRequest, begin, draft_of, to_its_end};
use super::request::Body;
use crate::auth::service::{Scope, Service};
use crate::publish::{Draft, PublishError, Published};
use crate::transport::problem::Problem;

/// Many messages.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BatchRequest<'a> {
    /// The messages, at most 1,000.
    #[serde(borrow)]
    #[schema(value_type = Vec<PublishRequest>, max_items = 1000)]
    publishes: Vec<PublishRequest<'a>>,
}

/// The same message for many channels.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BroadcastRequest<'a> {
    /// The channels, at most 1,000.
    #[serde(borrow)]
    #[schema(value_type = Vec<String>, max_items = 1000)]
    channels: Vec<Cow<'a, str>>,
    /// The message, as in publish.
    #[serde(borrow)]
    #[schema(value_type = Value)]
    data: &'a RawValue,
    /// The idempotency key, 1 to 124 bytes. The message for channel i has `<key>/<i>`.
    key: Option<String>,
    /// The conflate key, as in publish.
    conflate_key: Option<String>,
    /// The user named as the author.
    from: Option<String>,
}

/// One result for each message or channel, in the order of the request.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ManyAnswer {
    /// The results.
    results: Vec<ItemAnswer>,
}

/// What became of one message.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum ItemAnswer {
    /// It was published.
    Published(PublishAnswer),
    /// It was not.
    Problem {
        /// Why.
        problem: Problem,
    },
}

/// Publish up to 1,000 messages. Needs the scope `publish`.
///
/// The answer is 200 when the request could be read, whatever became of its messages: each has its own result. Messages for
/// one channel are published in their order. With the header `Idempotency-Key`, message i without a `key` of its own gets
/// `<Idempotency-Key>/<i>`.
#[utoipa::path(
    post, path = "/v1/batch", tag = "publishing", operation_id = "batch", security(("api_key" = ["publish"])),
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 124 bytes.")),
    request_body = BatchRequest,
    responses((status = 200, description = "One result for each message.", body = ManyAnswer)),
)]
pub(super) async fn batch(
    State(api): State<Api>,
    Caller(service): Caller,
    _turn: Turn,
    key: IdempotencyKey,
    body: Body,
) -> Result<Json<ManyAnswer>, Problem> {
    // Each message asks for its permit; a key that may not publish at all fails the request.
    api.services.policy.service(&service, Scope::Publish)?;
    let BatchRequest { publishes } = body.parse()?;
    check_count("publishes", publishes.len())?;
    let keys = key.of_items()?;
    let drafts = publishes.into_iter().enumerate().map(|(index, request)| {
        let (channel, mut draft) = request.draft()?;
        draft.key = draft.key.or_else(|| keys.at(index));
        Ok((channel, draft))
    });
    publish_all(&api, &service, drafts).await
}

/// Publish one message into up to 1,000 channels. Needs the scope `publish`.
///
/// The answer is 200 when the request could be read, with one result for each channel in its order.
#[utoipa::path(
    post, path = "/v1/broadcast", tag = "publishing", operation_id = "broadcast", security(("api_key" = ["publish"])),
    params(("Idempotency-Key" = Option<String>, Header, description = "The key, instead of `key` in the body.")),
    request_body = BroadcastRequest,
    responses((status = 200, description = "One result for each channel.", body = ManyAnswer)),
)]
pub(super) async fn broadcast(
    State(api): State<Api>,
    Caller(service): Caller,
    _turn: Turn,
    key: IdempotencyKey,
    body: Body,
) -> Result<Json<ManyAnswer>, Problem> {
    api.services.policy.service(&service, Scope::Publish)?;
    let BroadcastRequest { channels, data, key: own, conflate_key, from } = body.parse()?;
    check_count("channels", channels.len())?;
    let draft = draft_of(data, own, conflate_key, from)?;
    let keys = ItemKeys::new(key.with(draft.key.clone())?)?;
    let drafts = channels.into_iter().enumerate().map(|(index, channel)| {
        let wrong = |error| Problem::new(ErrorCode::BadRequest, format!("`channels[{index}]`: {error}"));
        let channel = ChannelName::parse(&channel).map_err(wrong)?;
        Ok((channel, Draft { key: keys.at(index), ..draft.clone() }))
    });
    publish_all(&api, &service, drafts).await
}

fn check_count(field: &str, count: usize) -> Result<(), Problem> {
    if count <= BATCH {
        return Ok(());
    }
    let detail = format!("`{field}` has at most {BATCH} entries, this has {count}; send several requests");
    Err(Problem::new(ErrorCode::BadRequest, detail))
}

/// Enqueues everything before the first answer is waited for, so that a batch is committed together.
async fn publish_all(
    api: &Api,
    service: &Service,
    drafts: impl ExactSizeIterator<Item = Result<(ChannelName, Draft), Problem>>,
) -> Result<Json<ManyAnswer>, Problem> {
    // All at once, so that a batch is published whole or refused whole; a count fits, there are at most 1,000.
    api.services.rates.take(service.tenant(), None, drafts.len() as u32).await?;
    let (mut results, mut chains) = (Vec::with_capacity(drafts.len()), Chains::new());
    for (index, draft) in drafts.enumerate() {
        let begun = draft.and_then(|(channel, draft)| Ok((begin(api, service, &channel, draft)?, channel)));
        results.push(match begun {
            Err(problem) => Some(ItemAnswer::Problem { problem }),
            Ok((publishing, channel)) => {
                chains.entry(channel).or_default().push((index, publishing));
                None
            }
        });
    }
    for (index, answer) in to_its_end(answers(chains)).await? {
        results[index] = Some(answer);
    }
    // Each was refused above or is in a chain.
    Ok(Json(ManyAnswer { results: results.into_iter().flatten().collect() }))
}

/// The publishes of each channel, with their places in the request.
type Chains<P> = HashMap<ChannelName, Vec<(usize, P)>>;

/// Channels of a batch that are published into at once: the way to Redis is shared with whatever else needs it.
const AT_ONCE: usize = 64;

/// Those of one channel one after the other, so that they keep their order whatever happens to one; channels side by side, so
/// that a log which is a round trip away is asked by all of them at once.
async fn answers<P>(chains: Chains<P>) -> Vec<(usize, ItemAnswer)>
where
    P: Future<Output = Result<Published, PublishError>> + Send,
{
    let chains = chains.into_iter().map(|(channel, chain)| async move {
        let mut answers = Vec::with_capacity(chain.len());
        for (index, publishing) in chain {
            let answer = match publishing.await {
                Ok(published) => ItemAnswer::Published(PublishAnswer::new(channel.clone(), published)),
                Err(error) => ItemAnswer::Problem { problem: error.into() },
            };
            answers.push((index, answer));
        }
        answers
    });
    stream::iter(chains).buffer_unordered(AT_ONCE).collect::<Vec<_>>().await.into_iter().flatten().collect()
}
