//! The inbox of a user, decided in the user's own channel.

use hubbub_persistence::records::{GROUP_RECORDS, Kind, Stop};
use hubbub_protocol::MessageId;
use hubbub_protocol::room::op::{Dnd, InboxRead};
use hubbub_protocol::room::{Notice, OwnEvent, Person};

use crate::rooms::act::Scene;
use crate::rooms::error::{bad, missing};
use crate::rooms::rows::{key, notice_record, person_key, person_record, read};

pub(in crate::rooms) fn dnd(scene: &mut Scene<'_, '_>, body: &Dnd) -> Result<(), Stop> {
    let user = scene.user()?;
    let own = scene.home().clone();
    let mut person = scene.row::<Person>(&person_key(&own))?.unwrap_or_default();
    if person.dnd_until == body.until {
        return Ok(());
    }
    person.dnd_until = body.until;
    scene.view.put(person_record(&own, &user, &person));
    scene.tell_user(&user, &OwnEvent::PersonChanged { person });
    Ok(())
}

pub(in crate::rooms) fn inbox_read(scene: &mut Scene<'_, '_>, body: &InboxRead) -> Result<(), Stop> {
    let user = scene.user()?;
    let own = scene.home().clone();
    let (mut notices, upto) = match (body.offset, body.notice) {
        (Some(upto), None) => up_to(scene, upto)?,
        (None, Some(id)) => (one(scene, id)?.into_iter().collect(), None),
        _ => return Err(bad("say `offset` or `notice`")),
    };
    if notices.is_empty() {
        return Ok(());
    }
    let mut person = scene.row::<Person>(&person_key(&own))?.unwrap_or_default();
    person.unread = person.unread.saturating_sub(notices.len() as u64);
    for notice in &mut notices {
        notice.read = true;
        scene.view.put(notice_record(&own, &user, notice));
    }
    scene.view.put(person_record(&own, &user, &person));
    scene.tell_user(&user, &OwnEvent::InboxRead { upto, notice: body.notice, person });
    Ok(())
}

/// Those that are not read up to an offset, and up to which they are all of them: of very many the oldest.
fn up_to(scene: &mut Scene<'_, '_>, upto: u64) -> Result<(Vec<Notice>, Option<u64>), Stop> {
    let own = scene.home().clone();
    let unread = scene.view.group(&own, Kind::Notice, "unread")?;
    let known = unread.last().filter(|_| unread.len() >= GROUP_RECORDS).map_or(upto, |last| last.at.min(upto));
    let notices = unread.iter().filter(|record| record.at <= known).map(read);
    Ok((notices.collect::<Result<_, _>>().map_err(Stop::Refused)?, Some(known)))
}

/// One that is not read; none when it is read already.
fn one(scene: &mut Scene<'_, '_>, id: MessageId) -> Result<Option<Notice>, Stop> {
    let own = scene.home().clone();
    if let Some(notice) = scene.row::<Notice>(&key(&own, Kind::Notice, id.to_string()))? {
        return Ok(Some(notice).filter(|notice| !notice.read));
    }
    // One that replaces others has the name of what they have in common.
    let unread = scene.view.group(&own, Kind::Notice, "unread")?;
    let all = unread.iter().map(read::<Notice>).collect::<Result<Vec<_>, _>>().map_err(Stop::Refused)?;
    all.into_iter().find(|notice| notice.id == id).map(Some).ok_or_else(|| missing("notice"))
}
