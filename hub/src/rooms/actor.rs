//! Who acts in rooms, and how high they stand.

use std::sync::Arc;

use hubbub_protocol::channel::{ChannelName, TenantId, UserId};
use hubbub_protocol::room::{MemberState, Role};

use super::rows::MemberRow;
use crate::auth::grants::{ChannelPattern, Grants, Operations};
use crate::namespace::Operation;

/// Somebody, proven, on whatever way they came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Actor {
    /// Of which tenant.
    pub tenant: TenantId,
    /// The user; `None` for a service that acts by itself.
    pub user: Option<UserId>,
    /// The id of the API key, when a service acts, by itself or for the user.
    pub service: Option<Arc<str>>,
    /// From where.
    pub address: Option<Arc<str>>,
    /// With what program.
    pub agent: Option<Arc<str>>,
    /// Of which rooms they hear at all.
    pub reach: Reach,
}

/// What a token or an API key leaves of somebody's rooms, where a question is about several.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Reach {
    /// All of them.
    #[default]
    All,
    /// Those whose log the token lets its user read.
    Token(Grants),
    /// Those whose channels an API key may touch.
    Key(Arc<[ChannelPattern]>),
}

impl Reach {
    /// Whether a question may tell of this room.
    pub fn has(&self, channel: &ChannelName) -> bool {
        match self {
            Self::All => true,
            Self::Token(grants) => grants.on(channel, Operations::ALL).contains(Operation::History),
            Self::Key(patterns) => patterns.iter().any(|pattern| pattern.matches(channel)),
        }
    }
}

impl Actor {
    /// The scope of its idempotency keys.
    pub fn publisher(&self) -> String {
        match (&self.user, &self.service) {
            (Some(user), _) => format!("user/{user}"),
            (None, service) => format!("service/{}", service.as_deref().unwrap_or("hub")),
        }
    }
}

/// How high somebody stands in a room.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Rank {
    /// Not in it, and not to come in.
    Banned,
    /// Not in it.
    Stranger,
    /// In it, with a role.
    In(Role),
    /// A service: above all.
    Service,
}

impl Rank {
    /// Of a user with this row at a time.
    pub(super) fn of(row: Option<&MemberRow>, now: u64) -> Self {
        match row.map(|row| &row.member) {
            Some(member) if member.is_banned(now) => Self::Banned,
            Some(member) if member.state == MemberState::Joined => Self::In(member.role),
            _ => Self::Stranger,
        }
    }

    /// Whether they are in the room, or above it.
    pub fn is_in(self) -> bool {
        self >= Self::In(Role::Guest)
    }

    /// Whether they may act upon somebody who stands there.
    pub fn is_above(self, other: Self) -> bool {
        self > other || self == Self::In(Role::Owner)
    }
}
