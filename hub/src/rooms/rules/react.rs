//! Reactions, by the law of the room.

use hubbub_persistence::records::{Question, Stop};
use hubbub_protocol::ErrorCode;
use hubbub_protocol::room::op::React;
use hubbub_protocol::room::text::check_emoji;
use hubbub_protocol::room::{Event, Reactions};

use super::change::with_post;
use crate::rooms::act::Scene;
use crate::rooms::error::{bad, forbidden, refused, text};
use crate::rooms::rows::{PostRow, ReactionRow, reaction_key, reaction_record};

/// Most different emoji on a message, and of one user on it.
const EMOJI: usize = 50;
/// Most times that a user reacts with one emoji, where that counts.
const TIMES: u64 = 1_000;

pub(in crate::rooms) fn react(scene: &mut Scene<'_, '_>, body: &React) -> Result<(), Stop> {
    let user = scene.user()?;
    let key = reaction_key(scene.home(), body.message, &user);
    let waiting = scene.view.want([Question::Key(key.clone())]);
    let (stage, mut post) = with_post(scene, body.message)?;
    waiting?;
    check_emoji(&body.emoji).map_err(|error| text(&error))?;
    if stage.room.room.archived {
        return Err(forbidden("this room is archived"));
    }
    if stage.me.as_ref().is_some_and(|me| me.member.is_muted(scene.now())) {
        return Err(forbidden("you are muted in this room"));
    }
    if post.post.deleted.is_some() {
        return Err(forbidden("this message is deleted"));
    }
    let law = stage.room.room.reactions;
    let most = if law == Reactions::Counted { TIMES } else { 1 };
    if body.count > most {
        return Err(bad(format!("`count` is at most {most} in this room")));
    }
    if stage.me.as_ref().is_some_and(|me| me.shadow) {
        return scene.answer(&serde_json::json!({ "message": scene.act.id_of(0), "time": scene.act.time }));
    }
    let mut mine: ReactionRow = scene.row(&key)?.unwrap_or_default();
    if mine.get(&body.emoji).copied().unwrap_or(0) == body.count {
        return Ok(());
    }
    if law == Reactions::Unique && body.count > 0 {
        for emoji in mine.keys().filter(|emoji| **emoji != body.emoji).cloned().collect::<Vec<_>>() {
            set(scene, &mut post, &mut mine, &user, &emoji, 0);
        }
    }
    let new = body.count > 0 && !post.post.reactions.contains_key(&body.emoji);
    if new && post.post.reactions.len() >= EMOJI {
        return Err(refused(ErrorCode::LimitReached, format!("a message has at most {EMOJI} different reactions")));
    }
    set(scene, &mut post, &mut mine, &user, &body.emoji, body.count);
    let home = scene.home().clone();
    scene.view.put(post.record(&home));
    if mine.is_empty() {
        scene.view.remove(key);
    } else {
        scene.view.put(reaction_record(&home, body.message, &user, &mine));
    }
    Ok(())
}

fn set(
    scene: &mut Scene<'_, '_>,
    post: &mut PostRow,
    mine: &mut ReactionRow,
    user: &hubbub_protocol::UserId,
    emoji: &str,
    count: u64,
) {
    let before = mine.remove(emoji).unwrap_or(0);
    if count > 0 {
        mine.insert(emoji.to_owned(), count);
    }
    let all = post.post.reactions.entry(emoji.to_owned()).or_default();
    all.count = all.count.saturating_sub(before) + count;
    let sum = all.count;
    if sum == 0 {
        post.post.reactions.remove(emoji);
    }
    let (message, emoji) = (post.post.id, emoji.to_owned());
    scene.tell(&Event::ReactionChanged { message, emoji, user: user.clone(), mine: count, count: sum });
}
