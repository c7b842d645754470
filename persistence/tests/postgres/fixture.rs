//! A private server with tables, stores on it, and messages.

use std::ops::RangeInclusive;
use std::sync::Arc;

use hubbub_local::postgres::{Options, Postgres as Server};
use hubbub_persistence::postgres::{Settings, migrate};
use hubbub_persistence::records::scripted::{Scripted, event};
use hubbub_persistence::records::{Act, Kind, Record, RecordKey, Verdict};
use hubbub_persistence::{Append, Appended, Bounds, Entry, Postgres, ReadFrom, Store};
use hubbub_protocol::channel::{ChannelKey, ChannelName, TenantId};
use hubbub_protocol::{Data, Epoch, Key, MessageId, Position};

/// A server whose tables are up to date.
pub(crate) async fn server() -> Server {
    let server = Server::start(Options::default()).expect("a server");
    migrate(&server.owner_url(), "hubbub").await.expect("migrated");
    server
}

pub(crate) fn settings(url: String, seed: u64) -> Settings {
    Settings { url, replica_url: None, connections: 8, bounds: Bounds::default(), seed }
}

pub(crate) async fn open(server: &Server, seed: u64) -> Postgres {
    Postgres::open(settings(server.url(), seed)).await.expect("the store opens")
}

pub(crate) fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).expect("a tenant")
}

/// A channel of the tenant `acme`.
pub(crate) fn channel(name: &str) -> ChannelKey {
    ChannelKey::new(tenant("acme"), ChannelName::parse(name).expect("a channel"))
}

/// The number makes its id, its data and its time.
pub(crate) fn message(channel: &ChannelKey, number: u64) -> Append {
    Append {
        channel: channel.clone(),
        id: MessageId::from_parts(number, 0),
        time: number,
        publisher: "user/ada".into(),
        key: None,
        conflate_key: None,
        from: None,
        data: Data::parse(number.to_string()).expect("json"),
    }
}

pub(crate) fn keyed(channel: &ChannelKey, number: u64, key: &str) -> Append {
    Append { key: Some(Key::parse(key).expect("a key")), ..message(channel, number) }
}

/// Appends the messages of these numbers, all at once, and answers their offsets.
pub(crate) async fn fill(store: &Postgres, name: &str, numbers: RangeInclusive<u64>) -> Vec<u64> {
    let channel = channel(name);
    let waiting: Vec<_> = numbers.map(|number| store.append(message(&channel, number))).collect();
    let mut offsets = Vec::new();
    for answer in waiting {
        offsets.push(offset(answer.await.expect("appended")));
    }
    offsets
}

pub(crate) fn offset(appended: Appended) -> u64 {
    match appended {
        Appended::At { position, .. } => position.offset,
        Appended::KeyConflict => panic!("a key conflict"),
    }
}

/// Offsets and numbers of the whole log, without a hole.
pub(crate) async fn whole(store: &Postgres, name: &str) -> Vec<(u64, u64)> {
    let (mut log, mut more) = (Vec::<(u64, u64)>::new(), true);
    while more {
        let after = log.last().map_or(0, |(offset, _)| *offset);
        let page = store.read(&channel(name), ReadFrom::After(after), 1_000, usize::MAX).await.expect("a page");
        more = page.more;
        log.extend(page.entries.iter().map(|entry| match entry {
            Entry::Message(message) => (entry.offset(), message.time),
            Entry::Tombstone { offset } => (*offset, 0),
        }));
    }
    assert!(log.windows(2).all(|pair| pair[0].0 + 1 == pair[1].0), "a hole in {name}");
    log
}

pub(crate) async fn head(store: &Postgres, name: &str) -> Position {
    store.heads(&[channel(name)]).await.expect("heads")[0].position
}

/// The present epoch.
pub(crate) async fn epoch(store: &Postgres) -> Epoch {
    head(store, "chat:untouched").await.epoch
}

/// A record with a word for search.
pub(crate) fn record(home: &str, kind: Kind, key: &str, at: u64) -> Record {
    let key = RecordKey { home: channel(home), kind, key: key.into() };
    Record { key, group: String::new(), at, who: None, text: Some("word".into()), body: "{}".into() }
}

/// An act that puts these and says its number in this channel.
pub(crate) fn putting(home: &str, number: u64, records: Vec<Record>) -> Arc<dyn Act> {
    let (channels, home) = ([channel(home)], channel(home));
    let id = MessageId::from_parts(number, 0);
    Arc::new(Scripted::new(&channels, number, id, move |view| {
        records.iter().cloned().for_each(|record| view.put(record));
        let said = event(&home, id, Data::parse(number.to_string()).expect("json"));
        Ok(Verdict { events: vec![said], ..Verdict::default() })
    }))
}
