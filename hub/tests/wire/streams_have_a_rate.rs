//! Goal: a stream with `max_rate` is flushed no more often than it asked for, gets the latest of every conflate key, and is told
//! exactly what was left out. Method: publishers that are much faster than the rate, and counting.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::harness::{Hub, Setup, WITHIN, token};
use crate::http::get;
use crate::stream::{Stream, slow_socket};

/// Publishes values of conflate keys in one batch; without a key for `None`.
async fn publish(hub: &Hub, channel: &str, values: &[(Option<u64>, u64)]) {
    let item = |(key, value): &(Option<u64>, u64)| {
        let key = key.map(|key| format!(r#","conflate_key":"k{key}""#)).unwrap_or_default();
        format!(r#"{{"channel":"{channel}","data":{value}{key}}}"#)
    };
    let items: Vec<_> = values.iter().map(item).collect();
    for batch in items.chunks(1_000) {
        let answer = hub.post("/v1/batch", &format!(r#"{{"publishes":[{}]}}"#, batch.join(","))).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

/// Reads until the message at `last`: the values with their offsets, and how many were skipped. What came and what was said to be
/// skipped leave no hole.
async fn read_to(stream: &mut Stream, mut at: u64, last: u64) -> (Vec<(Option<String>, u64)>, u64) {
    let (mut values, mut skipped, mut before) = (Vec::new(), 0, 0);
    while at < last {
        let event = stream.event().await;
        let json = event.json();
        match event.name.as_str() {
            "skipped" => before += json["count"].as_u64().expect("a count"),
            "" => {
                assert_eq!(event.offset(), at + before + 1, "{before} were skipped behind {at}: {event:?}");
                at = event.offset();
                skipped += std::mem::take(&mut before);
                values
                    .push((json["conflate_key"].as_str().map(str::to_owned), json["data"].as_u64().expect("a number")));
            }
            other => panic!("unexpected {other}: {event:?}"),
        }
    }
    (values, skipped)
}

#[tokio::test]
async fn the_latest_of_each_key_comes_and_the_rest_is_counted() {
    let hub = Hub::dev();
    let (mut stream, _) = Stream::begin(&hub, "channel=feed:a&max_rate=5", &[]).await;
    let values: Vec<_> = (0..3_000).map(|value| (Some(value % 7), value)).collect();
    publish(&hub, "feed:a", &values).await;
    let (came, skipped) = read_to(&mut stream, 0, 3_000).await;
    assert_eq!(came.len() as u64 + skipped, 3_000);
    assert!(came.len() < 400, "{} of 3,000 is no conflation", came.len());
    let latest: BTreeMap<_, _> = came.iter().map(|(key, value)| (key.clone(), *value)).collect();
    let expected: BTreeMap<_, _> = (2_993..3_000).map(|value| (Some(format!("k{}", value % 7)), value)).collect();
    assert_eq!(latest, expected);
}

#[tokio::test]
async fn messages_without_a_key_are_never_left_out() {
    let hub = Hub::dev();
    let (mut stream, _) = Stream::begin(&hub, "channel=feed:a&max_rate=10", &[]).await;
    let values: Vec<_> = (0..900).map(|value| ((value % 3 > 0).then_some(value % 2), value)).collect();
    publish(&hub, "feed:a", &values).await;
    let (came, skipped) = read_to(&mut stream, 0, 900).await;
    assert_eq!(came.len() as u64 + skipped, 900);
    let keyless: Vec<u64> = came.iter().filter(|(key, _)| key.is_none()).map(|(_, value)| *value).collect();
    assert_eq!(keyless, (0..900).step_by(3).collect::<Vec<_>>());
}

#[tokio::test]
async fn flushes_are_as_rare_as_asked() {
    const RATE: f64 = 4.0;
    let hub = Hub::dev();
    let (mut stream, _) = Stream::begin(&hub, &format!("channel=feed:a&max_rate={RATE}"), &[]).await;
    let begun = Instant::now();
    let (mut value, mut flushes, mut last) = (0, 0, None::<Instant>);
    let publishing = async {
        while begun.elapsed() < Duration::from_millis(2_200) {
            publish(&hub, "feed:a", &[(Some(1), value)]).await;
            value += 1;
        }
        value
    };
    let reading = async {
        loop {
            let event = stream.event().await;
            if event.name.is_empty() {
                flushes += 1;
                // One key: each flush is one message. The kernel and this task may delay one, never bring it early by much.
                if let Some(last) = last {
                    assert!(last.elapsed() > Duration::from_millis(120), "{:?} behind the last flush", last.elapsed());
                }
                last = Some(Instant::now());
            }
        }
    };
    let published = tokio::select! { value = publishing => value, () = reading => 0 };
    assert!(published > 50, "{published} are no flood");
    assert!((4..=11).contains(&flushes), "{flushes} flushes in 2.2 s at {RATE} a second");
}

#[tokio::test]
async fn every_channel_is_conflated_for_itself() {
    let hub = Hub::dev();
    let (mut stream, _) = Stream::begin(&hub, "channel=feed:a&channel=feed:b&max_rate=2", &[]).await;
    for value in 0..40 {
        publish(&hub, "feed:a", &[(Some(1), value)]).await;
        publish(&hub, "feed:b", &[(Some(1), value + 1_000)]).await;
    }
    let (mut latest, mut sums) = (BTreeMap::new(), BTreeMap::<String, u64>::new());
    while latest.get("feed:a") != Some(&39) || latest.get("feed:b") != Some(&1_039) {
        let event = stream.event().await;
        let json = event.json();
        let channel = json["channel"].as_str().expect("a channel").to_owned();
        *sums.entry(channel.clone()).or_default() += json["count"].as_u64().unwrap_or(1);
        if event.name.is_empty() {
            latest.insert(channel, json["data"].as_u64().expect("a number"));
        }
    }
    assert_eq!(sums, BTreeMap::from([("feed:a".to_owned(), 40), ("feed:b".to_owned(), 40)]));
}

#[tokio::test]
async fn a_stream_with_a_rate_resumes_behind_what_it_has() {
    let hub = Hub::dev();
    let (mut stream, _) = Stream::begin(&hub, "channel=feed:a&max_rate=50", &[]).await;
    publish(&hub, "feed:a", &[(Some(1), 1), (Some(2), 2), (Some(1), 3)]).await;
    let mut id = None;
    let mut last = 0;
    while last < 2 {
        let event = stream.event().await;
        if event.name.is_empty() {
            (id, last) = (event.id.clone(), event.offset());
        }
    }
    drop(stream);
    let id = id.expect("an id");
    publish(&hub, "feed:a", &[(Some(2), 4)]).await;
    let (mut stream, open) = Stream::begin(&hub, "channel=feed:a&max_rate=50", &[("last-event-id", &id)]).await;
    assert_eq!(open["subscriptions"][0]["from"].as_u64(), Some(last + 1));
    let (came, skipped) = read_to(&mut stream, last, 4).await;
    assert_eq!(came.len() as u64 + skipped, 4 - last);
    assert_eq!(came.last(), Some(&(Some("k2".to_owned()), 4)));
}

#[tokio::test]
async fn a_long_catch_up_is_read_at_the_pace_of_the_stream() {
    // Nothing of it can be left out, and it is several times what may wait.
    let hub = Setup::new().limit("outbox_bytes", 70_000).start();
    hub.publish_numbers("chat:a", 0..6_000).await;
    let auth = format!("Bearer {}", token("u1"));
    let stream = Stream::begin(&hub, "channel=chat:a", &[("authorization", &auth)]).await;
    let epoch = stream.1["subscriptions"][0]["epoch"].as_str().expect("a log").to_owned();
    let query = format!("channel=chat:a&max_rate=50&last_event_id={epoch}.0");
    let (mut stream, open) = Stream::begin(&hub, &query, &[("authorization", &auth)]).await;
    assert_eq!(open["subscriptions"][0]["outcome"].as_str(), Some("continued"));
    let (came, skipped) = read_to(&mut stream, 0, 6_000).await;
    assert_eq!((came.len(), skipped), (6_000, 0));
}

/// What waits for all connections together.
async fn outbox_bytes(hub: &Hub) -> u64 {
    let answer = get(hub.internal, "/v1/node", &[("authorization", "Bearer dev-key")]).await;
    let json = answer.json();
    json["shards"].as_array().expect("shards").iter().filter_map(|shard| shard["outbox_bytes"].as_u64()).sum()
}

#[tokio::test]
async fn a_reader_who_stops_gets_the_latest_when_it_goes_on() {
    const BATCH: u64 = 10;
    let hub = Setup::new().limit("outbox_bytes", 200_000).start();
    let mut stream = Stream::over(slow_socket(&hub).await, "channel=feed:a&max_rate=50", &[]).await;
    assert_eq!(stream.event().await.name, "open");
    let text = "x".repeat(50_000);
    let publish = async || {
        let item = format!(r#"{{"channel":"feed:a","data":"{text}","conflate_key":"k"}}"#);
        let items = vec![item.as_str(); BATCH as usize].join(",");
        assert_eq!(hub.post("/v1/batch", &format!(r#"{{"publishes":[{items}]}}"#)).await.status, 200);
        BATCH
    };
    // Until the kernel takes no more, and then on: nothing may wait but the latest.
    let (mut last, deadline) = (0, Instant::now() + WITHIN);
    while outbox_bytes(&hub).await == 0 {
        last += publish().await;
        assert!(Instant::now() < deadline, "somebody reads");
    }
    for _ in 0..20 {
        last += publish().await;
        let waiting = outbox_bytes(&hub).await;
        assert!(waiting < 200_000, "{waiting} bytes wait");
    }
    let (mut at, mut skipped) = (0, 0);
    while at < last {
        let event = stream.event().await;
        match event.name.as_str() {
            "skipped" => skipped += event.json()["count"].as_u64().expect("a count"),
            _ => {
                at += 1 + std::mem::take(&mut skipped);
                assert_eq!(event.offset(), at, "what was left out is told exactly");
            }
        }
    }
}
