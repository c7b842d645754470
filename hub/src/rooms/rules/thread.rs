//! What a message in a thread changes: its root, and the places of those who follow it.

use hubbub_persistence::records::{Question, Stop};
use hubbub_protocol::channel::UserId;
use hubbub_protocol::room::{MemberState, Post};

use super::mentions::Found;
use crate::rooms::act::{Scene, Stage};
use crate::rooms::rows::{FollowerRow, MentionRow, PostRow, follower_key, member_key, mention_group};

/// Somebody's place in a thread behind a new message in it.
pub(super) struct Place {
    row: FollowerRow,
    /// Whether the message names them.
    named: bool,
    /// Whether they follow it by this message.
    new: bool,
}

/// Who has another place in the thread by the next message in it: those who are named, whoever writes it, and whoever wrote the
/// root, from the first answer on.
pub(super) fn places(
    scene: &mut Scene<'_, '_>,
    stage: &Stage,
    root: &PostRow,
    found: &Found,
) -> Result<Vec<Place>, Stop> {
    let (home, thread, ordinal) = (scene.home().clone(), root.post.id, root.post.replies + 1);
    let named: Vec<&UserId> = found.rows.iter().map(|row| &row.member.user).collect();
    let me = stage.me.as_ref().map(|me| &me.member.user);
    let author = root.post.from.as_ref().filter(|_| ordinal == 1);
    let mut people: Vec<&UserId> = named.iter().copied().chain(me).chain(author).collect();
    people.sort_unstable();
    people.dedup();
    let places = people.iter().map(|user| follower_key(&home, thread, user));
    let there = author.map(|user| member_key(&home, user));
    scene.view.want(places.chain(there).map(Question::Key).collect::<Vec<_>>())?;
    let mut places = Vec::new();
    for user in people {
        let (is_named, is_me) = (named.contains(&user), Some(user) == me);
        let there = scene.row::<FollowerRow>(&follower_key(&home, thread, user))?;
        if !is_named && !is_me && (there.is_some() || !is_joined(scene, user)?) {
            continue;
        }
        let new = there.as_ref().is_none_or(|row| !row.following);
        let mut row = there.unwrap_or_else(|| FollowerRow::new(user, thread));
        row.following = true;
        row.mentions += u64::from(is_named);
        if is_me {
            (row.read, row.mentions_read) = (ordinal, row.mentions);
        }
        places.push(Place { row, named: is_named, new });
    }
    Ok(places)
}

/// Those who did not follow it before.
pub(super) fn new_followers(places: &[Place]) -> Vec<UserId> {
    places.iter().filter(|place| place.new).map(|place| place.row.user.clone()).collect()
}

/// Puts the root and the places behind a message.
pub(super) fn moved(scene: &mut Scene<'_, '_>, post: &Post, mut root: PostRow, places: &[Place]) {
    let (home, thread) = (scene.home().clone(), root.post.id);
    (root.post.replies, root.post.replied) = (post.ordinal, Some(post.time));
    for Place { row, named, .. } in places {
        if *named {
            let mention = MentionRow { rank: row.mentions, message: post.id };
            let group = mention_group(&row.user, Some(thread));
            scene.view.put(mention.record(&home, &group, post.ordinal, Some(&row.user)));
        }
        scene.view.put(row.record(&home));
    }
    scene.view.put(root.record(&home));
}

fn is_joined(scene: &mut Scene<'_, '_>, user: &UserId) -> Result<bool, Stop> {
    Ok(scene.member(user)?.is_some_and(|row| row.member.state == MemberState::Joined))
}
