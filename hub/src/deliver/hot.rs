//! Hot: the last messages of each channel with interest on this node, already encoded, so that a storm of resumes is answered
//! from memory and does not reach the log. Lanes fill it in their order, sessions read it. Knows no shard and no log.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dashmap::DashMap;
use hubbub_protocol::Position;
use hubbub_protocol::channel::ChannelKey;
use hubbub_protocol::frame::ServerFrame;
use tokio::time::Instant;

use crate::limits::Limits;
use crate::shard::mail::Delivery;

/// What is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HotBounds {
    /// Messages of one channel.
    pub messages: usize,
    /// Bytes of one channel.
    pub bytes: usize,
    /// Bytes of all channels together.
    pub total_bytes: usize,
    /// A channel in which nothing happened for so long keeps nothing.
    pub age: Duration,
}

impl From<&Limits> for HotBounds {
    fn from(limits: &Limits) -> Self {
        Self {
            messages: limits.hot_messages,
            bytes: limits.hot_bytes,
            total_bytes: limits.hot_bytes_per_node,
            age: Duration::from_millis(limits.hot_ms),
        }
    }
}

/// The rings of a node. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Hot(Arc<Rings>);

#[derive(Debug)]
struct Rings {
    // A lane writes one ring for a moment, sessions that resume read one: both rarely want the same.
    by_channel: DashMap<ChannelKey, Ring>,
    held: AtomicUsize,
    bounds: HotBounds,
}

/// Messages without a hole between them, up to where the lane stands.
#[derive(Debug)]
struct Ring {
    entries: VecDeque<Delivery>,
    bytes: usize,
    at: Position,
    touched: Instant,
}

/// Messages behind a position.
#[derive(Debug)]
pub struct Stretch {
    /// Where the lane stood.
    pub head: Position,
    /// In order, without a hole, from the one after the position asked for.
    pub deliveries: Vec<Delivery>,
    /// Whether more follow up to `head`.
    pub more: bool,
}

impl Hot {
    /// Nothing yet.
    pub fn new(bounds: HotBounds) -> Self {
        Self(Arc::new(Rings { by_channel: DashMap::new(), held: AtomicUsize::new(0), bounds }))
    }

    /// A channel stands at a position; `recent` are the messages up to there, without a hole.
    pub fn open(&self, channel: &ChannelKey, at: Position, recent: Vec<Delivery>, now: Instant) {
        let before = at.offset.saturating_sub(recent.len() as u64);
        let start = Position::new(at.epoch, before);
        let ring = Ring { entries: VecDeque::new(), bytes: 0, at: start, touched: now };
        if let Some(old) = self.0.by_channel.insert(channel.clone(), ring) {
            self.0.held.fetch_sub(old.bytes, Ordering::Relaxed);
        }
        for delivery in &recent {
            self.push(delivery, now);
        }
    }

    /// Nobody wants the channel any more.
    pub fn close(&self, channel: &ChannelKey) {
        if let Some((_, ring)) = self.0.by_channel.remove(channel) {
            self.0.held.fetch_sub(ring.bytes, Ordering::Relaxed);
        }
    }

    /// Keeps what leaves a lane. Whatever is not the next message makes the ring begin anew behind it.
    pub fn push(&self, delivery: &Delivery, now: Instant) {
        let Some(position) = delivery.position else { return };
        let Some(mut ring) = self.0.by_channel.get_mut(&delivery.channel) else { return };
        let ring = ring.value_mut();
        let next = Position::new(ring.at.epoch, ring.at.offset + 1);
        let keeps = position == next && matches!(delivery.encoded.frame(), ServerFrame::Message(_));
        (ring.at, ring.touched) = (position, now);
        let before = ring.bytes;
        let full = self.0.held.load(Ordering::Relaxed) + delivery.cost > self.0.bounds.total_bytes;
        if !keeps || full {
            ring.clear();
        }
        if keeps && delivery.cost <= self.0.bounds.bytes {
            ring.bytes += delivery.cost;
            ring.entries.push_back(delivery.clone());
            ring.trim(&self.0.bounds);
        } else if keeps {
            ring.clear();
        }
        self.account(before, ring.bytes);
    }

    /// The lane stands here without having delivered anything: its epoch changed.
    pub fn stand(&self, channel: &ChannelKey, at: Position) {
        if let Some(mut ring) = self.0.by_channel.get_mut(channel)
            && ring.at != at
        {
            let before = ring.bytes;
            ring.clear();
            ring.at = at;
            self.account(before, 0);
        }
    }

    /// What the ring holds of a channel is not shown again: something in it was erased.
    pub fn forget(&self, channel: &ChannelKey) {
        if let Some(mut ring) = self.0.by_channel.get_mut(channel) {
            let before = ring.bytes;
            ring.clear();
            self.account(before, 0);
        }
    }

    /// The same for every channel: an erasure may have been missed.
    pub fn forget_all(&self) {
        self.retain(|_| false);
    }

    /// Lets go what nobody is likely to resume. Call it every few seconds.
    pub fn tidy(&self, now: Instant) {
        let age = self.0.bounds.age;
        self.retain(|ring| now.saturating_duration_since(ring.touched) < age);
        metrics::gauge!("hubbub_hot_bytes").set(self.held_bytes() as f64);
    }

    /// What all rings hold together, in bytes.
    pub fn held_bytes(&self) -> usize {
        self.0.held.load(Ordering::Relaxed)
    }

    /// Where the lane stands, when everything after `position` is here.
    pub fn proves(&self, channel: &ChannelKey, position: Position) -> Option<Position> {
        let ring = self.0.by_channel.get(channel)?;
        ring.index_after(position).map(|_| ring.at)
    }

    /// Where the lane stands, when the last `count` messages are here.
    pub fn has_last(&self, channel: &ChannelKey, count: u32) -> Option<Position> {
        let ring = self.0.by_channel.get(channel)?;
        (ring.entries.len() >= count as usize).then_some(ring.at)
    }

    /// Messages after `position`: at most `limit` and, after the first, at most `max_bytes` of them. `None` when not all of
    /// them are here.
    pub fn after(&self, channel: &ChannelKey, position: Position, limit: u32, max_bytes: usize) -> Option<Stretch> {
        let ring = self.0.by_channel.get(channel)?;
        let rest = ring.entries.range(ring.index_after(position)?..);
        let (mut bytes, left) = (0, rest.len());
        let fits = rest.take(limit as usize).enumerate().take_while(|(index, delivery)| {
            bytes += delivery.cost;
            *index == 0 || bytes <= max_bytes
        });
        let deliveries: Vec<Delivery> = fits.map(|(_, delivery)| delivery.clone()).collect();
        Some(Stretch { head: ring.at, more: deliveries.len() < left, deliveries })
    }

    fn retain(&self, keep: impl Fn(&Ring) -> bool) {
        for mut ring in self.0.by_channel.iter_mut() {
            if ring.bytes > 0 && !keep(&ring) {
                let before = ring.bytes;
                ring.clear();
                self.account(before, 0);
            }
        }
    }

    /// Two relaxed steps: the sum may be off for a moment.
    fn account(&self, before: usize, after: usize) {
        self.0.held.fetch_add(after, Ordering::Relaxed);
        self.0.held.fetch_sub(before, Ordering::Relaxed);
    }
}

impl Ring {
    /// The index of the first entry after a position; `None` when one is missing, or the position is of another time.
    fn index_after(&self, position: Position) -> Option<usize> {
        let missing = self.at.offset.checked_sub(position.offset)?;
        let len = self.entries.len() as u64;
        // Both are at most `len`, which is a length of memory.
        (position.epoch == self.at.epoch && missing <= len).then(|| (len - missing) as usize)
    }

    fn trim(&mut self, bounds: &HotBounds) {
        while self.entries.len() > bounds.messages || self.bytes > bounds.bytes {
            let Some(oldest) = self.entries.pop_front() else { return };
            self.bytes -= oldest.cost;
        }
    }

    fn clear(&mut self) {
        self.entries = VecDeque::new();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use hubbub_protocol::{ChannelName, Data, Epoch, Message, MessageId, TenantId};

    use super::*;
    use crate::encoded::Encoded;

    const BOUNDS: HotBounds = HotBounds { messages: 4, bytes: 1_000, total_bytes: 1_500, age: Duration::from_secs(60) };

    fn channel(name: &str) -> ChannelKey {
        ChannelKey::new(TenantId::parse("t").expect("valid"), ChannelName::parse(name).expect("valid"))
    }

    fn at(epoch: u64, offset: u64) -> Position {
        Position::new(Epoch::from_u64(epoch), offset)
    }

    fn message(name: &str, position: Position, cost: usize) -> Delivery {
        let channel = channel(name);
        let message = Message {
            channel: channel.channel.clone(),
            id: MessageId::from_parts(1, u128::from(position.offset)),
            position: Some(position),
            time: 1,
            from: None,
            key: None,
            conflate_key: None,
            data: Data::parse("1".into()).expect("json"),
        };
        let encoded = Encoded::new(ServerFrame::Message(message));
        Delivery { channel, position: Some(position), presence: false, conflate_key: None, encoded, cost }
    }

    fn offsets(hot: &Hot, name: &str, after: Position) -> Option<(Vec<u64>, bool)> {
        let stretch = hot.after(&channel(name), after, 3, 1_000)?;
        let offsets = stretch.deliveries.iter().filter_map(|delivery| delivery.position.map(|p| p.offset));
        Some((offsets.collect(), stretch.more))
    }

    #[test]
    fn what_is_whole_is_answered_and_nothing_else() {
        let (hot, now) = (Hot::new(BOUNDS), Instant::now());
        hot.push(&message("c:x", at(1, 1), 10), now);
        assert_eq!(offsets(&hot, "c:x", at(1, 0)), None, "nobody opened it");
        hot.open(&channel("c:x"), at(1, 7), vec![message("c:x", at(1, 6), 10), message("c:x", at(1, 7), 10)], now);
        for offset in 8..=10 {
            hot.push(&message("c:x", at(1, offset), 10), now);
        }
        assert_eq!(offsets(&hot, "c:x", at(1, 5)), None, "only four are kept");
        assert_eq!(offsets(&hot, "c:x", at(1, 6)), Some((vec![7, 8, 9], true)));
        assert_eq!(offsets(&hot, "c:x", at(1, 9)), Some((vec![10], false)));
        assert_eq!(offsets(&hot, "c:x", at(1, 10)), Some((vec![], false)));
        assert_eq!(offsets(&hot, "c:x", at(1, 11)), None, "beyond the head");
        assert_eq!(offsets(&hot, "c:x", at(2, 9)), None, "another epoch");
        assert_eq!(hot.proves(&channel("c:x"), at(1, 6)), Some(at(1, 10)));
        assert_eq!(hot.has_last(&channel("c:x"), 4), Some(at(1, 10)));
        assert_eq!(hot.has_last(&channel("c:x"), 5), None);
    }

    #[test]
    fn a_hole_or_an_epoch_begins_anew() {
        let (hot, now) = (Hot::new(BOUNDS), Instant::now());
        hot.open(&channel("c:x"), at(1, 7), vec![message("c:x", at(1, 7), 10)], now);
        hot.push(&message("c:x", at(1, 9), 10), now);
        assert_eq!(offsets(&hot, "c:x", at(1, 8)), None);
        assert_eq!(offsets(&hot, "c:x", at(1, 9)), Some((vec![], false)));
        hot.push(&message("c:x", at(1, 10), 10), now);
        assert_eq!(offsets(&hot, "c:x", at(1, 9)), Some((vec![10], false)));
        hot.push(&message("c:x", at(2, 11), 10), now);
        assert_eq!(offsets(&hot, "c:x", at(1, 10)), None);
        hot.push(&message("c:x", at(2, 12), 10), now);
        assert_eq!(offsets(&hot, "c:x", at(2, 11)), Some((vec![12], false)));
        hot.forget(&channel("c:x"));
        assert_eq!((offsets(&hot, "c:x", at(2, 11)), hot.held_bytes()), (None, 0));
    }

    #[test]
    fn bytes_are_bounded_by_channel_in_all_and_by_age() {
        let (hot, now) = (Hot::new(BOUNDS), Instant::now());
        for name in ["c:x", "c:y"] {
            hot.open(&channel(name), at(1, 0), Vec::new(), now);
        }
        for offset in 1..=3 {
            hot.push(&message("c:x", at(1, offset), 400), now);
        }
        assert_eq!((hot.held_bytes(), offsets(&hot, "c:x", at(1, 1))), (800, Some((vec![2, 3], false))));
        for offset in 1..=2 {
            hot.push(&message("c:y", at(1, offset), 400), now);
        }
        assert!(hot.held_bytes() <= 1_500, "{}", hot.held_bytes());
        assert_eq!(offsets(&hot, "c:y", at(1, 1)), Some((vec![2], false)));
        hot.push(&message("c:y", at(1, 3), 1_001), now);
        assert_eq!(offsets(&hot, "c:y", at(1, 2)), None, "larger than a ring");
        hot.tidy(now + Duration::from_secs(60));
        assert_eq!(hot.held_bytes(), 0);
        hot.close(&channel("c:x"));
        assert_eq!(offsets(&hot, "c:x", at(1, 3)), None);
    }
}
