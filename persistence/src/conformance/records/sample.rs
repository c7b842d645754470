//! What the tests put, ask and say.

use std::sync::Arc;

use hubbub_protocol::channel::{ChannelKey, UserId};
use hubbub_protocol::{ErrorCode, MessageId};

use super::super::sample::{START, channel, data};
use super::{RecordsDatabase, Whole};
use crate::records::scripted::{Scripted, event};
use crate::records::{Acted, Event, Kind, Look, Looked, Record, RecordKey, Refusal, Stop, Verdict, View};
use crate::{Bounds, StoreError};

pub(super) async fn open(database: &dyn RecordsDatabase) -> Arc<dyn Whole> {
    database.open_whole(Bounds::default()).await
}

pub(super) fn room() -> ChannelKey {
    channel("room:a")
}

pub(super) fn id(number: u64) -> MessageId {
    MessageId::from_parts(START + number, u128::from(number))
}

pub(super) fn user(name: &str) -> UserId {
    UserId::parse(name).expect("a user")
}

pub(super) fn name(home: &ChannelKey, kind: Kind, key: &str) -> RecordKey {
    RecordKey { home: home.clone(), kind, key: key.to_owned() }
}

/// A record in no group that says its place.
pub(super) fn record(home: &ChannelKey, kind: Kind, key: &str, at: u64) -> Record {
    Record { key: name(home, kind, key), group: String::new(), at, who: None, text: None, body: at.to_string() }
}

/// An event that says the number that it is named after.
pub(super) fn says(channel: &ChannelKey, number: u64) -> Event {
    event(channel, id(number), data(&number.to_string()))
}

pub(super) fn verdict(events: Vec<Event>) -> Verdict {
    Verdict { events, ..Verdict::default() }
}

pub(super) fn refusal() -> Stop {
    Stop::Refused(Refusal { code: ErrorCode::Forbidden, message: "no".into(), retry_after_ms: Some(7) })
}

/// An act in these channels. The number makes its id and its time.
pub(super) fn act(
    channels: &[ChannelKey],
    number: u64,
    decide: impl Fn(&mut View<'_>) -> Result<Verdict, Stop> + Send + Sync + 'static,
) -> Scripted {
    Scripted::new(channels, START + number, id(number), decide)
}

/// An act that puts these records of one channel and says its number there.
pub(super) fn putting(home: &ChannelKey, number: u64, records: Vec<Record>) -> Scripted {
    let of = home.clone();
    act(std::slice::from_ref(home), number, move |view| {
        records.iter().cloned().for_each(|record| view.put(record));
        Ok(verdict(vec![says(&of, number)]))
    })
}

/// An act that counts a record of the kind room up by one, and says its number.
pub(super) fn counting(home: &ChannelKey, number: u64) -> Scripted {
    let of = home.clone();
    act(std::slice::from_ref(home), number, move |view| {
        let before = view.get(&name(&of, Kind::Room, "count"))?.map_or(0, |record| record.at);
        view.put(record(&of, Kind::Room, "count", before + 1));
        Ok(verdict(vec![says(&of, number)]))
    })
}

pub(super) async fn acted(store: &dyn Whole, act: Scripted) -> Result<Acted, StoreError> {
    store.act(Arc::new(act)).await
}

/// Acts, and answers the offsets of its events.
pub(super) async fn done(store: &dyn Whole, act: Scripted) -> Vec<u64> {
    offsets(acted(store, act).await)
}

pub(super) fn offsets(acted: Result<Acted, StoreError>) -> Vec<u64> {
    match acted {
        Ok(Acted::Done { events, .. }) => {
            events.iter().filter_map(|event| event.position).map(|position| position.offset).collect()
        }
        other => panic!("not done: {other:?}"),
    }
}

pub(super) async fn look(store: &dyn Whole, look: Look) -> Looked {
    store.look(&super::super::sample::tenant("acme"), look).await.expect("a look")
}

/// The records of these names.
pub(super) async fn stored(store: &dyn Whole, keys: &[RecordKey]) -> Vec<Option<Record>> {
    look(store, Look { keys: keys.to_vec(), ..Look::default() }).await.keys
}
