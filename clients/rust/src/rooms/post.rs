//! What an event makes of a message of a room.

use hubbub_protocol::room::event::Created;
use hubbub_protocol::room::{DeletedBy, Event, Post};
use hubbub_protocol::{Message, UserId};

/// Whether a message still has its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    Stays,
    /// It is on no page any more.
    Gone,
}

/// The message that an event made.
pub(super) fn made(message: &Message, created: &Created) -> Post {
    let Created { text, entities, attachments, ordinal, reply_to, thread, .. } = created.clone();
    Post {
        id: message.id,
        offset: message.position.map_or(0, |position| position.offset),
        ordinal,
        time: message.time,
        from: message.from.clone(),
        key: message.key.as_ref().map(ToString::to_string),
        text,
        entities,
        attachments,
        unfurls: Vec::new(),
        reply_to,
        thread,
        version: 0,
        edited: None,
        deleted: None,
        pinned: false,
        reactions: std::collections::BTreeMap::new(),
        replies: 0,
        replied: None,
    }
}

/// Changes a message, if the event is about it. `viewer` is who looks.
pub(super) fn change(post: &mut Post, event: &Event, time: u64, viewer: &UserId) -> Fate {
    let id = post.id;
    match event {
        Event::MessageCreated(created) if created.thread == Some(id) => {
            (post.replies, post.replied) = (created.ordinal, Some(time));
        }
        Event::MessageEdited { message, text, entities, version } if *message == id => {
            (post.text, post.entities) = (text.clone(), entities.clone());
            (post.version, post.edited) = (*version, Some(time));
        }
        Event::MessageDeleted { message, hard: true, .. } if *message == id => return Fate::Gone,
        Event::MessageDeleted { message, by, .. } if *message == id => empty(post, *by),
        Event::MessageUnfurled { message, unfurls } if *message == id => post.unfurls.clone_from(unfurls),
        Event::MessagePinned { message, pinned } if *message == id => post.pinned = *pinned,
        Event::ReactionChanged { message, emoji, user, mine, count } if *message == id => {
            let all = post.reactions.entry(emoji.clone()).or_default();
            all.count = *count;
            if user == viewer {
                all.mine = *mine;
            }
            if *count == 0 {
                post.reactions.remove(emoji);
            }
        }
        _ => {}
    }
    Fate::Stays
}

/// Place and author stay, and what hangs under it.
fn empty(post: &mut Post, by: DeletedBy) {
    (post.text, post.entities, post.attachments) = (String::new(), Vec::new(), Vec::new());
    (post.unfurls, post.version, post.edited, post.pinned) = (Vec::new(), 0, None, false);
    post.reactions.clear();
    post.deleted = Some(by);
}
