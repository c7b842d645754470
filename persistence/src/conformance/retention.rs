//! Erasure and expiry.

use hubbub_protocol::ChannelKey;

use super::Database;
use super::sample::{START, channel, data, fill, keyed, message, numbers, offsets, open, placed, whole};
use crate::{Append, Entry, ReadFrom, Retention, Store};

pub async fn an_erased_message_leaves_a_tombstone(database: &dyn Database) {
    let store = open(database).await;
    let lobby = channel("chat:lobby");
    fill(&*store, &lobby, 2).await;
    store.append(keyed(&lobby, 3, "k")).await.expect("appended");
    store.append(message(&lobby, 4)).await.expect("appended");
    assert_eq!(store.erase(&lobby, 3).await, Ok(true));
    let log = whole(&*store, &lobby).await;
    assert_eq!(log[2], Entry::Tombstone { offset: 3 });
    assert_eq!(numbers(&log), [1, 2, 4]);
    let descending = store.read(&lobby, ReadFrom::Before(5), 2, usize::MAX).await.expect("a page");
    assert_eq!(offsets(&descending.entries), [4, 3]);
    assert_eq!(descending.head.position.offset, 4);
    for gone in [3, 5, 0, u64::MAX] {
        assert_eq!(store.erase(&lobby, gone).await, Ok(false), "{gone}");
    }
    assert_eq!(store.erase(&channel("chat:untouched"), 1).await, Ok(false));
    store.close().await;
}

pub async fn messages_expire_by_count(database: &dyn Database) {
    let store = open(database).await;
    let lobby = channel("chat:lobby");
    fill(&*store, &lobby, 10).await;
    assert_eq!(expire(&*store, &lobby, Some(10), None, START).await, 0);
    assert_eq!(expire(&*store, &lobby, Some(4), None, START).await, 6);
    assert_eq!(ends(&*store, &lobby).await, (10, 6));
    assert_eq!(offsets(&whole(&*store, &lobby).await), [7, 8, 9, 10]);
    assert_eq!(expire(&*store, &lobby, Some(4), None, START).await, 0);
    assert_eq!(expire(&*store, &lobby, Some(0), None, START).await, 4);
    assert_eq!(ends(&*store, &lobby).await, (10, 10), "an empty log keeps its head");
    let next = store.append(message(&lobby, 11)).await.expect("appended");
    assert_eq!(placed(next), (11, false), "numbering goes on");
    assert_eq!(expire(&*store, &channel("chat:untouched"), Some(0), None, START).await, 0);
    store.close().await;
}

pub async fn messages_expire_by_age(database: &dyn Database) {
    let store = open(database).await;
    let lobby = channel("chat:lobby");
    fill(&*store, &lobby, 10).await;
    // The message n is of START + n.
    assert_eq!(expire(&*store, &lobby, None, Some(1_000), START + 1_000).await, 0);
    assert_eq!(expire(&*store, &lobby, None, Some(1_000), START + 1_003).await, 3);
    assert_eq!(ends(&*store, &lobby).await, (10, 3));
    assert_eq!(numbers(&whole(&*store, &lobby).await), (4..=10).collect::<Vec<_>>());
    assert_eq!(expire(&*store, &lobby, None, Some(u64::MAX), u64::MAX - 1).await, 0);
    assert_eq!(expire(&*store, &lobby, None, None, u64::MAX).await, 0);
    assert_eq!(expire(&*store, &lobby, None, Some(0), u64::MAX).await, 7);
    assert_eq!(ends(&*store, &lobby).await, (10, 10));
    store.close().await;
}

pub async fn the_tighter_bound_counts(database: &dyn Database) {
    let store = open(database).await;
    let lobby = channel("chat:lobby");
    fill(&*store, &lobby, 10).await;
    assert_eq!(expire(&*store, &lobby, Some(8), Some(1_000), START + 1_005).await, 5);
    assert_eq!(expire(&*store, &lobby, Some(2), Some(1_000), START + 1_005).await, 3);
    assert_eq!(ends(&*store, &lobby).await, (10, 8));
    store.close().await;
}

pub async fn a_long_expiry_goes_in_bounded_steps(database: &dyn Database) {
    let store = open(database).await;
    let lobby = channel("chat:lobby");
    fill(&*store, &lobby, 2_500).await;
    let retention = Retention { messages: Some(100), age_ms: None };
    let (mut steps, mut gone, mut low) = (0, 0, 0);
    loop {
        let step = store.expire(&lobby, retention, START).await.expect("expired");
        if step == 0 {
            break;
        }
        (steps, gone, low) = (steps + 1, gone + step, low + step);
        assert_eq!(ends(&*store, &lobby).await, (2_500, low), "the low-water mark moves with each step");
    }
    assert_eq!(gone, 2_400);
    assert!(steps > 1, "all in one step is not bounded");
    assert_eq!(offsets(&whole(&*store, &lobby).await), (2_401..=2_500).collect::<Vec<_>>());
    store.close().await;
}

pub async fn tombstones_expire_like_messages(database: &dyn Database) {
    let store = open(database).await;
    let lobby = channel("chat:lobby");
    let big = Append { data: data("[1,2,3]"), ..message(&lobby, 1) };
    store.append(big).await.expect("appended");
    store.append(message(&lobby, 2)).await.expect("appended");
    assert_eq!(store.erase(&lobby, 1).await, Ok(true));
    assert_eq!(expire(&*store, &lobby, None, Some(10), START + 11).await, 1);
    assert_eq!(ends(&*store, &lobby).await, (2, 1));
    assert_eq!(numbers(&whole(&*store, &lobby).await), [2]);
    assert_eq!(store.erase(&lobby, 1).await, Ok(false), "what has expired can not be erased");
    store.close().await;
}

async fn expire(store: &dyn Store, channel: &ChannelKey, messages: Option<u64>, age_ms: Option<u64>, now: u64) -> u64 {
    store.expire(channel, Retention { messages, age_ms }, now).await.expect("expired")
}

/// Head and low.
async fn ends(store: &dyn Store, channel: &ChannelKey) -> (u64, u64) {
    let head = store.heads(std::slice::from_ref(channel)).await.expect("heads")[0];
    (head.position.offset, head.low)
}
