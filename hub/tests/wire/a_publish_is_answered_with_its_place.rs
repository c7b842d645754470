//! Goal: an ack says where the message stands, a key makes repetitions harmless, and what subscribers see is what was
//! published, in one order. Method: clients and services that publish, repeat, race and compare byte by byte.

use hubbub_protocol::{ClientFrame, ErrorCode, Key, ServerFrame};
use tokio::task::JoinSet;

use crate::harness::{Hub, Setup};
use crate::peer::{Peer, draft, fresh, keyed};

#[tokio::test]
async fn acks_count_one_two_three_and_messages_follow() {
    let hub = Hub::dev();
    for name in ["chat:a", "live:a"] {
        let mut peer = Peer::connect(&hub, "u1").await;
        let head = peer.subscribe(fresh(name)).await.head.expect("a log");
        assert_eq!(head.offset, 0);
        for offset in 1..=3 {
            let ack = peer.publish(keyed(name, "{\"n\":1}", &format!("key {offset}"))).await;
            let position = ack.position.expect("a log");
            assert_eq!((position.epoch, position.offset), (head.epoch, offset), "{name}");
            let message = peer.message().await;
            assert_eq!((message.position, message.id, message.time), (ack.position, ack.message, ack.time));
            assert_eq!(
                message.key.as_ref().map(Key::as_str),
                Some(format!("key {offset}").as_str()),
                "the key comes back"
            );
            assert_eq!(message.from.as_ref().map(|user| user.as_str()), Some("u1"));
        }
        peer.expect_nothing().await;
    }
}

#[tokio::test]
async fn a_channel_without_a_log_has_no_places() {
    let hub = Hub::dev();
    let mut peer = Peer::connect(&hub, "u1").await;
    assert_eq!(peer.subscribe(fresh("eph:a")).await.head, None);
    let first = peer.publish(keyed("eph:a", "1", "k")).await;
    let again = peer.publish(keyed("eph:a", "1", "k")).await;
    assert_eq!((first.position, again.position), (None, None));
    assert_ne!(first.message, again.message, "keys mean nothing here");
    for ack in [first, again] {
        let (frame, text) = peer.frame_and_text().await;
        let ServerFrame::Message(message) = frame else { panic!("not a message: {text}") };
        assert_eq!((message.id, message.position), (ack.message, None));
        assert!(!text.contains("epoch") && !text.contains("offset"), "{text}");
    }
}

#[tokio::test]
async fn a_key_makes_a_repetition_harmless() {
    let hub = Hub::dev();
    for name in ["chat:a", "live:a"] {
        let (mut peer, mut other) = (Peer::connect(&hub, "u1").await, Peer::connect(&hub, "u2").await);
        peer.subscribe(fresh(name)).await;
        let first = peer.publish(keyed(name, "1", "k")).await;
        assert_eq!(peer.publish(keyed(name, "1", "k")).await, first, "{name}");
        // A reconnect repeats on another connection of the same user.
        assert_eq!(Peer::connect(&hub, "u1").await.publish(keyed(name, "1", "k")).await, first);
        let conflict = peer.refused(|id| ClientFrame::Publish(id, keyed(name, "2", "k"))).await;
        assert_eq!(conflict, ErrorCode::KeyConflict);
        let others = other.publish(keyed(name, "1", "k")).await;
        assert_eq!(others.position.expect("a log").offset, 2, "keys belong to their publisher");
        assert_eq!(
            other.publish(keyed(&format!("{name}2"), "2", "k")).await.position.expect("a log").offset,
            1,
            "and to their channel"
        );
        assert_eq!(peer.offsets(2).await, [1, 2]);
        peer.expect_nothing().await;
    }
}

#[tokio::test]
async fn repetitions_that_race_append_once() {
    let hub = Hub::dev();
    for name in ["chat:a", "live:a"] {
        let mut racing = JoinSet::new();
        for _ in 0..10 {
            let mut peer = Peer::connect(&hub, "u1").await;
            racing.spawn(async move { peer.publish(keyed(name, "1", "k")).await });
        }
        let acks = racing.join_all().await;
        assert!(acks.iter().all(|ack| *ack == acks[0]), "{acks:?}");
        assert_eq!(acks[0].position.expect("a log").offset, 1);
    }
}

#[tokio::test]
async fn data_arrives_as_it_was_sent() {
    let hub = Hub::dev();
    let texts = [
        r#"{ "a" : 1 ,"b":[ ] }"#,
        "123456789012345678901234567890.1234567890123456789e-400",
        r#""\u00e9\ud83d\ude00 \/ \" é 😀""#,
        "\"\u{2028}\u{2029}\u{7f}\"",
        r#"{"a":1,"a":2}"#,
        "-0",
        "null",
        "{\"line\":\n\t1}",
        r#"{"type":"message","channel":"chat:evil","offset":99}"#,
    ];
    for name in ["chat:a", "live:a", "eph:a"] {
        let mut peer = Peer::connect(&hub, "u1").await;
        peer.subscribe(fresh(name)).await;
        for text in texts {
            peer.publish(draft(name, text)).await;
            assert_eq!(peer.message().await.data.get(), text, "{name}");
            hub.publish(name, text).await;
            assert_eq!(peer.message().await.data.get(), text, "{name} by a service");
        }
    }
    let page = Peer::connect(&hub, "u1").await.history("chat:a", hubbub_protocol::frame::Side::After(0), 1_000).await;
    let kept: Vec<_> = page.messages.iter().step_by(2).map(|message| message.data.get()).collect();
    assert_eq!(kept, texts);
}

#[tokio::test]
async fn pipelined_publishes_keep_their_order() {
    // One connection may have 64 requests under way, and sends 500 without waiting.
    let hub = Setup::new().limit("request_burst", 1_000).start();
    for name in ["chat:a", "live:a", "eph:a"] {
        let (mut reader, mut writer) = (Peer::connect(&hub, "u1").await, Peer::connect(&hub, "u2").await);
        reader.subscribe(fresh(name)).await;
        for number in 0..500 {
            let id = writer.next_id();
            writer.send(&ClientFrame::Publish(id, draft(name, &number.to_string()))).await;
        }
        for number in 0..500 {
            let message = reader.message().await;
            assert_eq!(message.data.get(), number.to_string(), "{name}");
            assert_eq!(message.position.map(|position| position.offset), (name != "eph:a").then_some(number + 1));
        }
        for id in 1..=500 {
            assert!(matches!(writer.answer(id).await, ServerFrame::Ack { .. }), "{name}: {id}");
        }
    }
}

#[tokio::test]
async fn racing_publishers_make_one_order_for_all() {
    const WRITERS: u64 = 20;
    const EACH: u64 = 50;
    let hub = Hub::dev();
    let mut readers = Vec::new();
    for number in 0..8 {
        let mut reader = Peer::connect(&hub, &format!("reader{number}")).await;
        reader.subscribe(fresh("chat:a")).await;
        reader.subscribe(fresh("live:a")).await;
        readers.push(reader);
    }
    let mut writing = JoinSet::new();
    for writer in 0..WRITERS {
        let mut peer = Peer::connect(&hub, &format!("w{writer}")).await;
        writing.spawn(async move {
            for number in 0..EACH {
                for name in ["chat:a", "live:a"] {
                    peer.publish(draft(name, &number.to_string())).await;
                }
            }
        });
    }
    let mut reading = JoinSet::new();
    for mut reader in readers {
        reading.spawn(async move {
            let (mut durable, mut window) = (Vec::new(), Vec::new());
            while durable.len() + window.len() < (2 * WRITERS * EACH) as usize {
                let message = reader.message().await;
                if message.channel.namespace() == "chat" { durable.push(message) } else { window.push(message) }
            }
            (durable, window)
        });
    }
    writing.join_all().await;
    let seen = reading.join_all().await;
    for (durable, window) in &seen {
        for messages in [durable, window] {
            let offsets: Vec<u64> = messages.iter().map(|message| message.position.expect("a log").offset).collect();
            assert_eq!(offsets, (1..=WRITERS * EACH).collect::<Vec<_>>());
        }
        let ids = |messages: &[hubbub_protocol::Message]| messages.iter().map(|message| message.id).collect::<Vec<_>>();
        assert_eq!((ids(durable), ids(window)), (ids(&seen[0].0), ids(&seen[0].1)), "the same for everybody");
    }
}

#[tokio::test]
async fn data_that_is_too_large_is_refused() {
    let hub = Hub::dev();
    let large = format!("\"{}\"", "x".repeat(70_000));
    let answer = hub.post("/v1/publish", &format!(r#"{{"channel":"live:a","data":{large}}}"#)).await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (413, Some("too_large")));
}
