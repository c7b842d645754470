//! Goal: what was acknowledged is there, once, after the server was killed under load. Method: two nodes append with keys
//! and retry what was not acknowledged, while the server is killed and started again; then the whole log is read.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hubbub_persistence::{Appended, Postgres, Store};

use super::fixture::{channel, keyed, open, server, whole};

const KILLS: u64 = 3;
const PUBLISHERS: u64 = 16;
/// Acknowledgements after each start before the next kill: enough for many commits, with more under way.
const ENOUGH: u64 = 300;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_kills_of_the_server_once() {
    let mut server = server().await;
    let nodes = [Arc::new(open(&server, 1).await), Arc::new(open(&server, 2).await)];
    let acknowledged = Arc::new(AtomicU64::new(0));
    let ended = Arc::new(AtomicU64::new(0));
    let mut publishers = tokio::task::JoinSet::new();
    for publisher in 0..PUBLISHERS {
        let node = nodes[publisher as usize % 2].clone();
        publishers.spawn(publish(node, publisher, acknowledged.clone(), ended.clone()));
    }
    for _ in 0..KILLS {
        let from = acknowledged.load(Ordering::Relaxed);
        until(|| acknowledged.load(Ordering::Relaxed) >= from + ENOUGH).await;
        server.kill().expect("killed");
        server.start_again().expect("started");
    }
    let from = acknowledged.load(Ordering::Relaxed);
    until(|| acknowledged.load(Ordering::Relaxed) >= from + ENOUGH).await;
    ended.store(1, Ordering::Relaxed);
    let mut told = HashMap::new();
    for placed in publishers.join_all().await {
        told.extend(placed);
    }
    assert!(told.len() as u64 >= (KILLS + 1) * ENOUGH);
    let log = whole(&nodes[0], "chat:hot").await;
    assert_eq!(log.first().map(|(offset, _)| *offset), Some(1));
    let mut found = HashMap::new();
    for (offset, number) in log {
        assert_eq!(found.insert(number, offset), None, "{number} is there twice");
    }
    for (number, offset) in told {
        assert_eq!(found.get(&number), Some(&offset), "{number} was acknowledged at {offset}");
    }
    for node in nodes {
        node.close().await;
    }
}

/// Appends one message after the other; each until it is acknowledged, under the same key. Answers what was told.
async fn publish(node: Arc<Postgres>, publisher: u64, count: Arc<AtomicU64>, ended: Arc<AtomicU64>) -> Vec<(u64, u64)> {
    let hot = channel("chat:hot");
    let mut told = Vec::new();
    for number in (publisher << 32 | 1).. {
        if ended.load(Ordering::Relaxed) == 1 {
            break;
        }
        let append = keyed(&hot, number, &number.to_string());
        let position = loop {
            match node.append(append.clone()).await {
                Ok(Appended::At { position, .. }) => break position,
                Ok(Appended::KeyConflict) => panic!("a key conflict"),
                // Away, overloaded, unknown: the key makes a retry safe.
                Err(_) => tokio::task::yield_now().await,
            }
        };
        count.fetch_add(1, Ordering::Relaxed);
        told.push((number, position.offset));
    }
    told
}

/// Polls a condition, for a minute at most.
async fn until(condition: impl Fn() -> bool) {
    let reached = async {
        while !condition() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), reached).await.expect("in time");
}
