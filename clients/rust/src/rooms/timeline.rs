//! The window of messages that a conversation shows: pages in one piece, and what the events behind them make of them.

use std::collections::BTreeMap;

use hubbub_protocol::room::answer::MessagesAnswer;
use hubbub_protocol::room::{Event, Post};
use hubbub_protocol::{MessageId, UserId};

use super::heard::Heard;
use super::post::{Fate, change, made};

/// Most messages that are held. Beyond, those at the far end are let go and can be asked for again.
pub const HELD: usize = 1_000;

/// A message, and the offset of the log up to which what happened to it is in it.
#[derive(Clone, Debug)]
struct Held {
    post: Post,
    as_of: u64,
}

/// Messages of a room outside threads, or of one thread, by ordinal.
#[derive(Clone, Debug)]
pub(super) struct Timeline {
    thread: Option<MessageId>,
    held: BTreeMap<u64, Held>,
    before: bool,
    after: bool,
    /// The offset of the log up to which new messages are in the pages, once the end is held.
    end_as_of: u64,
}

impl Timeline {
    /// Of a thread, or of the room, with nothing in it yet.
    pub(super) fn new(thread: Option<MessageId>) -> Self {
        Self { thread, held: BTreeMap::new(), before: true, after: true, end_as_of: 0 }
    }

    /// Becomes this page.
    pub(super) fn replace(&mut self, page: &MessagesAnswer) {
        self.held.clear();
        self.before = page.before;
        self.append(page);
    }

    /// Adds a page of older messages.
    pub(super) fn prepend(&mut self, page: &MessagesAnswer) {
        self.before = page.before;
        self.hold(page);
        while self.held.len() > HELD {
            self.held.pop_last();
            self.after = true;
        }
    }

    /// Adds a page of newer messages.
    pub(super) fn append(&mut self, page: &MessagesAnswer) {
        self.after = page.after;
        self.end_as_of = page.place.offset;
        self.hold(page);
        self.trim();
    }

    fn hold(&mut self, page: &MessagesAnswer) {
        let as_of = page.place.offset;
        self.held.extend(page.messages.iter().map(|post| (post.ordinal, Held { post: post.clone(), as_of })));
    }

    /// Something happened in the room.
    pub(super) fn hear(&mut self, event: &Event, heard: &Heard<'_>, viewer: &UserId) {
        let (offset, time) = (heard.offset(), heard.message.time);
        self.held.retain(|_, held| {
            let stays = offset <= held.as_of || change(&mut held.post, event, time, viewer) == Fate::Stays;
            held.as_of = held.as_of.max(offset);
            stays
        });
        if let Event::MessageCreated(created) = event
            && created.thread == self.thread
            && !self.after
            && offset > self.end_as_of
        {
            self.held.insert(created.ordinal, Held { post: made(heard.message, created), as_of: offset });
            self.trim();
        }
    }

    fn trim(&mut self) {
        while self.held.len() > HELD {
            self.held.pop_first();
            self.before = true;
        }
    }

    pub(super) fn posts(&self) -> impl DoubleEndedIterator<Item = &Post> {
        self.held.values().map(|held| &held.post)
    }

    pub(super) fn at(&self, ordinal: u64) -> Option<&Post> {
        self.held.get(&ordinal).map(|held| &held.post)
    }

    pub(super) fn before(&self) -> bool {
        self.before
    }

    pub(super) fn after(&self) -> bool {
        self.after
    }
}
