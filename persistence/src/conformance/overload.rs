//! The bounded queue.

use hubbub_protocol::ChannelKey;

use super::Database;
use super::sample::{channel, data, message, numbers, open, placed, whole};
use crate::{Append, AppendFuture, Bounds, Store, StoreError};

pub async fn too_many_waiting_appends_are_refused(database: &dyn Database) {
    let bounds = Bounds { waiting_appends: 8, ..Bounds::default() };
    let store = database.open(bounds).await;
    overflow(&*store, &channel("chat:lobby"), |append| append).await;
    store.close().await;
}

pub async fn too_many_waiting_bytes_are_refused(database: &dyn Database) {
    let bounds = Bounds { waiting_bytes: 20_000, ..Bounds::default() };
    let store = database.open(bounds).await;
    let lobby = channel("chat:lobby");
    let text = format!("\"{}\"", "x".repeat(2_000));
    overflow(&*store, &lobby, |append| Append { data: data(&text), ..append }).await;
    let huge = format!("\"{}\"", "x".repeat(20_000));
    let huge = store.append(Append { data: data(&huge), ..message(&lobby, 1_000_000) }).await;
    assert!(matches!(huge, Err(StoreError::Refused(_))), "what never fits is not to be tried again: {huge:?}");
    store.close().await;
    drop(store);
    let store = open(database).await;
    assert!(!whole(&*store, &lobby).await.is_empty());
    store.close().await;
}

/// Appends without waiting until one is refused, then checks that all others, and only they, are in the log.
async fn overflow(store: &dyn Store, channel: &ChannelKey, dress: impl Fn(Append) -> Append) {
    // A disk does not commit as fast as a loop enqueues.
    const ENOUGH: u64 = 100_000;
    let mut taken: Vec<(u64, AppendFuture)> = Vec::new();
    let mut refused = false;
    for number in 1..=ENOUGH {
        let mut answer = store.append(dress(message(channel, number)));
        // A refusal needs no waiting.
        match std::future::poll_fn(|context| std::task::Poll::Ready(answer.as_mut().poll(context))).await {
            std::task::Poll::Ready(Err(StoreError::Overloaded)) => {
                refused = true;
                break;
            }
            std::task::Poll::Ready(other) => panic!("answered at once: {other:?}"),
            std::task::Poll::Pending => taken.push((number, answer)),
        }
    }
    assert!(refused, "the queue has no bound");
    assert!(taken.len() > 1, "the queue holds nothing");
    let mut expected = Vec::new();
    for (number, answer) in taken {
        expected.push(number);
        assert_eq!(placed(answer.await.expect("what was taken is appended")).0, expected.len() as u64);
    }
    assert_eq!(numbers(&whole(store, channel).await), expected);
    let after = store.append(dress(message(channel, ENOUGH + 1))).await;
    assert_eq!(placed(after.expect("there is room again")), (expected.len() as u64 + 1, false));
}
