//! An open thread: the message that it hangs under, its messages, and one's place in it.

use hubbub_protocol::room::answer::{MessagesAnswer, ThreadPlace};
use hubbub_protocol::room::event::Created;
use hubbub_protocol::room::{Event, OwnEvent, Post};
use hubbub_protocol::{ChannelName, Message, MessageId, UserId};

use super::cursor::{Mark, Step, holds};
use super::entry::Entry;
use super::heard::{Heard, What, is_own};
use super::post::{Fate, change};
use super::room::entry_of;
use super::timeline::Timeline;

/// A thread with its messages.
#[derive(Clone, Debug)]
pub struct ThreadModel {
    viewer: UserId,
    entry: Entry,
    timeline: Timeline,
    id: MessageId,
    root: Option<Post>,
    standing: ThreadStanding,
}

impl ThreadModel {
    /// Of a page of the thread's messages, as the viewer got it.
    pub fn new(viewer: UserId, id: MessageId, page: &MessagesAnswer) -> Self {
        let mut timeline = Timeline::new(Some(id));
        timeline.replace(page);
        let nowhere = ThreadPlace { root: id, following: false, read: 0, mentions: 0, mentions_read: 0 };
        let standing = ThreadStanding::new(page.thread.clone().unwrap_or(nowhere), page.place.offset);
        Self { entry: entry_of(&viewer, page), timeline, id, root: page.root.clone(), standing, viewer }
    }

    /// Becomes this page: what a torn model needs.
    pub fn replace(&mut self, page: &MessagesAnswer) {
        *self = Self::new(self.viewer.clone(), self.id, page);
    }

    /// Adds the page before the oldest message; see [`super::RoomModel::prepend`].
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
        match &heard.what {
            What::Room(event) if !self.entry.is_torn() => {
                self.timeline.hear(event, &heard, &self.viewer);
                if step == Step::Next {
                    self.hear(event, &heard);
                }
            }
            What::Own(event) if !holds(self.entry.own(), message.position) => {
                self.standing.hear_own(event, self.entry.channel());
            }
            _ => {}
        }
        step
    }

    fn hear(&mut self, event: &Event, heard: &Heard<'_>) {
        let time = heard.message.time;
        let gone = |root: &mut Post| change(root, event, time, &self.viewer) == Fate::Gone;
        if self.root.as_mut().is_some_and(gone) {
            self.root = None;
        }
        if let Event::MessageCreated(created) = event {
            self.standing.hear(created, heard, &self.viewer);
        }
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

    /// The room of the thread, and oneself in it.
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// The message that it hangs under; `None` when it was deleted without a trace.
    pub fn root(&self) -> Option<&Post> {
        self.root.as_ref()
    }

    /// One's place in it.
    pub fn place(&self) -> &ThreadPlace {
        &self.standing.place
    }

    /// The messages that are held, ascending.
    pub fn messages(&self) -> impl DoubleEndedIterator<Item = &Post> {
        self.timeline.posts()
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

/// A place in a thread that moves.
#[derive(Clone, Debug)]
pub(super) struct ThreadStanding {
    pub(super) place: ThreadPlace,
    /// Following and reading are told in two logs each, and apart from each other.
    following: Mark,
    read: Mark,
}

impl ThreadStanding {
    pub(super) fn new(place: ThreadPlace, offset: u64) -> Self {
        Self { place, following: Mark::at(offset), read: Mark::at(offset) }
    }

    /// A message was sent in the room.
    pub(super) fn hear(&mut self, created: &Created, heard: &Heard<'_>, viewer: &UserId) {
        let place = &mut self.place;
        if created.thread != Some(place.root) {
            return;
        }
        place.mentions += u64::from(created.mentions.users.contains(viewer));
        if created.follows.contains(viewer) && self.following.by_room(heard.offset()) {
            place.following = true;
        }
        if heard.is_by(viewer) && self.read.by_room(heard.offset()) {
            (place.read, place.mentions_read) = (created.ordinal, place.mentions);
        }
    }

    /// Something happened in the own channel.
    pub(super) fn hear_own(&mut self, event: &OwnEvent, room: &ChannelName) {
        let place = &mut self.place;
        match event {
            OwnEvent::ThreadFollowed { channel, thread, following, read, behind }
                if channel == room && *thread == place.root =>
            {
                if self.following.by_own(*behind) {
                    place.following = *following;
                }
                if self.read.by_own(*behind) {
                    place.read = *read;
                }
            }
            OwnEvent::ReadMoved(moved)
                if moved.channel.as_ref() == Some(room)
                    && moved.thread == Some(place.root)
                    && self.read.by_own(moved.behind) =>
            {
                (place.read, place.mentions_read) = (moved.ordinal, moved.mentions_read);
            }
            _ => {}
        }
    }
}
