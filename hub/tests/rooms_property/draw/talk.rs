//! What is said, and what becomes of it.

use hubbub_protocol::room::op::{BulkDelete, Delete, Edit, Pin, React, Send, SetUnfurls, Unschedule};
use hubbub_protocol::room::{Attachment, Entity, Mark, Op, Role, RoomKind, Unfurl};

use super::dice::Dice;
use crate::notes::{Notes, RoomNote};
use crate::world::Who;

fn text(dice: &mut Dice) -> String {
    let name = dice.below(super::dice::USERS + 1);
    match dice.below(14) {
        0 | 1 => format!("hello @u{name}, are you there?"),
        2 => "@here look at this".into(),
        3 => format!("@moderators and @u{name}: @all"),
        4 => "@owners please".into(),
        5 => "see https://example.org/x".into(),
        6 => format!("{}😀 end", "long ".repeat(50)),
        7 => "a bad word".into(),
        8 => ["", "\u{202e}", "  "][dice.below(3) as usize].into(),
        9 => format!("@u{name}! @u{name}. 😀@u{name}"),
        _ => format!("text {}", dice.below(1_000)),
    }
}

fn entities(dice: &mut Dice) -> Vec<Entity> {
    match dice.below(6) {
        0 => vec![Entity { mark: Mark::Bold, from: 0, to: 2 }],
        1 if dice.one_in(4) => vec![Entity { mark: Mark::MentionAll, from: 0, to: 1 }],
        _ => Vec::new(),
    }
}

fn said(dice: &mut Dice, room: &RoomNote) -> Send {
    let thread = if dice.one_in(3) { dice.root(room) } else { None };
    let reply_to = dice.one_in(5).then(|| dice.message(room));
    // Now and then in a thread of a message of a thread.
    let thread = if dice.one_in(30) { Some(dice.message(room)) } else { thread };
    let url = "https://example.org/a.png".to_owned();
    let (id, name, media) = ("a".to_owned(), "a.png".to_owned(), "image/png".to_owned());
    let attachment = Attachment { id, name, media, size: 7, url };
    Send {
        channel: room.channel.clone(),
        text: text(dice),
        entities: entities(dice),
        attachments: if dice.one_in(8) { vec![attachment] } else { Vec::new() },
        reply_to,
        thread,
        at: None,
    }
}

fn writer(dice: &mut Dice, room: &RoomNote) -> Who {
    let least = if room.kind == RoomKind::Announcement { Role::Moderator } else { Role::Guest };
    if dice.one_in(15) { Who::Service } else { dice.who(room, least) }
}

pub(super) fn send(dice: &mut Dice, notes: &Notes, _now: u64) -> Option<(Who, Op)> {
    let room = dice.room(notes)?;
    Some((writer(dice, room), Op::Send(said(dice, room))))
}

pub(super) fn schedule(dice: &mut Dice, notes: &Notes, now: u64) -> Option<(Who, Op)> {
    let room = dice.room(notes)?;
    let at = if dice.one_in(6) { 1 } else { now + 1 + dice.below(40_000) };
    Some((writer(dice, room), Op::Send(Send { at: Some(at), ..said(dice, room) })))
}

pub(super) fn unschedule(dice: &mut Dice, notes: &Notes, _now: u64) -> Option<(Who, Op)> {
    let room = dice.room(notes)?;
    let (user, task) = dice.pick(&room.tasks)?.clone();
    let user = if dice.one_in(4) { dice.user() } else { user };
    Some((Who::User(user), Op::Unschedule(Unschedule { channel: room.channel.clone(), task })))
}

pub(super) fn edit(dice: &mut Dice, notes: &Notes, _now: u64) -> Option<(Who, Op)> {
    let room = dice.room(notes)?;
    let post = dice.post(room)?;
    let author = post.from.clone().map_or(Who::Service, Who::User);
    let who = if dice.one_in(6) { dice.who(room, Role::Member) } else { author };
    let (message, text, entities) = (post.id, text(dice), entities(dice));
    Some((who, Op::Edit(Edit { channel: room.channel.clone(), message, text, entities })))
}

pub(super) fn delete(dice: &mut Dice, notes: &Notes, _now: u64) -> Option<(Who, Op)> {
    let room = dice.room(notes)?;
    let hard = dice.one_in(3);
    let post = dice.post(room)?;
    let author = post.from.clone().map(Who::User).filter(|_| !hard && !dice.one_in(3));
    let who = author.unwrap_or_else(|| dice.who(room, Role::Moderator));
    Some((who, Op::Delete(Delete { channel: room.channel.clone(), message: post.id, hard })))
}

pub(super) fn bulk_delete(dice: &mut Dice, notes: &Notes, now: u64) -> Option<(Who, Op)> {
    let room = dice.room(notes)?;
    let by_user = dice.one_in(2);
    let messages = (0..dice.below(4)).map(|_| dice.message(room)).collect();
    let body = BulkDelete {
        channel: room.channel.clone(),
        messages: if by_user { Vec::new() } else { messages },
        user: by_user.then(|| dice.member(room)),
        since: now.saturating_sub(dice.below(60_000)),
        hard: dice.one_in(3),
    };
    Some((dice.who(room, Role::Moderator), Op::BulkDelete(body)))
}

pub(super) fn unfurl(dice: &mut Dice, notes: &Notes, _now: u64) -> Option<(Who, Op)> {
    let room = dice.room(notes)?;
    let (message, title) = (dice.message(room), format!("title {}", dice.below(9)));
    let unfurl = Unfurl { url: "https://example.org/x".into(), title, description: String::new(), image: None };
    let who = if dice.one_in(5) { Who::User(dice.user()) } else { Who::Service };
    Some((who, Op::Unfurl(SetUnfurls { channel: room.channel.clone(), message, unfurls: vec![unfurl] })))
}

pub(super) fn pin(dice: &mut Dice, notes: &Notes, _now: u64) -> Option<(Who, Op)> {
    let room = dice.room(notes)?;
    let body = Pin { channel: room.channel.clone(), message: dice.message(room), pinned: !dice.one_in(3) };
    Some((dice.who(room, Role::Moderator), Op::Pin(body)))
}

pub(super) fn react(dice: &mut Dice, notes: &Notes, _now: u64) -> Option<(Who, Op)> {
    let room = dice.room(notes)?;
    let emoji = *dice.pick(&["👍", "👍", "🎉", ":party:", "👀"]).expect("some");
    let emoji = if dice.one_in(20) { "no emoji" } else { emoji };
    let count = if dice.one_in(4) { dice.below(8) } else { *dice.pick(&[0, 1, 1, 1, 1]).expect("some") };
    let (message, emoji) = (dice.message(room), emoji.to_owned());
    Some((dice.who(room, Role::Guest), Op::React(React { channel: room.channel.clone(), message, emoji, count })))
}
