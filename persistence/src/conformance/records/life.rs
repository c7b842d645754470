//! Closing, and the bounds of the queue.

use std::sync::Arc;
use std::task::Poll;

use super::super::sample::{channel, tenant};
use super::RecordsDatabase;
use super::sample::{counting, name, offsets, open, room, stored, user};
use crate::records::{Kind, Look, Search, SearchIn};
use crate::{Bounds, StoreError};

pub async fn closing_commits_the_acts_that_wait(database: &dyn RecordsDatabase) {
    let store = open(database).await;
    let waiting: Vec<_> = (1..=1_500).map(|number| store.act(Arc::new(counting(&room(), number)))).collect();
    store.close().await;
    for (acted, offset) in waiting.into_iter().zip(1..) {
        assert_eq!(offsets(acted.await), [offset]);
    }
    let store = open(database).await;
    let count = stored(&*store, &[name(&room(), Kind::Room, "count")]).await;
    assert_eq!(count[0].as_ref().map(|record| record.at), Some(1_500));
    store.close().await;
}

pub async fn a_closed_store_does_not_act(database: &dyn RecordsDatabase) {
    let store = open(database).await;
    store.close().await;
    let away = |error: StoreError| assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    away(store.act(Arc::new(counting(&room(), 1))).await.expect_err("closed"));
    away(store.look(&tenant("acme"), Look::default()).await.expect_err("closed"));
    let within = SearchIn::Channel(room());
    let search = Search { tenant: tenant("acme"), words: "word".into(), within, from: None, skip: 0, limit: 1 };
    away(store.search(search).await.expect_err("closed"));
    away(store.due(1, 1).await.expect_err("closed"));
    away(store.naming(&channel("chat:a"), &user("ada"), 0, 1).await.expect_err("closed"));
}

pub async fn too_many_waiting_acts_are_refused(database: &dyn RecordsDatabase) {
    for (bounds, room) in [
        (Bounds { waiting_appends: 8, ..Bounds::default() }, channel("room:count")),
        (Bounds { waiting_bytes: 20_000, ..Bounds::default() }, channel("room:bytes")),
    ] {
        let store = database.open_whole(bounds).await;
        let mut taken = Vec::new();
        // A disk does not commit as fast as a loop enqueues.
        let refused = loop {
            let mut acted = store.act(Arc::new(counting(&room, taken.len() as u64)));
            let now = std::future::poll_fn(|context| Poll::Ready(acted.as_mut().poll(context))).await;
            match now {
                Poll::Ready(Err(error)) => break error,
                Poll::Ready(other) => panic!("answered at once: {other:?}"),
                Poll::Pending => taken.push(acted),
            }
            assert!(taken.len() < 100_000, "the queue has no bound");
        };
        assert_eq!(refused, StoreError::Overloaded);
        assert!(taken.len() > 1, "the queue holds nothing");
        for acted in taken {
            assert_eq!(offsets(acted.await).len(), 1);
        }
        let huge = counting(&room, 1).keyed(super::super::sample::key("k"), &vec![0; 30_000]);
        if bounds.waiting_bytes == 20_000 {
            let huge = store.act(Arc::new(huge)).await;
            assert!(matches!(huge, Err(StoreError::Refused(_))), "what never fits is not to be tried again: {huge:?}");
        }
        store.close().await;
    }
}
