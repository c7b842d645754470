//! Opens an SSE stream: a session that only reads. It joins the walk where a subscribe does.

use std::rc::Rc;

use hubbub_protocol::channel::ChannelKey;
use hubbub_protocol::frame::Subscribe;
use hubbub_protocol::outcome::Attached;
use hubbub_protocol::{ChannelName, Position, sse};
use tokio::task::spawn_local;

use super::Services;
use super::attach::{AttachError, Attaching, CatchUp, attach, catch_up, settle};
use super::connect::new_session;
use crate::auth::Identity;
use crate::auth::ticket::TicketId;
use crate::shard::mail::Mail;
use crate::shard::{ConnectionId, Shard, flags};

/// Browsers wait so long before they reconnect, in milliseconds; spread by the id of the stream.
const RETRY_MS: std::ops::Range<u64> = 500..3_000;

/// What an SSE request asked for, checked.
#[derive(Debug)]
pub struct StreamRequest {
    /// Who reads.
    pub identity: Identity,
    /// The channels of the URL, in its order.
    pub channels: Vec<ChannelName>,
    /// Where each continues; empty for a fresh stream.
    pub since: Vec<Option<Position>>,
    /// Begin with so many messages of each channel.
    pub rewind: Option<u32>,
    /// Flushes are at least so far apart, in milliseconds; 0 sends at once.
    pub interval_ms: u64,
    /// The id of the ticket that opened it.
    pub ticket: Option<TicketId>,
}

/// Makes a connection a stream; answers when its first event waits in the outbox, or with why it can not be. Then the
/// connection is gone.
pub async fn open_stream(
    shard: &Rc<Shard>,
    services: &Rc<Services>,
    id: ConnectionId,
    request: StreamRequest,
) -> Result<(), AttachError> {
    let StreamRequest { identity, channels, since, rewind, interval_ms, ticket } = request;
    let now_ms = services.clock.now_ms();
    let session = new_session(services, identity.clone(), None);
    shard.with(|state| state.open_session(id, session, now_ms));
    let wishes = channels.iter().enumerate().map(|(index, channel)| {
        let since = since.get(index).copied().flatten();
        wish(services, channel, since, rewind)
    });
    match attach_all(shard, services, id, &identity, wishes, interval_ms).await {
        Ok(attached) => {
            begin(shard, services, id, attached, interval_ms, ticket).await;
            Ok(())
        }
        Err(error) => {
            shard.with(|state| state.remove(id));
            Err(error)
        }
    }
}

/// A namespace that keeps the last value begins with it.
fn wish(services: &Rc<Services>, channel: &ChannelName, since: Option<Position>, rewind: Option<u32>) -> Subscribe {
    let last_value = services.policy.namespaces().of(channel).is_some_and(|namespace| namespace.last_value);
    let rewind = if since.is_some() { None } else { rewind.or(last_value.then_some(1)) };
    Subscribe { channel: channel.clone(), since, rewind, presence: false, conflate: false }
}

async fn attach_all(
    shard: &Rc<Shard>,
    services: &Rc<Services>,
    id: ConnectionId,
    identity: &Identity,
    wishes: impl Iterator<Item = Subscribe>,
    interval_ms: u64,
) -> Result<Vec<Attaching>, AttachError> {
    let conflates = if interval_ms > 0 { flags::CONFLATE } else { 0 };
    let begun: Vec<_> = wishes
        .map(|wish| attach(shard, services, id, identity, &wish, flags::STREAM | conflates))
        .collect::<Result<_, _>>()?;
    let mut attached = Vec::with_capacity(begun.len());
    for begun in begun {
        attached.push(begun.await?);
    }
    Ok(attached)
}

/// Sends the first event and lets the channels follow.
async fn begin(
    shard: &Rc<Shard>,
    services: &Rc<Services>,
    id: ConnectionId,
    attached: Vec<Attaching>,
    interval_ms: u64,
    ticket: Option<TicketId>,
) {
    let keys: Vec<ChannelKey> = attached.iter().map(|attaching| attaching.channel.clone()).collect();
    let late = shard.with(|state| {
        if !state.lives(id) {
            // Whoever asked has gone: an older stream of the ticket may still have its reader.
            return None;
        }
        state.open_stream(id, &keys, interval_ms, ticket);
        let settled: Vec<(Attached, CatchUp)> = attached.iter().map(|attaching| settle(state, attaching)).collect();
        let starts: Vec<Option<Position>> =
            settled.iter().map(|(attached, _)| Some(Position::new(attached.epoch()?, attached.start()))).collect();
        state.stream_positions(id, &starts);
        // A token near its end may have been warned of already.
        state.send_first(id, first_event(id, &keys, &settled, &starts).into());
        let mut late = Vec::new();
        for (attaching, (_, next)) in attached.into_iter().zip(settled) {
            match next {
                CatchUp::Live(offset) => state.go_live(attaching.name, offset),
                CatchUp::After(offset) => late.push((attaching, offset)),
            }
        }
        Some(late)
    });
    let Some(late) = late else { return };
    if let Some(ticket) = ticket {
        for (index, mailbox) in services.shards.iter().enumerate().filter(|(index, _)| *index != shard.index()) {
            tracing::trace!(index, "ending older streams of the ticket");
            mailbox.send(Mail::EndTicket(ticket)).await;
        }
    }
    let (shard, services) = (Rc::clone(shard), Rc::clone(services));
    spawn_local(async move {
        for (attaching, after) in late {
            catch_up(&shard, &services, id, &attaching, after).await;
        }
    });
}

fn first_event(
    id: ConnectionId,
    keys: &[ChannelKey],
    settled: &[(Attached, CatchUp)],
    starts: &[Option<Position>],
) -> Vec<u8> {
    let mut event = Vec::with_capacity(256);
    let spread = RETRY_MS.end - RETRY_MS.start;
    sse::retry_into(RETRY_MS.start + id.spread() % spread, &mut event);
    sse::id_line_into(starts, &mut event);
    let channels: Vec<_> =
        keys.iter().zip(settled).map(|(key, (attached, _))| (key.channel.clone(), *attached)).collect();
    sse::encode_open_into(&channels, &mut event);
    event
}
