//! Seeded dice, and the few names that steps choose among.

use hubbub_protocol::channel::{ChannelName, UserId};
use hubbub_protocol::room::Role;
use hubbub_protocol::{Key, MessageId};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::notes::{Notes, PostNote, RoomNote};
use crate::world::Who;

/// How many users there are.
pub(crate) const USERS: u64 = 6;

pub(crate) struct Dice(StdRng);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0.random_range(0..end.max(1))
    }

    pub(crate) fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }

    pub(crate) fn pick<'a, T>(&mut self, among: &'a [T]) -> Option<&'a T> {
        if among.is_empty() { None } else { among.get(self.below(among.len() as u64) as usize) }
    }

    /// Half of the time one of those who look.
    pub(crate) fn user(&mut self) -> UserId {
        let number = if self.one_in(2) { *self.pick(&[0, 3, 3]).expect("some") } else { self.below(USERS) };
        user(number)
    }

    pub(crate) fn key(&mut self) -> Key {
        Key::parse(&format!("key-{:x}", self.below(u64::MAX))).expect("a key")
    }

    /// Mostly one of the first two, so that much happens in them.
    pub(crate) fn room<'a>(&mut self, notes: &'a Notes) -> Option<&'a RoomNote> {
        let most = if self.one_in(2) { notes.rooms.len() } else { notes.rooms.len().min(2) };
        self.pick(&notes.rooms[..most])
    }

    /// Mostly somebody of that standing, sometimes anybody, now and then the service.
    pub(crate) fn who(&mut self, room: &RoomNote, least: Role) -> Who {
        match self.below(12) {
            0 => Who::User(self.user()),
            1 if least > Role::Guest => Who::Service,
            _ => {
                let able = room.with_role(least);
                let looks = Some(user(3)).filter(|viewer| able.contains(&viewer) && self.one_in(3));
                let drawn = looks.or_else(|| self.pick(&able).map(|user| (*user).clone()));
                Who::User(drawn.unwrap_or_else(|| self.user()))
            }
        }
    }

    pub(crate) fn member(&mut self, room: &RoomNote) -> UserId {
        let drawn = self.pick(&room.with_role(Role::Guest)).map(|user| (*user).clone());
        drawn.filter(|_| !self.one_in(6)).unwrap_or_else(|| self.user())
    }

    /// Mostly one of the newest messages.
    pub(crate) fn post<'a>(&mut self, room: &'a RoomNote) -> Option<&'a PostNote> {
        let from = if self.one_in(3) { 0 } else { room.posts.len().saturating_sub(6) };
        self.pick(&room.posts[from..])
    }

    /// A message of the room; now and then one that there is not.
    pub(crate) fn message(&mut self, room: &RoomNote) -> MessageId {
        let drawn = self.post(room).map(|post| post.id).filter(|_| !self.one_in(25));
        drawn.unwrap_or_else(|| MessageId::from_parts(1, u128::from(self.below(1_000))))
    }

    pub(crate) fn root(&mut self, room: &RoomNote) -> Option<MessageId> {
        let roots = room.roots();
        // A few threads, so that they become long.
        let last = roots.len().saturating_sub(3);
        let from = if self.one_in(4) { 0 } else { last };
        self.pick(&roots[from..]).map(|post| post.id)
    }

    pub(crate) fn role(&mut self) -> Role {
        *self.pick(&[Role::Guest, Role::Member, Role::Member, Role::Moderator, Role::Owner]).expect("some")
    }

    /// A time ahead, or none.
    pub(crate) fn until(&mut self, now: u64) -> Option<u64> {
        (!self.one_in(3)).then(|| now + 1 + self.below(90_000))
    }
}

pub(crate) fn user(number: u64) -> UserId {
    UserId::parse(&format!("u{number}")).expect("a user")
}

pub(crate) fn channel(name: &str) -> ChannelName {
    ChannelName::parse(&format!("room:{name}")).expect("a channel")
}
