//! What every backend answers when the end of a commit was not seen. Backends run it in tests of their own, since only their
//! inside can be asked.

use std::sync::Arc;

use hubbub_protocol::channel::{ChannelKey, ChannelName, TenantId};
use hubbub_protocol::{Data, Key, MessageId};

use super::{Backend, Item, Outcome};
use crate::log::{Append, Appended};
use crate::records::scripted::{Scripted, event};
use crate::records::{Acted, Verdict};

fn channel(name: &str) -> ChannelKey {
    ChannelKey::new(TenantId::parse("acme").expect("a tenant"), ChannelName::parse(name).expect("a channel"))
}

fn id(number: u64) -> MessageId {
    MessageId::from_parts(number, 0)
}

/// An append into `room:a`.
fn append(number: u64) -> Item {
    Item::Append(Append {
        channel: channel("room:a"),
        id: id(number),
        time: 1_000 + number,
        publisher: "user/ada".into(),
        key: None,
        conflate_key: None,
        from: None,
        data: Data::parse(number.to_string()).expect("json"),
    })
}

/// An act at home in `room:a` that says its number in these channels.
fn act(number: u64, says: &'static [&'static str], key: Option<(&str, &[u8])>) -> Item {
    let channels = [channel("room:a"), channel("room:b")];
    let act = Scripted::new(&channels, 1_000 + number, id(number), move |_| {
        let said = |name: &&str| event(&channel(name), id(number), Data::parse("1".into()).expect("json"));
        Ok(Verdict { events: says.iter().map(said).collect(), ..Verdict::default() })
    });
    Item::Act(Arc::new(match key {
        Some((key, digest)) => act.keyed(Key::parse(key).expect("a key"), digest),
        None => act,
    }))
}

/// The offset, and whether it was there before; 0 for a conflict.
fn place(outcome: &Option<Outcome>) -> Option<(u64, bool)> {
    match outcome.as_ref()? {
        Outcome::Appended(Appended::At { position, duplicate, .. }) => Some((position.offset, *duplicate)),
        Outcome::Acted(Acted::Before { position, .. }) => Some((position.offset, true)),
        Outcome::Acted(Acted::KeyConflict) => Some((0, true)),
        other => panic!("{other:?}"),
    }
}

/// Items are found by their ids in any of their channels, then by their keys; what has no message is not found.
pub(crate) async fn items_are_found_by_ids_and_keys(backend: &mut impl Backend) {
    let committed = [
        append(1),
        act(2, &["room:a", "room:b"], None),
        act(3, &["room:b"], None),
        act(4, &[], None),
        act(5, &["room:a"], Some(("k", b"one"))),
    ];
    for outcome in backend.commit(&committed).await.expect("committed") {
        outcome.expect("stored");
    }
    let [one, two, three, four, five] = committed;
    let retry = act(6, &["room:a"], Some(("k", b"one")));
    let conflict = act(7, &["room:a"], Some(("k", b"two")));
    let absent = act(8, &["room:a"], Some(("l", b"one")));
    let batch = [absent, append(9), one, two, three, four, five, retry, conflict];
    let found = backend.resolve(&batch).await.expect("looked up");
    let places: Vec<_> = found.iter().map(place).collect();
    let expected = [
        None,
        None,
        Some((1, false)),
        Some((2, true)),
        Some((2, true)),
        None,
        Some((3, true)),
        Some((3, true)),
        Some((0, true)),
    ];
    assert_eq!(places, expected);
    let Some(Outcome::Acted(Acted::Before { id: first, time, .. })) = &found[7] else { panic!("{:?}", found[7]) };
    assert_eq!((*first, *time), (id(5), 1_005), "a retry is told of the first");
}
