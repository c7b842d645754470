//! What can be stored. The same for every backend, so that an act that one takes is taken by all.

use std::collections::HashSet;

use hubbub_protocol::channel::ChannelKey;
use hubbub_protocol::position::OFFSET_MAX;

use crate::records::view::Changes;
use crate::records::{Act, GROUP_MAX, KEY_MAX, Record, RecordKey, Verdict};

/// SQL integers are signed.
pub(super) fn check_time(time: u64) -> Result<(), String> {
    if i64::try_from(time).is_ok() { Ok(()) } else { Err(format!("{time} is not a time")) }
}

/// Whether a log takes an offset.
pub(super) fn check_offset(channel: &ChannelKey, offset: u64) -> Result<(), String> {
    if offset <= OFFSET_MAX { Ok(()) } else { Err(format!("{channel} is full")) }
}

/// What is known of an act before it decides.
pub(super) fn check_act(act: &dyn Act) -> Result<(), String> {
    check_time(act.time())?;
    if act.publisher().is_empty() {
        return Err("an act without a publisher can not be stored".into());
    }
    check_text(act.publisher())
}

/// What it decided.
pub(super) fn check_verdict(act: &dyn Act, verdict: &Verdict, changes: &Changes) -> Result<(), String> {
    if verdict.events.first().is_some_and(|first| first.id != act.id()) {
        return Err("the first event of an act has another id than the act".into());
    }
    let mut ids = HashSet::new();
    for event in &verdict.events {
        check_named(act, &event.channel)?;
        if !ids.insert((&event.channel, event.id)) {
            return Err(format!("two events of an act have the id {}", event.id));
        }
    }
    for (key, record) in changes.iter() {
        check_named(act, &key.home)?;
        check_key(key)?;
        record.map_or(Ok(()), |record| check_record(key, record))?;
    }
    Ok(())
}

fn check_named(act: &dyn Act, channel: &ChannelKey) -> Result<(), String> {
    if act.channels().contains(channel) {
        Ok(())
    } else {
        Err(format!("an act changes {channel}, which it does not name"))
    }
}

fn check_key(key: &RecordKey) -> Result<(), String> {
    if !(1..=KEY_MAX).contains(&key.key.len()) {
        return Err(format!("the key of a record is 1 to {KEY_MAX} bytes"));
    }
    check_text(&key.key)
}

fn check_record(key: &RecordKey, record: &Record) -> Result<(), String> {
    if record.key != *key {
        return Err("a record was put under another name".into());
    }
    if record.group.len() > GROUP_MAX {
        return Err(format!("the group of a record is at most {GROUP_MAX} bytes"));
    }
    if record.at > OFFSET_MAX {
        return Err(format!("{} is not a place", record.at));
    }
    if record.body.is_empty() {
        return Err("the body of a record is JSON".into());
    }
    [&record.group, &record.body].into_iter().chain(&record.text).try_for_each(|text| check_text(text))
}

/// No text column of Postgres holds a null byte; the other two stand between the texts of a statement there.
fn check_text(text: &str) -> Result<(), String> {
    if text.contains(['\0', '\u{1}', '\u{2}']) {
        return Err("a text with control characters can not be stored".into());
    }
    Ok(())
}
