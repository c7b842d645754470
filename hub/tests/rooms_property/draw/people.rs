//! Rooms, and who comes and goes.

use hubbub_protocol::channel::UserId;
use hubbub_protocol::room::op::{Add, Archive, Configure, Create, InRoom, Invite, SetRole, Update};
use hubbub_protocol::room::{Op, Reactions, Role, RoomKind};

use super::dice::{Dice, channel, user};
use crate::notes::Notes;
use crate::world::Who;

/// The rooms of a sequence, and who is in them when it begins.
pub(super) type SetUp = Vec<(Who, Op)>;

/// A room of each kind. The first user owns them.
pub(crate) fn set_up(dice: &mut Dice) -> SetUp {
    let owner = Who::User(user(0));
    let mut steps = Vec::new();
    for (name, kind) in [("public", RoomKind::Public), ("private", RoomKind::Private), ("news", RoomKind::Announcement)]
    {
        steps.push((owner.clone(), Op::Create(made(dice, Some(name), kind, Vec::new()))));
        let (mut keep_order, mut others) = (vec![user(1)], Vec::new());
        for number in 2..5 {
            match dice.below(4) {
                0 => keep_order.push(user(number)),
                1 | 2 => others.push(user(number)),
                _ => {}
            }
        }
        let role = *dice.pick(&[Role::Guest, Role::Member]).expect("some");
        for (users, role) in [(keep_order, Role::Moderator), (others, role)] {
            steps.push((owner.clone(), Op::Add(Add { channel: channel(name), users, role })));
        }
    }
    let others: Vec<UserId> = if dice.one_in(2) { vec![user(3)] } else { vec![user(3), user(1)] };
    steps.push((owner, Op::Create(made(dice, None, RoomKind::Direct, others))));
    steps
}

fn made(dice: &mut Dice, name: Option<&str>, kind: RoomKind, members: Vec<UserId>) -> Create {
    Create {
        channel: name.map(channel),
        kind,
        name: name.map(str::to_owned),
        topic: dice.one_in(2).then(|| "a topic".to_owned()),
        members,
        reactions: law(dice),
        receipts: dice.one_in(2).then(|| dice.one_in(2)),
        mention_all: *dice.pick(&[Role::Guest, Role::Member, Role::Moderator]).expect("some"),
        slow_mode_s: 0,
    }
}

fn law(dice: &mut Dice) -> Reactions {
    *dice.pick(&[Reactions::Unique, Reactions::Distinct, Reactions::Counted]).expect("some")
}

pub(super) fn create(dice: &mut Dice, notes: &Notes, _now: u64) -> Option<(Who, Op)> {
    let who = if dice.one_in(4) { Who::Service } else { Who::User(dice.user()) };
    let members = (0..dice.below(3)).map(|_| dice.user()).collect();
    let kind = *dice.pick(&[RoomKind::Public, RoomKind::Private, RoomKind::Direct]).expect("some");
    // Now and then a name that is taken.
    let name = if dice.one_in(3) { "public".to_owned() } else { format!("extra-{}", notes.rooms.len()) };
    let members = if kind == RoomKind::Direct || who == Who::Service { members } else { Vec::new() };
    Some((
        who,
        Op::Create(made(dice, Some(&name).filter(|_| kind != RoomKind::Direct).map(String::as_str), kind, members)),
    ))
}

pub(super) fn update(dice: &mut Dice, notes: &Notes, _now: u64) -> Option<(Who, Op)> {
    let room = dice.room(notes)?;
    let name = dice.one_in(2).then(|| format!("name {}", dice.below(9)));
    let topic = dice.one_in(2).then(|| format!("topic {}", dice.below(9)));
    let name = if dice.one_in(10) { Some(String::new()) } else { name };
    Some((dice.who(room, Role::Moderator), Op::Update(Update { channel: room.channel.clone(), name, topic })))
}

pub(super) fn configure(dice: &mut Dice, notes: &Notes, _now: u64) -> Option<(Who, Op)> {
    let room = dice.room(notes)?;
    let mut body = Configure {
        channel: room.channel.clone(),
        slow_mode_s: None,
        reactions: None,
        receipts: None,
        mention_all: None,
        retention_days: None,
    };
    match dice.below(6) {
        0 => body.slow_mode_s = Some(dice.below(3) as u32 * 20),
        1 => body.receipts = Some(dice.one_in(2)),
        2 => body.mention_all = Some(dice.role()),
        3 => body.retention_days = Some(dice.below(50_000) as u32),
        _ => body.reactions = Some(law(dice)),
    }
    Some((dice.who(room, Role::Owner), Op::Configure(body)))
}

pub(super) fn archive(dice: &mut Dice, notes: &Notes, _now: u64) -> Option<(Who, Op)> {
    let room = dice.room(notes)?;
    let body = Archive { channel: room.channel.clone(), archived: dice.one_in(3) };
    Some((dice.who(room, Role::Owner), Op::Archive(body)))
}

pub(super) fn invite(dice: &mut Dice, notes: &Notes, _now: u64) -> Option<(Who, Op)> {
    let room = dice.room(notes)?;
    let body = Invite { channel: room.channel.clone(), user: dice.user(), role: dice.role() };
    Some((dice.who(room, Role::Member), Op::Invite(body)))
}

pub(super) fn join(dice: &mut Dice, notes: &Notes, _now: u64) -> Option<(Who, Op)> {
    let room = dice.room(notes)?;
    Some((Who::User(dice.user()), Op::Join(InRoom { channel: room.channel.clone() })))
}

pub(super) fn leave(dice: &mut Dice, notes: &Notes, _now: u64) -> Option<(Who, Op)> {
    let room = dice.room(notes)?;
    Some((Who::User(dice.member(room)), Op::Leave(InRoom { channel: room.channel.clone() })))
}

pub(super) fn add(dice: &mut Dice, notes: &Notes, _now: u64) -> Option<(Who, Op)> {
    let room = dice.room(notes)?;
    let users = (0..=dice.below(3)).map(|_| dice.user()).collect();
    let role = dice.role();
    Some((dice.who(room, Role::Moderator), Op::Add(Add { channel: room.channel.clone(), users, role })))
}

pub(super) fn role(dice: &mut Dice, notes: &Notes, _now: u64) -> Option<(Who, Op)> {
    let room = dice.room(notes)?;
    let body = SetRole { channel: room.channel.clone(), user: dice.member(room), role: dice.role() };
    Some((dice.who(room, Role::Moderator), Op::Role(body)))
}
