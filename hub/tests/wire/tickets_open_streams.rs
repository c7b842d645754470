//! Goal: a browser reads private channels with a ticket in its URL, as long as the token behind it counts. Method: tickets that
//! are used once, twice, too late, for other channels, or changed.

use hubbub::auth::mint::TokenDraft;

use crate::harness::{Hub, Setup, now_ms, sign, token, token_for};
use crate::http::{Answer, get, request};
use crate::stream::Stream;

async fn ask(hub: &Hub, token: &str, channels: &str) -> Answer {
    let auth = format!("Bearer {token}");
    request(hub.public, "POST", "/v1/tickets", &[("authorization", &auth)], &format!(r#"{{"channels":[{channels}]}}"#))
        .await
}

async fn ticket(hub: &Hub, token: &str, channels: &str) -> String {
    let answer = ask(hub, token, channels).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["ticket"].as_str().expect("a ticket").to_owned()
}

#[tokio::test]
async fn a_ticket_opens_its_channels_again_and_again() {
    let hub = Hub::dev();
    let before = now_ms();
    let answer = ask(&hub, &token("u1"), r#""chat:a","user:u1""#).await;
    assert!(answer.json()["expires_at"].as_u64().expect("a time") > before + 3_000_000);
    let ticket = answer.json()["ticket"].as_str().expect("a ticket").to_owned();
    let mut id = String::new();
    for offset in 1..=4 {
        let query = format!("channel=chat:a&channel=user:u1&ticket={ticket}");
        let headers: Vec<_> =
            Some(("last-event-id", id.as_str())).filter(|(_, id)| !id.is_empty()).into_iter().collect();
        let (mut stream, _) = Stream::begin(&hub, &query, &headers).await;
        hub.publish("user:u1", "1").await;
        let event = stream.event().await;
        assert_eq!(event.offset(), offset);
        id = event.id.expect("an id");
    }
    // The order of the URL is the reader's.
    let (_, open) = Stream::begin(&hub, &format!("channel=user:u1&channel=chat:a&ticket={ticket}"), &[]).await;
    assert_eq!(open["subscriptions"][0]["channel"].as_str(), Some("user:u1"));
}

#[tokio::test]
async fn a_newer_stream_ends_the_older_one() {
    // On whichever shard each of them is.
    let hub = Setup::new().env("HUBBUB_NODE__SHARDS", "3").start();
    let ticket = ticket(&hub, &token("u1"), r#""chat:a""#).await;
    let other = self::ticket(&hub, &token("u1"), r#""chat:a""#).await;
    let (mut bystander, _) = Stream::begin(&hub, &format!("channel=chat:a&ticket={other}"), &[]).await;
    let (mut older, _) = Stream::begin(&hub, &format!("channel=chat:a&ticket={ticket}"), &[]).await;
    for number in 1..=8 {
        let (mut newer, _) = Stream::begin(&hub, &format!("channel=chat:a&ticket={ticket}"), &[]).await;
        while older.anything().await.is_some() {}
        hub.publish("chat:a", "1").await;
        assert_eq!(bystander.event().await.offset(), number);
        // Its shard may have been a message behind when it began.
        while newer.event().await.offset() < number {}
        older = newer;
    }
}

#[tokio::test]
async fn an_expired_ticket_is_the_end() {
    let hub = Setup::new().env("HUBBUB_TOKENS__LEEWAY_S", "0").start();
    let exp = now_ms() / 1_000 + 2;
    let short = sign(TokenDraft { sub: "u1".into(), exp, ..TokenDraft::default() });
    let ticket = ticket(&hub, &short, r#""chat:a""#).await;
    let query = format!("channel=chat:a&ticket={ticket}");
    let (mut stream, _) = Stream::begin(&hub, &query, &[]).await;
    while stream.anything().await.is_some() {}
    assert!(now_ms() >= exp * 1_000, "ended early");
    let answer = get(hub.public, &format!("/sse?{query}"), &[("accept", "text/event-stream")]).await;
    assert_eq!(answer.status, 204, "a browser must not come back: {answer:?}");
}

#[tokio::test]
async fn a_revoked_ticket_is_the_end() {
    let hub = Hub::dev();
    let ticket = ticket(&hub, &token("u1"), r#""chat:a""#).await;
    let query = format!("channel=chat:a&ticket={ticket}");
    let (mut stream, _) = Stream::begin(&hub, &query, &[]).await;
    assert_eq!(hub.post("/v1/tokens/revoke", r#"{"user":"u1"}"#).await.status, 200);
    while stream.anything().await.is_some() {}
    let answer = get(hub.public, &format!("/sse?{query}"), &[("accept", "text/event-stream")]).await;
    assert_eq!(answer.status, 204, "a browser must not come back: {answer:?}");
    assert_eq!(ask(&hub, &token("u2"), r#""chat:a""#).await.status, 200, "others are not meant");
}

#[tokio::test]
async fn other_channels_and_other_tickets_are_refused() {
    let hub = Hub::dev();
    let ticket = ticket(&hub, &token("u1"), r#""chat:a","chat:b""#).await;
    let mut changed = ticket.clone();
    changed.replace_range(ticket.len() - 4.., "AAAA");
    for (channels, ticket) in [
        ("channel=chat:a", &ticket),
        ("channel=chat:a&channel=chat:c", &ticket),
        ("channel=chat:a&channel=chat:b&channel=chat:c", &ticket),
        ("channel=chat:a&channel=chat:b", &changed),
        ("channel=chat:a&channel=chat:b", &"nonsense".to_owned()),
    ] {
        let answer = get(hub.public, &format!("/sse?{channels}&ticket={ticket}"), &[]).await;
        assert_eq!(answer.status, 401, "{channels}: {answer:?}");
    }
    for (who, channels, status) in [
        (token("u1"), r#""user:u2""#, 403),
        (token_for("u1", &[("live:*", &["subscribe"])]), r#""chat:a""#, 403),
        (token("u1"), r#""nowhere:a""#, 404),
        (token("u1"), "", 400),
        (token("u1"), "7", 400),
        ("nonsense".to_owned(), r#""chat:a""#, 401),
    ] {
        assert_eq!(ask(&hub, &who, channels).await.status, status, "{channels}");
    }
    assert_eq!(request(hub.public, "POST", "/v1/tickets", &[], r#"{"channels":["chat:a"]}"#).await.status, 401);
}

#[tokio::test]
async fn a_ticket_grants_what_its_token_granted() {
    let hub = Hub::dev();
    let narrow = token_for("u1", &[("live:x", &["subscribe"])]);
    let ticket = ticket(&hub, &narrow, r#""live:x""#).await;
    let (mut stream, _) = Stream::begin(&hub, &format!("channel=live:x&ticket={ticket}"), &[]).await;
    hub.publish("live:x", "1").await;
    assert_eq!(stream.event().await.offset(), 1);
}
