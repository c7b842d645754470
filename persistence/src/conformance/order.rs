//! Order, separation and atomicity of appends.

use hubbub_protocol::MessageId;

use super::Database;
use super::sample::{channel, channel_of, fill, message, numbers, open, placed, whole};
use crate::StoreError;

pub async fn fifty_publishers_get_offsets_without_holes(database: &dyn Database) {
    const PUBLISHERS: u64 = 50;
    const EACH: u64 = 20;
    let store = open(database).await;
    let hot = channel("chat:hot");
    let mut publishers = tokio::task::JoinSet::new();
    for publisher in 0..PUBLISHERS {
        let (store, hot) = (store.clone(), hot.clone());
        publishers.spawn(async move {
            let mut placed_at = Vec::new();
            for number in 1..=EACH {
                let append = message(&hot, publisher * EACH + number);
                placed_at.push((placed(store.append(append.clone()).await.expect("appended")).0, append.id));
            }
            placed_at
        });
    }
    let mut all = Vec::new();
    while let Some(placed_at) = publishers.join_next().await {
        let placed_at = placed_at.expect("a publisher ends");
        assert!(placed_at.is_sorted(), "a publisher that waits for each answer sees its own order");
        all.extend(placed_at);
    }
    all.sort_unstable();
    let log: Vec<(u64, MessageId)> = whole(&*store, &hot).await.iter().map(offset_and_id).collect();
    assert_eq!(log, all, "every message is at the offset that its publisher was told");
    assert_eq!(log.iter().map(|(offset, _)| *offset).collect::<Vec<_>>(), (1..=PUBLISHERS * EACH).collect::<Vec<_>>());
    store.close().await;
}

pub async fn appends_keep_the_order_of_enqueuing(database: &dyn Database) {
    let store = open(database).await;
    let hot = channel("chat:hot");
    // The futures are polled in the opposite order: enqueued is when `append` is called.
    let mut waiting: Vec<_> = (1..=300).map(|number| store.append(message(&hot, number))).collect();
    waiting.reverse();
    for (answer, number) in waiting.into_iter().zip((1..=300).rev()) {
        assert_eq!(placed(answer.await.expect("appended")), (number, false));
    }
    assert_eq!(numbers(&whole(&*store, &hot).await), (1..=300).collect::<Vec<_>>());
    store.close().await;
}

pub async fn channels_count_for_themselves(database: &dyn Database) {
    let store = open(database).await;
    let (left, right) = (channel("chat:left"), channel("chat:right"));
    let mut waiting = Vec::new();
    for number in 1..=50 {
        waiting.push((number, store.append(message(&left, number))));
        waiting.push((number, store.append(message(&right, 1000 + number))));
    }
    for (number, answer) in waiting {
        assert_eq!(placed(answer.await.expect("appended")), (number, false));
    }
    assert_eq!(numbers(&whole(&*store, &left).await), (1..=50).collect::<Vec<_>>());
    assert_eq!(numbers(&whole(&*store, &right).await), (1001..=1050).collect::<Vec<_>>());
    store.close().await;
}

pub async fn tenants_do_not_see_each_other(database: &dyn Database) {
    let store = open(database).await;
    let (ours, theirs) = (channel_of("acme", "chat:lobby"), channel_of("other", "chat:lobby"));
    fill(&*store, &ours, 3).await;
    let secret = message(&theirs, 77);
    assert_eq!(placed(store.append(secret.clone()).await.expect("appended")), (1, false));
    assert_eq!(numbers(&whole(&*store, &ours).await), [1, 2, 3]);
    assert_eq!(numbers(&whole(&*store, &theirs).await), [77]);
    assert_eq!(store.find(&ours, secret.id).await, Ok(None));
    assert_eq!(store.erase(&theirs, 3).await, Ok(false), "there is nothing at 3 in the other log");
    assert_eq!(numbers(&whole(&*store, &ours).await), [1, 2, 3]);
    store.close().await;
}

pub async fn dropping_the_future_does_not_take_the_append_back(database: &dyn Database) {
    let store = open(database).await;
    let lobby = channel("chat:lobby");
    drop(store.append(message(&lobby, 1)));
    assert_eq!(placed(store.append(message(&lobby, 2)).await.expect("appended")), (2, false));
    assert_eq!(numbers(&whole(&*store, &lobby).await), [1, 2]);
    store.close().await;
}

pub async fn a_bad_append_fails_alone(database: &dyn Database) {
    let store = open(database).await;
    let lobby = channel("chat:lobby");
    let mut batch: Vec<_> = (1..=40).map(|number| message(&lobby, number)).collect();
    // An id is in a log once; a time has 63 bits.
    batch[10].id = batch[3].id;
    batch[30].time = u64::MAX;
    let waiting: Vec<_> = batch.into_iter().map(|append| store.append(append)).collect();
    let mut next = 0;
    for (index, answer) in waiting.into_iter().enumerate() {
        let answer = answer.await;
        if index == 10 || index == 30 {
            assert!(matches!(answer, Err(StoreError::Refused(_))), "{answer:?}");
        } else {
            next += 1;
            assert_eq!(placed(answer.expect("appended")), (next, false));
        }
    }
    assert_eq!(whole(&*store, &lobby).await.len(), 38);
    store.close().await;
}

fn offset_and_id(entry: &crate::Entry) -> (u64, MessageId) {
    match entry {
        crate::Entry::Message(message) => (entry.offset(), message.id),
        crate::Entry::Tombstone { .. } => panic!("nothing was erased"),
    }
}
