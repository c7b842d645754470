//! The world of the show: who is in which room, and who said what when, all of it from a seed. Any message can be told again at any
//! moment, so every answer of the hub can be held against it. Knows nothing of how the hub stores it.

use super::ChatScaleArgs;
use super::words::Words;
use crate::plan::dice::Dice;

/// The room with all the messages.
pub(super) const LARGE: usize = 0;
/// How long the rooms have been there, in milliseconds.
const SPAN_MS: u64 = 30 * 86_400_000;
/// Every so manieth message mentions the whole room: in small rooms, and in the large one.
const MENTIONS_ALL: (usize, usize) = (25, 10_000);
/// How far the readers are behind in the large room, at most.
const BEHIND: usize = 5_000;
/// Who may be made a member by one operation.
pub(super) const AT_ONCE: usize = 100;

/// Everything that was said.
#[derive(Debug)]
pub(super) struct World {
    seed: u64,
    rooms: usize,
    listed: usize,
    messages: u64,
    small_messages: u64,
    members: usize,
    crowd: usize,
    pub(super) words: Words,
    /// When the rooms were made, in milliseconds since 1970.
    began: u64,
}

/// One message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Said {
    pub(super) author: String,
    pub(super) text: String,
    /// The numbers of its words.
    pub(super) words: Vec<usize>,
}

impl World {
    /// Ends at `now`.
    pub(super) fn new(args: &ChatScaleArgs, now: u64) -> Self {
        Self {
            seed: args.seed,
            rooms: args.rooms,
            listed: args.listed,
            messages: args.messages,
            small_messages: args.small_messages,
            members: args.members,
            crowd: args.crowd,
            words: Words::new(args.words, args.seed),
            began: now - SPAN_MS,
        }
    }

    pub(super) fn rooms(&self) -> usize {
        self.rooms
    }

    pub(super) fn channel(room: usize) -> String {
        format!("room:scale-{room:05}")
    }

    /// The number of a room, by its channel.
    pub(super) fn room_of(channel: &str) -> Option<usize> {
        channel.strip_prefix("room:scale-")?.parse().ok()
    }

    /// Those whose lists are long.
    pub(super) fn readers(&self) -> usize {
        self.rooms / self.listed
    }

    pub(super) fn reader(number: usize) -> String {
        format!("reader-{number}")
    }

    /// The rooms that a reader is in, ascending.
    pub(super) fn rooms_of(&self, reader: usize) -> impl Iterator<Item = usize> {
        std::iter::once(LARGE).chain((1 + reader..).step_by(self.readers())).take(self.listed)
    }

    /// Which reader is in a small room.
    fn reader_of(&self, room: usize) -> Option<usize> {
        let (round, reader) = ((room - 1) / self.readers(), (room - 1) % self.readers());
        (round + 1 < self.listed).then_some(reader)
    }

    /// Who is in one room alone: the last one.
    pub(super) const NEWCOMER: &'static str = "newcomer";

    /// A room that no reader is in.
    pub(super) fn unread_room(&self) -> usize {
        self.rooms - 2
    }

    /// Who is in a room. Readers come first and say nothing.
    pub(super) fn people(&self, room: usize) -> Vec<String> {
        let mut people: Vec<String> = match room {
            LARGE => (0..self.readers()).map(Self::reader).collect(),
            small => self.reader_of(small).map(Self::reader).into_iter().collect(),
        };
        let wanted = if room == LARGE { self.crowd } else { self.members };
        let member = |number: usize| format!("member-{}", (room * 31 + number) % (2 * self.crowd + 1));
        people.extend((0..wanted.saturating_sub(people.len())).map(member));
        if room == self.rooms - 1 {
            people.insert(0, Self::NEWCOMER.to_owned());
        }
        people
    }

    /// How many of the people of a room say nothing.
    fn silent(&self, room: usize) -> usize {
        match room {
            LARGE => self.readers(),
            small => usize::from(self.reader_of(small).is_some()) + usize::from(small == self.rooms - 1),
        }
    }

    /// How many messages a room has.
    pub(super) fn messages(&self, room: usize) -> u64 {
        if room == LARGE { self.messages } else { self.small_messages }
    }

    /// What a message says. `people` are those of the room.
    pub(super) fn said(&self, room: usize, ordinal: u64, people: &[String]) -> Said {
        let mut dice = Dice::of(self.seed, room as u64, ordinal);
        let each = if room == LARGE { MENTIONS_ALL.1 } else { MENTIONS_ALL.0 };
        let mut text = String::from(if dice.below(each) == 0 { "@here" } else { "" });
        let silent = self.silent(room);
        let author = people[silent + dice.below(people.len() - silent)].clone();
        let words: Vec<usize> = (0..6 + dice.below(13)).map(|_| self.words.choose(&mut dice)).collect();
        for word in &words {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(self.words.text(*word));
        }
        Said { author, text, words }
    }

    /// When a room was made; all before anything is said.
    pub(super) fn made(&self, room: usize) -> u64 {
        self.began + room as u64
    }

    /// When a message was sent. Those of all rooms are spread over the same time.
    pub(super) fn time(&self, room: usize, ordinal: u64) -> u64 {
        let (rooms, span) = (self.rooms as u64, SPAN_MS - self.rooms as u64 - 1);
        let (part, whole) = ((ordinal - 1) * rooms + room as u64 + 1, self.messages(room) * rooms);
        self.began + rooms + (u128::from(span) * u128::from(part) / u128::from(whole)) as u64
    }

    /// The room and the ordinal of every message, in the order in which they were sent.
    pub(super) fn in_time(&self) -> impl Iterator<Item = (usize, u64)> {
        let smalls = self.rooms - 1;
        let small = move |number: u64| (1 + (number % smalls as u64) as usize, 1 + number / smalls as u64);
        let (mut large, mut number, all) = (0, 0, self.small_messages * smalls as u64);
        std::iter::from_fn(move || {
            let next = (number < all).then(|| small(number));
            let is_small = next.filter(|(room, ordinal)| {
                large == self.messages || self.time(*room, *ordinal) < self.time(LARGE, large + 1)
            });
            if is_small.is_some() {
                number += 1;
                return is_small;
            }
            large += 1;
            (large <= self.messages).then_some((LARGE, large))
        })
    }

    /// When the readers read.
    pub(super) fn ended(&self) -> u64 {
        self.began + SPAN_MS
    }

    /// Up to where a reader has read in a room.
    pub(super) fn read(&self, room: usize, reader: usize) -> u64 {
        let (messages, mut dice) = (self.messages(room), Dice::of(self.seed, room as u64, (reader as u64) << 32));
        messages - dice.below((messages as usize + 1).min(BEHIND)) as u64
    }

    /// Bits for an id.
    pub(super) fn random(&self, room: usize, number: u64) -> u128 {
        let mut dice = Dice::of(self.seed, !(room as u64), number);
        u128::from(dice.throw()) << 64 | u128::from(dice.throw())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world() -> World {
        World {
            seed: 1,
            rooms: 30,
            listed: 10,
            messages: 500,
            small_messages: 7,
            members: 4,
            crowd: 20,
            words: Words::new(100, 1),
            began: 1_000,
        }
    }

    #[test]
    fn every_message_comes_once_and_in_time() {
        let world = world();
        let all: Vec<_> = world.in_time().collect();
        assert_eq!(all.len(), 500 + 29 * 7);
        let mut next = [1; 30];
        let mut now = 0;
        for (room, ordinal) in all {
            assert_eq!(ordinal, next[room]);
            next[room] += 1;
            assert!(world.time(room, ordinal) >= now);
            now = world.time(room, ordinal);
        }
        assert!(now <= world.ended());
    }

    #[test]
    fn readers_are_in_as_many_rooms_as_they_list_and_say_nothing() {
        let world = world();
        for reader in 0..world.readers() {
            let rooms: Vec<_> = world.rooms_of(reader).collect();
            assert_eq!(rooms.len(), 10);
            for room in 0..30 {
                let people = world.people(room);
                assert_eq!(people.contains(&World::reader(reader)), rooms.contains(&room), "{room}");
                assert!(world.messages(room) >= world.read(room, reader));
                for ordinal in 1..=world.messages(room) {
                    assert!(world.said(room, ordinal, &people).author.starts_with("member-"));
                }
            }
        }
        assert!((0..world.readers()).all(|reader| world.rooms_of(reader).all(|room| room != world.unread_room())));
    }
}
