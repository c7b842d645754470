//! The list of followed threads, and what events make of it. Pure: says when it has to be asked for again.

use hubbub_protocol::room::answer::{Place, ThreadEntry, ThreadPlace, ThreadsAnswer};
use hubbub_protocol::room::{Event, OwnEvent};
use hubbub_protocol::{ChannelName, Message, MessageId, UserId};

use super::cursor::{Cursor, Step, holds};
use super::heard::{Heard, What, is_own};
use super::post::{Fate, change};
use super::thread::ThreadStanding;

/// The threads that a user follows, by channel and thread.
#[derive(Clone, Debug)]
pub struct ThreadsModel {
    viewer: UserId,
    own: Cursor,
    threads: Vec<Followed>,
    /// Something began to be followed, or came back, of which only the hub knows more.
    wanted: bool,
}

#[derive(Clone, Debug)]
struct Followed {
    entry: ThreadEntry,
    cursor: Cursor,
    own: Place,
    standing: ThreadStanding,
}

impl Followed {
    fn new(entry: ThreadEntry, own: Place) -> Self {
        let ThreadEntry { mentions, mentions_read, read, place, .. } = entry;
        let (root, mentions) = (entry.thread.id, mentions + mentions_read);
        let standing =
            ThreadStanding::new(ThreadPlace { root, following: true, read, mentions, mentions_read }, place.offset);
        Self { cursor: Cursor::at(place), own, standing, entry }
    }

    fn answer(&self) -> ThreadEntry {
        let ThreadPlace { read, mentions, mentions_read, .. } = self.standing.place;
        let thread = self.entry.thread.clone();
        ThreadEntry {
            channel: self.entry.channel.clone(),
            unread: thread.replies.saturating_sub(read),
            mentions: mentions.saturating_sub(mentions_read),
            read,
            mentions_read,
            place: self.cursor.place,
            thread,
        }
    }
}

impl ThreadsModel {
    /// Of the first page, as the viewer got it.
    pub fn new(viewer: UserId, page: ThreadsAnswer) -> Self {
        let own = Cursor::at(page.user);
        let mut model = Self { viewer, own, threads: Vec::new(), wanted: false };
        model.extend(page);
        model
    }

    /// Adds the next page.
    pub fn extend(&mut self, page: ThreadsAnswer) {
        let user = page.user;
        self.threads.extend(page.threads.into_iter().map(|entry| Followed::new(entry, user)));
    }

    /// Something happened in a room or in the own channel.
    pub fn apply(&mut self, message: &Message) -> Step {
        let heard = Heard::of(message, &self.viewer);
        match &heard.what {
            What::Own(event) => self.hear_own(event, &heard),
            What::Room(event) => self.hear_room(Some(event), &heard),
            What::Unknown if is_own(&message.channel, &self.viewer) => self.own.step(message.position),
            What::Unknown => self.hear_room(None, &heard),
        }
    }

    fn hear_own(&mut self, event: &OwnEvent, heard: &Heard<'_>) -> Step {
        let step = self.own.step(heard.message.position);
        if step != Step::Next {
            return step;
        }
        match event {
            OwnEvent::RoomLeft { channel } => self.threads.retain(|thread| thread.entry.channel != *channel),
            OwnEvent::RoomJoined { .. } => self.wanted = true,
            OwnEvent::ThreadFollowed { channel, thread, following, .. } => {
                self.wanted |= *following && !self.has(channel, *thread);
            }
            _ => {}
        }
        for thread in self.threads.iter_mut().filter(|thread| !holds(Some(thread.own), heard.message.position)) {
            thread.standing.hear_own(event, &thread.entry.channel);
        }
        step
    }

    fn hear_room(&mut self, event: Option<&Event>, heard: &Heard<'_>) -> Step {
        let (channel, time) = (&heard.message.channel, heard.message.time);
        let (mut last, mut hole) = (Step::Known, false);
        let viewer = self.viewer.clone();
        self.threads.retain_mut(|thread| {
            if thread.entry.channel != *channel {
                return true;
            }
            last = thread.cursor.step(heard.message.position);
            hole |= last == Step::Hole;
            let (Step::Next, Some(event)) = (last, event) else { return true };
            if let Event::MessageCreated(created) = event {
                thread.standing.hear(created, heard, &viewer);
            }
            change(&mut thread.entry.thread, event, time, &viewer) == Fate::Stays
        });
        self.wanted |= hole;
        if let Some(Event::MessageCreated(created)) = event
            && let Some(root) = created.thread.filter(|_| created.follows.contains(&viewer))
        {
            self.wanted |= !self.has(channel, root);
        }
        last
    }

    fn has(&self, channel: &ChannelName, root: MessageId) -> bool {
        self.threads.iter().any(|thread| thread.entry.channel == *channel && thread.entry.thread.id == root)
    }

    /// Something of a channel will never come: in any room it may have been what one follows another thread by.
    pub fn gap(&mut self) {
        self.wanted = true;
    }

    /// Whether the list has to be asked for again.
    pub fn is_torn(&self) -> bool {
        self.wanted || self.own.torn
    }

    /// The followed threads.
    pub fn threads(&self) -> impl Iterator<Item = ThreadEntry> {
        self.threads.iter().filter(|thread| thread.standing.place.following).map(Followed::answer)
    }

    /// The place in the own channel of which this is a snapshot now.
    pub fn place(&self) -> Place {
        self.own.place
    }
}
