//! What the tests append and read: channels, messages, whole logs.

use std::sync::Arc;

use hubbub_protocol::channel::{ChannelKey, ChannelName, TenantId, UserId};
use hubbub_protocol::{Data, Key, MessageId};

use super::Database;
use crate::{Append, Appended, Bounds, Entry, Page, ReadFrom, Store};

/// The time of the first message, in milliseconds since 1970.
pub(super) const START: u64 = 1_763_600_000_000;

pub(super) async fn open(database: &dyn Database) -> Arc<dyn Store> {
    database.open(Bounds::default()).await
}

pub(super) fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).expect("a tenant")
}

/// A channel of the tenant `acme`.
pub(super) fn channel(name: &str) -> ChannelKey {
    channel_of("acme", name)
}

pub(super) fn channel_of(owner: &str, name: &str) -> ChannelKey {
    ChannelKey::new(tenant(owner), ChannelName::parse(name).expect("a channel"))
}

pub(super) fn key(text: &str) -> Key {
    Key::parse(text).expect("a key")
}

pub(super) fn data(text: &str) -> Data {
    Data::parse(text.to_owned()).expect("json")
}

/// A message without a key. The number makes its id, its data and its time.
pub(super) fn message(channel: &ChannelKey, number: u64) -> Append {
    Append {
        channel: channel.clone(),
        id: MessageId::from_parts(START + number, u128::from(number)),
        time: START + number,
        publisher: "user/ada".into(),
        key: None,
        conflate_key: None,
        from: Some(UserId::parse("ada").expect("a user")),
        data: data(&format!(r#"{{"n":{number}}}"#)),
    }
}

/// The same with a key.
pub(super) fn keyed(channel: &ChannelKey, number: u64, text: &str) -> Append {
    Append { key: Some(key(text)), ..message(channel, number) }
}

/// Appends the messages 1 to `count` one after the other.
pub(super) async fn fill(store: &dyn Store, channel: &ChannelKey, count: u64) {
    let waiting: Vec<_> = (1..=count).map(|number| store.append(message(channel, number))).collect();
    for (answer, number) in waiting.into_iter().zip(1..) {
        assert_eq!(placed(answer.await.expect("appended")), (number, false));
    }
}

/// Offset, and whether it was there before.
pub(super) fn placed(appended: Appended) -> (u64, bool) {
    match appended {
        Appended::At { position, duplicate, .. } => (position.offset, duplicate),
        Appended::KeyConflict => panic!("a key conflict"),
    }
}

/// The whole log, page by page. Its offsets ascend by one.
pub(super) async fn whole(store: &dyn Store, channel: &ChannelKey) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    loop {
        let after = entries.last().map_or(0, Entry::offset);
        let Page { entries: next, more, .. } =
            store.read(channel, ReadFrom::After(after), 100, usize::MAX).await.expect("a page");
        entries.extend(next);
        if !more {
            break;
        }
    }
    assert!(entries.windows(2).all(|pair| pair[0].offset() + 1 == pair[1].offset()), "a hole in {channel}");
    entries
}

/// The numbers of the messages of a log, tombstones left out.
pub(super) fn numbers(entries: &[Entry]) -> Vec<u64> {
    let number = |entry: &Entry| match entry {
        Entry::Message(message) => Some(message.time - START),
        Entry::Tombstone { .. } => None,
    };
    entries.iter().filter_map(number).collect()
}

pub(super) fn offsets(entries: &[Entry]) -> Vec<u64> {
    entries.iter().map(Entry::offset).collect()
}
