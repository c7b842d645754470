//! What becomes of a message: edited, deleted, unfurled, pinned.

use std::collections::HashSet;

use hubbub_persistence::records::{Kind, Question, Stop};
use hubbub_protocol::channel::{ChannelKey, UserId};
use hubbub_protocol::room::op::{BulkDelete, Delete, Edit, Pin, SetUnfurls};
use hubbub_protocol::room::text::{MESSAGE, check_unfurls};
use hubbub_protocol::room::{DeletedBy, Event, Last, Role, RoomKind, Text};
use hubbub_protocol::{ErrorCode, MessageId};
use serde_json::json;

use super::audit::note;
use super::mentions::find;
use super::send::{passes_filters, writes};
use crate::rooms::act::{Scene, Stage};
use crate::rooms::actor::Rank;
use crate::rooms::error::{bad, forbidden, missing, refused, text};
use crate::rooms::rows::{PostRow, VersionRow, member_key, post_key};

/// Most edits of a message.
const EDITS: u32 = 100;
/// Most messages that one operation deletes.
pub(in crate::rooms) const DELETED: usize = 100;
/// Most pinned messages.
const PINS: usize = 100;

pub(in crate::rooms) fn edit(scene: &mut Scene<'_, '_>, body: &Edit) -> Result<(), Stop> {
    let (mut stage, mut row) = with_post(scene, body.message)?;
    let own = row.post.from.is_some() && row.post.from == scene.act.actor.user;
    if !own && stage.rank != Rank::Service {
        return Err(forbidden("only its author edits a message"));
    }
    writes(scene, &stage)?;
    if row.post.deleted.is_some() {
        return Err(forbidden("this message is deleted"));
    }
    let said = Text::parse(&body.text, MESSAGE).map_err(|error| text(&error))?;
    passes_filters(scene, &stage, said.as_str(), &body.entities)?;
    let found = find(scene, &stage, said.as_str(), &body.entities)?;
    let post = &mut row.post;
    if (said.as_str(), &found.entities) == (&*post.text, &post.entities) {
        return Ok(());
    }
    if post.version >= EDITS {
        return Err(refused(ErrorCode::LimitReached, format!("a message is edited at most {EDITS} times")));
    }
    let (home, time) = (scene.home().clone(), post.edited.unwrap_or(post.time));
    let (was, entities) = (said.into_string(), found.entities);
    let version = VersionRow {
        version: post.version,
        time,
        text: std::mem::replace(&mut post.text, was),
        entities: std::mem::replace(&mut post.entities, entities),
    };
    scene.view.put(version.record(&home, post.id, post.from.as_ref()));
    (post.version, post.edited) = (post.version + 1, Some(scene.act.time));
    let (text, entities) = (post.text.clone(), post.entities.clone());
    let offset = scene.tell(&Event::MessageEdited { message: post.id, text, entities, version: post.version });
    row.holds.push(offset);
    scene.view.put(row.record(&home));
    last_changes(scene, &mut stage, &row);
    Ok(())
}

pub(in crate::rooms) fn delete(scene: &mut Scene<'_, '_>, body: &Delete) -> Result<(), Stop> {
    let (mut stage, row) = with_post(scene, body.message)?;
    let own = row.post.from.is_some() && row.post.from == scene.act.actor.user;
    if (!own || body.hard) && stage.rank < Rank::In(Role::Moderator) {
        return Err(forbidden("moderators delete what others said, or without a trace"));
    }
    let by = if own { DeletedBy::Author } else { DeletedBy::Moderator };
    if !own {
        outranks(scene, &stage, row.post.from.as_ref())?;
        let before = json!({ "deleted": row.post.deleted });
        note(scene, row.post.from.as_ref(), Some(row.post.id), &before, &json!({ "hard": body.hard }), None);
    }
    take_away(scene, &mut stage, row, by, body.hard)
}

pub(in crate::rooms) fn bulk_delete(scene: &mut Scene<'_, '_>, body: &BulkDelete) -> Result<(), Stop> {
    let mut stage = scene.at_least(Role::Moderator)?;
    let home = scene.home().clone();
    // Whose messages of one user are meant was looked up before.
    let ids = &body.messages;
    if ids.is_empty() || ids.len() > DELETED {
        return Err(bad(format!("say `messages`, at most {DELETED}, or `user`")));
    }
    scene.view.want(ids.iter().map(|id| Question::Key(post_key(&home, *id))))?;
    let rows = ids.iter().map(|id| scene.row::<PostRow>(&post_key(&home, *id)));
    let mut rows: Vec<PostRow> = rows.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
    // Named twice is deleted once.
    let mut named = HashSet::new();
    rows.retain(|row| named.insert(row.post.id));
    // All at once: an act may ask only a few times.
    let authors =
        rows.iter().filter_map(|row| row.post.from.as_ref()).map(|user| Question::Key(member_key(&home, user)));
    let hanging = rows.iter().flat_map(|row| hangs_on(&home, row.post.id));
    scene.view.want(authors.chain(hanging).collect::<Vec<_>>())?;
    for row in rows {
        if row.post.deleted.is_some() && !body.hard {
            continue;
        }
        outranks(scene, &stage, row.post.from.as_ref())?;
        let after = json!({ "hard": body.hard });
        note(scene, None, Some(row.post.id), &json!({ "from": row.post.from }), &after, None);
        take_away(scene, &mut stage, row, DeletedBy::Moderator, body.hard)?;
    }
    Ok(())
}

pub(in crate::rooms) fn unfurl(scene: &mut Scene<'_, '_>, body: &SetUnfurls) -> Result<(), Stop> {
    let (stage, mut row) = with_post(scene, body.message)?;
    if stage.rank != Rank::Service {
        return Err(forbidden("services tell what links lead to"));
    }
    if row.post.deleted.is_some() {
        return Err(forbidden("this message is deleted"));
    }
    check_unfurls(&body.unfurls).map_err(|error| text(&error))?;
    row.post.unfurls.clone_from(&body.unfurls);
    let offset = scene.tell(&Event::MessageUnfurled { message: row.post.id, unfurls: body.unfurls.clone() });
    row.holds.push(offset);
    let record = row.record(scene.home());
    scene.view.put(record);
    Ok(())
}

pub(in crate::rooms) fn pin(scene: &mut Scene<'_, '_>, body: &Pin) -> Result<(), Stop> {
    let (mut stage, mut row) = with_post(scene, body.message)?;
    if stage.rank < Rank::In(Role::Moderator) && stage.room.room.kind != RoomKind::Direct {
        return Err(forbidden("moderators pin messages"));
    }
    if row.post.pinned == body.pinned || row.post.deleted.is_some() {
        return Ok(());
    }
    let pins = &mut stage.room.room.pins;
    pins.retain(|pin| *pin != body.message);
    if body.pinned {
        if pins.len() >= PINS {
            return Err(refused(ErrorCode::LimitReached, format!("a room has at most {PINS} pinned messages")));
        }
        pins.insert(0, body.message);
    }
    row.post.pinned = body.pinned;
    let (before, after) = (json!({ "pinned": !body.pinned }), json!({ "pinned": body.pinned }));
    note(scene, None, Some(body.message), &before, &after, None);
    let record = row.record(scene.home());
    scene.view.put(record);
    scene.put_room(&stage.room);
    scene.tell(&Event::MessagePinned { message: body.message, pinned: body.pinned });
    Ok(())
}

/// A message, and the stage for members.
pub(super) fn with_post(scene: &mut Scene<'_, '_>, id: MessageId) -> Result<(Stage, PostRow), Stop> {
    let key = post_key(scene.home(), id);
    let waiting = scene.view.want([Question::Key(key.clone())]);
    let stage = scene.inside()?;
    waiting?;
    let row = scene.row(&key)?.ok_or_else(|| missing("message"))?;
    Ok((stage, row))
}

/// Whether whoever acts may act upon the author.
fn outranks(scene: &mut Scene<'_, '_>, stage: &Stage, author: Option<&UserId>) -> Result<(), Stop> {
    let Some(author) = author.filter(|author| Some(*author) != scene.act.actor.user.as_ref()) else { return Ok(()) };
    let theirs = Rank::of(scene.member(author)?.as_ref(), scene.now());
    if stage.rank.is_above(theirs) {
        Ok(())
    } else {
        Err(forbidden("nobody acts upon somebody of the own role or above"))
    }
}

/// What goes with a message.
const HANGING: [Kind; 2] = [Kind::Version, Kind::Reaction];

pub(super) fn hangs_on(home: &ChannelKey, id: MessageId) -> [Question; 2] {
    HANGING.map(|kind| Question::Group { home: home.clone(), kind, group: id.to_string() })
}

/// What a message said is gone, from its record, its versions and the log. Hard: its place too.
fn take_away(
    scene: &mut Scene<'_, '_>,
    stage: &mut Stage,
    mut row: PostRow,
    by: DeletedBy,
    hard: bool,
) -> Result<(), Stop> {
    if row.post.deleted.is_some() && !hard {
        return Ok(());
    }
    let (home, id) = (scene.home().clone(), row.post.id);
    scene.view.want(hangs_on(&home, id))?;
    for kind in HANGING {
        for record in scene.view.group(&home, kind, &id.to_string())? {
            scene.view.remove(record.key);
        }
    }
    let post = &mut row.post;
    (post.text, post.entities, post.attachments) = (String::new(), Vec::new(), Vec::new());
    (post.unfurls, post.version, post.edited, post.pinned) = (Vec::new(), 0, None, false);
    post.reactions.clear();
    post.deleted = Some(by);
    scene.verdict.erased.append(&mut row.holds);
    scene.tell(&Event::MessageDeleted { message: id, by, hard });
    if hard {
        scene.view.remove(post_key(&home, id));
    } else {
        scene.view.put(row.record(&home));
    }
    stage.room.room.pins.retain(|pin| *pin != id);
    if let Some(last) = stage.room.room.last.as_mut().filter(|last| last.id == id) {
        (last.text, last.deleted) = (String::new(), true);
    }
    let room = stage.room.clone();
    scene.put_room(&room);
    Ok(())
}

/// The newest message of the room says something else.
fn last_changes(scene: &mut Scene<'_, '_>, stage: &mut Stage, row: &PostRow) {
    if let Some(last) = stage.room.room.last.as_mut().filter(|last| last.id == row.post.id) {
        last.text = Last::text(&row.post.text);
        let room = stage.room.clone();
        scene.put_room(&room);
    }
}
