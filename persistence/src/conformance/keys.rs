//! Idempotency keys.

use super::Database;
use super::sample::{START, channel, data, fill, key, keyed, message, numbers, open, placed, whole};
use crate::store::KEY_TTL_MS;
use crate::{Append, Appended, Retention};

pub async fn a_repeated_key_answers_the_first_position(database: &dyn Database) {
    let store = open(database).await;
    let lobby = channel("chat:lobby");
    fill(&*store, &lobby, 2).await;
    let first = store.append(keyed(&lobby, 3, "k")).await.expect("appended");
    assert_eq!(placed(first), (3, false));
    store.append(message(&lobby, 4)).await.expect("appended");
    // A retry comes later and has an id of its own; the data is the same.
    let retry = Append { data: keyed(&lobby, 3, "k").data, ..keyed(&lobby, 5, "k") };
    let again = store.append(retry).await.expect("appended");
    match (first, again) {
        (
            Appended::At { id, position, time, .. },
            Appended::At { id: id2, position: position2, time: time2, duplicate },
        ) => {
            assert!(duplicate);
            assert_eq!((id, position, time), (id2, position2, time2));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(numbers(&whole(&*store, &lobby).await), [1, 2, 3, 4]);
    store.close().await;
}

pub async fn other_data_or_conflate_key_is_a_conflict(database: &dyn Database) {
    let store = open(database).await;
    let lobby = channel("chat:lobby");
    let first = Append { conflate_key: Some(key("c")), ..keyed(&lobby, 1, "k") };
    store.append(first.clone()).await.expect("appended");
    let other_data = Append { data: data("2"), ..first.clone() };
    let other_conflate_key = Append { conflate_key: Some(key("d")), ..first.clone() };
    let no_conflate_key = Append { conflate_key: None, ..first.clone() };
    // The same value, written differently, is other data: it is kept as it came.
    let other_text = Append { data: data(r#"{ "n": 1 }"#), ..first.clone() };
    for (number, other) in [other_data, other_conflate_key, no_conflate_key, other_text].into_iter().enumerate() {
        let other = Append { id: message(&lobby, 10 + number as u64).id, ..other };
        assert_eq!(store.append(other).await, Ok(Appended::KeyConflict));
    }
    let retry = Append { id: message(&lobby, 20).id, ..first };
    assert_eq!(placed(store.append(retry).await.expect("appended")), (1, true));
    assert_eq!(placed(store.append(message(&lobby, 2)).await.expect("appended")), (2, false), "no offset was used up");
    store.close().await;
}

pub async fn keys_belong_to_a_publisher_and_a_channel(database: &dyn Database) {
    let store = open(database).await;
    let (left, right) = (channel("chat:left"), channel("chat:right"));
    let mine = keyed(&left, 1, "k");
    let theirs = Append { publisher: "user/bob".into(), ..keyed(&left, 2, "k") };
    // Publisher and key must not run into each other.
    let tricky = Append { publisher: "user/adak".into(), ..keyed(&left, 3, "k") };
    let elsewhere = keyed(&right, 4, "k");
    for (append, offset) in [(mine, 1), (theirs, 2), (tricky, 3), (elsewhere, 1)] {
        assert_eq!(placed(store.append(append).await.expect("appended")), (offset, false));
    }
    store.close().await;
}

pub async fn keys_count_within_one_batch(database: &dyn Database) {
    let store = open(database).await;
    let lobby = channel("chat:lobby");
    let first = keyed(&lobby, 1, "k");
    let retry = Append { id: message(&lobby, 2).id, ..first.clone() };
    let other = keyed(&lobby, 3, "k");
    let next = keyed(&lobby, 4, "l");
    // Enqueued together, so that a store that batches takes them together.
    let [first, retry, other, next] = [first, retry, other, next].map(|append| store.append(append));
    assert_eq!(placed(first.await.expect("appended")), (1, false));
    assert_eq!(placed(retry.await.expect("appended")), (1, true));
    assert_eq!(other.await, Ok(Appended::KeyConflict));
    assert_eq!(placed(next.await.expect("appended")), (2, false));
    store.close().await;
}

pub async fn keys_count_for_two_days(database: &dyn Database) {
    let store = open(database).await;
    let lobby = channel("chat:lobby");
    let first = Append { time: START, ..keyed(&lobby, 1, "k") };
    store.append(first.clone()).await.expect("appended");
    let in_time = Append { id: message(&lobby, 2).id, time: START + KEY_TTL_MS, ..first.clone() };
    assert_eq!(placed(store.append(in_time).await.expect("appended")), (1, true));
    let late = Append { id: message(&lobby, 3).id, time: START + KEY_TTL_MS + 1_000, ..first.clone() };
    assert_eq!(placed(store.append(late.clone()).await.expect("appended")), (2, false), "a key that old counts as new");
    let retry = Append { id: message(&lobby, 4).id, ..late };
    assert_eq!(placed(store.append(retry).await.expect("appended")), (2, true), "and is remembered anew");
    store.close().await;
}

pub async fn keys_outlive_their_messages(database: &dyn Database) {
    let store = open(database).await;
    let lobby = channel("chat:lobby");
    let first = keyed(&lobby, 1, "k");
    store.append(first.clone()).await.expect("appended");
    let nothing = Retention { messages: Some(0), age_ms: None };
    assert_eq!(store.expire(&lobby, nothing, START + 1).await, Ok(1));
    let retry = Append { id: message(&lobby, 2).id, ..first.clone() };
    assert_eq!(placed(store.append(retry).await.expect("appended")), (1, true));
    let other = Append { id: message(&lobby, 3).id, data: data("0"), ..first };
    assert_eq!(store.append(other).await, Ok(Appended::KeyConflict));
    store.close().await;
}

pub async fn a_retry_does_not_bring_an_erased_message_back(database: &dyn Database) {
    let store = open(database).await;
    let lobby = channel("chat:lobby");
    let first = keyed(&lobby, 1, "k");
    store.append(first.clone()).await.expect("appended");
    assert_eq!(store.erase(&lobby, 1).await, Ok(true));
    let retry = Append { id: message(&lobby, 2).id, ..first.clone() };
    assert_eq!(placed(store.append(retry).await.expect("appended")), (1, true));
    // What it said is gone, so other data can not be told from it.
    let other = Append { id: message(&lobby, 3).id, data: data("0"), ..first };
    assert_eq!(placed(store.append(other).await.expect("appended")), (1, true));
    assert_eq!(numbers(&whole(&*store, &lobby).await), [0; 0]);
    store.close().await;
}
