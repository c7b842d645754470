//! What a node hears, and what tests ask of it.

use std::sync::Arc;
use std::time::Duration;

use hubbub::broker::redis::RedisBroker;
use hubbub::broker::{Broker, Content, Envelope, Incoming, Link};
use hubbub::namespace::WindowBounds;
use hubbub_persistence::{Append, Appended};
use hubbub_protocol::channel::ChannelKey;
use hubbub_protocol::{Epoch, Position};
use tokio::sync::mpsc;
use tokio::time::{Instant, interval, timeout_at};

use super::{Nodes, PATIENCE};
use crate::suite;

/// A node and what it hears.
pub(crate) struct Node {
    pub(crate) broker: Arc<RedisBroker>,
    heard: mpsc::Receiver<Incoming>,
}

impl Node {
    /// A node that listens.
    pub(crate) async fn listening(nodes: &Nodes) -> Self {
        let node = Self::starting(nodes, Duration::from_secs(10));
        node.until_well().await;
        node
    }

    /// A node that may not have found Redis yet.
    pub(crate) fn starting(nodes: &Nodes, linger: Duration) -> Self {
        let (inbox, heard) = suite::inbox();
        Self { broker: nodes.start(inbox, linger), heard }
    }

    pub(crate) async fn until_well(&self) {
        super::until("the link is well", || self.broker.link() == Link::Well).await;
    }

    pub(crate) async fn subscribe(&self, channel: &ChannelKey) {
        self.broker.subscribe(std::slice::from_ref(channel)).await.expect("answered, whatever the link");
    }

    pub(crate) async fn whisper(&self, channel: &ChannelKey, version: u64) {
        self.broker.publish(suite::whisper(channel, version)).await.expect("published");
    }

    /// Whatever comes next.
    pub(crate) async fn next(&mut self) -> Incoming {
        self.within(PATIENCE).await.expect("something comes")
    }

    /// What comes within a time.
    pub(crate) async fn within(&mut self, time: Duration) -> Option<Incoming> {
        timeout_at(Instant::now() + time, self.heard.recv()).await.ok().flatten()
    }

    /// Waits for a sweep of the channel and gives the envelopes that came before it.
    pub(crate) async fn until_swept(&mut self, channel: &ChannelKey) -> Vec<Envelope> {
        let mut came = Vec::new();
        loop {
            match self.next().await {
                Incoming::Sweep(channels) if channels.contains(channel) => return came,
                Incoming::Sweep(_) => {}
                Incoming::Envelope(envelope) => came.push(envelope),
            }
        }
    }

    /// Waits for the whisper of this version and gives what came before it.
    pub(crate) async fn until_whisper(&mut self, version: u64) -> Vec<Incoming> {
        let mut came = Vec::new();
        loop {
            match self.next().await {
                Incoming::Envelope(Envelope { content: Content::Presence(change), .. })
                    if change.version == version =>
                {
                    return came;
                }
                other => came.push(other),
            }
        }
    }

    /// Appends, as often as it takes, and says where it is.
    pub(crate) async fn append(&self, append: Append) -> Position {
        let mut pause = interval(Duration::from_millis(20));
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.broker.append(append.clone(), WindowBounds::default()).await {
                Ok(Appended::At { position, .. }) => return position,
                Ok(Appended::KeyConflict) => panic!("a conflict"),
                Err(error) => assert!(Instant::now() < deadline, "still {error}"),
            }
            pause.tick().await;
        }
    }

    /// Appends so many messages, and gives their epoch.
    pub(crate) async fn append_many(&self, channel: &str, count: u64) -> Epoch {
        let mut epoch = None;
        for _ in 0..count {
            epoch = Some(self.append(suite::draft(channel, None, "1")).await.epoch);
        }
        epoch.expect("one at least")
    }
}
