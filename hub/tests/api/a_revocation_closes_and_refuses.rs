//! Goal: a revoked token is worth nothing from then on, on live sockets within a second, on new ones, and after a restart.
//! Method: sockets with tokens that are and are not meant; revoke one token, then a user; restart.

use std::time::{Duration, Instant};

use hubbub::auth::mint::TokenDraft;
use hubbub::config::development::SECRET;
use hubbub_client::RawConnection;
use serde_json::json;

use super::harness::{Hub, SOON, draft, frame, now_s, send, sign, subscribe};

fn token(user: &str, id: &str, iat: u64) -> String {
    sign(TokenDraft { jti: Some(id.to_owned()), iat, ..draft(user) }, "dev", SECRET)
}

async fn refused(hub: &Hub, token: &str) {
    let mut socket = hub.bare_socket().await;
    assert!(socket.connect(token, Vec::new(), SOON).await.is_err(), "a revoked token opens a session");
    let mut again = hub.bare_socket().await;
    let connect = hubbub_protocol::frame::Connect { token: token.to_owned(), client: None, resume: Vec::new() };
    again.send(&hubbub_protocol::ClientFrame::Connect(connect)).await.expect("sent");
    assert_eq!(again.closed(SOON).await.expect("closed"), Some(4502));
}

async fn closed_within_a_second(socket: &mut RawConnection, since: Instant) {
    assert_eq!(socket.closed(SOON).await.expect("closed"), Some(4502));
    assert!(since.elapsed() < Duration::from_secs(1), "it took {:?}", since.elapsed());
}

#[tokio::test]
async fn a_revoked_token_closes_its_sockets_and_opens_none() {
    let hub = Hub::start().await;
    let now = now_s();
    let (one, two) = (token("u1", "t1", now), token("u1", "t2", now));
    let (mut first, mut second, mut other) =
        (hub.socket_with(&one).await, hub.socket_with(&one).await, hub.socket_with(&two).await);
    let since = Instant::now();
    let answer = hub.post("/v1/tokens/revoke", json!({"token_id": "t1"})).await.ok();
    assert_eq!(answer["closed"], json!(2));
    let day = 86_400_000;
    assert!(answer["until"].as_u64().is_some_and(|until| until > (now * 1_000) + day), "{answer}");
    closed_within_a_second(&mut first, since).await;
    closed_within_a_second(&mut second, since).await;
    refused(&hub, &one).await;
    subscribe(&mut other, "live:a").await;
    let hub = hub.restart().await;
    refused(&hub, &one).await;
    hub.socket_with(&two).await;
}

#[tokio::test]
async fn a_revoked_user_needs_a_new_token() {
    let hub = Hub::start().await;
    let now = now_s();
    let (old, fresh) = (token("u1", "t1", now - 60), token("u1", "t2", now - 10));
    let (mut first, mut second) = (hub.socket_with(&old).await, hub.socket_with(&fresh).await);
    let mut other = hub.socket_with(&token("u2", "t3", now - 60)).await;
    let since = Instant::now();
    let body = json!({"user": "u1", "before": (now - 30) * 1_000});
    assert_eq!(hub.post("/v1/tokens/revoke", body).await.ok()["closed"], json!(1));
    closed_within_a_second(&mut first, since).await;
    refused(&hub, &old).await;
    subscribe(&mut second, "live:a").await;

    let since = Instant::now();
    assert_eq!(hub.post("/v1/tokens/revoke", json!({"user": "u1"})).await.ok()["closed"], json!(1));
    closed_within_a_second(&mut second, since).await;
    let hub = {
        refused(&hub, &fresh).await;
        subscribe(&mut other, "live:a").await;
        hub.restart().await
    };
    refused(&hub, &fresh).await;
    // Issued in the second after the revocation at the earliest; the leeway for clocks lets it in.
    hub.socket_with(&token("u1", "t4", now_s() + 2)).await;
}

#[tokio::test]
async fn a_revoked_token_ends_its_event_streams() {
    let hub = Hub::start().await;
    let bearer = token("u1", "t1", now_s());
    let url = format!("http://{}/sse?channel=live:a", hub.public);
    let client = reqwest::Client::new();
    let mut stream = client.get(&url).bearer_auth(&bearer).send().await.expect("a stream");
    assert_eq!(stream.status().as_u16(), 200);
    stream.chunk().await.expect("readable").expect("it begins");
    hub.post("/v1/tokens/revoke", json!({"token_id": "t1"})).await.ok();
    while let Ok(Some(_)) = tokio::time::timeout(SOON, stream.chunk()).await.expect("it ends") {}
    let again = send(client.get(&url).bearer_auth(&bearer)).await;
    assert!([401, 204].contains(&again.status), "{again:?}");
}

#[tokio::test]
async fn a_revocation_of_nothing_is_refused() {
    let hub = Hub::start().await;
    let (far, long) = ((now_s() + 3_600) * 1_000, "t".repeat(129));
    let wrong = [
        json!({}),
        json!({"token_id": "t", "user": "u1"}),
        json!({"token_id": long}),
        json!({"user": "a b"}),
        json!({"user": "u1", "before": far}),
        json!({"user": "u1", "until": 1}),
    ];
    for body in wrong {
        assert_eq!(hub.post("/v1/tokens/revoke", body.clone()).await.problem(400), "bad_request", "{body}");
    }
    let mut socket = hub.socket("u1").await;
    subscribe(&mut socket, "live:a").await;
    hub.post("/v1/publish", json!({"channel": "live:a", "data": 1})).await.ok();
    frame(&mut socket).await;
}
