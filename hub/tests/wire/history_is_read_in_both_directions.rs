//! Goal: a log can be read page by page from either end, and a page never costs the connection. Method: pages of every size
//! against logs that are whole, trimmed, empty or not there, and a slow reader who asks for much at once.

use hubbub_protocol::frame::{HistoryPage, HistoryQuery, Reply, Side};
use hubbub_protocol::{ClientFrame, ErrorCode, ServerFrame};

use crate::harness::{Hub, token_for};
use crate::peer::{Peer, channel};

fn offsets(page: &HistoryPage) -> Vec<u64> {
    page.messages.iter().map(|message| message.position.expect("a log").offset).collect()
}

#[tokio::test]
async fn pages_meet_without_a_hole() {
    let hub = Hub::dev();
    for name in ["chat:a", "live:a"] {
        let head = hub.publish_numbers(name, 0..250).await.expect("a log");
        let mut peer = Peer::connect(&hub, "u1").await;
        let (mut up, mut after) = (Vec::new(), 0);
        loop {
            let page = peer.history(name, Side::After(after), 70).await;
            assert_eq!((page.epoch, page.first, page.last), (head.epoch, 1, 250), "{name}");
            up.extend(offsets(&page));
            after = *up.last().expect("not empty");
            assert_eq!(page.more, after < 250);
            if !page.more {
                break;
            }
        }
        assert_eq!(up, (1..=250).collect::<Vec<_>>());
        let (mut down, mut before) = (Vec::new(), None);
        loop {
            let page = peer.history(name, Side::Before(before), 70).await;
            down.extend(offsets(&page));
            before = down.last().copied();
            assert_eq!(page.more, before > Some(1), "{name}");
            if !page.more {
                break;
            }
        }
        assert_eq!(down, (1..=250).rev().collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn ends_and_bounds() {
    let hub = Hub::dev();
    let mut peer = Peer::connect(&hub, "u1").await;
    for name in ["chat:a", "live:a"] {
        for side in [Side::After(0), Side::After(5), Side::Before(None), Side::Before(Some(3))] {
            let empty = peer.history(name, side, 10).await;
            assert_eq!((empty.messages.len(), empty.last, empty.more), (0, 0, false), "{name} {side:?}");
            assert!(empty.first > empty.last);
        }
        hub.publish_numbers(name, 0..10).await;
        let table: [(Side, u32, Vec<u64>, bool); 8] = [
            (Side::After(0), 3, vec![1, 2, 3], true),
            (Side::After(7), 3, vec![8, 9, 10], false),
            (Side::After(10), 3, vec![], false),
            (Side::After(1_000), 3, vec![], false),
            (Side::Before(None), 2, vec![10, 9], true),
            (Side::Before(Some(3)), 2, vec![2, 1], false),
            (Side::Before(Some(1)), 2, vec![], false),
            (Side::Before(Some(1_000)), 2, vec![10, 9], true),
        ];
        for (side, limit, expected, more) in table {
            let page = peer.history(name, side, limit).await;
            assert_eq!((offsets(&page), page.more), (expected, more), "{name} {side:?}");
        }
    }
    let id = peer.next_id();
    peer.raw.send_text(format!(r#"{{"type":"history","id":{id},"channel":"chat:a"}}"#)).await.expect("sent");
    let ServerFrame::Reply { result: Reply::History(page), .. } = peer.answer(id).await else { panic!("no page") };
    assert_eq!(offsets(&page), (1..=10).rev().collect::<Vec<_>>(), "without a side: the newest first");
    let (most, beyond) = (u64::MAX.to_string(), (1_u64 << 53).to_string());
    for end in [&most, &beyond] {
        for (name, side) in [("chat:a", "after"), ("chat:a", "before"), ("live:a", "after"), ("live:a", "before")] {
            let id = peer.next_id();
            let text = format!(r#"{{"type":"history","id":{id},"channel":"{name}","{side}":{end}}}"#);
            peer.raw.send_text(text.clone()).await.expect("sent");
            match peer.answer(id).await {
                ServerFrame::Reply { result: Reply::History(page), .. } => {
                    assert_eq!(page.messages.len(), if side == "after" { 0 } else { 10 }, "{text}");
                }
                ServerFrame::Error(error) => assert_eq!(error.code, ErrorCode::BadRequest, "{text}"),
                other => panic!("unexpected: {other:?}"),
            }
        }
    }
    for text in [r#""limit":0"#, r#""limit":1001"#, r#""after":1,"before":2"#, r#""after":-1"#] {
        let id = peer.next_id();
        peer.raw.send_text(format!(r#"{{"type":"history","id":{id},"channel":"chat:a",{text}}}"#)).await.expect("sent");
        let answer = peer.answer(id).await;
        assert!(
            matches!(&answer, ServerFrame::Error(error) if error.code == ErrorCode::BadRequest),
            "{text}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn what_left_the_window_is_not_there() {
    let hub = Hub::dev();
    hub.publish_numbers("live:a", 0..1_100).await;
    let mut peer = Peer::connect(&hub, "u1").await;
    let page = peer.history("live:a", Side::After(0), 5).await;
    assert_eq!((page.first, page.last, offsets(&page)), (101, 1_100, vec![101, 102, 103, 104, 105]));
    let page = peer.history("live:a", Side::Before(Some(103)), 5).await;
    assert_eq!((offsets(&page), page.more), (vec![102, 101], false));
}

#[tokio::test]
async fn not_everybody_and_not_everywhere() {
    let hub = Hub::dev();
    let ask = |name: &str| HistoryQuery { channel: channel(name), side: Side::After(0), limit: 1 };
    let mut peer = Peer::connect(&hub, "u1").await;
    assert_eq!(peer.refused(|id| ClientFrame::History(id, ask("eph:a"))).await, ErrorCode::NotSupported);
    assert_eq!(peer.refused(|id| ClientFrame::History(id, ask("user:u2"))).await, ErrorCode::Forbidden);
    assert_eq!(peer.refused(|id| ClientFrame::History(id, ask("nowhere:a"))).await, ErrorCode::NotFound);
    assert_eq!(peer.history("user:u1", Side::After(0), 1).await.last, 0);
    let mut narrow = Peer::open(&hub).await;
    narrow.begin(&token_for("u1", &[("chat:*", &["subscribe"])]), Vec::new()).await;
    assert_eq!(narrow.refused(|id| ClientFrame::History(id, ask("chat:a"))).await, ErrorCode::Forbidden);
}

#[tokio::test]
async fn a_slow_reader_may_ask_for_many_pages() {
    const PAGES: u64 = 30;
    let hub = Hub::dev();
    let text = format!("\"{}\"", "x".repeat(1_000));
    let items: Vec<_> = (0..400).map(|_| format!(r#"{{"channel":"chat:a","data":{text}}}"#)).collect();
    assert_eq!(hub.post("/v1/batch", &format!(r#"{{"publishes":[{}]}}"#, items.join(","))).await.status, 200);
    let mut peer = Peer::connect_slow(&hub, "u1", 8 * 1024).await;
    for _ in 0..PAGES {
        let id = peer.next_id();
        let query = HistoryQuery { channel: channel("chat:a"), side: Side::After(0), limit: 400 };
        peer.send(&ClientFrame::History(id, query)).await;
    }
    // The hub has time for all of them before the first is read.
    let mut other = Peer::connect(&hub, "u2").await;
    for _ in 0..PAGES {
        other.history("chat:a", Side::After(0), 400).await;
    }
    for id in 1..=PAGES {
        let ServerFrame::Reply { result: Reply::History(page), .. } = peer.answer(id).await else {
            panic!("no page {id}")
        };
        assert_eq!(page.messages.len(), 400);
    }
}
