//! Fleets over real Redis servers of their own. What is told is heard on a subscription made by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use fred::clients::Client;
use fred::interfaces::{ClientLike, EventInterface, PubsubInterface};
use fred::types::Builder;
use fred::types::config::Config;
use hubbub::clock::Clock;
use hubbub::presence::redis::RedisRoster;
use hubbub::redis::bucket::{bucket_of, tag};
use hubbub::redis::{Redis, Settings};
use hubbub_local::redis::{Cluster, Options, Standalone as Server};
use hubbub_protocol::channel::ChannelKey;
use hubbub_protocol::envelope::wire;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use crate::suite::{BOUNDS, Fleet, Node, Told};

/// Nodes over one server.
pub(crate) struct Standalone {
    pub(crate) server: Server,
}

#[async_trait]
impl Fleet for Standalone {
    async fn new() -> Self {
        Self { server: Server::start(Options::default()).expect("redis-server starts") }
    }

    async fn join(&self) -> Node {
        node(&self.server.url(), "hubbub")
    }

    async fn listen(&self, channel: &ChannelKey) -> Told {
        listen(&self.server.url(), "hubbub", channel).await
    }

    async fn tick(&self) {
        tick().await;
    }
}

/// Nodes over one cluster.
pub(crate) struct OneCluster {
    cluster: Cluster,
    round: AtomicU64,
}

#[async_trait]
impl Fleet for OneCluster {
    async fn new() -> Self {
        Self { cluster: Cluster::start(3, 0).expect("a cluster starts"), round: AtomicU64::new(0) }
    }

    async fn join(&self) -> Node {
        node(&self.cluster.url(), &self.prefix())
    }

    async fn listen(&self, channel: &ChannelKey) -> Told {
        listen(&self.cluster.url(), &self.prefix(), channel).await
    }

    async fn tick(&self) {
        tick().await;
    }

    fn anew(&self) {
        self.round.fetch_add(1, Ordering::Relaxed);
    }
}

impl OneCluster {
    fn prefix(&self) -> String {
        format!("round-{}", self.round.load(Ordering::Relaxed))
    }
}

/// A node's end of the roster with connections of its own.
fn node(url: &str, prefix: &str) -> Node {
    RedisRoster::new(redis(url, prefix), rand::random(), BOUNDS)
}

fn redis(url: &str, prefix: &str) -> Redis {
    Redis::start(Settings { prefix: prefix.to_owned(), ..Settings::of(url) }, Arc::new(Clock::System))
        .expect("the settings can work")
}

/// What is told of a channel, by whomever.
async fn listen(url: &str, prefix: &str, channel: &ChannelKey) -> Told {
    let config = Config::from_url(url).expect("a URL");
    let client: Client = Builder::from_config(config).build().expect("a client");
    client.init().await.expect("connects");
    let mut messages = client.message_rx();
    let name = redis(url, prefix).key(tag(bucket_of(channel)), "ch", channel);
    client.ssubscribe(name).await.expect("subscribes");
    let ((told, heard), channel) = (mpsc::channel(1_000), channel.clone());
    tokio::spawn(async move {
        // The connection lives as long as somebody listens.
        let _client = client;
        while let Ok(message) = messages.recv().await {
            let bytes = message.value.as_bytes().expect("bytes");
            let received = wire::decode(&channel, bytes).expect("scripts write envelopes");
            assert_eq!(received.origin, [0; 16], "nobody's own: every node hears it");
            if told.send(received.envelope.content).await.is_err() {
                return;
            }
        }
    });
    heard
}

/// A pause between two looks at a server whose time is the real one.
pub(crate) async fn tick() {
    let mut pause = interval(Duration::from_millis(20));
    pause.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pause.tick().await;
    pause.tick().await;
}
