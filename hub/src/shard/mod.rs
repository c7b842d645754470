//! A shard: one thread that owns its connections, its subscription index, its outboxes and its timers. Nothing of it is
//! shared; all that comes from outside comes through its mailbox.
//!
//! Read in this order: what comes in ([`mail`]), what it owns ([`connection`], `channels`, `state`), what it does with it
//! (`gather`, `fanout`, `flush`, `attach`, `follow`, `conflate`, `timers` on their `wheel`), and where bytes go (`wire`, `pipe`).

pub mod mail;

mod channels;
pub mod connection;
mod state;

mod attach;
mod conflate;
mod fanout;
mod flush;
mod follow;
mod gather;
mod timers;
mod wheel;

mod pipe;
mod wire;

mod run;

pub use attach::GateState;
pub use channels::{SlotRules, flags};
pub use connection::{ConnectionId, Goodbye, Session, SubscriptionId};
pub use pipe::{PipeReader, PipeWriter, pipe};
pub use run::Shard;
pub use state::State;
pub use wire::Wire;
