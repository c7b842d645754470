//! What a shard owns, and the bookkeeping that keeps its two sides in step: connections and the channels they want.
//!
//! Everything here is synchronous. What needs waiting leaves as an [`Effect`] and is run after the state is let go.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use hubbub_protocol::channel::{ChannelKey, ChannelName, TenantId, UserId};
use hubbub_protocol::frame::ServerFrame;
use hubbub_protocol::{CloseCode, ErrorCode, Position};
use mio::net::TcpStream;
use tokio::sync::{Notify, oneshot};

use super::channels::{CATCHING, Channels, FOLLOW, Opened, Slot, SlotRules, Subscriber, counts};
use super::connection::{
    Connection, ConnectionId, Connections, Gate, Goodbye, Session, Stream, Subscription, SubscriptionId,
};
use super::timers::Timer;
use super::wheel::Wheel;
use super::wire::Wire;
use crate::admission::Admission;
use crate::auth::ticket::TicketId;
use crate::encoded::{Format, encode};
use crate::limits::Limits;
use crate::namespace::LogKind;
use crate::outbox::Bounds;

/// Something to do that needs waiting.
#[derive(Debug)]
pub(super) enum Effect {
    /// Flush the connection when its pipe has room.
    AwaitRoom(ConnectionId, Rc<Wire>),
    /// Register the shard's interest.
    Attach(ChannelKey, LogKind),
    /// End it.
    Detach(ChannelKey),
    /// A user came into a channel.
    Joined(ChannelKey, UserId),
    /// A user went out of one.
    Left(ChannelKey, UserId),
}

/// Sums since they were last handed to the metrics.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) delivered: u64,
    pub(super) dropped: u64,
    pub(super) conflated: u64,
}

/// What a shard owns.
#[derive(Debug)]
pub struct State {
    pub(super) connections: Connections,
    pub(super) channels: Channels,
    pub(super) wheel: Wheel<Timer>,
    /// Connections with something to write.
    pub(super) dirty: VecDeque<ConnectionId>,
    /// Channels whose gathered deliveries are due.
    pub(super) flushes: VecDeque<u32>,
    pub(super) effects: Vec<Effect>,
    pub(super) limits: Arc<Limits>,
    pub(super) counters: Counters,
    pub(super) sessions: usize,
    /// Numbers the subscriptions.
    serials: u32,
    pub(super) draining: Option<super::timers::Drain>,
    /// The streams that tickets opened.
    tickets: HashMap<TicketId, ConnectionId>,
    ping: Rc<[u8]>,
}

impl State {
    pub(super) fn new(limits: Arc<Limits>) -> Self {
        Self {
            connections: Connections::default(),
            channels: Channels::default(),
            wheel: Wheel::new(),
            dirty: VecDeque::new(),
            flushes: VecDeque::new(),
            effects: Vec::new(),
            limits,
            counters: Counters::default(),
            sessions: 0,
            serials: 0,
            draining: None,
            tickets: HashMap::new(),
            ping: encode(&ServerFrame::Ping, Format::Json).into(),
        }
    }

    /// The bounds of an outbox.
    pub(super) fn bounds(&self) -> Bounds {
        Bounds { bytes: self.limits.outbox_bytes, chunks: self.limits.outbox_frames }
    }

    /// Takes a new connection over. One that has to open a session has a time for it.
    pub fn adopt(&mut self, wire: Wire, format: Format, admission: Admission, needs_session: bool) -> ConnectionId {
        let id = self.connections.insert(wire, format, admission, self.wheel.tick());
        if needs_session {
            self.wheel.arm(self.limits.connect_timeout_ms, Timer::Connect(id));
        }
        id
    }

    /// The socket of a connection that was [`Wire::Coming`] is here. `head` leaves before all that waits.
    pub fn arrive(&mut self, id: ConnectionId, socket: TcpStream, head: &[u8]) -> Option<Rc<Wire>> {
        let connection = self.connections.get(id)?;
        connection.outbox.push_first(head.into());
        connection.wire = Rc::new(Wire::Socket(socket));
        let wire = Rc::clone(&connection.wire);
        connection.blocked = false;
        self.flush_at(id.index);
        Some(wire)
    }

    /// The connection got its session.
    pub fn open_session(&mut self, id: ConnectionId, session: Session, now_ms: u64) {
        let Some(connection) = self.connections.get(id) else { return };
        self.sessions += usize::from(connection.session.is_none());
        connection.session = Some(Box::new(session));
        let heartbeat =
            if connection.format == Format::Json { self.limits.heartbeat_ms } else { self.limits.sse_heartbeat_ms };
        self.wheel.arm(heartbeat, Timer::Heartbeat(id));
        self.watch_expiry(id, now_ms);
    }

    /// Whether what the peer says still counts.
    pub fn hears(&mut self, id: ConnectionId) -> bool {
        self.connections.get(id).is_some_and(|connection| connection.is_open())
    }

    /// Whether the connection still has its place.
    pub fn lives(&mut self, id: ConnectionId) -> bool {
        self.connections.get(id).is_some()
    }

    /// The session of a connection that is open.
    pub fn session(&mut self, id: ConnectionId) -> Option<&mut Session> {
        self.connections.get(id).filter(|connection| connection.is_open())?.session.as_deref_mut()
    }

    /// A request of the connection has been answered.
    pub fn request_ended(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get(id) else { return };
        if let Some(session) = connection.session.as_mut() {
            session.in_flight = session.in_flight.saturating_sub(1);
        }
        if let Some(room) = connection.extra.as_mut().and_then(|extra| extra.room.take()) {
            room.notify_waiters();
        }
    }

    /// What wakes when a request ends, while `most` or more are under way.
    pub fn room_notice(&mut self, id: ConnectionId, most: u32) -> Option<Rc<Notify>> {
        let connection = self.connections.get(id).filter(|connection| connection.is_open())?;
        connection.session.as_ref().filter(|session| session.in_flight >= most)?;
        Some(Rc::clone(connection.extra().room.get_or_insert_default()))
    }

    /// Makes a connection an SSE stream over channels, in the order of its URL, that flushes at most once in `interval_ms`.
    /// Of streams with one ticket the newest lives.
    pub fn open_stream(
        &mut self,
        id: ConnectionId,
        channels: &[ChannelKey],
        interval_ms: u64,
        ticket: Option<TicketId>,
    ) {
        let channels = channels.iter().map(|channel| (self.channels.find(channel).unwrap_or(u32::MAX), None)).collect();
        let rotation_ms = self.limits.sse_rotation_ms;
        // Ten percent up or down: streams that began together do not end together.
        let jitter_ms = id.spread() % (rotation_ms / 5).max(1);
        self.wheel.arm(rotation_ms - rotation_ms / 10 + jitter_ms, Timer::Rotate(id));
        if let Some(connection) = self.connections.get(id) {
            connection.extra().stream = Some(Stream { channels, interval_ms, flushed: 0, armed: false });
        }
        if let Some(ticket) = ticket {
            self.end_ticket(ticket);
            self.tickets.retain(|_, id| self.connections.get(*id).is_some());
            self.tickets.insert(ticket, id);
        }
    }

    /// Where the bytes of a connection go.
    pub fn wire(&mut self, id: ConnectionId) -> Option<Rc<Wire>> {
        self.connections.get(id).map(|connection| Rc::clone(&connection.wire))
    }

    /// Ends the stream that a ticket opened here.
    pub fn end_ticket(&mut self, ticket: TicketId) {
        if let Some(id) = self.tickets.remove(&ticket) {
            self.close(id, Goodbye::Code(CloseCode::Reconnect), None);
        }
    }

    /// The stream has seen everything up to here, or begins there.
    pub fn stream_positions(&mut self, id: ConnectionId, positions: &[Option<Position>]) {
        let Some(stream) = self.connections.get(id).and_then(|connection| connection.stream()) else { return };
        for ((_, sent), position) in stream.channels.iter_mut().zip(positions) {
            *sent = *position;
        }
    }

    /// Something was heard from the peer.
    pub fn heard(&mut self, id: ConnectionId) {
        let tick = self.wheel.tick();
        if let Some(connection) = self.connections.get(id) {
            connection.active = tick;
        }
    }

    /// Sends a frame to one connection.
    pub fn send(&mut self, id: ConnectionId, frame: &ServerFrame) {
        let Some(format) = self.connections.get(id).map(|connection| connection.format) else { return };
        self.send_bytes(id, &encode(frame, format).into());
    }

    /// Sends finished bytes to one connection. One that does not take them is too slow.
    pub fn send_bytes(&mut self, id: ConnectionId, bytes: &Rc<[u8]>) {
        if !self.push(id, bytes, false) {
            self.close(id, Goodbye::Code(CloseCode::SlowConsumer), None);
        }
    }

    /// Sends finished bytes before all that waits for the socket of a connection that is [`Wire::Coming`].
    pub fn send_first(&mut self, id: ConnectionId, bytes: Rc<[u8]>) {
        if let Some(connection) = self.connections.get(id).filter(|connection| connection.is_open()) {
            connection.outbox.push_first(bytes);
        }
    }

    pub(super) fn send_ping(&mut self, id: ConnectionId) {
        let ping = Rc::clone(&self.ping);
        self.send_bytes(id, &ping);
    }

    /// Whether the connection subscribes to the channel.
    pub fn is_subscribed(&mut self, id: ConnectionId, channel: &ChannelKey) -> bool {
        let Some(slot) = self.channels.find(channel) else { return false };
        self.connections.get(id).is_some_and(|connection| connection.subscription(slot).is_some())
    }

    /// Adds a subscriber in the state of catching up: it gets nothing until [`State::go_live`]. The receiver answers when the
    /// channel is open on this shard.
    pub fn subscribe(
        &mut self,
        id: ConnectionId,
        channel: &ChannelKey,
        rules: SlotRules,
        flags: u8,
    ) -> Result<(SubscriptionId, oneshot::Receiver<Result<(), String>>), ErrorCode> {
        let known = self.channels.find(channel);
        if let (Some(slot), LogKind::None) = (known, rules.kind) {
            // Without a log nothing but this keeps what came before from a newcomer.
            self.flush_gathered(slot);
        }
        let Some(connection) = self.connections.get(id).filter(|connection| connection.is_open()) else {
            return Err(ErrorCode::Unavailable);
        };
        if let Some(slot) = known.filter(|slot| connection.subscription(*slot).is_some()) {
            if flags & FOLLOW != 0 || !self.only_follows(id, slot) {
                return Err(ErrorCode::AlreadySubscribed);
            }
            self.take_off(id, channel);
        }
        let slot = match known {
            Some(slot) => slot,
            None if self.channels.of_tenant(&channel.tenant) >= self.limits.channels_per_tenant => {
                return Err(ErrorCode::LimitReached);
            }
            None => {
                self.effects.push(Effect::Attach(channel.clone(), rules.kind));
                self.channels.insert(channel.clone(), rules)
            }
        };
        let (opened, receiver) = oneshot::channel();
        self.serials = self.serials.wrapping_add(1);
        let serial = self.serials;
        let Some(connection) = self.connections.get(id) else { return Err(ErrorCode::Unavailable) };
        let user = connection.session.as_ref().and_then(|session| session.identity.user.clone());
        if let Some(known) = self.channels.get(slot) {
            let place = known.subscribers.len() as u32;
            known.subscribers.push(Subscriber { attach: None, connection: id.index, flags: flags | CATCHING });
            if connection.subscriptions.capacity() == 0 {
                // Many have one for good.
                connection.subscriptions.reserve_exact(1);
            }
            connection.subscriptions.push(Subscription { slot, place, serial, gate: Some(Box::new(Gate::default())) });
            answer_or_wait(known.open, opened, &mut known.waiting);
            if let (true, Some(user)) = (known.presence && counts(flags), user) {
                self.effects.push(Effect::Joined(channel.clone(), user));
            }
        }
        Ok((SubscriptionId { connection: id, serial }, receiver))
    }

    /// Whether the subscription is still the one of that name.
    pub fn holds(&mut self, name: SubscriptionId) -> bool {
        self.connections.get(name.connection).is_some_and(|connection| connection.named(name.serial).is_some())
    }

    /// Removes a subscriber that could not be attached, unless it has gone already.
    pub fn give_up(&mut self, name: SubscriptionId) {
        let Some(connection) = self.connections.get(name.connection) else { return };
        let Some(slot) = connection.named(name.serial).map(|subscription| subscription.slot) else { return };
        if let Some(key) = self.channels.peek(slot).map(|slot| slot.key.clone()) {
            self.unsubscribe(name.connection, &key);
        }
    }

    /// Takes a subscriber off a channel, however it came to it. Answers whether there was one.
    pub(super) fn take_off(&mut self, id: ConnectionId, channel: &ChannelKey) -> bool {
        let Some(slot) = self.channels.find(channel) else { return false };
        let Some(connection) = self.connections.get(id) else { return false };
        let Some(index) = connection.subscriptions.iter().position(|subscription| subscription.slot == slot) else {
            return false;
        };
        let subscription = connection.subscriptions.swap_remove(index);
        connection.wake_settled();
        if let Some(extra) = connection.extra.as_mut() {
            extra.conflater.forget(slot);
        }
        let user = connection.session.as_ref().and_then(|session| session.identity.user.clone());
        self.leave(&subscription, user);
        true
    }

    /// Takes a connection out, wherever it stands.
    pub fn remove(&mut self, id: ConnectionId) {
        let Some(mut connection) = self.connections.remove(id) else { return };
        connection.wire.abort();
        connection.wake_waiters();
        let Connection { subscriptions, session, .. } = connection;
        self.sessions -= usize::from(session.is_some());
        let user = session.and_then(|session| session.identity.user);
        for subscription in subscriptions {
            self.leave(&subscription, user.clone());
        }
    }

    /// Takes a subscriber out of its slot; the last one of the slot fills the place.
    fn leave(&mut self, subscription: &Subscription, user: Option<UserId>) {
        let Some(slot) = self.channels.get(subscription.slot) else { return };
        let gone = slot.subscribers.swap_remove(subscription.place as usize);
        if let Some(moved) = slot.subscribers.get(subscription.place as usize)
            && let Some(connection) = self.connections.at(moved.connection)
            && let Some(other) = connection.subscription(subscription.slot)
        {
            other.place = subscription.place;
        }
        if let (true, Some(user)) = (slot.presence && counts(gone.flags), user) {
            self.effects.push(Effect::Left(slot.key.clone(), user));
        }
        if slot.subscribers.is_empty() {
            slot.emptied += 1;
            let timer = Timer::Linger(subscription.slot, slot.emptied);
            self.wheel.arm(self.limits.interest_linger_ms, timer);
        }
    }

    /// Nobody came back to the channel: the interest ends.
    pub(super) fn linger_over(&mut self, slot: u32, emptied: u32) {
        let over =
            self.channels.get(slot).is_some_and(|known| known.subscribers.is_empty() && known.emptied == emptied);
        if over && let Some(slot) = self.channels.remove(slot) {
            self.effects.push(Effect::Detach(slot.key));
        }
    }

    /// The interest in a channel is registered, or could not be.
    pub(super) fn attached(&mut self, channel: &ChannelKey, position: Result<Option<Position>, String>) {
        let Some(index) = self.channels.find(channel) else { return };
        let Some(slot) = self.channels.get(index).filter(|slot| !slot.open) else { return };
        let waiting = std::mem::take(&mut slot.waiting);
        let result = match position {
            Ok(position) => {
                (slot.open, slot.position) = (true, position);
                Ok(())
            }
            Err(why) => Err(why),
        };
        for opened in waiting {
            // Whoever gave up waiting is gone.
            let _ = opened.send(result.clone());
        }
        if result.is_err() {
            self.drop_slot(index);
        }
    }

    /// The channel can not be had now: its subscribers are taken off it, each is told by whoever waited for it.
    fn drop_slot(&mut self, index: u32) {
        let Some(slot) = self.channels.remove(index) else { return };
        for subscriber in &slot.subscribers {
            let Some(connection) = self.connections.at(subscriber.connection) else { continue };
            connection.subscriptions.retain(|subscription| subscription.slot != index);
            if let Some(extra) = connection.extra.as_mut() {
                extra.followed.retain(|(followed, _)| *followed != index);
            }
            connection.wake_settled();
            let user = connection.session.as_ref().and_then(|session| session.identity.user.clone());
            if let (true, Some(user)) = (slot.presence && counts(subscriber.flags), user) {
                self.effects.push(Effect::Left(slot.key.clone(), user));
            }
        }
    }

    /// Ends the subscriptions of a connection to channels that `allowed` does not name, and says so.
    pub fn end_subscriptions(&mut self, id: ConnectionId, allowed: impl Fn(&ChannelKey) -> bool, code: ErrorCode) {
        let Some(connection) = self.connections.get(id) else { return };
        let slots: Vec<u32> = connection.subscriptions.iter().map(|subscription| subscription.slot).collect();
        for slot in slots {
            let Some(key) = self.channels.peek(slot).map(|slot| slot.key.clone()).filter(|key| !allowed(key)) else {
                continue;
            };
            self.end(id, &key, code);
        }
    }

    /// How many subscribers the first `limit` channels of a tenant behind `after` have, in no order.
    pub(super) fn channel_counts(
        &self,
        tenant: &TenantId,
        after: Option<&ChannelName>,
        limit: usize,
    ) -> Vec<(ChannelName, usize)> {
        let wanted = |slot: &&Slot| {
            let behind = after.is_none_or(|after| slot.key.channel > *after);
            slot.key.tenant == *tenant && !slot.subscribers.is_empty() && behind
        };
        let mut slots: Vec<&Slot> = self.channels.iter().filter(wanted).collect();
        if limit < slots.len() {
            slots.select_nth_unstable_by(limit, |one, other| one.key.channel.cmp(&other.key.channel));
            slots.truncate(limit);
        }
        slots.into_iter().map(|slot| (slot.key.channel.clone(), slot.subscribers.len())).collect()
    }

    /// How many subscribers a channel has.
    pub(super) fn subscribers(&self, channel: &ChannelKey) -> usize {
        let slot = self.channels.find(channel).and_then(|slot| self.channels.peek(slot));
        slot.map_or(0, |slot| slot.subscribers.len())
    }
}

fn answer_or_wait(open: bool, opened: Opened, waiting: &mut Vec<Opened>) {
    if open {
        // The receiver is still in our hands.
        let _ = opened.send(Ok(()));
    } else {
        waiting.push(opened);
    }
}
