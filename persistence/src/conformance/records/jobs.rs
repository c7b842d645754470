//! What jobs ask: tasks that are due, and messages that name somebody.

use super::super::sample::{channel, channel_of, data, key, message};
use super::RecordsDatabase;
use super::sample::{done, name, open, putting, record, room, user};
use crate::Append;
use crate::records::{Kind, RecordKey};

pub async fn tasks_of_all_tenants_are_due_by_their_time(database: &dyn RecordsDatabase) {
    let store = open(database).await;
    let (ours, theirs) = (room(), channel_of("other", "room:b"));
    let task = |home: &hubbub_protocol::ChannelKey, key: &str, at| record(home, Kind::Task, key, at);
    let records =
        vec![task(&ours, "late", 30), task(&ours, "b", 20), task(&ours, "a", 20), record(&ours, Kind::Audit, "no", 5)];
    done(&*store, putting(&ours, 1, records)).await;
    done(&*store, putting(&theirs, 2, vec![task(&theirs, "first", 10), task(&theirs, "c", 20)])).await;
    let due = async |now, limit| store.due(now, limit).await.expect("due");
    let named = |names: &[(&hubbub_protocol::ChannelKey, &str)]| -> Vec<RecordKey> {
        names.iter().map(|(home, key)| name(home, Kind::Task, key)).collect()
    };
    assert_eq!(due(9, 10).await, []);
    assert_eq!(due(10, 10).await, named(&[(&theirs, "first")]));
    let twenty = named(&[(&theirs, "first"), (&ours, "a"), (&ours, "b"), (&theirs, "c")]);
    assert_eq!(due(29, 10).await, twenty);
    assert_eq!(due(29, 2).await, twenty[..2]);
    assert_eq!(due(u64::MAX, 10).await.len(), 5);
    // Moved, and done.
    done(&*store, putting(&theirs, 3, vec![task(&theirs, "first", 40)])).await;
    let gone = super::sample::act(std::slice::from_ref(&ours), 4, move |view| {
        view.remove(name(&room(), Kind::Task, "a"));
        Ok(crate::records::Verdict::default())
    });
    done(&*store, gone).await;
    assert_eq!(due(29, 10).await, named(&[(&ours, "b"), (&theirs, "c")]));
    store.close().await;
}

pub async fn messages_that_name_a_user_are_found(database: &dyn RecordsDatabase) {
    let store = open(database).await;
    let lobby = channel("chat:lobby");
    let plain = |number| Append { from: Some(user("bob")), publisher: "user/bob".into(), ..message(&lobby, number) };
    let append = async |append: Append| {
        store.append(append).await.expect("appended");
    };
    append(Append { from: Some(user("eve")), ..plain(1) }).await;
    append(plain(2)).await;
    append(Append { publisher: "user/eve".into(), ..plain(3) }).await;
    append(Append { data: data(r#"{"text":"ask @eve."}"#), ..plain(4) }).await;
    append(Append { data: data(r#"{"text":"evening"}"#), ..plain(5) }).await;
    append(Append { data: data(r#"{"\u0065ve":1}"#), ..plain(6) }).await;
    append(Append { key: Some(key("eve/1")), ..plain(7) }).await;
    append(Append { conflate_key: Some(key("eve")), ..plain(8) }).await;
    append(Append { from: Some(user("eve")), ..plain(9) }).await;
    store.erase(&lobby, 9).await.expect("erased");
    append(Append { from: Some(user("eve")), ..plain(10) }).await;
    let naming = async |after, limit| store.naming(&lobby, &user("eve"), after, limit).await.expect("named");
    assert_eq!(naming(0, 100).await, [1, 3, 4, 6, 7, 8, 10]);
    assert_eq!(naming(3, 3).await, [4, 6, 7]);
    assert_eq!(naming(10, 3).await, [0; 0]);
    assert_eq!(naming(0, 0).await, [0; 0]);
    assert_eq!(store.naming(&channel("chat:none"), &user("eve"), 0, 9).await, Ok(Vec::new()));
    assert_eq!(store.naming(&channel_of("other", "chat:lobby"), &user("eve"), 0, 9).await, Ok(Vec::new()));
    let nothing = crate::Retention { messages: Some(2), age_ms: None };
    store.expire(&lobby, nothing, 0).await.expect("expired");
    assert_eq!(naming(0, 100).await, [10]);
    store.close().await;
}

pub async fn a_long_log_is_looked_through_in_steps(database: &dyn RecordsDatabase) {
    const COUNT: u64 = 2_500;
    let store = open(database).await;
    let lobby = channel("chat:lobby");
    let waiting: Vec<_> = (1..=COUNT)
        .map(|number| {
            let from = if number % 1_000 < 2 { user("eve") } else { user("bob") };
            store.append(Append { from: Some(from), ..message(&lobby, number) })
        })
        .collect();
    for appended in waiting {
        appended.await.expect("appended");
    }
    let named = store.naming(&lobby, &user("eve"), 0, 1_000).await;
    assert_eq!(named, Ok(vec![1, 1_000, 1_001, 2_000, 2_001]));
    // Large messages: a step ends by its bytes.
    let large = channel("chat:large");
    for number in 1..=100 {
        let text = format!("\"{} {}\"", "x".repeat(100_000), if number % 50 == 0 { "eve" } else { "bob" });
        store.append(Append { data: data(&text), ..message(&large, number) }).await.expect("appended");
    }
    assert_eq!(store.naming(&large, &user("eve"), 0, 10).await, Ok(vec![50, 100]));
    store.close().await;
}
