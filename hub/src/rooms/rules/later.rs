//! What a change leaves to be done: notices for people, and messages for another time.

use hubbub_persistence::records::{Kind, Stop};
use hubbub_protocol::ErrorCode;
use hubbub_protocol::channel::UserId;
use hubbub_protocol::room::op::{Op, Send, Unschedule};
use hubbub_protocol::room::{Last, RoomRequest, What};
use hubbub_protocol::{Key, MessageId};
use serde_json::json;

use crate::rooms::act::Scene;
use crate::rooms::error::{bad, missing, refused};
use crate::rooms::rows::{key, read};
use crate::rooms::tasks::TaskRow;

/// How far ahead a message may be sent, in milliseconds: a year.
const AHEAD_MS: u64 = 366 * 86_400_000;
/// Most messages of a room that wait for their time.
const WAITING: usize = 1_000;

/// Leaves notices for people to be delivered.
pub(super) fn notices(scene: &mut Scene<'_, '_>, message: Option<MessageId>, text: &str, people: Vec<(UserId, What)>) {
    if people.is_empty() {
        return;
    }
    let (act, from) = (scene.act, scene.act.actor.user.clone());
    let task = TaskRow::Notices { people, message, from: from.clone(), text: Last::text(text) };
    let record = task.record(act.home(), &act.id_of(0).to_string(), act.time, from.as_ref());
    scene.view.put(record);
}

/// Keeps a message for its time.
pub(super) fn schedule(scene: &mut Scene<'_, '_>, body: &Send, at: u64) -> Result<(), Stop> {
    let user = scene.user()?;
    let now = scene.now();
    if at <= now || at > now + AHEAD_MS {
        return Err(bad("`at` is a time in the future, at most a year ahead"));
    }
    let home = scene.home().clone();
    if scene.view.group(&home, Kind::Task, "scheduled")?.len() >= WAITING {
        return Err(refused(
            ErrorCode::LimitReached,
            format!("at most {WAITING} messages of a room wait for their time"),
        ));
    }
    let id = scene.act.id_of(0).to_string();
    let send = Send { at: None, ..body.clone() };
    // Its own id is the key: however often it is tried, it is sent once.
    let request = RoomRequest { op: Op::Send(send), key: Key::parse(&id).ok() };
    let record = TaskRow::Send { user: user.clone(), request }.record(&home, &id, at, Some(&user));
    scene.view.put(record);
    scene.answer(&json!({ "task": id, "at": at }))
}

pub(in crate::rooms) fn unschedule(scene: &mut Scene<'_, '_>, body: &Unschedule) -> Result<(), Stop> {
    let user = scene.user()?;
    let key = key(scene.home(), Kind::Task, body.task.clone());
    let record = scene.view.get(&key)?.filter(|record| record.who.as_ref() == Some(&user));
    let Some(record) = record else { return Err(missing("scheduled message")) };
    match read::<TaskRow>(&record).map_err(Stop::Refused)? {
        TaskRow::Send { .. } => scene.view.remove(key),
        TaskRow::Notices { .. } | TaskRow::Webhook { .. } | TaskRow::Job { .. } => {
            return Err(missing("scheduled message"));
        }
    }
    Ok(())
}
