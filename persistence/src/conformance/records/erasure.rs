//! Erasure by acts: that of [`crate::Store::erase`], within the act.

use std::sync::Arc;

use super::super::sample::{channel, key, keyed, numbers, placed, whole};
use super::RecordsDatabase;
use super::sample::{act, acted, counting, done, offsets, open, putting, room, says, verdict};
use crate::records::scripted::Scripted;
use crate::records::{Acted, Verdict};
use crate::{Append, Entry};

/// An act that erases these offsets and says its number.
fn erasing(number: u64, offsets: &[u64]) -> Scripted {
    let (home, room, offsets) = (room(), room(), offsets.to_vec());
    act(&[home], number, move |_| Ok(Verdict { erased: offsets.clone(), ..verdict(vec![says(&room, number)]) }))
}

pub async fn an_erased_event_leaves_a_tombstone(database: &dyn RecordsDatabase) {
    let store = open(database).await;
    let (room, other) = (room(), channel("room:other"));
    for number in 1..=3 {
        done(&*store, putting(&room, number, Vec::new())).await;
        done(&*store, putting(&other, number, Vec::new())).await;
    }
    // What it says itself, what is not there, and the same twice.
    match acted(&*store, erasing(4, &[2, 4, 99, 2])).await {
        Ok(Acted::Done { erased, .. }) => assert!(erased),
        other => panic!("{other:?}"),
    }
    let log = whole(&*store, &room).await;
    assert_eq!(numbers(&log), [1, 3]);
    assert_eq!((&log[1], &log[3]), (&Entry::Tombstone { offset: 2 }, &Entry::Tombstone { offset: 4 }));
    assert_eq!(numbers(&whole(&*store, &other).await), [1, 2, 3], "another log has not lost anything");
    assert_eq!(store.erase(&room, 2).await, Ok(false), "it is gone already");
    // What is appended in the same batch.
    let (five, gone) = (store.act(Arc::new(putting(&room, 5, Vec::new()))), store.act(Arc::new(erasing(6, &[5]))));
    assert_eq!((offsets(five.await), offsets(gone.await)), (vec![5], vec![6]));
    assert_eq!(numbers(&whole(&*store, &room).await), [1, 3, 6]);
    store.close().await;
}

pub async fn a_retry_does_not_bring_an_erased_event_back(database: &dyn RecordsDatabase) {
    let store = open(database).await;
    let room = room();
    done(&*store, counting(&room, 1).keyed(key("k"), b"one")).await;
    store.append(keyed(&room, 2, "l")).await.expect("appended");
    done(&*store, erasing(3, &[1, 2])).await;
    for digest in [b"one", b"two"] {
        let retry = acted(&*store, counting(&room, 4).keyed(key("k"), digest)).await;
        assert!(matches!(retry, Ok(Acted::Before { position, .. }) if position.offset == 1), "{retry:?}");
    }
    let retry = Append { id: super::sample::id(5), ..keyed(&room, 2, "l") };
    assert_eq!(placed(store.append(retry).await.expect("appended")), (2, true));
    // In one batch with it.
    let waiting = [
        store.act(Arc::new(counting(&room, 6).keyed(key("m"), b"one"))),
        store.act(Arc::new(erasing(7, &[4]))),
        store.act(Arc::new(counting(&room, 8).keyed(key("m"), b"two"))),
    ];
    let [first, _, retry] = waiting;
    assert_eq!(offsets(first.await), [4]);
    assert!(matches!(retry.await, Ok(Acted::Before { position, .. }) if position.offset == 4));
    assert_eq!(numbers(&whole(&*store, &room).await), [3, 7]);
    store.close().await;
}
