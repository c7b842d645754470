//! Looks: records by name, heads, and that all of it is one snapshot.

use super::super::sample::{channel, fill};
use super::RecordsDatabase;
use super::sample::{counting, done, look, name, open, putting, record, room};
use crate::log::ReadFrom;
use crate::records::{Kind, List, Look};

pub async fn everything_comes_in_the_order_asked_for(database: &dyn RecordsDatabase) {
    let store = open(database).await;
    let (room, other) = (room(), channel("room:other"));
    let records: Vec<_> = (0..100).map(|at| record(&room, Kind::Member, &format!("m{at}"), at)).collect();
    done(&*store, putting(&room, 1, records.clone())).await;
    fill(&*store, &other, 3).await;
    let keys: Vec<_> = (0..110)
        .rev()
        .map(|at| name(&room, Kind::Member, &format!("m{at}")))
        .chain([name(&room, Kind::Member, "m7"), name(&room, Kind::Person, "m7"), name(&other, Kind::Member, "m7")])
        .collect();
    let heads = vec![other.clone(), channel("room:none"), room.clone(), other];
    let looked = look(&*store, Look { heads, keys: keys.clone(), lists: Vec::new() }).await;
    assert_eq!(looked.heads.iter().map(|head| head.position.offset).collect::<Vec<_>>(), [3, 0, 1, 3]);
    let expected = keys.iter().map(|key| records.iter().find(|record| record.key == *key).cloned());
    assert_eq!(looked.keys, expected.collect::<Vec<_>>());
    assert_eq!(look(&*store, Look::default()).await, crate::records::Looked::default());
    store.close().await;
}

pub async fn a_look_is_one_snapshot(database: &dyn RecordsDatabase) {
    const ACTS: u64 = 200;
    let store = open(database).await;
    let room = room();
    let count = name(&room, Kind::Room, "count");
    let list =
        List::Group { home: room.clone(), kind: Kind::Room, group: String::new(), from: ReadFrom::After(0), limit: 1 };
    let question = Look { heads: vec![room.clone()], keys: vec![count], lists: vec![list] };
    let acting = async {
        for number in 1..=ACTS {
            done(&*store, counting(&room, number)).await;
        }
    };
    let looking = async {
        let mut seen = 0;
        while seen < ACTS {
            let looked = look(&*store, question.clone()).await;
            let head = looked.heads[0].position.offset;
            let counted = looked.keys[0].as_ref().map_or(0, |record| record.at);
            let listed = looked.lists[0].first().map_or(0, |record| record.at);
            assert_eq!((counted, listed), (head, head), "each act counts one and says one");
            assert!(seen <= head, "time goes on");
            seen = head;
        }
    };
    tokio::join!(acting, looking);
    store.close().await;
}
