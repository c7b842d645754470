//! An act that decides what a closure says. For tests of the queue and of backends; knows no rule.

use std::fmt;

use hubbub_protocol::channel::ChannelKey;
use hubbub_protocol::{Data, Key, MessageId};

use super::act::{Act, Event, Stop, Verdict};
use super::view::View;

type Decide = dyn Fn(&mut View<'_>) -> Result<Verdict, Stop> + Send + Sync;

/// An act for tests.
pub struct Scripted {
    channels: Vec<ChannelKey>,
    time: u64,
    publisher: String,
    key: Option<Key>,
    digest: Vec<u8>,
    id: MessageId,
    decide: Box<Decide>,
}

impl fmt::Debug for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { channels, time, publisher, key, digest: _, id, decide: _ } = self;
        f.debug_struct("Scripted")
            .field("channels", channels)
            .field("time", time)
            .field("publisher", publisher)
            .field("key", key)
            .field("id", id)
            .finish()
    }
}

impl Scripted {
    /// Without a key, by `user/ada`.
    pub fn new(
        channels: &[ChannelKey],
        time: u64,
        id: MessageId,
        decide: impl Fn(&mut View<'_>) -> Result<Verdict, Stop> + Send + Sync + 'static,
    ) -> Self {
        let decide = Box::new(decide);
        let (publisher, digest) = ("user/ada".to_owned(), Vec::new());
        Self { channels: channels.to_vec(), time, publisher, key: None, digest, id, decide }
    }

    /// The same with a key and what it stands for.
    #[must_use]
    pub fn keyed(self, key: Key, digest: &[u8]) -> Self {
        Self { key: Some(key), digest: digest.to_vec(), ..self }
    }

    /// The same by somebody else.
    #[must_use]
    pub fn by(self, publisher: &str) -> Self {
        Self { publisher: publisher.to_owned(), ..self }
    }
}

/// An event that says this JSON, by nobody.
pub fn event(channel: &ChannelKey, id: MessageId, data: Data) -> Event {
    Event { channel: channel.clone(), id, from: None, conflate_key: None, data }
}

impl Act for Scripted {
    fn channels(&self) -> &[ChannelKey] {
        &self.channels
    }

    fn time(&self) -> u64 {
        self.time
    }

    fn publisher(&self) -> &str {
        &self.publisher
    }

    fn key(&self) -> Option<&Key> {
        self.key.as_ref()
    }

    fn digest(&self) -> &[u8] {
        &self.digest
    }

    fn id(&self) -> MessageId {
        self.id
    }

    fn decide(&self, view: &mut View<'_>) -> Result<Verdict, Stop> {
        (self.decide)(view)
    }
}
