//! Goal: a reader that does not read costs itself alone, by the policy of its namespace, and loses nothing that the policy does not
//! name. Method: sockets that take little and are not read, beside readers that are well.

use std::time::Instant;

use hubbub_protocol::frame::{Publish, Subscribe};
use hubbub_protocol::{ClientFrame, Key, Position, ServerFrame};

use crate::harness::{Hub, Setup, WITHIN, token};
use crate::peer::{Peer, draft, fresh, resume};

const SMALL: u32 = 4 * 1024;

async fn flood(hub: &Hub, channel: &str, count: usize, bytes: usize) {
    let text = format!("\"{}\"", "x".repeat(bytes));
    let item = format!(r#"{{"channel":"{channel}","data":{text}}}"#);
    let answer = hub.post("/v1/batch", &format!(r#"{{"publishes":[{}]}}"#, vec![item.as_str(); count].join(","))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn of_a_log_are_closed_and_resume_without_loss() {
    const COUNT: u64 = 1_200;
    // Some ten megabytes: more than the kernels of both ends take.
    let hub = Setup::new()
        .env("HUBBUB_NAMESPACES__LIVE__WINDOW__BYTES", "50000000")
        .env("HUBBUB_NAMESPACES__LIVE__WINDOW__MESSAGES", "5000")
        .start();
    for name in ["chat:a", "live:a"] {
        let (mut slow, mut well) = (Peer::connect_slow(&hub, "slow", SMALL).await, Peer::connect(&hub, "well").await);
        let head = slow.subscribe(fresh(name)).await.head.expect("a log");
        well.subscribe(fresh(name)).await;
        for round in 0..COUNT / 30 {
            flood(&hub, name, 30, 10_000).await;
            assert_eq!(
                well.offsets(30).await,
                (round * 30 + 1..=round * 30 + 30).collect::<Vec<_>>(),
                "the other one is well"
            );
        }
        let mut at = head;
        let code = loop {
            match slow.raw.receive(WITHIN).await.expect("something") {
                hubbub_client::Received::Frame(ServerFrame::Message(message), _) => {
                    assert_eq!(message.position, Some(Position::new(at.epoch, at.offset + 1)));
                    at.offset += 1;
                }
                hubbub_client::Received::Frame(ServerFrame::Ping, _) | hubbub_client::Received::Control => {}
                hubbub_client::Received::Closed(code, _) => break code,
                other => panic!("unexpected: {other:?}"),
            }
        };
        assert_eq!(code, Some(4001));
        assert!(at.offset < COUNT);
        let mut again = Peer::open(&hub).await;
        let connected = again.begin(&token("slow"), vec![resume(name, Some(at))]).await;
        assert_eq!(connected.subscriptions[0].result.expect("attached").start(), at.offset, "{name}: nothing is lost");
        assert_eq!(again.offsets((COUNT - at.offset) as usize).await, (at.offset + 1..=COUNT).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn without_a_log_lose_the_oldest_and_stay() {
    const ROUNDS: u64 = 24;
    let hub = Setup::new().limit("outbox_bytes", 256 * 1024).limit("heartbeat_ms", 60_000).start();
    let mut slow = Peer::connect_slow(&hub, "slow", SMALL).await;
    slow.subscribe(fresh("eph:a")).await;
    // Several times what the kernel may take for a socket.
    for number in 0..ROUNDS {
        let text: Vec<_> = (0..500)
            .map(|n| format!(r#"{{"channel":"eph:a","data":[{},"{}"]}}"#, number * 500 + n, "x".repeat(5_000)))
            .collect();
        assert_eq!(hub.post("/v1/batch", &format!(r#"{{"publishes":[{}]}}"#, text.join(","))).await.status, 200);
    }
    hub.publish("eph:a", &format!("[{}]", ROUNDS * 500)).await;
    let (mut last, mut count) = (None, 0);
    while last != Some(ROUNDS * 500) {
        // Every frame is whole, or the client would have given up.
        let message = slow.message().await;
        let data: serde_json::Value = serde_json::from_str(message.data.get()).expect("JSON");
        let number = data[0].as_u64();
        assert!(number > last, "{number:?} behind {last:?}");
        (last, count) = (number, count + 1);
    }
    assert!(count < ROUNDS * 500, "nothing overflowed");
    hub.publish("eph:a", "[0]").await;
    assert_eq!(slow.message().await.data.get(), "[0]");
}

#[tokio::test]
async fn that_asked_for_it_get_the_latest_of_each_key() {
    const COUNT: u64 = 12_000;
    let hub = Setup::new()
        .limit("requests_per_second", 1_000_000)
        .limit("request_burst", 100_000)
        .limit("outbox_bytes", 256 * 1024)
        .start();
    let mut slow = Peer::connect_slow(&hub, "slow", SMALL).await;
    let wish = Subscribe { conflate: true, ..fresh("live:a") };
    let mut at = slow.subscribe(wish).await.head.expect("a log").offset;
    let mut writer = Peer::connect(&hub, "writer").await;
    for number in 0..COUNT {
        let key = Key::parse(&format!("k{}", number % 5)).expect("a key");
        let id = writer.next_id();
        let data = draft("live:a", &format!("[{number},\"{}\"]", "x".repeat(800)));
        writer.send(&ClientFrame::Publish(id, Publish { conflate_key: Some(key), ..data })).await;
        if number % 50 == 49 {
            writer.answer(id).await;
        }
    }
    let (mut skipped, mut count, mut sum) = (0, 0, 0);
    while at < COUNT {
        match slow.frame().await {
            ServerFrame::Skipped { count, .. } => skipped += count,
            ServerFrame::Message(message) => {
                let offset = message.position.expect("a log").offset;
                assert_eq!(offset, at + skipped + 1, "{skipped} were skipped behind {at}");
                (sum, count, at, skipped) = (sum + skipped, count + 1, offset, 0);
            }
            other => panic!("unexpected: {other:?}"),
        }
    }
    assert_eq!(count + sum, COUNT);
    assert!(sum > 1_000, "{sum} skipped is no lag");
}

#[tokio::test]
async fn that_asked_for_it_get_every_message_without_a_key_in_order() {
    const COUNT: u64 = 3_500;
    let hub = Hub::dev();
    // Names make these frames much larger than what is counted for them while they wait.
    let name = format!("live:{}", "x".repeat(190));
    let mut slow = Peer::connect_slow(&hub, "slow", SMALL).await;
    slow.subscribe(Subscribe { conflate: true, ..fresh(&name) }).await;
    // The kernels take megabytes before anything waits here. Sums reach the metrics once a second.
    let (waits, mut published) = (Instant::now(), 0);
    while hub.metric("hubbub_conflated_messages_total").await == 0.0 {
        published = hub.publish_numbers(&name, 0..1_000).await.expect("a log").offset;
        while hub.metric("hubbub_deliveries_total").await < published as f64 {
            assert!(waits.elapsed() < WITHIN);
        }
    }
    let last = hub.publish_numbers(&name, 0..COUNT).await.expect("a log").offset;
    assert!(last >= published + COUNT);
    for offset in 1..=last {
        assert_eq!(slow.message().await.position.expect("a log").offset, offset);
    }
}
