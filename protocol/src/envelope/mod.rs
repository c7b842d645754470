//! What one node tells the others, and how that is written down ([`wire`]). Knows nothing of how it gets there.

pub mod wire;

use crate::channel::{ChannelKey, TenantId, UserId};
use crate::frame::{PresenceChange, PresenceCount};
use crate::message::Message;

/// What is told, and about which channel.
#[derive(Clone, PartialEq, Debug)]
pub struct Envelope {
    /// Which channel.
    pub channel: ChannelKey,
    /// What is told.
    pub content: Content,
}

/// What an envelope holds.
#[derive(Clone, PartialEq, Debug)]
pub enum Content {
    /// A message. Its position is set when the channel has a log.
    Message(Message),
    /// Somebody joined or left.
    Presence(PresenceChange),
    /// So many are there.
    PresenceCount(PresenceCount),
    /// Something to be done to live sessions. Travels on the control channel, which no client can name.
    Order(Order),
}

/// What every node does to the sessions that it holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Order {
    /// Close the connections of a user.
    Disconnect {
        /// Of which tenant.
        tenant: TenantId,
        /// Whose.
        user: UserId,
        /// Whether they may come back at once.
        reconnect: bool,
    },
    /// A token is void. The store remembers it.
    RevokeToken {
        /// Of which tenant.
        tenant: TenantId,
        /// Its `jti`.
        token: String,
        /// It can be forgotten from then on, in milliseconds since 1970.
        until: u64,
    },
    /// Older tokens of a user are void. The store remembers it.
    RevokeUser {
        /// Of which tenant.
        tenant: TenantId,
        /// Whose.
        user: UserId,
        /// Tokens issued before this second are void.
        before: u64,
        /// It can be forgotten from then on, in milliseconds since 1970.
        until: u64,
    },
    /// A user may not look into a room any more: their subscriptions to it end.
    ShutOut {
        /// Which room.
        channel: ChannelKey,
        /// Who.
        user: UserId,
    },
    /// A message of the channel was erased: nobody shows it from memory any more.
    Erased {
        /// Which channel.
        channel: ChannelKey,
    },
}

impl Envelope {
    /// About how many bytes it takes while it waits.
    pub fn cost(&self) -> usize {
        match &self.content {
            Content::Message(message) => message.cost(),
            Content::Presence(_) | Content::PresenceCount(_) | Content::Order(_) => 256,
        }
    }
}
