//! Rounds: what acts ask while they are decided.

use std::sync::Arc;

use super::RecordsDatabase;
use super::sample::{act, acted, done, name, offsets, open, putting, record, room, says, verdict};
use crate::StoreError;
use crate::records::{GROUP_RECORDS, Kind, Question, Record};

pub async fn questions_may_follow_from_answers(database: &dyn RecordsDatabase) {
    let store = open(database).await;
    let room = room();
    // Each says where the next one is.
    let chain = (0..5).map(|at| record(&room, Kind::Room, &format!("link {at}"), at + 1)).collect();
    done(&*store, putting(&room, 1, chain)).await;
    let follow = |number: u64, links: u64| {
        let home = room.clone();
        act(std::slice::from_ref(&room), number, move |view| {
            let mut at = 0;
            for _ in 0..links {
                let link = view.get(&name(&home, Kind::Room, &format!("link {at}")))?;
                at = link.expect("the chain goes on").at;
            }
            view.put(record(&home, Kind::Room, &format!("end {number}"), at));
            Ok(verdict(vec![says(&home, number)]))
        })
    };
    let waiting =
        [store.act(Arc::new(follow(2, 5))), store.act(Arc::new(follow(3, 1))), store.act(Arc::new(follow(4, 5)))];
    for (acted, offset) in waiting.into_iter().zip(2..) {
        assert_eq!(offsets(acted.await), [offset]);
    }
    let keys = [2, 3, 4].map(|number| name(&room, Kind::Room, &format!("end {number}")));
    let ends = super::sample::stored(&*store, &keys).await;
    assert_eq!(ends.iter().flatten().map(|record| record.at).collect::<Vec<_>>(), [5, 1, 5]);
    store.close().await;
}

pub async fn every_form_of_question_is_answered(database: &dyn RecordsDatabase) {
    let store = open(database).await;
    let room = room();
    let grouped = |key: &str, group: &str, at| Record { group: group.into(), ..record(&room, Kind::Mention, key, at) };
    let records = [
        grouped("c", "g", 3),
        grouped("a", "g", 5),
        grouped("b", "g", 5),
        grouped("d", "g", 9),
        grouped("e", "other", 6),
        Record { key: name(&room, Kind::Reaction, "c"), ..grouped("c", "g", 6) },
        Record { group: "g".into(), ..record(&super::super::sample::channel("room:b"), Kind::Mention, "c", 6) },
    ];
    let (here, elsewhere) = records.split_at(6);
    done(&*store, putting(&room, 1, here.to_vec())).await;
    done(&*store, putting(&elsewhere[0].key.home, 2, elsewhere.to_vec())).await;
    let large = (0..GROUP_RECORDS as u64 + 5).map(|at| grouped(&format!("{at:05}"), "large", at)).collect();
    done(&*store, putting(&room, 3, large)).await;
    let home = room.clone();
    let asking = act(std::slice::from_ref(&room), 4, move |view| {
        let group = |of: &str| Question::Group { home: home.clone(), kind: Kind::Mention, group: of.into() };
        view.want([group("g"), group("large"), group("none")])?;
        let keys = |records: Vec<Record>| records.into_iter().map(|record| record.key.key).collect::<Vec<_>>();
        assert_eq!(keys(view.group(&home, Kind::Mention, "g")?), ["c", "a", "b", "d"]);
        assert_eq!(keys(view.group(&home, Kind::Mention, "none")?), [""; 0]);
        let large = keys(view.group(&home, Kind::Mention, "large")?);
        assert_eq!((large.len(), &*large[0], &*large[999]), (GROUP_RECORDS, "00000", "00999"), "the oldest");
        for (at, expected) in [(2, None), (3, Some("c")), (5, Some("b")), (8, Some("b")), (u64::MAX, Some("d"))] {
            let last = view.last(&home, Kind::Mention, "g", at)?;
            assert_eq!(last.as_ref().map(|record| &*record.key.key), expected, "up to {at}");
        }
        assert_eq!(view.get(&name(&home, Kind::Mention, "none"))?, None);
        Ok(verdict(vec![says(&home, 4)]))
    });
    done(&*store, asking).await;
    store.close().await;
}

pub async fn an_act_that_asks_without_end_fails_alone(database: &dyn RecordsDatabase) {
    let store = open(database).await;
    let room = room();
    let home = room.clone();
    let endless = act(std::slice::from_ref(&room), 2, move |view| {
        (0..).try_for_each(|number| view.get(&name(&home, Kind::Room, &format!("{number}"))).map(drop))?;
        Ok(verdict(Vec::new()))
    });
    let before = store.act(Arc::new(putting(&room, 1, Vec::new())));
    let endless = store.act(Arc::new(endless));
    let after = store.act(Arc::new(putting(&room, 3, Vec::new())));
    assert_eq!(offsets(before.await), [1]);
    let endless = endless.await;
    assert!(matches!(endless, Err(StoreError::Refused(_))), "{endless:?}");
    assert_eq!(offsets(after.await), [2]);
    assert_eq!(offsets(acted(&*store, putting(&room, 4, Vec::new())).await), [3]);
    store.close().await;
}
