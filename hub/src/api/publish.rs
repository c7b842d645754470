//! Publishing: one message, a batch of them.

use axum::Json;
use axum::extract::State;
use hubbub_protocol::{ChannelName, Data, Epoch, ErrorCode, Key, MessageId, UserId, limits};
use serde::{Deserialize, Serialize};

use super::Api;
use super::caller::{Body, Caller, IdempotencyKey};
use crate::auth::service::Service;
use crate::publish::{Draft, PublishError, Published};
use crate::transport::problem::Problem;

/// A message for a channel.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PublishRequest {
    channel: ChannelName,
    data: Data,
    #[serde(default)]
    key: Option<Key>,
    #[serde(default)]
    conflate_key: Option<Key>,
    #[serde(default)]
    from: Option<UserId>,
}

/// Where it went.
#[derive(Clone, Debug, Serialize)]
pub(super) struct PublishAnswer {
    channel: ChannelName,
    id: MessageId,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<Epoch>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
    time: u64,
}

/// Many messages.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BatchRequest {
    publishes: Vec<PublishRequest>,
}

/// One result for each, in the order of the request.
#[derive(Debug, Serialize)]
pub(super) struct BatchAnswer {
    results: Vec<BatchResult>,
}

/// What became of one message of a batch.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum BatchResult {
    /// It was published.
    Published(PublishAnswer),
    /// It was not.
    Problem {
        /// Why.
        problem: Problem,
    },
}

/// `POST /v1/publish`.
pub(super) async fn publish(
    State(api): State<Api>,
    Caller(service): Caller,
    key: IdempotencyKey,
    Body(mut request): Body<PublishRequest>,
) -> Result<Json<PublishAnswer>, Problem> {
    request.key = request.key.or(key.0);
    let channel = request.channel.clone();
    let publishing = begin(&api, &service, request)?;
    // In a task of its own: a caller that hangs up must not leave a message half published.
    let published = tokio::spawn(publishing).await.map_err(|_| fault())??;
    Ok(Json(answer(channel, published)))
}

/// `POST /v1/batch`.
pub(super) async fn batch(
    State(api): State<Api>,
    Caller(service): Caller,
    key: IdempotencyKey,
    Body(BatchRequest { publishes }): Body<BatchRequest>,
) -> Result<Json<BatchAnswer>, Problem> {
    if publishes.len() > limits::BATCH {
        let detail = format!("a batch has at most {} publishes, this one has {}", limits::BATCH, publishes.len());
        return Err(Problem::new(ErrorCode::BadRequest, detail));
    }
    let mut begun = Vec::with_capacity(publishes.len());
    for (index, mut request) in publishes.into_iter().enumerate() {
        if request.key.is_none() {
            request.key = key.of_item(index)?;
        }
        let channel = request.channel.clone();
        begun.push((channel, begin(&api, &service, request)));
    }
    let results = tokio::spawn(async move {
        let mut results = Vec::with_capacity(begun.len());
        for (channel, publishing) in begun {
            let published = match publishing {
                Ok(publishing) => publishing.await.map_err(Problem::from),
                Err(problem) => Err(problem),
            };
            results.push(match published {
                Ok(published) => BatchResult::Published(answer(channel, published)),
                Err(problem) => BatchResult::Problem { problem },
            });
        }
        results
    });
    Ok(Json(BatchAnswer { results: results.await.map_err(|_| fault())? }))
}

/// Asks for the permit and enqueues; the future answers.
fn begin(
    api: &Api,
    service: &Service,
    request: PublishRequest,
) -> Result<impl Future<Output = Result<Published, PublishError>> + Send + use<>, Problem> {
    let PublishRequest { channel, data, key, conflate_key, from } = request;
    let permit = api.services.policy.service_publish(service, &channel)?;
    Ok(api.services.publisher.publish(&permit, Draft { key, conflate_key, from, data }))
}

fn answer(channel: ChannelName, published: Published) -> PublishAnswer {
    let Published { id, position, time } = published;
    PublishAnswer { channel, id, epoch: position.map(|p| p.epoch), offset: position.map(|p| p.offset), time }
}

fn fault() -> Problem {
    Problem::new(ErrorCode::Internal, "the publish ended unexpectedly; try again with the same key")
}

impl From<PublishError> for Problem {
    fn from(error: PublishError) -> Self {
        Self::new(error.code(), error.to_string()).retry_after(error.retry_after_ms())
    }
}
