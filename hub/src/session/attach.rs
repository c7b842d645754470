//! How a subscription attaches to a channel: register, find out what the old position is worth, then read the log page by
//! page at the reader's pace until live messages follow without a hole.

use std::rc::Rc;
use std::time::Duration;

use hubbub_persistence::{Entry, Head, Page, ReadFrom};
use hubbub_protocol::channel::ChannelKey;
use hubbub_protocol::frame::{ServerFrame, Subscribe};
use hubbub_protocol::outcome::Attached;
use hubbub_protocol::{ErrorCode, GapReason, Outcome, Position, Range, UserId};
use tokio::time::sleep;

use super::Services;
use crate::auth::Identity;
use crate::auth::policy::Denied;
use crate::deliver::channel::gap_frame;
use crate::deliver::hot::Stretch;
use crate::encoded::Encoded;
use crate::logs::Resumption;
use crate::namespace::{LogKind, Namespace, Overflow};
use crate::shard::mail::Delivery;
use crate::shard::{ConnectionId, GateState, Shard, SlotRules, State, SubscriptionId, flags};

/// Pause before a log that did not answer is asked again.
const RETRY: Duration = Duration::from_secs(1);

/// Why there is no subscription.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct AttachError {
    /// For programs.
    pub code: ErrorCode,
    /// For people.
    pub message: String,
}

impl From<Denied> for AttachError {
    fn from(denied: Denied) -> Self {
        Self { code: denied.code(), message: denied.to_string() }
    }
}

/// A subscription that is registered, and what is known about its beginning.
#[derive(Debug)]
pub(super) struct Attaching {
    pub(super) channel: ChannelKey,
    pub(super) name: SubscriptionId,
    kind: LogKind,
    begin: Begin,
}

/// Where a subscription begins.
#[derive(Debug)]
enum Begin {
    /// With what comes now.
    Now,
    /// Everything up to this position is known.
    At(Position),
    /// Where the log says.
    Resume(Resumption),
    /// So many messages before the head.
    Rewind(Resumption),
}

/// What follows the answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum CatchUp {
    /// Live messages after this position; `None` on a channel without a log.
    Live(Option<Position>),
    /// The log after this position, then live messages.
    After(Position),
}

/// Checks the right, registers the subscriber, and answers with a future that waits for the broker and asks the log. A
/// failure on the way takes the subscriber back.
pub(super) fn attach(
    shard: &Rc<Shard>,
    services: &Rc<Services>,
    id: ConnectionId,
    identity: &Identity,
    wish: &Subscribe,
    extra_flags: u8,
) -> Result<impl Future<Output = Result<Attaching, AttachError>> + use<>, AttachError> {
    let permit = services.policy.subscribe(identity, &wish.channel)?;
    let (channel, namespace, user) = (permit.channel().clone(), permit.namespace(), identity.user.clone());
    let rooms = namespace.rooms;
    let kind = namespace.log;
    let Namespace { overflow, presence, flush_ms, .. } = **namespace;
    let rules = SlotRules { kind, overflow, presence, flush_ms };
    let mut wanted = extra_flags;
    if wish.presence {
        services.policy.presence(identity, &wish.channel)?;
        wanted |= flags::PRESENCE;
    }
    if wish.conflate {
        wanted |= flags::CONFLATE;
    }
    if wish.conflate && namespace.overflow != Overflow::Conflate {
        let message = "this namespace does not conflate; its operator can set overflow = \"conflate\"".to_owned();
        return Err(AttachError { code: ErrorCode::NotSupported, message });
    }
    let most = services.limits.subscriptions_per_connection;
    let (name, opened) = shard.with(|state| {
        if state.subscriptions(id) >= most {
            return Err(AttachError {
                code: ErrorCode::LimitReached,
                message: format!("a connection subscribes to at most {most} channels"),
            });
        }
        state.subscribe(id, &channel, rules, wanted).map_err(refused)
    })?;
    let (shard, services, since, rewind) = (Rc::clone(shard), services.clone(), wish.since, wish.rewind);
    Ok(async move {
        let opened = opened.await.unwrap_or_else(|_| Err("the connection closed".to_owned()));
        // Asked behind the registration: whoever is shut out from here on is taken off.
        if rooms && opened.is_ok() {
            let admitted = admitted(&services, user.as_ref(), &channel).await;
            admitted.inspect_err(|_| shard.with(|state| state.give_up(name)))?;
        }
        let begin = match opened {
            Ok(()) => find_begin(&shard, &services, kind, &channel, since, rewind).await,
            Err(why) => Err(why),
        };
        match begin {
            Ok(begin) => Ok(Attaching { channel, name, kind, begin }),
            Err(why) => {
                tracing::warn!(%channel, why, "could not attach");
                shard.with(|state| state.give_up(name));
                let message = "the channel can not be attached now, try again in 1,000 ms".to_owned();
                Err(AttachError { code: ErrorCode::Unavailable, message })
            }
        }
    })
}

/// Whether a user may look into a room now.
async fn admitted(services: &Services, user: Option<&UserId>, channel: &ChannelKey) -> Result<(), AttachError> {
    match services.rooms.seen(user, channel).await {
        Ok(true) => Ok(()),
        Ok(false) => {
            let message = "there is no such room, or it is not for you to see".to_owned();
            Err(AttachError { code: ErrorCode::NotFound, message })
        }
        Err(error) => Err(AttachError { code: error.code(), message: error.to_string() }),
    }
}

fn refused(code: ErrorCode) -> AttachError {
    let message = match code {
        ErrorCode::AlreadySubscribed => "this connection subscribes to the channel already",
        ErrorCode::LimitReached => "the tenant has as many channels as it may",
        _ => "the connection is closing",
    };
    AttachError { code, message: message.to_owned() }
}

async fn find_begin(
    shard: &Rc<Shard>,
    services: &Rc<Services>,
    kind: LogKind,
    channel: &ChannelKey,
    since: Option<Position>,
    rewind: Option<u32>,
) -> Result<Begin, String> {
    let here = shard.with(|state| state.channel_position(channel));
    match (since, rewind) {
        _ if kind == LogKind::None => Ok(Begin::Now),
        (None, None) => Ok(Begin::Now),
        (Some(since), _) if here == Some(since) => Ok(Begin::At(since)),
        (Some(since), _) => {
            if let Some(head) = services.hot.proves(channel, since) {
                let head = Head { position: head, low: 0 };
                return Ok(Begin::Resume(Resumption { head, after: since.offset, lost: None }));
            }
            let resumption = services.logs.resume(kind, channel, since).await.map_err(|error| error.to_string())?;
            Ok(Begin::Resume(resumption))
        }
        (None, Some(count)) => {
            if let Some(head) = services.hot.has_last(channel, count) {
                let after = head.offset.saturating_sub(u64::from(count));
                return Ok(Begin::Rewind(Resumption { head: Head { position: head, low: 0 }, after, lost: None }));
            }
            let head = services.logs.head(kind, channel).await.map_err(|error| error.to_string())?;
            let after = head.position.offset.saturating_sub(u64::from(count)).max(head.low);
            Ok(Begin::Rewind(Resumption { head, after, lost: None }))
        }
    }
}

/// The outcome, and what follows it. Called in the step that sends the answer.
pub(super) fn settle(state: &mut State, attaching: &Attaching) -> (Attached, CatchUp) {
    let (attached, next) = settled(state, attaching);
    state.answered(attaching.name);
    let outcome = match attached.outcome {
        Outcome::Fresh { .. } => "fresh",
        Outcome::Continued { .. } => "continued",
        Outcome::Gap { .. } => "gap",
    };
    metrics::counter!("hubbub_attaches_total", "outcome" => outcome).increment(1);
    (attached, next)
}

fn settled(state: &mut State, attaching: &Attaching) -> (Attached, CatchUp) {
    let here = state.channel_position(&attaching.channel);
    let live_or_after = |after: Position| {
        if here == Some(after) { CatchUp::Live(here) } else { CatchUp::After(after) }
    };
    match &attaching.begin {
        Begin::Now => (Attached::fresh(here), CatchUp::Live(here)),
        Begin::At(since) => {
            // A new epoch that began since the question is told by a gap behind this answer, not by the answer.
            let head = here.filter(|here| here.epoch == since.epoch).unwrap_or(*since);
            let replay = Range { from: since.offset + 1, to: head.offset.max(since.offset) };
            (Attached { outcome: Outcome::Continued { replay }, head: Some(head) }, live_or_after(*since))
        }
        Begin::Resume(Resumption { head, after, lost }) => {
            let outcome = match lost {
                Some((lost, reason)) => Outcome::Gap { lost: *lost, reason: *reason },
                None => Outcome::Continued { replay: Range { from: after + 1, to: head.position.offset } },
            };
            (Attached { outcome, head: Some(head.position) }, live_or_after(Position::new(head.position.epoch, *after)))
        }
        Begin::Rewind(Resumption { head, after, .. }) => {
            let replay = (head.position.offset > *after).then_some(Range { from: after + 1, to: head.position.offset });
            (
                Attached { outcome: Outcome::Fresh { replay }, head: Some(head.position) },
                live_or_after(Position::new(head.position.epoch, *after)),
            )
        }
    }
}

/// Reads the log after a position, page by page at the pace at which the outbox drains, then lets live messages follow.
/// Subscriptions of one connection that catch up at the same time take turns.
pub(super) async fn catch_up(
    shard: &Rc<Shard>,
    services: &Rc<Services>,
    id: ConnectionId,
    attaching: &Attaching,
    after: Position,
) {
    let Attaching { channel, name, kind, .. } = attaching;
    let (limit, bytes) = (services.limits.page_messages, services.limits.page_bytes.min(services.limits.piece_bytes()));
    let mut reader = Reader { channel, name: *name, at: after, overflows: 0 };
    loop {
        let Some(turn) = shard.with(|state| state.page_turn(id)) else { return };
        // The semaphore is never closed.
        let Ok(turn) = turn.acquire().await else { return };
        while let Some(drained) = shard.with(|state| state.drain_notice(id)) {
            drained.notified().await;
        }
        // Open before the page is read: if it is the last one, nothing falls between it and the live messages.
        if shard.with(|state| state.open_gate(*name)) == GateState::Gone {
            return;
        }
        if let Some(stretch) = services.hot.after(channel, reader.at, limit, bytes) {
            match shard.with(|state| reader.take_hot(state, &stretch)) {
                Progress::Done => return,
                Progress::More => continue,
            }
        }
        let read = match services.logs.read(*kind, channel, ReadFrom::After(reader.at.offset), limit, bytes).await {
            // The log began a new epoch meanwhile: what the old position is worth has to be asked again.
            Ok(page) if page.head.position.epoch != reader.at.epoch => {
                let resumption = services.logs.resume(*kind, channel, reader.at).await;
                resumption.map(|resumption| shard.with(|state| reader.moved(state, &resumption)))
            }
            Ok(page) => Ok(shard.with(|state| reader.take(state, &page))),
            Err(error) => Err(error),
        };
        match read {
            Ok(Progress::Done) => return,
            Ok(Progress::More) => {}
            Err(error) => {
                tracing::warn!(%channel, %error, "could not read on while catching up, trying again");
                shard.with(|state| state.close_gate(*name));
                drop(turn);
                sleep(RETRY).await;
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Progress {
    More,
    Done,
}

/// Walks the pages of a catch-up.
struct Reader<'a> {
    channel: &'a ChannelKey,
    name: SubscriptionId,
    /// Everything up to here was written, or given up.
    at: Position,
    overflows: u32,
}

impl Reader<'_> {
    /// Writes a page out; at the head it opens the way for live messages. One step without waiting.
    fn take(&mut self, state: &mut State, page: &Page) -> Progress {
        let head = page.head;
        self.give_up(state, head.low, GapReason::Expired);
        for entry in &page.entries {
            let offset = entry.offset();
            if offset <= self.at.offset {
                continue;
            }
            self.give_up(state, offset - 1, GapReason::Lost);
            match entry {
                Entry::Tombstone { .. } => self.give_up(state, offset, GapReason::Expired),
                Entry::Message(message) => {
                    self.at.offset = offset;
                    let delivery = self.delivery(ServerFrame::Message(message.clone()));
                    let delivery =
                        Delivery { conflate_key: message.conflate_key.clone(), cost: message.cost(), ..delivery };
                    state.replay(self.name, &delivery);
                }
            }
        }
        if page.more {
            return if state.close_gate(self.name) == GateState::Gone { Progress::Done } else { Progress::More };
        }
        self.give_up(state, head.position.offset, GapReason::Lost);
        self.arrive(state)
    }

    /// The same with what has just been delivered to others.
    fn take_hot(&mut self, state: &mut State, stretch: &Stretch) -> Progress {
        for delivery in &stretch.deliveries {
            self.at = delivery.position.unwrap_or(self.at);
            state.replay(self.name, delivery);
        }
        if stretch.more {
            return if state.close_gate(self.name) == GateState::Gone { Progress::Done } else { Progress::More };
        }
        self.arrive(state)
    }

    /// The page reached the head.
    fn arrive(&mut self, state: &mut State) -> Progress {
        match state.gate_state(self.name) {
            GateState::Gone => return Progress::Done,
            GateState::Complete => {}
            GateState::Overflowed if self.overflows == 0 => {
                self.overflows += 1;
                return Progress::More;
            }
            GateState::Overflowed => {
                let here = state.channel_position(self.channel).filter(|here| here.epoch == self.at.epoch);
                self.give_up(state, here.map_or(0, |here| here.offset), GapReason::Overflow);
            }
        }
        state.go_live(self.name, Some(self.at));
        Progress::Done
    }

    /// The log began a new epoch: says what is lost with the old one, and goes on in the new.
    fn moved(&mut self, state: &mut State, resumption: &Resumption) -> Progress {
        self.at = Position::new(resumption.head.position.epoch, resumption.after);
        if let Some((lost, reason)) = resumption.lost {
            let delivery = self.delivery(gap_frame(self.channel.channel.clone(), self.at, lost, reason));
            state.replay(self.name, &delivery);
        }
        Progress::More
    }

    /// Nothing up to `to` will come any more.
    fn give_up(&mut self, state: &mut State, to: u64, reason: GapReason) {
        if to <= self.at.offset {
            return;
        }
        let lost = Range { from: self.at.offset + 1, to };
        if reason == GapReason::Lost {
            metrics::counter!("hubbub_lost_messages_total").increment(lost.to - lost.from + 1);
            tracing::error!(channel = %self.channel, from = lost.from, to, "the log does not hold what it should");
        }
        self.at.offset = to;
        let delivery = self.delivery(gap_frame(self.channel.channel.clone(), self.at, lost, reason));
        state.replay(self.name, &delivery);
    }

    /// A frame after which the subscription stands where the reader does.
    fn delivery(&self, frame: ServerFrame) -> Delivery {
        let (channel, position, encoded) = (self.channel.clone(), Some(self.at), Encoded::new(frame));
        Delivery { channel, position, presence: false, conflate_key: None, encoded, cost: 256 }
    }
}
