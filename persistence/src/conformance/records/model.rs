//! Random acts, many of them in one batch, do what they do in memory one after the other.

use std::collections::BTreeMap;
use std::sync::Arc;

use hubbub_protocol::MessageId;
use hubbub_protocol::channel::ChannelKey;

use super::super::sample::{START, channel, data, whole};
use super::sample::{id, look, open, record, refusal, user};
use super::{RecordsDatabase, Whole};
use crate::log::ReadFrom;
use crate::records::ledger::Ledger;
use crate::records::scripted::{Scripted, event};
use crate::records::{Act, Acted, Kind, List, Look, Record, Stop, Verdict, View};
use crate::{Entry, StoreError};

const HOMES: [&str; 4] = ["room:a", "room:b", "room:c", "user:ada"];
const KINDS: [Kind; 2] = [Kind::Message, Kind::Member];
const GROUPS: [&str; 2] = ["", "g"];
const BATCHES: usize = 60;

/// Dice that fall alike each time: SplitMix64.
#[derive(Clone)]
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.throw(from.len() as u64) as usize].clone()
    }
}

/// One thing that an act does. What it finds it writes into a record, so that a wrong answer shows.
#[derive(Clone, Debug)]
enum Step {
    Put(Record),
    Remove(Record),
    /// Counts the record of this name up.
    Count(Record),
    /// Writes the key of the last of the group up to a place into the record.
    Last(Record, u64),
    /// Writes the keys of the group into the record.
    Group(Record),
    Say(ChannelKey),
    Erase(u64),
    /// Refuses when the record is there.
    RefuseIf(Record),
}

fn step(dice: &mut Dice, homes: &[ChannelKey]) -> Step {
    let home = dice.pick(homes);
    let made = Record {
        group: dice.pick(&GROUPS).into(),
        who: dice.pick(&[None, Some(user("ada"))]),
        text: dice.pick(&[None, Some("some words".to_owned())]),
        ..record(&home, dice.pick(&KINDS), &format!("k{}", dice.throw(6)), dice.throw(5))
    };
    match dice.throw(16) {
        0..4 => Step::Put(made),
        4..6 => Step::Remove(made),
        6..8 => Step::Count(made),
        8..10 => Step::Last(made, dice.throw(6)),
        10..12 => Step::Group(made),
        12..14 => Step::Say(home),
        14 => Step::Erase(1 + dice.throw(40)),
        _ => Step::RefuseIf(made),
    }
}

fn random_act(dice: &mut Dice, number: u64) -> Arc<Scripted> {
    let first = dice.throw(HOMES.len() as u64) as usize;
    let count = 1 + dice.throw(2) as usize;
    let homes: Vec<ChannelKey> = (0..count).map(|at| channel(HOMES[(first + at) % HOMES.len()])).collect();
    let steps: Vec<Step> = (0..dice.throw(7)).map(|_| step(dice, &homes)).collect();
    Arc::new(Scripted::new(&homes, START + number, id(number), move |view| decide(view, &steps, number)))
}

fn decide(view: &mut View<'_>, steps: &[Step], number: u64) -> Result<Verdict, Stop> {
    let mut verdict = Verdict::default();
    for step in steps {
        match step {
            Step::Put(record) => view.put(record.clone()),
            Step::Remove(record) => view.remove(record.key.clone()),
            Step::Count(record) => {
                let before = view.get(&record.key)?.map_or(0, |record| record.at);
                view.put(Record { at: before + 1, ..record.clone() });
            }
            Step::Last(record, at) => {
                let last = view.last(&record.key.home, record.key.kind, &record.group, *at)?;
                let body = format!("{:?}", last.map(|last| last.key.key));
                view.put(Record { body, ..record.clone() });
            }
            Step::Group(record) => {
                let group = view.group(&record.key.home, record.key.kind, &record.group)?;
                let body =
                    format!("{:?}", group.iter().map(|record| (record.at, &*record.key.key)).collect::<Vec<_>>());
                view.put(Record { body, ..record.clone() });
            }
            Step::Say(home) => {
                let already = verdict.events.iter().filter(|event| event.channel == *home).count() as u64;
                let offset = view.next_offset(home, already);
                let id =
                    MessageId::from_parts(START + number, u128::from(number) + ((verdict.events.len() as u128) << 32));
                verdict.events.push(event(home, id, data(&offset.to_string())));
            }
            Step::Erase(offset) => verdict.erased.push(*offset),
            Step::RefuseIf(record) => {
                if view.get(&record.key)?.is_some() {
                    return Err(refusal());
                }
            }
        }
    }
    Ok(verdict)
}

/// How an act ended, without the epoch: its events (channel, offset, id and data), and whether it erased.
type End = (Option<Vec<(String, u64, String)>>, bool);

fn end(acted: Result<Acted, StoreError>) -> End {
    match acted {
        Ok(Acted::Done { events, erased, .. }) => {
            let event = |event: hubbub_protocol::Message| {
                let offset = event.position.map_or(0, |position| position.offset);
                (event.channel.to_string(), offset, format!("{} {}", event.id, event.data.get()))
            };
            (Some(events.into_iter().map(event).collect()), erased)
        }
        Ok(Acted::Refused(_)) => (None, false),
        other => panic!("{other:?}"),
    }
}

pub async fn random_acts_do_what_they_do_in_memory(database: &dyn RecordsDatabase) {
    let store = open(database).await;
    let mut ledger = Ledger::default();
    let mut dice = Dice(7);
    let mut number = 0;
    for batch in 0..BATCHES {
        let acts: Vec<Arc<Scripted>> = (0..1 + dice.throw(24))
            .map(|_| {
                number += 1;
                random_act(&mut dice, number)
            })
            .collect();
        let waiting: Vec<_> = acts.iter().map(|act| store.act(act.clone() as Arc<dyn Act>)).collect();
        for (act, acted) in acts.iter().zip(waiting) {
            let expected = end(Ok(ledger.act(&**act)));
            assert_eq!(end(acted.await), expected, "batch {batch}: {act:?}");
        }
        compare(&*store, &ledger).await;
    }
    store.close().await;
}

async fn compare(store: &dyn Whole, ledger: &Ledger) {
    let homes = HOMES.map(channel);
    let lists: Vec<List> = homes
        .iter()
        .flat_map(|home| KINDS.map(|kind| (home.clone(), kind)))
        .map(|(home, kind)| List::Keys { home, kind, group: None, after: String::new(), limit: 1_000 })
        .collect();
    let looked = look(store, Look { lists, ..Look::default() }).await;
    let records: BTreeMap<_, _> =
        looked.lists.into_iter().flatten().map(|record| (record.key.clone(), record)).collect();
    assert_eq!(records, ledger.records);
    let all: Vec<Record> = ledger.records.values().cloned().collect();
    let from = ReadFrom::Before(4);
    let list = List::Group { home: homes[0].clone(), kind: Kind::Message, group: "g".into(), from, limit: 3 };
    let looked = look(store, Look { lists: vec![list.clone()], ..Look::default() }).await;
    assert_eq!(looked.lists[0], super::lists::expected(&all, &list));
    for home in &homes {
        let said = |entry: Entry| match entry {
            Entry::Message(message) => Some((message.id, message.time, message.data)),
            Entry::Tombstone { .. } => None,
        };
        let log: Vec<_> = whole(store, home).await.into_iter().map(said).collect();
        let expected = ledger.logs.get(home).map_or(&[][..], Vec::as_slice).iter();
        let expected =
            expected.map(|message| message.as_ref().map(|message| (message.id, message.time, message.data.clone())));
        assert_eq!(log, expected.collect::<Vec<_>>(), "{home}");
    }
}
