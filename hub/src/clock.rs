//! The time and the dice of a node, handed to whoever needs them, so that tests and the simulation can hold both.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use hubbub_protocol::{MessageId, SessionId};
use rand::RngExt;

/// Where the time comes from.
#[derive(Debug)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// A clock that stands still until it is moved.
    Manual(AtomicU64),
}

impl Clock {
    /// Now, in milliseconds since 1970.
    pub fn now_ms(&self) -> u64 {
        match self {
            Self::System => SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64),
            Self::Manual(now) => now.load(Ordering::Relaxed),
        }
    }

    /// A new message id.
    pub fn message_id(&self) -> MessageId {
        MessageId::from_parts(self.now_ms(), rand::rng().random())
    }

    /// A new session id.
    pub fn session_id(&self) -> SessionId {
        SessionId::from_parts(self.now_ms(), rand::rng().random())
    }
}
