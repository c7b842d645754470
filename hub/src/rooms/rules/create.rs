//! Making a room, with the people who are in it from the beginning.

use hubbub_persistence::records::{Question, Stop};
use hubbub_protocol::ErrorCode;
use hubbub_protocol::channel::UserId;
use hubbub_protocol::room::op::Create;
use hubbub_protocol::room::text::{NAME, TOPIC};
use hubbub_protocol::room::{Event, Links, MemberState, Role, Room, RoomKind, Text};

use super::members::{come_back, come_in, joined};
use super::settings::slow_mode;
use crate::rooms::act::Scene;
use crate::rooms::error::{bad, forbidden, refused, text};
use crate::rooms::rows::{MemberRow, RoomRow, member_key, room_key};

/// Most people that one operation names.
pub(in crate::rooms) const MEMBERS: usize = 100;

pub(in crate::rooms) fn create(scene: &mut Scene<'_, '_>, body: &Create) -> Result<(), Stop> {
    let people = people(scene, body)?;
    let home = scene.home().clone();
    let keys = people.iter().map(|(user, _)| member_key(&home, user)).chain([room_key(&home)]);
    scene.view.want(keys.map(Question::Key))?;
    if let Some(there) = scene.row::<RoomRow>(&room_key(&home))? {
        let mine = scene.act.actor.user.as_ref().is_none_or(|user| people.iter().any(|(other, _)| other == user));
        if there.room.kind == RoomKind::Direct && body.kind == RoomKind::Direct && mine {
            return come_back(scene, there);
        }
        return Err(refused(ErrorCode::Forbidden, "there is a room of this name already, or there was one"));
    }
    let parse = |given: &Option<String>, rules| {
        given.as_deref().map_or(Ok(String::new()), |given| Text::parse(given, rules).map(Text::into_string))
    };
    let room = Room {
        channel: home.channel.clone(),
        kind: body.kind,
        name: parse(&body.name, NAME).map_err(|error| text(&error))?,
        topic: parse(&body.topic, TOPIC).map_err(|error| text(&error))?,
        archived: false,
        created: scene.now(),
        by: scene.act.actor.user.clone(),
        members: 0,
        messages: 0,
        mentions_all: 0,
        slow_mode_s: slow_mode(body.slow_mode_s)?,
        reactions: body.reactions,
        receipts: body.receipts.unwrap_or(matches!(body.kind, RoomKind::Private | RoomKind::Direct)),
        mention_all: body.mention_all,
        retention_days: 0,
        filtered: false,
        pins: Vec::new(),
        last: None,
    };
    if room.name.is_empty() && body.kind != RoomKind::Direct {
        return Err(bad("a room needs a `name`"));
    }
    let mut row = RoomRow { room, moderators: Vec::new(), owners: Vec::new(), links: Links::All };
    scene.tell(&Event::RoomCreated { room: Box::new(row.room.clone()) });
    for (user, role) in people {
        let member = MemberRow::new(user, role, MemberState::Joined, &row.room, scene.now());
        come_in(scene, &mut row, &member)?;
        joined(scene, &member);
    }
    scene.put_room(&row);
    Ok(())
}

/// Who is in it: whoever makes it first.
fn people(scene: &Scene<'_, '_>, body: &Create) -> Result<Vec<(UserId, Role)>, Stop> {
    if body.members.len() > MEMBERS {
        return Err(refused(ErrorCode::LimitReached, format!("`members` are at most {MEMBERS}; add more later")));
    }
    let direct = body.kind == RoomKind::Direct;
    let mut people = Vec::new();
    if let Some(user) = &scene.act.actor.user {
        people.push((user.clone(), if direct { Role::Member } else { Role::Owner }));
    }
    for user in &body.members {
        if !people.iter().any(|(other, _)| other == user) {
            people.push((user.clone(), Role::Member));
        }
    }
    // A service by itself brings people in where it likes; others invite them.
    if !direct && people.len() > 1 && scene.act.actor.user.is_some() {
        return Err(forbidden("`members` are for direct rooms; invite people into others"));
    }
    if direct && people.len() < 2 {
        return Err(bad("a direct room needs `members`: two people or more"));
    }
    Ok(people)
}
