//! Moderation.

use hubbub_protocol::room::op::{Ban, Filters, Kick, Mute, OfUser, Report, Resolution, Resolve, ShadowBan};
use hubbub_protocol::room::{Links, NEVER, Op, Role};

use super::dice::Dice;
use crate::notes::Notes;
use crate::world::Who;

fn reason(dice: &mut Dice) -> Option<String> {
    dice.one_in(2).then(|| "because".to_owned())
}

pub(super) fn mute(dice: &mut Dice, notes: &Notes, now: u64) -> Option<(Who, Op)> {
    let room = dice.room(notes)?;
    let soon = now + 1 + dice.below(60_000);
    let until = *dice.pick(&[Some(NEVER), None, Some(soon), Some(1)]).expect("some");
    let body = Mute { channel: room.channel.clone(), user: dice.member(room), until, reason: reason(dice) };
    Some((dice.who(room, Role::Moderator), Op::Mute(body)))
}

pub(super) fn kick(dice: &mut Dice, notes: &Notes, _now: u64) -> Option<(Who, Op)> {
    let room = dice.room(notes)?;
    let body = Kick { channel: room.channel.clone(), user: dice.member(room), reason: reason(dice) };
    Some((dice.who(room, Role::Moderator), Op::Kick(body)))
}

pub(super) fn ban(dice: &mut Dice, notes: &Notes, now: u64) -> Option<(Who, Op)> {
    let room = dice.room(notes)?;
    let (user, until) = (dice.member(room), dice.until(now));
    let body = Ban { channel: room.channel.clone(), user, until, reason: reason(dice) };
    Some((dice.who(room, Role::Moderator), Op::Ban(body)))
}

pub(super) fn unban(dice: &mut Dice, notes: &Notes, _now: u64) -> Option<(Who, Op)> {
    let room = dice.room(notes)?;
    let banned = |note: &crate::notes::MemberNote| note.state == hubbub_protocol::room::MemberState::Banned;
    let all: Vec<_> = room.members.iter().filter(|(_, note)| banned(note)).map(|(user, _)| user.clone()).collect();
    let user = dice.pick(&all).cloned().unwrap_or_else(|| dice.user());
    Some((dice.who(room, Role::Moderator), Op::Unban(OfUser { channel: room.channel.clone(), user })))
}

pub(super) fn shadow_ban(dice: &mut Dice, notes: &Notes, _now: u64) -> Option<(Who, Op)> {
    let room = dice.room(notes)?;
    let body = ShadowBan { channel: room.channel.clone(), user: dice.member(room), on: dice.one_in(2) };
    Some((dice.who(room, Role::Moderator), Op::ShadowBan(body)))
}

pub(super) fn filters(dice: &mut Dice, notes: &Notes, _now: u64) -> Option<(Who, Op)> {
    let room = dice.room(notes)?;
    let words = match dice.below(4) {
        0 => Some(vec!["bad".to_owned()]),
        1 => Some(Vec::new()),
        2 if dice.one_in(3) => Some(vec!["w".to_owned(); 501]),
        _ => None,
    };
    let links = *dice.pick(&[None, Some(Links::All), Some(Links::Members), Some(Links::None)]).expect("some");
    if words.is_none() && links.is_none() {
        return None;
    }
    Some((dice.who(room, Role::Moderator), Op::Filters(Filters { channel: room.channel.clone(), words, links })))
}

pub(super) fn report(dice: &mut Dice, notes: &Notes, _now: u64) -> Option<(Who, Op)> {
    let room = dice.room(notes)?;
    let reason = if dice.one_in(5) { String::new() } else { "rude".to_owned() };
    let body = Report { channel: room.channel.clone(), message: dice.message(room), reason };
    Some((dice.who(room, Role::Guest), Op::Report(body)))
}

pub(super) fn resolve(dice: &mut Dice, notes: &Notes, _now: u64) -> Option<(Who, Op)> {
    let room = dice.room(notes)?;
    let report = dice.pick(&room.reports)?.clone();
    let action = *dice.pick(&[Resolution::Dismissed, Resolution::Deleted, Resolution::Banned]).expect("some");
    let who = if dice.one_in(3) { Who::User(dice.user()) } else { dice.who(room, Role::Moderator) };
    Some((who, Op::Resolve(Resolve { channel: room.channel.clone(), report, action, user: None })))
}
