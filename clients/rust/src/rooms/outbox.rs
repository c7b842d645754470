//! Messages of one's own that have no place yet: on their way, taken by the hub, or refused. Each is known by its key.

use hubbub_protocol::room::answer::Changed;
use hubbub_protocol::room::op::Send;
use hubbub_protocol::room::{Event, Post};
use hubbub_protocol::{Key, Message, UserId};

use crate::error::ClientError;

/// How far a message has come.
#[derive(Clone, PartialEq, Debug)]
pub enum Sending {
    /// It has no answer yet.
    Waiting,
    /// The hub has it; its event is still to come. `None` where there will be none.
    Taken(Option<Changed>),
    /// The hub will not have it, or no answer came. The same key may be tried again.
    Failed(ClientError),
}

/// A message on its way.
#[derive(Clone, PartialEq, Debug)]
pub struct Outgoing {
    /// By which its event is known.
    pub key: Key,
    /// What is sent.
    pub send: Send,
    /// When that was, in milliseconds since 1970.
    pub time: u64,
    /// How far it has come.
    pub sending: Sending,
}

/// What is on its way, in the order of its sending.
#[derive(Clone, Debug)]
pub struct Outbox {
    viewer: UserId,
    items: Vec<Outgoing>,
}

impl Outbox {
    /// Empty.
    pub fn new(viewer: UserId) -> Self {
        Self { viewer, items: Vec::new() }
    }

    /// Shows a message before the hub has it. The same key again is the same message, on its way again.
    pub fn add(&mut self, key: Key, send: Send, time: u64) {
        self.items.retain(|item| item.key != key);
        self.items.push(Outgoing { key, send, time, sending: Sending::Waiting });
    }

    /// The hub answered. Whether it was still known: its event may have come before.
    pub fn answered(&mut self, key: &Key, answer: Result<Option<Changed>, ClientError>) -> bool {
        let Some(item) = self.items.iter_mut().find(|item| item.key == *key) else { return false };
        item.sending = match answer {
            Ok(changed) => Sending::Taken(changed),
            Err(why) => Sending::Failed(why),
        };
        true
    }

    /// Does not show it any more.
    pub fn discard(&mut self, key: &Key) {
        self.items.retain(|item| item.key != *key);
    }

    /// Something happened. Whether it is the event of one of these, which has its place in the room now.
    pub fn apply(&mut self, message: &Message) -> bool {
        let Some(key) = message.key.as_ref().filter(|_| message.from.as_ref() == Some(&self.viewer)) else {
            return false;
        };
        let at = self.items.iter().position(|item| item.key == *key && item.send.channel == message.channel);
        let Some(at) = at else { return false };
        let is_sent = matches!(serde_json::from_str(message.data.get()), Ok(Event::MessageCreated(_)));
        if is_sent {
            self.items.remove(at);
        }
        is_sent
    }

    /// A page came: what is in it has its place.
    pub fn caught_up<'a>(&mut self, posts: impl IntoIterator<Item = &'a Post>) {
        for post in posts.into_iter().filter(|post| post.from.as_ref() == Some(&self.viewer)) {
            self.items.retain(|item| post.key.as_deref() != Some(item.key.as_str()));
        }
    }

    /// What is on its way.
    pub fn items(&self) -> &[Outgoing] {
        &self.items
    }
}
