//! Goal: messages lie in partitions that take turns, a page lies in two at most, what has expired goes with its
//! partition, and keys stay for their time. Method: the turns are made as in months by telling the function another time.

use hubbub_local::postgres::Postgres as Server;
use hubbub_persistence::{Append, Appended, ReadFrom, Retention, Store};
use hubbub_protocol::MessageId;

use super::fixture::{channel, fill, head, keyed, offset, open, server, whole};

const DAY: u64 = 86_400_000;
/// What `hubbub.turn` takes for a page.
const PAGE: u64 = 1_000;

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
            assert_eq!(self.server.psql(&format!("SELECT hubbub.tidy({})", self.now)).expect("tidied"), "t");
            self.now += 11 * 60_000;
        }
    }
}

fn ask(server: &Server, sql: &str) -> u64 {
    server.psql(sql).expect("asked").parse().expect("a number")
}

/// In how many partitions a run of offsets lies.
fn partitions(server: &Server, name: &str, first: u64, last: u64) -> u64 {
    let of = format!("(SELECT id FROM hubbub.channels WHERE name = '{name}')");
    let run = format!("\"offset\" BETWEEN {first} AND {last}");
    ask(server, &format!("SELECT count(DISTINCT slot) FROM hubbub.messages WHERE channel_id = {of} AND {run}"))
}

#[tokio::test]
async fn a_page_lies_in_two_partitions_at_most() {
    let server = server().await;
    let store = open(&server, 1).await;
    let mut clock = Clock::new(&server);
    let mut next = 1;
    // Months with much traffic, with little, with none.
    for count in [30, 1_700, 4, 4, 900, 900, 0, 2, 2_300, 1, 999, 1] {
        if count > 0 {
            assert_eq!(fill(&store, "chat:a", next..=next + count - 1).await, (next..next + count).collect::<Vec<_>>());
        }
        next += count;
        clock.pass(92);
    }
    let last = next - 1;
    let log = whole(&store, "chat:a").await;
    assert_eq!(log, (1..=last).map(|number| (number, number)).collect::<Vec<_>>(), "all is there, in its order");
    assert!(partitions(&server, "chat:a", 1, last) > 3, "it does lie in several");
    for first in (1..=last - PAGE + 1).step_by(50) {
        let touched = partitions(&server, "chat:a", first, first + PAGE - 1);
        assert!(touched <= 2, "the page from {first} lies in {touched}");
    }
    let page = store.read(&channel("chat:a"), ReadFrom::Before(2_000), 600, usize::MAX).await.expect("a page");
    assert_eq!(
        page.entries.iter().map(|entry| entry.offset()).collect::<Vec<_>>(),
        (1_400..2_000).rev().collect::<Vec<_>>()
    );
    for number in [1, 34, 1_735, last] {
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
    let retention = Retention { messages: None, age_ms: Some(30 * DAY) };
    // Tells the class of the channel.
    fill(&store, "chat:a", 1..=1).await;
    store.expire(&channel("chat:a"), retention, 0).await.expect("nothing expired");
    let (mut next, mut sizes) = (2, Vec::new());
    for _ in 0..12 {
        let channel = channel("chat:a");
        let waiting: Vec<_> = (next..next + 1_200)
            .map(|number| {
                let id = MessageId::from_parts(number, 0);
                store.append(Append { id, time: clock.now, ..super::fixture::message(&channel, number) })
            })
            .collect();
        for answer in waiting {
            answer.await.expect("appended");
        }
        next += 1_200;
        clock.pass(26);
        while store.expire(&channel, retention, clock.now).await.expect("expired") > 0 {}
        clock.pass(0);
        let ends = store.heads(&[channel]).await.expect("heads")[0];
        assert_eq!(whole(&store, "chat:a").await.len() as u64, ends.position.offset - ends.low);
        sizes.push(ask(&server, "SELECT count(*) FROM pg_class WHERE relname LIKE 'messages\\__' AND relkind = 'r'"));
    }
    assert_eq!(sizes.last(), sizes.get(5), "after some turns no partition is made any more: {sizes:?}");
    let rows = ask(&server, "SELECT count(*) FROM hubbub.messages");
    assert!(rows <= 3 * 1_200 + 1, "{rows} rows are left of {next}");
    let deleted =
        ask(&server, "SELECT coalesce(sum(n_tup_del), 0) FROM pg_stat_all_tables WHERE relname LIKE 'messages\\_%'");
    assert!(deleted <= 2 * PAGE, "{deleted} rows were deleted one by one, of {next}");
    store.close().await;
}

#[tokio::test]
async fn a_channel_whose_messages_live_shorter_than_their_partition_is_emptied_at_once() {
    let server = server().await;
    let store = open(&server, 1).await;
    fill(&store, "chat:a", 1..=500).await;
    let lobby = channel("chat:a");
    assert_eq!(store.expire(&lobby, Retention { messages: Some(10), age_ms: None }, 1_000).await, Ok(490));
    assert_eq!(ask(&server, "SELECT count(*) FROM hubbub.messages"), 500, "these go with the partition of their class");
    assert_eq!(ask(&server, "SELECT class FROM hubbub.channels"), 0, "the class was learned");
    fill(&store, "chat:a", 501..=520).await;
    assert_eq!(store.expire(&lobby, Retention { messages: Some(10), age_ms: None }, 1_000).await, Ok(20));
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
    for day in 1..=20u64 {
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
    assert_eq!(head(&store, "chat:lobby").await.offset, 21, "no retry was appended");
    store.close().await;
}

#[tokio::test]
async fn a_partition_that_somebody_reads_is_emptied_later() {
    let server = server().await;
    let store = open(&server, 1).await;
    let mut clock = Clock::new(&server);
    fill(&store, "chat:a", 1..=5).await;
    while store
        .expire(&channel("chat:a"), Retention { messages: Some(0), age_ms: None }, clock.now)
        .await
        .expect("expired")
        > 0
    {}
    let holds = ask(&server, "SELECT slot FROM hubbub.slots WHERE taking AND class = 2");
    let reader = std::thread::scope(|scope| {
        let lock = format!("BEGIN; LOCK TABLE hubbub.messages_{holds} IN ACCESS SHARE MODE; SELECT pg_sleep(3)");
        let server = &server;
        let held = scope.spawn(move || server.psql(&lock));
        let locked =
            format!("SELECT count(*) FROM pg_locks WHERE relation = 'hubbub.messages_{holds}'::regclass AND granted");
        while ask(server, &locked) == 0 {}
        clock.pass(92);
        assert_eq!(ask(server, &format!("SELECT count(*) FROM hubbub.slots WHERE slot = {holds} AND class = 2")), 1);
        held.join()
    });
    reader.expect("no panic").expect("read");
    clock.pass(1);
    assert_eq!(ask(&server, &format!("SELECT count(*) FROM hubbub.slots WHERE slot = {holds} AND class IS NULL")), 1);
    assert_eq!(offset(store.append(super::fixture::message(&channel("chat:a"), 6)).await.expect("appended")), 6);
    store.close().await;
}
