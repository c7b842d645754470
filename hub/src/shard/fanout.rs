//! Fan out: a delivery goes into the outbox of each subscriber.
//!
//! The short path is one push of a shared pointer for each subscriber. Deliveries of one channel that were drained
//! together become one block, so that under load a subscriber gets many messages by one push and one slice of a write.

use std::collections::HashMap;
use std::rc::Rc;

use hubbub_protocol::channel::ChannelKey;
use hubbub_protocol::frame::ServerFrame;
use hubbub_protocol::{CloseCode, Position, sse};

use super::channels::{CATCHING, CONFLATE, PRESENCE, SLOW_PATH, STREAM, Subscriber};
use super::connection::Goodbye;
use super::mail::Delivery;
use super::state::State;
use crate::encoded::{Encoded, Format};
use crate::namespace::Overflow;

/// Most bytes in one block: a fraction of an outbox, so that a healthy reader always has room for one.
const BLOCK_BYTES: usize = 32 * 1024;

/// What one channel gets of one drained mailbox, in order.
pub(super) type Batch = (u32, Vec<Delivery>);

impl State {
    /// Sorts drained deliveries by channel; the order within a channel stays.
    pub(super) fn batches(&self, deliveries: impl IntoIterator<Item = Delivery>) -> Vec<Batch> {
        let mut batches: Vec<Batch> = Vec::new();
        let mut by_slot: HashMap<u32, usize> = HashMap::new();
        for delivery in deliveries {
            let Some(slot) = self.channels.find(&delivery.channel) else { continue };
            let index = *by_slot.entry(slot).or_insert_with(|| {
                batches.push((slot, Vec::new()));
                batches.len() - 1
            });
            batches[index].1.push(delivery);
        }
        batches
    }

    /// Hands the deliveries of one channel to its subscribers.
    pub(super) fn fan_out(&mut self, (slot, mut deliveries): Batch) {
        // A slot can have changed hands since the batch was made.
        let same = |channel: &ChannelKey| deliveries.first().is_some_and(|delivery| delivery.channel == *channel);
        let Some(known) = self.channels.get(slot).filter(|known| known.open && same(&known.key)) else { return };
        // What was handed out before comes again only after a re-attach; frames without a place always pass.
        deliveries.retain(|delivery| match (delivery.position, known.position) {
            (Some(new), Some(old)) => new.epoch != old.epoch || new.offset > old.offset,
            _ => true,
        });
        let mut epoch = known.position.map(|at| at.epoch);
        if let Some(last) = deliveries.iter().rev().find_map(|delivery| delivery.position) {
            known.position = Some(last);
        }
        let droppable = known.overflow == Overflow::DropOldest;
        // Taken out while it is walked: nobody joins or leaves in between.
        let mut subscribers = std::mem::take(&mut known.subscribers);
        for run in deliveries.chunk_by(|one, next| one.epoch().is_none() || one.epoch() == next.epoch()) {
            if let Some(new) = run.iter().find(|delivery| delivery.epoch().is_some_and(|new| epoch != Some(new))) {
                epoch = new.epoch();
                self.enter_epoch(&mut subscribers, new);
            }
            for block in blocks(run) {
                self.fan_out_block(slot, block, &subscribers, droppable);
            }
        }
        if let Some(known) = self.channels.get(slot) {
            debug_assert!(known.subscribers.is_empty());
            known.subscribers = subscribers;
        }
    }

    /// The channel comes to the epoch of a delivery.
    fn enter_epoch(&mut self, subscribers: &mut [Subscriber], first: &Delivery) {
        let Some(epoch) = first.epoch() else { return };
        for subscriber in subscribers {
            if !subscriber.enter(epoch, is_gap(first))
                && let Some(id) = self.connections.id_at(subscriber.connection)
            {
                self.close(id, Goodbye::Code(CloseCode::Reconnect), None);
            }
        }
    }

    fn fan_out_block(&mut self, slot: u32, block: &[Delivery], subscribers: &[Subscriber], droppable: bool) {
        let for_all = block.iter().all(|delivery| !delivery.presence);
        let first = first_position(block);
        let mut shared: Option<Rc<[u8]>> = None;
        let mut singles: Vec<Option<Rc<[u8]>>> = vec![None; block.len()];
        for subscriber in subscribers {
            let plain = for_all && subscriber.flags & SLOW_PATH == 0 && !subscriber.has(first);
            if !plain {
                for (delivery, single) in block.iter().zip(&mut singles) {
                    self.deliver_one(slot, subscriber, delivery, single, droppable);
                }
                continue;
            }
            let bytes = shared.get_or_insert_with(|| joined(block));
            self.counters.delivered += block.len() as u64;
            if !self.push_at(subscriber.connection, bytes, droppable) {
                self.too_slow(subscriber.connection);
            }
        }
    }

    /// The long path: one delivery to one subscriber, with all that may stand in its way.
    fn deliver_one(
        &mut self,
        slot: u32,
        subscriber: &Subscriber,
        delivery: &Delivery,
        single: &mut Option<Rc<[u8]>>,
        droppable: bool,
    ) {
        let unwanted = delivery.presence && subscriber.flags & PRESENCE == 0;
        if unwanted {
            return;
        }
        if subscriber.flags & CATCHING != 0 && !self.passes_gate(slot, subscriber.connection, delivery) {
            self.hold_back(slot, subscriber.connection, delivery);
            return;
        }
        if subscriber.has(delivery.position) {
            return;
        }
        self.counters.delivered += 1;
        if subscriber.flags & CONFLATE != 0 && self.conflate(slot, subscriber.connection, delivery) {
            return;
        }
        let taken = if subscriber.flags & STREAM != 0 {
            self.push_event(slot, subscriber.connection, delivery, droppable)
        } else {
            let bytes = single.get_or_insert_with(|| delivery.encoded.bytes(Format::Json)[..].into());
            self.push_at(subscriber.connection, bytes, droppable)
        };
        if !taken {
            self.too_slow(subscriber.connection);
        }
    }

    /// Puts a delivery into the outbox of one connection.
    pub(super) fn write_delivery(&mut self, slot: u32, connection: u32, delivery: &Delivery, stream: bool) {
        let taken = if stream {
            self.push_event(slot, connection, delivery, false)
        } else {
            self.push_at(connection, &delivery.encoded.bytes(Format::Json)[..].into(), false)
        };
        if !taken {
            self.too_slow(connection);
        }
    }

    /// An event is a line of this stream's own positions and the shared body.
    fn push_event(&mut self, slot: u32, connection: u32, delivery: &Delivery, droppable: bool) -> bool {
        let Some(stream) = self.connections.at(connection).and_then(|connection| connection.stream()) else {
            return true;
        };
        let mut event = Vec::with_capacity(delivery.cost + 64);
        if let Some(position) = delivery.position {
            for (of, sent) in &mut stream.channels {
                if *of == slot {
                    *sent = Some(position);
                }
            }
            let positions: Vec<_> = stream.channels.iter().map(|(_, sent)| *sent).collect();
            sse::id_line_into(&positions, &mut event);
        }
        event.extend_from_slice(delivery.encoded.bytes(Format::Sse));
        self.push_at(connection, &event.into(), droppable)
    }

    /// Keeps a delivery back for a conflating subscription that lags or has a rate. Answers whether it did.
    pub(super) fn conflate(&mut self, slot: u32, index: u32, delivery: &Delivery) -> bool {
        let bound = self.limits.outbox_bytes;
        let Some(connection) = self.connections.at(index) else { return true };
        let rated = connection.stream().is_some_and(|stream| stream.interval_ms > 0);
        let lags = connection.blocked || connection.extra.as_ref().is_some_and(|extra| !extra.conflater.is_empty());
        if !rated && !lags {
            return false;
        }
        let conflater = &mut connection.extra().conflater;
        conflater.put(slot, delivery.clone());
        self.counters.conflated += 1;
        if conflater.bytes() > bound {
            self.too_slow(index);
        } else if rated {
            self.arm_stream_flush(index);
        }
        true
    }

    /// Moves what waits for conflating subscriptions into the outbox, with what was left out. What stays beyond a piece goes on
    /// being conflated until the outbox has drained, or until the next flush of a stream with a rate.
    pub(super) fn release(&mut self, index: u32) {
        let piece = self.limits.piece_bytes();
        while let Some(connection) = self.connections.at(index).filter(|connection| connection.is_open()) {
            if connection.outbox.bytes() >= piece {
                if connection.stream().is_some_and(|stream| stream.interval_ms > 0) {
                    self.arm_stream_flush(index);
                }
                return;
            }
            let Some((slot, skipped, delivery)) = connection.extra.as_mut().and_then(|extra| extra.conflater.take())
            else {
                return;
            };
            let stream = connection.stream().is_some();
            if skipped > 0 {
                let channel = delivery.channel.channel.clone();
                let frame = Encoded::new(ServerFrame::Skipped { channel, count: skipped });
                let note = Delivery { position: None, encoded: frame, ..delivery.clone() };
                self.write_delivery(slot, index, &note, stream);
            }
            self.write_delivery(slot, index, &delivery, stream);
        }
    }

    fn too_slow(&mut self, index: u32) {
        if let Some(id) = self.connections.id_at(index) {
            metrics::counter!("hubbub_slow_consumers_total").increment(1);
            self.close(id, Goodbye::Code(CloseCode::SlowConsumer), None);
        }
    }
}

/// Where the first delivery of a block with a place tells something: a gap begins before the place where it leaves the log.
fn first_position(block: &[Delivery]) -> Option<Position> {
    let delivery = block.iter().find(|delivery| delivery.position.is_some())?;
    let position = delivery.position?;
    let offset = match delivery.encoded.frame() {
        ServerFrame::Gap { lost, .. } => lost.from.min(position.offset),
        _ => position.offset,
    };
    Some(Position::new(position.epoch, offset))
}

/// Whether it says that something will never come.
pub(super) fn is_gap(delivery: &Delivery) -> bool {
    matches!(delivery.encoded.frame(), ServerFrame::Gap { .. })
}

/// Cuts deliveries into runs of bounded size.
fn blocks(deliveries: &[Delivery]) -> impl Iterator<Item = &[Delivery]> {
    let mut rest = deliveries;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = rest.iter().take_while(|delivery| {
            bytes += delivery.cost;
            bytes <= BLOCK_BYTES
        });
        let count = fits.count().max(1).min(rest.len());
        let (block, after) = rest.split_at(count);
        rest = after;
        (!block.is_empty()).then_some(block)
    })
}

/// The frames of a block one after the other, copied once for this shard: its pointer counts belong to one thread.
fn joined(block: &[Delivery]) -> Rc<[u8]> {
    match block {
        [one] => one.encoded.bytes(Format::Json)[..].into(),
        many => {
            let mut bytes = Vec::with_capacity(many.iter().map(|delivery| delivery.cost).sum());
            for delivery in many {
                bytes.extend_from_slice(delivery.encoded.bytes(Format::Json));
            }
            bytes.into()
        }
    }
}
