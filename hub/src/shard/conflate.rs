//! What waits for a conflating subscription: the latest message of each conflate key, in the order of arrival. Pure.

use std::collections::{BTreeMap, HashMap};

use hubbub_protocol::Key;

use super::mail::Delivery;

/// The waiting messages of one connection.
#[derive(Debug, Default)]
pub(super) struct Conflater {
    /// By arrival: within a channel that is ascending in offset.
    pending: BTreeMap<u64, Waiting>,
    latest: HashMap<(u32, Key), u64>,
    arrivals: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Waiting {
    slot: u32,
    /// How many of its channel were left out between the one before it and this one.
    skipped: u64,
    delivery: Delivery,
}

impl Conflater {
    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Bytes that wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Keeps a message of the channel in `slot`; it replaces the one with the same conflate key.
    pub(super) fn put(&mut self, slot: u32, delivery: Delivery) {
        self.arrivals += 1;
        self.bytes += delivery.cost;
        let key = delivery.conflate_key.clone();
        self.pending.insert(self.arrivals, Waiting { slot, skipped: 0, delivery });
        let replaced = key.and_then(|key| self.latest.insert((slot, key), self.arrivals));
        if let Some((arrival, old)) = replaced.and_then(|arrival| self.pending.remove_entry(&arrival)) {
            self.bytes -= old.delivery.cost;
            // There is always one: the message that replaced it.
            let mut behind = self.pending.range_mut(arrival..).map(|(_, waiting)| waiting);
            if let Some(next) = behind.find(|waiting| waiting.slot == slot) {
                next.skipped += old.skipped + 1;
            }
        }
    }

    /// Takes the next message, with how many of its channel were left out before it.
    pub(super) fn take(&mut self) -> Option<(u32, u64, Delivery)> {
        let (arrival, Waiting { slot, skipped, delivery }) = self.pending.pop_first()?;
        self.bytes -= delivery.cost;
        if let Some(key) = &delivery.conflate_key {
            let key = (slot, key.clone());
            if self.latest.get(&key) == Some(&arrival) {
                self.latest.remove(&key);
            }
        }
        Some((slot, skipped, delivery))
    }

    /// Forgets what waits for a channel that is no longer subscribed.
    pub(super) fn forget(&mut self, slot: u32) {
        self.pending.retain(|_, waiting| waiting.slot != slot);
        self.latest.retain(|(of, _), _| *of != slot);
        self.bytes = self.pending.values().map(|waiting| waiting.delivery.cost).sum();
    }
}

#[cfg(test)]
mod tests {
    use hubbub_protocol::channel::ChannelKey;
    use hubbub_protocol::frame::ServerFrame;
    use hubbub_protocol::{ChannelName, Epoch, Position, TenantId};
    use proptest::prelude::*;

    use super::*;
    use crate::encoded::Encoded;

    fn delivery(offset: u64, key: Option<u8>) -> Delivery {
        let tenant = TenantId::parse("t").expect("valid");
        Delivery {
            channel: ChannelKey::new(tenant, ChannelName::parse("live:x").expect("valid")),
            position: Some(Position::new(Epoch::from_u64(1), offset)),
            presence: false,
            conflate_key: key.map(|key| Key::parse(&key.to_string()).expect("valid")),
            encoded: Encoded::new(ServerFrame::Ping),
            cost: 1,
        }
    }

    proptest! {
        /// What comes and what was skipped before it leave no hole, the last of each key comes, and keyless ones all come.
        #[test]
        fn the_latest_of_each_key_comes(keys in prop::collection::vec(prop::option::of(0u8..4), 1..100), drain_at in 0usize..100) {
            let mut conflater = Conflater::default();
            let (mut out, mut at) = (Vec::new(), 0);
            let mut drain = |conflater: &mut Conflater, out: &mut Vec<u64>| {
                while let Some((_, skipped, delivery)) = conflater.take() {
                    let offset = delivery.position.expect("set").offset;
                    assert_eq!(offset, at + skipped + 1);
                    at = offset;
                    out.push(offset);
                }
            };
            for (index, key) in keys.iter().enumerate() {
                conflater.put(0, delivery(index as u64 + 1, *key));
                if index == drain_at {
                    drain(&mut conflater, &mut out);
                }
            }
            drain(&mut conflater, &mut out);
            prop_assert_eq!(out.last().copied(), Some(keys.len() as u64));
            for key in 0u8..4 {
                let last = keys.iter().rposition(|k| *k == Some(key)).map(|index| index as u64 + 1);
                prop_assert!(last.is_none_or(|last| out.contains(&last)));
            }
            prop_assert!(keys.iter().enumerate().filter(|(_, k)| k.is_none()).all(|(i, _)| out.contains(&(i as u64 + 1))));
            prop_assert_eq!(conflater.bytes(), 0);
        }
    }
}
