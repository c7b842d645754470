//! The members of a room as far as they were asked for, and what events make of them.

use std::collections::BTreeMap;

use hubbub_protocol::room::answer::{MemberEntry, MembersAnswer, Place};
use hubbub_protocol::room::{Event, MemberState, Role};
use hubbub_protocol::{ChannelName, Message, UserId};

use super::change::{Standing, newcomer, standing, user_of};
use super::cursor::{Cursor, Step};
use super::heard::{Heard, What};

/// The members of a room, by id.
#[derive(Clone, Debug)]
pub struct MembersModel {
    viewer: UserId,
    channel: ChannelName,
    cursor: Cursor,
    rows: BTreeMap<UserId, Row>,
    /// Pages were had up to this user; `None` when all were.
    upto: Option<UserId>,
    /// Whether the room tells who has read.
    receipts: bool,
}

#[derive(Clone, Debug)]
struct Row {
    standing: Standing,
    read: Option<u64>,
    /// The offset of the log up to which what happened is in it.
    as_of: u64,
}

impl MembersModel {
    /// Of the first page, as the viewer got it of a channel.
    pub fn new(viewer: UserId, channel: ChannelName, page: MembersAnswer) -> Self {
        let cursor = Cursor::at(page.place);
        let mut model = Self { viewer, channel, cursor, rows: BTreeMap::new(), upto: None, receipts: false };
        model.extend(page);
        model
    }

    /// Adds the page behind the last one. What came since it was asked for has to be applied behind it.
    pub fn extend(&mut self, page: MembersAnswer) {
        for entry in page.members {
            self.receipts |= entry.read.is_some();
            let MemberEntry { user, role, state, since, muted_until, banned_until, read } = entry;
            let standing = Standing { role, state, since, muted_until, banned_until };
            self.rows.insert(user, Row { standing, read, as_of: page.place.offset });
        }
        self.upto = page.next;
    }

    /// Something happened.
    pub fn apply(&mut self, message: &Message) -> Step {
        if message.channel != self.channel {
            return Step::Known;
        }
        let heard = Heard::of(message, &self.viewer);
        let step = self.cursor.step(message.position);
        if let What::Room(event) = &heard.what
            && !self.cursor.torn
        {
            self.hear(event, &heard, step);
        }
        step
    }

    fn hear(&mut self, event: &Event, heard: &Heard<'_>, step: Step) {
        if let Some(user) = user_of(event) {
            return self.hear_of(user, event, heard);
        }
        match event {
            // Who sent something has read everything before it.
            Event::MessageCreated(created) if created.thread.is_none() => {
                if let Some(user) = &heard.message.from {
                    self.read(user, created.ordinal, heard.offset());
                }
            }
            Event::ReadMoved(moved) if moved.thread.is_none() => self.read(&moved.user, moved.ordinal, heard.offset()),
            Event::RoomUpdated { set } if step == Step::Next => match set.receipts {
                // What everybody has read until then was not told.
                Some(true) => self.cursor.torn = true,
                Some(false) => self.receipts = false,
                None => {}
            },
            _ => {}
        }
    }

    fn hear_of(&mut self, user: &UserId, event: &Event, heard: &Heard<'_>) {
        let (time, offset) = (heard.message.time, heard.offset());
        let was = self.rows.get(user).map(|row| row.standing.role);
        if self.rows.get(user).is_some_and(|row| offset <= row.as_of) || !self.is_loaded(user) {
            return;
        }
        let row = self.rows.entry(user.clone());
        let row = row.or_insert_with(|| Row { standing: newcomer(time), read: None, as_of: offset });
        row.as_of = offset;
        standing(&mut row.standing, event, time);
        if let Event::MemberJoined { read, .. } = event {
            row.read = Some(*read);
        }
        let keeps_order = |role: Role| role >= Role::Moderator;
        let now = row.standing.role;
        if *user == self.viewer && was.is_none_or(|was| keeps_order(was) != keeps_order(now)) {
            // Those who keep order see more of the list.
            self.cursor.torn = true;
        }
    }

    fn read(&mut self, user: &UserId, ordinal: u64, offset: u64) {
        if let Some(row) = self.rows.get_mut(user).filter(|row| offset > row.as_of) {
            (row.read, row.as_of) = (Some(ordinal), offset);
        }
    }

    fn is_loaded(&self, user: &UserId) -> bool {
        self.upto.as_ref().is_none_or(|upto| user <= upto)
    }

    /// Something of a channel will never come.
    pub fn gap(&mut self, channel: &ChannelName) {
        self.cursor.torn |= *channel == self.channel;
    }

    /// Whether something is missing: only asking again from the first page on helps.
    pub fn is_torn(&self) -> bool {
        self.cursor.torn
    }

    /// Behind whom the next page begins; `None` when there is none.
    pub fn next(&self) -> Option<&UserId> {
        self.upto.as_ref()
    }

    /// The place in the log of which this is a snapshot now.
    pub fn place(&self) -> Place {
        self.cursor.place
    }

    /// Those who are in the room.
    pub fn joined(&self) -> impl Iterator<Item = MemberEntry> {
        self.all().filter(|entry| entry.state == MemberState::Joined)
    }

    /// Everybody of whom something is known: for those who keep order also who is invited, who went and who is banned.
    pub fn all(&self) -> impl Iterator<Item = MemberEntry> {
        self.rows.iter().map(|(user, row)| {
            let Standing { role, state, since, muted_until, banned_until } = row.standing.clone();
            let read = row.read.filter(|_| self.receipts && state == MemberState::Joined);
            MemberEntry { user: user.clone(), role, state, since, muted_until, banned_until, read }
        })
    }
}
