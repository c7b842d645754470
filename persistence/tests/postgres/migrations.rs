//! Goal: tables are made once, by their owner; a node says clearly when they are not the ones that it needs.

use hubbub_local::postgres::{Options, Postgres as Server};
use hubbub_persistence::postgres::migrate;
use hubbub_persistence::{Postgres, Store, StoreError};

use super::fixture::{fill, open, server, settings};

async fn refusal(server: &Server) -> String {
    match Postgres::open(settings(server.url(), 1)).await {
        Err(StoreError::Refused(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn migrations_at_the_same_time_wait_for_each_other() {
    let server = Server::start(Options::default()).expect("a server");
    let url = server.owner_url();
    let (one, two, three) = tokio::join!(migrate(&url, "hubbub"), migrate(&url, "hubbub"), migrate(&url, "hubbub"));
    assert_eq!([one, two, three], [Ok(()), Ok(()), Ok(())]);
    let store = open(&server, 1).await;
    fill(&store, "chat:a", 1..=1).await;
    assert_eq!(migrate(&url, "hubbub").await, Ok(()), "again, while nodes are at work");
    fill(&store, "chat:a", 2..=2).await;
    store.close().await;
}

#[tokio::test]
async fn a_database_without_tables_is_refused() {
    let server = Server::start(Options::default()).expect("a server");
    let why = refusal(&server).await;
    assert!(why.contains("hubbub migrate"), "{why}");
}

#[tokio::test]
async fn tables_of_an_older_version_are_refused_and_those_of_the_next_are_not() {
    let server = server().await;
    let newest: i64 =
        server.psql("SELECT max(version) FROM hubbub.migrations").expect("asked").parse().expect("a number");
    let add = |version: i64| {
        let row = format!("INSERT INTO hubbub.migrations VALUES ({version}, 'later', now(), true, '', 0)");
        server.psql(&row).expect("added");
    };
    add(newest + 1);
    let store = open(&server, 1).await;
    fill(&store, "chat:a", 1..=1).await;
    store.close().await;
    let older = migrate(&server.owner_url(), "hubbub").await.expect_err("the tables are newer");
    assert!(matches!(&older, StoreError::Refused(why) if why.contains("newer")), "{older:?}");
    add(newest + 2);
    let why = refusal(&server).await;
    assert!(why.contains("newer hub"), "{why}");
    server.psql(&format!("DELETE FROM hubbub.migrations WHERE version >= {newest}")).expect("deleted");
    let why = refusal(&server).await;
    assert!(why.contains("hubbub migrate"), "{why}");
}
