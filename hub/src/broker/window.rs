//! One in-memory window: the last messages of a channel, numbered, with their keys.

use std::collections::{HashMap, VecDeque};

use hubbub_persistence::{Append, Appended, Continuity, Entry, Head, Page, ReadFrom};
use hubbub_protocol::{Epoch, GapReason, Key, Message, MessageId, Position};

use crate::namespace::WindowBounds;

/// The window of one channel.
#[derive(Debug)]
pub(super) struct Window {
    epoch: Epoch,
    /// The newest offset; kept when the window is empty.
    head: u64,
    /// `None` is one that was taken out. The oldest is always there.
    entries: VecDeque<Option<Message>>,
    keys: HashMap<(String, Key), Kept>,
    /// The publishers of the entries, for taking their keys back. In step with `entries`.
    publishers: VecDeque<Option<String>>,
    bytes: usize,
    bounds: WindowBounds,
    /// When it was last appended to, in milliseconds since 1970.
    pub(super) touched_ms: u64,
}

#[derive(Debug, Clone, Copy)]
struct Kept {
    id: MessageId,
    offset: u64,
    time: u64,
}

impl Window {
    pub(super) fn new(epoch: Epoch, bounds: WindowBounds, now_ms: u64) -> Self {
        let (entries, publishers) = (VecDeque::new(), VecDeque::new());
        Self { epoch, head: 0, entries, keys: HashMap::new(), publishers, bytes: 0, bounds, touched_ms: now_ms }
    }

    /// Appends, and answers with the message when it is new.
    pub(super) fn append(&mut self, append: Append, bounds: WindowBounds) -> (Appended, Option<Message>) {
        self.bounds = bounds;
        self.touched_ms = append.time;
        let scoped = append.key.clone().map(|key| (append.publisher.clone(), key));
        if let Some(kept) = scoped.as_ref().and_then(|key| self.keys.get(key)) {
            return (self.repeated(*kept, &append.data, append.conflate_key.as_ref()), None);
        }
        self.head += 1;
        let position = Position::new(self.epoch, self.head);
        let message = append.message(Some(position));
        self.publishers.push_back(scoped.as_ref().map(|(publisher, _)| publisher.clone()));
        if let Some(scoped) = scoped {
            self.keys.insert(scoped, Kept { id: append.id, offset: self.head, time: append.time });
        }
        self.bytes += message.cost();
        self.entries.push_back(Some(message.clone()));
        self.trim(append.time);
        (Appended::At { id: append.id, position, time: append.time, duplicate: false }, Some(message))
    }

    fn repeated(&self, kept: Kept, data: &hubbub_protocol::Data, conflate_key: Option<&Key>) -> Appended {
        let index = (kept.offset - self.low() - 1) as usize;
        let kept_message = self.entries.get(index).and_then(Option::as_ref);
        let same = kept_message.is_some_and(|m| m.data == *data && m.conflate_key.as_ref() == conflate_key);
        if !same {
            return Appended::KeyConflict;
        }
        let position = Position::new(self.epoch, kept.offset);
        Appended::At { id: kept.id, position, time: kept.time, duplicate: true }
    }

    /// Lets go what is beyond the bounds; answers how many bytes went.
    pub(super) fn trim(&mut self, now_ms: u64) -> usize {
        let before = self.bytes;
        let oldest = now_ms.saturating_sub(self.bounds.age_s.saturating_mul(1_000));
        while self.entries.len() > self.bounds.messages as usize
            || (self.bytes > self.bounds.bytes && self.entries.len() > 1)
            || self.oldest_ms().is_some_and(|time| time < oldest)
        {
            self.drop_oldest();
        }
        before - self.bytes
    }

    /// Lets the oldest message go; answers how many bytes went, 0 when the window is empty.
    pub(super) fn drop_oldest(&mut self) -> usize {
        let gone = self.take_out(0);
        self.begin_with_a_message();
        gone
    }

    fn begin_with_a_message(&mut self) {
        while let Some(None) = self.entries.front() {
            self.entries.pop_front();
            self.publishers.pop_front();
        }
    }

    /// Takes out what somebody says goes; its offset stays. Answers how many bytes went.
    pub(super) fn sift(&mut self, goes: impl Fn(&Message) -> bool) -> Option<usize> {
        let chosen = |message: &Option<Message>| message.as_ref().is_some_and(&goes);
        let chosen: Vec<usize> = (0..self.entries.len()).filter(|index| chosen(&self.entries[*index])).collect();
        let bytes = chosen.iter().map(|index| self.take_out(*index)).sum();
        self.begin_with_a_message();
        (!chosen.is_empty()).then_some(bytes)
    }

    fn take_out(&mut self, index: usize) -> usize {
        let Some(message) = self.entries.get_mut(index).and_then(Option::take) else { return 0 };
        let publisher = self.publishers.get_mut(index).and_then(Option::take);
        if let (Some(publisher), Some(key)) = (publisher, message.key.clone()) {
            self.keys.remove(&(publisher, key));
        }
        self.bytes -= message.cost();
        message.cost()
    }

    fn low(&self) -> u64 {
        self.head - self.entries.len() as u64
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The time of the oldest message, in milliseconds since 1970.
    pub(super) fn oldest_ms(&self) -> Option<u64> {
        self.entries.front().and_then(Option::as_ref).map(|message| message.time)
    }

    /// How long it keeps messages, in milliseconds.
    pub(super) fn age_ms(&self) -> u64 {
        self.bounds.age_s.saturating_mul(1_000)
    }

    pub(super) fn head(&self) -> Head {
        Head { position: Position::new(self.epoch, self.head), low: self.low() }
    }

    pub(super) fn read(&self, from: ReadFrom, limit: u32, max_bytes: usize) -> Page {
        let (low, len) = (self.low(), self.entries.len());
        let mut page = Page { head: self.head(), entries: Vec::new(), more: false };
        let mut bytes = 0;
        let mut take = |(offset, message): (u64, &Option<Message>)| {
            bytes += message.as_ref().map_or(0, Message::cost);
            let fits = page.entries.len() < limit as usize && (page.entries.is_empty() || bytes <= max_bytes);
            if fits {
                page.entries.push(message.clone().map_or(Entry::Tombstone { offset }, Entry::Message));
            } else {
                page.more = true;
            }
            fits
        };
        match from {
            ReadFrom::After(offset) => {
                let start = (offset.max(low) - low).min(len as u64) as usize;
                let _ = (low + 1 + start as u64..).zip(self.entries.range(start..)).all(&mut take);
            }
            ReadFrom::Before(offset) => {
                let end = (offset.saturating_sub(1).max(low) - low).min(len as u64) as usize;
                let _ = self
                    .entries
                    .range(..end)
                    .enumerate()
                    .rev()
                    .all(|(index, message)| take((low + 1 + index as u64, message)));
            }
        }
        page
    }

    pub(super) fn continuity(&self, position: Position) -> Continuity {
        if position.epoch != self.epoch {
            Continuity::Broken { since: 0, reason: GapReason::Epoch }
        } else if position.offset > self.head {
            Continuity::Broken { since: self.head, reason: GapReason::Epoch }
        } else {
            Continuity::Proven { offset: position.offset }
        }
    }
}
