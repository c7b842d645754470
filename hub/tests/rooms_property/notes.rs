//! What the draw of the next step knows of the rooms: taken from what was told and answered, and only to make most steps sensible.

use std::collections::BTreeMap;

use hubbub_protocol::channel::{ChannelName, UserId};
use hubbub_protocol::room::{Event, MemberState, OwnEvent, Role, RoomKind};
use hubbub_protocol::{Message, MessageId};
use serde_json::Value;

use crate::world::Who;

#[derive(Clone, Debug)]
pub(crate) struct PostNote {
    pub(crate) id: MessageId,
    pub(crate) from: Option<UserId>,
    pub(crate) thread: Option<MessageId>,
    pub(crate) deleted: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct RoomNote {
    pub(crate) channel: ChannelName,
    pub(crate) kind: RoomKind,
    pub(crate) members: BTreeMap<UserId, MemberNote>,
    pub(crate) posts: Vec<PostNote>,
    pub(crate) messages: u64,
    pub(crate) tasks: Vec<(UserId, String)>,
    pub(crate) reports: Vec<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct MemberNote {
    pub(crate) state: MemberState,
    pub(crate) role: Role,
    pub(crate) banned_until: Option<u64>,
}

#[derive(Debug, Default)]
pub(crate) struct Notes {
    pub(crate) rooms: Vec<RoomNote>,
    pub(crate) notices: BTreeMap<UserId, Vec<(MessageId, u64)>>,
}

impl RoomNote {
    /// Whether a user may look into it at a time.
    pub(crate) fn is_seen_by(&self, user: &UserId, now: u64) -> bool {
        match self.members.get(user) {
            Some(MemberNote { state: MemberState::Joined, .. }) => true,
            Some(MemberNote { state: MemberState::Banned, banned_until, .. }) => {
                self.kind.is_open() && banned_until.is_some_and(|until| until <= now)
            }
            _ => self.kind.is_open(),
        }
    }

    /// Those who are in it with this role or above.
    pub(crate) fn with_role(&self, least: Role) -> Vec<&UserId> {
        let there = |note: &MemberNote| note.state == MemberState::Joined && note.role >= least;
        self.members.iter().filter(|(_, note)| there(note)).map(|(user, _)| user).collect()
    }

    pub(crate) fn roots(&self) -> Vec<&PostNote> {
        self.posts.iter().filter(|post| post.thread.is_none()).collect()
    }
}

impl Notes {
    pub(crate) fn room(&self, channel: &ChannelName) -> Option<&RoomNote> {
        self.rooms.iter().find(|room| room.channel == *channel)
    }

    /// Something was told.
    pub(crate) fn hear(&mut self, message: &Message) {
        if message.channel.namespace() == "user" {
            if let Ok(OwnEvent::InboxAdded { notice, .. }) = serde_json::from_str(message.data.get()) {
                let user = UserId::parse(message.channel.name()).expect("a user");
                self.notices.entry(user).or_default().push((notice.id, notice.offset));
            }
            return;
        }
        let Ok(event) = serde_json::from_str::<Event>(message.data.get()) else { return };
        if let Event::RoomCreated { room } = &event {
            self.rooms.push(RoomNote {
                channel: room.channel.clone(),
                kind: room.kind,
                members: BTreeMap::new(),
                posts: Vec::new(),
                messages: 0,
                tasks: Vec::new(),
                reports: Vec::new(),
            });
        }
        if let Some(room) = self.rooms.iter_mut().find(|room| room.channel == message.channel) {
            hear_in(room, &event, message);
        }
    }

    /// Something was answered that no event tells.
    pub(crate) fn answered(&mut self, who: &Who, channel: Option<&ChannelName>, answer: &Value) {
        let room = self.rooms.iter_mut().find(|room| Some(&room.channel) == channel);
        let Some(room) = room else { return };
        if let (Some(task), Who::User(user)) = (answer["task"].as_str(), who) {
            room.tasks.push((user.clone(), task.to_owned()));
        }
        if let Some(report) = answer["report"].as_str() {
            room.reports.push(report.to_owned());
        }
    }
}

fn hear_in(room: &mut RoomNote, event: &Event, message: &Message) {
    let mut put = |user: &UserId, state: MemberState, role: Option<Role>, banned_until: Option<u64>| {
        let was = room.members.get(user).map_or(Role::Member, |note| note.role);
        let role = role.unwrap_or(was);
        room.members.insert(user.clone(), MemberNote { state, role, banned_until });
    };
    match event {
        Event::MemberInvited { user, role, .. } => put(user, MemberState::Invited, Some(*role), None),
        Event::MemberJoined { user, role, .. } => put(user, MemberState::Joined, Some(*role), None),
        Event::MemberLeft { user, .. } | Event::MemberUnbanned { user, .. } => put(user, MemberState::Left, None, None),
        Event::MemberBanned { user, until, .. } => put(user, MemberState::Banned, Some(Role::Member), *until),
        Event::MemberChanged { user, role } => put(user, MemberState::Joined, Some(*role), None),
        Event::MessageCreated(created) => {
            let (id, from, thread) = (message.id, message.from.clone(), created.thread);
            room.posts.push(PostNote { id, from, thread, deleted: false });
            if thread.is_none() {
                room.messages = created.ordinal;
            }
        }
        Event::MessageDeleted { message, hard, .. } => {
            room.posts.retain(|post| !(*hard && post.id == *message));
            room.posts.iter_mut().filter(|post| post.id == *message).for_each(|post| post.deleted = true);
        }
        _ => {}
    }
}
