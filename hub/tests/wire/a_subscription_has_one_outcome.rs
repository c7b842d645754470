//! Goal: every subscribe and every resume ends in exactly one of `fresh`, `continued` and `gap`, and what comes behind is
//! exactly what it promised. Method: positions of every worth against logs of every kind.

use std::collections::BTreeMap;

use hubbub_protocol::frame::{Resume, Subscribe};
use hubbub_protocol::outcome::{Attached, Outcome};
use hubbub_protocol::{ClientFrame, Epoch, ErrorCode, GapReason, Position, Range, ServerFrame};

use crate::harness::{Hub, Setup, token, token_for};
use crate::peer::{Peer, channel, draft, fresh, resume, rewind, since};

fn continued(from: u64, to: u64) -> Outcome {
    Outcome::Continued { replay: Range { from, to } }
}

fn head_of(attached: &Attached) -> u64 {
    attached.head.expect("a log").offset
}

#[tokio::test]
async fn fresh_begins_with_what_comes_now() {
    let hub = Hub::dev();
    for name in ["chat:a", "live:a"] {
        hub.publish_numbers(name, 0..5).await;
        let mut peer = Peer::connect(&hub, "u1").await;
        let attached = peer.subscribe(fresh(name)).await;
        assert_eq!((attached.outcome, head_of(&attached)), (Outcome::Fresh { replay: None }, 5), "{name}");
        hub.publish(name, "5").await;
        assert_eq!(peer.offsets(1).await, [6]);
    }
}

#[tokio::test]
async fn a_position_continues_exactly_behind_itself() {
    let hub = Hub::dev();
    for name in ["chat:a", "live:a"] {
        let head = hub.publish_numbers(name, 0..700).await.expect("a log");
        for after in [0, 1, 350, 699, 700] {
            let mut peer = Peer::connect(&hub, "u1").await;
            let attached = peer.subscribe(since(name, Position::new(head.epoch, after))).await;
            assert_eq!(attached.outcome, continued(after + 1, 700), "{name}");
            assert_eq!(attached.head, Some(head));
            assert_eq!(peer.offsets((700 - after) as usize).await, (after + 1..=700).collect::<Vec<_>>());
            peer.expect_nothing().await;
        }
    }
}

#[tokio::test]
async fn rewind_begins_so_many_messages_earlier() {
    let hub = Hub::dev();
    for name in ["chat:a", "live:a"] {
        let mut peer = Peer::connect(&hub, "u1").await;
        let nothing = peer.subscribe(rewind(&format!("{name}2"), 10)).await;
        assert_eq!((nothing.outcome, head_of(&nothing)), (Outcome::Fresh { replay: None }, 0));
        hub.publish_numbers(name, 0..30).await;
        for (count, from) in [(1, 30), (10, 21), (30, 1), (1_000, 1)] {
            let mut peer = Peer::connect(&hub, "u1").await;
            let attached = peer.subscribe(rewind(name, count)).await;
            assert_eq!(attached.outcome, Outcome::Fresh { replay: Some(Range { from, to: 30 }) }, "{name}");
            assert_eq!(peer.offsets((31 - from) as usize).await, (from..=30).collect::<Vec<_>>());
            peer.expect_nothing().await;
        }
    }
}

#[tokio::test]
async fn subscriptions_begin_and_end_once() {
    let hub = Hub::dev();
    let mut peer = Peer::connect(&hub, "u1").await;
    peer.subscribe(fresh("live:a")).await;
    assert_eq!(peer.refused(|id| ClientFrame::Subscribe(id, fresh("live:a"))).await, ErrorCode::AlreadySubscribed);
    hub.publish("live:a", "1").await;
    assert_eq!(peer.offsets(1).await, [1], "the refusal changed nothing");
    peer.unsubscribe("live:a").await;
    hub.publish("live:a", "2").await;
    assert_eq!(peer.refused(|id| ClientFrame::Unsubscribe(id, channel("live:a"))).await, ErrorCode::NotSubscribed);
    peer.expect_nothing().await;
    assert_eq!(head_of(&peer.subscribe(fresh("live:a")).await), 2);
    hub.publish("live:a", "3").await;
    assert_eq!(peer.offsets(1).await, [3]);
}

#[tokio::test]
async fn what_is_not_allowed_is_refused_by_name() {
    let hub = Hub::dev();
    let mut peer = Peer::open(&hub).await;
    peer.begin(&token_for("u1", &[("live:*", &["subscribe"])]), Vec::new()).await;
    let mut code = async |text: &str| {
        let id = peer.next_id();
        peer.raw.send_text(text.replace("ID", &id.to_string())).await.expect("sent");
        match peer.answer(id).await {
            ServerFrame::Error(error) => error.code,
            other => panic!("not refused: {other:?}"),
        }
    };
    let subscribe = |name: &str| format!(r#"{{"type":"subscribe","id":ID,"channel":"{name}"}}"#);
    assert_eq!(code(&subscribe("chat:a")).await, ErrorCode::Forbidden);
    assert_eq!(code(&subscribe("nowhere:a")).await, ErrorCode::NotFound);
    let long = format!("live:{}", "x".repeat(200));
    for name in ["live", "live:", ":a", "live:a b", "Live:a", "live:a,b", &long] {
        assert_eq!(code(&subscribe(name)).await, ErrorCode::BadRequest, "{name}");
    }
    let publish = r#"{"type":"publish","id":ID,"channel":"live:a","data":1}"#;
    assert_eq!(code(publish).await, ErrorCode::Forbidden);
    assert_eq!(code(r#"{"type":"subscribe","id":ID,"channel":"live:a","presence":true}"#).await, ErrorCode::Forbidden);
    assert_eq!(code(r#"{"type":"subscribe","id":ID,"channel":"live:a","rewind":1001}"#).await, ErrorCode::BadRequest);
    assert_eq!(code(r#"{"type":"nonsense","id":ID}"#).await, ErrorCode::BadRequest);
    // None of it left anything behind.
    peer.subscribe(fresh("live:a")).await;
}

#[tokio::test]
async fn a_connection_has_512_subscriptions() {
    let hub = Setup::new().limit("request_burst", 2_000).start();
    let mut peer = Peer::connect(&hub, "u1").await;
    for number in 0..512 {
        let id = peer.next_id();
        peer.send(&ClientFrame::Subscribe(id, fresh(&format!("live:{number}")))).await;
    }
    for id in 1..=512 {
        assert!(matches!(peer.answer(id).await, ServerFrame::Subscribed { .. }));
    }
    assert_eq!(peer.refused(|id| ClientFrame::Subscribe(id, fresh("live:more"))).await, ErrorCode::LimitReached);
    peer.unsubscribe("live:7").await;
    peer.subscribe(fresh("live:more")).await;
}

#[tokio::test]
async fn many_channels_are_taken_up_with_an_outcome_each() {
    let hub = Hub::dev();
    let old = Epoch::from_u64(77);
    let mut wishes: Vec<Resume> = Vec::new();
    let mut expected: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let mut outcomes = Vec::new();
    for number in 0..200_u64 {
        let count = number % 7;
        let name = format!("{}:{number}", ["chat", "live", "eph", "nowhere", "user"][(number % 5) as usize]);
        let head = if number % 5 < 2 && count > 0 { hub.publish_numbers(&name, 0..count).await } else { None };
        let position = match (number % 5, head) {
            (0 | 1, Some(head)) if number % 3 == 0 => {
                expected.insert(name.clone(), (2..=count).collect());
                outcomes.push(Ok(Some(continued(2, count))));
                Some(Position::new(head.epoch, 1))
            }
            (0, Some(_)) => {
                // A durable log of another epoch: nothing is proven, everything that there is comes.
                expected.insert(name.clone(), (1..=count).collect());
                outcomes.push(Ok(None));
                Some(Position::new(old, 3))
            }
            (0 | 1, _) => {
                outcomes.push(Ok(Some(Outcome::Fresh { replay: None })));
                None
            }
            (2, _) => {
                outcomes.push(Ok(Some(Outcome::Fresh { replay: None })));
                None
            }
            (3, _) => {
                outcomes.push(Err(ErrorCode::NotFound));
                None
            }
            _ => {
                outcomes.push(Err(ErrorCode::Forbidden));
                None
            }
        };
        wishes.push(resume(&name, position));
    }
    let mut peer = Peer::open(&hub).await;
    let connected = peer.begin(&token("u1"), wishes.clone()).await;
    assert_eq!(connected.subscriptions.len(), 200);
    for ((result, wish), outcome) in connected.subscriptions.iter().zip(&wishes).zip(outcomes) {
        assert_eq!(result.channel, wish.channel, "in the order of the request");
        match outcome {
            Ok(Some(outcome)) => {
                assert_eq!(result.result.map(|attached| attached.outcome), Ok(outcome), "{}", wish.channel)
            }
            Ok(None) => {
                let attached = result.result.expect("attached");
                assert!(
                    matches!(attached.outcome, Outcome::Gap { reason: GapReason::Epoch, lost } if lost.to == 0),
                    "{attached:?}"
                );
            }
            Err(code) => assert_eq!(result.result, Err(code), "{}", wish.channel),
        }
    }
    let mut came: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for _ in 0..expected.values().map(Vec::len).sum() {
        let message = peer.message().await;
        came.entry(message.channel.to_string()).or_default().push(message.position.expect("a log").offset);
    }
    expected.retain(|_, offsets| !offsets.is_empty());
    assert_eq!(came, expected);
    peer.expect_nothing().await;
    for name in ["chat:0", "live:1", "eph:2"] {
        hub.publish(name, "1").await;
        assert_eq!(peer.message().await.channel, channel(name), "live messages follow");
    }
}

#[tokio::test]
async fn an_unknown_epoch_is_a_gap_and_then_everything_comes() {
    let hub = Hub::dev();
    for name in ["chat:a", "live:a"] {
        let head = hub.publish_numbers(name, 0..40).await.expect("a log");
        for offset in [1, 20, 40, 5_000] {
            let mut peer = Peer::connect(&hub, "u1").await;
            let attached = peer.subscribe(since(name, Position::new(Epoch::from_u64(1), offset))).await;
            assert_eq!(attached.head, Some(head), "{name}");
            let Outcome::Gap { lost, reason: GapReason::Epoch } = attached.outcome else {
                panic!("{name}: {attached:?}")
            };
            assert_eq!(attached.start(), lost.to);
            assert_eq!(peer.offsets((40 - lost.to) as usize).await, (lost.to + 1..=40).collect::<Vec<_>>());
            assert_eq!(lost.to, 0, "{name}: nothing that there is may be left out");
            peer.expect_nothing().await;
        }
    }
}

#[tokio::test]
async fn a_position_from_the_future_is_a_gap() {
    let hub = Hub::dev();
    for name in ["chat:a", "live:a"] {
        let head = hub.publish_numbers(name, 0..3).await.expect("a log");
        let mut peer = Peer::connect(&hub, "u1").await;
        let attached = peer.subscribe(since(name, Position::new(head.epoch, 9))).await;
        assert!(matches!(attached.outcome, Outcome::Gap { .. }), "{name}: {attached:?}");
        let next = hub.publish(name, "3").await.expect("a log");
        let start = attached.start();
        let count = (next.offset - start) as usize;
        assert_eq!(peer.offsets(count).await, (start + 1..=next.offset).collect::<Vec<_>>(), "{name}");
    }
}

#[tokio::test]
async fn what_left_the_window_is_named_and_the_rest_comes() {
    let hub = Hub::dev();
    let head = hub.publish_numbers("live:a", 0..1_100).await.expect("a log");
    let mut peer = Peer::connect(&hub, "u1").await;
    let attached = peer.subscribe(since("live:a", Position::new(head.epoch, 40))).await;
    let lost = Range { from: 41, to: 100 };
    assert_eq!(attached, Attached { outcome: Outcome::Gap { lost, reason: GapReason::Expired }, head: Some(head) });
    assert_eq!(peer.offsets(1_000).await, (101..=1_100).collect::<Vec<_>>());
    peer.expect_nothing().await;
    let attached = Peer::connect(&hub, "u1").await.subscribe(since("live:a", Position::new(head.epoch, 100))).await;
    assert_eq!(attached.outcome, continued(101, 1_100), "the oldest that is kept is not lost");
}

#[tokio::test]
async fn a_channel_without_a_log_is_always_fresh() {
    let hub = Hub::dev();
    let mut peer = Peer::connect(&hub, "u1").await;
    let wish = Subscribe { since: Some(Position::new(Epoch::from_u64(1), 3)), ..fresh("eph:a") };
    assert_eq!(peer.subscribe(wish).await, Attached::fresh(None));
    assert_eq!(peer.subscribe(rewind("eph:b", 10)).await, Attached::fresh(None));
    let mut other = Peer::open(&hub).await;
    let connected = other.begin(&token("u2"), vec![resume("eph:a", None)]).await;
    assert_eq!(connected.subscriptions[0].result, Ok(Attached::fresh(None)));
    other.publish(draft("eph:a", "1")).await;
    for peer in [&mut peer, &mut other] {
        assert_eq!(peer.message().await.data.get(), "1");
    }
}

#[tokio::test]
async fn the_same_channel_is_taken_up_once() {
    let hub = Hub::dev();
    let head = hub.publish_numbers("chat:a", 0..3).await.expect("a log");
    let start = Position::new(head.epoch, 0);
    let mut peer = Peer::open(&hub).await;
    let connected = peer.begin(&token("u1"), vec![resume("chat:a", Some(start)), resume("chat:a", Some(start))]).await;
    assert_eq!(connected.subscriptions[1].result, Err(ErrorCode::AlreadySubscribed));
    assert_eq!(peer.offsets(3).await, [1, 2, 3]);
    peer.expect_nothing().await;
}

#[tokio::test]
async fn a_subscription_that_ended_takes_its_replay_along() {
    let hub = Setup::new().limit("request_burst", 10_000).start();
    let head = hub.publish_numbers("chat:a", 0..3_000).await.expect("a log");
    let start = Position::new(head.epoch, 0);
    let mut peer = Peer::connect(&hub, "u1").await;
    for round in 0..40 {
        // Nobody waits: the first subscription is still reading the log when it ends and the next one begins.
        let ids: Vec<u64> = (0..3).map(|_| peer.next_id()).collect();
        peer.send(&ClientFrame::Subscribe(ids[0], since("chat:a", start))).await;
        peer.send(&ClientFrame::Unsubscribe(ids[1], channel("chat:a"))).await;
        peer.send(&ClientFrame::Subscribe(ids[2], since("chat:a", start))).await;
        let mut next = None;
        loop {
            match peer.frame().await {
                ServerFrame::Subscribed { id, attached, .. } => {
                    assert_eq!(attached.outcome, continued(1, 3_000));
                    assert!(id != ids[0] || next.is_none(), "round {round}: the first answer came behind its end");
                    next = Some(1);
                }
                ServerFrame::Unsubscribed { .. } => next = None,
                ServerFrame::Error(error) => {
                    assert!(error.id == Some(ids[0]), "round {round}: {error:?}");
                }
                ServerFrame::Message(message) => {
                    let offset = message.position.expect("a log").offset;
                    assert_eq!(Some(offset), next, "round {round}");
                    next = Some(offset + 1);
                    if offset == 3_000 {
                        break;
                    }
                }
                other => panic!("round {round}: {other:?}"),
            }
        }
        peer.unsubscribe("chat:a").await;
        peer.expect_nothing().await;
    }
}
