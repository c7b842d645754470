//! Publish: a permitted draft goes into the log of its channel and out to all nodes.
//!
//! Stages 5 and 6 of the walk. It does not know who waits for the answer, or on what.

use std::sync::Arc;

use hubbub_persistence::{Append, Appended};
use hubbub_protocol::frame::Scope;
use hubbub_protocol::{Data, ErrorCode, Key, MessageId, Position, UserId};

use crate::auth::permit::{Permit, Publish};
use crate::broker::{Broker, BrokerError, Content, Envelope};
use crate::clock::Clock;
use crate::logs::{LogError, Logs};
use crate::namespace::LogKind;

/// How long a publisher is sent away when a log is away, in milliseconds.
const AWAY_RETRY_MS: u64 = 1_000;
/// The same when more waits than the log can take.
const OVERLOADED_RETRY_MS: u64 = 200;

/// What somebody wants to publish.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The idempotency key.
    pub key: Option<Key>,
    /// The conflate key.
    pub conflate_key: Option<Key>,
    /// The author that a service names; a user is always its own author.
    pub from: Option<UserId>,
    /// The message.
    pub data: Data,
}

/// What became of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Published {
    /// The id of the message; with a repeated key the first one's.
    pub id: MessageId,
    /// Its place; `None` on a channel without a log.
    pub position: Option<Position>,
    /// When the hub took it, in milliseconds since 1970.
    pub time: u64,
    /// How far it went; what a log keeps gets everywhere.
    pub scope: Scope,
}

/// Why it was not published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The data is larger than allowed.
    #[error("`data` is {bytes} bytes, at most {most} are allowed")]
    TooLarge {
        /// How large.
        bytes: usize,
        /// How large it may be.
        most: usize,
    },
    /// The key was used before with other data.
    #[error("this key was used before with other data; use a new key for a new message")]
    KeyConflict,
    /// What keeps the log or carries messages is away, or has too much to do.
    #[error("messages can not be taken now, try again with the same key in {retry_after_ms} ms")]
    Unavailable {
        /// When to try again, in milliseconds.
        retry_after_ms: u64,
    },
    /// A fault of the hub.
    #[error("the message could not be stored; the operator finds the cause in the log of the hub")]
    Internal,
}

impl PublishError {
    /// The code that clients see.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::TooLarge { .. } => ErrorCode::TooLarge,
            Self::KeyConflict => ErrorCode::KeyConflict,
            Self::Unavailable { .. } => ErrorCode::Unavailable,
            Self::Internal => ErrorCode::Internal,
        }
    }

    /// When to try again, in milliseconds.
    pub fn retry_after_ms(&self) -> Option<u64> {
        match self {
            Self::Unavailable { retry_after_ms } => Some(*retry_after_ms),
            _ => None,
        }
    }
}

impl From<LogError> for PublishError {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Unavailable(_) => Self::Unavailable { retry_after_ms: AWAY_RETRY_MS },
            LogError::Overloaded => Self::Unavailable { retry_after_ms: OVERLOADED_RETRY_MS },
            LogError::Failed(_) => Self::Internal,
        }
    }
}

impl From<BrokerError> for PublishError {
    fn from(_: BrokerError) -> Self {
        Self::Unavailable { retry_after_ms: AWAY_RETRY_MS }
    }
}

/// Publishes for everybody on a node.
#[derive(Clone)]
pub struct Publisher {
    logs: Logs,
    broker: Arc<dyn Broker>,
    clock: Arc<Clock>,
    /// Most bytes of `data`.
    data_bytes: usize,
}

impl Publisher {
    /// Publishes into these logs and through this broker; `data` has at most `data_bytes`.
    pub fn new(logs: Logs, broker: Arc<dyn Broker>, clock: Arc<Clock>, data_bytes: usize) -> Self {
        Self { logs, broker, clock, data_bytes }
    }

    /// Publishes. A durable message is enqueued before the future is polled, others at its first poll, so that whoever
    /// calls and polls in order publishes in order. Drive the future to its end: dropped half-way, a message can be in its
    /// log and be delivered only when the log is looked at again.
    pub fn publish(
        &self,
        permit: &Permit<Publish>,
        draft: Draft,
    ) -> impl Future<Output = Result<Published, PublishError>> + Send + use<> {
        let (broker, time, id) = (self.broker.clone(), self.clock.now_ms(), self.clock.message_id());
        let namespace = permit.namespace().clone();
        let append = append_of(permit, draft, id, time);
        let bytes = append.data.get().len();
        let enqueued = if bytes > self.data_bytes {
            Err(PublishError::TooLarge { bytes, most: self.data_bytes })
        } else {
            let envelope = (namespace.log != LogKind::Window).then(|| envelope_of(&append));
            Ok((self.logs.append(&namespace, append), envelope))
        };
        async move {
            let (appending, envelope) = enqueued?;
            let appended = appending.await.inspect_err(|error| tracing::warn!(%error, "a publish failed"))?;
            let published = match appended {
                None => Published { id, position: None, time, scope: Scope::Fleet },
                Some(Appended::KeyConflict) => return Err(PublishError::KeyConflict),
                Some(Appended::At { id, position, time, duplicate: true }) => {
                    return Ok(Published { id, position: Some(position), time, scope: Scope::Fleet });
                }
                Some(Appended::At { id, position, time, duplicate: false }) => {
                    Published { id, position: Some(position), time, scope: Scope::Fleet }
                }
            };
            // A window published in the step that appended.
            let scope = match envelope {
                Some(envelope) => send_on(&*broker, at(envelope, published.position)).await?,
                None => Scope::Fleet,
            };
            Ok(Published { scope, ..published })
        }
    }
}

/// A logged message that no broker carries reaches other nodes by their tail sweep: its publish has succeeded.
async fn send_on(broker: &dyn Broker, envelope: Envelope) -> Result<Scope, PublishError> {
    let logged = matches!(&envelope.content, Content::Message(message) if message.position.is_some());
    match broker.publish(envelope).await {
        Err(error) if logged => {
            tracing::warn!(%error, "a stored message travels by the tail sweep");
            Ok(Scope::Fleet)
        }
        Ok(_) if logged => Ok(Scope::Fleet),
        other => Ok(other?),
    }
}

fn append_of(permit: &Permit<Publish>, draft: Draft, id: MessageId, time: u64) -> Append {
    let publisher = permit.publisher();
    let Draft { key, conflate_key, from, data } = draft;
    Append {
        channel: permit.channel().clone(),
        id,
        time,
        publisher: publisher.to_string(),
        key,
        conflate_key,
        from: publisher.user().cloned().or(from),
        data,
    }
}

fn envelope_of(append: &Append) -> Envelope {
    Envelope { channel: append.channel.clone(), content: Content::Message(append.message(None)) }
}

fn at(mut envelope: Envelope, position: Option<Position>) -> Envelope {
    if let Content::Message(message) = &mut envelope.content {
        message.position = position;
    }
    envelope
}
