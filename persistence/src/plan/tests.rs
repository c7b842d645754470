//! Tables of what a batch comes to.

use std::sync::Arc;

use hubbub_protocol::channel::{ChannelKey, ChannelName, TenantId};
use hubbub_protocol::position::OFFSET_MAX;
use hubbub_protocol::{Data, ErrorCode, Key, MessageId};

use super::keys::digest;
use super::*;
use crate::batch::Item;
use crate::log::{Append, Appended};
use crate::records::scripted::{Scripted, event};
use crate::records::{Acted, Kind, Record, RecordKey, Refusal, Stop, Verdict, View};
use crate::store::KEY_TTL_MS;

fn channel(name: &str) -> ChannelKey {
    ChannelKey::new(TenantId::parse("t").expect("a tenant"), ChannelName::parse(name).expect("a channel"))
}

fn append(n: u128, time: u64, key: Option<&str>, data: &str) -> Append {
    Append {
        channel: channel("chat:a"),
        id: MessageId::from_parts(time, n),
        time,
        publisher: "user/u".into(),
        key: key.map(|key| Key::parse(key).expect("a key")),
        conflate_key: None,
        from: None,
        data: Data::parse(data.into()).expect("json"),
    }
}

fn item(append: Append) -> Item {
    Item::Append(append)
}

fn id(number: u64) -> MessageId {
    MessageId::from_parts(number, 0)
}

/// An act in `chat:a` and `chat:b`, of this number.
fn act(number: u64, decide: impl Fn(&mut View<'_>) -> Result<Verdict, Stop> + Send + Sync + 'static) -> Scripted {
    Scripted::new(&[channel("chat:a"), channel("chat:b")], 1, id(number), decide)
}

fn acting(act: Scripted) -> Item {
    Item::Act(Arc::new(act))
}

/// A verdict with one event in the home channel.
fn says(number: u64) -> Verdict {
    let data = Data::parse(number.to_string()).expect("json");
    Verdict { events: vec![event(&channel("chat:a"), id(number), data)], ..Verdict::default() }
}

fn named(key: &str) -> RecordKey {
    RecordKey { home: channel("chat:a"), kind: Kind::Room, key: key.into() }
}

fn record(key: &str, at: u64) -> Record {
    Record { key: named(key), group: String::new(), at, who: None, text: None, body: "{}".into() }
}

fn knowing(channels: usize, head: u64) -> Known {
    Known { epoch: Epoch::from_u64(7), heads: vec![head; channels], keys: HashMap::new(), answers: Answers::new() }
}

/// Plans, and answers that nothing is there to whatever is asked. Also how often it asked.
fn planned(batch: &[Item], head: u64) -> (Plan<'_>, u32) {
    let named = Named::new(batch);
    let mut known = knowing(named.channels.len(), head);
    let mut asked = 0;
    loop {
        match plan(&named, &known) {
            Planned::Whole(plan) => return (plan, asked),
            Planned::Asking(questions) => {
                known.answers.extend(questions.into_iter().map(|question| (question, Vec::new())));
                asked += 1;
            }
        }
    }
}

/// Offsets, `None` for a conflict or a refusal, and whether it was there before.
fn offsets(plan: &Plan<'_>) -> Vec<Option<(u64, bool)>> {
    let offset = |answer: &Result<Outcome, StoreError>| match answer {
        Ok(Outcome::Appended(Appended::At { position, duplicate, .. })) => Some((position.offset, *duplicate)),
        Ok(Outcome::Acted(Acted::Done { events, .. })) => {
            Some((events.first().and_then(|event| event.position).map_or(0, |position| position.offset), false))
        }
        Ok(Outcome::Acted(Acted::Before { position, .. })) => Some((position.offset, true)),
        _ => None,
    };
    plan.answers.iter().map(offset).collect()
}

#[test]
fn one_batch_answers_like_many() {
    let late = KEY_TTL_MS + 2;
    let batch = [
        append(1, 1, Some("k"), "1"),
        append(2, 1, Some("k"), "1"),
        append(3, 1, Some("k"), "2"),
        append(4, 1, None, "1"),
        append(5, late, Some("k"), "2"),
        append(6, late, Some("k"), "1"),
    ]
    .map(item);
    let (plan, _) = planned(&batch, 10);
    let first = Some((11, false));
    let expected = [first, Some((11, true)), None, Some((12, false)), Some((13, false)), None];
    assert_eq!(offsets(&plan), expected);
    assert_eq!(plan.heads, [13]);
    assert_eq!(plan.keys.len(), 1, "the later use of the key replaces the earlier one");
    assert_eq!(plan.keys[0].1.offset, 13);
}

#[test]
fn publisher_and_key_do_not_run_into_each_other() {
    assert_ne!(scope_of("user/a", "bc"), scope_of("user/ab", "c"));
}

#[test]
fn the_conflate_key_is_part_of_what_is_compared() {
    let plain = append(1, 1, Some("k"), "1");
    let conflated = Append { conflate_key: Some(Key::parse("1").expect("a key")), ..plain.clone() };
    assert_ne!(digest(&item(plain)), digest(&item(conflated)));
}

#[test]
fn what_no_column_holds_fails_alone() {
    let batch = [append(1, u64::MAX, None, "1"), append(2, 1, None, "1")].map(item);
    let (plan, _) = planned(&batch, 0);
    assert!(matches!(plan.answers[0], Err(StoreError::Refused(_))));
    assert_eq!(offsets(&plan), [None, Some((1, false))]);
    let full = [append(1, 1, None, "1")].map(item);
    assert!(matches!(planned(&full, OFFSET_MAX).0.answers[0], Err(StoreError::Refused(_))));
}

#[test]
fn appends_and_acts_count_in_their_order() {
    let batch = [
        item(append(1, 1, None, "1")),
        acting(act(2, |view| {
            assert_eq!(view.next_offset(&channel("chat:a"), 0), 2, "the append before it counts");
            Ok(says(2))
        })),
        item(append(3, 1, None, "1")),
        acting(act(4, |view| {
            assert_eq!(view.next_offset(&channel("chat:b"), 1), 2);
            Ok(says(4))
        })),
    ];
    let (plan, _) = planned(&batch, 0);
    assert_eq!(offsets(&plan), [1, 2, 3, 4].map(|offset| Some((offset, false))));
    assert_eq!(plan.heads, [4, 0]);
}

#[test]
fn acts_see_what_those_before_them_changed() {
    let count = |number| {
        acting(act(number, move |view| {
            let before = view.get(&named("count"))?.map_or(0, |record| record.at);
            view.put(record("count", before + 1));
            Ok(says(number))
        }))
    };
    let batch = [count(1), count(2), count(3)];
    let (plan, asked) = planned(&batch, 0);
    assert_eq!(asked, 1, "one round answers all");
    let records: Vec<_> = plan.records.iter().map(|(key, record)| (key.key.clone(), record.map(|r| r.at))).collect();
    assert_eq!(records, [("count".to_owned(), Some(3))]);
}

#[test]
fn a_refusal_changes_nothing() {
    let batch = [
        acting(act(1, |view| {
            view.put(record("mine", 1));
            Err(Stop::Refused(Refusal { code: ErrorCode::Forbidden, message: "no".into(), retry_after_ms: None }))
        })),
        acting(act(2, |view| {
            assert_eq!(view.get(&named("mine"))?, None);
            Ok(says(2))
        })),
    ];
    let (plan, _) = planned(&batch, 0);
    assert!(matches!(plan.answers[0], Ok(Outcome::Acted(Acted::Refused(_)))));
    assert_eq!(offsets(&plan)[1], Some((1, false)));
    assert!(plan.records.is_empty());
}

#[test]
fn an_act_that_breaks_its_contract_fails_alone() {
    let other = || channel("chat:c");
    let elsewhere = move || RecordKey { home: other(), ..named("a") };
    let events = |events| Ok(Verdict { events, ..Verdict::default() });
    let said = |of: &ChannelKey, number| event(of, id(number), Data::parse("1".into()).expect("json"));
    let put = |change: fn(&mut Record)| {
        act(1, move |view: &mut View<'_>| {
            let mut bad = record("a", 1);
            change(&mut bad);
            view.put(bad);
            Ok(says(1))
        })
    };
    let broken: Vec<Scripted> = vec![
        act(1, move |_| events(vec![said(&channel("chat:c"), 1)])),
        act(1, move |_| events(vec![said(&channel("chat:a"), 1), said(&channel("chat:a"), 1)])),
        act(1, move |_| events(vec![said(&channel("chat:a"), 9)])),
        act(1, move |_| events(vec![said(&channel("chat:a"), 1), said(&channel("chat:a"), 7)])),
        act(1, |_| Err(Stop::Missing)),
        act(1, |_| panic!("as this test wants")),
        act(1, move |view| view.get(&elsewhere()).map(|_| says(1))),
        act(1, move |view| {
            view.remove(elsewhere());
            Ok(says(1))
        }),
        act(1, |view| {
            view.remove(named(""));
            Ok(says(1))
        }),
        put(|bad| bad.key.key = "x".repeat(crate::records::KEY_MAX + 1)),
        put(|bad| bad.key.key = "a\0b".into()),
        put(|bad| bad.group = "x".repeat(crate::records::GROUP_MAX + 1)),
        put(|bad| bad.group = "\0".into()),
        put(|bad| bad.at = OFFSET_MAX + 1),
        put(|bad| bad.body = "\"\0\"".into()),
        put(|bad| bad.body = String::new()),
        put(|bad| bad.text = Some("a\0".into())),
        act(1, |_| Ok(says(1))).by(""),
        act(1, |_| Ok(says(1))).by("user/\0"),
        Scripted::new(&[], 1, id(1), |_| Ok(Verdict::default())),
        Scripted::new(&[channel("chat:a")], u64::MAX, id(1), |_| Ok(says(1))),
    ];
    for (number, broken) in broken.into_iter().enumerate() {
        let batch = [acting(act(7, |_| Ok(says(7)))), acting(broken), acting(act(8, |_| Ok(says(8))))];
        let (plan, _) = planned(&batch, 0);
        assert!(matches!(plan.answers[1], Err(StoreError::Refused(_))), "{number}: {:?}", plan.answers[1]);
        assert_eq!(offsets(&plan), [Some((1, false)), None, Some((2, false))], "{number}");
        assert!(plan.records.is_empty(), "{number}");
    }
}

#[test]
fn an_act_without_end_is_refused_after_some_rounds() {
    let mut rounds = Rounds::default();
    for _ in 0..ROUNDS {
        assert_eq!(rounds.begin(), Ok(()));
    }
    assert!(matches!(rounds.begin(), Err(StoreError::Refused(_))));
}

#[test]
fn keys_of_acts_go_with_the_first_event_at_home() {
    let keyed = |number, digest: &[u8]| {
        let both = move |_: &mut View<'_>| {
            let data = || Data::parse("1".into()).expect("json");
            let events = vec![
                event(&channel("chat:b"), id(number), data()),
                event(&channel("chat:a"), id(number + 1), data()),
                event(&channel("chat:a"), id(number + 2), data()),
            ];
            Ok(Verdict { events, ..Verdict::default() })
        };
        acting(act(number, both).keyed(Key::parse("k").expect("a key"), digest))
    };
    let batch = [keyed(10, b"one"), keyed(20, b"one"), keyed(30, b"two")];
    let (plan, _) = planned(&batch, 5);
    let keys: Vec<bool> = plan.messages.iter().map(|placed| placed.message.key.is_some()).collect();
    assert_eq!(keys, [false, true, false]);
    assert_eq!((plan.keys.len(), plan.keys[0].1.offset, plan.keys[0].1.id), (1, 6, id(11)));
    assert!(matches!(plan.answers[1], Ok(Outcome::Acted(Acted::Before { id: first, .. })) if first == id(11)));
    assert!(matches!(plan.answers[2], Ok(Outcome::Acted(Acted::KeyConflict))));
}

#[test]
fn what_an_erased_event_said_is_forgotten_within_the_batch() {
    let keyed = |number, digest: &[u8]| {
        acting(act(number, move |_| Ok(says(number))).keyed(Key::parse("k").expect("a key"), digest))
    };
    let erasing = acting(act(2, |_| Ok(Verdict { erased: vec![1], ..Verdict::default() })));
    let batch = [keyed(1, b"one"), erasing, keyed(3, b"two")];
    let (plan, _) = planned(&batch, 0);
    assert_eq!(plan.erased, [(0, 1)]);
    assert_eq!(plan.keys[0].1.digest, None);
    assert!(matches!(plan.answers[1], Ok(Outcome::Acted(Acted::Done { erased: true, .. }))));
    assert!(matches!(plan.answers[2], Ok(Outcome::Acted(Acted::Before { .. }))));
}

#[test]
fn the_first_questions_are_those_of_all_acts_once() {
    let asking = |number| {
        acting(act(number, move |view| {
            view.get(&named("a"))?;
            view.get(&named("never asked first"))?;
            Ok(says(number))
        }))
    };
    let batch = [asking(1), item(append(1, 1, None, "1")), asking(2)];
    assert_eq!(first_questions(&batch), [Question::Key(named("a"))]);
}
