//! Closing and opening again.

use std::pin::Pin;
use std::task::Poll;

use hubbub_protocol::MessageId;

use super::Database;
use super::sample::{START, channel, fill, keyed, message, numbers, open, placed, tenant, whole};
use crate::{Append, ReadFrom, Retention, Revocation, RevokedSubject, StoreError};

pub async fn closing_and_opening_keeps_everything(database: &dyn Database) {
    let store = open(database).await;
    let (lobby, other) = (channel("chat:lobby"), channel("chat:other"));
    fill(&*store, &lobby, 5).await;
    store.append(keyed(&lobby, 6, "k")).await.expect("appended");
    fill(&*store, &other, 2).await;
    store.expire(&lobby, Retention { messages: Some(4), age_ms: None }, 0).await.expect("expired");
    store.erase(&lobby, 4).await.expect("erased");
    let revocation =
        Revocation { tenant: tenant("acme"), subject: RevokedSubject::Token("jti".into()), until: START + 1_000 };
    store.revoke(revocation.clone()).await.expect("revoked");
    let channels = [lobby.clone(), other];
    let heads = store.heads(&channels).await.expect("heads");
    let log = whole(&*store, &lobby).await;
    store.close().await;
    drop(store);

    let store = open(database).await;
    assert_eq!(store.heads(&channels).await, Ok(heads));
    assert_eq!(whole(&*store, &lobby).await, log);
    assert_eq!(store.revocations(START).await, Ok(vec![revocation]));
    let retry = Append { id: message(&lobby, 7).id, ..keyed(&lobby, 6, "k") };
    assert_eq!(placed(store.append(retry).await.expect("appended")), (6, true));
    assert_eq!(placed(store.append(message(&lobby, 8)).await.expect("appended")), (7, false));
    store.close().await;
}

pub async fn closing_commits_what_waits(database: &dyn Database) {
    let store = open(database).await;
    let lobby = channel("chat:lobby");
    // More than one commit takes.
    let waiting: Vec<_> = (1..=3_000).map(|number| store.append(message(&lobby, number))).collect();
    store.close().await;
    for (answer, number) in waiting.into_iter().zip(1..) {
        assert_eq!(placed(answer.await.expect("appended")), (number, false));
    }
    let store = open(database).await;
    assert_eq!(numbers(&whole(&*store, &lobby).await), (1..=3_000).collect::<Vec<_>>());
    store.close().await;
}

pub async fn a_closed_store_is_unavailable(database: &dyn Database) {
    let store = open(database).await;
    let lobby = channel("chat:lobby");
    fill(&*store, &lobby, 1).await;
    // Two close at once, one closes again.
    tokio::join!(store.close(), store.close());
    store.close().await;
    let away = |error: StoreError| assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    away(store.append(message(&lobby, 2)).await.expect_err("closed"));
    away(store.read(&lobby, ReadFrom::After(0), 1, 1).await.expect_err("closed"));
    away(store.heads(std::slice::from_ref(&lobby)).await.expect_err("closed"));
    away(store.find(&lobby, MessageId::from_parts(0, 0)).await.expect_err("closed"));
    away(store.erase(&lobby, 1).await.expect_err("closed"));
    away(store.revocations(0).await.expect_err("closed"));
    away(store.check().await.expect_err("closed"));
}

pub async fn an_open_store_is_checked(database: &dyn Database) {
    let store = open(database).await;
    assert_eq!(store.check().await, Ok(()));
    assert_eq!(store.check().await, Ok(()));
    store.close().await;
}

pub async fn dropping_the_store_loses_nothing(database: &dyn Database) {
    let store = open(database).await;
    let lobby = channel("chat:lobby");
    let waiting: Vec<_> = (1..=50).map(|number| store.append(message(&lobby, number))).collect();
    drop(store);
    for (answer, number) in waiting.into_iter().zip(1..) {
        assert_eq!(placed(answer.await.expect("appended")), (number, false));
    }
    let store = open(database).await;
    assert_eq!(numbers(&whole(&*store, &lobby).await), (1..=50).collect::<Vec<_>>());
    store.close().await;
}

pub async fn calls_that_are_dropped_half_way_harm_nothing(database: &dyn Database) {
    let store = open(database).await;
    let lobby = channel("chat:lobby");
    fill(&*store, &lobby, 40).await;
    let nothing = Retention { messages: None, age_ms: None };
    for polls in 0..20 {
        poll_and_drop(store.erase(&lobby, 41), polls).await;
        poll_and_drop(store.expire(&lobby, nothing, START), polls).await;
        poll_and_drop(store.read(&lobby, ReadFrom::After(0), 100, usize::MAX), polls).await;
        poll_and_drop(store.check(), polls).await;
        let next = store.append(message(&lobby, 41 + polls)).await.expect("appended");
        assert_eq!(placed(next), (41 + polls, false));
        store.erase(&lobby, 41 + polls).await.expect("erased");
    }
    assert_eq!(numbers(&whole(&*store, &lobby).await)[..40], (1..=40).collect::<Vec<_>>());
    store.close().await;
}

/// Polls a future so often, while what it waits for goes on, and drops it.
async fn poll_and_drop<F: Future + Unpin>(mut future: F, polls: u64) {
    for _ in 0..polls {
        let ready = std::future::poll_fn(|context| Poll::Ready(Pin::new(&mut future).poll(context).is_ready())).await;
        if ready {
            return;
        }
        tokio::task::yield_now().await;
    }
}
