//! Search: words, where they are looked for, and what people may type.

use std::sync::Arc;

use hubbub_protocol::channel::ChannelKey;

use super::super::sample::{channel, channel_of, tenant};
use super::sample::{done, name, open, putting, record, room, user};
use super::{RecordsDatabase, Whole};
use crate::records::question::RANKED;
use crate::records::{Hit, Kind, Record, Search, SearchIn};

fn message(home: &ChannelKey, key: &str, author: &str, text: &str) -> Record {
    Record { who: Some(user(author)), text: Some(text.into()), ..record(home, Kind::Message, key, 1) }
}

fn member(home: &ChannelKey, of: &str, state: &str) -> Record {
    Record { who: Some(user(of)), group: state.into(), ..record(home, Kind::Member, of, 1) }
}

fn of_channel(home: &ChannelKey, words: &str) -> Search {
    let within = SearchIn::Channel(home.clone());
    Search { tenant: home.tenant.clone(), words: words.into(), within, from: None, skip: 0, limit: 100 }
}

fn of_user(of: &str, words: &str) -> Search {
    Search { within: SearchIn::JoinedBy(user(of)), ..of_channel(&room(), words) }
}

async fn hits(store: &dyn Whole, search: Search) -> Vec<Hit> {
    store.search(search).await.expect("a search")
}

/// The keys of what is found, in their own order.
async fn found(store: &dyn Whole, search: Search) -> Vec<String> {
    let mut keys: Vec<String> = hits(store, search).await.into_iter().map(|hit| hit.record.key.key).collect();
    keys.sort();
    keys
}

async fn holding(database: &dyn RecordsDatabase, texts: &[(&str, &str)]) -> Arc<dyn Whole> {
    let store = open(database).await;
    let records = texts.iter().map(|(key, text)| message(&room(), key, "ada", text)).collect();
    done(&*store, putting(&room(), 1, records)).await;
    store
}

pub async fn all_words_must_occur_and_the_last_may_be_a_beginning(database: &dyn RecordsDatabase) {
    let texts = [
        ("1", "Hello world, said the hub"),
        ("2", "hello WORLDS"),
        ("3", "Othello was here"),
        ("4", "see https://example.com/some_path?x=1#top or mail ada@example.org, v1.2"),
        ("5", "Grüße aus Köln, das Café"),
        ("6", "नमस्ते हिन्दी दुनिया"),
        ("7", "and/or either-way 😀 done"),
    ];
    let store = holding(database, &texts).await;
    let table = [
        ("hello", &["1", "2"][..]),
        ("world hello", &["1"]),
        ("hello world", &["1", "2"]),
        ("world said", &["1"]),
        ("hel world", &[]),
        ("HEL", &["1", "2"]),
        ("example", &["4"]),
        ("path some", &["4"]),
        ("v1 2", &["4"]),
        ("org ada", &["4"]),
        ("grüße", &["5"]),
        ("GRÜSSE", &[]),
        ("cafe", &[]),
        ("café", &["5"]),
        ("köln caf", &["5"]),
        ("हिन्दी", &["6"]),
        ("or way", &["7"]),
        ("done 😀", &["7"]),
    ];
    for (words, expected) in table {
        assert_eq!(found(&*store, of_channel(&room(), words)).await, expected, "{words}");
    }
    store.close().await;
}

pub async fn only_messages_that_may_be_seen_are_found(database: &dyn RecordsDatabase) {
    let store = open(database).await;
    let rooms = ["room:a", "room:b", "room:c"].map(channel);
    for (number, (home, state)) in (1..).zip(rooms.iter().zip(["joined", "left", "joined"])) {
        let key = &home.channel.name()[..1];
        let records = vec![
            member(home, "bob", state),
            message(home, key, "ada", "a common word"),
            // Of another kind, or without a text.
            Record { key: name(home, Kind::Report, "r"), ..message(home, "r", "ada", "common too") },
            Record { text: None, ..message(home, "none", "ada", "") },
        ];
        done(&*store, putting(home, number, records)).await;
    }
    // The same names, somebody else's.
    let theirs = channel_of("other", "room:a");
    done(
        &*store,
        putting(&theirs, 9, vec![member(&theirs, "bob", "joined"), message(&theirs, "theirs", "ada", "common")]),
    )
    .await;
    assert_eq!(found(&*store, of_user("bob", "common")).await, ["a", "c"]);
    assert_eq!(found(&*store, of_user("eve", "common")).await, [""; 0]);
    assert_eq!(found(&*store, of_channel(&rooms[1], "common")).await, ["b"]);
    assert_eq!(found(&*store, of_channel(&channel("room:none"), "common")).await, [""; 0]);
    assert_eq!(found(&*store, of_channel(&theirs, "common")).await, ["theirs"]);
    let crossing = Search { tenant: tenant("acme"), ..of_channel(&theirs, "common") };
    assert_eq!(found(&*store, crossing).await, [""; 0], "a channel of another tenant");
    let of_theirs = Search { tenant: tenant("other"), ..of_user("bob", "common") };
    assert_eq!(found(&*store, of_theirs).await, ["theirs"]);
    // A name that begins like another one.
    let longer = channel("room:a-long");
    done(&*store, putting(&longer, 10, vec![message(&longer, "longer", "ada", "common")])).await;
    assert_eq!(found(&*store, of_channel(&rooms[0], "common")).await, ["a"]);
    store.close().await;
}

pub async fn the_author_narrows_a_search(database: &dyn RecordsDatabase) {
    let store = open(database).await;
    let records = vec![
        message(&room(), "1", "ada", "lunch"),
        message(&room(), "2", "bob", "lunch"),
        member(&room(), "bob", "joined"),
    ];
    done(&*store, putting(&room(), 1, records)).await;
    for (from, expected) in [("ada", &["1"][..]), ("bob", &["2"]), ("eve", &[])] {
        let from = Some(user(from));
        assert_eq!(found(&*store, Search { from: from.clone(), ..of_channel(&room(), "lunch") }).await, expected);
        assert_eq!(found(&*store, Search { from, ..of_user("bob", "lunch") }).await, expected);
    }
    store.close().await;
}

pub async fn hits_come_best_first_and_page_by_page(database: &dyn RecordsDatabase) {
    let store = open(database).await;
    let mut records: Vec<_> =
        (10..40).map(|key| message(&room(), &key.to_string(), "ada", "one apple a day")).collect();
    records.push(message(&room(), "00", "ada", "apple, apple and apple"));
    done(&*store, putting(&room(), 1, records)).await;
    let keys = async |skip, limit| {
        let search = Search { skip, limit, ..of_channel(&room(), "apple") };
        hits(&*store, search).await.into_iter().map(|hit| hit.record.key.key).collect::<Vec<_>>()
    };
    let all = keys(0, 100).await;
    let expected: Vec<String> =
        std::iter::once("00".to_owned()).chain((10..40).rev().map(|key| key.to_string())).collect();
    assert_eq!(all, expected, "best first, of equals the newest");
    assert_eq!([keys(0, 7).await, keys(7, 7).await, keys(14, 100).await].concat(), expected);
    assert_eq!(keys(31, 10).await, [""; 0]);
    assert_eq!(keys(u32::MAX, u32::MAX).await, [""; 0]);
    assert_eq!(keys(0, 0).await, [""; 0]);
    store.close().await;
}

pub async fn of_very_many_hits_the_newest_are_ranked(database: &dyn RecordsDatabase) {
    let store = open(database).await;
    let (best, all) = ("common, common and common", RANKED as usize + 100);
    for act in 0..all / 100 {
        let text = |number: usize| if number.is_multiple_of(100) && act < 2 { best } else { "a common word" };
        let numbers = act * 100..act * 100 + 100;
        let records = numbers.map(|number| message(&room(), &format!("{number:04}"), "ada", text(number))).collect();
        done(&*store, putting(&room(), act as u64, records)).await;
    }
    done(&*store, putting(&room(), 100, vec![member(&room(), "bob", "joined")])).await;
    for search in [of_channel(&room(), "common"), of_user("bob", "comm")] {
        let mut found = Vec::new();
        for skip in (0..=RANKED).step_by(300) {
            let page = hits(&*store, Search { skip, limit: 300, ..search.clone() }).await;
            found.extend(page.into_iter().map(|hit| hit.record.key.key));
        }
        let expected = std::iter::once(100).chain((101..all).rev()).map(|number| format!("{number:04}"));
        assert_eq!(found, expected.collect::<Vec<_>>(), "of the newest the best, page by page");
    }
    assert_eq!(
        found(&*store, of_channel(&room(), "and")).await,
        ["0000", "0100"],
        "a rare word is found wherever it is"
    );
    store.close().await;
}

pub async fn highlights_say_where_it_fits(database: &dyn RecordsDatabase) {
    let store = holding(database, &[("1", "😀 Hello—hello, helping hand")]).await;
    let hit = hits(&*store, of_channel(&room(), "hello hel")).await.remove(0);
    assert_eq!(hit.highlights, [(3, 8), (9, 14), (16, 23)]);
    assert_eq!(hit.record, message(&room(), "1", "ada", "😀 Hello—hello, helping hand"));
    store.close().await;
}

pub async fn what_was_changed_or_erased_is_not_found_by_its_old_words(database: &dyn RecordsDatabase) {
    let store = holding(database, &[("1", "alpha"), ("2", "alpha"), ("3", "alpha"), ("4", "alpha")]).await;
    let changed = vec![
        message(&room(), "1", "ada", "beta"),
        Record { text: None, ..message(&room(), "2", "ada", "") },
        // The same text, another body.
        Record { body: "2".into(), ..message(&room(), "4", "ada", "alpha") },
    ];
    done(&*store, putting(&room(), 2, changed)).await;
    let gone = super::sample::act(&[room()], 3, |view| {
        view.remove(name(&room(), Kind::Message, "3"));
        Ok(crate::records::Verdict::default())
    });
    done(&*store, gone).await;
    assert_eq!(found(&*store, of_channel(&room(), "alpha")).await, ["4"]);
    assert_eq!(found(&*store, of_channel(&room(), "beta")).await, ["1"]);
    done(&*store, putting(&room(), 4, vec![message(&room(), "2", "ada", "alpha again")])).await;
    assert_eq!(found(&*store, of_channel(&room(), "alpha")).await, ["2", "4"]);
    store.close().await;
}

pub async fn nothing_that_people_type_breaks_a_search(database: &dyn RecordsDatabase) {
    let store = holding(database, &[("1", "or and not near text"), ("2", "it's \"quoted\" \\ back")]).await;
    let nothing = ["", " ", "\0", "'", "\"", "\\", "*", "%", "&|!()<->:*", "\u{1}\u{2}", "😀", "--", "\u{301}", "𝅳"];
    for words in nothing {
        assert_eq!(found(&*store, of_channel(&room(), words)).await, [""; 0], "{words:?}");
        assert_eq!(found(&*store, of_user("ada", words)).await, [""; 0], "{words:?}");
    }
    let table = [
        ("text OR", &["1"][..]),
        ("NOT near", &["1"]),
        ("NEAR(or text)", &["1"]),
        ("text : or", &["1"]),
        ("\"quoted", &["2"]),
        ("'quoted') OR 1=1 --", &[]),
        ("it's", &["2"]),
        ("quoted\0", &["2"]),
        ("home : \"room", &[]),
        ("tenant:acme", &[]),
        ("/acme", &[]),
        ("^or -text +near", &["1"]),
    ];
    for (words, expected) in table {
        assert_eq!(found(&*store, of_channel(&room(), words)).await, expected, "{words:?}");
    }
    for long in ["x".repeat(10_000), "word ".repeat(2_000), "\"(".repeat(5_000), "or ".repeat(3_000)] {
        let hits = found(&*store, of_channel(&room(), &long)).await;
        assert!(hits.len() <= 1, "{}…", &long[..10]);
    }
    store.close().await;
}

pub async fn a_long_text_is_found_by_any_of_its_words(database: &dyn RecordsDatabase) {
    let long: String = (0..2_500).map(|number| format!("w{number} ")).collect();
    let huge = "y".repeat(5_000);
    let store = holding(database, &[("long", &long), ("huge", &format!("{huge} beside"))]).await;
    for words in ["w0", "w2499 w1", "w1234"] {
        assert_eq!(found(&*store, of_channel(&room(), words)).await, ["long"], "{words}");
    }
    assert_eq!(found(&*store, of_channel(&room(), "beside")).await, ["huge"]);
    assert_eq!(found(&*store, of_channel(&room(), &huge)).await, [""; 0], "no index takes such a word");
    store.close().await;
}
