//! Reports to the moderators of a room.

use hubbub_persistence::records::{Kind, Question, RecordKey, Stop};
use hubbub_protocol::MessageId;
use hubbub_protocol::channel::{ChannelKey, UserId};
use hubbub_protocol::room::op::{Ban, Delete, Report, Resolution, Resolve};
use hubbub_protocol::room::{Last, Role, What};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::audit::note;
use super::change::{delete, hangs_on};
use super::later::notices;
use super::moderation::{ban, reason};
use crate::rooms::act::{Scene, Stage};
use crate::rooms::actor::Rank;
use crate::rooms::error::{bad, missing};
use crate::rooms::rows::{PostRow, key, member_key, plain, post_key, read};

/// A report, as moderators see it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(in crate::rooms) struct ReportRow {
    pub(in crate::rooms) id: String,
    pub(in crate::rooms) time: u64,
    pub(in crate::rooms) by: Option<UserId>,
    pub(in crate::rooms) message: MessageId,
    pub(in crate::rooms) author: Option<UserId>,
    /// What the message said when it was reported.
    pub(in crate::rooms) text: String,
    pub(in crate::rooms) reason: String,
    pub(in crate::rooms) action: Option<Resolution>,
    pub(in crate::rooms) resolved_by: Option<UserId>,
}

pub(in crate::rooms) fn report(scene: &mut Scene<'_, '_>, body: &Report) -> Result<(), Stop> {
    let home = scene.home().clone();
    let waiting = scene.view.want([Question::Key(post_key(&home, body.message))]);
    let Stage { room, rank, .. } = scene.stage()?;
    waiting?;
    if !rank.is_in() && (rank == Rank::Banned || !room.room.kind.is_open()) {
        return Err(missing("room"));
    }
    let post: PostRow = scene.row(&post_key(&home, body.message))?.ok_or_else(|| missing("message"))?;
    let Some(reason) = reason(Some(&body.reason))?.filter(|reason| !reason.is_empty()) else {
        return Err(bad("say the `reason`"));
    };
    let by = scene.act.actor.user.clone();
    // One report of a user for a message: the same again says the same.
    let id = format!("{}/{}", body.message, scene.act.actor.publisher());
    let name = key(&home, Kind::Report, id.clone());
    if scene.view.get(&name)?.is_some() {
        return Ok(());
    }
    let (author, text) = (post.post.from.clone(), post.post.text.clone());
    let (message, time) = (body.message, scene.now());
    let row = ReportRow {
        id: id.clone(),
        time,
        by: by.clone(),
        message,
        author,
        text,
        reason,
        action: None,
        resolved_by: None,
    };
    scene.view.put(plain(name, "open", time, by.as_ref(), &row));
    let leaders = room.moderators.iter().chain(&room.owners).filter(|user| Some(*user) != by.as_ref());
    let people = leaders.map(|user| (user.clone(), What::Report)).collect();
    notices(scene, Some(body.message), &Last::text(&row.text), people);
    scene.answer(&json!({ "report": id }))
}

pub(in crate::rooms) fn resolve(scene: &mut Scene<'_, '_>, body: &Resolve) -> Result<(), Stop> {
    let name = key(scene.home(), Kind::Report, body.report.clone());
    let asked = resolving(scene.home(), &name, body);
    let waiting = scene.view.want(asked);
    scene.at_least(Role::Moderator)?;
    waiting?;
    let Some(record) = scene.view.get(&name)? else { return Err(missing("report")) };
    let mut row: ReportRow = read(&record).map_err(Stop::Refused)?;
    if row.action.is_some() {
        return Ok(());
    }
    match body.action {
        Resolution::Dismissed => {}
        Resolution::Deleted => delete_reported(scene, &row)?,
        Resolution::Banned => ban_reported(scene, &row, body.user.as_ref())?,
    }
    note(scene, None, Some(row.message), &json!({ "report": row.id }), &json!(body.action), None);
    (row.action, row.resolved_by) = (Some(body.action), scene.act.actor.user.clone());
    let record = plain(name, "closed", row.time, row.by.as_ref(), &row);
    scene.view.put(record);
    Ok(())
}

/// All that may be asked on the way, at once.
fn resolving(home: &ChannelKey, name: &RecordKey, body: &Resolve) -> Vec<Question> {
    // A report is named after its message.
    let message = body.report.split('/').next().and_then(|id| MessageId::parse(id).ok());
    let post = message.map(|id| [Question::Key(post_key(home, id))].into_iter().chain(hangs_on(home, id)));
    let member = body.user.iter().map(|user| Question::Key(member_key(home, user)));
    [Question::Key(name.clone())].into_iter().chain(post.into_iter().flatten()).chain(member).collect()
}

fn delete_reported(scene: &mut Scene<'_, '_>, row: &ReportRow) -> Result<(), Stop> {
    let post: Option<PostRow> = scene.row(&post_key(scene.home(), row.message))?;
    // Somebody was faster.
    if post.is_none_or(|row| row.post.deleted.is_some()) {
        return Ok(());
    }
    let channel = scene.home().channel.clone();
    delete(scene, &Delete { channel, message: row.message, hard: false })
}

fn ban_reported(scene: &mut Scene<'_, '_>, row: &ReportRow, named: Option<&UserId>) -> Result<(), Stop> {
    let Some(author) = &row.author else { return Err(bad("a service said this, and nobody can be banned for it")) };
    if named != Some(author) {
        return Err(bad("`user` is the author of the message, or absent"));
    }
    let channel = scene.home().channel.clone();
    ban(scene, &Ban { channel, user: author.clone(), until: None, reason: Some(row.reason.clone()) })
}
