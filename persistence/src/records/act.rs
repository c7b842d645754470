//! An act: a change that is decided while nobody else can change what it looks at.
//!
//! The backend locks the channels that the act names, answers what it asks, and lets it decide. A decision is pure: it may be
//! asked for several times, each time with more answers, and only the last one counts.

use std::pin::Pin;

use hubbub_protocol::channel::{ChannelKey, UserId};
use hubbub_protocol::{Data, ErrorCode, Key, Message, MessageId, Position};

use super::view::View;
use crate::store::StoreError;

/// A change of records with its events.
pub trait Act: Send + Sync + std::fmt::Debug {
    /// Every channel whose log it may append to or whose records it may look at or change; the first is its home.
    fn channels(&self) -> &[ChannelKey];

    /// When the hub took it, in milliseconds since 1970.
    fn time(&self) -> u64;

    /// Who acts, as the scope of the key: `user/<id>` or `service/<api key id>`.
    fn publisher(&self) -> &str;

    /// The idempotency key. It is kept with the first event in the home channel; an act without one has no use of it.
    fn key(&self) -> Option<&Key>;

    /// What the act says: the same key again with another digest is a conflict.
    fn digest(&self) -> &[u8];

    /// The id of its first event, by which a commit of unknown end is looked up.
    fn id(&self) -> MessageId;

    /// Decides. Pure but for what it puts into the view.
    fn decide(&self, view: &mut View<'_>) -> Result<Verdict, Stop>;
}

/// Why a decision was not made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Stop {
    /// The view has no answer yet to something that was asked; ask again when it has.
    Missing,
    /// No.
    Refused(Refusal),
}

/// Why not.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// For programs.
    pub code: ErrorCode,
    /// For people.
    pub message: String,
    /// When to try again, in milliseconds.
    pub retry_after_ms: Option<u64>,
}

/// What is to be done beside the changes of records that the view holds.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Verdict {
    /// Messages for the logs of the act's channels, in this order.
    pub events: Vec<Event>,
    /// Offsets of the home channel whose messages are to be erased.
    pub erased: Vec<u64>,
    /// Users who may see more or less of the home channel than before.
    pub access: Vec<UserId>,
    /// What the caller wants to know of it.
    pub answer: Option<Data>,
}

/// A message for a log.
#[derive(Clone, PartialEq, Debug)]
pub struct Event {
    /// Which log: one of the act's channels.
    pub channel: ChannelKey,
    /// Its id. That of the first event is [`Act::id`].
    pub id: MessageId,
    /// Its author.
    pub from: Option<UserId>,
    /// Its conflate key.
    pub conflate_key: Option<Key>,
    /// What it says.
    pub data: Data,
}

/// How an act ended.
#[derive(Clone, PartialEq, Debug)]
pub enum Acted {
    /// It is stored.
    Done {
        /// Its events as subscribers get them, each with its position.
        events: Vec<Message>,
        /// As in the verdict.
        access: Vec<UserId>,
        /// Whether messages were erased.
        erased: bool,
        /// As in the verdict.
        answer: Option<Data>,
    },
    /// The key was used before with the same digest, or an unknown commit turned out to have happened: the first event.
    Before {
        /// Its id.
        id: MessageId,
        /// Its place.
        position: Position,
        /// Its time.
        time: u64,
    },
    /// The key was used before with another digest.
    KeyConflict,
    /// It was refused; nothing changed.
    Refused(Refusal),
}

/// The answer to an act.
pub type ActFuture = Pin<Box<dyn Future<Output = Result<Acted, StoreError>> + Send>>;
