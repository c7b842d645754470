//! Holds models to answers of a later moment.

use std::collections::BTreeMap;
use std::fmt::Debug;

use hubbub_client::rooms::{RoomModel, Wanted};
use hubbub_protocol::channel::ChannelName;
use hubbub_protocol::room::answer::{MessagesAnswer, RoomEntry};
use hubbub_protocol::room::{MemberState, Post, Role};
use serde::Serialize;
use serde_json::Value;

use crate::answers::Answers;
use crate::models::Models;

/// What differs.
pub(crate) type Differs = Result<(), String>;

/// Fails unless the models say what the answers say. What is not to be seen any more is left out.
pub(crate) fn compare(models: &Models, after: &Answers, now: u64) -> Differs {
    rooms(models, after)?;
    for (channel, page) in &after.messages {
        let Some(model) = models.pages.get(channel).filter(|model| !model.is_torn()) else { continue };
        same(&format!("place of {channel}"), &model.entry().place(), &page.place)?;
        same(&format!("room of {channel}"), model.room(), &page.room)?;
        same(&format!("me of {channel}"), &model.me(), &page.me.as_ref())?;
        let held: Vec<&Post> = model.messages().collect();
        posts(&channel.to_string(), &held, model.has_before(), page)?;
        same(&format!("after in {channel}"), &model.has_after(), &page.after)?;
    }
    for (channel, page) in &after.messages {
        if let Some(model) = models.windows.get(channel).filter(|model| !model.is_torn()) {
            window(channel, model, page)?;
        }
    }
    for ((channel, root), page) in &after.threads {
        let name = format!("{channel} {root}");
        let Some(model) = models.threads.get(&(channel.clone(), *root)).filter(|model| !model.is_torn()) else {
            continue;
        };
        same(&format!("place of {name}"), &model.entry().place(), &page.place)?;
        same(&format!("root of {name}"), &model.root(), &page.root.as_ref())?;
        same(&format!("standing in {name}"), &Some(model.place()), &page.thread.as_ref())?;
        let held: Vec<&Post> = model.messages().collect();
        posts(&name, &held, model.has_before(), page)?;
    }
    members(models, after)?;
    if !models.followed.is_torn() {
        same("followed threads", &models.followed.threads().collect::<Vec<_>>(), &after.followed.threads)?;
        same("place of followed threads", &models.followed.place(), &after.followed.user)?;
    }
    same("place of the inbox", &models.inbox.place(), &after.inbox.place)?;
    same("person of the inbox", models.inbox.person(), &after.inbox.person)?;
    same("notices", &models.inbox.notices(now).collect::<Vec<_>>(), &after.inbox.notices.iter().collect::<Vec<_>>())
}

/// Whether the hub tells its viewer what happens in a room of the list: who is only invited hears of open rooms alone.
pub(crate) fn is_told(entry: &RoomEntry) -> bool {
    entry.room.kind.is_open() || entry.me.as_ref().is_some_and(|me| me.state == MemberState::Joined)
}

fn rooms(models: &Models, after: &Answers) -> Differs {
    same("place of the own channel", &models.rooms.place(), &after.rooms.user)?;
    same("person", models.rooms.person(), &after.rooms.person)?;
    let wanted = match models.rooms.wanted() {
        Wanted::Rooms(wanted) => wanted,
        _ => Vec::new(),
    };
    let ours = models.rooms.rooms().map(|entry| entry.answer());
    let listed = |entries: &mut dyn Iterator<Item = RoomEntry>| -> BTreeMap<ChannelName, RoomEntry> {
        let known = entries.filter(|entry| !wanted.contains(&entry.room.channel));
        known.map(|entry| (entry.room.channel.clone(), entry)).collect()
    };
    let (ours, theirs) = (listed(&mut ours.into_iter()), listed(&mut after.rooms.rooms.iter().cloned()));
    same("listed rooms", &ours.keys().collect::<Vec<_>>(), &theirs.keys().collect::<Vec<_>>())?;
    for (channel, theirs) in &theirs {
        let ours = &ours[channel];
        if is_told(theirs) {
            same(&format!("entry of {channel}"), ours, theirs)?;
        } else {
            let standing = |entry: &RoomEntry| entry.me.as_ref().map(|me| (me.state, me.role, me.since));
            same(&format!("invitation to {channel}"), &standing(ours), &standing(theirs))?;
        }
    }
    Ok(())
}

/// Both ends of a window may lie elsewhere: what both hold is the same.
fn posts(name: &str, held: &[&Post], before: bool, page: &MessagesAnswer) -> Differs {
    let first = |before: bool, post: Option<&Post>| if before { post.map_or(u64::MAX, |post| post.ordinal) } else { 0 };
    let from = first(before, held.first().copied()).max(first(page.before, page.messages.first()));
    let ours: Vec<&Post> = held.iter().copied().filter(|post| post.ordinal >= from).collect();
    let theirs: Vec<&Post> = page.messages.iter().filter(|post| post.ordinal >= from).collect();
    same(&format!("messages of {name}"), &ours, &theirs)?;
    let has_more = before || held.len() > ours.len();
    if page.messages.len() == theirs.len() && from != u64::MAX {
        same(&format!("before in {name}"), &has_more, &page.before)?;
    }
    Ok(())
}

/// A window from the beginning on holds what the newest page holds, as far as both reach.
fn window(channel: &ChannelName, model: &RoomModel, page: &MessagesAnswer) -> Differs {
    let from = if page.before { page.messages.first().map_or(u64::MAX, |post| post.ordinal) } else { 0 };
    let upto = model.messages().next_back().filter(|_| model.has_after()).map_or(u64::MAX, |post| post.ordinal);
    let both = |post: &&Post| (from..=upto).contains(&post.ordinal);
    let ours: Vec<&Post> = model.messages().filter(both).collect();
    let theirs: Vec<&Post> = page.messages.iter().filter(both).collect();
    // With nothing left of it, a window does not know any more where it ends.
    if model.has_after() && model.messages().next().is_none() {
        return Ok(());
    }
    same(&format!("window of {channel}"), &ours, &theirs)
}

fn members(models: &Models, after: &Answers) -> Differs {
    for (channel, page) in &after.members {
        let Some(model) = models.members.get(channel).filter(|model| !model.is_torn()) else { continue };
        let mine = page.members.iter().find(|entry| entry.user == models.viewer);
        let ours: Vec<_> = if mine.is_some_and(|mine| mine.role >= Role::Moderator) {
            model.all().collect()
        } else {
            model.joined().collect()
        };
        same(&format!("members of {channel}"), &ours, &page.members)?;
        same(&format!("place of the members of {channel}"), &model.place(), &page.place)?;
    }
    Ok(())
}

fn same<T: PartialEq + Serialize + Debug>(what: &str, ours: &T, theirs: &T) -> Differs {
    if ours == theirs {
        return Ok(());
    }
    let value = |it: &T| serde_json::to_value(it).unwrap_or_default();
    let mut differences = Vec::new();
    differ("", &value(ours), &value(theirs), &mut differences);
    Err(format!("{what} (model, hub):\n    {}", differences.join("\n    ")))
}

/// Where two values differ.
fn differ(path: &str, ours: &Value, theirs: &Value, found: &mut Vec<String>) {
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            let keys = a.keys().chain(b.keys().filter(|key| !a.contains_key(*key)));
            for key in keys {
                differ(
                    &format!("{path}.{key}"),
                    a.get(key).unwrap_or(&Value::Null),
                    b.get(key).unwrap_or(&Value::Null),
                    found,
                );
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (at, (a, b)) in a.iter().zip(b).enumerate() {
                differ(&format!("{path}[{at}]"), a, b, found);
            }
        }
        _ if ours != theirs => found.push(format!("{path}: {ours} / {theirs}")),
        _ => {}
    }
}
