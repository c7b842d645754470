//! Goal: a database that is away, stands still or is no primary any more is `Unavailable`, in bounded time, and the store
//! is back by itself when the database is.

use std::time::{Duration, Instant};

use hubbub_persistence::postgres::Settings;
use hubbub_persistence::{Postgres, ReadFrom, Store, StoreError};

use super::fixture::{channel, epoch, fill, message, offset, open, server, settings, tenant, whole};

fn away<T: std::fmt::Debug>(answer: Result<T, StoreError>) {
    assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
}

#[tokio::test]
async fn a_database_that_is_down_is_unavailable_and_comes_back() {
    let mut server = server().await;
    let store = open(&server, 1).await;
    fill(&store, "chat:a", 1..=3).await;
    server.kill().expect("killed");
    let begun = Instant::now();
    away(store.read(&channel("chat:a"), ReadFrom::After(0), 10, 1_000).await);
    away(store.append(message(&channel("chat:a"), 4)).await);
    away(store.check().await);
    away(Postgres::open(settings(server.url(), 2)).await);
    assert!(begun.elapsed() < Duration::from_secs(5), "nobody waits for what is not there");
    server.start_again().expect("started");
    assert_eq!(store.check().await, Ok(()));
    assert_eq!(offset(store.append(message(&channel("chat:a"), 4)).await.expect("appended")), 4);
    store.close().await;
}

#[tokio::test]
async fn a_database_that_stands_still_is_unavailable_in_bounded_time() {
    let mut server = server().await;
    let store =
        Postgres::open(Settings { connections: 4, ..settings(server.url(), 1) }).await.expect("the store opens");
    fill(&store, "chat:a", 1..=3).await;
    server.pause().expect("paused");
    let begun = Instant::now();
    let lobby = channel("chat:a");
    // More than there are connections: those without one are told sooner.
    let reads = (0..6).map(|_| async {
        let read = store.read(&lobby, ReadFrom::After(0), 10, 1_000).await;
        assert!(matches!(read, Err(StoreError::Unavailable(_) | StoreError::Overloaded)), "{read:?}");
        begun.elapsed()
    });
    let mut took = futures_util::future::join_all(reads).await;
    took.sort_unstable();
    assert!(took[0] < Duration::from_secs(5), "who gets no connection is told so: {took:?}");
    assert!(took[5] < Duration::from_secs(15), "{took:?}");
    server.resume().expect("resumed");
    assert_eq!(whole(&store, "chat:a").await.len(), 3);
    assert_eq!(fill(&store, "chat:a", 4..=4).await, [4]);
    store.close().await;
}

#[tokio::test]
async fn a_server_that_takes_no_writes_is_unavailable() {
    let server = server().await;
    let store = open(&server, 1).await;
    fill(&store, "chat:a", 1..=3).await;
    let standby = server.standby().expect("a standby");
    server.wait_for_standby(&standby).expect("it follows");
    // A standby in the place of the primary knows nothing of the present.
    away(Postgres::open(settings(standby.url(), 2)).await);
    store.close().await;
}

#[tokio::test]
async fn lists_may_come_from_a_standby_and_all_else_comes_from_the_primary() {
    let server = server().await;
    let standby = server.standby().expect("a standby");
    let replica_url = Some(standby.url());
    let store = Postgres::open(Settings { replica_url, ..settings(server.url(), 1) }).await.expect("the store opens");
    fill(&store, "chat:a", 1..=3).await;
    server.wait_for_standby(&standby).expect("it follows");
    standby.psql("SELECT pg_wal_replay_pause()").expect("paused");
    fill(&store, "chat:a", 4..=5).await;
    fill(&store, "chat:b", 1..=1).await;
    let listed = store.channels(&tenant("acme"), None, 10).await.expect("listed");
    assert_eq!(listed.len(), 1, "the standby has not heard of the other");
    assert_eq!((listed[0].1.position.offset, listed[0].1.position.epoch), (3, epoch(&store).await));
    assert_eq!(store.tenants().await, Ok(vec![tenant("acme")]));
    assert_eq!(whole(&store, "chat:a").await.len(), 5, "a page is never stale");
    drop(standby);
    let listed = store.channels(&tenant("acme"), None, 10).await.expect("listed");
    assert_eq!(listed.len(), 2, "without the standby the primary is asked");
    store.close().await;
}

#[tokio::test]
async fn a_node_that_stops_in_the_middle_gives_its_locks_back() {
    let server = server().await;
    let store = open(&server, 1).await;
    fill(&store, "chat:a", 1..=1).await;
    // As another node would, that then hears nothing any more.
    let lock = "BEGIN; SELECT set_config('hubbub.tenant', 'acme', true), set_config('idle_in_transaction_session_timeout', '1000', true); \
                SELECT * FROM hubbub.lock_channels(ARRAY['acme'], ARRAY['chat:a'])";
    let mut other = <sqlx::PgConnection as sqlx::Connection>::connect(&server.url()).await.expect("connected");
    sqlx::raw_sql(lock).execute(&mut other).await.expect("locked");
    assert_eq!(fill(&store, "chat:a", 2..=2).await, [2]);
    store.close().await;
}
