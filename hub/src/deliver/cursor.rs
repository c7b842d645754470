//! The cursor of a channel on a node: puts racing deliveries in order and finds what is missing. Pure.

use std::collections::BTreeMap;

use hubbub_protocol::{Epoch, Position};

/// What to do after a delivery was offered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It is next: deliver it, then whatever [`Cursor::pop`] gives.
    Deliver,
    /// It waits for a missing one.
    Held,
    /// Delivered before.
    Duplicate,
    /// The log has to be read: the epoch changed, or more waits than may.
    Refill,
}

/// Follows the offsets of one channel.
#[derive(Debug)]
pub struct Cursor<T> {
    epoch: Epoch,
    delivered: u64,
    held: BTreeMap<u64, (T, usize)>,
    held_bytes: usize,
    max_bytes: usize,
    /// When the first of `held` came, in milliseconds of any clock.
    waiting_since: Option<u64>,
}

impl<T> Cursor<T> {
    /// A cursor behind which everything up to `position` is delivered, holding at most `max_bytes`.
    pub fn new(position: Position, max_bytes: usize) -> Self {
        let Position { epoch, offset } = position;
        Self { epoch, delivered: offset, held: BTreeMap::new(), held_bytes: 0, max_bytes, waiting_since: None }
    }

    /// Everything up to here is delivered.
    pub fn position(&self) -> Position {
        Position::new(self.epoch, self.delivered)
    }

    /// Offers a delivery that takes `cost` bytes while it waits.
    pub fn offer(&mut self, position: Position, cost: usize, now_ms: u64, item: impl FnOnce() -> T) -> Verdict {
        if position.epoch != self.epoch {
            return Verdict::Refill;
        }
        if position.offset <= self.delivered || self.held.contains_key(&position.offset) {
            return Verdict::Duplicate;
        }
        if position.offset == self.delivered + 1 {
            self.delivered = position.offset;
            self.rest(now_ms);
            return Verdict::Deliver;
        }
        if self.held_bytes + cost > self.max_bytes {
            // What is dropped here is in the log; a refill brings it.
            self.forget();
            return Verdict::Refill;
        }
        self.held.insert(position.offset, (item(), cost));
        self.held_bytes += cost;
        self.waiting_since.get_or_insert(now_ms);
        Verdict::Held
    }

    /// Takes the next delivery that waited, if nothing is missing before it.
    pub fn pop(&mut self, now_ms: u64) -> Option<T> {
        let entry = self.held.first_entry().filter(|entry| *entry.key() == self.delivered + 1)?;
        let (item, cost) = entry.remove();
        self.delivered += 1;
        self.held_bytes -= cost;
        self.rest(now_ms);
        Some(item)
    }

    /// Everything up to `offset` was delivered, or given up, in another way.
    pub fn advance(&mut self, position: Position, now_ms: u64) {
        if position.epoch != self.epoch {
            self.epoch = position.epoch;
            self.delivered = position.offset;
            self.forget();
        }
        self.delivered = self.delivered.max(position.offset);
        while let Some(entry) = self.held.first_entry().filter(|entry| *entry.key() <= self.delivered) {
            self.held_bytes -= entry.remove().1;
        }
        self.rest(now_ms);
    }

    /// Since when something is missing; `None` when nothing is.
    pub fn waiting_since(&self) -> Option<u64> {
        self.waiting_since
    }

    /// A gap that just closed gives the next one its full time.
    fn rest(&mut self, now_ms: u64) {
        self.waiting_since = if self.held.is_empty() { None } else { Some(now_ms) };
    }

    fn forget(&mut self) {
        self.held.clear();
        self.held_bytes = 0;
        self.waiting_since = None;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(offset: u64) -> Position {
        Position::new(Epoch::from_u64(1), offset)
    }

    #[test]
    fn verdicts_by_table() {
        let mut cursor = Cursor::new(at(3), 100);
        assert_eq!(cursor.offer(at(3), 10, 0, || 3), Verdict::Duplicate);
        assert_eq!(cursor.offer(at(5), 10, 1, || 5), Verdict::Held);
        assert_eq!(cursor.offer(at(5), 10, 2, || 5), Verdict::Duplicate);
        assert_eq!(cursor.waiting_since(), Some(1));
        assert_eq!(cursor.offer(at(9), 91, 2, || 9), Verdict::Refill, "more than may wait");
        assert_eq!(cursor.offer(at(4), 10, 3, || 4), Verdict::Deliver);
        assert_eq!(cursor.pop(3), None, "the overflow dropped what waited");
        assert_eq!(cursor.offer(Position::new(Epoch::from_u64(2), 5), 1, 3, || 5), Verdict::Refill);
        cursor.advance(at(8), 4);
        assert_eq!((cursor.position(), cursor.waiting_since()), (at(8), None));
    }

    proptest! {
        /// However deliveries are shuffled and repeated, each comes out once and in order.
        #[test]
        fn any_order_comes_out_in_order(mut offsets in prop::collection::vec(1u64..40, 1..200)) {
            offsets.extend(1..40);
            let mut cursor = Cursor::new(at(0), usize::MAX);
            let mut out = Vec::new();
            for offset in offsets {
                if cursor.offer(at(offset), 1, 0, || offset) == Verdict::Deliver {
                    out.push(offset);
                    out.extend(std::iter::from_fn(|| cursor.pop(0)));
                }
            }
            prop_assert_eq!(out, (1..40).collect::<Vec<_>>());
        }
    }
}
