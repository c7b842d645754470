//! Goal: acts of several nodes on the same rooms lose nothing and wait for each other in one order. Method: stores, as nodes
//! have them, over one database; and channels that are made to be locked.

use std::sync::Arc;

use hubbub_persistence::records::scripted::{Scripted, event};
use hubbub_persistence::records::{Act, Acted, Kind, Look, Records, Refusal, Stop, Verdict};
use hubbub_persistence::{Postgres, Store};
use hubbub_protocol::channel::ChannelKey;
use hubbub_protocol::{Data, ErrorCode, MessageId};
use sqlx::{Connection, PgConnection};

use super::fixture::{channel, fill, message, offset, open, putting, record, server, tenant, whole};

/// Counts a record of each of these channels up, and says so there.
fn counting(channels: &[ChannelKey], number: u64) -> Arc<dyn Act> {
    let homes = channels.to_vec();
    Arc::new(Scripted::new(channels, number, MessageId::from_parts(number, 0), move |view| {
        let mut verdict = Verdict::default();
        for home in &homes {
            let name = record(home.channel.as_str(), Kind::Room, "count", 0);
            let before = view.get(&name.key)?.map_or(0, |record| record.at);
            assert_eq!(view.next_offset(home, 0), before + 1, "count and head move together");
            view.put(hubbub_persistence::records::Record { at: before + 1, ..name });
            verdict.events.push(event(home, MessageId::from_parts(number, 0), Data::parse("1".into()).expect("json")));
        }
        Ok(verdict)
    }))
}

async fn counts(store: &Postgres, homes: &[ChannelKey]) -> Vec<u64> {
    let keys = homes.iter().map(|home| record(home.channel.as_str(), Kind::Room, "count", 0).key).collect();
    let looked = store.look(&tenant("acme"), Look { keys, ..Look::default() }).await.expect("looked");
    looked.keys.into_iter().map(|record| record.map_or(0, |record| record.at)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_count_in_one_room_lose_no_update() {
    const NODES: u64 = 3;
    const EACH: u64 = 100;
    let server = server().await;
    let room = channel("room:a");
    let mut workers = tokio::task::JoinSet::new();
    for node in 0..NODES {
        let (store, room) = (Arc::new(open(&server, node).await), room.clone());
        workers.spawn(async move {
            for number in 0..EACH {
                let act = counting(std::slice::from_ref(&room), 1 + node * EACH + number);
                assert!(matches!(store.act(act).await, Ok(Acted::Done { .. })));
            }
            store
        });
    }
    let stores = workers.join_all().await;
    for store in &stores {
        assert_eq!(counts(store, std::slice::from_ref(&room)).await, [NODES * EACH]);
    }
    assert_eq!(whole(&stores[0], "room:a").await.len() as u64, NODES * EACH);
    for store in stores {
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn acts_that_cross_over_rooms_all_get_through() {
    const EACH: u64 = 60;
    let server = server().await;
    let rooms: Vec<ChannelKey> = (0..4).map(|number| channel(&format!("room:{number}"))).collect();
    let mut workers = tokio::task::JoinSet::new();
    for node in 0..2 {
        let (store, mut rooms) = (Arc::new(open(&server, node).await), rooms.clone());
        if node == 1 {
            rooms.reverse();
        }
        workers.spawn(async move {
            // Many at once, so that there are batches that cross.
            let acts = (0..EACH).map(|number| {
                let from = number as usize % 3;
                store.act(counting(&rooms[from..from + 2], 1 + node * EACH + number))
            });
            for acted in futures_util::future::join_all(acts).await {
                assert!(matches!(acted, Ok(Acted::Done { .. })), "{acted:?}");
            }
            store
        });
    }
    let stores = workers.join_all().await;
    let counted = counts(&stores[0], &rooms).await;
    assert_eq!(counted.iter().sum::<u64>(), 2 * 2 * EACH);
    for store in stores {
        store.close().await;
    }
}

#[tokio::test]
async fn a_channel_that_was_made_for_a_lock_goes_again() {
    let server = server().await;
    let (store, other) = (open(&server, 1).await, open(&server, 2).await);
    fill(&store, "chat:a", 1..=1).await;
    let refusing = |name: &str, number| -> Arc<dyn Act> {
        let no = Refusal { code: ErrorCode::NotFound, message: "no".into(), retry_after_ms: None };
        Arc::new(Scripted::new(&[channel(name)], number, MessageId::from_parts(number, 0), move |_| {
            Err(Stop::Refused(no.clone()))
        }))
    };
    let recording = |number: u64| -> Arc<dyn Act> {
        Arc::new(Scripted::new(&[channel("room:quiet")], number, MessageId::from_parts(number, 0), |view| {
            view.put(record("room:quiet", Kind::Task, "t", 1));
            Ok(Verdict::default())
        }))
    };
    // Alone, and in one batch with what is stored.
    assert!(matches!(store.act(refusing("room:none", 1)).await, Ok(Acted::Refused(_))));
    let waiting =
        (store.act(refusing("room:no", 2)), store.act(recording(3)), store.append(message(&channel("chat:a"), 4)));
    assert!(matches!(waiting.0.await, Ok(Acted::Refused(_))));
    assert!(matches!(waiting.1.await, Ok(Acted::Done { .. })));
    assert_eq!(offset(waiting.2.await.expect("appended")), 2);
    assert_eq!(server.psql("SELECT string_agg(name, ' ') FROM hubbub.channels").expect("asked"), "chat:a");
    assert_eq!(store.due(5, 5).await.expect("due").len(), 1, "the record stays");
    // Whoever waits for such a channel makes it anew.
    for round in 0..10 {
        let crossing = (0..10).map(|number| {
            let of = if number % 2 == 0 { &store } else { &other };
            let number = 100 + 10 * round + number;
            of.act(if number % 10 == 3 { putting("room:b", number, Vec::new()) } else { refusing("room:b", number) })
        });
        for crossed in futures_util::future::join_all(crossing).await {
            assert!(crossed.is_ok(), "{crossed:?}");
        }
    }
    assert_eq!(whole(&other, "room:b").await.len(), 10);
    store.close().await;
    other.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_waits_for_a_channel_that_is_forgotten_makes_it_anew() {
    let server = server().await;
    let store = open(&server, 1).await;
    fill(&store, "chat:a", 1..=3).await;
    fill(&store, "chat:b", 1..=1).await;
    // As another node forgets it, before its commit.
    let forget =
        "BEGIN; SELECT set_config('hubbub.tenant', 'acme', true); SELECT hubbub.forget_channel('chat:a', 1000)";
    let mut other = PgConnection::connect(&server.url()).await.expect("connected");
    sqlx::raw_sql(forget).execute(&mut other).await.expect("forgotten");
    let waiting = (
        store.append(message(&channel("chat:a"), 4)),
        store.append(message(&channel("chat:b"), 5)),
        store.act(putting("chat:a", 6, vec![record("chat:a", Kind::Task, "t", 1)])),
    );
    let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted";
    assert!((0..500).any(|_| server.psql(waits).expect("asked") == "1"), "the batch waits for the lock");
    sqlx::raw_sql("COMMIT").execute(&mut other).await.expect("committed");
    assert_eq!(offset(waiting.0.await.expect("appended")), 1, "the channel begins anew");
    assert_eq!(offset(waiting.1.await.expect("appended")), 2);
    let acted = waiting.2.await;
    assert!(matches!(&acted, Ok(Acted::Done { events, .. }) if events.len() == 1), "{acted:?}");
    assert_eq!(whole(&store, "chat:a").await, [(1, 4), (2, 6)]);
    store.close().await;
}

/// What search goes back along would else be all but empty where people react and edit a lot.
#[tokio::test]
async fn a_message_keeps_its_number_when_it_changes() {
    let server = server().await;
    let store = open(&server, 1).await;
    for number in 1..=9 {
        let acted =
            store.act(putting("chat:a", number, vec![record("chat:a", Kind::Message, "changed", number)])).await;
        assert!(matches!(acted, Ok(Acted::Done { .. })), "{acted:?}");
    }
    store.act(putting("chat:a", 10, vec![record("chat:a", Kind::Message, "new", 10)])).await.expect("acted");
    let numbers = "SELECT string_agg(arrived::text, ' ' ORDER BY key) FROM hubbub.records WHERE kind = 3";
    assert_eq!(server.psql(numbers).expect("asked"), "1 2");
    store.close().await;
}
