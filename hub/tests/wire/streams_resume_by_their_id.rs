//! Goal: a stream of server-sent events begins where it says, and goes on exactly behind the last id that was read, whatever
//! happened to the connection. Method: streams that are cut off, rotated, silent or slow, over channels of every kind.

use std::time::{Duration, Instant};

use hubbub::auth::mint::TokenDraft;
use serde_json::Value;

use crate::harness::{Hub, Setup, now_ms, sign, token};
use crate::http::get;
use crate::stream::{Event, Stream, slow_socket};

fn bearer(user: &str) -> String {
    format!("Bearer {}", token(user))
}

/// The outcome of one channel in the first event.
fn outcome(open: &Value, index: usize) -> (&str, u64, u64) {
    let of = &open["subscriptions"][index];
    let number = |name: &str| of[name].as_u64().unwrap_or(0);
    (of["outcome"].as_str().expect("an outcome"), number("from"), number("to"))
}

#[tokio::test]
async fn the_first_event_says_where_the_stream_begins() {
    let hub = Hub::dev();
    hub.publish_numbers("feed:a", 0..5).await;
    let auth = bearer("u1");
    let mut stream =
        Stream::open(&hub, "channel=feed:b&channel=chat:a&channel=eph:a", &[("authorization", &auth)]).await;
    assert_eq!(stream.status, 200);
    let head = stream.head.to_ascii_lowercase();
    for line in ["content-type: text/event-stream", "cache-control: no-store", "x-accel-buffering: no"] {
        assert!(head.contains(line), "{head}");
    }
    let retry = stream.anything().await.expect("something");
    assert!(retry.retry.is_some_and(|ms| (500..3_000).contains(&ms)), "{retry:?}");
    let open = stream.event().await;
    assert_eq!((open.name.as_str(), open.json()["type"].as_str()), ("open", Some("open")));
    assert!(open.id.as_ref().is_some_and(|id| id.split(',').count() == 3 && id.ends_with(",-")), "{open:?}");
    for index in 0..3 {
        assert_eq!(outcome(&open.json(), index).0, "fresh");
    }
    hub.publish("eph:a", "1").await;
    let event = stream.event().await;
    assert_eq!(
        (event.name.as_str(), event.id.as_deref()),
        ("", None),
        "a place that no log has is no place to go on from"
    );
    hub.publish("feed:b", "2").await;
    assert_eq!(stream.event().await.offset(), 1);
}

#[tokio::test]
async fn a_stream_that_is_cut_off_goes_on_behind_its_id() {
    let hub = Hub::dev();
    let auth = bearer("u1");
    for name in ["chat:a", "live:a"] {
        let query = format!("channel={name}");
        hub.publish_numbers(name, 0..300).await;
        let mut headers = vec![("authorization", auth.as_str())];
        let (mut stream, _) = Stream::begin(&hub, &format!("{query}&rewind=300"), &headers).await;
        let mut last = Event::default();
        for offset in 1..=137 {
            last = stream.event().await;
            assert_eq!(last.offset(), offset);
        }
        // In the middle of the replay, without a goodbye.
        drop(stream);
        hub.publish_numbers(name, 300..310).await;
        let id = last.id.expect("an id");
        headers.push(("last-event-id", &id));
        // What a browser repeats of the first URL does not count any more.
        let (mut stream, open) =
            Stream::begin(&hub, &format!("{query}&rewind=5&last_event_id=nonsense"), &headers).await;
        // What is still on its way to the shard is not counted in the outcome; it comes all the same.
        let (how, from, _) = outcome(&open, 0);
        assert_eq!((how, from), ("continued", 138), "{name}");
        for offset in 138..=310 {
            assert_eq!(stream.event().await.offset(), offset);
        }
        hub.publish(name, "1").await;
        assert_eq!(stream.event().await.offset(), 311);
    }
}

#[tokio::test]
async fn the_id_of_the_first_event_will_do() {
    let hub = Hub::dev();
    hub.publish_numbers("live:a", 0..7).await;
    let auth = bearer("u1");
    let mut stream = Stream::open(&hub, "channel=live:a", &[("authorization", &auth)]).await;
    let id = stream.event().await.id.expect("an id");
    drop(stream);
    hub.publish_numbers("live:a", 7..9).await;
    let query = format!("channel=live:a&last_event_id={id}");
    let (mut stream, open) = Stream::begin(&hub, &query, &[("authorization", &auth)]).await;
    // What is still on its way to the shard is not counted in the outcome; it comes all the same.
    let (how, from, _) = outcome(&open, 0);
    assert_eq!((how, from), ("continued", 8));
    assert_eq!((stream.event().await.offset(), stream.event().await.offset()), (8, 9));
}

#[tokio::test]
async fn one_id_holds_the_places_of_all_channels() {
    let hub = Hub::dev();
    let auth = bearer("u1");
    let names = ["chat:a", "live:a", "feed:a", "chat:b"];
    let query = names.map(|name| format!("channel={name}")).join("&");
    let (mut stream, _) = Stream::begin(&hub, &query, &[("authorization", &auth)]).await;
    let mut seen = [0; 4];
    let mut id = String::new();
    for number in 0..60 {
        hub.publish(names[number * 7 % 4], &number.to_string()).await;
        if number < 30 {
            let event = stream.event().await;
            let channel = event.json()["channel"].as_str().expect("a channel").to_owned();
            let index = names.iter().position(|name| *name == channel).expect("known");
            assert_eq!(event.offset(), seen[index] + 1);
            seen[index] += 1;
            id = event.id.expect("an id");
        }
    }
    drop(stream);
    let headers = [("authorization", auth.as_str()), ("last-event-id", id.as_str())];
    let (mut stream, open) = Stream::begin(&hub, &query, &headers).await;
    for (index, after) in seen.into_iter().enumerate() {
        // What is still on its way to the shard is not counted in the outcome; it comes all the same.
        let (how, from, _) = outcome(&open, index);
        assert_eq!((how, from), ("continued", after + 1));
    }
    for _ in 30..60 {
        let event = stream.event().await;
        let channel = event.json()["channel"].as_str().expect("a channel").to_owned();
        let index = names.iter().position(|name| *name == channel).expect("known");
        assert_eq!(event.offset(), seen[index] + 1, "{channel}");
        seen[index] += 1;
    }
    assert_eq!(seen, [15; 4]);
}

#[tokio::test]
async fn a_feed_begins_with_its_last_value() {
    let hub = Hub::dev();
    let (_empty, open) = Stream::begin(&hub, "channel=feed:new", &[]).await;
    assert_eq!(outcome(&open, 0), ("fresh", 0, 0));
    hub.publish_numbers("feed:a", 0..9).await;
    let (mut stream, open) = Stream::begin(&hub, "channel=feed:a", &[]).await;
    assert_eq!(outcome(&open, 0), ("fresh", 9, 9));
    let event = stream.event().await;
    assert_eq!((event.offset(), event.json()["data"].as_u64()), (9, Some(8)));
    let (mut stream, open) = Stream::begin(&hub, "channel=feed:a&rewind=3", &[]).await;
    assert_eq!(outcome(&open, 0), ("fresh", 7, 9));
    for offset in 7..=9 {
        assert_eq!(stream.event().await.offset(), offset);
    }
}

#[tokio::test]
async fn an_id_that_is_too_old_is_a_gap() {
    let hub = Hub::dev();
    let (stream, _) = Stream::begin(&hub, "channel=feed:a", &[]).await;
    drop(stream);
    hub.publish_numbers("feed:a", 0..1).await;
    let (mut stream, _) = Stream::begin(&hub, "channel=feed:a", &[]).await;
    let id = stream.event().await.id.expect("an id");
    hub.publish_numbers("feed:a", 1..1_100).await;
    // What is still on its way to the shard has not expired for whoever comes back to it.
    while stream.event().await.offset() < 1_100 {}
    let (mut stream, open) = Stream::begin(&hub, "channel=feed:a", &[("last-event-id", &id)]).await;
    assert_eq!((outcome(&open, 0), open["subscriptions"][0]["reason"].as_str()), (("gap", 2, 100), Some("expired")));
    for offset in 101..=1_100 {
        assert_eq!(stream.event().await.offset(), offset);
    }
}

#[tokio::test]
async fn who_may_not_read_gets_no_stream() {
    let hub = Hub::dev();
    let auth = bearer("u1");
    let expired = format!(
        "Bearer {}",
        sign(TokenDraft { sub: "u1".into(), iat: 1_000_000, exp: 1_000_100, ..TokenDraft::default() })
    );
    let many = (0..65).map(|number| format!("channel=feed:{number}")).collect::<Vec<_>>().join("&");
    let long = format!("channel=feed:a&last_event_id={}", "1.1,".repeat(700));
    let table: [(&str, Option<&str>, u16); 16] = [
        ("channel=chat:a", None, 401),
        ("channel=feed:a&channel=chat:a", None, 401),
        ("channel=chat:a", Some("Bearer nonsense"), 401),
        ("channel=chat:a", Some(&expired), 401),
        ("channel=user:u2", Some(&auth), 403),
        ("channel=nowhere:a", Some(&auth), 404),
        ("", Some(&auth), 400),
        ("channel=feed", Some(&auth), 400),
        ("channel=feed:a&channel=feed:a", Some(&auth), 400),
        ("channel=feed:a&rewind=0", Some(&auth), 400),
        ("channel=feed:a&rewind=1001", Some(&auth), 400),
        ("channel=feed:a&max_rate=0", Some(&auth), 400),
        ("channel=feed:a&max_rate=nan", Some(&auth), 400),
        ("channel=feed:a&last_event_id=1.1,1.1", Some(&auth), 400),
        (&many, Some(&auth), 400),
        (&long, Some(&auth), 400),
    ];
    for (query, auth, status) in table {
        let headers: Vec<_> = auth.map(|auth| ("authorization", auth)).into_iter().collect();
        let answer = get(hub.public, &format!("/sse?{query}"), &headers).await;
        assert_eq!(answer.status, status, "{query:.80}: {answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    }
    for id in ["nonsense", "1.1,", "1.1.1", "-1.1", "1.zzzzzzzzzzzzz"] {
        let answer = get(hub.public, "/sse?channel=feed:a", &[("last-event-id", id)]).await;
        assert_eq!(answer.status, 400, "{id}: {answer:?}");
    }
}

#[tokio::test]
async fn pages_of_other_origins_are_refused() {
    const ORIGINS: &str = "[http]\norigins = [\"https://app.example\"]\n";
    let hub = Setup::new().config(ORIGINS).start();
    for (origin, status) in [
        ("http://evil.example", 403),
        ("https://app.example.evil.example", 403),
        ("http://app.example", 403),
        ("null", 403),
        ("https://app.example:444", 403),
    ] {
        let answer = get(hub.public, "/sse?channel=feed:a", &[("origin", origin)]).await;
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (status, None), "{origin}");
        let answer = get(hub.public, "/ws", &[("origin", origin)]).await;
        assert_eq!(answer.status, status, "{origin}");
    }
    let stream = Stream::open(&hub, "channel=feed:a", &[("origin", "https://app.example")]).await;
    assert!(
        stream.head.to_ascii_lowercase().contains("access-control-allow-origin: https://app.example"),
        "{}",
        stream.head
    );
    let headers = [
        ("origin", "https://app.example"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization"),
    ];
    let preflight = crate::http::request(hub.public, "OPTIONS", "/v1/tickets", &headers, "").await;
    assert_eq!((preflight.status, preflight.header("access-control-allow-origin")), (200, Some("https://app.example")));
    let preflight = crate::http::request(
        hub.public,
        "OPTIONS",
        "/v1/tickets",
        &[("origin", "http://evil.example"), headers[1], headers[2]],
        "",
    )
    .await;
    assert_eq!(preflight.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn silence_is_broken_by_comments() {
    let hub = Setup::new().limit("sse_heartbeat_ms", 200).start();
    let (mut stream, _) = Stream::begin(&hub, "channel=feed:a", &[]).await;
    let begun = Instant::now();
    for _ in 0..3 {
        assert!(stream.anything().await.expect("goes on").comment);
    }
    assert!(begun.elapsed() > Duration::from_millis(400), "{:?}", begun.elapsed());
    hub.publish("feed:a", "1").await;
    assert_eq!(stream.event().await.offset(), 1);
}

#[tokio::test]
async fn an_old_stream_ends_and_its_reader_comes_back() {
    let hub = Setup::new().limit("sse_rotation_ms", 500).start();
    let auth = bearer("u1");
    let (mut expected, mut id) = (1, None::<String>);
    for _ in 0..3 {
        let mut headers = vec![("authorization", auth.as_str())];
        headers.extend(id.as_deref().map(|id| ("last-event-id", id)));
        let mut stream = Stream::open(&hub, "channel=live:a", &headers).await;
        let mut ended = None;
        while ended.is_none() {
            hub.publish("live:a", "1").await;
            loop {
                let Some(event) = stream.anything().await else { break ended = Some(()) };
                id = event.id.clone().or(id);
                if event.name.is_empty() && !event.data.is_empty() {
                    assert_eq!(event.offset(), expected);
                    expected += 1;
                    break;
                }
            }
        }
        assert!(!stream.cut_off(), "a stream ends between two events");
    }
    assert!(expected > 10);
}

#[tokio::test]
async fn a_reader_who_goes_away_is_noticed() {
    let hub = Hub::dev();
    let mut streams = Vec::new();
    for _ in 0..10 {
        streams.push(Stream::begin(&hub, "channel=feed:a", &[]).await.0);
    }
    let connections = async |expected: f64| {
        let deadline = Instant::now() + crate::harness::WITHIN;
        while hub.metric("hubbub_connections").await != expected {
            assert!(Instant::now() < deadline, "{} connections", hub.metric("hubbub_connections").await);
        }
    };
    connections(10.0).await;
    drop(streams);
    connections(0.0).await;
}

#[tokio::test]
async fn a_token_ends_its_stream() {
    // The heartbeat of WebSockets has nothing to do with streams.
    let hub = Setup::new()
        .env("HUBBUB_TOKENS__LEEWAY_S", "0")
        .limit("expiry_warning_ms", 1_000)
        .limit("heartbeat_ms", 100)
        .limit("sse_heartbeat_ms", 3_000)
        .start();
    let exp = now_ms() / 1_000 + 3;
    let auth = format!("Bearer {}", sign(TokenDraft { sub: "u1".into(), exp, ..TokenDraft::default() }));
    let (mut stream, _) = Stream::begin(&hub, "channel=chat:a", &[("authorization", &auth)]).await;
    let warning = stream.event().await;
    assert_eq!((warning.name.as_str(), warning.json()["expires_at"].as_u64()), ("expiring", Some(exp * 1_000)));
    assert!(now_ms() < exp * 1_000, "the warning came behind the end");
    while let Some(event) = stream.anything().await {
        assert!(event.comment, "{event:?}");
    }
    let late = now_ms().checked_sub(exp * 1_000).expect("not before its end");
    assert!(late < 1_000, "{late} ms behind its end");
}

#[tokio::test]
async fn a_slow_reader_is_cut_off_and_loses_nothing() {
    let hub = Setup::new().limit("outbox_bytes", 70_000).start();
    let auth = bearer("u1");
    let mut stream = Stream::over(slow_socket(&hub).await, "channel=chat:a", &[("authorization", &auth)]).await;
    let mut id = stream.event().await.id.expect("an id");
    // Far more than outbox, pipe and kernel hold; nobody reads meanwhile.
    let text = format!("\"{}\"", "x".repeat(20_000));
    let items: Vec<_> = (0..500).map(|_| format!(r#"{{"channel":"chat:a","data":{text}}}"#)).collect();
    assert_eq!(hub.post("/v1/batch", &format!(r#"{{"publishes":[{}]}}"#, items.join(","))).await.status, 200);
    let mut expected = 1;
    while let Some(event) = stream.anything().await {
        if event.name.is_empty() && !event.data.is_empty() {
            assert_eq!(event.offset(), expected);
            expected += 1;
            id = event.id.expect("an id");
        }
    }
    assert!(expected < 500, "nothing overflowed");
    while expected <= 500 {
        let headers = [("authorization", auth.as_str()), ("last-event-id", id.as_str())];
        let (mut stream, open) = Stream::begin(&hub, "channel=chat:a", &headers).await;
        assert_eq!(outcome(&open, 0), ("continued", expected, 500));
        while expected <= 500 {
            assert_eq!(stream.event().await.offset(), expected);
            expected += 1;
        }
    }
}
