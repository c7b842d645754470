//! Namespaces: the rules of a channel, fixed by the part of its name before the colon.

use std::collections::HashMap;
use std::sync::Arc;

use hubbub_protocol::channel::ChannelName;
use serde::{Deserialize, Serialize};

/// Longest flush interval, in milliseconds.
const FLUSH_MS: u64 = 10_000;

/// What a namespace remembers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogKind {
    /// Nothing: messages reach who is there.
    #[default]
    None,
    /// The last messages, held by the broker.
    Window,
    /// Everything within the retention, held by the store.
    Durable,
}

/// What happens to a subscriber whose outbox is full.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overflow {
    /// The connection closes with 4001 and resumes by position.
    #[default]
    Disconnect,
    /// Subscriptions that asked for conflation keep the latest message of each conflate key; others close.
    Conflate,
    /// The oldest waiting messages go. Only on channels without a log.
    DropOldest,
}

/// What may be done with a channel.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Receive its messages.
    Subscribe,
    /// Send messages into it.
    Publish,
    /// Read its log.
    History,
    /// See who is in it.
    Presence,
    /// Erase messages and disconnect people.
    Moderate,
}

/// The bounds of a `window` log. The tightest one counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WindowBounds {
    /// Keep at most so many messages of a channel. Default 1,000.
    pub messages: u32,
    /// Keep at most so many bytes of a channel. Default 1 MiB.
    pub bytes: usize,
    /// Keep messages for so many seconds. Default 86,400 (a day).
    pub age_s: u64,
}

impl Default for WindowBounds {
    fn default() -> Self {
        Self { messages: 1_000, bytes: 1024 * 1024, age_s: 86_400 }
    }
}

/// How long a `durable` log keeps messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DurableBounds {
    /// Keep messages for so many days; 0 for no bound. Default 2,555 (seven years).
    pub age_days: u64,
    /// Keep at most so many messages of a channel; 0 for no bound. Default 0.
    pub messages: u64,
}

impl Default for DurableBounds {
    fn default() -> Self {
        Self { age_days: 2_555, messages: 0 }
    }
}

/// The rules of one namespace, as they stand in the configuration.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Namespace {
    /// What its channels remember. Default `none`.
    pub log: LogKind,
    /// Bounds of a `window` log.
    pub window: WindowBounds,
    /// Bounds of a `durable` log.
    pub durable: DurableBounds,
    /// Whether the hub keeps account of who is in its channels. Default false.
    pub presence: bool,
    /// Whether its channels can be read over SSE without a token. Default false.
    pub public: bool,
    /// Whether a fresh SSE stream begins with the last message. Needs a log. Default false.
    pub last_value: bool,
    /// Whether `name` of a channel is a user id, and that user alone may read it. Default false.
    pub per_user: bool,
    /// What happens to a subscriber whose outbox is full. Default `disconnect`.
    pub overflow: Overflow,
    /// Messages of a channel are handed to its subscribers together, once in so many milliseconds, in steps of 20: for channels so
    /// hot that nobody reads one message by one. 0 hands them out at once. Default 0.
    pub flush_ms: u64,
    /// Whether its channels are rooms: written by their own operations alone, read by whoever the room lets in. Needs
    /// `log = "durable"`, and the namespace `user` with `per_user` and `log = "durable"` beside it. Default false.
    pub rooms: bool,
    /// What a token without capabilities may do. Default nothing.
    pub allow: Vec<Operation>,
}

/// Why a namespace can not be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NamespaceError {
    /// `drop_oldest` would leave holes in a log.
    #[error("namespace `{0}`: overflow = \"drop_oldest\" needs log = \"none\", a log can not have holes")]
    DropsFromLog(String),
    /// Nothing is kept that could be the last value.
    #[error("namespace `{0}`: last_value = true needs log = \"window\" or \"durable\"")]
    LastValueOfNothing(String),
    /// A window that can not hold a message.
    #[error("namespace `{0}`: window.messages, window.bytes and window.age_s must be above 0")]
    EmptyWindow(String),
    /// A public channel would show what belongs to one user.
    #[error("namespace `{0}`: per_user and public exclude each other")]
    PublicUser(String),
    /// Rooms are durable and belong to their members.
    #[error("namespace `{0}`: rooms = true needs log = \"durable\", and excludes public and per_user")]
    Rooms(String),
    /// Notices of rooms would have nowhere to go.
    #[error("namespace `{0}`: rooms = true needs a namespace `user` with per_user = true and log = \"durable\"")]
    RoomsWithoutUsers(String),
    /// Somebody would wait too long.
    #[error("namespace `{0}`: flush_ms is at most {FLUSH_MS}")]
    SlowFlush(String),
    /// Not a name.
    #[error("namespace `{0}`: a name is 1 to 32 characters of a-z, 0-9, '-' and '_', starting with a letter")]
    Name(String),
}

impl Namespace {
    /// Checks that the rules fit together.
    pub fn check(&self, name: &str) -> Result<(), NamespaceError> {
        let window = self.window;
        if !hubbub_protocol::channel::is_namespace(name) {
            return Err(NamespaceError::Name(name.into()));
        }
        if self.overflow == Overflow::DropOldest && self.log != LogKind::None {
            return Err(NamespaceError::DropsFromLog(name.into()));
        }
        if self.last_value && self.log == LogKind::None {
            return Err(NamespaceError::LastValueOfNothing(name.into()));
        }
        if self.log == LogKind::Window && (window.messages == 0 || window.bytes == 0 || window.age_s == 0) {
            return Err(NamespaceError::EmptyWindow(name.into()));
        }
        if self.flush_ms > FLUSH_MS {
            return Err(NamespaceError::SlowFlush(name.into()));
        }
        if self.rooms && (self.log != LogKind::Durable || self.public || self.per_user) {
            return Err(NamespaceError::Rooms(name.into()));
        }
        if self.per_user && self.public {
            return Err(NamespaceError::PublicUser(name.into()));
        }
        Ok(())
    }
}

/// All declared namespaces.
#[derive(Clone, Debug, Default)]
pub struct Namespaces(HashMap<String, Arc<Namespace>>);

impl Namespaces {
    /// Checks each and keeps them.
    pub fn new(declared: impl IntoIterator<Item = (String, Namespace)>) -> Result<Self, NamespaceError> {
        let mut all = HashMap::new();
        for (name, namespace) in declared {
            namespace.check(&name)?;
            all.insert(name, Arc::new(namespace));
        }
        let users = all.get("user").is_some_and(|user| user.per_user && user.log == LogKind::Durable);
        if let Some((name, _)) = all.iter().find(|(_, namespace)| namespace.rooms && !users) {
            return Err(NamespaceError::RoomsWithoutUsers(name.clone()));
        }
        Ok(Self(all))
    }

    /// The rules of a channel; `None` when its namespace is not declared.
    pub fn of(&self, channel: &ChannelName) -> Option<&Arc<Namespace>> {
        self.0.get(channel.namespace())
    }

    /// Every namespace with its name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Arc<Namespace>)> {
        self.0.iter().map(|(name, namespace)| (name.as_str(), namespace))
    }
}
