//! Pages: what comes back, in which direction, and where a page ends.

use hubbub_protocol::{Message, Position};

use super::Database;
use super::sample::{channel, data, fill, key, message, offsets, open, whole};
use crate::{Append, Entry, Page, ReadFrom};

pub async fn messages_come_back_as_they_went(database: &dyn Database) {
    let store = open(database).await;
    let lobby = channel("chat:lobby");
    let full = Append {
        key: Some(key("schlüssel/ß")),
        conflate_key: Some(key("row 1")),
        // Kept as text: a double name, a number beyond every type, spaces, an escaped zero.
        data: data("{ \"a\":1e400,\n \"a\" : [ \"\\u0000\" ] }"),
        ..message(&lobby, 1)
    };
    let bare = Append { from: None, data: data("null"), ..message(&lobby, 2) };
    for append in [&full, &bare] {
        store.append(append.clone()).await.expect("appended");
    }
    let epoch = store.heads(std::slice::from_ref(&lobby)).await.expect("heads")[0].position.epoch;
    let expected = [full, bare].into_iter().zip(1..).map(|(append, offset)| {
        Entry::Message(Message {
            channel: append.channel.channel,
            id: append.id,
            position: Some(Position::new(epoch, offset)),
            time: append.time,
            from: append.from,
            key: append.key,
            conflate_key: append.conflate_key,
            data: append.data,
        })
    });
    assert_eq!(whole(&*store, &lobby).await, expected.collect::<Vec<_>>());
    store.close().await;
}

pub async fn pages_ascend_and_descend(database: &dyn Database) {
    let store = open(database).await;
    let lobby = channel("chat:lobby");
    fill(&*store, &lobby, 10).await;
    let cases: [(ReadFrom, u32, &[u64], bool); 9] = [
        (ReadFrom::After(0), 4, &[1, 2, 3, 4], true),
        (ReadFrom::After(4), 4, &[5, 6, 7, 8], true),
        (ReadFrom::After(8), 4, &[9, 10], false),
        (ReadFrom::After(6), 4, &[7, 8, 9, 10], false),
        (ReadFrom::Before(11), 4, &[10, 9, 8, 7], true),
        (ReadFrom::Before(7), 4, &[6, 5, 4, 3], true),
        (ReadFrom::Before(3), 4, &[2, 1], false),
        (ReadFrom::Before(u64::MAX), 2, &[10, 9], true),
        (ReadFrom::After(3), 0, &[], true),
    ];
    for (from, limit, expected, more) in cases {
        let page = store.read(&lobby, from, limit, usize::MAX).await.expect("a page");
        assert_eq!((offsets(&page.entries).as_slice(), page.more), (expected, more), "{from:?} {limit}");
        assert_eq!((page.head.position.offset, page.head.low), (10, 0));
    }
    store.close().await;
}

pub async fn pages_end_where_their_bytes_end(database: &dyn Database) {
    let store = open(database).await;
    let lobby = channel("chat:lobby");
    fill(&*store, &lobby, 9).await;
    let cost = |entry: &Entry| match entry {
        Entry::Message(message) => message.cost(),
        Entry::Tombstone { .. } => panic!("nothing was erased"),
    };
    let three: usize = whole(&*store, &lobby).await[..3].iter().map(cost).sum();
    let cases: [(ReadFrom, usize, &[u64], bool); 6] = [
        (ReadFrom::After(0), three, &[1, 2, 3], true),
        (ReadFrom::After(0), three - 1, &[1, 2], true),
        (ReadFrom::After(6), three, &[7, 8, 9], false),
        (ReadFrom::Before(10), three, &[9, 8, 7], true),
        // The first entry always comes, or nobody would get past it.
        (ReadFrom::After(0), 0, &[1], true),
        (ReadFrom::After(8), 0, &[9], false),
    ];
    for (from, bytes, expected, more) in cases {
        let page = store.read(&lobby, from, 100, bytes).await.expect("a page");
        assert_eq!((offsets(&page.entries).as_slice(), page.more), (expected, more), "{from:?} {bytes}");
    }
    store.close().await;
}

pub async fn reading_beyond_the_ends_finds_nothing(database: &dyn Database) {
    let store = open(database).await;
    let (lobby, untouched) = (channel("chat:lobby"), channel("chat:untouched"));
    fill(&*store, &lobby, 3).await;
    for (channel, from, head) in [
        (&lobby, ReadFrom::After(3), 3),
        (&lobby, ReadFrom::After(u64::MAX), 3),
        (&lobby, ReadFrom::Before(1), 3),
        (&lobby, ReadFrom::Before(0), 3),
        (&untouched, ReadFrom::After(0), 0),
        (&untouched, ReadFrom::Before(u64::MAX), 0),
    ] {
        let Page { head: ends, entries, more } = store.read(channel, from, 10, usize::MAX).await.expect("a page");
        assert_eq!((ends.position.offset, ends.low, entries.len(), more), (head, 0, 0, false), "{from:?}");
    }
    store.close().await;
}
