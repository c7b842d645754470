//! Goal: presence of whole nodes is right whatever becomes of a node or of Redis. Method: the hub's own presence task, roster and
//! broker over a real server, each node on a thread of its own that can be killed or put to sleep.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc as std_mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use hubbub::broker::redis::RedisBroker;
use hubbub::broker::{Broker, Content, Inbox, Incoming, Link};
use hubbub::clock::Clock;
use hubbub::presence::missed::{MISSED, follow};
use hubbub::presence::redis::RedisRoster;
use hubbub::presence::roster::Bounds;
use hubbub::presence::{Page, Presence, Settings};
use hubbub::redis::{Redis, Settings as RedisSettings};
use hubbub_local::redis::{Cluster, Data, Options, Standalone};
use hubbub_protocol::channel::ChannelKey;
use hubbub_protocol::frame::{PresenceKind, PresenceSnapshot, Scope};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};

use crate::servers::tick;
use crate::suite::{PATIENCE, key, user};

const LEASE: Duration = Duration::from_millis(1_200);
const GRACE: Duration = Duration::from_millis(100);
const LIST_USERS: u64 = 8;

/// A node that lives on a thread of its own.
struct Node {
    presence: Presence,
    told: mpsc::Receiver<Content>,
    /// Dropped, the thread and everything on it ends without a word.
    life: Option<oneshot::Sender<()>>,
    /// Work for its thread.
    naps: mpsc::Sender<std_mpsc::Receiver<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Node {
    /// Starts one that wants to hear of a channel.
    async fn start(url: &str, channel: &ChannelKey) -> Self {
        let (url, channel) = (url.to_owned(), channel.clone());
        let (life, end) = oneshot::channel();
        let (naps, mut nap) = mpsc::channel::<std_mpsc::Receiver<()>>(1);
        let (ready, started) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                // The end of the broker lives as long as the node.
                let (presence, told, _broker) = assemble(&url, &channel).await;
                drop(ready.send((presence, told)));
                tokio::select! {
                    _ = end => {}
                    () = async {
                        while let Some(until) = nap.recv().await {
                            // The whole thread stands still, as a process that was stopped would.
                            let _ = until.recv();
                        }
                    } => {}
                }
            });
            runtime.shutdown_background();
        });
        let (presence, told) = started.await.expect("it starts");
        Self { presence, told, life: Some(life), naps, thread: Some(thread) }
    }

    /// Puts it to sleep until the answer is dropped.
    async fn freeze(&self) -> std_mpsc::Sender<()> {
        let (wake, until) = std_mpsc::channel();
        self.naps.send(until).await.expect("it lives");
        wake
    }

    async fn join(&self, channel: &ChannelKey, name: &str) {
        self.presence.join(channel.clone(), user(name)).await;
    }

    async fn leave(&self, channel: &ChannelKey, name: &str) {
        self.presence.leave(channel.clone(), user(name)).await;
    }

    async fn page(&self, channel: &ChannelKey) -> PresenceSnapshot {
        let page = self.presence.page(channel.clone(), Page { after: None, limit: 1_000 });
        timeout(PATIENCE, page).await.expect("an answer in time")
    }

    /// Who is there on all nodes.
    async fn users(&self, channel: &ChannelKey) -> Vec<String> {
        let page = self.page(channel).await;
        page.users.iter().map(|present| present.user.as_str().to_owned()).collect()
    }

    /// Waits until exactly these are there.
    async fn sees(&self, channel: &ChannelKey, expected: &[&str]) {
        let begin = Instant::now();
        loop {
            let page = self.page(channel).await;
            let users: Vec<_> = page.users.iter().map(|present| present.user.as_str()).collect();
            if users == expected && page.scope == Scope::Fleet {
                return;
            }
            assert!(begin.elapsed() < PATIENCE, "still {page:?}, expected {expected:?}");
            tick().await;
        }
    }

    /// The next thing that is told of the channel.
    async fn hears(&mut self) -> Content {
        timeout(PATIENCE, self.told.recv()).await.expect("told in time").expect("the node lives")
    }

    /// The next join or leave, with its version; counts are passed over.
    async fn hears_change(&mut self, name: &str, event: PresenceKind) -> u64 {
        loop {
            match self.hears().await {
                Content::Presence(change) => {
                    assert_eq!((change.user.as_str(), change.event), (name, event), "{change:?}");
                    return change.version;
                }
                Content::PresenceCount(_) => {}
                other => panic!("told {other:?}"),
            }
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        drop(self.life.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            assert!(std::thread::panicking(), "the thread of a node panicked");
        }
    }
}

async fn assemble(url: &str, channel: &ChannelKey) -> (Presence, mpsc::Receiver<Content>, Arc<RedisBroker>) {
    let mut settings = RedisSettings { command_ms: 300, ..RedisSettings::of(url) };
    settings.breaker.probe_ms = 100;
    settings.breaker.probe_max_ms = 200;
    let redis = Redis::start(settings, Arc::new(Clock::System)).expect("the settings can work");
    let (lane, mut incoming) = mpsc::channel(10_000);
    let incarnation = rand::random();
    let (miss, missed) = mpsc::channel(MISSED);
    let lanes = Inbox::new(vec![lane]);
    let inbox = lanes.clone().with_missed(miss);
    let broker = RedisBroker::start(redis.clone(), inbox, incarnation, Duration::from_secs(1));
    let begin = Instant::now();
    while broker.link() != Link::Well {
        assert!(begin.elapsed() < PATIENCE, "the broker never finds its Redis: {:?}", broker.link());
        tick().await;
    }
    broker.subscribe(std::slice::from_ref(channel)).await.expect("interest is confirmed");
    let (tell, told) = mpsc::channel(10_000);
    tokio::spawn(async move {
        while let Some(incoming) = incoming.recv().await {
            if let Incoming::Envelope(envelope) = incoming
                && tell.send(envelope.content).await.is_err()
            {
                return;
            }
        }
    });
    let bounds = Bounds { lease_ms: LEASE.as_millis() as u64, list_users: LIST_USERS };
    let roster = RedisRoster::new(redis, incarnation, bounds);
    let settings = Settings { grace: GRACE, lease: LEASE };
    let presence = Presence::start(roster, broker.clone(), Arc::new(Clock::System), settings);
    tokio::spawn(follow(presence.clone(), lanes, missed));
    (presence, told, broker)
}

fn server() -> Standalone {
    Standalone::start(Options::default()).expect("redis-server starts")
}

#[tokio::test]
async fn users_are_seen_from_every_node_and_told_once() {
    let (server, channel) = (server(), key("chat:room"));
    let (mut one, mut two) = (Node::start(&server.url(), &channel).await, Node::start(&server.url(), &channel).await);
    one.join(&channel, "ada").await;
    assert_eq!(one.users(&channel).await, ["ada"], "what a node was told before is in its answer");
    two.sees(&channel, &["ada"]).await;
    two.join(&channel, "ada").await;
    two.join(&channel, "bo").await;
    one.sees(&channel, &["ada", "bo"]).await;
    let page = two.page(&channel).await;
    assert_eq!((page.users[0].connections, page.users[1].connections), (2, 1));
    // Moves from one node to the other: silent, whatever the grace.
    one.leave(&channel, "ada").await;
    one.join(&channel, "bo").await;
    two.leave(&channel, "bo").await;
    one.leave(&channel, "bo").await;
    one.sees(&channel, &["ada"]).await;
    two.leave(&channel, "ada").await;
    one.sees(&channel, &[]).await;
    for node in [&mut one, &mut two] {
        let mut versions = Vec::new();
        for (name, event) in [
            ("ada", PresenceKind::Join),
            ("bo", PresenceKind::Join),
            ("bo", PresenceKind::Leave),
            ("ada", PresenceKind::Leave),
        ] {
            versions.push(node.hears_change(name, event).await);
        }
        assert!(versions.windows(2).all(|two| two[1] == two[0] + 1), "{versions:?}");
    }
}

#[tokio::test]
async fn a_killed_node_leaves_no_ghost() {
    let (server, channel) = (server(), key("chat:room"));
    let mut living = Node::start(&server.url(), &channel).await;
    living.join(&channel, "cy").await;
    living.hears_change("cy", PresenceKind::Join).await;
    for round in 0..3 {
        let killed = Node::start(&server.url(), &channel).await;
        for name in ["ada", "bo", "cy"] {
            killed.join(&channel, name).await;
        }
        living.sees(&channel, &["ada", "bo", "cy"]).await;
        for name in ["ada", "bo"] {
            living.hears_change(name, PresenceKind::Join).await;
        }
        drop(killed);
        // Comes back here within the lease: was never gone.
        living.join(&channel, "bo").await;
        let begin = Instant::now();
        living.sees(&channel, &["bo", "cy"]).await;
        assert!(begin.elapsed() < 2 * LEASE, "round {round}: a ghost for {:?}", begin.elapsed());
        living.hears_change("ada", PresenceKind::Leave).await;
        living.leave(&channel, "bo").await;
        living.hears_change("bo", PresenceKind::Leave).await;
    }
    assert_eq!(living.users(&channel).await, ["cy"]);
}

#[tokio::test]
async fn a_node_that_slept_enters_again() {
    let (server, channel) = (server(), key("chat:room"));
    let (mut awake, asleep) = (Node::start(&server.url(), &channel).await, Node::start(&server.url(), &channel).await);
    awake.join(&channel, "cy").await;
    asleep.join(&channel, "ada").await;
    awake.sees(&channel, &["ada", "cy"]).await;
    let (_, _) = (awake.hears().await, awake.hears().await);
    let wake = asleep.freeze().await;
    awake.sees(&channel, &["cy"]).await;
    let left = awake.hears_change("ada", PresenceKind::Leave).await;
    drop(wake);
    awake.sees(&channel, &["ada", "cy"]).await;
    match awake.hears().await {
        Content::PresenceCount(count) => assert!(count.version > left && count.count == 2, "{count:?} after {left}"),
        other => panic!("a list of before is out of date, but told was {other:?}"),
    }
    // It is whole again.
    asleep.leave(&channel, "ada").await;
    awake.hears_change("ada", PresenceKind::Leave).await;
}

#[tokio::test]
async fn without_redis_each_node_goes_on_and_they_find_each_other_again() {
    let (mut server, channel) = (server(), key("chat:room"));
    let (mut one, two) = (Node::start(&server.url(), &channel).await, Node::start(&server.url(), &channel).await);
    one.join(&channel, "ada").await;
    two.join(&channel, "bo").await;
    one.sees(&channel, &["ada", "bo"]).await;
    let before = one.page(&channel).await.version;
    let (_, _) = (one.hears().await, one.hears().await);
    for data in [Data::Lost, Data::Kept] {
        server.kill().expect("killed");
        one.join(&channel, "cy").await;
        let here = one.page(&channel).await;
        let names: Vec<_> = here.users.iter().map(|present| present.user.as_str()).collect();
        assert_eq!((names, here.scope), (vec!["ada", "cy"], Scope::Node), "what this node knows");
        let told_here = one.hears_change("cy", PresenceKind::Join).await;
        assert!(told_here > before, "{told_here} after {before}");
        server.start_again(data).expect("starts again");
        two.sees(&channel, &["ada", "bo", "cy"]).await;
        one.sees(&channel, &["ada", "bo", "cy"]).await;
        assert!(two.page(&channel).await.version > told_here, "the fleet goes on above what a node told by itself");
        one.leave(&channel, "cy").await;
        two.sees(&channel, &["ada", "bo"]).await;
        while let Content::Presence(change) = one.hears().await {
            assert_eq!(change.user.as_str(), "cy", "nobody else came or went: {change:?}");
            if change.event == PresenceKind::Leave {
                break;
            }
        }
        while one.told.try_recv().is_ok() {}
    }
}

#[tokio::test]
async fn a_large_channel_does_not_cost_everybody_everything() {
    const USERS: usize = 400;
    let (server, channel) = (server(), key("chat:large"));
    let (mut one, two) = (Node::start(&server.url(), &channel).await, Node::start(&server.url(), &channel).await);
    for index in 0..USERS {
        let node = if index % 2 == 0 { &one } else { &two };
        node.join(&channel, &format!("u{index}")).await;
    }
    let begin = Instant::now();
    let mut told: BTreeMap<&str, usize> = BTreeMap::new();
    loop {
        match one.hears().await {
            Content::Presence(_) => *told.entry("one by one").or_default() += 1,
            Content::PresenceCount(count) => {
                *told.entry("counts").or_default() += 1;
                if count.count == USERS as u64 {
                    break;
                }
            }
            other => panic!("told {other:?}"),
        }
    }
    let seconds = begin.elapsed().as_secs() as usize;
    assert!(told["one by one"] <= LIST_USERS as usize, "{told:?}");
    assert!(told["counts"] <= seconds + 2, "{told:?} in {seconds} s");
    let page = two.page(&channel).await;
    assert_eq!((page.count, page.large, page.users.len()), (USERS as u64, true, 0));
}

#[tokio::test]
async fn a_cluster_carries_whole_nodes_over_the_loss_of_a_shard() {
    let mut cluster = Cluster::start(3, 1).expect("a cluster starts");
    let channels: Vec<ChannelKey> = (0..30).map(|index| key(&format!("chat:{index}"))).collect();
    let one = Node::start(&cluster.url(), &channels[0]).await;
    let two = Node::start(&cluster.url(), &channels[0]).await;
    for channel in &channels {
        one.join(channel, "ada").await;
        two.join(channel, "bo").await;
    }
    for channel in &channels {
        two.sees(channel, &["ada", "bo"]).await;
    }
    cluster.kill_primary(0).expect("killed");
    for channel in &channels {
        one.join(channel, "cy").await;
    }
    for channel in &channels {
        two.sees(channel, &["ada", "bo", "cy"]).await;
    }
    drop(one);
    for channel in &channels {
        two.sees(channel, &["bo"]).await;
    }
}

#[tokio::test]
async fn whoever_may_have_missed_something_is_told_to_look_again() {
    let (server, channel) = (server(), key("chat:room"));
    let (mut one, two) = (Node::start(&server.url(), &channel).await, Node::start(&server.url(), &channel).await);
    one.join(&channel, "ada").await;
    two.join(&channel, "bo").await;
    one.sees(&channel, &["ada", "bo"]).await;
    let (_, _) = (one.hears().await, one.hears().await);
    // The way of the messages breaks; that of commands does not.
    server.cli(&["CLIENT", "KILL", "TYPE", "pubsub"]).expect("killed");
    two.leave(&channel, "bo").await;
    one.sees(&channel, &["ada"]).await;
    let version = one.page(&channel).await.version;
    loop {
        // The leave itself may come or not, and a count may be told before it.
        if let Content::PresenceCount(count) = one.hears().await
            && count.version == version
        {
            assert_eq!(count.count, 1);
            break;
        }
        if one.told.is_empty() {
            server.cli(&["CLIENT", "KILL", "TYPE", "pubsub"]).expect("killed");
        }
    }
}
