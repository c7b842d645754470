//! Goal: a pub/sub link that goes silent without closing is found and repaired within five seconds, and no message of a log is
//! missing afterwards. Method: two nodes; the connections on which one of them listens to Redis are silenced while everything
//! else works; what is published on the other node from then on must arrive, and arrive at once again.
//!
//! `HUBBUB_HALF_DEAD=namespace` lets the kernel drop the packets in a network namespace (root), otherwise a proxy keeps them.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hubbub_client::{Client, Event, State, SubscribeOptions};
use hubbub_local::hub::Hub;
use hubbub_protocol::ChannelName;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{interval, sleep};

use crate::api::Api;
use crate::fleet::{node, postgres};
use crate::namespace::Namespace;
use crate::proxy::Proxy;
use crate::readers::options;

/// The promise.
const REPAIRED_WITHIN: Duration = Duration::from_secs(5);
/// Messages are on their way for less than this as long as everything is well.
const AT_ONCE: Duration = Duration::from_millis(300);
/// How long each round goes on behind the silence.
const OBSERVED: Duration = Duration::from_secs(8);
/// Between two messages.
const PUBLISH_EVERY: Duration = Duration::from_millis(20);
/// How long the whole link is down in the rounds that try that.
const LINK_DOWN: Duration = Duration::from_secs(3);
/// Channels, which lie in as many buckets: windows, then channels without a log, then durable ones.
const CHANNELS: [(&str, usize); 3] = [("live", 12), ("eph", 6), ("chat", 6)];

/// What goes silent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Silence {
    /// The connections on which a node listens; new ones work.
    Listening,
    /// The link to Redis, of all nodes, for a while.
    Link,
}

/// When a message was sent, and when it arrived or was refused.
#[derive(Clone, Copy)]
struct Trip {
    sent: Instant,
    arrived: Option<Instant>,
    refused: Option<Instant>,
}

/// All messages, by channel and number.
type Trips = Arc<Mutex<HashMap<(String, u64), Trip>>>;

/// The wire that can go silent.
enum Wire {
    Proxy(Proxy, hubbub_local::redis::Standalone),
    Namespace(Namespace),
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_goes_silent_is_repaired() {
    let in_namespace = std::env::var("HUBBUB_HALF_DEAD").is_ok_and(|how| how == "namespace");
    let rounds = crate::number("HUBBUB_HALF_DEAD_ROUNDS").unwrap_or(1);
    let mut worst = HashMap::new();
    for round in 0..rounds {
        let silence = if in_namespace && round % 3 == 2 { Silence::Link } else { Silence::Listening };
        let took = try_once(in_namespace, silence).await;
        println!("round {round}: {silence:?} silent, repaired after {took:?}");
        let worst: &mut Duration = worst.entry(format!("{silence:?}")).or_default();
        *worst = took.max(*worst);
    }
    println!("figure: half-dead: repaired within {worst:.2?} in {rounds} rounds (at most {REPAIRED_WITHIN:?})");
    assert!(worst.values().all(|worst| *worst < REPAIRED_WITHIN), "too late: {worst:?}");
}

/// A round on servers of its own; answers how long the repair took.
async fn try_once(in_namespace: bool, silence: Silence) -> Duration {
    let postgres = tokio::task::spawn_blocking(postgres).await.expect("no panic").expect("Postgres starts");
    let wire = Wire::lay(in_namespace).await;
    let (store, redis) = (postgres.url(), wire.redis());
    let teller = Hub::start(node(0, Some(&url(redis)), Some(&store))).expect("a node starts");
    let before = wire.listening_ports();
    let hearer = Hub::start(node(1, Some(&url(wire.entry())), Some(&store))).expect("a node starts");

    let (trips, mut tasks) = (Trips::default(), JoinSet::new());
    let client = Client::connect(options(&format!("ws://{}/ws", hearer.public()), "hearer")).await.expect("connects");
    let state = client.state();
    for channel in channels() {
        let name = ChannelName::parse(&channel).expect("a channel");
        let subscription = client.subscribe(name, SubscribeOptions::default()).await.expect("subscribed");
        tasks.spawn(hear(subscription, Arc::clone(&trips)));
    }
    tasks.spawn(tell(Api::new(vec![teller.internal()]), Arc::clone(&trips)));
    until_heard_at_once(&trips).await;

    let ports: Vec<u16> = wire.listening_ports().into_iter().filter(|port| !before.contains(port)).collect();
    assert!(!ports.is_empty(), "the second node does not listen to Redis");
    let begun = wire.silence(silence, &ports).await;
    sleep(OBSERVED).await;
    tasks.shutdown().await;
    assert!(
        matches!(&*state.borrow(), State::Connected { .. }) && !state.has_changed().unwrap_or(true),
        "the client had to reconnect"
    );
    let said = format!("{}\n{}", teller.log_tail(), hearer.log_tail());
    judge(&trips, silence, begun).unwrap_or_else(|why| panic!("{why}\n{said}"))
}

fn url(redis: SocketAddr) -> String {
    format!("redis://{redis}")
}

fn channels() -> impl Iterator<Item = String> {
    CHANNELS.into_iter().flat_map(|(namespace, count)| (0..count).map(move |number| format!("{namespace}:{number}")))
}

/// Publishes into one channel after the other; what Redis can not take is told again by nobody.
async fn tell(api: Api, trips: Trips) {
    let (channels, mut ticks, mut calls) = (channels().collect::<Vec<_>>(), interval(PUBLISH_EVERY), JoinSet::new());
    for number in 0.. {
        ticks.tick().await;
        let (api, trips, channel) =
            (api.clone(), Arc::clone(&trips), channels[number as usize % channels.len()].clone());
        calls.spawn(async move {
            let place = (channel, number);
            let sent = Instant::now();
            lock(&trips).insert(place.clone(), Trip { sent, arrived: None, refused: None });
            let answer = api.post(0, "/v1/publish", json!({"channel": place.0, "data": number})).await;
            if let (Err(_), Some(trip)) = (answer, lock(&trips).get_mut(&place)) {
                trip.refused = Some(Instant::now());
            }
        });
        while calls.try_join_next().is_some() {}
    }
}

async fn hear(mut subscription: hubbub_client::Subscription, trips: Trips) {
    while let Some(event) = subscription.next().await {
        match event {
            Event::Outcome(_) => {}
            Event::Message(message) => {
                let number = message.data.get().parse().expect("a number");
                if let Some(trip) = lock(&trips).get_mut(&(message.channel.as_str().to_owned(), number)) {
                    trip.arrived.get_or_insert_with(Instant::now);
                }
            }
            other => panic!("{}: {other:?}", subscription.channel()),
        }
    }
}

/// Waits until every channel has had a message, and the last ones were there at once.
async fn until_heard_at_once(trips: &Trips) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let heard = lock(trips)
            .values()
            .filter(|trip| trip.arrived.is_some_and(|arrived| arrived - trip.sent < AT_ONCE))
            .count();
        if heard > 3 * channels().count() {
            return;
        }
        assert!(Instant::now() < deadline, "messages do not go from node to node");
        sleep(Duration::from_millis(20)).await;
    }
}

/// How long after `begun` everything is at once again; an error when a message is missing that has to be there, or nothing was late.
fn judge(trips: &Trips, silence: Silence, begun: Instant) -> Result<Duration, String> {
    let (trips, end) = (lock(trips), Instant::now());
    let (mut repaired, mut late) = (Duration::ZERO, 0);
    for ((channel, number), trip) in trips.iter().filter(|(_, trip)| end - trip.sent > AT_ONCE) {
        // What no log remembers may be lost while the link is dead; how long it is lost counts all the same.
        let promised = trip.refused.is_none() && !channel.starts_with("eph:");
        if trip.arrived.is_none() && promised {
            return Err(format!("message {number} of {channel} never came"));
        }
        if trip.refused.is_some() && silence == Silence::Listening {
            return Err(format!("message {number} of {channel} was refused, though Redis answers"));
        }
        let over = trip.refused.or(trip.arrived).unwrap_or(trip.sent);
        if over == trip.sent || over - trip.sent > AT_ONCE || trip.refused.is_some() {
            late += 1;
            repaired = repaired.max(over.saturating_duration_since(begun));
        }
    }
    if late == 0 {
        return Err("nothing was late: nothing depended on what went silent".into());
    }
    Ok(repaired)
}

impl Wire {
    async fn lay(in_namespace: bool) -> Self {
        if in_namespace {
            return Self::Namespace(Namespace::start());
        }
        let redis =
            hubbub_local::redis::Standalone::start(hubbub_local::redis::Options::default()).expect("Redis starts");
        let proxy = Proxy::start(([127, 0, 0, 1], redis.port()).into()).await;
        Self::Proxy(proxy, redis)
    }

    /// Redis itself.
    fn redis(&self) -> SocketAddr {
        match self {
            Self::Proxy(_, redis) => ([127, 0, 0, 1], redis.port()).into(),
            Self::Namespace(namespace) => namespace.address(),
        }
    }

    /// Where the node connects that is to be cut off.
    fn entry(&self) -> SocketAddr {
        match self {
            Self::Proxy(proxy, _) => proxy.address(),
            Self::Namespace(namespace) => namespace.address(),
        }
    }

    /// The ports, as Redis sees them, of all clients that listen.
    fn listening_ports(&self) -> Vec<u16> {
        let address = self.redis();
        let mut command = std::process::Command::new("redis-cli");
        command.args([
            "-h",
            &address.ip().to_string(),
            "-p",
            &address.port().to_string(),
            "CLIENT",
            "LIST",
            "TYPE",
            "PUBSUB",
        ]);
        let output = command.output().expect("redis-cli is there");
        let text = String::from_utf8_lossy(&output.stdout);
        let port = |line: &str| {
            let address = line.split(' ').find_map(|field| field.strip_prefix("addr="))?;
            address.rsplit_once(':')?.1.parse().ok()
        };
        text.lines().filter_map(port).collect()
    }

    /// Silences; answers from when on the repair is to be measured.
    async fn silence(&self, silence: Silence, ports: &[u16]) -> Instant {
        match (self, silence) {
            (Self::Proxy(proxy, _), _) => proxy.silence(ports),
            (Self::Namespace(namespace), Silence::Listening) => namespace.silence(ports),
            (Self::Namespace(namespace), Silence::Link) => {
                namespace.set_link(false);
                sleep(LINK_DOWN).await;
                namespace.set_link(true);
            }
        }
        Instant::now()
    }
}

fn lock(trips: &Trips) -> std::sync::MutexGuard<'_, HashMap<(String, u64), Trip>> {
    trips.lock().unwrap_or_else(PoisonError::into_inner)
}
