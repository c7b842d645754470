//! The list of the own rooms: snapshots, and what the events behind them make of them. Pure: says what has to be asked for
//! again, and asks nobody.

use std::collections::BTreeMap;

use hubbub_protocol::room::answer::{Place, RoomsAnswer};
use hubbub_protocol::room::{OwnEvent, Person};
use hubbub_protocol::{ChannelName, Message, UserId};

use super::cursor::{Cursor, Step, holds};
use super::entry::Entry;
use super::heard::{Heard, What, is_own};

/// The rooms that a user is in or invited to.
#[derive(Clone, Debug)]
pub struct RoomsModel {
    viewer: UserId,
    own: Cursor,
    person: Person,
    entries: BTreeMap<ChannelName, Entry>,
    /// Rooms to ask for again, and the offset of the own channel that their answer has to hold.
    wanted: BTreeMap<ChannelName, u64>,
}

/// What of a list has to be asked for again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Wanted {
    /// Nothing.
    Nothing,
    /// These rooms, by `rooms` with `channels`.
    Rooms(Vec<ChannelName>),
    /// Everything.
    All,
}

impl RoomsModel {
    /// Of the first page, as the viewer got it.
    pub fn new(viewer: UserId, answer: RoomsAnswer) -> Self {
        let (own, person) = (Cursor::at(answer.user), answer.person.clone());
        let mut model = Self { viewer, own, person, entries: BTreeMap::new(), wanted: BTreeMap::new() };
        model.extend(answer);
        model
    }

    /// Adds the next page.
    pub fn extend(&mut self, page: RoomsAnswer) {
        for entry in page.rooms {
            let channel = entry.room.channel.clone();
            self.entries.insert(channel, Entry::new(self.viewer.clone(), entry, Some(page.user)));
        }
    }

    /// Takes new snapshots of rooms that were asked for by name; one that is not in the answer is not in the list any more.
    pub fn refresh(&mut self, asked: &[ChannelName], answer: RoomsAnswer) {
        let RoomsAnswer { rooms, user, .. } = answer;
        for channel in asked {
            // An answer from before what made it wanted does not know yet what came of the room.
            if self.wanted.get(channel).is_none_or(|needed| *needed <= user.offset) {
                self.wanted.remove(channel);
                self.entries.remove(channel);
            }
        }
        for entry in rooms.into_iter().filter(|entry| asked.contains(&entry.room.channel)) {
            let channel = entry.room.channel.clone();
            if !self.wanted.contains_key(&channel) {
                self.entries.insert(channel, Entry::new(self.viewer.clone(), entry, Some(user)));
            }
        }
    }

    /// Something happened in a room or in the own channel.
    pub fn apply(&mut self, message: &Message) -> Step {
        let heard = Heard::of(message, &self.viewer);
        if is_own(&message.channel, &self.viewer) {
            return self.hear_own(&heard);
        }
        let Some(entry) = self.entries.get_mut(&message.channel) else { return Step::Known };
        let step = entry.hear(&heard);
        if step == Step::Hole {
            self.wanted.entry(message.channel.clone()).or_insert(0);
        }
        step
    }

    /// Something of a channel will never come.
    pub fn gap(&mut self, channel: &ChannelName) {
        if is_own(channel, &self.viewer) {
            self.own.torn = true;
        } else if let Some(entry) = self.entries.get_mut(channel) {
            entry.tear();
            self.wanted.entry(channel.clone()).or_insert(0);
        }
    }

    fn hear_own(&mut self, heard: &Heard<'_>) -> Step {
        // A room that was asked for by name may stand behind events of the own channel that are still to come.
        let step = self.own.step(heard.message.position);
        let What::Own(event) = &heard.what else { return step };
        match event {
            // Each room knows what it holds: to one that was asked for meanwhile this is new, though the list had it before.
            OwnEvent::MemberNotify { .. } | OwnEvent::ReadMoved(_) if step != Step::Hole => {
                for entry in self.entries.values_mut() {
                    entry.hear(heard);
                    entry.stands_at(heard.message.position);
                }
            }
            _ if step != Step::Next => {}
            OwnEvent::RoomJoined { channel } => self.comes(channel, heard),
            OwnEvent::RoomLeft { channel } => self.goes(channel, heard),
            OwnEvent::PersonChanged { person }
            | OwnEvent::InboxAdded { person, .. }
            | OwnEvent::InboxRead { person, .. } => self.person = person.clone(),
            OwnEvent::MemberNotify { .. } | OwnEvent::ReadMoved(_) | OwnEvent::ThreadFollowed { .. } => {}
        }
        step
    }

    fn comes(&mut self, channel: &ChannelName, heard: &Heard<'_>) {
        if !self.is_known(channel, heard) {
            self.wanted.insert(channel.clone(), heard.offset());
        }
    }

    fn goes(&mut self, channel: &ChannelName, heard: &Heard<'_>) {
        if self.is_known(channel, heard) {
            return;
        }
        self.entries.remove(channel);
        if let Some(needed) = self.wanted.get_mut(channel) {
            *needed = heard.offset();
        }
    }

    fn is_known(&self, channel: &ChannelName, heard: &Heard<'_>) -> bool {
        self.entries.get(channel).is_some_and(|entry| holds(entry.own(), heard.message.position))
    }

    /// What has to be asked for again. What comes meanwhile has to be applied again behind the answer.
    pub fn wanted(&self) -> Wanted {
        match (self.own.torn, self.wanted.is_empty()) {
            (true, _) => Wanted::All,
            (false, true) => Wanted::Nothing,
            (false, false) => Wanted::Rooms(self.wanted.keys().cloned().collect()),
        }
    }

    /// The rooms, by channel.
    pub fn rooms(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values().filter(|entry| entry.is_listed())
    }

    /// A room of the list.
    pub fn room(&self, channel: &ChannelName) -> Option<&Entry> {
        self.entries.get(channel)
    }

    /// Oneself.
    pub fn person(&self) -> &Person {
        &self.person
    }

    /// The place in the own channel of which this is a snapshot now.
    pub fn place(&self) -> Place {
        self.own.place
    }

    /// Who looks.
    pub fn viewer(&self) -> &UserId {
        &self.viewer
    }
}
