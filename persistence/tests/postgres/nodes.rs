//! Goal: offsets have no holes and keys count once, whoever writes. Method: three stores, as three nodes have them, that
//! append to the same channels at once.

use std::sync::Arc;

use hubbub_persistence::{Append, Appended, Postgres, Store};
use hubbub_protocol::MessageId;
use hubbub_protocol::channel::ChannelKey;

use super::fixture::{channel, keyed, message, offset, open, server, tenant, whole};

const NODES: u64 = 3;
const PUBLISHERS: u64 = 20;
const EACH: u64 = 30;

#[tokio::test(flavor = "multi_thread")]
async fn three_nodes_on_one_hot_channel_leave_no_holes() {
    let server = server().await;
    let hot = channel("chat:hot");
    let mut stores = Vec::new();
    let mut publishers = tokio::task::JoinSet::new();
    for node in 0..NODES {
        let store = Arc::new(open(&server, node).await);
        stores.push(store.clone());
        for publisher in 0..PUBLISHERS {
            let (store, hot) = (store.clone(), hot.clone());
            publishers.spawn(async move {
                let mut placed = Vec::new();
                for number in 0..EACH {
                    let number = 1 + (node * PUBLISHERS + publisher) * EACH + number;
                    placed.push((offset(store.append(message(&hot, number)).await.expect("appended")), number));
                }
                assert!(placed.is_sorted(), "a publisher sees its own order");
                placed
            });
        }
    }
    let mut all: Vec<(u64, u64)> = publishers.join_all().await.into_iter().flatten().collect();
    all.sort_unstable();
    assert_eq!(all.len() as u64, NODES * PUBLISHERS * EACH);
    for store in &stores {
        assert_eq!(whole(store, "chat:hot").await, all, "each node reads what each publisher was told");
    }
    for store in stores {
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_cross_on_many_channels_and_tenants_all_get_through() {
    let server = server().await;
    let channels: Vec<ChannelKey> = (0..24)
        .map(|number| ChannelKey {
            tenant: tenant(["acme", "beta", "gamma"][number % 3]),
            ..channel(&format!("chat:{number}"))
        })
        .collect();
    let mut stores = Vec::new();
    let mut waiting = Vec::new();
    for node in 0..NODES {
        let store = open(&server, node).await;
        for round in 0..20 {
            // Each node comes from another side.
            for at in 0..channels.len() as u64 {
                let at =
                    if node == 1 { channels.len() as u64 - 1 - at } else { (at + node * 7) % channels.len() as u64 };
                let append = message(&channels[at as usize], 1 + node * 100 + round);
                waiting.push((at, store.append(append)));
            }
        }
        stores.push(store);
    }
    let mut offsets = vec![Vec::new(); channels.len()];
    for (at, answer) in waiting {
        offsets[at as usize].push(offset(answer.await.expect("appended")));
    }
    for mut offsets in offsets {
        offsets.sort_unstable();
        assert_eq!(offsets, (1..=NODES * 20).collect::<Vec<_>>());
    }
    for store in stores {
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_retried_through_every_node_counts_once() {
    let server = server().await;
    let lobby = channel("chat:lobby");
    let stores: Vec<Postgres> = [open(&server, 1).await, open(&server, 2).await, open(&server, 3).await].into();
    for round in 0..20u64 {
        let retry = |attempt: u64| Append {
            id: MessageId::from_parts(round, u128::from(attempt)),
            ..keyed(&lobby, round, &format!("key {round}"))
        };
        let waiting: Vec<_> = (0..9).map(|attempt| stores[attempt as usize % 3].append(retry(attempt))).collect();
        let mut fresh = 0;
        for answer in waiting {
            match answer.await.expect("appended") {
                Appended::At { position, duplicate, .. } => {
                    assert_eq!(position.offset, round + 1);
                    fresh += u32::from(!duplicate);
                }
                Appended::KeyConflict => panic!("a key conflict"),
            }
        }
        assert_eq!(fresh, 1);
    }
    assert_eq!(whole(&stores[0], "chat:lobby").await.len(), 20);
    for store in stores {
        store.close().await;
    }
}
