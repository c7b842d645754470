//! Cuts a page out of the entries that a backend reads one by one. Knows no database.

use crate::log::Entry;

/// Most entries of one page, whatever was asked for: a page stands in memory.
pub(crate) const PAGE_MAX: u32 = 10_000;

/// A page while it is being read.
#[derive(Debug)]
pub(crate) struct PageCut {
    limit: usize,
    max_bytes: usize,
    bytes: usize,
    entries: Vec<Entry>,
    more: bool,
}

impl PageCut {
    /// At most `limit` entries and, after the first, at most `max_bytes` of them.
    pub(crate) fn new(limit: u32, max_bytes: usize) -> Self {
        Self { limit: limit.min(PAGE_MAX) as usize, max_bytes, bytes: 0, entries: Vec::new(), more: false }
    }

    /// How many entries to ask the database for: one beyond the page shows whether more follow.
    pub(crate) fn rows(&self) -> i64 {
        // The limit is at most PAGE_MAX.
        self.limit as i64 + 1
    }

    /// Takes the next entry, or says that the page is full.
    pub(crate) fn offer(&mut self, entry: Entry) -> bool {
        let bytes = self.bytes.saturating_add(cost(&entry));
        let first = self.entries.is_empty();
        if self.entries.len() >= self.limit || (!first && bytes > self.max_bytes) {
            self.more = true;
            return false;
        }
        self.bytes = bytes;
        self.entries.push(entry);
        true
    }

    /// The entries, and whether more follow.
    pub(crate) fn finish(self) -> (Vec<Entry>, bool) {
        (self.entries, self.more)
    }
}

/// A message counts what it costs in memory; a tombstone costs next to nothing.
fn cost(entry: &Entry) -> usize {
    match entry {
        Entry::Message(message) => message.cost(),
        Entry::Tombstone { .. } => size_of::<Entry>(),
    }
}
