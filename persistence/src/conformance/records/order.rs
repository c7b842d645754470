//! Order: one queue for appends and acts.

use std::sync::Arc;

use super::super::sample::{channel, message, numbers, placed, whole};
use super::RecordsDatabase;
use super::sample::{counting, done, name, offsets, open, putting, room, stored};
use crate::records::Kind;

pub async fn appends_and_acts_keep_the_order_of_enqueuing(database: &dyn RecordsDatabase) {
    let store = open(database).await;
    let (room, other) = (room(), channel("room:other"));
    let mut waiting = Vec::new();
    for number in (1..=300).step_by(3) {
        let appended = store.append(message(&room, number));
        let acted = store.act(Arc::new(putting(&room, number + 1, Vec::new())));
        let elsewhere = store.act(Arc::new(putting(&other, number + 2, Vec::new())));
        waiting.push((appended, acted, elsewhere));
    }
    // The futures are polled in the opposite order: enqueued is when they are made.
    for (round, (appended, acted, elsewhere)) in (0..100u32).zip(waiting).rev() {
        let round = u64::from(round);
        assert_eq!(placed(appended.await.expect("appended")), (2 * round + 1, false));
        assert_eq!(offsets(acted.await), [2 * round + 2]);
        assert_eq!(offsets(elsewhere.await), [round + 1]);
    }
    let log = numbers(&whole(&*store, &room).await);
    assert_eq!(log, (1..=300).filter(|number| number % 3 != 0).collect::<Vec<_>>());
    store.close().await;
}

pub async fn acts_of_one_batch_see_each_other(database: &dyn RecordsDatabase) {
    let store = open(database).await;
    let room = room();
    let waiting: Vec<_> = (1..=50).map(|number| store.act(Arc::new(counting(&room, number)))).collect();
    for (acted, offset) in waiting.into_iter().zip(1..) {
        assert_eq!(offsets(acted.await), [offset]);
    }
    let count = stored(&*store, &[name(&room, Kind::Room, "count")]).await;
    assert_eq!(count[0].as_ref().map(|record| record.at), Some(50));
    store.close().await;
}

pub async fn many_counters_lose_no_update(database: &dyn RecordsDatabase) {
    const WORKERS: u64 = 20;
    const EACH: u64 = 10;
    let store = open(database).await;
    let room = room();
    let mut workers = tokio::task::JoinSet::new();
    for worker in 0..WORKERS {
        let (store, room) = (store.clone(), room.clone());
        workers.spawn(async move {
            for number in 1..=EACH {
                done(&*store, counting(&room, worker * EACH + number)).await;
            }
        });
    }
    workers.join_all().await;
    let count = stored(&*store, &[name(&room, Kind::Room, "count")]).await;
    assert_eq!(count[0].as_ref().map(|record| record.at), Some(WORKERS * EACH));
    assert_eq!(whole(&*store, &room).await.len() as u64, WORKERS * EACH);
    store.close().await;
}

pub async fn dropping_the_future_does_not_take_the_act_back(database: &dyn RecordsDatabase) {
    let store = open(database).await;
    let room = room();
    drop(store.act(Arc::new(counting(&room, 1))));
    assert_eq!(done(&*store, counting(&room, 2)).await, [2]);
    store.close().await;
}
