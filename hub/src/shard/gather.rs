//! Gather: what comes to a channel with a flush interval waits here and goes out together, as one block for each subscriber.
//! Channels without one never come here: their batches grow by themselves under load.

use hubbub_protocol::channel::ChannelKey;

use super::fanout::Batch;
use super::mail::Delivery;
use super::state::State;
use super::timers::Timer;

/// What may wait for one channel, in bytes; before it is more it goes out. A gate and an outbox have room for several of them.
const GATHERED_BYTES: usize = 64 * 1024;

/// What waits for the next flush of a channel.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    deliveries: Vec<Delivery>,
    bytes: usize,
    /// The tick of the timer that counts; others are left from flushes before their time.
    due: Option<u64>,
}

impl State {
    /// Hands the deliveries of one channel out, or keeps them for its next flush.
    pub(super) fn hand_out(&mut self, (slot, deliveries): Batch) {
        let known = self.channels.get(slot).filter(|known| known.open && known.flush_ms > 0);
        // A slot can have changed hands since the batch was made; then fanning out finds nobody.
        let same = |key: &ChannelKey| deliveries.first().is_some_and(|delivery| delivery.channel == *key);
        let Some(known) = known.filter(|known| same(&known.key)) else { return self.fan_out((slot, deliveries)) };
        let (flush_ms, mut gathered) = (known.flush_ms, std::mem::take(&mut known.gathered));
        let most = GATHERED_BYTES.min(self.limits.piece_bytes() / 4).min(self.limits.gate_bytes / 4);
        for delivery in deliveries {
            if gathered.bytes + delivery.cost > most {
                self.fan_out((slot, std::mem::take(&mut gathered).deliveries));
            }
            gathered.bytes += delivery.cost;
            gathered.deliveries.push(delivery);
        }
        gathered.due.get_or_insert_with(|| self.wheel.arm(flush_ms, Timer::Gathered(slot)));
        if let Some(known) = self.channels.get(slot) {
            known.gathered = gathered;
        }
    }

    /// The timer of a channel fired: it stands in line for its flush, unless it was flushed meanwhile.
    pub(super) fn gathered_due(&mut self, slot: u32) {
        let tick = self.wheel.tick();
        if self.channels.get(slot).is_some_and(|known| known.gathered.due.is_some_and(|due| due <= tick)) {
            self.flushes.push_back(slot);
        }
    }

    /// Hands out what waits for the next channel in line; answers whether there was one.
    pub(super) fn flush_next_gathered(&mut self) -> bool {
        let Some(slot) = self.flushes.pop_front() else { return false };
        self.flush_gathered(slot);
        true
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
