//! Coming in, going, and roles.

use hubbub_persistence::records::{Question, Stop};
use hubbub_protocol::ErrorCode;
use hubbub_protocol::channel::UserId;
use hubbub_protocol::room::op::{Add, Invite, SetRole};
use hubbub_protocol::room::{Event, Left, MemberState, OwnEvent, Role, RoomKind, What};
use serde_json::json;

use super::audit::note;
use super::create::MEMBERS;
use super::later::notices;
use crate::rooms::act::{Scene, Stage};
use crate::rooms::actor::Rank;
use crate::rooms::error::{forbidden, missing, refused};
use crate::rooms::rows::{LEADERS, MemberRow, RoomRow, member_key};

pub(in crate::rooms) fn invite(scene: &mut Scene<'_, '_>, body: &Invite) -> Result<(), Stop> {
    let Stage { room, rank, .. } = scene.at_least(Role::Member)?;
    not_direct(&room)?;
    if rank < Rank::In(body.role) {
        return Err(forbidden("nobody gives a role above the own one"));
    }
    let there = scene.member(&body.user)?;
    let now = scene.now();
    match Rank::of(there.as_ref(), now) {
        Rank::Banned => return Err(forbidden("this user is banned from the room; unban them first")),
        Rank::Stranger => {}
        Rank::In(_) | Rank::Service => return Ok(()),
    }
    if there.as_ref().is_some_and(|there| there.member.state == MemberState::Invited && there.member.role == body.role)
    {
        return Ok(());
    }
    let mut row = there.unwrap_or_else(|| new(&room, &body.user, body.role, now));
    (row.member.state, row.member.role, row.member.since, row.member.banned_until) =
        (MemberState::Invited, body.role, now, None);
    scene.put_member(&row);
    let (user, muted_until) = (body.user.clone(), row.member.muted_until);
    scene.tell(&Event::MemberInvited { user, role: body.role, muted_until });
    scene.tell_user(&body.user, &OwnEvent::RoomJoined { channel: room.room.channel.clone() });
    notices(scene, None, &room.room.name, vec![(body.user.clone(), What::Invitation)]);
    Ok(())
}

pub(in crate::rooms) fn join(scene: &mut Scene<'_, '_>) -> Result<(), Stop> {
    let Stage { mut room, me, rank } = scene.stage()?;
    let user = scene.user()?;
    let invited = me.as_ref().is_some_and(|me| me.member.state == MemberState::Invited);
    match rank {
        Rank::In(_) | Rank::Service => return Ok(()),
        Rank::Banned if room.room.kind.is_open() => return Err(forbidden("you are banned from this room")),
        Rank::Stranger if invited || room.room.kind.is_open() => {}
        Rank::Stranger | Rank::Banned => return Err(missing("room")),
    }
    if room.room.archived {
        return Err(forbidden("this room is archived"));
    }
    let role = me.as_ref().filter(|_| invited).map_or(Role::Member, |me| me.member.role);
    let row = returning(scene, &room, me, &user, role);
    come_in(scene, &mut room, &row)?;
    joined(scene, &row);
    scene.put_room(&room);
    Ok(())
}

pub(in crate::rooms) fn leave(scene: &mut Scene<'_, '_>) -> Result<(), Stop> {
    let Stage { mut room, me, rank } = scene.stage()?;
    let user = scene.user()?;
    let Some(mut row) = me else { return Err(missing("room")) };
    let reason = match row.member.state {
        MemberState::Joined => Left::Left,
        MemberState::Invited => Left::Declined,
        MemberState::Left if room.room.kind.is_open() => return Ok(()),
        // Whoever can not see the room does not learn of it by leaving.
        MemberState::Left | MemberState::Banned => return Err(missing("room")),
    };
    let alone = room.room.members <= 1;
    if rank == Rank::In(Role::Owner) && room.owners.len() <= 1 && !alone && room.room.kind != RoomKind::Direct {
        return Err(forbidden("you are the last owner: make somebody else an owner first"));
    }
    go(scene, &mut room, &mut row, MemberState::Left);
    let members = room.room.members;
    scene.tell(&Event::MemberLeft { user: user.clone(), members, reason });
    scene.tell_user(&user, &OwnEvent::RoomLeft { channel: room.room.channel.clone() });
    scene.put_room(&room);
    Ok(())
}

pub(in crate::rooms) fn add(scene: &mut Scene<'_, '_>, body: &Add) -> Result<(), Stop> {
    let Stage { mut room, rank, .. } = scene.at_least(Role::Moderator)?;
    not_direct(&room)?;
    if rank < Rank::In(body.role) {
        return Err(forbidden("nobody gives a role above the own one"));
    }
    if body.users.len() > MEMBERS {
        return Err(refused(ErrorCode::LimitReached, format!("`users` are at most {MEMBERS} at once")));
    }
    let keys: Vec<_> = body.users.iter().map(|user| member_key(scene.home(), user)).collect();
    scene.view.want(keys.into_iter().map(Question::Key))?;
    for user in &body.users {
        let there = scene.member(user)?;
        match Rank::of(there.as_ref(), scene.now()) {
            Rank::Banned => return Err(forbidden(format!("{user} is banned from the room; unban them first"))),
            Rank::Stranger => {}
            Rank::In(_) | Rank::Service => continue,
        }
        let row = returning(scene, &room, there, user, body.role);
        note(scene, Some(user), None, &json!(null), &json!({ "role": body.role }), None);
        come_in(scene, &mut room, &row)?;
        joined(scene, &row);
    }
    scene.put_room(&room);
    Ok(())
}

pub(in crate::rooms) fn role(scene: &mut Scene<'_, '_>, body: &SetRole) -> Result<(), Stop> {
    let Stage { mut room, rank, .. } = scene.at_least(Role::Moderator)?;
    not_direct(&room)?;
    let there = scene.member(&body.user)?.filter(|row| row.member.state == MemberState::Joined);
    let Some(mut row) = there else { return Err(missing("member")) };
    let theirs = Rank::In(row.member.role);
    let gives = rank.is_above(Rank::In(body.role)) || rank == Rank::Service;
    if !gives || !(rank.is_above(theirs) || rank == Rank::Service) {
        return Err(forbidden("moderators give roles below their own to those below them; owners give all"));
    }
    if row.member.role == body.role {
        return Ok(());
    }
    if row.member.role == Role::Owner && room.owners.len() <= 1 {
        return Err(forbidden("this is the last owner: make somebody else an owner first"));
    }
    note(scene, Some(&body.user), None, &json!(row.member.role), &json!(body.role), None);
    row.member.role = body.role;
    room.set_role(&body.user, Some(body.role));
    leaders(&room)?;
    scene.put_member(&row);
    scene.put_room(&room);
    scene.tell(&Event::MemberChanged { user: body.user.clone(), role: body.role });
    Ok(())
}

fn new(room: &RoomRow, user: &UserId, role: Role, now: u64) -> MemberRow {
    MemberRow::new(user.clone(), role, MemberState::Invited, &room.room, now)
}

/// Somebody comes in for the first time, or again: what was said meanwhile counts as read, a mute goes on.
fn returning(scene: &Scene<'_, '_>, room: &RoomRow, was: Option<MemberRow>, user: &UserId, role: Role) -> MemberRow {
    let mut row = was.unwrap_or_else(|| new(room, user, role, scene.now()));
    let member = &mut row.member;
    (member.role, member.state, member.since, member.banned_until) = (role, MemberState::Joined, scene.now(), None);
    (member.read, member.mentions_read) = (room.room.messages, member.mentions);
    member.mentions_all_read = room.room.mentions_all;
    row
}

/// Whoever has left a direct room and makes it again is in it again.
pub(super) fn come_back(scene: &mut Scene<'_, '_>, mut room: RoomRow) -> Result<(), Stop> {
    let Some(user) = scene.act.actor.user.clone() else { return Ok(()) };
    let me = scene.member(&user)?;
    if Rank::of(me.as_ref(), scene.now()) != Rank::Stranger {
        return Ok(());
    }
    let row = returning(scene, &room, me, &user, Role::Member);
    come_in(scene, &mut room, &row)?;
    joined(scene, &row);
    scene.put_room(&room);
    Ok(())
}

/// Counts somebody in, and puts their row.
pub(super) fn come_in(scene: &mut Scene<'_, '_>, room: &mut RoomRow, row: &MemberRow) -> Result<(), Stop> {
    room.room.members += 1;
    room.set_role(&row.member.user, Some(row.member.role));
    leaders(room)?;
    scene.put_member(row);
    let member = &row.member;
    scene.tell(&Event::MemberJoined {
        user: member.user.clone(),
        role: member.role,
        since: member.since,
        members: room.room.members,
        read: member.read,
        mentions_all_read: member.mentions_all_read,
        muted_until: member.muted_until,
    });
    Ok(())
}

/// Tells somebody that they are in a room.
pub(super) fn joined(scene: &mut Scene<'_, '_>, row: &MemberRow) {
    let channel = scene.home().channel.clone();
    scene.tell_user(&row.member.user, &OwnEvent::RoomJoined { channel });
}

/// Counts somebody out, and puts their row. Who can not see the room any more is named.
pub(super) fn go(scene: &mut Scene<'_, '_>, room: &mut RoomRow, row: &mut MemberRow, state: MemberState) {
    if row.member.state == MemberState::Joined {
        room.room.members = room.room.members.saturating_sub(1);
        room.set_role(&row.member.user, None);
    }
    row.member.state = state;
    if state == MemberState::Banned || !room.room.kind.is_open() {
        scene.verdict.access.push(row.member.user.clone());
    }
    scene.put_member(row);
}

pub(super) fn not_direct(room: &RoomRow) -> Result<(), Stop> {
    let direct = room.room.kind == RoomKind::Direct;
    if direct { Err(forbidden("the people of a direct room do not change; make another one")) } else { Ok(()) }
}

fn leaders(room: &RoomRow) -> Result<(), Stop> {
    let many = room.owners.len() > LEADERS || room.moderators.len() > LEADERS;
    let message = format!("a room has at most {LEADERS} owners and as many moderators");
    if many { Err(refused(ErrorCode::LimitReached, message)) } else { Ok(()) }
}
