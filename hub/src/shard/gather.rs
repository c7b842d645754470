//! Gather: what comes to a channel with a flush interval waits here and goes out together, as one block for each subscriber.
//! Channels without one never come here: their batches grow by themselves under load.

use hubbub_protocol::channel::ChannelKey;

use super::fanout::Batch;
use super::mail::Delivery;
use super::state::State;
use super::timers::Timer;

/// What may wait for one channel, in bytes; more goes out before its time.
const GATHERED_BYTES: usize = 256 * 1024;

/// What waits for the next flush of a channel.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    deliveries: Vec<Delivery>,
    bytes: usize,
}

impl State {
    /// Hands the deliveries of one channel out, or keeps them for its next flush.
    pub(super) fn hand_out(&mut self, (slot, deliveries): Batch) {
        let known = self.channels.get(slot).filter(|known| known.flush_ms > 0);
        // A slot can have changed hands since the batch was made; then fanning out finds nobody.
        let same = |key: &ChannelKey| deliveries.first().is_some_and(|delivery| delivery.channel == *key);
        let Some(known) = known.filter(|known| same(&known.key)) else { return self.fan_out((slot, deliveries)) };
        let (begins, flush_ms) = (known.gathered.deliveries.is_empty(), known.flush_ms);
        known.gathered.bytes += deliveries.iter().map(|delivery| delivery.cost).sum::<usize>();
        known.gathered.deliveries.extend(deliveries);
        if known.gathered.bytes > GATHERED_BYTES {
            self.flush_gathered(slot);
        } else if begins {
            self.wheel.arm(flush_ms, Timer::Gathered(slot));
        }
    }

    /// Hands out what waits for a channel.
    pub(super) fn flush_gathered(&mut self, slot: u32) {
        let Some(known) = self.channels.get(slot) else { return };
        let Gathered { deliveries, .. } = std::mem::take(&mut known.gathered);
        if !deliveries.is_empty() {
            self.fan_out((slot, deliveries));
        }
    }
}
