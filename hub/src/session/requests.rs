//! What a connected client can ask for, one function each. Every request gets exactly one answer.

use std::rc::Rc;
use std::task::Poll;

use futures_util::poll;
use hubbub_persistence::{Entry, ReadFrom};
use hubbub_protocol::frame::{
    HistoryPage, HistoryQuery, PresenceQuery, Publish, Reply, RequestId, ServerError, ServerFrame, Side, Subscribe,
};
use hubbub_protocol::{ChannelName, Data, ErrorCode};

use super::Services;
use super::attach::{AttachError, CatchUp, attach, catch_up, settle};
use super::connect::prove;
use super::decide::Request;
use crate::auth::permit::{self, Permit};
use crate::auth::policy::Denied;
use crate::auth::{AuthError, Identity};
use crate::logs::LogError;
use crate::presence::Page;
use crate::publish::{Draft, PublishError, Published};
use crate::rate::Limited;
use crate::rooms::RoomError;
use crate::shard::{ConnectionId, Shard};

/// Why a request failed: the `error` frame without its id.
pub(super) struct Failure {
    pub(super) code: ErrorCode,
    pub(super) message: String,
    pub(super) retry_after_ms: Option<u64>,
}

/// Does what was asked for and answers.
pub(super) async fn run(
    shard: &Rc<Shard>,
    services: &Rc<Services>,
    id: ConnectionId,
    request_id: RequestId,
    request: Request,
) {
    let Some(identity) = shard.with(|state| state.session(id).map(|session| session.identity.clone())) else { return };
    let asking = Asking { shard, services, id, request_id, identity };
    let answered = match request {
        Request::Subscribe(wish) => asking.subscribe(wish).await,
        Request::Unsubscribe(channel) => asking.unsubscribe(channel),
        Request::Publish(publish) => asking.publish(publish).await,
        Request::History(query) => asking.history(query).await,
        Request::Presence(query) => asking.presence(query).await,
        Request::Room(request) => asking.room(*request).await,
        Request::Refresh(token) => asking.refresh(&token).await,
    };
    if let Err(Failure { code, message, retry_after_ms }) = answered {
        let error = ServerError { id: Some(request_id), code, message, retry_after_ms };
        asking.send(&ServerFrame::Error(error));
    }
}

pub(super) struct Asking<'a> {
    pub(super) shard: &'a Rc<Shard>,
    pub(super) services: &'a Rc<Services>,
    pub(super) id: ConnectionId,
    request_id: RequestId,
    pub(super) identity: Identity,
}

impl Asking<'_> {
    async fn subscribe(&self, wish: Subscribe) -> Result<(), Failure> {
        let Self { shard, services, id, request_id, identity } = self;
        let attaching = attach(shard, services, *id, identity, &wish, 0)?.await?;
        let next = shard.with(|state| {
            if !state.holds(attaching.name) {
                return Err(Failure::new(ErrorCode::NotSubscribed, "the subscription was ended before it began"));
            }
            let (attached, next) = settle(state, &attaching);
            state.send(*id, &ServerFrame::Subscribed { id: *request_id, channel: wish.channel, attached });
            if let CatchUp::Live(offset) = next {
                state.go_live(attaching.name, offset);
            }
            Ok(next)
        })?;
        if let CatchUp::After(after) = next {
            // In a task of its own: catching up is not a request under way any more.
            let (shard, services, id) = (Rc::clone(shard), Rc::clone(services), *id);
            tokio::task::spawn_local(async move { catch_up(&shard, &services, id, &attaching, after).await });
        }
        Ok(())
    }

    fn unsubscribe(&self, channel: ChannelName) -> Result<(), Failure> {
        let key = hubbub_protocol::ChannelKey::new(self.identity.tenant.clone(), channel.clone());
        if !self.shard.with(|state| state.unsubscribe(self.id, &key)) {
            return Err(Failure::new(ErrorCode::NotSubscribed, "this connection does not subscribe to the channel"));
        }
        self.send(&ServerFrame::Unsubscribed { id: Some(self.request_id), channel, code: None });
        Ok(())
    }

    async fn publish(&self, publish: Publish) -> Result<(), Failure> {
        let permit = self.services.policy.publish(&self.identity, &publish.channel)?;
        while let Some(settled) = self.shard.with(|state| state.answer_notice(self.id, permit.channel())) {
            settled.notified().await;
        }
        let Publish { key, conflate_key, data, .. } = publish;
        let draft = Draft { key, conflate_key, from: None, data };
        let published = self.publish_in_turn(&permit, draft).await?;
        let (id, message, position) = (self.request_id, published.id, published.position);
        self.send(&ServerFrame::Ack { id, message, position, time: published.time, scope: published.scope });
        Ok(())
    }

    /// Publishes when the rates of tenant and user have room. Asking for that may take a round trip, and several publishes of the
    /// connection are under way at once: so each waits for its turn, asks, and lets the next one go only when it has begun, which
    /// keeps them in order. Where nothing limits them there is nothing to wait for.
    async fn publish_in_turn(&self, permit: &Permit<permit::Publish>, draft: Draft) -> Result<Published, Failure> {
        let Self { services, identity, .. } = self;
        let limited = services.rates.of(&identity.tenant, identity.user.as_ref()).is_some();
        // One that waits from a time when there was a limit goes first as well.
        let place = self.shard.with(|state| state.publish_turn(self.id, limited));
        let turn = match &place {
            // The semaphore is never closed.
            Some(place) => Some(place.acquire().await),
            None if limited => return Err(Failure::new(ErrorCode::Unavailable, "the connection is gone")),
            None => None,
        };
        services.rates.take(&identity.tenant, identity.user.as_ref(), 1).await?;
        let mut publishing = std::pin::pin!(services.publisher.publish(permit, draft));
        let begun = poll!(publishing.as_mut());
        drop(turn);
        Ok(match begun {
            Poll::Ready(published) => published?,
            Poll::Pending => publishing.await?,
        })
    }

    async fn history(&self, query: HistoryQuery) -> Result<(), Failure> {
        let permit = self.services.policy.history(&self.identity, &query.channel)?;
        let (kind, channel) = (permit.namespace().log, permit.channel());
        self.may_look(permit.namespace(), channel).await?;
        let from = match query.side {
            Side::After(offset) => ReadFrom::After(offset),
            Side::Before(offset) => ReadFrom::Before(offset.unwrap_or(u64::MAX >> 1)),
        };
        // Half an outbox, and one at a time into a drained one: pages must not close the connection of a slow reader.
        let most = self.services.limits.outbox_bytes / 2;
        let Some(turn) = self.shard.with(|state| state.page_turn(self.id)) else { return Ok(()) };
        // The semaphore is never closed.
        let _turn = turn.acquire().await;
        while let Some(drained) = self.shard.with(|state| state.drain_notice(self.id)) {
            drained.notified().await;
        }
        let page = self.services.logs.history(kind, channel, from, query.limit, most).await?;
        let result = Reply::History(HistoryPage {
            epoch: page.head.position.epoch,
            first: page.head.low + 1,
            last: page.head.position.offset,
            more: page.more,
            messages: page.entries.into_iter().filter_map(message_of).collect(),
        });
        self.send(&ServerFrame::Reply { id: self.request_id, result });
        Ok(())
    }

    async fn presence(&self, query: PresenceQuery) -> Result<(), Failure> {
        let permit = self.services.policy.presence(&self.identity, &query.channel)?;
        self.may_look(permit.namespace(), permit.channel()).await?;
        let page = Page { after: query.after, limit: query.limit };
        let snapshot = self.services.presence.page(permit.channel().clone(), page).await;
        self.send(&ServerFrame::Reply { id: self.request_id, result: Reply::Presence(snapshot) });
        Ok(())
    }

    /// Answers with what an operation of rooms is answered with.
    pub(super) fn answer(&self, data: Data) {
        self.send(&ServerFrame::Reply { id: self.request_id, result: Reply::Result(data) });
    }

    async fn refresh(&self, token: &str) -> Result<(), Failure> {
        let identity = prove(self.services, token).await?;
        if (&identity.tenant, &identity.user) != (&self.identity.tenant, &self.identity.user) {
            let message = "the new token belongs to somebody else; open a new connection for another user";
            return Err(Failure::new(ErrorCode::Forbidden, message));
        }
        let (expires_at, now_ms, policy) =
            (identity.expires_at_ms, self.services.clock.now_ms(), &self.services.policy);
        self.shard.with(|state| {
            let Some(session) = state.session(self.id) else { return };
            session.identity = identity.clone();
            state.refreshed(self.id, now_ms);
            let result = Reply::Refreshed { expires_at };
            state.send(self.id, &ServerFrame::Reply { id: self.request_id, result });
            let allowed = |key: &hubbub_protocol::ChannelKey| policy.subscribe(&identity, &key.channel).is_ok();
            state.end_subscriptions(self.id, allowed, ErrorCode::Forbidden);
        });
        Ok(())
    }

    fn send(&self, frame: &ServerFrame) {
        self.shard.with(|state| state.send(self.id, frame));
    }
}

/// Erased messages are left out of history.
fn message_of(entry: Entry) -> Option<hubbub_protocol::Message> {
    match entry {
        Entry::Message(message) => Some(message),
        Entry::Tombstone { .. } => None,
    }
}

impl Failure {
    pub(super) fn new(code: ErrorCode, message: &str) -> Self {
        Self { code, message: message.to_owned(), retry_after_ms: None }
    }
}

impl From<AttachError> for Failure {
    fn from(error: AttachError) -> Self {
        let retry_after_ms = error.code.is_temporary().then_some(1_000);
        Self { code: error.code, message: error.message, retry_after_ms }
    }
}

impl From<Denied> for Failure {
    fn from(denied: Denied) -> Self {
        Self::new(denied.code(), &denied.to_string())
    }
}

impl From<Limited> for Failure {
    fn from(limited: Limited) -> Self {
        let retry_after_ms = Some(limited.retry_after_ms);
        Self { code: ErrorCode::RateLimited, message: limited.to_string(), retry_after_ms }
    }
}

impl From<PublishError> for Failure {
    fn from(error: PublishError) -> Self {
        Self { code: error.code(), message: error.to_string(), retry_after_ms: error.retry_after_ms() }
    }
}

impl From<AuthError> for Failure {
    fn from(error: AuthError) -> Self {
        Self { code: error.code(), message: error.to_string(), retry_after_ms: error.retry_after_ms() }
    }
}

impl From<RoomError> for Failure {
    fn from(error: RoomError) -> Self {
        Self { code: error.code(), message: error.to_string(), retry_after_ms: error.retry_after_ms() }
    }
}

impl From<LogError> for Failure {
    fn from(error: LogError) -> Self {
        tracing::warn!(%error, "a log could not be read");
        let message = "the log can not be read now, try again in 1,000 ms".to_owned();
        Self { code: ErrorCode::Unavailable, message, retry_after_ms: Some(1_000) }
    }
}
