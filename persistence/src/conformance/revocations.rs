//! Revocations.

use std::collections::HashSet;

use hubbub_protocol::UserId;

use super::Database;
use super::sample::{START, open, tenant};
use crate::{Revocation, RevokedSubject, Store};

pub async fn revocations_count_until_they_end(database: &dyn Database) {
    let store = open(database).await;
    assert_eq!(store.revocations(START).await, Ok(Vec::new()));
    let short = token("acme", "a", START + 10);
    let long = token("acme", "b", START + 20);
    let theirs = token("other", "a", START + 20);
    let user = user("acme", 7, START + 20);
    for revocation in [&short, &long, &theirs, &user] {
        store.revoke(revocation.clone()).await.expect("revoked");
    }
    assert_eq!(
        counting(&*store, START + 9).await,
        HashSet::from([short, long.clone(), theirs.clone(), user.clone()].map(row))
    );
    assert_eq!(counting(&*store, START + 10).await, HashSet::from([long, theirs, user].map(row)));
    assert_eq!(counting(&*store, START + 20).await, HashSet::new());
    store.close().await;
}

pub async fn the_same_revocation_only_moves_later(database: &dyn Database) {
    let store = open(database).await;
    for (before, until) in [(5, START + 10), (9, START + 5), (7, START + 8)] {
        store.revoke(user("acme", before, until)).await.expect("revoked");
    }
    assert_eq!(store.revocations(START).await, Ok(vec![user("acme", 9, START + 10)]));
    store.close().await;
}

type Row = (String, RevokedSubject, u64);

async fn counting(store: &dyn Store, now: u64) -> HashSet<Row> {
    let all = store.revocations(now).await.expect("revocations");
    let count = all.len();
    let set: HashSet<Row> = all.into_iter().map(row).collect();
    assert_eq!(set.len(), count, "each is there once");
    set
}

fn row(revocation: Revocation) -> Row {
    (revocation.tenant.to_string(), revocation.subject, revocation.until)
}

fn token(owner: &str, name: &str, until: u64) -> Revocation {
    Revocation { tenant: tenant(owner), subject: RevokedSubject::Token(name.into()), until }
}

fn user(owner: &str, before: u64, until: u64) -> Revocation {
    let user = UserId::parse("ada").expect("a user");
    Revocation { tenant: tenant(owner), subject: RevokedSubject::User { user, before }, until }
}
