//! What an event makes of a room, and of somebody in it.

use hubbub_protocol::room::event::{Created, RoomSet};
use hubbub_protocol::room::{Event, Last, Level, Member, MemberState, Role, Room};
use hubbub_protocol::{Message, UserId};

/// Most pins that a room remembers.
const PINS: usize = 100;

/// Changes a room.
pub(super) fn room(room: &mut Room, event: &Event, message: &Message) {
    match event {
        Event::RoomCreated { room: created } => room.clone_from(created),
        Event::RoomUpdated { set } => update(room, set),
        Event::MemberJoined { members, .. }
        | Event::MemberLeft { members, .. }
        | Event::MemberBanned { members, .. }
        | Event::MemberUnbanned { members, .. } => room.members = *members,
        Event::MessageCreated(created) if created.thread.is_none() => say(room, created, message),
        Event::MessageEdited { message, text, .. } => {
            if let Some(last) = room.last.as_mut().filter(|last| last.id == *message) {
                last.text = Last::text(text);
            }
        }
        Event::MessageDeleted { message, .. } => {
            room.pins.retain(|pin| pin != message);
            if let Some(last) = room.last.as_mut().filter(|last| last.id == *message) {
                (last.text, last.deleted) = (String::new(), true);
            }
        }
        Event::MessagePinned { message, pinned } => {
            room.pins.retain(|pin| pin != message);
            if *pinned {
                room.pins.insert(0, *message);
                room.pins.truncate(PINS);
            }
        }
        _ => {}
    }
}

fn say(room: &mut Room, created: &Created, message: &Message) {
    (room.messages, room.mentions_all) = (created.ordinal, created.mentions_all);
    room.last = Some(Last {
        id: message.id,
        ordinal: created.ordinal,
        time: message.time,
        from: message.from.clone(),
        text: Last::text(&created.text),
        deleted: false,
    });
}

fn update(room: &mut Room, set: &RoomSet) {
    fn put<T: Clone>(field: &mut T, set: &Option<T>) {
        if let Some(set) = set {
            field.clone_from(set);
        }
    }
    put(&mut room.name, &set.name);
    put(&mut room.topic, &set.topic);
    put(&mut room.archived, &set.archived);
    put(&mut room.slow_mode_s, &set.slow_mode_s);
    put(&mut room.reactions, &set.reactions);
    put(&mut room.receipts, &set.receipts);
    put(&mut room.mention_all, &set.mention_all);
    put(&mut room.retention_days, &set.retention_days);
    put(&mut room.filtered, &set.filtered);
}

/// What everybody may know of a member.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Standing {
    pub(super) role: Role,
    pub(super) state: MemberState,
    pub(super) since: u64,
    pub(super) muted_until: Option<u64>,
    pub(super) banned_until: Option<u64>,
}

/// Somebody of whom nothing was known until an event at that time.
pub(super) fn newcomer(time: u64) -> Standing {
    let (role, state) = (Role::Member, MemberState::Left);
    Standing { role, state, since: time, muted_until: None, banned_until: None }
}

/// The user whose standing an event changes.
pub(super) fn user_of(event: &Event) -> Option<&UserId> {
    match event {
        Event::MemberInvited { user, .. }
        | Event::MemberJoined { user, .. }
        | Event::MemberLeft { user, .. }
        | Event::MemberChanged { user, .. }
        | Event::MemberMuted { user, .. }
        | Event::MemberBanned { user, .. }
        | Event::MemberUnbanned { user, .. } => Some(user),
        _ => None,
    }
}

/// Changes somebody's standing.
pub(super) fn standing(member: &mut Standing, event: &Event, time: u64) {
    match event {
        Event::MemberInvited { role, muted_until, .. } => {
            let state = MemberState::Invited;
            *member = Standing { role: *role, state, since: time, muted_until: *muted_until, banned_until: None };
        }
        Event::MemberJoined { role, since, muted_until, .. } => {
            let state = MemberState::Joined;
            *member = Standing { role: *role, state, since: *since, muted_until: *muted_until, banned_until: None };
        }
        Event::MemberLeft { .. } => member.state = MemberState::Left,
        Event::MemberChanged { role, .. } => member.role = *role,
        Event::MemberMuted { until, .. } => member.muted_until = *until,
        Event::MemberBanned { until, .. } => {
            (member.state, member.banned_until, member.role) = (MemberState::Banned, *until, Role::Member);
        }
        Event::MemberUnbanned { .. } => (member.state, member.banned_until) = (MemberState::Left, None),
        _ => {}
    }
}

/// Somebody who was never in a room, before the event that begins their place in it: what was said until then counts as read.
pub(super) fn stranger(user: &UserId, room: &Room, time: u64) -> Member {
    let Standing { role, state, since, muted_until, banned_until } = newcomer(time);
    Member {
        user: user.clone(),
        role,
        state,
        since,
        read: room.messages,
        mentions: 0,
        mentions_read: 0,
        mentions_all_read: room.mentions_all,
        notify: Level::All,
        muted_until,
        banned_until,
    }
}
