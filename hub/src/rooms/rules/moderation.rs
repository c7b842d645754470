//! Keeping order among people: mutes, kicks, bans.

use hubbub_persistence::records::Stop;
use hubbub_protocol::channel::UserId;
use hubbub_protocol::room::op::{Ban, Kick, Mute, OfUser, ShadowBan};
use hubbub_protocol::room::text::REASON;
use hubbub_protocol::room::{Event, Left, MemberState, OwnEvent, Role, Text};
use serde_json::json;

use super::audit::note;
use super::members::{go, not_direct};
use crate::rooms::act::{Scene, Stage};
use crate::rooms::actor::Rank;
use crate::rooms::error::{forbidden, missing, text};
use crate::rooms::rows::MemberRow;

pub(in crate::rooms) fn mute(scene: &mut Scene<'_, '_>, body: &Mute) -> Result<(), Stop> {
    let (_, row) = upon(scene, &body.user)?;
    let Some(mut row) = row.filter(|row| row.member.state == MemberState::Joined) else {
        return Err(missing("member"));
    };
    let until = body.until.filter(|until| *until > scene.now());
    if row.member.muted_until == until {
        return Ok(());
    }
    let reason = reason(body.reason.as_deref())?;
    note(scene, Some(&body.user), None, &json!(row.member.muted_until), &json!(until), reason.as_deref());
    row.member.muted_until = until;
    scene.put_member(&row);
    scene.tell(&Event::MemberMuted { user: body.user.clone(), until });
    Ok(())
}

pub(in crate::rooms) fn kick(scene: &mut Scene<'_, '_>, body: &Kick) -> Result<(), Stop> {
    let (mut stage, row) = upon(scene, &body.user)?;
    not_direct(&stage.room)?;
    let is_there = |row: &MemberRow| matches!(row.member.state, MemberState::Joined | MemberState::Invited);
    let Some(mut row) = row.filter(is_there) else { return Err(missing("member")) };
    let reason = reason(body.reason.as_deref())?;
    note(scene, Some(&body.user), None, &json!(row.member.state), &json!("left"), reason.as_deref());
    go(scene, &mut stage.room, &mut row, MemberState::Left);
    let members = stage.room.room.members;
    scene.tell(&Event::MemberLeft { user: body.user.clone(), members, reason: Left::Kicked });
    out(scene, &stage, &body.user);
    Ok(())
}

pub(in crate::rooms) fn ban(scene: &mut Scene<'_, '_>, body: &Ban) -> Result<(), Stop> {
    let (mut stage, row) = upon(scene, &body.user)?;
    not_direct(&stage.room)?;
    let now = scene.now();
    let mut row = row
        .unwrap_or_else(|| MemberRow::new(body.user.clone(), Role::Member, MemberState::Left, &stage.room.room, now));
    if row.member.is_banned(now) && row.member.banned_until == body.until {
        return Ok(());
    }
    let reason = reason(body.reason.as_deref())?;
    note(scene, Some(&body.user), None, &json!(row.member.state), &json!({ "until": body.until }), reason.as_deref());
    (row.member.banned_until, row.member.role) = (body.until, Role::Member);
    go(scene, &mut stage.room, &mut row, MemberState::Banned);
    let members = stage.room.room.members;
    scene.tell(&Event::MemberBanned { user: body.user.clone(), until: body.until, members });
    out(scene, &stage, &body.user);
    Ok(())
}

pub(in crate::rooms) fn unban(scene: &mut Scene<'_, '_>, body: &OfUser) -> Result<(), Stop> {
    let (stage, row) = upon(scene, &body.user)?;
    let Some(mut row) = row.filter(|row| row.member.state == MemberState::Banned) else { return Ok(()) };
    note(scene, Some(&body.user), None, &json!({ "until": row.member.banned_until }), &json!("left"), None);
    (row.member.state, row.member.banned_until) = (MemberState::Left, None);
    scene.put_member(&row);
    scene.tell(&Event::MemberUnbanned { user: body.user.clone(), members: stage.room.room.members });
    Ok(())
}

pub(in crate::rooms) fn shadow_ban(scene: &mut Scene<'_, '_>, body: &ShadowBan) -> Result<(), Stop> {
    let (_, row) = upon(scene, &body.user)?;
    let Some(mut row) = row.filter(|row| row.member.state == MemberState::Joined) else {
        return Err(missing("member"));
    };
    if row.shadow != body.on {
        note(scene, Some(&body.user), None, &json!({ "shadow": row.shadow }), &json!({ "shadow": body.on }), None);
        row.shadow = body.on;
        scene.put_member(&row);
    }
    Ok(())
}

/// Whoever acts keeps order and stands above somebody; the row of that one.
fn upon(scene: &mut Scene<'_, '_>, user: &UserId) -> Result<(Stage, Option<MemberRow>), Stop> {
    let key = crate::rooms::rows::member_key(scene.home(), user);
    let waiting = scene.view.want([hubbub_persistence::records::Question::Key(key)]);
    let stage = scene.at_least(Role::Moderator)?;
    waiting?;
    if scene.act.actor.user.as_ref() == Some(user) {
        return Err(forbidden("nobody keeps order over oneself"));
    }
    let row = scene.member(user)?;
    // A ban keeps the role that somebody had from counting.
    let theirs = Rank::of(row.as_ref(), scene.now());
    if stage.rank.is_above(theirs) {
        Ok((stage, row))
    } else {
        Err(forbidden("nobody acts upon somebody of the own role or above"))
    }
}

/// Puts the room of somebody who had to go back, and tells them.
fn out(scene: &mut Scene<'_, '_>, stage: &Stage, user: &UserId) {
    scene.put_room(&stage.room);
    let channel = scene.home().channel.clone();
    scene.tell_user(user, &OwnEvent::RoomLeft { channel });
}

/// Why, if it is said.
pub(super) fn reason(given: Option<&str>) -> Result<Option<String>, Stop> {
    let parsed = given.map(|given| Text::parse(given, REASON).map(Text::into_string)).transpose();
    parsed.map_err(|error| text(&error))
}
