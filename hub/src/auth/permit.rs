//! Permits: proof that the policy allowed one operation on one channel. Only [`super::policy`] can make one; the next
//! stage demands it.

use std::fmt;
use std::sync::Arc;

use hubbub_protocol::channel::{ChannelKey, ChannelName, UserId};

use crate::namespace::Namespace;

/// Leave to do one kind of thing with one channel.
#[derive(Clone, Debug)]
pub struct Permit<Op> {
    key: ChannelKey,
    namespace: Arc<Namespace>,
    operation: Op,
}

/// Leave to send messages.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Publish {
    publisher: Publisher,
}

/// Leave to receive messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Subscribe(());

/// Leave to read the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct History(());

/// Leave to see who is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Presence(());

/// Leave to erase messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Moderate(());

/// Leave to come to a room at all; what somebody may do there is for its rules.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Room(());

/// Who publishes: the scope of idempotency keys.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Publisher {
    /// A user.
    User(UserId),
    /// A service, by the id of its API key.
    Service(Arc<str>),
}

impl fmt::Display for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(user) => write!(f, "user/{user}"),
            Self::Service(id) => write!(f, "service/{id}"),
        }
    }
}

impl Publisher {
    /// The user, when it is one.
    pub fn user(&self) -> Option<&UserId> {
        match self {
            Self::User(user) => Some(user),
            Self::Service(_) => None,
        }
    }
}

impl<Op> Permit<Op> {
    pub(super) fn new(key: ChannelKey, namespace: Arc<Namespace>, operation: Op) -> Self {
        Self { key, namespace, operation }
    }

    /// The channel it is for.
    pub fn channel(&self) -> &ChannelKey {
        &self.key
    }

    /// Its name without the tenant.
    pub fn name(&self) -> &ChannelName {
        &self.key.channel
    }

    /// The rules of its namespace, as they were when the permit was given.
    pub fn namespace(&self) -> &Arc<Namespace> {
        &self.namespace
    }
}

impl Permit<Publish> {
    /// Who publishes; as text the scope of the idempotency key.
    pub fn publisher(&self) -> &Publisher {
        &self.operation.publisher
    }
}

impl Publish {
    pub(super) fn by(publisher: Publisher) -> Self {
        Self { publisher }
    }
}

macro_rules! leave {
    ($($name:ident),+) => {
        $(impl $name {
            pub(super) fn leave() -> Self {
                Self(())
            }
        })+
    };
}

leave!(Subscribe, History, Presence, Moderate, Room);
