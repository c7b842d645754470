//! The broker over Redis: pub/sub between nodes, windows as streams. Knows Redis and no node.
//!
//! A channel belongs to one of 256 buckets ([`names`]). Nodes subscribe to what they want ([`interest`], [`listen`]) and watch
//! the numbered heartbeat of each bucket in use ([`pulse`]). Windows are numbered, deduplicated, stored and published by one script
//! ([`window`]). Which settings of Redis lose what stands in `docs/OPERATIONS.md`.

mod names;

mod window;

mod interest;
mod listen;
mod pulse;
mod shared;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hubbub_persistence::{Append, Appended, Continuity, Entry, Head, Page, ReadFrom};
use hubbub_protocol::channel::ChannelKey;
use hubbub_protocol::envelope::wire;
use hubbub_protocol::{Epoch, MessageId, Position, TenantId};
use rand::RngExt;
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

use self::listen::Request;
use self::shared::Shared;
use super::{Broker, BrokerError, Content, Envelope, Inbox, Link, Scope, Sieve};
use crate::namespace::WindowBounds;
use crate::redis::{Redis, RedisError, State, Value};

/// Subscribers that may wait for the listener; more wait in front of it.
const REQUESTS: usize = 8_192;

/// Messages, and their bytes, that are sifted at once: bounds how long one script keeps Redis from others.
const SIFTED: u32 = 256;
const SIFTED_BYTES: usize = 1 << 20;

/// One node's end of Redis.
pub struct RedisBroker {
    shared: Arc<Shared>,
    requests: mpsc::Sender<Request>,
    listener: AbortHandle,
}

impl RedisBroker {
    /// Begins to listen, in the background and for as long as it takes. `incarnation` is of this run of the node alone; interest
    /// lingers for `linger` after nobody wants a channel.
    pub fn start(redis: Redis, inbox: Inbox, incarnation: [u8; 16], linger: Duration) -> Arc<Self> {
        let shared = Arc::new(Shared::new(redis, inbox, incarnation, linger));
        let (requests, receiver) = mpsc::channel(REQUESTS);
        let listener = tokio::spawn(listen::listen(shared.clone(), receiver)).abort_handle();
        Arc::new(Self { shared, requests, listener })
    }
}

impl Drop for RedisBroker {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

impl fmt::Debug for RedisBroker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBroker").field("redis", &self.shared.redis).finish_non_exhaustive()
    }
}

#[async_trait]
impl Broker for RedisBroker {
    async fn subscribe(&self, channels: &[ChannelKey]) -> Result<(), BrokerError> {
        let shared = &self.shared;
        let session = shared.session();
        let unconfirmed = {
            let mut interest = shared.interest_mut();
            let place = |channel| (names::pubsub(&shared.redis, channel), names::bucket_of(channel));
            let new = channels.iter().filter(|channel| interest.want(channel, session, || place(*channel)));
            new.cloned().collect::<Vec<_>>()
        };
        if !unconfirmed.is_empty() {
            let (done, confirmed) = oneshot::channel();
            // Without a listener the node is closing; with one that gave up the session, a sweep follows.
            if self.requests.send(Request { channels: unconfirmed, done }).await.is_ok() {
                let _ = confirmed.await;
            }
        }
        Ok(())
    }

    async fn unsubscribe(&self, channels: &[ChannelKey]) -> Result<(), BrokerError> {
        let now = self.shared.now();
        let mut interest = self.shared.interest_mut();
        channels.iter().for_each(|channel| interest.leave(channel, now));
        Ok(())
    }

    async fn publish(&self, envelope: Envelope) -> Result<Scope, BrokerError> {
        let shared = &self.shared;
        let name = names::pubsub(&shared.redis, &envelope.channel);
        let bytes = wire::encode(shared.incarnation, &envelope);
        // Here first, and also where Redis is away.
        shared.deliver_here(envelope).await;
        match shared.redis.command("SPUBLISH", vec![name.into(), Value::Bytes(bytes.into())]).await {
            Ok(_) => Ok(Scope::Fleet),
            Err(RedisError::Away(_)) => Ok(Scope::Node),
            Err(error) => Err(error.into()),
        }
    }

    async fn append(&self, append: Append, bounds: WindowBounds) -> Result<Appended, BrokerError> {
        let shared = &self.shared;
        // Drawn here: an epoch that Redis has forgotten must not come again.
        let fresh = Epoch::from_u64(rand::rng().random::<u64>() >> 4);
        if let State::Away(why) = shared.redis.state() {
            return Err(RedisError::Away(why).into());
        }
        let remembered = shared.sent(append.id);
        let mut result = window::append(&shared.redis, shared.incarnation, &append, bounds, fresh).await;
        if matches!(result, Err(RedisError::Away(_))) {
            // It may have been appended. The script looks for its id before it does anything.
            result = window::append(&shared.redis, shared.incarnation, &append, bounds, fresh).await;
        }
        // Left among the unanswered where no answer came: if it was appended, its echo delivers it.
        let unknown = matches!(result, Err(RedisError::Away(_)));
        let undelivered = !remembered || (!unknown && shared.answered(append.id));
        let outcome = result?;
        if let Some(message) = outcome.message.filter(|_| undelivered) {
            shared.deliver_here(Envelope { channel: append.channel, content: Content::Message(message) }).await;
        }
        Ok(outcome.appended)
    }

    async fn read(
        &self,
        channel: &ChannelKey,
        from: ReadFrom,
        limit: u32,
        max_bytes: usize,
    ) -> Result<Page, BrokerError> {
        Ok(window::read(&self.shared.redis, channel, from, limit, max_bytes).await?)
    }

    async fn heads(&self, channels: &[ChannelKey]) -> Result<Vec<Head>, BrokerError> {
        Ok(window::heads(&self.shared.redis, channels).await?)
    }

    async fn continuity(&self, channel: &ChannelKey, position: Position) -> Result<Continuity, BrokerError> {
        Ok(window::continuity(&self.shared.redis, channel, position).await?)
    }

    async fn sift(&self, tenant: &TenantId, sieve: Arc<Sieve>) -> Result<Vec<ChannelKey>, BrokerError> {
        let redis = &self.shared.redis;
        let names = redis.names(names::windows(redis, tenant)).await?;
        let mut sifted = Vec::new();
        for channel in names.iter().filter_map(|name| names::channel_of(name, tenant)) {
            let whole = sieve(&channel.channel, None);
            let gone = if whole {
                window::sift(redis, &channel, &[]).await?
            } else {
                self.sift_one(&channel, &*sieve).await?
            };
            if gone > 0 {
                sifted.push(channel);
            }
        }
        Ok(sifted)
    }

    fn link(&self) -> Link {
        self.shared.link()
    }
}

impl RedisBroker {
    /// Page by page: each is read, judged here, and what goes is taken out by one script.
    async fn sift_one(&self, channel: &ChannelKey, sieve: &Sieve) -> Result<u64, RedisError> {
        let (mut after, mut gone) = (0, 0);
        loop {
            let page = window::read(&self.shared.redis, channel, ReadFrom::After(after), SIFTED, SIFTED_BYTES).await?;
            let goes = |entry: &Entry| match entry {
                Entry::Message(message) if sieve(&channel.channel, Some(message)) => Some((entry.offset(), message.id)),
                Entry::Message(_) | Entry::Tombstone { .. } => None,
            };
            let chosen: Vec<(u64, MessageId)> = page.entries.iter().filter_map(goes).collect();
            if !chosen.is_empty() {
                gone += window::sift(&self.shared.redis, channel, &chosen).await?;
            }
            match page.entries.last().filter(|_| page.more) {
                Some(last) => after = last.offset(),
                None => return Ok(gone),
            }
        }
    }
}

/// To callers every failure is the same: not now. What Redis refused is a matter for the operator.
impl From<RedisError> for BrokerError {
    fn from(error: RedisError) -> Self {
        if !matches!(error, RedisError::Away(_)) {
            tracing::error!(%error, "Redis did not do what was asked");
        }
        Self::Unavailable(error.to_string())
    }
}
