//! Atomicity: an act is stored whole or not at all, and fails nobody else.

use std::sync::Arc;

use hubbub_protocol::ErrorCode;

use super::super::sample::{channel, data, message, numbers, placed, tenant, whole};
use super::RecordsDatabase;
use super::sample::{
    act, acted, done, id, name, offsets, open, putting, record, refusal, room, says, stored, user, verdict,
};
use crate::StoreError;
use crate::records::{Acted, Kind, Record, Verdict};

pub async fn an_act_is_stored_whole(database: &dyn RecordsDatabase) {
    let store = open(database).await;
    let (room, own) = (room(), channel("user:bob"));
    assert_eq!(done(&*store, putting(&room, 1, Vec::new())).await, [1]);
    let (home, other) = (room.clone(), own.clone());
    let both = act(&[room.clone(), own.clone()], 2, move |view| {
        assert_eq!((view.next_offset(&home, 0), view.next_offset(&home, 1), view.next_offset(&other, 0)), (2, 3, 1));
        view.put(record(&home, Kind::Member, "bob", 7));
        view.put(record(&other, Kind::Notice, "n", 8));
        let first = crate::records::Event { from: Some(user("ada")), ..says(&home, 2) };
        let events = vec![first, says(&other, 2), says(&home, 3)];
        let (access, answer) = (vec![user("bob")], Some(data("\"done\"")));
        Ok(Verdict { events, access, answer, erased: vec![1] })
    });
    match acted(&*store, both).await {
        Ok(Acted::Done { events, access, erased, answer }) => {
            let events: Vec<_> = events
                .iter()
                .map(|event| (event.channel.as_str(), event.position.map(|position| position.offset), event.id))
                .collect();
            assert_eq!(events, [("room:a", Some(2), id(2)), ("user:bob", Some(1), id(2)), ("room:a", Some(3), id(3))]);
            assert_eq!((access, erased, answer), (vec![user("bob")], true, Some(data("\"done\""))));
        }
        other => panic!("{other:?}"),
    }
    let keys = [name(&room, Kind::Member, "bob"), name(&own, Kind::Notice, "n")];
    let records = stored(&*store, &keys).await;
    assert_eq!(records, [Some(record(&room, Kind::Member, "bob", 7)), Some(record(&own, Kind::Notice, "n", 8))]);
    let log = whole(&*store, &room).await;
    assert_eq!(log.len(), 3);
    let crate::Entry::Message(first) = &log[1] else { panic!("{log:?}") };
    assert_eq!((first.id, first.time, first.from.clone()), (id(2), super::super::sample::START + 2, Some(user("ada"))));
    assert_eq!((numbers(&log), numbers(&whole(&*store, &own).await)), (vec![2, 2], vec![2]), "the time is the act's");
    store.close().await;
}

pub async fn a_refusal_changes_nothing_and_fails_nobody(database: &dyn RecordsDatabase) {
    let store = open(database).await;
    let (room, nowhere) = (room(), channel("room:nowhere"));
    let refused = |channel: &hubbub_protocol::ChannelKey, number| {
        let home = channel.clone();
        act(std::slice::from_ref(channel), number, move |view| {
            view.put(record(&home, Kind::Room, "refused", 1));
            Err(refusal())
        })
    };
    let before = store.act(Arc::new(putting(&room, 1, vec![record(&room, Kind::Room, "kept", 1)])));
    let no = [store.act(Arc::new(refused(&room, 2))), store.act(Arc::new(refused(&nowhere, 3)))];
    let after = store.append(message(&room, 4));
    assert_eq!(offsets(before.await), [1]);
    for no in no {
        match no.await {
            Ok(Acted::Refused(refusal)) => {
                assert_eq!((refusal.code, refusal.retry_after_ms), (ErrorCode::Forbidden, Some(7)));
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(placed(after.await.expect("appended")), (2, false));
    assert!(matches!(acted(&*store, refused(&nowhere, 5)).await, Ok(Acted::Refused(_))), "also alone");
    let keys =
        [name(&room, Kind::Room, "kept"), name(&room, Kind::Room, "refused"), name(&nowhere, Kind::Room, "refused")];
    assert_eq!(stored(&*store, &keys).await, [Some(record(&room, Kind::Room, "kept", 1)), None, None]);
    let channels = store.channels(&tenant("acme"), None, 10).await.expect("channels");
    assert_eq!(channels.len(), 1, "a refusal makes no log");
    store.close().await;
}

pub async fn an_act_that_can_not_be_stored_fails_alone(database: &dyn RecordsDatabase) {
    let store = open(database).await;
    let room = room();
    assert_eq!(done(&*store, putting(&room, 1, Vec::new())).await, [1]);
    let bad = |change: fn(&mut Record)| {
        let mut bad = record(&room, Kind::Room, "bad", 1);
        change(&mut bad);
        vec![record(&room, Kind::Room, "beside", 1), bad]
    };
    let acts = vec![
        // An id that is in the log already.
        putting(&room, 1, bad(|_| ())),
        putting(&room, 2, bad(|bad| bad.body = "\"\0\"".into())),
        putting(&room, 3, bad(|bad| bad.group = "\0".into())),
        putting(&room, 4, bad(|bad| bad.key.key = "\0".into())),
        putting(&room, 5, bad(|bad| bad.text = Some("\0".into()))),
        putting(&room, 6, bad(|bad| bad.key.home = channel("room:elsewhere"))),
        act(std::slice::from_ref(&room), 7, |_| panic!("as this test wants")),
        act(std::slice::from_ref(&room), 8, |_| Ok(verdict(vec![says(&channel("room:elsewhere"), 8)]))),
    ];
    let mut next = 1;
    let waiting: Vec<_> = (100..)
        .zip(acts)
        .map(|(number, bad)| (store.append(message(&room, number)), store.act(Arc::new(bad))))
        .collect();
    for (number, (appended, acted)) in waiting.into_iter().enumerate() {
        next += 1;
        assert_eq!(placed(appended.await.expect("appended")), (next, false), "beside {number}");
        let acted = acted.await;
        assert!(matches!(acted, Err(StoreError::Refused(_))), "{number}: {acted:?}");
    }
    let keys = ["beside", "bad"].map(|key| name(&room, Kind::Room, key));
    assert_eq!(stored(&*store, &keys).await, [None, None]);
    store.close().await;
}

pub async fn records_are_put_and_removed(database: &dyn RecordsDatabase) {
    let store = open(database).await;
    let room = room();
    let full = Record {
        key: name(&room, Kind::Message, "k'\"\\ü\t\n%"),
        group: "g {}',\"\\".into(),
        at: (1 << 53) - 1,
        who: Some(user("null")),
        text: Some("it's \u{3} \"quoted\" \\ 😀".into()),
        body: "{\"a\":\"'\\\\ 😀\"}".into(),
    };
    let empty = Record { text: Some(String::new()), ..record(&room, Kind::Message, "NULL", 0) };
    done(&*store, putting(&room, 1, vec![full.clone(), empty.clone()])).await;
    let keys = [full.key.clone(), empty.key.clone()];
    assert_eq!(stored(&*store, &keys).await, [Some(full.clone()), Some(empty.clone())]);
    let changed = Record { group: String::new(), at: 0, who: None, text: None, body: "2".into(), ..full.clone() };
    let (put, gone, never) = (changed.clone(), empty.key.clone(), name(&room, Kind::Message, "never there"));
    let change = act(std::slice::from_ref(&room), 2, move |view| {
        view.put(put.clone());
        view.remove(gone.clone());
        // What is not there is removed all the same.
        view.remove(never.clone());
        Ok(verdict(Vec::new()))
    });
    assert_eq!(done(&*store, change).await, [0; 0]);
    assert_eq!(stored(&*store, &keys).await, [Some(changed), None]);
    store.close().await;
    let store = open(database).await;
    assert_eq!(stored(&*store, &keys).await[1], None, "it is on disk");
    store.close().await;
}
