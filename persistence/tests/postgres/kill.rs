//! Goal: what was acknowledged is there, once, after the server was killed under load. Method: two nodes append with keys
//! and retry what was not acknowledged, while the server is killed and started again; then the whole log is read.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use hubbub_persistence::{Appended, Postgres, Store};
use tokio::sync::watch;

use super::fixture::{channel, keyed, open, server, whole};

const KILLS: u64 = 3;
const PUBLISHERS: u64 = 16;
/// Acknowledgements after each start before the next kill: enough for many commits, with more under way.
const ENOUGH: u64 = 300;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_kills_of_the_server_once() {
    let mut server = server().await;
    let nodes = [Arc::new(open(&server, 1).await), Arc::new(open(&server, 2).await)];
    let (count, mut counted) = watch::channel(0u64);
    // Dropped when there were enough.
    let (going_on, end) = watch::channel(());
    let mut publishers = tokio::task::JoinSet::new();
    for publisher in 0..PUBLISHERS {
        let node = nodes[publisher as usize % 2].clone();
        publishers.spawn(publish(node, publisher, count.clone(), end.clone()));
    }
    for kill in 0..=KILLS {
        let wanted = *counted.borrow() + ENOUGH;
        let reached = tokio::time::timeout(Duration::from_secs(60), counted.wait_for(|count| *count >= wanted)).await;
        assert!(matches!(reached, Ok(Ok(_))), "appends go on after {kill} kills");
        if kill < KILLS {
            server.kill().expect("killed");
            server.start_again().expect("started");
        }
    }
    drop(going_on);
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
async fn publish(
    node: Arc<Postgres>,
    publisher: u64,
    count: watch::Sender<u64>,
    end: watch::Receiver<()>,
) -> Vec<(u64, u64)> {
    let hot = channel("chat:hot");
    let mut told = Vec::new();
    for number in (publisher << 32 | 1).. {
        if end.has_changed().is_err() {
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
        count.send_modify(|count| *count += 1);
        told.push((number, position.offset));
    }
    told
}
