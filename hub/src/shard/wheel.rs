//! The timer wheel of a shard: one for all its timers, none per connection. Pure: the shard turns it.

/// How far apart the slots are, in milliseconds.
pub(super) const TICK_MS: u64 = 20;

/// Slots of the wheel: 41 s in one turn. A timer beyond that comes round and is put back.
const SLOTS: usize = 2_048;

/// Timers of type `T` by the tick at which they fire.
#[derive(Debug)]
pub(super) struct Wheel<T> {
    slots: Vec<Vec<(u64, T)>>,
    tick: u64,
}

impl<T> Wheel<T> {
    /// An empty wheel at tick 0.
    pub(super) fn new() -> Self {
        Self { slots: (0..SLOTS).map(|_| Vec::new()).collect(), tick: 0 }
    }

    /// Where the wheel stands, in ticks since it began.
    pub(super) fn tick(&self) -> u64 {
        self.tick
    }

    /// Fires `timer` in `delay_ms`, rounded up to a tick, one at least. Answers at which tick.
    pub(super) fn arm(&mut self, delay_ms: u64, timer: T) -> u64 {
        let due = self.tick + delay_ms.div_ceil(TICK_MS).max(1);
        self.slots[(due % SLOTS as u64) as usize].push((due, timer));
        due
    }

    /// Turns the wheel up to `tick` and moves what is due into `due`.
    pub(super) fn turn(&mut self, tick: u64, due: &mut Vec<T>) {
        while self.tick < tick {
            self.tick += 1;
            let slot = &mut self.slots[(self.tick % SLOTS as u64) as usize];
            let now = self.tick;
            due.extend(slot.extract_if(.., |(at, _)| *at <= now).map(|(_, timer)| timer));
            if slot.is_empty() && slot.capacity() > 64 {
                *slot = Vec::new();
            }
        }
    }
}

impl<T> Default for Wheel<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Each timer fires once, never early, and at the first turn at or after its time.
        #[test]
        fn timers_fire_on_time(delays in prop::collection::vec(0u64..200_000, 1..60), step in 1u64..700) {
            let mut wheel = Wheel::new();
            for delay in &delays {
                wheel.arm(*delay, *delay);
            }
            let (mut tick, mut fired) = (0, Vec::new());
            while tick * TICK_MS < 200_000 + TICK_MS * 800 {
                tick += step;
                let mut due = Vec::new();
                wheel.turn(tick, &mut due);
                for delay in due {
                    prop_assert!(delay <= tick * TICK_MS, "{delay} fired at {}", tick * TICK_MS);
                    prop_assert!(delay.div_ceil(TICK_MS).max(1) > tick - step, "{delay} late at {}", tick * TICK_MS);
                    fired.push(delay);
                }
            }
            let mut expected = delays;
            expected.sort_unstable();
            fired.sort_unstable();
            prop_assert_eq!(fired, expected);
        }
    }
}
