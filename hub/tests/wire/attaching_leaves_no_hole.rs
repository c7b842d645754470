//! Goal: however a subscription begins, and whenever, the stream behind its start has no hole, no duplicate and one order.
//! Method: subscribers that attach, resume and rewind at random moments while publishers publish as fast as they can; and a
//! reader so slow that its catch-up takes long.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hubbub_protocol::frame::Side;
use hubbub_protocol::outcome::{Attached, Outcome};
use hubbub_protocol::{ClientFrame, GapReason, Message, Position, ServerFrame};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::harness::{Hub, Setup, WITHIN, token};
use crate::peer::{Peer, draft, fresh, resume, rewind, since};

/// Subscribers come and go for so long.
const STORM: Duration = Duration::from_millis(1_500);

/// Publishes until told to stop, some messages under way at once; answers how many were acknowledged.
async fn publish_until(mut peer: Peer, name: &'static str, stop: Arc<AtomicBool>) -> u64 {
    const UNDER_WAY: u64 = 8;
    let (mut sent, mut acknowledged) = (0, 0);
    loop {
        let more = !stop.load(Ordering::Relaxed);
        if more && sent - acknowledged < UNDER_WAY {
            sent += 1;
            peer.send(&ClientFrame::Publish(sent, draft(name, &sent.to_string()))).await;
            continue;
        }
        if sent == acknowledged {
            return acknowledged;
        }
        match peer.frame().await {
            ServerFrame::Ack { .. } => acknowledged += 1,
            other => panic!("not acknowledged: {other:?}"),
        }
    }
}

/// Reads on from an answer; what comes must follow without a hole. Only a window can be overtaken while it is read, and says so.
/// Answers where it stands after so many frames.
async fn follow(peer: &mut Peer, attached: &Attached, count: u64, what: &str) -> Position {
    let mut position = Position::new(attached.epoch().expect("a log"), attached.start());
    for _ in 0..count {
        match peer.frame().await {
            ServerFrame::Message(message) => {
                assert_eq!(message.position, Some(Position::new(position.epoch, position.offset + 1)), "{what}");
                position.offset += 1;
            }
            ServerFrame::Gap { lost, reason: GapReason::Expired, .. } if what.starts_with("live:") => {
                assert_eq!(lost.from, position.offset + 1, "{what}");
                position.offset = lost.to;
            }
            other => panic!("{what}: {other:?}"),
        }
    }
    position
}

/// Attaches in one way after the other at random moments, and reads some messages each time.
async fn come_and_go(hub: &Hub, name: &'static str, user: &str, until: Instant) -> u64 {
    let (mut seen, mut last, mut rounds) = (0, None::<Position>, 0);
    while Instant::now() < until {
        let mut peer = Peer::open(hub).await;
        let way = rand::random_range(0..5);
        let attached = match (way, last) {
            (0, Some(last)) => {
                let connected = peer.begin(&token(user), vec![resume(name, Some(last))]).await;
                connected.subscriptions[0].result.expect("attached")
            }
            _ => {
                peer.begin(&token(user), Vec::new()).await;
                let wish = match (way, last) {
                    (1 | 2, Some(last)) => since(name, last),
                    (3, _) => rewind(name, rand::random_range(1..300)),
                    _ => fresh(name),
                };
                peer.subscribe(wish).await
            }
        };
        if let (0..=2, Some(last)) = (way, last) {
            match attached.outcome {
                Outcome::Continued { replay } => assert_eq!(replay.from, last.offset + 1, "{name} {user}"),
                Outcome::Gap { lost, .. } => assert_eq!(lost.from, last.offset + 1, "{name} {user}"),
                Outcome::Fresh { .. } => panic!("a position was given: {attached:?}"),
            }
        }
        let count = rand::random_range(1..400);
        last = Some(follow(&mut peer, &attached, count, &format!("{name} {user} round {rounds}, {attached:?}")).await);
        (seen, rounds) = (seen + count, rounds + 1);
    }
    assert!(rounds > 2, "{name} {user}: {rounds} rounds are no test");
    seen
}

async fn storm(setup: Setup, name: &'static str) {
    let hub = setup.limit("requests_per_second", 1_000_000).limit("request_burst", 1_000_000).start();
    let hub = Arc::new(hub);
    let stop = Arc::new(AtomicBool::new(false));
    let mut publishing = JoinSet::new();
    for number in 0..3 {
        let peer = Peer::connect(&hub, &format!("publisher{number}")).await;
        publishing.spawn(publish_until(peer, name, stop.clone()));
    }
    let until = Instant::now() + STORM;
    let mut coming = JoinSet::new();
    for number in 0..6 {
        let hub = hub.clone();
        coming.spawn(async move { come_and_go(&hub, name, &format!("u{number}"), until).await });
    }
    while let Some(came) = coming.join_next().await {
        came.expect("whole");
    }
    stop.store(true, Ordering::Relaxed);
    let acknowledged: u64 = publishing.join_all().await.into_iter().sum();
    let page = Peer::connect(&hub, "late").await.history(name, Side::Before(None), 1).await;
    assert_eq!(page.last, acknowledged, "everything has its place");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_durable_log_under_load() {
    storm(Setup::new(), "chat:a").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_window_under_load() {
    storm(Setup::new(), "live:a").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_channel_that_is_flushed_now_and_then() {
    storm(Setup::new().env("HUBBUB_NAMESPACES__LIVE__FLUSH_MS", "40"), "live:a").await;
}

#[tokio::test]
async fn at_the_end_of_a_long_catch_up_of_a_slow_reader() {
    const OLD: u64 = 20_000;
    let hub = Setup::new().limit("requests_per_second", 1_000_000).start();
    let head = hub.publish_numbers("chat:a", 0..OLD).await.expect("a log");
    let mut reader = Peer::connect_slow(&hub, "u1", 8 * 1024).await;
    let attached = reader.subscribe(since("chat:a", Position::new(head.epoch, 0))).await;
    let mut writer = Peer::connect(&hub, "u2").await;
    // Live messages go on being published while it reads; the last is known by its data.
    let mut expected = 1;
    let mut published = OLD;
    let take = |message: Message, expected: &mut u64| {
        assert_eq!(message.position.expect("a log").offset, *expected);
        *expected += 1;
    };
    assert_eq!(attached.head.expect("a log").offset, OLD);
    while expected <= OLD {
        if expected % 100 == 0 {
            published = writer.publish(draft("chat:a", "\"live\"")).await.position.expect("a log").offset;
        }
        take(reader.message().await, &mut expected);
    }
    assert!(published >= OLD + 190);
    while expected <= published {
        take(reader.message().await, &mut expected);
    }
    reader.expect_nothing().await;
    writer.publish(draft("chat:a", "\"last\"")).await;
    assert_eq!(reader.message().await.data.get(), "\"last\"");
}

#[tokio::test]
async fn when_many_channels_catch_up_at_once() {
    const CHANNELS: usize = 24;
    let hub = Hub::dev();
    let text = format!("\"{}\"", "x".repeat(1_000));
    let mut epochs = Vec::new();
    for number in 0..CHANNELS {
        let items: Vec<_> = (0..600).map(|_| format!(r#"{{"channel":"chat:{number}","data":{text}}}"#)).collect();
        let answer = hub.post("/v1/batch", &format!(r#"{{"publishes":[{}]}}"#, items.join(","))).await;
        epochs.push(
            hubbub_protocol::Epoch::parse(answer.json()["results"][0]["epoch"].as_str().expect("a log"))
                .expect("an epoch"),
        );
    }
    // Half a mebibyte of history for each of 24 channels, all asked for at once by somebody who reads slowly.
    let mut reader = Peer::connect_slow(&hub, "u1", 8 * 1024).await;
    for (number, epoch) in epochs.into_iter().enumerate() {
        let id = reader.next_id();
        let wish = since(&format!("chat:{number}"), Position::new(epoch, 0));
        reader.send(&ClientFrame::Subscribe(id, wish)).await;
    }
    let mut expected = [1; CHANNELS];
    while expected.iter().any(|next| *next <= 600) {
        match reader.frame().await {
            ServerFrame::Message(message) => {
                let number: usize = message.channel.name().parse().expect("a number");
                assert_eq!(message.position.expect("a log").offset, expected[number], "{}", message.channel);
                expected[number] += 1;
            }
            ServerFrame::Subscribed { attached, .. } => assert_eq!(attached.start(), 0),
            other => panic!("unexpected: {other:?}"),
        }
    }
}

#[tokio::test]
async fn when_the_gate_is_small() {
    // Everything that comes during the last page overflows it at once.
    let hub = Setup::new()
        .limit("gate_bytes", 400)
        .limit("requests_per_second", 1_000_000)
        .limit("request_burst", 1_000_000)
        .start();
    let head = hub.publish_numbers("chat:a", 0..2_000).await.expect("a log");
    let stop = Arc::new(AtomicBool::new(false));
    let publishing = tokio::spawn(publish_until(Peer::connect(&hub, "p").await, "chat:a", stop.clone()));
    let until = Instant::now() + STORM;
    let mut overflows = 0;
    while Instant::now() < until {
        let mut peer = Peer::connect(&hub, "u1").await;
        let attached = peer.subscribe(since("chat:a", Position::new(head.epoch, 1_500))).await;
        let mut next = attached.start() + 1;
        while next < attached.head.expect("a log").offset + 300 {
            match peer.frame().await {
                ServerFrame::Message(message) => assert_eq!(message.position.expect("a log").offset, next),
                ServerFrame::Gap { lost, .. } => {
                    assert_eq!(lost.from, next, "a gap begins where the stream stands");
                    overflows += 1;
                    next = lost.to;
                }
                other => panic!("unexpected: {other:?}"),
            }
            next += 1;
        }
    }
    // Whether there are any is a matter of luck; a second overflow in a row is one.
    assert!(overflows < 1_000);
    stop.store(true, Ordering::Relaxed);
    timeout(WITHIN, publishing).await.expect("in time").expect("whole");
}
