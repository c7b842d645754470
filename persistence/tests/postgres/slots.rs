//! Goal: messages lie in partitions that take turns, a page lies in two at most, what has expired goes with its
//! partition, and keys stay for their time. Method: the turns are made as in months by telling the function another time.

use std::collections::HashSet;

use hubbub_local::postgres::Postgres as Server;
use hubbub_persistence::{Append, Appended, ReadFrom, Retention, Store};
use hubbub_protocol::MessageId;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::fixture::{channel, fill, head, keyed, message, open, server, whole};

const DAY: u64 = 86_400_000;
/// What `hubbub.write` takes for a page.
const PAGE: usize = 1_000;

/// A clock that the test sets, beginning in the present.
struct Clock<'a> {
    server: &'a Server,
    now: u64,
}

impl<'a> Clock<'a> {
    fn new(server: &'a Server) -> Self {
        let now = server.psql("SELECT (extract(epoch FROM now()) * 1000)::bigint").expect("asked");
        Self { server, now: now.parse().expect("a number") }
    }

    /// Lets time pass; nodes tidy up now and then.
    fn pass(&mut self, days: u64) {
        self.now += days * DAY;
        for _ in 0..3 {
            // The store of the test tidies too; who comes at the same moment is told to leave it.
            let tidied = (0..100).any(|_| ask_text(self.server, &format!("SELECT hubbub.tidy({})", self.now)) == "t");
            assert!(tidied, "somebody else was at it a hundred times");
            self.now += 11 * 60_000;
        }
    }

    /// What a store does at the time of this clock. Asked by a store it would not be later than it is.
    fn expire(&self, name: &str, days: u64) -> u64 {
        let set = "SELECT set_config('hubbub.tenant', 'acme', false) <> ''";
        let gone = format!("SELECT hubbub.expire('acme', '{name}', NULL, {}, {}, 1000)", days * DAY, self.now);
        let gone = self.server.psql(&format!("{set}; {gone}")).expect("expired");
        gone.lines().last().and_then(|gone| gone.parse().ok()).expect("a number")
    }
}

fn ask(server: &Server, sql: &str) -> u64 {
    ask_text(server, sql).parse().expect("a number")
}

fn ask_text(server: &Server, sql: &str) -> String {
    server.psql(sql).expect("asked")
}

/// The partition of each message of a channel, in the order of their offsets.
fn partitions(server: &Server, name: &str) -> Vec<u64> {
    let of = format!("(SELECT id FROM hubbub.channels WHERE name = '{name}')");
    let slots = server.psql(&format!("SELECT slot FROM hubbub.messages WHERE channel_id = {of} ORDER BY \"offset\""));
    slots.expect("asked").lines().map(|slot| slot.parse().expect("a number")).collect()
}

#[tokio::test]
async fn a_page_lies_in_two_partitions_at_most() {
    let server = server().await;
    let store = open(&server, 1).await;
    let mut clock = Clock::new(&server);
    let mut next = 1;
    // Months with much traffic, with little, with none.
    for count in [30, 1_700, 4, 900, 0, 2_300, 1_100, 1, 999, 2_100, 3] {
        let end = next + count;
        while next < end {
            // In small batches: how far one goes beyond a page decides where the next one lies.
            let upto = end.min(next + 200);
            assert_eq!(fill(&store, "chat:a", next..=upto - 1).await, (next..upto).collect::<Vec<_>>());
            next = upto;
        }
        clock.pass(92);
    }
    let last = next - 1;
    let log = whole(&store, "chat:a").await;
    assert_eq!(log, (1..=last).map(|number| (number, number)).collect::<Vec<_>>(), "all is there, in its order");
    let lies_in = partitions(&server, "chat:a");
    let count = |run: &[u64]| run.iter().collect::<HashSet<_>>().len();
    assert!(count(&lies_in) >= 4, "it does lie in several");
    for (first, page) in lies_in.windows(PAGE).enumerate() {
        assert!(count(page) <= 2, "the page after {first} lies in {}", count(page));
    }
    let page = store.read(&channel("chat:a"), ReadFrom::Before(2_000), 600, usize::MAX).await.expect("a page");
    assert_eq!(
        page.entries.iter().map(|entry| entry.offset()).collect::<Vec<_>>(),
        (1_400..2_000).rev().collect::<Vec<_>>()
    );
    for number in [1, 34, 1_735, 5_000, last] {
        let found = store.find(&channel("chat:a"), MessageId::from_parts(number, 0)).await.expect("asked");
        assert_eq!(found.map(|position| position.offset), Some(number));
    }
    store.close().await;
}

#[tokio::test]
async fn what_has_expired_goes_with_its_partition_and_the_partition_is_used_again() {
    let server = server().await;
    let store = open(&server, 1).await;
    let mut clock = Clock::new(&server);
    let days = 30;
    let retention = Retention { messages: None, age_ms: Some(days * DAY) };
    // Tells the class of the channel.
    fill(&store, "chat:a", 1..=1).await;
    store.expire(&channel("chat:a"), retention, 0).await.expect("nothing expired");
    let (mut next, mut sizes) = (2, Vec::new());
    for _ in 0..8 {
        let channel = channel("chat:a");
        let waiting: Vec<_> = (next..next + 3_000)
            .map(|number| {
                let id = MessageId::from_parts(number, 0);
                store.append(Append { id, time: clock.now, ..message(&channel, number) })
            })
            .collect();
        for answer in waiting {
            answer.await.expect("appended");
        }
        next += 3_000;
        clock.pass(26);
        while clock.expire("chat:a", days) > 0 {}
        clock.pass(0);
        let ends = store.heads(&[channel]).await.expect("heads")[0];
        assert_eq!(whole(&store, "chat:a").await.len() as u64, ends.position.offset - ends.low);
        sizes.push(ask(&server, "SELECT count(*) FROM pg_class WHERE relname LIKE 'messages\\__' AND relkind = 'r'"));
    }
    assert_eq!(sizes.last(), sizes.get(4), "after some turns no partition is made any more: {sizes:?}");
    let rows = ask(&server, "SELECT count(*) FROM hubbub.messages");
    assert!(rows <= 3 * 3_000 + 1, "{rows} rows are left of {next}");
    let deleted =
        ask(&server, "SELECT coalesce(sum(n_tup_del), 0) FROM pg_stat_all_tables WHERE relname LIKE 'messages\\_%'");
    assert!(deleted <= 2 * PAGE as u64, "{deleted} rows were deleted one by one, of {next}");
    store.close().await;
}

#[tokio::test]
async fn what_expires_in_a_quiet_channel_is_deleted_at_once() {
    let server = server().await;
    let store = open(&server, 1).await;
    fill(&store, "chat:a", 1..=500).await;
    let lobby = channel("chat:a");
    let ten = Retention { messages: Some(10), age_ms: None };
    assert_eq!(store.expire(&lobby, ten, 1_000).await, Ok(490));
    assert_eq!(ask(&server, "SELECT count(*) FROM hubbub.messages"), 10);
    assert_eq!(ask(&server, "SELECT class FROM hubbub.channels"), 0, "how long they live was learned");
    fill(&store, "chat:a", 501..=520).await;
    assert_eq!(store.expire(&lobby, ten, 1_000).await, Ok(20));
    assert_eq!(whole(&store, "chat:a").await.len(), 10);
    store.close().await;
}

#[tokio::test]
async fn keys_stay_for_their_time_and_their_partitions_take_turns() {
    let server = server().await;
    let store = open(&server, 1).await;
    let mut clock = Clock::new(&server);
    let lobby = channel("chat:lobby");
    let retry = async |number: u64, key: &str| {
        let append = Append { data: keyed(&lobby, 1, key).data, ..keyed(&lobby, number, key) };
        match store.append(append).await.expect("appended") {
            Appended::At { duplicate, .. } => duplicate,
            Appended::KeyConflict => panic!("a key conflict"),
        }
    };
    assert!(!retry(1, "first").await);
    let mut number = 2;
    for day in 1..=9u64 {
        assert!(!retry(number, &format!("day {day}")).await);
        clock.pass(1);
        clock.pass(0);
        number += 1;
        assert!(retry(number, &format!("day {day}")).await, "a day later");
        if day > 1 {
            assert!(retry(number, &format!("day {}", day - 1)).await, "two days later");
        }
        let kept = ask(&server, "SELECT count(*) FROM hubbub.keys");
        assert!(kept <= 6, "{kept} keys are kept on day {day}");
    }
    assert_eq!(head(&store, "chat:lobby").await.offset, 10, "no retry was appended");
    store.close().await;
}

#[tokio::test]
async fn a_partition_that_somebody_reads_is_emptied_later() {
    let server = server().await;
    let store = open(&server, 1).await;
    let mut clock = Clock::new(&server);
    // More than a page, in two batches at least: the second lies in the slot of its class.
    fill(&store, "chat:a", 1..=1_100).await;
    fill(&store, "chat:a", 1_101..=1_105).await;
    let none = Retention { messages: Some(0), age_ms: None };
    while store.expire(&channel("chat:a"), none, u64::MAX).await.expect("expired") > 0 {}
    let holds = ask(&server, "SELECT slot FROM hubbub.slots WHERE taking AND class = 2");
    let lock = format!("BEGIN; LOCK TABLE hubbub.messages_{holds} IN ACCESS SHARE MODE");
    let mut reader = PgConnection::connect(&server.admin_url()).await.expect("connected");
    sqlx::raw_sql(AssertSqlSafe(lock)).execute(&mut reader).await.expect("locked");
    clock.pass(92);
    let slot = format!("SELECT count(*) FROM hubbub.slots WHERE slot = {holds} AND class IS NULL");
    assert_eq!(ask(&server, &slot), 0, "not while it is read");
    reader.close().await.expect("closed");
    clock.pass(0);
    assert_eq!(ask(&server, &slot), 1);
    assert_eq!(fill(&store, "chat:a", 1_106..=1_106).await, [1_106]);
    store.close().await;
}

#[tokio::test]
async fn a_node_whose_clock_runs_ahead_expires_nothing_early() {
    let server = server().await;
    let store = open(&server, 1).await;
    let clock = Clock::new(&server);
    let lobby = channel("chat:a");
    let append = |number: u64, days: u64| {
        let id = MessageId::from_parts(number, 0);
        store.append(Append { id, time: clock.now - days * DAY, ..message(&lobby, number) })
    };
    append(1, 31).await.expect("appended");
    append(2, 29).await.expect("appended");
    let retention = Retention { messages: None, age_ms: Some(30 * DAY) };
    let years_ahead = clock.now + 4_000 * DAY;
    assert_eq!(store.expire(&lobby, retention, years_ahead).await, Ok(1), "the older one has expired");
    assert_eq!(store.expire(&lobby, retention, years_ahead).await, Ok(0));
    assert_eq!(whole(&store, "chat:a").await, [(2, clock.now - 29 * DAY)]);
    store.close().await;
}
