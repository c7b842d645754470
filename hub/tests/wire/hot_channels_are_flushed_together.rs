//! Goal: in a namespace with a flush interval messages come together, all of them and in order, and more than may wait does not
//! wait. Method: one publisher, one reader, and a clock.

use std::time::{Duration, Instant};

use crate::harness::{Hub, Setup};
use crate::peer::{Peer, draft, fresh};

async fn hub_and_reader(flush: Duration) -> (Hub, Peer, Peer) {
    let hub = Setup::new().env("HUBBUB_NAMESPACES__LIVE__FLUSH_MS", &flush.as_millis().to_string()).start();
    let mut reader = Peer::connect(&hub, "reader").await;
    reader.subscribe(fresh("live:hot")).await;
    let writer = Peer::connect(&hub, "writer").await;
    (hub, reader, writer)
}

#[tokio::test]
async fn once_in_an_interval() {
    let flush = Duration::from_millis(1_500);
    let (_hub, mut reader, mut writer) = hub_and_reader(flush).await;
    let begin = Instant::now();
    for number in 0..3 {
        writer.publish(draft("live:hot", &number.to_string())).await;
    }
    let acknowledged = begin.elapsed();
    assert!(acknowledged < flush, "nobody who publishes waits for a flush: {acknowledged:?}");
    assert_eq!(reader.offsets(3).await, [1, 2, 3]);
    let waited = begin.elapsed();
    // The wheel of the shard may stand up to a tick before the clock.
    assert!(waited >= flush - Duration::from_millis(40), "{waited:?}");
}

#[tokio::test]
async fn and_earlier_when_much_waits() {
    let flush = Duration::from_secs(10);
    let (_hub, mut reader, mut writer) = hub_and_reader(flush).await;
    let large = format!("\"{}\"", "x".repeat(50_000));
    let begin = Instant::now();
    for _ in 0..6 {
        writer.publish(draft("live:hot", &large)).await;
    }
    // There is room for one of them: the next one makes it leave.
    assert_eq!(reader.offsets(5).await, [1, 2, 3, 4, 5]);
    let waited = begin.elapsed();
    assert!(waited < flush, "{waited:?}");
}
