//! Goal: a token counts exactly as long as it says, a refresh keeps the connection and replaces the rights. Method: tokens
//! that live for seconds, and tokens of others.

use std::collections::BTreeMap;

use hubbub::auth::mint::TokenDraft;
use hubbub_protocol::frame::{Publish, Reply};
use hubbub_protocol::{ClientFrame, ErrorCode, ServerFrame};

use crate::harness::{Hub, Setup, now_ms, sign, token, token_for};
use crate::peer::{Peer, channel, draft, fresh};

/// Expires at the end of the second after so many.
fn short(user: &str, seconds: u64) -> String {
    sign(TokenDraft { sub: user.to_owned(), exp: now_ms() / 1_000 + seconds + 1, ..TokenDraft::default() })
}

/// No leeway, so that a token's end is its end.
fn setup() -> Setup {
    Setup::new().env("HUBBUB_TOKENS__LEEWAY_S", "0").limit("expiry_warning_ms", 1_000)
}

#[tokio::test]
async fn a_warning_comes_once_and_then_the_end() {
    let hub = setup().start();
    let mut peer = Peer::open(&hub).await;
    let connected = peer.begin(&short("u1", 2), Vec::new()).await;
    let ServerFrame::Expiring { expires_at } = peer.frame().await else { panic!("no warning") };
    assert_eq!(expires_at, connected.expires_at);
    let early = expires_at.saturating_sub(now_ms());
    assert!((1..=1_050).contains(&early), "warned {early} ms before");
    assert_eq!(
        peer.raw.receive(crate::harness::WITHIN).await.map(|came| format!("{came:?}")).ok().as_deref(),
        Some("Closed(Some(4005), \"token expired\")")
    );
    let late = now_ms().checked_sub(expires_at).expect("not before its end");
    assert!(late < 1_000, "{late} ms behind its end");
}

#[tokio::test]
async fn a_short_token_is_warned_of_at_once() {
    let hub = Setup::new().start();
    let mut peer = Peer::open(&hub).await;
    peer.begin(&short("u1", 30), Vec::new()).await;
    assert!(matches!(peer.frame().await, ServerFrame::Expiring { .. }));
}

async fn refresh(peer: &mut Peer, token: String) -> ServerFrame {
    peer.ask(|id| ClientFrame::Refresh(id, token)).await
}

#[tokio::test]
async fn a_refresh_keeps_the_connection() {
    let hub = setup().start();
    let mut peer = Peer::open(&hub).await;
    let end = peer.begin(&short("u1", 1), Vec::new()).await.expires_at;
    peer.subscribe(fresh("chat:a")).await;
    let ServerFrame::Reply { result: Reply::Refreshed { expires_at }, .. } = refresh(&mut peer, token("u1")).await
    else {
        panic!("not refreshed")
    };
    assert!(expires_at > end + 1_000_000);
    while now_ms() < end + 500 {
        // Frames that are late would come in between; the warning for the old token may have come before the refresh.
        hub.publish("chat:a", "1").await;
        match peer.frame().await {
            ServerFrame::Message(_) => {}
            ServerFrame::Expiring { expires_at } => assert_eq!(expires_at, end),
            other => panic!("unexpected: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_refresh_takes_away_what_the_new_token_does_not_allow() {
    let hub = Hub::dev();
    let mut peer = Peer::connect(&hub, "u1").await;
    for name in ["chat:a", "live:a", "live:b"] {
        peer.subscribe(fresh(name)).await;
    }
    assert!(matches!(
        refresh(&mut peer, token_for("u1", &[("live:a", &["subscribe"])])).await,
        ServerFrame::Reply { .. }
    ));
    let mut ended = BTreeMap::new();
    for _ in 0..2 {
        match peer.frame().await {
            ServerFrame::Unsubscribed { id: None, channel, code } => ended.insert(channel.to_string(), code),
            other => panic!("unexpected: {other:?}"),
        };
    }
    let forbidden = Some(ErrorCode::Forbidden);
    assert_eq!(ended, BTreeMap::from([("chat:a".to_owned(), forbidden), ("live:b".to_owned(), forbidden)]));
    for name in ["chat:a", "live:b", "live:a"] {
        hub.publish(name, "1").await;
    }
    assert_eq!(peer.message().await.channel, channel("live:a"));
    assert_eq!(peer.refused(|id| ClientFrame::Publish(id, draft("live:a", "1"))).await, ErrorCode::Forbidden);
    peer.expect_nothing().await;
    // And gives back what a wider one does.
    assert!(matches!(refresh(&mut peer, token("u1")).await, ServerFrame::Reply { .. }));
    peer.publish(draft("live:a", "2")).await;
}

#[tokio::test]
async fn a_refresh_is_for_the_same_user_and_a_living_token() {
    let hub = Hub::dev();
    let mut peer = Peer::connect(&hub, "u1").await;
    let expired = sign(TokenDraft { sub: "u1".into(), iat: 1_000_000, exp: 1_000_100, ..TokenDraft::default() });
    for (token, code) in [
        (token("u2"), ErrorCode::Forbidden),
        ("nonsense".to_owned(), ErrorCode::Unauthorized),
        (expired, ErrorCode::TokenExpired),
    ] {
        assert_eq!(peer.refused(|id| ClientFrame::Refresh(id, token)).await, code);
    }
    peer.subscribe(fresh("user:u1")).await;
    assert_eq!(peer.refused(|id| ClientFrame::Subscribe(id, fresh("user:u2"))).await, ErrorCode::Forbidden);
}

#[tokio::test]
async fn a_shorter_token_counts_from_its_refresh_on() {
    let hub = setup().start();
    let mut peer = Peer::open(&hub).await;
    peer.begin(&short("u1", 20), Vec::new()).await;
    assert!(matches!(refresh(&mut peer, short("u1", 1)).await, ServerFrame::Reply { .. }));
    let asked = now_ms();
    assert_eq!(peer.close_code().await, Some(4005));
    assert!(now_ms() - asked < 4_000, "the old token's end was waited for");
}

#[tokio::test]
async fn channels_of_a_user_are_read_by_that_user_alone() {
    let hub = Hub::dev();
    let (mut owner, mut other) = (Peer::connect(&hub, "u1").await, Peer::connect(&hub, "u2").await);
    owner.subscribe(fresh("user:u1")).await;
    assert_eq!(other.refused(|id| ClientFrame::Subscribe(id, fresh("user:u1"))).await, ErrorCode::Forbidden);
    for peer in [&mut owner, &mut other] {
        assert_eq!(peer.refused(|id| ClientFrame::Publish(id, draft("user:u1", "1"))).await, ErrorCode::Forbidden);
    }
    let mut all = Peer::open(&hub).await;
    all.begin(&token_for("u3", &[("*", &["subscribe", "publish", "history"])]), Vec::new()).await;
    assert_eq!(all.refused(|id| ClientFrame::Subscribe(id, fresh("user:u1"))).await, ErrorCode::Forbidden);
    hub.publish("user:u1", "7").await;
    assert_eq!(owner.message().await.data.get(), "7");
}

#[tokio::test]
async fn capabilities_replace_the_defaults_of_namespaces() {
    let hub = Hub::dev();
    let mut peer = Peer::open(&hub).await;
    let allow: [(&str, &[&str]); 3] =
        [("chat:lobby", &["subscribe"]), ("live:x-*", &["publish"]), ("feed:*", &["publish"])];
    peer.begin(&token_for("u1", &allow), Vec::new()).await;
    peer.subscribe(fresh("chat:lobby")).await;
    peer.publish(draft("live:x-1", "1")).await;
    // A public namespace is read by everybody, and written by whom the token allows.
    peer.subscribe(fresh("feed:a")).await;
    peer.publish(draft("feed:a", "1")).await;
    assert_eq!(peer.message().await.channel, channel("feed:a"));
    let refused: [fn(u64) -> ClientFrame; 4] = [
        |id| ClientFrame::Publish(id, draft("chat:lobby", "1")),
        |id| ClientFrame::Subscribe(id, fresh("chat:lobby2")),
        |id| ClientFrame::Subscribe(id, fresh("live:x-1")),
        |id| ClientFrame::Publish(id, Publish { channel: channel("live:y"), ..draft("live:y", "1") }),
    ];
    for make in refused {
        assert_eq!(peer.refused(make).await, ErrorCode::Forbidden);
    }
}
