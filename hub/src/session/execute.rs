//! Executes what [`decide`](super::decide) decided, one frame after the other.

use std::pin::Pin;
use std::rc::Rc;

use hubbub_protocol::frame::{RequestId, ServerError, ServerFrame};
use hubbub_protocol::{CloseCode, ErrorCode, json};
use tokio::task::spawn_local;

use super::decide::{Decision, Phase, Request, decide};
use super::{Services, connect, requests};
use crate::shard::{ConnectionId, Goodbye, Shard};

/// A client that was refused so much more often than it was allowed does not listen.
const REFUSALS: u32 = 500;

/// What has to end before the next frame of the connection is read.
pub type Wait = Pin<Box<dyn Future<Output = ()>>>;

/// Something came from the peer, whatever it was.
pub fn hear(shard: &Rc<Shard>, id: ConnectionId) {
    shard.with(|state| state.heard(id));
}

/// A text frame came. What it asks for is under way when this returns; `Some` has to end before the next frame is read.
pub fn receive(shard: &Rc<Shard>, services: &Rc<Services>, id: ConnectionId, text: &str) -> Option<Wait> {
    let phase = shard.with(|state| if state.session(id).is_some() { Phase::Open } else { Phase::Fresh });
    match decide(phase, json::decode(text)) {
        Decision::Connect(connect) => {
            Some(Box::pin(connect::connect(Rc::clone(shard), Rc::clone(services), id, connect)))
        }
        Decision::Nothing => None,
        Decision::Close(error, code) => {
            let goodbye = Goodbye::Code(code);
            shard.with(|state| state.close(id, goodbye, Some(&ServerFrame::Error(error))));
            None
        }
        Decision::Refuse(error) => {
            if within_rate(shard, services, id, error.id) {
                shard.with(|state| state.send(id, &ServerFrame::Error(error)));
            }
            None
        }
        Decision::Do(request_id, request) => {
            if within_rate(shard, services, id, Some(request_id)) {
                start(shard, services, id, request_id, request)
            } else {
                None
            }
        }
    }
}

/// Takes a token from the connection's bucket; without one the request is refused, and at last the connection.
fn within_rate(shard: &Rc<Shard>, services: &Rc<Services>, id: ConnectionId, request: Option<RequestId>) -> bool {
    let (limits, now_ms) = (&services.limits, services.clock.now_ms());
    shard.with(|state| {
        let Some(session) = state.session(id) else { return false };
        match session.bucket.take(limits.requests_per_second, limits.request_burst, now_ms) {
            Ok(()) => {
                session.refused = session.refused.saturating_sub(1);
                true
            }
            Err(retry_after_ms) => {
                session.refused += 1;
                let ignores = session.refused > REFUSALS;
                metrics::counter!("hubbub_rate_limited_total").increment(1);
                let message = format!("too many requests, wait {retry_after_ms} ms");
                let (code, retry_after_ms) = (ErrorCode::RateLimited, Some(retry_after_ms));
                let frame = ServerFrame::Error(ServerError { id: request, code, message, retry_after_ms });
                if ignores {
                    state.close(id, Goodbye::Code(CloseCode::RateLimited), Some(&frame));
                } else {
                    state.send(id, &frame);
                }
                false
            }
        }
    })
}

/// Starts a request in a task of its own. Tasks begin in the order in which they were started, so what publishes first is
/// appended first.
fn start(
    shard: &Rc<Shard>,
    services: &Rc<Services>,
    id: ConnectionId,
    request_id: RequestId,
    request: Request,
) -> Option<Wait> {
    let most = services.limits.requests_in_flight as u32;
    let full = shard.with(|state| {
        let Some(session) = state.session(id) else { return false };
        session.in_flight += 1;
        session.in_flight >= most
    });
    let (task_shard, services) = (Rc::clone(shard), Rc::clone(services));
    spawn_local(async move {
        requests::run(&task_shard, &services, id, request_id, request).await;
        task_shard.with(|state| state.request_ended(id));
    });
    if !full {
        return None;
    }
    let shard = Rc::clone(shard);
    Some(Box::pin(async move {
        while let Some(room) = shard.with(|state| state.room_notice(id, most)) {
            room.notified().await;
        }
    }))
}
