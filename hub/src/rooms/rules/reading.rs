//! Read marks, what to be told of, and followed threads.

use hubbub_persistence::records::{Kind, Question, Stop};
use hubbub_protocol::MessageId;
use hubbub_protocol::channel::UserId;
use hubbub_protocol::room::op::{Follow, Notify, Read};
use hubbub_protocol::room::{Event, Moved, OwnEvent};

use super::change::with_post;
use crate::rooms::act::{Scene, Stage};
use crate::rooms::error::bad;
use crate::rooms::rows::{EVERYBODY, FollowerRow, MentionRow, follower_key, mention_group, read as read_row};

pub(in crate::rooms) fn read(scene: &mut Scene<'_, '_>, body: &Read) -> Result<(), Stop> {
    let user = scene.user()?;
    if let Some(thread) = body.thread {
        return read_thread(scene, body, &user, thread);
    }
    let Stage { room, me, .. } = scene.inside()?;
    let Some(mut me) = me else { return Err(bad("only members read on")) };
    if body.ordinal > room.room.messages {
        return Err(bad("`ordinal` is at most that of the newest message"));
    }
    let mine = mention_group(&user, None);
    want_ranks(scene, &[&mine, EVERYBODY], body.ordinal)?;
    let (named, all) = (rank(scene, &mine, body.ordinal)?, rank(scene, EVERYBODY, body.ordinal)?);
    let member = &mut me.member;
    if (member.read, member.mentions_read, member.mentions_all_read) == (body.ordinal, named, all) {
        return Ok(());
    }
    (member.read, member.mentions_read, member.mentions_all_read) = (body.ordinal, named, all);
    scene.put_member(&me);
    let mut moved = Moved {
        user: user.clone(),
        ordinal: body.ordinal,
        mentions_read: named,
        mentions_all_read: all,
        channel: None,
        thread: None,
        behind: None,
    };
    if room.room.receipts {
        scene.tell_latest(&Event::ReadMoved(moved), &format!("read/{user}"));
    } else {
        (moved.channel, moved.behind) = (Some(room.room.channel), Some(scene.here()));
        scene.tell_user(&user, &OwnEvent::ReadMoved(moved));
    }
    Ok(())
}

fn read_thread(scene: &mut Scene<'_, '_>, body: &Read, user: &UserId, thread: MessageId) -> Result<(), Stop> {
    let key = follower_key(scene.home(), thread, user);
    let mine = mention_group(user, Some(thread));
    let waiting = scene.view.want([Question::Key(key.clone())]);
    let (_, root) = with_post(scene, thread)?;
    waiting?;
    if body.ordinal > root.post.replies {
        return Err(bad("`ordinal` is at most that of the newest message of the thread"));
    }
    let named = rank(scene, &mine, body.ordinal)?;
    let mut row = scene.row::<FollowerRow>(&key)?.unwrap_or_else(|| {
        // Reading is not following.
        FollowerRow { following: false, ..FollowerRow::new(user, thread) }
    });
    if (row.read, row.mentions_read) == (body.ordinal, named) {
        return Ok(());
    }
    (row.read, row.mentions_read) = (body.ordinal, named);
    let record = row.record(scene.home());
    scene.view.put(record);
    let moved = Moved {
        user: user.clone(),
        ordinal: body.ordinal,
        mentions_read: named,
        mentions_all_read: 0,
        channel: Some(scene.home().channel.clone()),
        thread: Some(thread),
        behind: Some(scene.here()),
    };
    scene.tell_user(user, &OwnEvent::ReadMoved(moved));
    Ok(())
}

pub(in crate::rooms) fn notify(scene: &mut Scene<'_, '_>, body: &Notify) -> Result<(), Stop> {
    let user = scene.user()?;
    let Stage { room, me, .. } = scene.inside()?;
    let Some(mut me) = me.filter(|me| me.member.notify != body.level) else { return Ok(()) };
    me.member.notify = body.level;
    scene.put_member(&me);
    scene.tell_user(&user, &OwnEvent::MemberNotify { channel: room.room.channel, level: body.level });
    Ok(())
}

pub(in crate::rooms) fn follow(scene: &mut Scene<'_, '_>, body: &Follow) -> Result<(), Stop> {
    let user = scene.user()?;
    let key = follower_key(scene.home(), body.thread, &user);
    let waiting = scene.view.want([Question::Key(key.clone())]);
    let (_, root) = with_post(scene, body.thread)?;
    waiting?;
    if root.post.thread.is_some() {
        return Err(bad("`thread` is a message outside threads"));
    }
    let there = scene.row::<FollowerRow>(&key)?;
    if there.as_ref().is_some_and(|row| row.following) == body.following {
        return Ok(());
    }
    let mut row =
        there.unwrap_or_else(|| FollowerRow { read: root.post.replies, ..FollowerRow::new(&user, body.thread) });
    row.following = body.following;
    let record = row.record(scene.home());
    scene.view.put(record);
    let (channel, thread, following) = (scene.home().channel.clone(), body.thread, body.following);
    let (read, behind) = (row.read, Some(scene.here()));
    scene.tell_user(&user, &OwnEvent::ThreadFollowed { channel, thread, following, read, behind });
    Ok(())
}

fn want_ranks(scene: &mut Scene<'_, '_>, groups: &[&str], at: u64) -> Result<(), Stop> {
    let home = scene.home().clone();
    let last =
        |group: &&str| Question::Last { home: home.clone(), kind: Kind::Mention, group: (*group).to_owned(), at };
    scene.view.want(groups.iter().map(last).collect::<Vec<_>>())
}

/// How many mentions of a group stand up to an ordinal: the last one knows.
fn rank(scene: &mut Scene<'_, '_>, group: &str, at: u64) -> Result<u64, Stop> {
    let home = scene.home().clone();
    let Some(record) = scene.view.last(&home, Kind::Mention, group, at)? else { return Ok(0) };
    read_row::<MentionRow>(&record).map(|row| row.rank).map_err(Stop::Refused)
}
