//! Fleets over real Redis servers of their own. What is told is heard on a subscription made by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use fred::clients::Client;
use fred::interfaces::{ClientLike, EventInterface, PubsubInterface};
use fred::types::Builder;
use fred::types::config::Config;
use hubbub::auth::secret::Secret;
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

/// Nodes over one server that lets them do what the manual says and nothing else.
pub(crate) struct Restricted {
    server: Server,
    round: AtomicU64,
}

impl Restricted {
    /// The rules as `docs/OPERATIONS.md` gives them.
    fn rules() -> String {
        let manual = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/OPERATIONS.md");
        let manual = std::fs::read_to_string(manual).expect("the manual");
        let line = manual.lines().find_map(|line| line.strip_prefix("ACL SETUSER hubbub on >PASSWORD "));
        line.expect("the rules are in the manual").to_owned()
    }

    fn settings(&self) -> Settings {
        // Names of pub/sub channels are patterns of the rules too, so all rounds begin with the documented prefix.
        let prefix = format!("hubbub:round-{}", self.round.load(Ordering::Relaxed));
        let password = Some(Secret::new("secret"));
        Settings { username: Some("hubbub".into()), password, prefix, ..Settings::of(self.server.url()) }
    }
}

#[async_trait]
impl Fleet for Restricted {
    async fn new() -> Self {
        let options = Options::default().acl_user("hubbub", "secret", &Self::rules());
        Self { server: Server::start(options).expect("redis-server starts"), round: AtomicU64::new(0) }
    }

    async fn join(&self) -> Node {
        let redis = Redis::start(self.settings(), Arc::new(Clock::System)).expect("the settings can work");
        RedisRoster::new(redis, rand::random(), BOUNDS)
    }

    async fn listen(&self, channel: &ChannelKey) -> Told {
        let url = self.server.url().replacen("redis://", "redis://hubbub:secret@", 1);
        listen(&url, &self.settings().prefix, channel).await
    }

    async fn tick(&self) {
        tick().await;
    }

    fn anew(&self) {
        self.round.fetch_add(1, Ordering::Relaxed);
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

pub(crate) fn redis(url: &str, prefix: &str) -> Redis {
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
