//! Idempotency keys of acts.

use hubbub_protocol::MessageId;

use super::super::sample::{START, channel, data, key, keyed, message, whole};
use super::sample::{act, acted, counting, done, name, open, putting, room, says, stored, verdict};
use super::{RecordsDatabase, Whole};
use crate::records::scripted::Scripted;
use crate::records::{Acted, Kind};
use crate::store::KEY_TTL_MS;
use crate::{Append, Appended};

async fn before(store: &dyn Whole, act: Scripted) -> (MessageId, u64, u64) {
    match acted(store, act).await {
        Ok(Acted::Before { id, position, time }) => (id, position.offset, time),
        other => panic!("{other:?}"),
    }
}

pub async fn a_repeated_key_answers_the_first_event(database: &dyn RecordsDatabase) {
    let store = open(database).await;
    let room = room();
    done(&*store, putting(&room, 1, Vec::new())).await;
    match acted(&*store, counting(&room, 2).keyed(key("k"), b"what it says")).await {
        Ok(Acted::Done { events, .. }) => assert_eq!(events[0].key, Some(key("k")), "its own is recognised by the key"),
        other => panic!("{other:?}"),
    }
    let first = (super::sample::id(2), 2, START + 2);
    assert_eq!(before(&*store, counting(&room, 3).keyed(key("k"), b"what it says")).await, first);
    // In one batch too.
    let retry = |number| store.act(std::sync::Arc::new(counting(&room, number).keyed(key("l"), b"other")));
    let [one, two] = [retry(4), retry(5)];
    assert!(matches!(one.await, Ok(Acted::Done { .. })));
    assert!(matches!(two.await, Ok(Acted::Before { position, .. }) if position.offset == 3));
    let count = stored(&*store, &[name(&room, Kind::Room, "count")]).await;
    assert_eq!(count[0].as_ref().map(|record| record.at), Some(2), "a repeated act changes nothing");
    // Somebody else's, or one that is old.
    let theirs = counting(&room, 6).keyed(key("k"), b"theirs").by("user/bob");
    assert_eq!(done(&*store, theirs).await, [4]);
    let late = START + KEY_TTL_MS + 1_000;
    let of = room.clone();
    let late = Scripted::new(&[room], late, super::sample::id(7), move |_| Ok(verdict(vec![says(&of, 7)])));
    assert_eq!(done(&*store, late.keyed(key("k"), b"new")).await, [5]);
    store.close().await;
}

pub async fn another_digest_is_a_conflict(database: &dyn RecordsDatabase) {
    let store = open(database).await;
    let room = room();
    done(&*store, counting(&room, 1).keyed(key("k"), b"one")).await;
    assert_eq!(acted(&*store, counting(&room, 2).keyed(key("k"), b"two")).await, Ok(Acted::KeyConflict));
    assert_eq!(whole(&*store, &room).await.len(), 1);
    // An act without an event at home keeps no key: there is nothing that it could name.
    let own = channel("user:ada");
    let elsewhere = |number| {
        let own = own.clone();
        act(&[room.clone(), own.clone()], number, move |_| Ok(verdict(vec![says(&own, number)])))
    };
    assert_eq!(done(&*store, elsewhere(3).keyed(key("l"), b"one")).await, [1]);
    assert_eq!(done(&*store, elsewhere(4).keyed(key("l"), b"two")).await, [2]);
    store.close().await;
}

pub async fn keys_of_acts_and_appends_are_the_same(database: &dyn RecordsDatabase) {
    let store = open(database).await;
    let room = room();
    store.append(keyed(&room, 1, "k")).await.expect("appended");
    assert_eq!(acted(&*store, counting(&room, 2).keyed(key("k"), b"one")).await, Ok(Acted::KeyConflict));
    done(&*store, counting(&room, 3).keyed(key("l"), b"one")).await;
    let append = Append { key: Some(key("l")), data: data("1"), ..message(&room, 4) };
    assert_eq!(store.append(append).await, Ok(Appended::KeyConflict));
    store.close().await;
}
