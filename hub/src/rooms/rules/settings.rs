//! Name, topic and rules of a room.

use hubbub_persistence::records::Stop;
use hubbub_protocol::ErrorCode;
use hubbub_protocol::room::event::RoomSet;
use hubbub_protocol::room::op::{Archive, Configure, Filters, Update};
use hubbub_protocol::room::text::{NAME, Rules, TOPIC};
use hubbub_protocol::room::{Event, Links, Role, RoomKind, Text};
use serde_json::json;

use super::audit::note;
use crate::rooms::act::{Scene, Stage};
use crate::rooms::error::{bad, forbidden, refused, text};
use crate::rooms::rows::{FilterRow, RoomRow, filter_key};

/// Longest slow mode, in seconds: six hours.
const SLOW_MODE_S: u32 = 21_600;
/// Most words that a room refuses.
const WORDS: usize = 500;
/// Of such a word.
const WORD: Rules = Rules { what: "words", chars: 100, bytes: 100, lines: false, empty: false };
/// Longest time that a room says its messages are kept, in days.
const RETENTION_DAYS: u32 = 36_500;

pub(super) fn slow_mode(seconds: u32) -> Result<u32, Stop> {
    if seconds <= SLOW_MODE_S { Ok(seconds) } else { Err(bad(format!("`slow_mode_s` is 0 to {SLOW_MODE_S}"))) }
}

pub(in crate::rooms) fn update(scene: &mut Scene<'_, '_>, body: &Update) -> Result<(), Stop> {
    let Stage { mut room, .. } = scene.at_least(Role::Moderator)?;
    if room.room.kind == RoomKind::Direct && body.name.as_deref() == Some("") {
        return Err(bad("`name` is empty"));
    }
    let parse = |given: &Option<String>, rules| {
        given.as_deref().map(|given| Text::parse(given, rules).map(Text::into_string)).transpose()
    };
    let name = parse(&body.name, NAME).map_err(|error| text(&error))?;
    let topic = parse(&body.topic, TOPIC).map_err(|error| text(&error))?;
    let now = &mut room.room;
    let set =
        RoomSet { name: replace(&mut now.name, name), topic: replace(&mut now.topic, topic), ..RoomSet::default() };
    changed(scene, &room, set)
}

pub(in crate::rooms) fn configure(scene: &mut Scene<'_, '_>, body: &Configure) -> Result<(), Stop> {
    let slow_alone = body.reactions.is_none()
        && body.receipts.is_none()
        && body.mention_all.is_none()
        && body.retention_days.is_none();
    let Stage { mut room, .. } = scene.at_least(if slow_alone { Role::Moderator } else { Role::Owner })?;
    if body.retention_days.is_some_and(|days| days > RETENTION_DAYS) {
        return Err(bad(format!("`retention_days` is 0 to {RETENTION_DAYS}")));
    }
    let now = &mut room.room;
    let set = RoomSet {
        slow_mode_s: replace(&mut now.slow_mode_s, body.slow_mode_s.map(slow_mode).transpose()?),
        reactions: replace(&mut now.reactions, body.reactions),
        receipts: replace(&mut now.receipts, body.receipts),
        mention_all: replace(&mut now.mention_all, body.mention_all),
        retention_days: replace(&mut now.retention_days, body.retention_days),
        ..RoomSet::default()
    };
    changed(scene, &room, set)
}

pub(in crate::rooms) fn archive(scene: &mut Scene<'_, '_>, body: &Archive) -> Result<(), Stop> {
    let Stage { mut room, .. } = scene.at_least(Role::Owner)?;
    if room.room.kind == RoomKind::Direct {
        return Err(forbidden("a direct room is not archived; leave it"));
    }
    let set = RoomSet { archived: replace(&mut room.room.archived, Some(body.archived)), ..RoomSet::default() };
    changed(scene, &room, set)
}

pub(in crate::rooms) fn filters(scene: &mut Scene<'_, '_>, body: &Filters) -> Result<(), Stop> {
    let Stage { mut room, .. } = scene.at_least(Role::Moderator)?;
    let key = filter_key(scene.home());
    let mut filter = scene.row::<FilterRow>(&key)?.unwrap_or_default();
    let before = json!({ "words": filter.words, "links": room.links });
    if let Some(words) = &body.words {
        if words.len() > WORDS {
            return Err(refused(ErrorCode::LimitReached, format!("`words` are at most {WORDS}")));
        }
        let parsed = words.iter().map(|word| Text::parse(word, WORD).map(Text::into_string)).collect::<Result<_, _>>();
        filter.words = parsed.map_err(|error| text(&error))?;
    }
    if let Some(links) = body.links {
        room.links = links;
    }
    let after = json!({ "words": filter.words, "links": room.links });
    if before == after {
        return Ok(());
    }
    let filtered = !filter.words.is_empty() || room.links != Links::All;
    let record = filter.record(scene.home());
    scene.view.put(record);
    room.room.filtered = filtered;
    note(scene, None, None, &before, &after, None);
    scene.put_room(&room);
    // Which words, moderators ask for; that there are others everybody may know.
    scene.tell(&Event::RoomUpdated { set: RoomSet { filtered: Some(filtered), ..RoomSet::default() } });
    Ok(())
}

/// Takes a new value over, and answers it when it is another one.
fn replace<T: PartialEq + Clone>(now: &mut T, new: Option<T>) -> Option<T> {
    let new = new.filter(|new| new != now)?;
    *now = new.clone();
    Some(new)
}

fn changed(scene: &mut Scene<'_, '_>, room: &RoomRow, set: RoomSet) -> Result<(), Stop> {
    if set == RoomSet::default() {
        return Ok(());
    }
    let Stage { room: before, .. } = scene.stage()?;
    note(scene, None, None, &json!(before.room), &json!(set), None);
    scene.put_room(room);
    scene.tell(&Event::RoomUpdated { set });
    Ok(())
}
