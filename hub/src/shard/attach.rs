//! Gapless attach: a subscription that reads the log is closed off from live messages until it has caught up.
//!
//! The gate opens before the last page is read and holds what arrives meanwhile; then it drains, in order, behind the page.

use std::rc::Rc;

use hubbub_protocol::channel::ChannelKey;
use hubbub_protocol::{CloseCode, Position};
use tokio::sync::{Notify, Semaphore};

use super::channels::{AHEAD, CATCHING, CONFLATE, STREAM};
use super::connection::{ConnectionId, Gate, Goodbye, SubscriptionId};
use super::fanout::is_gap;
use super::mail::Delivery;
use super::state::State;

/// How the last step of an attach ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GateState {
    /// It held everything.
    Complete,
    /// More came than it may hold: the log has to be read on.
    Overflowed,
    /// There is no such subscription any more.
    Gone,
}

impl State {
    /// Everything up to here was handed to the channel's subscribers on this shard.
    pub fn channel_position(&mut self, channel: &ChannelKey) -> Option<Position> {
        let slot = self.channels.find(channel)?;
        self.channels.get(slot)?.position
    }

    /// The answer leaves in this step: what follows belongs to the subscription.
    pub fn answered(&mut self, name: SubscriptionId) {
        if let Some(gate) = self.gate(name) {
            gate.answered = true;
        }
        if let Some(connection) = self.connections.get(name.connection) {
            connection.wake_settled();
        }
    }

    /// What wakes when a subscription of the connection is answered, while that of this channel is not: what a client
    /// publishes behind its subscribe comes to the subscription.
    pub fn answer_notice(&mut self, id: ConnectionId, channel: &ChannelKey) -> Option<Rc<Notify>> {
        let slot = self.channels.find(channel)?;
        let connection = self.connections.get(id).filter(|connection| connection.is_open())?;
        connection.subscription(slot)?.gate.as_ref().filter(|gate| !gate.answered)?;
        Some(Rc::clone(connection.extra().settled.get_or_insert_default()))
    }

    /// Holds live messages of a catching subscription back from now on.
    pub fn open_gate(&mut self, name: SubscriptionId) -> GateState {
        let Some(slot) =
            self.connections.get(name.connection).and_then(|known| known.named(name.serial)).map(|s| s.slot)
        else {
            return GateState::Gone;
        };
        let opened_at = self.channels.get(slot).and_then(|known| known.position);
        let Some(gate) = self.gate(name) else { return GateState::Gone };
        *gate = Gate { answered: gate.answered, open: true, opened_at, ..Gate::default() };
        GateState::Complete
    }

    /// Lets go what the gate holds: the log will be read again.
    pub fn close_gate(&mut self, name: SubscriptionId) -> GateState {
        let Some(gate) = self.gate(name) else { return GateState::Gone };
        *gate = Gate { answered: gate.answered, ..Gate::default() };
        GateState::Complete
    }

    /// Whether the gate holds everything that came since it was opened.
    pub fn gate_state(&mut self, name: SubscriptionId) -> GateState {
        match self.gate(name) {
            None => GateState::Gone,
            Some(gate) if gate.overflowed => GateState::Overflowed,
            Some(_) => GateState::Complete,
        }
    }

    /// The subscription has everything up to `attach`: what the gate holds beyond it leaves, and live messages follow.
    pub fn go_live(&mut self, name: SubscriptionId, attach: Option<Position>) {
        let Some(connection) = self.connections.get(name.connection) else { return };
        let Some(subscription) = connection.named(name.serial) else { return };
        let (slot, place, gate) = (subscription.slot, subscription.place, subscription.gate.take());
        let Some(known) = self.channels.get(slot) else { return };
        let here = known.position;
        let Some(subscriber) = known.subscribers.get_mut(place as usize) else { return };
        subscriber.flags &= !CATCHING;
        subscriber.attach = attach;
        let mut own = *subscriber;
        let mut epoch = gate.as_ref().and_then(|gate| gate.opened_at).or(here).map(|at| at.epoch);
        if attach.is_some_and(|attach| Some(attach.epoch) != epoch) {
            own.flags |= AHEAD;
        }
        for delivery in gate.into_iter().flat_map(|gate| gate.held) {
            if let Some(new) = delivery.position.map(|at| at.epoch).filter(|new| epoch != Some(*new)) {
                epoch = Some(new);
                if !own.enter(new, is_gap(&delivery)) {
                    return self.close(name.connection, Goodbye::Code(CloseCode::Reconnect), None);
                }
            }
            if !own.has(delivery.position) {
                self.write_caught(slot, name.connection.index, own.flags, &delivery);
            }
        }
        if let Some(subscriber) = self.channels.get(slot).and_then(|known| known.subscribers.get_mut(place as usize)) {
            *subscriber = own;
        }
    }

    /// Writes something that was read from the log for a subscription that catches up.
    pub fn replay(&mut self, name: SubscriptionId, delivery: &Delivery) {
        let Some(connection) = self.connections.get(name.connection) else { return };
        let Some((slot, place)) =
            connection.named(name.serial).map(|subscription| (subscription.slot, subscription.place))
        else {
            return;
        };
        let Some(flags) =
            self.channels.get(slot).and_then(|known| known.subscribers.get(place as usize)).map(|s| s.flags)
        else {
            return;
        };
        self.write_caught(slot, name.connection.index, flags, delivery);
    }

    fn write_caught(&mut self, slot: u32, connection: u32, flags: u8, delivery: &Delivery) {
        self.counters.delivered += 1;
        if flags & CONFLATE == 0 || !self.conflate(slot, connection, delivery) {
            self.write_delivery(slot, connection, delivery, flags & STREAM != 0);
        }
    }

    /// Whether a delivery need not wait until a subscription has caught up.
    pub(super) fn passes_gate(&mut self, slot: u32, connection: u32, delivery: &Delivery) -> bool {
        let subscription = self.connections.at(connection).and_then(|connection| connection.subscription(slot));
        let gate = subscription.and_then(|subscription| subscription.gate.as_ref());
        delivery.presence && gate.is_some_and(|gate| gate.answered)
    }

    /// Takes a live delivery for a subscription that catches up.
    pub(super) fn hold_back(&mut self, slot: u32, connection: u32, delivery: &Delivery) {
        let bound = self.limits.gate_bytes.min(self.limits.piece_bytes());
        let gate = self
            .connections
            .at(connection)
            .and_then(|connection| connection.subscription(slot))
            .and_then(|subscription| subscription.gate.as_mut());
        let Some(gate) = gate.filter(|gate| gate.open && !gate.overflowed) else { return };
        gate.bytes += delivery.cost;
        if gate.bytes > bound {
            gate.overflowed = true;
            gate.held = Vec::new();
        } else {
            gate.held.push(delivery.clone());
        }
    }

    /// Pages of a connection wait here for their turn, first come first served: each fills an outbox that must have drained, two
    /// at once would overflow it. `None` when the connection is gone.
    pub fn page_turn(&mut self, id: ConnectionId) -> Option<Rc<Semaphore>> {
        let connection = self.connections.get(id).filter(|connection| connection.is_open())?;
        Some(Rc::clone(connection.extra().turn.get_or_insert_with(|| Rc::new(Semaphore::new(1)))))
    }

    /// Publishes of a connection wait here for their turn, first come first served, while something limits them (or did).
    pub fn publish_turn(&mut self, id: ConnectionId, limited: bool) -> Option<Rc<Semaphore>> {
        let connection = self.connections.get(id).filter(|connection| connection.is_open())?;
        if limited {
            let place = || Rc::new(Semaphore::new(1));
            return Some(Rc::clone(connection.extra().publish_turn.get_or_insert_with(place)));
        }
        connection.extra.as_ref().and_then(|extra| extra.publish_turn.clone())
    }

    /// What wakes when the outbox has drained; `None` when it has, or the connection is gone. What a stream with a rate has waiting
    /// for its next flush counts as well.
    pub fn drain_notice(&mut self, id: ConnectionId) -> Option<Rc<Notify>> {
        let piece = self.limits.piece_bytes();
        let connection = self.connections.get(id).filter(|connection| connection.is_open())?;
        let conflated = connection.extra.as_ref().map_or(0, |extra| extra.conflater.bytes());
        if connection.outbox.is_empty() && conflated <= piece {
            return None;
        }
        Some(Rc::clone(connection.extra().drained.get_or_insert_with(|| Rc::new(Notify::new()))))
    }

    fn gate(&mut self, name: SubscriptionId) -> Option<&mut Gate> {
        let connection = self.connections.get(name.connection).filter(|connection| connection.is_open())?;
        connection.named(name.serial)?.gate.as_deref_mut()
    }
}
