//! The channels of a batch: each once, in the order of their names, which is the order of locking.

use std::collections::BTreeMap;

use hubbub_protocol::channel::ChannelKey;

use super::keys::{ScopedKey, scope};
use crate::batch::Item;

/// A batch whose channels are numbered.
#[derive(Debug)]
pub(crate) struct Named<'a> {
    /// The batch.
    pub(crate) items: &'a [Item],
    /// Its channels.
    pub(crate) channels: Vec<&'a ChannelKey>,
    /// The keys of its items.
    pub(crate) keys: Vec<ScopedKey>,
    /// The number of each item's home; `None` for an act that names no channel.
    pub(crate) homes: Vec<Option<usize>>,
    numbers: BTreeMap<&'a ChannelKey, usize>,
}

impl<'a> Named<'a> {
    /// Numbers the channels.
    pub(crate) fn new(items: &'a [Item]) -> Self {
        let mut numbers: BTreeMap<&ChannelKey, usize> =
            items.iter().flat_map(Item::channels).map(|channel| (channel, 0)).collect();
        numbers.values_mut().enumerate().for_each(|(at, number)| *number = at);
        let homes: Vec<Option<usize>> =
            items.iter().map(|item| item.channels().first().map(|home| numbers[home])).collect();
        let scoped = |(item, home): (&Item, &Option<usize>)| home.zip(scope(item));
        let keys = items.iter().zip(&homes).filter_map(scoped).collect();
        Self { items, channels: numbers.keys().copied().collect(), keys, homes, numbers }
    }

    /// The number of a channel, if it is one of the batch.
    pub(crate) fn number(&self, channel: &ChannelKey) -> Option<usize> {
        self.numbers.get(channel).copied()
    }

    /// Whether there are acts in it.
    pub(crate) fn has_acts(&self) -> bool {
        self.items.iter().any(|item| matches!(item, Item::Act(_)))
    }
}
