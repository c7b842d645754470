//! Opens a session: proves the token, takes up earlier subscriptions, and says how each ended.

use std::rc::Rc;

use hubbub_protocol::frame::{Connect, Connected, Resume, ServerError, ServerFrame, Subscribe, SubscriptionResult};
use hubbub_protocol::{ChannelName, CloseCode, ErrorCode};
use tokio::task::spawn_local;

use super::Services;
use super::attach::{Attaching, CatchUp, attach, catch_up, settle};
use crate::auth::{AuthError, Identity};
use crate::rate::Bucket;
use crate::shard::{ConnectionId, Goodbye, Session, Shard};

/// Opens the session of a connection, or closes it with the reason.
pub(super) async fn connect(shard: Rc<Shard>, services: Rc<Services>, id: ConnectionId, connect: Connect) {
    let identity = match prove(&services, &connect.token).await {
        Ok(identity) => identity,
        Err(error) => return refuse(&shard, id, &error),
    };
    let Some(user) = identity.user.clone() else { return refuse(&shard, id, &AuthError::Tenant) };
    let now_ms = services.clock.now_ms();
    let session = new_session(&services, identity.clone(), connect.client.as_deref());
    let session_id = session.id;
    shard.with(|state| state.open_session(id, session, now_ms));
    let resumed = resume_all(&shard, &services, id, &identity, connect.resume).await;
    // One step without waiting: what follows `connected` on the wire belongs to these subscriptions.
    let mut late = Vec::new();
    shard.with(|state| {
        let mut settled = Vec::with_capacity(resumed.len());
        let mut subscriptions = Vec::with_capacity(resumed.len());
        for (channel, result) in resumed {
            let result = result.map(|attaching| {
                let (attached, next) = settle(state, &attaching);
                settled.push((attaching, next));
                attached
            });
            subscriptions.push(SubscriptionResult { channel, result });
        }
        let connected = Connected {
            session: session_id,
            node: services.node.to_string(),
            user,
            heartbeat_ms: services.limits.heartbeat_ms,
            expires_at: identity.expires_at_ms,
            subscriptions,
        };
        state.send(id, &ServerFrame::Connected(connected));
        for (attaching, next) in settled {
            match next {
                CatchUp::Live(offset) => state.go_live(attaching.name, offset),
                CatchUp::After(offset) => late.push((attaching, offset)),
            }
        }
    });
    if !late.is_empty() {
        // One after the other: a client that resumes much holds one page at a time.
        spawn_local(async move {
            for (attaching, after) in late {
                catch_up(&shard, &services, id, &attaching, after).await;
            }
        });
    }
}

/// A session for somebody who was proven.
pub(super) fn new_session(services: &Rc<Services>, identity: Identity, client: Option<&str>) -> Session {
    let bucket = Bucket::full(services.limits.request_burst, services.clock.now_ms());
    let (id, client) = (services.clock.session_id(), client.map(Into::into));
    Session { id, identity, client, bucket, in_flight: 0, refused: 0, expiry_due: None, warned: false }
}

/// Proves a token that was not revoked.
pub(super) async fn prove(services: &Rc<Services>, token: &str) -> Result<Identity, AuthError> {
    let identity = services.verifier.verify(token).await?;
    if services.revocations.is_revoked(&identity) { Err(AuthError::Revoked) } else { Ok(identity) }
}

fn refuse(shard: &Rc<Shard>, id: ConnectionId, error: &AuthError) {
    let code = match error.code() {
        ErrorCode::TokenExpired => CloseCode::TokenExpired,
        ErrorCode::Revoked => CloseCode::Revoked,
        ErrorCode::Unavailable => CloseCode::Overloaded,
        _ => CloseCode::Unauthorized,
    };
    let frame = ServerFrame::Error(ServerError {
        id: None,
        code: error.code(),
        message: error.to_string(),
        retry_after_ms: error.retry_after_ms(),
    });
    shard.with(|state| state.close(id, Goodbye::Code(code), Some(&frame)));
}

type Resumed = (ChannelName, Result<Attaching, ErrorCode>);

/// Starts all attaches before it waits for the first: the lanes register them together.
async fn resume_all(
    shard: &Rc<Shard>,
    services: &Rc<Services>,
    id: ConnectionId,
    identity: &Identity,
    resume: Vec<Resume>,
) -> Vec<Resumed> {
    let begun: Vec<_> = resume
        .into_iter()
        .map(|resume| {
            let Resume { channel, since, presence, conflate } = resume;
            let wish = Subscribe { channel: channel.clone(), since, rewind: None, presence, conflate };
            (channel, attach(shard, services, id, identity, &wish, 0))
        })
        .collect();
    let mut resumed = Vec::with_capacity(begun.len());
    for (channel, begun) in begun {
        let result = match begun {
            Ok(attaching) => attaching.await.map_err(|error| error.code),
            Err(error) => Err(error.code),
        };
        resumed.push((channel, result));
    }
    resumed
}
