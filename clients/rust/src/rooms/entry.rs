//! One room and oneself in it: a snapshot, and what the events behind it make of it.

use hubbub_protocol::room::answer::{Place, RoomEntry};
use hubbub_protocol::room::{Event, Member, MemberState, Moved, OwnEvent, Room};
use hubbub_protocol::{ChannelName, Position, UserId};

use super::change::{self, Standing};
use super::cursor::{Cursor, Mark, Step, holds};
use super::heard::{Heard, What};

/// A room as its viewer sees it.
#[derive(Clone, Debug)]
pub struct Entry {
    viewer: UserId,
    room: Room,
    me: Option<Member>,
    cursor: Cursor,
    /// The place in the own channel of which this is a snapshot, where that is known.
    own: Option<Place>,
    mark: Mark,
    /// What the own channel told of a place in the room that the room's log is still to tell of.
    early: Vec<OwnEvent>,
}

/// Most of those that are kept.
const EARLY: usize = 16;

impl Entry {
    /// Of a room of a list, which is a snapshot with this place in the own channel.
    pub(super) fn new(viewer: UserId, entry: RoomEntry, own: Option<Place>) -> Self {
        let RoomEntry { room, me, place, .. } = entry;
        let (cursor, mark) = (Cursor::at(place), Mark::at(place.offset));
        Self { viewer, room, me, cursor, own, mark, early: Vec::new() }
    }

    /// The room.
    pub fn room(&self) -> &Room {
        &self.room
    }

    /// Its channel.
    pub fn channel(&self) -> &ChannelName {
        &self.room.channel
    }

    /// The viewer in it; `None` for somebody who was never in it.
    pub fn me(&self) -> Option<&Member> {
        self.me.as_ref()
    }

    /// Whether the viewer is in it or invited.
    pub fn is_listed(&self) -> bool {
        self.me.as_ref().is_some_and(|me| matches!(me.state, MemberState::Joined | MemberState::Invited))
    }

    /// How many messages are not read.
    pub fn unread(&self) -> u64 {
        self.me.as_ref().map_or(0, |me| me.unread(&self.room))
    }

    /// How many mentions are not read.
    pub fn mentions(&self) -> u64 {
        self.me.as_ref().map_or(0, |me| me.unread_mentions(&self.room))
    }

    /// The place in the log of the room of which this is a snapshot now.
    pub fn place(&self) -> Place {
        self.cursor.place
    }

    /// Whether something is missing: only another snapshot helps.
    pub fn is_torn(&self) -> bool {
        self.cursor.torn
    }

    /// As the hub answers it.
    pub fn answer(&self) -> RoomEntry {
        let (room, me, place) = (self.room.clone(), self.me.clone(), self.place());
        RoomEntry { room, me, place, unread: self.unread(), mentions: self.mentions() }
    }

    pub(super) fn own(&self) -> Option<Place> {
        self.own
    }

    /// It is a snapshot with this place in the own channel now.
    pub(super) fn stands_at(&mut self, position: Option<Position>) {
        if let (Some(own), Some(position)) = (&mut self.own, position)
            && !holds(Some(*own), Some(position))
        {
            *own = position.into();
        }
    }

    pub(super) fn tear(&mut self) {
        self.cursor.torn = true;
    }

    /// Something happened in the room, or in the own channel.
    pub(super) fn hear(&mut self, heard: &Heard<'_>) -> Step {
        match &heard.what {
            What::Own(event) => {
                if !holds(self.own, heard.message.position) {
                    self.hear_own(event);
                }
                Step::Known
            }
            _ if heard.message.channel != self.room.channel => Step::Known,
            What::Room(event) => {
                let step = self.cursor.step(heard.message.position);
                if step == Step::Next {
                    self.hear_room(event, heard);
                }
                step
            }
            What::Unknown => self.cursor.step(heard.message.position),
        }
    }

    fn hear_own(&mut self, event: &OwnEvent) {
        let about = match event {
            OwnEvent::ReadMoved(Moved { channel, thread: None, .. }) => channel.as_ref(),
            OwnEvent::MemberNotify { channel, .. } => Some(channel),
            _ => None,
        };
        if about != Some(&self.room.channel) {
            return;
        }
        match (&mut self.me, event) {
            (None, event) if self.early.len() < EARLY => self.early.push(event.clone()),
            (Some(me), OwnEvent::MemberNotify { level, .. }) => me.notify = *level,
            (Some(me), OwnEvent::ReadMoved(moved)) if self.mark.by_own(moved.behind) => read(me, moved),
            _ => {}
        }
    }

    fn hear_room(&mut self, event: &Event, heard: &Heard<'_>) {
        // A newcomer's marks are those of the room before the event.
        self.hear_of_me(event, heard);
        change::room(&mut self.room, event, heard.message);
        let Some(me) = &mut self.me else { return };
        match event {
            Event::MessageCreated(created) if created.thread.is_none() => {
                me.mentions += u64::from(created.mentions.users.contains(&self.viewer));
                // Sending reads everything up to the own message.
                if heard.message.from.as_ref() == Some(&self.viewer) && self.mark.by_room(heard.offset()) {
                    (me.read, me.mentions_read) = (created.ordinal, me.mentions);
                    me.mentions_all_read = created.mentions_all;
                }
            }
            Event::ReadMoved(moved)
                if moved.user == self.viewer && moved.thread.is_none() && self.mark.by_room(heard.offset()) =>
            {
                read(me, moved);
            }
            _ => {}
        }
    }

    fn hear_of_me(&mut self, event: &Event, heard: &Heard<'_>) {
        if change::user_of(event) != Some(&self.viewer) {
            return;
        }
        let time = heard.message.time;
        let me = self.me.get_or_insert_with(|| change::stranger(&self.viewer, &self.room, time));
        let Member { role, state, since, muted_until, banned_until, .. } = me;
        let mut standing = Standing {
            role: *role,
            state: *state,
            since: *since,
            muted_until: *muted_until,
            banned_until: *banned_until,
        };
        change::standing(&mut standing, event, time);
        (*role, *state, *since) = (standing.role, standing.state, standing.since);
        (*muted_until, *banned_until) = (standing.muted_until, standing.banned_until);
        if let Event::MemberJoined { read, mentions_all_read, .. } = event
            && self.mark.by_room(heard.offset())
        {
            (me.read, me.mentions_read, me.mentions_all_read) = (*read, me.mentions, *mentions_all_read);
        }
        for event in std::mem::take(&mut self.early) {
            self.hear_own(&event);
        }
    }
}

fn read(me: &mut Member, moved: &Moved) {
    (me.read, me.mentions_read, me.mentions_all_read) = (moved.ordinal, moved.mentions_read, moved.mentions_all_read);
}
