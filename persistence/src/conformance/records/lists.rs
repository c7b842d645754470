//! Lists: each form, compared with records that stand in memory.

use hubbub_protocol::channel::{ChannelKey, UserId};

use super::super::sample::{channel, channel_of, tenant};
use super::sample::{done, look, name, open, putting, record, user};
use super::{RecordsDatabase, Whole};
use crate::log::ReadFrom;
use crate::records::{Kind, List, Look, Record, RecordKey};

const HOMES: [&str; 3] = ["room:a", "room:a-b", "user:ada"];
const KINDS: [Kind; 3] = [Kind::Room, Kind::Member, Kind::Message];
const GROUPS: [&str; 3] = ["", "joined", "left"];
const USERS: [Option<&str>; 3] = [None, Some("ada"), Some("bob")];

/// Records of every home, kind, group and user, in no order, some in the same place.
async fn filled(database: &dyn RecordsDatabase) -> (std::sync::Arc<dyn Whole>, Vec<Record>) {
    let store = open(database).await;
    let mut records = Vec::new();
    for number in 0..90_usize {
        let kind = KINDS[number / 3 % 3];
        let who = USERS[number % 5 % 3].map(user);
        let key = format!("{:02}", (number * 37) % 90);
        let group = GROUPS[number * 7 % 10 % 3].to_owned();
        records.push(Record { group, who, ..record(&channel(HOMES[number % 3]), kind, &key, number as u64 * 11 % 13) });
    }
    for (number, home) in (1..).zip(HOMES) {
        let home = channel(home);
        let own = records.iter().filter(|record| record.key.home == home).cloned().collect();
        done(&*store, putting(&home, number, own)).await;
    }
    // Of another tenant, under the same names.
    let theirs = channel_of("other", HOMES[0]);
    let of_theirs = records.iter().filter(|record| record.key.home == channel(HOMES[0])).cloned().map(|record| {
        Record { key: RecordKey { home: theirs.clone(), ..record.key }, body: "theirs".into(), ..record }
    });
    done(&*store, putting(&theirs, 9, of_theirs.collect())).await;
    (store, records)
}

/// What a list is of these records.
pub(super) fn expected(records: &[Record], list: &List) -> Vec<Record> {
    let limit = match list {
        List::Group { limit, .. }
        | List::Keys { limit, .. }
        | List::User { limit, .. }
        | List::Everywhere { limit, .. }
        | List::Placed { limit, .. } => *limit,
    };
    let mut found: Vec<Record> = records.iter().filter(|record| fits(record, list)).cloned().collect();
    match list {
        List::Group { from, .. } => {
            found.sort_by(|a, b| (a.at, &a.key).cmp(&(b.at, &b.key)));
            if matches!(from, ReadFrom::Before(_)) {
                found.reverse();
            }
        }
        List::Placed { from, .. } => {
            found.sort_by(|a, b| (a.at, &a.key).cmp(&(b.at, &b.key)));
            if matches!(from, ReadFrom::Before(_)) {
                found.reverse();
            }
        }
        List::User { .. } => found.sort_by(|a, b| by_kind(&a.key).cmp(&by_kind(&b.key))),
        List::Keys { .. } | List::Everywhere { .. } => found.sort_by(|a, b| a.key.cmp(&b.key)),
    }
    found.truncate(limit as usize);
    found
}

fn fits(record: &Record, list: &List) -> bool {
    let of = |home: &ChannelKey, kind: &Kind| record.key.home == *home && record.key.kind == *kind;
    match list {
        List::Group { home, kind, group, from, .. } => {
            of(home, kind) && record.group == *group && beyond(record, *from)
        }
        List::Placed { kind, group, from, .. } => {
            record.key.kind == *kind && record.group == *group && beyond(record, *from)
        }
        List::Keys { home, kind, group, after, .. } => {
            of(home, kind) && group.as_ref().is_none_or(|group| record.group == *group) && record.key.key > *after
        }
        List::User { who, kind, homes, after, .. } => {
            record.who.as_ref() == Some(who)
                && kind.is_none_or(|kind| record.key.kind == kind)
                && (homes.is_empty() || homes.contains(&record.key.home))
                && after.as_ref().is_none_or(|after| by_kind(&record.key) > by_kind(after))
        }
        List::Everywhere { kind, group, after, .. } => {
            let beyond = after.as_ref().is_none_or(|after| record.key.home > *after);
            record.key.kind == *kind && record.group == *group && beyond
        }
    }
}

fn beyond(record: &Record, from: ReadFrom) -> bool {
    match from {
        ReadFrom::After(at) => record.at > at,
        ReadFrom::Before(at) => record.at < at,
    }
}

fn by_kind(key: &RecordKey) -> (Kind, &ChannelKey, &str) {
    (key.kind, &key.home, &key.key)
}

/// Asks for all of these at once.
async fn compare(store: &dyn Whole, records: &[Record], lists: Vec<List>) {
    let looked = look(store, Look { lists: lists.clone(), ..Look::default() }).await;
    assert_eq!(looked.lists.len(), lists.len());
    for (list, found) in lists.iter().zip(looked.lists) {
        assert_eq!(found, expected(records, list), "{list:?}");
    }
}

pub async fn groups_are_listed_by_place_in_both_directions(database: &dyn RecordsDatabase) {
    let (store, records) = filled(database).await;
    let mut lists = Vec::new();
    for (home, group) in HOMES.into_iter().zip(GROUPS) {
        for from in [0, 1, 6, 12, 13, u64::MAX].into_iter().flat_map(|at| [ReadFrom::After(at), ReadFrom::Before(at)]) {
            for limit in [0, 1, 3, 100, u32::MAX] {
                for kind in KINDS {
                    lists.push(List::Group { home: channel(home), kind, group: group.into(), from, limit });
                }
            }
        }
    }
    compare(&*store, &records, lists).await;
    store.close().await;
}

pub async fn kinds_are_listed_by_key(database: &dyn RecordsDatabase) {
    let (store, records) = filled(database).await;
    let mut lists = Vec::new();
    for group in [None, Some(""), Some("joined"), Some("none")] {
        for after in ["", "10", "42", "9", "99"] {
            for limit in [1, 4, 100] {
                for (kind, home) in KINDS.into_iter().zip(HOMES) {
                    let group = group.map(str::to_owned);
                    lists.push(List::Keys { home: channel(home), kind, group, after: after.into(), limit });
                }
            }
        }
    }
    compare(&*store, &records, lists).await;
    store.close().await;
}

pub async fn what_is_about_a_user_is_listed(database: &dyn RecordsDatabase) {
    let (store, records) = filled(database).await;
    let mut lists = Vec::new();
    let homes = |names: &[&str]| names.iter().map(|name| channel(name)).collect::<Vec<_>>();
    let starts = [
        None,
        Some(("room:a", Kind::Room, "")),
        Some(("room:a-b", Kind::Member, "30")),
        Some(("z:z", Kind::Message, "z")),
    ];
    for who in ["ada", "bob", "nobody"] {
        for kind in [None, Some(Kind::Member), Some(Kind::Audit)] {
            // In an order that is not theirs, one twice, one that is not there.
            for of in [&[][..], &["room:a"], &["user:ada", "room:a-b", "room:none", "user:ada"]] {
                for after in starts {
                    for limit in [1, 5, 100] {
                        let after = after.map(|(home, kind, key)| name(&channel(home), kind, key));
                        lists.push(List::User { who: user(who), kind, homes: homes(of), after, limit });
                    }
                }
            }
        }
    }
    compare(&*store, &records, lists).await;
    store.close().await;
}

pub async fn many_homes_of_a_user_are_listed(database: &dyn RecordsDatabase) {
    const ROOMS: u64 = 150;
    let store = open(database).await;
    let mut waiting = Vec::new();
    for number in 0..ROOMS {
        let home = channel(&format!("room:{number}"));
        let member = Record { who: Some(user("ada")), ..record(&home, Kind::Member, "ada", number) };
        waiting.push(store.act(std::sync::Arc::new(putting(&home, number, vec![member]))));
    }
    for acted in waiting {
        acted.await.expect("acted");
    }
    let homes: Vec<ChannelKey> = (0..ROOMS).rev().map(|number| channel(&format!("room:{number}"))).collect();
    let whole = |after: Option<RecordKey>, homes: Vec<ChannelKey>, limit| List::User {
        who: user("ada"),
        kind: Some(Kind::Member),
        homes,
        after,
        limit,
    };
    let one = |list| Look { lists: vec![list], ..Look::default() };
    let mut sorted = homes.clone();
    sorted.sort();
    // Page by page, in all homes and in those that are named.
    for asked in [Vec::new(), homes] {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = look(&*store, one(whole(after.clone(), asked.clone(), 40))).await.lists.remove(0);
            let Some(last) = page.last() else { break };
            after = Some(last.key.clone());
            seen.extend(page.into_iter().map(|record| record.key.home));
        }
        assert_eq!(seen, sorted);
    }
    store.close().await;
}

pub async fn a_group_is_listed_over_all_channels(database: &dyn RecordsDatabase) {
    let (store, records) = filled(database).await;
    let mut lists = Vec::new();
    for kind in Kind::ALL.iter().copied() {
        for group in ["", "joined", "none"] {
            for after in [None, Some("room:a"), Some("room:b")] {
                for limit in [1, 7, 100] {
                    lists.push(List::Everywhere { kind, group: group.into(), after: after.map(channel), limit });
                }
            }
            for from in [ReadFrom::After(0), ReadFrom::After(6), ReadFrom::Before(7), ReadFrom::Before(u64::MAX)] {
                lists.extend([1, 7, 100].map(|limit| List::Placed { kind, group: group.into(), from, limit }));
            }
        }
    }
    compare(&*store, &records, lists).await;
    store.close().await;
}

pub async fn lists_of_another_tenant_are_empty(database: &dyn RecordsDatabase) {
    let (store, _) = filled(database).await;
    let (home, kind, group, limit) = (channel(HOMES[0]), Kind::Room, String::new(), 100);
    let from = ReadFrom::After(0);
    let who: UserId = user("ada");
    let lists = vec![
        List::Group { home: home.clone(), kind, group: group.clone(), from, limit },
        List::Keys { home: home.clone(), kind, group: None, after: String::new(), limit },
        List::User { who: who.clone(), kind: None, homes: vec![home.clone()], after: None, limit },
    ];
    let heads = vec![home.clone()];
    let keys = (0..90).map(|key| name(&home, Kind::Room, &format!("{key:02}"))).collect();
    let looked = store.look(&tenant("other"), Look { heads, keys, lists }).await.expect("a look");
    assert!(looked.lists.iter().all(Vec::is_empty), "{:?}", looked.lists);
    assert!(looked.keys.iter().all(Option::is_none));
    assert_eq!(looked.heads[0].position.offset, 0);
    let everything = vec![
        List::User { who, kind: None, homes: Vec::new(), after: None, limit },
        List::Everywhere { kind, group: group.clone(), after: None, limit },
        List::Placed { kind, group, from, limit },
    ];
    let looked = store.look(&tenant("other"), Look { lists: everything, ..Look::default() }).await.expect("a look");
    for record in looked.lists.iter().flatten() {
        assert_eq!((record.key.home.tenant.clone(), &*record.body), (tenant("other"), "theirs"));
    }
    assert!(looked.lists.iter().all(|list| !list.is_empty()));
    store.close().await;
}
