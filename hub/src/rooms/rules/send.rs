//! Saying something: who may, what of it is kept, and whose counters it moves.

use hubbub_persistence::records::{Question, Refusal, Stop};
use hubbub_protocol::room::event::Created;
use hubbub_protocol::room::op::Send;
use hubbub_protocol::room::text::{MESSAGE, check_attachments, has_link};
use hubbub_protocol::room::{Event, Last, Links, Post, Role, RoomKind, Text, What};
use hubbub_protocol::{ErrorCode, MessageId};

use super::later::{notices, schedule};
use super::mentions::{Found, find};
use super::thread::{moved, new_followers, places};
use crate::rooms::act::{Scene, Stage, refuse};
use crate::rooms::actor::Rank;
use crate::rooms::error::{bad, forbidden, missing, text};
use crate::rooms::rows::{EVERYBODY, FilterRow, MentionRow, PostRow, filter_key, mention_group, post_key};

/// Most messages in one thread.
const THREAD: u64 = 1_000_000;

pub(in crate::rooms) fn send(scene: &mut Scene<'_, '_>, body: &Send) -> Result<(), Stop> {
    let home = scene.home().clone();
    let related = [body.reply_to, body.thread].into_iter().flatten().map(|id| Question::Key(post_key(&home, id)));
    let waiting = scene.view.want(related);
    let mut stage = scene.inside()?;
    waiting?;
    writes(scene, &stage)?;
    let said = Text::parse(&body.text, MESSAGE).map_err(|error| text(&error))?;
    check_attachments(&body.attachments).map_err(|error| text(&error))?;
    passes_filters(scene, &stage, said.as_str(), &body.entities)?;
    if let Some(at) = body.at {
        return schedule(scene, body, at);
    }
    in_time(&stage, scene.now())?;
    let answered = related_post(scene, body.reply_to)?;
    let root = related_post(scene, body.thread)?;
    if root.as_ref().is_some_and(|root| root.post.thread.is_some() || root.post.replies >= THREAD) {
        return Err(bad("`thread` is a message outside threads; write in the thread that it is in"));
    }
    let found = find(scene, &stage, said.as_str(), &body.entities)?;
    if stage.me.as_ref().is_some_and(|me| me.shadow) {
        return shadow(scene, &mut stage);
    }
    let places = root.as_ref().map(|root| places(scene, &stage, root, &found)).transpose()?.unwrap_or_default();
    let created = Created { follows: new_followers(&places), ..created(&stage, body, said, &found, root.as_ref()) };
    let post = post_of(scene, body, &created);
    let offset = scene.tell(&Event::MessageCreated(created.clone()));
    let record = PostRow { post: Post { offset, ..post.clone() }, holds: vec![offset] }.record(&home);
    scene.view.put(record);
    match root {
        None => outside(scene, &mut stage, &post, found),
        Some(root) => moved(scene, &post, root, &places),
    }
    let answered = answered.and_then(|row| row.post.from).filter(|author| Some(author) != post.from.as_ref());
    tell_people(scene, &post, &created, answered);
    if let Some(me) = &mut stage.me {
        me.sent = scene.act.time;
        scene.put_member(me);
    }
    Ok(())
}

/// Whether somebody may write here at all.
pub(in crate::rooms) fn writes(scene: &Scene<'_, '_>, stage: &Stage) -> Result<(), Stop> {
    let room = &stage.room.room;
    if room.archived {
        return Err(forbidden("this room is archived"));
    }
    if room.kind == RoomKind::Announcement && stage.rank < Rank::In(Role::Moderator) {
        return Err(forbidden("only moderators write in this room"));
    }
    match stage.me.as_ref().and_then(|me| me.member.muted_until) {
        Some(until) if scene.now() < until => Err(refuse(Refusal {
            code: ErrorCode::Forbidden,
            message: "you are muted in this room".into(),
            retry_after_ms: (until < hubbub_protocol::room::NEVER).then(|| until - scene.now()),
        })),
        _ => Ok(()),
    }
}

/// Whether a member has waited as long as the room wants.
fn in_time(stage: &Stage, now: u64) -> Result<(), Stop> {
    let Some(me) = stage.me.as_ref().filter(|_| stage.rank < Rank::In(Role::Moderator)) else { return Ok(()) };
    let wait = (me.sent + u64::from(stage.room.room.slow_mode_s) * 1_000).saturating_sub(now);
    if wait == 0 || me.sent == 0 || stage.room.room.slow_mode_s == 0 {
        return Ok(());
    }
    let message = format!("this room is slow: write again in {} s", wait.div_ceil(1_000));
    Err(refuse(Refusal { code: ErrorCode::RateLimited, message, retry_after_ms: Some(wait) }))
}

/// Whether the room refuses words or links of it. Moderators say what they like.
pub(super) fn passes_filters(
    scene: &mut Scene<'_, '_>,
    stage: &Stage,
    text: &str,
    entities: &[hubbub_protocol::room::Entity],
) -> Result<(), Stop> {
    if !stage.room.room.filtered || stage.rank >= Rank::In(Role::Moderator) {
        return Ok(());
    }
    let links = match stage.room.links {
        Links::All => true,
        Links::Members => stage.rank >= Rank::In(Role::Member),
        Links::None => false,
    };
    if !links && has_link(text, entities) {
        return Err(forbidden("links are not allowed in this room"));
    }
    let key = filter_key(scene.home());
    let filter = scene.row::<FilterRow>(&key)?.unwrap_or_default();
    let plain = plain(text);
    let words: Vec<&str> = plain.split(|char: char| !char.is_alphanumeric()).collect();
    let refused = |word: &String| {
        let word = self::plain(word);
        if word.chars().all(char::is_alphanumeric) { words.contains(&word.as_str()) } else { plain.contains(&word) }
    };
    if filter.words.iter().any(refused) {
        return Err(forbidden("this room does not allow one of these words"));
    }
    Ok(())
}

/// Small letters without what hides between them.
fn plain(text: &str) -> String {
    let hidden =
        |char: &char| matches!(u32::from(*char), 0xad | 0x300..=0x36f | 0x200b..=0x200f | 0x2060..=0x2064 | 0xfeff);
    text.chars().filter(|char| !hidden(char)).flat_map(char::to_lowercase).collect()
}

fn related_post(scene: &mut Scene<'_, '_>, id: Option<MessageId>) -> Result<Option<PostRow>, Stop> {
    let Some(id) = id else { return Ok(None) };
    let key = post_key(scene.home(), id);
    scene.row::<PostRow>(&key)?.map(Some).ok_or_else(|| missing("message"))
}

fn created(stage: &Stage, body: &Send, text: Text, found: &Found, root: Option<&PostRow>) -> Created {
    let room = &stage.room.room;
    let all = found.mentions.all && root.is_none();
    Created {
        text: text.into_string(),
        entities: found.entities.clone(),
        attachments: body.attachments.clone(),
        ordinal: root.map_or(room.messages, |root| root.post.replies) + 1,
        reply_to: body.reply_to,
        thread: body.thread,
        mentions: found.mentions.clone(),
        mentions_all: room.mentions_all + u64::from(all),
        follows: Vec::new(),
    }
}

fn post_of(scene: &Scene<'_, '_>, body: &Send, created: &Created) -> Post {
    Post {
        id: scene.next_id(),
        offset: 0,
        ordinal: created.ordinal,
        time: scene.now(),
        from: scene.act.actor.user.clone(),
        key: scene.act.request.key.as_ref().map(ToString::to_string),
        text: created.text.clone(),
        entities: created.entities.clone(),
        attachments: body.attachments.clone(),
        unfurls: Vec::new(),
        reply_to: body.reply_to,
        thread: body.thread,
        version: 0,
        edited: None,
        deleted: None,
        pinned: false,
        reactions: std::collections::BTreeMap::new(),
        replies: 0,
        replied: None,
    }
}

/// A message outside threads moves the room, those it names, and its author.
fn outside(scene: &mut Scene<'_, '_>, stage: &mut Stage, post: &Post, found: Found) {
    let home = scene.home().clone();
    let room = &mut stage.room.room;
    room.messages = post.ordinal;
    room.last = Some(Last::of(post));
    if found.mentions.all {
        room.mentions_all += 1;
        let row = MentionRow { rank: room.mentions_all, message: post.id };
        scene.view.put(row.record(&home, EVERYBODY, post.ordinal, None));
    }
    for mut row in found.rows {
        row.member.mentions += 1;
        let (user, rank) = (row.member.user.clone(), row.member.mentions);
        let mention = MentionRow { rank, message: post.id };
        scene.view.put(mention.record(&home, &mention_group(&user, None), post.ordinal, Some(&user)));
        scene.put_member(&row);
    }
    if let Some(me) = &mut stage.me {
        let member = &mut me.member;
        (member.read, member.mentions_read) = (post.ordinal, member.mentions);
        member.mentions_all_read = stage.room.room.mentions_all;
    }
    let room = stage.room.clone();
    scene.put_room(&room);
}

/// Those who are named or answered get a notice, each one.
fn tell_people(scene: &mut Scene<'_, '_>, post: &Post, created: &Created, answered: Option<hubbub_protocol::UserId>) {
    let mut people: Vec<_> = created.mentions.users.iter().map(|user| (user.clone(), What::Mention)).collect();
    if let Some(author) = answered.filter(|author| !created.mentions.users.contains(author)) {
        people.push((author, What::Reply));
    }
    notices(scene, Some(post.id), &post.text, people);
}

/// What somebody says whom nobody is to hear is answered, and goes nowhere.
fn shadow(scene: &mut Scene<'_, '_>, stage: &mut Stage) -> Result<(), Stop> {
    if let Some(me) = &mut stage.me {
        me.sent = scene.act.time;
        scene.put_member(me);
    }
    scene.answer(&serde_json::json!({ "message": scene.act.id_of(0), "time": scene.act.time }))
}
