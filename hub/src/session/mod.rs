//! Sessions: what clients ask for is decided, authorised and done here. Stages 3 and 4 of the walk.
//!
//! Read in this order: what a frame means ([`decide`]), who executes it (`execute`), opening a session (`connect`, `stream`),
//! what a client can ask for (`requests`, `rooms`), and how a subscription attaches (`attach`). Nothing here knows a socket.

pub mod decide;

mod attach;
mod connect;
mod execute;
mod requests;
mod rooms;
mod stream;

use std::sync::Arc;

use crate::auth::policy::Policy;
use crate::auth::revocation::Revocations;
use crate::auth::verifier::Verifier;
use crate::clock::Clock;
use crate::deliver::hot::Hot;
use crate::limits::Limits;
use crate::logs::Logs;
use crate::presence::Presence;
use crate::publish::Publisher;
use crate::rate::Rates;
use crate::rooms::Rooms;
use crate::shard::mail::Mailbox;

pub use attach::AttachError;
pub use execute::{Wait, hear, receive};
pub use stream::{StreamRequest, open_stream};

/// What sessions need of their node.
#[derive(Clone)]
pub struct Services {
    /// The name of the node.
    pub node: Arc<str>,
    /// Proves tokens.
    pub verifier: Arc<Verifier>,
    /// Knows who may do what.
    pub policy: Arc<Policy>,
    /// Knows which tokens and users are revoked.
    pub revocations: Arc<Revocations>,
    /// Publishes.
    pub publisher: Publisher,
    /// Reads logs.
    pub logs: Logs,
    /// What has just been delivered.
    pub hot: Hot,
    /// Knows who is where.
    pub presence: Presence,
    /// What tenants and their users may publish.
    pub rates: Arc<Rates>,
    /// Community chat.
    pub rooms: Rooms,
    /// The mailboxes of all shards of the node.
    pub shards: Arc<[Mailbox]>,
    /// The time.
    pub clock: Arc<Clock>,
    /// The bounds.
    pub limits: Arc<Limits>,
}
