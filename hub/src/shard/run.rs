//! Runs a shard: the loops that empty its mailbox, flush its connections and turn its wheel. Each gives way every slice,
//! so that reads, accepts and pings go on beside a broadcast.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::{spawn_local, yield_now};
use tokio::time::{MissedTickBehavior, interval};

use super::mail::{ConnectionReport, Delivery, Mail, MailboxReader, ShardReport};
use super::state::{Effect, State};
use super::timers::Drain;
use super::wheel::TICK_MS;
use super::wire::Wire;
use super::{ConnectionId, Goodbye};
use crate::clock::Clock;
use crate::deliver::Interest;
use crate::encoded::Format;
use crate::limits::Limits;
use crate::presence::Presence;
use hubbub_protocol::CloseCode;
use hubbub_protocol::channel::{TenantId, UserId};

/// Pieces of mail taken at once. More at a time makes larger blocks, less gives way sooner.
const MAIL_AT_ONCE: usize = 1_024;
/// Connections flushed between two looks at the clock.
const FLUSHES_PER_LOOK: usize = 16;
/// Ticks between two reports to the metrics.
const REPORT_TICKS: u64 = 1_000 / TICK_MS;
/// Drain batches are spread over this part of the window.
const DRAIN_SPREAD: f64 = 0.5;

/// One shard. Lives on its thread, shared by the tasks there.
pub struct Shard {
    index: usize,
    state: RefCell<State>,
    interest: Interest,
    presence: Presence,
    clock: Arc<Clock>,
    slice: Duration,
    flush: Notify,
    started: tokio::time::Instant,
}

impl Shard {
    /// Makes the shard and starts its loops on the current thread's local runtime.
    pub fn start(
        index: usize,
        mailbox: MailboxReader,
        interest: Interest,
        presence: Presence,
        clock: Arc<Clock>,
        limits: Arc<Limits>,
    ) -> Rc<Self> {
        let slice = Duration::from_micros(limits.slice_us);
        let state = RefCell::new(State::new(limits));
        let (flush, started) = (Notify::new(), tokio::time::Instant::now());
        let shard = Rc::new(Self { index, state, interest, presence, clock, slice, flush, started });
        spawn_local(Rc::clone(&shard).empty_mailbox(mailbox));
        spawn_local(Rc::clone(&shard).flush_when_asked());
        spawn_local(Rc::clone(&shard).turn_wheel());
        shard
    }

    /// Which shard of the node this is.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Works on the state; what needs waiting is started afterwards, and what is to be written is flushed soon.
    pub fn with<T>(self: &Rc<Self>, work: impl FnOnce(&mut State) -> T) -> T {
        let (result, effects, dirty) = {
            let mut state = self.state.borrow_mut();
            let result = work(&mut state);
            (result, std::mem::take(&mut state.effects), !state.dirty.is_empty())
        };
        for effect in effects {
            self.start_effect(effect);
        }
        if dirty {
            self.flush.notify_one();
        }
        result
    }

    fn start_effect(self: &Rc<Self>, effect: Effect) {
        let shard = Rc::clone(self);
        match effect {
            Effect::AwaitRoom(id, wire) => drop(spawn_local(async move {
                if let Wire::Pipe(pipe) = &*wire {
                    pipe.writable().await;
                }
                shard.with(|state| state.unblock(id));
            })),
            Effect::Attach(channel, kind) => drop(spawn_local(async move {
                shard.interest.attach(channel, kind, shard.index).await;
            })),
            Effect::Detach(channel) => drop(spawn_local(async move {
                shard.interest.detach(channel, shard.index).await;
            })),
            Effect::Joined(channel, user) => drop(spawn_local(async move { shard.presence.join(channel, user).await })),
            Effect::Left(channel, user) => drop(spawn_local(async move { shard.presence.leave(channel, user).await })),
        }
    }

    /// Drains what waits, fans it out, flushes, and begins again. What comes while it flushes joins what is not written yet:
    /// under load batches grow by themselves, and nobody waits for a whole broadcast to end.
    async fn empty_mailbox(self: Rc<Self>, mut mailbox: MailboxReader) {
        let mut mail = Vec::with_capacity(64);
        while mailbox.take(&mut mail, MAIL_AT_ONCE).await > 0 {
            self.take_in(&mut mail).await;
            while self.flush_slice() {
                yield_now().await;
                if mailbox.take_now(&mut mail, MAIL_AT_ONCE) > 0 {
                    self.take_in(&mut mail).await;
                }
            }
        }
    }

    async fn take_in(self: &Rc<Self>, mail: &mut Vec<Mail>) {
        let mut deliveries = Vec::new();
        for piece in mail.drain(..) {
            match piece {
                Mail::Delivery(delivery) => deliveries.push(delivery),
                other => {
                    // Deliveries before an answer about a channel belong before it.
                    self.deliver(std::mem::take(&mut deliveries)).await;
                    self.handle(other);
                }
            }
        }
        self.deliver(deliveries).await;
    }

    async fn deliver(self: &Rc<Self>, deliveries: Vec<Delivery>) {
        if deliveries.is_empty() {
            return;
        }
        let mut slice = Instant::now();
        for batch in self.with(|state| state.batches(deliveries)) {
            self.with(|state| state.hand_out(batch));
            if slice.elapsed() >= self.slice {
                yield_now().await;
                slice = Instant::now();
            }
        }
    }

    async fn flush_when_asked(self: Rc<Self>) {
        loop {
            self.flush.notified().await;
            while self.flush_slice() {
                yield_now().await;
            }
        }
    }

    /// Flushes for a slice; answers whether there is more.
    fn flush_slice(self: &Rc<Self>) -> bool {
        let slice = Instant::now();
        while self.with(|state| (0..FLUSHES_PER_LOOK).all(|_| state.flush_next())) {
            if slice.elapsed() >= self.slice {
                return true;
            }
        }
        false
    }

    async fn turn_wheel(self: Rc<Self>) {
        let mut ticks = interval(Duration::from_millis(TICK_MS));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            let tick = self.started.elapsed().as_millis() as u64 / TICK_MS;
            let now_ms = self.clock.now_ms();
            self.with(|state| {
                state.turn(tick, now_ms);
                if tick.is_multiple_of(REPORT_TICKS) {
                    state.report_metrics();
                }
            });
            let mut slice = Instant::now();
            while self.with(State::flush_next_gathered) {
                if slice.elapsed() >= self.slice {
                    yield_now().await;
                    slice = Instant::now();
                }
            }
        }
    }

    fn handle(self: &Rc<Self>, mail: Mail) {
        self.with(|state| match mail {
            Mail::Delivery(_) => {}
            Mail::Attached { channel, position } => state.attached(&channel, position),
            // Whoever asked, here and below, may have given up.
            Mail::Close(order, reply) => drop(reply.send(state.close_matching(&order))),
            Mail::ShutOut { channel, user } => state.shut_out(&channel, &user),
            Mail::Readers { namespaces, reply } => drop(reply.send(state.readers(&namespaces))),
            Mail::EndTicket(ticket) => state.end_ticket(ticket),
            Mail::Drain { within_ms } => state.begin_drain(within_ms),
            Mail::Finish => state.close_all(CloseCode::Drain),
            Mail::Relieve { bytes } => state.relieve(bytes),
            Mail::Inspect(reply) => drop(reply.send(state.report())),
            Mail::Connections { tenant, user, limit, reply } => {
                drop(reply.send(state.connection_reports(&tenant, user.as_ref(), limit)));
            }
            Mail::Channels { tenant, after, limit, reply } => {
                drop(reply.send(state.channel_counts(&tenant, after.as_ref(), limit)));
            }
            Mail::Subscribers(channel, reply) => drop(reply.send(state.subscribers(&channel))),
        });
    }
}

/// What the node asks of a shard as a whole.
impl State {
    fn close_matching(&mut self, order: &super::mail::CloseOrder) -> usize {
        let matching = |connection: &super::connection::Connection| {
            let Some(identity) = connection.session.as_ref().map(|session| &session.identity) else { return false };
            connection.is_open()
                && identity.tenant == order.tenant
                && (order.user.is_some() || order.token_id.is_some())
                && order.user.as_ref().is_none_or(|user| identity.user.as_ref() == Some(user))
                && order.token_id.as_deref().is_none_or(|token| identity.token_id.as_deref() == Some(token))
                && order.issued_before.is_none_or(|before| identity.issued_at < before)
        };
        let ids: Vec<ConnectionId> = self.connections.iter().filter(|(_, c)| matching(c)).map(|(id, _)| id).collect();
        for id in &ids {
            self.close(*id, Goodbye::Code(order.code), None);
        }
        ids.len()
    }

    fn begin_drain(&mut self, within_ms: u64) {
        let left: Vec<ConnectionId> = self.connections.iter().map(|(id, _)| id).collect();
        let ticks = ((within_ms as f64 * DRAIN_SPREAD) as u64 / TICK_MS).max(1);
        let per_tick = (left.len() as u64).div_ceil(ticks) as usize;
        // Told early they have the rest of the window for their random wait.
        let within_ms = (within_ms as f64 * (1.0 - DRAIN_SPREAD)) as u64;
        self.draining = Some(Drain { left, per_tick, within_ms });
    }

    fn close_all(&mut self, code: CloseCode) {
        let ids: Vec<ConnectionId> = self.connections.iter().map(|(id, _)| id).collect();
        for id in ids {
            self.close(id, Goodbye::Code(code), None);
        }
    }

    /// The largest outboxes go first until so many bytes are free.
    fn relieve(&mut self, bytes: usize) {
        let waiting =
            |(id, connection): (ConnectionId, &super::connection::Connection)| (connection.outbox.bytes(), id);
        let mut largest: Vec<_> = self.connections.iter().map(waiting).filter(|(waits, _)| *waits > 0).collect();
        largest.sort_unstable_by_key(|(waits, _)| std::cmp::Reverse(*waits));
        let mut freed = 0;
        for (waits, id) in largest {
            if freed >= bytes {
                break;
            }
            freed += waits;
            self.close(id, Goodbye::Code(CloseCode::Overloaded), None);
        }
    }

    fn report(&self) -> ShardReport {
        let mut report =
            ShardReport { sessions: self.sessions, channels: self.channels.len(), ..ShardReport::default() };
        for (_, connection) in self.connections.iter() {
            report.connections += 1;
            report.streams += usize::from(connection.format == Format::Sse);
            report.subscriptions += connection.subscriptions.len();
            report.outbox_bytes += connection.outbox.bytes();
        }
        report
    }

    fn connection_reports(&self, tenant: &TenantId, user: Option<&UserId>, limit: usize) -> Vec<ConnectionReport> {
        let report = |connection: &super::connection::Connection| {
            let session = connection.session.as_ref()?;
            let identity = &session.identity;
            let asked = identity.tenant == *tenant && user.is_none_or(|user| identity.user.as_ref() == Some(user));
            asked.then(|| ConnectionReport {
                session: session.id.to_string(),
                user: identity.user.as_ref().map(ToString::to_string),
                transport: if connection.format == Format::Json { "websocket" } else { "sse" },
                client: session.client.as_deref().map(str::to_owned),
                address: connection.address().to_string(),
                subscriptions: connection.subscriptions.len(),
                outbox_bytes: connection.outbox.bytes(),
            })
        };
        self.connections.iter().filter_map(|(_, connection)| report(connection)).take(limit).collect()
    }

    /// Sums go to the metrics once a second, not once a delivery.
    fn report_metrics(&mut self) {
        let counters = std::mem::take(&mut self.counters);
        metrics::counter!("hubbub_deliveries_total").increment(counters.delivered);
        metrics::counter!("hubbub_dropped_messages_total").increment(counters.dropped);
        metrics::counter!("hubbub_conflated_messages_total").increment(counters.conflated);
    }
}
