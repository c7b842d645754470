//! The inbox of a user, decided in the user's own channel.

use hubbub_persistence::records::{Kind, Stop};
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
    let mut notices: Vec<Notice> = match (body.offset, body.notice) {
        (Some(upto), None) => {
            let unread = scene.view.group(&own, Kind::Notice, "unread")?;
            let upto = unread.iter().filter(|record| record.at <= upto);
            upto.map(read).collect::<Result<_, _>>().map_err(Stop::Refused)?
        }
        (None, Some(id)) => {
            let unread = scene.view.group(&own, Kind::Notice, "unread")?;
            let all = unread.iter().map(read::<Notice>).collect::<Result<Vec<_>, _>>().map_err(Stop::Refused)?;
            let found = all.into_iter().find(|notice| notice.id == id);
            if found.is_none() && scene.view.get(&key(&own, Kind::Notice, id.to_string()))?.is_none() {
                return Err(missing("notice"));
            }
            found.into_iter().collect()
        }
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
    scene.tell_user(&user, &OwnEvent::InboxRead { upto: body.offset, notice: body.notice, person });
    Ok(())
}
