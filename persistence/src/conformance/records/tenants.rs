//! Tenants: the same names, in one batch, apart.

use std::sync::Arc;

use super::super::sample::{channel_of, tenant, whole};
use super::RecordsDatabase;
use super::sample::{act, counting, name, offsets, open, says, verdict};
use crate::StoreError;
use crate::records::{Kind, Look};

pub async fn tenants_do_not_see_each_others_records(database: &dyn RecordsDatabase) {
    const ACTS: u64 = 40;
    let store = open(database).await;
    let owners = ["acme", "other", "third"];
    let homes = owners.map(|owner| channel_of(owner, "room:a"));
    // Taken together, where a store takes acts together.
    let waiting: Vec<_> =
        (0..ACTS * 3).map(|number| store.act(Arc::new(counting(&homes[number as usize % 3], number)))).collect();
    for (acted, number) in waiting.into_iter().zip(0..) {
        assert_eq!(offsets(acted.await), [number / 3 + 1]);
    }
    for (owner, home) in owners.iter().zip(&homes) {
        assert_eq!(whole(&*store, home).await.len() as u64, ACTS);
        let keys = homes.iter().map(|home| name(home, Kind::Room, "count")).collect();
        let looked = store.look(&tenant(owner), Look { keys, heads: homes.to_vec(), lists: Vec::new() }).await;
        let looked = looked.expect("a look");
        for ((other, record), head) in homes.iter().zip(looked.keys).zip(looked.heads) {
            let (count, offset) = if other == home { (Some(ACTS), ACTS) } else { (None, 0) };
            assert_eq!((record.map(|record| record.at), head.position.offset), (count, offset), "{owner} {other}");
        }
    }
    // An act has the tenants of the channels that it names, and no others.
    let (named, other) = (homes[0].clone(), homes[1].clone());
    let peeping = act(&homes[..1], 999, move |view| {
        view.get(&name(&other, Kind::Room, "count"))?;
        Ok(verdict(vec![says(&named, 999)]))
    });
    let peeped = store.act(Arc::new(peeping)).await;
    assert!(matches!(peeped, Err(StoreError::Refused(_))), "{peeped:?}");
    store.close().await;
}
