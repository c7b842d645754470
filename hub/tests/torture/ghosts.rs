//! Goal: of a node that was killed no ghost remains: its users are gone from the presence of the others after its lease and soon
//! after, watchers are told, users who come back elsewhere in time are never gone, and nobody else's socket notices. Method:
//! three nodes, users and watchers on all of them, `kill -9` of one after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hubbub_client::{Client, Event, State, SubscribeOptions, Subscription};
use hubbub_local::hub::Hub;
use hubbub_local::redis::{self, Standalone};
use hubbub_protocol::ChannelName;
use hubbub_protocol::frame::PresenceKind;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::api::Api;
use crate::fleet::{node, postgres};
use crate::readers::options;

/// The lease of a node in `make test`, in milliseconds; the show has the default, 10,000.
const LEASE_MS: u64 = 3_000;
/// The grace of a user.
const GRACE: Duration = Duration::from_millis(1_000);
/// How long after the lease the last ghost may be seen.
const SOON: Duration = Duration::from_secs(5);
/// Users on each node, of whom a third comes back elsewhere when it is killed.
const USERS: usize = 30;
const NODES: usize = 3;
const CHANNELS: [&str; 2] = ["chat:ghosts", "live:ghosts"];

/// What a watcher was told, in order.
type Told = Arc<Mutex<Vec<(Instant, String, bool)>>>;

/// A client that is present in every channel.
struct User {
    name: String,
    client: Client,
    _present: Vec<Subscription>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_node_leaves_no_ghosts() {
    let rounds = crate::number("HUBBUB_GHOSTS_ROUNDS").unwrap_or(1);
    let lease = Duration::from_millis(crate::number("HUBBUB_GHOSTS_LEASE_MS").unwrap_or(LEASE_MS));
    let postgres = tokio::task::spawn_blocking(postgres).await.expect("no panic").expect("Postgres starts");
    let redis = Standalone::start(redis::Options::default()).expect("Redis starts");
    let options = |number| {
        let options = node(number, Some(&redis.url()), Some(&postgres.url()));
        let options = options.env("HUBBUB_LIMITS__PRESENCE_LEASE_MS", &lease.as_millis().to_string());
        options.env("HUBBUB_LIMITS__PRESENCE_GRACE_MS", &GRACE.as_millis().to_string())
    };
    let mut nodes: Vec<Hub> = (0..NODES).map(|number| Hub::start(options(number)).expect("a node starts")).collect();
    let api = Api::new(nodes.iter().map(Hub::internal).collect());
    let mut worst = Duration::ZERO;
    for round in 0..rounds as usize {
        let took = kill_one(&mut nodes, round, lease, &api).await;
        println!("round {round}: the last ghost was gone after {took:?}");
        worst = worst.max(took);
    }
    println!(
        "figure: ghosts: gone within {worst:.1?} in {rounds} rounds (lease {lease:?}, at most {:?})",
        lease + SOON
    );
    assert!(worst < lease + SOON, "ghosts stay too long");
}

/// A round; answers how long after the kill the last ghost was seen or told of.
async fn kill_one(nodes: &mut [Hub], round: usize, lease: Duration, api: &Api) -> Duration {
    let victim = round % NODES;
    let others: Vec<usize> = (0..NODES).filter(|node| *node != victim).collect();
    let mut users: Vec<Vec<User>> = Vec::new();
    for (number, node) in nodes.iter().enumerate() {
        users.push(enter(node, &format!("{round}.{number}")).await);
    }
    let doomed = users.remove(victim);
    let (movers, ghosts) = (names(&doomed[..USERS / 3]), names(&doomed[USERS / 3..]));
    let stayers: BTreeSet<String> = users.iter().flat_map(|users| names(users)).collect();
    until_present(api, &others, &[&stayers, &movers, &ghosts], WAIT).await;

    let (told, mut watching) = (Told::default(), JoinSet::new());
    let mut watchers = Vec::new();
    for node in &others {
        let client = connect(&nodes[*node], &format!("{round}.watcher{node}")).await;
        for channel in CHANNELS {
            let wish = SubscribeOptions { presence: true, ..SubscribeOptions::default() };
            let subscription = client.subscribe(name(channel), wish).await.expect("subscribed");
            watching.spawn(watch(subscription, Arc::clone(&told)));
        }
        watchers.push(client);
    }
    let quiet = users.iter().flatten().map(|user| &user.client).chain(&watchers).map(Client::state).collect::<Vec<_>>();

    let killed = Instant::now();
    nodes[victim].kill().expect("killed");
    // Their clients would come back by themselves; these sleep for good, and some come back as others.
    drop(doomed);
    let mut moved = Vec::new();
    for user in &movers {
        moved.push(present(&nodes[others[0]], user).await);
    }
    let still: BTreeSet<String> = stayers.union(&movers).cloned().collect();
    let watchers_too: BTreeSet<String> = others.iter().map(|node| format!("{round}.watcher{node}")).collect();
    until_present(api, &others, &[&still, &watchers_too], lease + SOON).await;
    let gone = killed.elapsed();
    until_all_told(&told, ghosts.len() * others.len() * CHANNELS.len(), &ghosts, killed + lease + SOON).await;
    let last_told = lock(&told).iter().map(|(at, _, _)| *at - killed).max().unwrap_or_default();

    judge(&lock(&told), &ghosts, &movers, killed, lease);
    for state in quiet {
        let calm = !state.has_changed().unwrap_or(true) && matches!(&*state.borrow(), State::Connected { .. });
        assert!(calm, "a socket of another node noticed: {:?}", *state.borrow());
    }
    watching.shutdown().await;
    for user in users.into_iter().flatten().chain(moved) {
        user.client.close().await;
    }
    for watcher in watchers {
        watcher.close().await;
    }
    nodes[victim].start_again().expect("starts again");
    until_present(api, &(0..NODES).collect::<Vec<_>>(), &[], WAIT).await;
    gone.max(last_told)
}

/// Longer than anything takes that nothing is promised about.
const WAIT: Duration = Duration::from_secs(20);

/// What watchers were told: a leave of each ghost after the lease and once, and nothing of anybody else.
fn judge(
    told: &[(Instant, String, bool)],
    ghosts: &BTreeSet<String>,
    movers: &BTreeSet<String>,
    killed: Instant,
    lease: Duration,
) {
    let mut leaves: BTreeMap<&str, usize> = BTreeMap::new();
    for (at, user, is_join) in told {
        let after = at.saturating_duration_since(killed);
        assert!(!movers.contains(user), "{user} came back in time; {after:?} after the kill join={is_join} was told");
        if ghosts.contains(user) {
            assert!(!is_join, "the ghost {user} joins");
            // The last renewal of the lease was up to a third of it before the kill.
            assert!(after > lease / 2, "{user} left {after:?} after the kill, before the lease was over");
            *leaves.entry(user).or_default() += 1;
        }
    }
    for ghost in ghosts {
        let expected = (NODES - 1) * CHANNELS.len();
        assert_eq!(leaves.get(ghost.as_str()), Some(&expected), "leaves of {ghost} told to all watchers");
    }
}

async fn until_all_told(told: &Told, leaves: usize, ghosts: &BTreeSet<String>, deadline: Instant) {
    let is_leave = |(_, user, is_join): &&(Instant, String, bool)| ghosts.contains(user) && !is_join;
    while lock(told).iter().filter(is_leave).count() < leaves {
        assert!(Instant::now() < deadline, "watchers are not told of every leave");
        sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until every one of these nodes says that exactly these users are in every channel.
async fn until_present(api: &Api, nodes: &[usize], expected: &[&BTreeSet<String>], within: Duration) {
    let (expected, deadline): (BTreeSet<String>, _) =
        (expected.iter().flat_map(|users| users.iter().cloned()).collect(), Instant::now() + within);
    for node in nodes {
        for channel in CHANNELS {
            loop {
                let answer = api.get(*node, &format!("/v1/channels/{channel}/presence")).await.expect("presence");
                let users = answer["users"].as_array().cloned().unwrap_or_default();
                let users: BTreeSet<String> =
                    users.iter().filter_map(|user| Some(user["user"].as_str()?.to_owned())).collect();
                if users == expected && answer["count"].as_u64() == Some(expected.len() as u64) {
                    break;
                }
                let (ghosts, missing): (Vec<_>, Vec<_>) =
                    (users.difference(&expected).collect(), expected.difference(&users).collect());
                assert!(
                    Instant::now() < deadline,
                    "node {node} on {channel}: too many {ghosts:?}, missing {missing:?}"
                );
                sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

async fn watch(mut subscription: Subscription, told: Told) {
    while let Some(event) = subscription.next().await {
        if let Event::Presence(change) = event {
            lock(&told).push((Instant::now(), change.user.as_str().to_owned(), change.event == PresenceKind::Join));
        }
    }
}

async fn enter(node: &Hub, prefix: &str) -> Vec<User> {
    let mut entering = JoinSet::new();
    for number in 0..USERS {
        let url = url(node);
        let user = format!("{prefix}.{number}");
        entering.spawn(async move { present_at(url, user).await });
    }
    let mut users = entering.join_all().await;
    users.sort_by(|one, other| one.name.cmp(&other.name));
    users
}

async fn present(node: &Hub, user: &str) -> User {
    present_at(url(node), user.to_owned()).await
}

async fn present_at(url: String, name_of: String) -> User {
    let client = Client::connect(options(&url, &name_of)).await.expect("connects");
    let mut present = Vec::new();
    for channel in CHANNELS {
        present.push(client.subscribe(name(channel), SubscribeOptions::default()).await.expect("subscribed"));
    }
    User { name: name_of, client, _present: present }
}

async fn connect(node: &Hub, user: &str) -> Client {
    Client::connect(options(&url(node), user)).await.expect("connects")
}

fn url(node: &Hub) -> String {
    format!("ws://{}/ws", node.public())
}

fn names(users: &[User]) -> BTreeSet<String> {
    users.iter().map(|user| user.name.clone()).collect()
}

fn name(channel: &str) -> ChannelName {
    ChannelName::parse(channel).expect("a channel")
}

fn lock(told: &Told) -> std::sync::MutexGuard<'_, Vec<(Instant, String, bool)>> {
    told.lock().unwrap_or_else(PoisonError::into_inner)
}
