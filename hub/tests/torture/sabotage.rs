//! Breaks a history on purpose, as a hub could have done: the checker must see it. Knows nothing of the checker's rules.

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

use crate::checker::{History, Seen};

/// What is done to one reading.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sabotage {
    /// A message was never received.
    Drop,
    /// A message was received twice.
    Repeat,
    /// Two messages came in the wrong order.
    Swap,
}

/// All of them.
pub(crate) const ALL: [Sabotage; 3] = [Sabotage::Drop, Sabotage::Repeat, Sabotage::Swap];

impl Sabotage {
    /// Reads its name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        ALL.into_iter().find(|sabotage| format!("{sabotage:?}").eq_ignore_ascii_case(name))
    }

    /// Does it to a random message of a random reading; says to which. `None` when there is no place for it.
    pub(crate) fn commit(self, history: &mut History, seed: u64) -> Option<String> {
        let mut dice = StdRng::seed_from_u64(seed);
        let is_message = |seen: &Seen| matches!(seen, Seen::Message(_));
        let mut places = Vec::new();
        for (reading, seen) in history.readings.iter().enumerate().map(|(index, reading)| (index, &reading.seen)) {
            let pairs = seen.windows(2).enumerate().filter(|(_, pair)| pair.iter().all(is_message));
            places.extend(pairs.map(|(index, _)| (reading, index)));
        }
        let (reading, index) = *places.choose(&mut dice)?;
        let reading = &mut history.readings[reading];
        match self {
            Self::Drop => drop(reading.seen.remove(index)),
            Self::Repeat => reading.seen.insert(index, reading.seen[index].clone()),
            Self::Swap => reading.seen.swap(index, index + 1),
        }
        Some(format!("{self:?} of event {index} of {} on {}", reading.reader, reading.channel))
    }
}
