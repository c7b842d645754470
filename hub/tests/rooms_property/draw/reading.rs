//! Read marks, followed threads, what to be told of, and the inbox.

use hubbub_protocol::room::op::{Dnd, Follow, InboxRead, Notify, Read};
use hubbub_protocol::room::{Level, Op, Role};

use super::dice::Dice;
use crate::notes::Notes;
use crate::world::Who;

pub(super) fn read(dice: &mut Dice, notes: &Notes, _now: u64) -> Option<(Who, Op)> {
    let room = dice.room(notes)?;
    // To the end, anywhere, and now and then beyond.
    let ordinal = match dice.below(8) {
        0..4 => room.messages,
        7 if dice.one_in(3) => room.messages + 1,
        _ => dice.below(room.messages + 1),
    };
    let body = Read { channel: room.channel.clone(), ordinal, thread: None };
    Some((dice.who(room, Role::Guest), Op::Read(body)))
}

pub(super) fn read_thread(dice: &mut Dice, notes: &Notes, _now: u64) -> Option<(Who, Op)> {
    let room = dice.room(notes)?;
    let root = dice.root(room)?;
    let replies = room.posts.iter().filter(|post| post.thread == Some(root)).count() as u64;
    let ordinal = if dice.one_in(2) { replies } else { dice.below(replies + 2) };
    let body = Read { channel: room.channel.clone(), ordinal, thread: Some(root) };
    Some((dice.who(room, Role::Guest), Op::Read(body)))
}

pub(super) fn follow(dice: &mut Dice, notes: &Notes, _now: u64) -> Option<(Who, Op)> {
    let room = dice.room(notes)?;
    let thread = if dice.one_in(10) { dice.message(room) } else { dice.root(room)? };
    let body = Follow { channel: room.channel.clone(), thread, following: dice.one_in(2) };
    Some((dice.who(room, Role::Guest), Op::Follow(body)))
}

pub(super) fn notify(dice: &mut Dice, notes: &Notes, _now: u64) -> Option<(Who, Op)> {
    let room = dice.room(notes)?;
    let level = *dice.pick(&[Level::All, Level::Mentions, Level::None]).expect("some");
    Some((dice.who(room, Role::Guest), Op::Notify(Notify { channel: room.channel.clone(), level })))
}

pub(super) fn dnd(dice: &mut Dice, _notes: &Notes, now: u64) -> Option<(Who, Op)> {
    let who = if dice.one_in(10) { Who::Service } else { Who::User(dice.user()) };
    Some((who, Op::Dnd(Dnd { until: dice.until(now) })))
}

pub(super) fn inbox_read(dice: &mut Dice, notes: &Notes, _now: u64) -> Option<(Who, Op)> {
    let user = dice.user();
    let known = notes.notices.get(&user)?;
    let (id, offset) = *dice.pick(known)?;
    let body = match dice.below(8) {
        0 => InboxRead { offset: None, notice: None },
        1..4 => InboxRead { offset: Some(offset), notice: None },
        _ => InboxRead { offset: None, notice: Some(id) },
    };
    Some((Who::User(user), Op::InboxRead(body)))
}
