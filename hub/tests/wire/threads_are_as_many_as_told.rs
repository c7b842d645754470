//! Goal: a node does the same whatever threads it has, and ends in good order. Method: every way to share out the work, however many
//! cores the machine has; what the threads of the process are called; people on all shards, and SIGTERM.

use std::time::{Duration, Instant};

use crate::harness::{Hub, Setup};
use crate::peer::{Peer, draft, fresh};

/// As many as make it sure that every shard has some.
const PEOPLE: usize = 16;

fn threads(hub: &Hub) -> Vec<String> {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", hub.pid())).expect("threads");
    let names = tasks.flatten().filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
    let mut names: Vec<String> = names.map(|name| name.trim().to_owned()).collect();
    names.retain(|name| name.starts_with("shard-") || name == "shared");
    names.sort();
    names
}

/// A thread gives itself its name, when it first runs.
async fn until_named(hub: &Hub, expected: &[&str]) {
    let until = Instant::now() + Duration::from_secs(10);
    while threads(hub) != expected {
        assert!(Instant::now() < until, "{:?} instead of {expected:?}", threads(hub));
        tokio::task::yield_now().await;
    }
}

async fn works(shards: &str, shared: &str, expected: &[&str]) {
    let setup = Setup::new().env("HUBBUB_NODE__SHARDS", shards).env("HUBBUB_NODE__SHARED_THREADS", shared);
    let mut hub = setup.limit("drain_ms", 200).start();
    until_named(&hub, expected).await;
    let mut people = Vec::new();
    for number in 0..PEOPLE {
        let mut peer = Peer::connect(&hub, &format!("p{number}")).await;
        peer.subscribe(fresh("live:all")).await;
        people.push(peer);
    }
    let mut writer = Peer::connect(&hub, "writer").await;
    for number in 0..3 {
        writer.publish(draft("live:all", &number.to_string())).await;
    }
    for peer in &mut people {
        assert_eq!(peer.offsets(3).await, [1, 2, 3]);
    }
    hub.terminate();
    assert!(hub.ended().await.success());
}

#[tokio::test]
async fn with_threads_beside_the_shards() {
    works("2", "2", &["shard-0", "shard-1", "shared", "shared"]).await;
}

#[tokio::test]
async fn with_one_beside_one() {
    works("1", "1", &["shard-0", "shared"]).await;
}
