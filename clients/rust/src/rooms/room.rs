//! An open room: itself, oneself in it, and a window of its messages.

use hubbub_protocol::room::answer::{MessagesAnswer, Place, RoomEntry};
use hubbub_protocol::room::{Member, Post, Room};
use hubbub_protocol::{ChannelName, Message, MessageId, UserId};

use super::cursor::Step;
use super::entry::Entry;
use super::heard::{Heard, What, is_own};
use super::timeline::Timeline;

/// A room with its messages outside threads.
#[derive(Clone, Debug)]
pub struct RoomModel {
    viewer: UserId,
    entry: Entry,
    timeline: Timeline,
}

impl RoomModel {
    /// Of a page of messages, as the viewer got it.
    pub fn new(viewer: UserId, page: &MessagesAnswer) -> Self {
        let mut timeline = Timeline::new(None);
        timeline.replace(page);
        Self { entry: entry_of(&viewer, page), timeline, viewer }
    }

    /// Of a room of a list, whose messages are still to be asked for. `user` is the place of the list in the own channel.
    pub fn of_entry(viewer: UserId, entry: RoomEntry, user: Place) -> Self {
        Self { entry: Entry::new(viewer.clone(), entry, Some(user)), timeline: Timeline::new(None), viewer }
    }

    /// Becomes this page: what a torn model needs.
    pub fn replace(&mut self, page: &MessagesAnswer) {
        self.entry = entry_of(&self.viewer, page);
        self.timeline.replace(page);
    }

    /// Adds the page before the oldest message. What came since it was asked for has to be applied behind it, again or for
    /// the first time.
    pub fn prepend(&mut self, page: &MessagesAnswer) {
        self.timeline.prepend(page);
    }

    /// Adds the page behind the newest message, in the same way.
    pub fn append(&mut self, page: &MessagesAnswer) {
        self.timeline.append(page);
    }

    /// Something happened in the room or in the own channel.
    pub fn apply(&mut self, message: &Message) -> Step {
        if message.channel != *self.entry.channel() && !is_own(&message.channel, &self.viewer) {
            return Step::Known;
        }
        let heard = Heard::of(message, &self.viewer);
        let step = self.entry.hear(&heard);
        if let What::Room(event) = &heard.what
            && !self.entry.is_torn()
        {
            // Also what the entry knows: a page that came later may be older than that.
            self.timeline.hear(event, &heard, &self.viewer);
        }
        step
    }

    /// Something of a channel will never come.
    pub fn gap(&mut self, channel: &ChannelName) {
        if channel == self.entry.channel() || is_own(channel, &self.viewer) {
            self.entry.tear();
        }
    }

    /// Whether something is missing: only another snapshot helps.
    pub fn is_torn(&self) -> bool {
        self.entry.is_torn()
    }

    /// The room, and oneself in it.
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// The room.
    pub fn room(&self) -> &Room {
        self.entry.room()
    }

    /// Oneself in it; `None` for somebody who was never in it.
    pub fn me(&self) -> Option<&Member> {
        self.entry.me()
    }

    /// The pinned messages, the newest pin first.
    pub fn pins(&self) -> &[MessageId] {
        &self.entry.room().pins
    }

    /// The messages that are held, ascending.
    pub fn messages(&self) -> impl DoubleEndedIterator<Item = &Post> {
        self.timeline.posts()
    }

    /// The message of an ordinal, if it is held.
    pub fn at(&self, ordinal: u64) -> Option<&Post> {
        self.timeline.at(ordinal)
    }

    /// Whether there are older messages than those.
    pub fn has_before(&self) -> bool {
        self.timeline.before()
    }

    /// Whether there are newer ones.
    pub fn has_after(&self) -> bool {
        self.timeline.after()
    }
}

/// The room and oneself, as a page of messages has them.
pub(super) fn entry_of(viewer: &UserId, page: &MessagesAnswer) -> Entry {
    let (room, me, place) = (page.room.clone(), page.me.clone(), page.place);
    Entry::new(viewer.clone(), RoomEntry { room, me, place, unread: 0, mentions: 0 }, page.user)
}
