//! Goal: joins and leaves are told once, in one order, and snapshots agree with them. Method: users with several connections
//! that come, go and come back within a short grace.

use hubbub_protocol::frame::{PresenceChange, PresenceKind, PresenceQuery, Subscribe};
use hubbub_protocol::{ClientFrame, ErrorCode, Position, ServerFrame};

use crate::harness::{Hub, Setup, token, token_for};
use crate::peer::{Peer, fresh, resume, since};

fn watching(name: &str) -> Subscribe {
    Subscribe { presence: true, ..fresh(name) }
}

fn who_is_in(name: &str) -> PresenceQuery {
    PresenceQuery { channel: crate::peer::channel(name), after: None, limit: 1_000 }
}

/// The next change, which must be the next frame; the watcher's own join may stand before it.
async fn change(peer: &mut Peer) -> PresenceChange {
    loop {
        match peer.frame().await {
            ServerFrame::Presence(own) if own.user.as_str() == "watcher" && own.event == PresenceKind::Join => {}
            ServerFrame::Presence(change) => return change,
            other => panic!("not a change: {other:?}"),
        }
    }
}

/// Subscribes and waits until its own join is known. It may have been told before that, may be told later, or never.
async fn watcher(hub: &Hub, name: &str) -> Peer {
    let mut peer = Peer::connect(hub, "watcher").await;
    peer.subscribe(watching(name)).await;
    while peer.presence(name).await.version < 1 {}
    peer
}

#[tokio::test]
async fn the_first_connection_joins_and_the_last_leaves() {
    let hub = Setup::new().limit("presence_grace_ms", 150).start();
    let mut watcher = watcher(&hub, "chat:a").await;
    let mut first = Peer::connect(&hub, "u1").await;
    first.subscribe(fresh("chat:a")).await;
    let joined = change(&mut watcher).await;
    assert_eq!((joined.user.as_str(), joined.event), ("u1", PresenceKind::Join));
    let mut second = Peer::connect(&hub, "u1").await;
    second.subscribe(fresh("chat:a")).await;
    let snapshot = watcher.presence("chat:a").await;
    assert_eq!((snapshot.version, snapshot.count), (joined.version, 2), "a second connection is silent");
    let connections: Vec<_> =
        snapshot.users.iter().map(|present| (present.user.as_str(), present.connections)).collect();
    assert_eq!(connections, [("u1", 2), ("watcher", 1)]);
    first.unsubscribe("chat:a").await;
    drop(second);
    let left = change(&mut watcher).await;
    assert_eq!((left.user.as_str(), left.event, left.version), ("u1", PresenceKind::Leave, joined.version + 1));
    assert_eq!(watcher.presence("chat:a").await.count, 1);
    watcher.expect_nothing().await;
}

#[tokio::test]
async fn a_reconnect_is_silent() {
    let hub = Setup::new().limit("presence_grace_ms", 400).start();
    let mut watcher = watcher(&hub, "live:a").await;
    let mut peer = Peer::connect(&hub, "u1").await;
    peer.subscribe(fresh("live:a")).await;
    let joined = change(&mut watcher).await;
    for _ in 0..4 {
        drop(peer);
        peer = Peer::open(&hub).await;
        peer.begin(&token("u1"), vec![resume("live:a", None)]).await;
    }
    drop(peer);
    // The only thing that ever comes is the leave: no frame stands between.
    let left = change(&mut watcher).await;
    assert_eq!((left.event, left.version), (PresenceKind::Leave, joined.version + 1));
}

#[tokio::test]
async fn versions_never_go_back() {
    let hub = Setup::new().limit("presence_grace_ms", 1).limit("interest_linger_ms", 1).start();
    let mut last = 0;
    for _ in 0..5 {
        let mut peer = Peer::connect(&hub, "u1").await;
        peer.subscribe(watching("chat:a")).await;
        let snapshot = peer.presence("chat:a").await;
        assert!(snapshot.version > last && snapshot.count == 1, "{snapshot:?} after {last}");
        last = snapshot.version;
        peer.unsubscribe("chat:a").await;
        while peer.presence("chat:a").await.count > 0 {}
        last = last.max(peer.presence("chat:a").await.version);
    }
}

#[tokio::test]
async fn only_who_asked_is_told() {
    let hub = Setup::new().limit("presence_grace_ms", 1).start();
    let mut deaf = Peer::connect(&hub, "deaf").await;
    deaf.subscribe(fresh("chat:a")).await;
    let mut watcher = watcher(&hub, "chat:a").await;
    for number in 0..5 {
        let mut peer = Peer::connect(&hub, &format!("u{number}")).await;
        peer.subscribe(fresh("chat:a")).await;
        drop(peer);
    }
    let mut versions = Vec::new();
    for _ in 0..10 {
        versions.push(change(&mut watcher).await.version);
    }
    assert!(versions.windows(2).all(|two| two[1] == two[0] + 1), "{versions:?}");
    deaf.expect_nothing().await;
}

#[tokio::test]
async fn somebody_who_catches_up_is_told_as_well() {
    let hub = Setup::new().limit("presence_grace_ms", 1).limit("page_messages", 16).start();
    let text = format!("\"{}\"", "x".repeat(2_000));
    let items: Vec<_> = (0..1_000).map(|_| format!(r#"{{"channel":"chat:a","data":{text}}}"#)).collect();
    let answer = hub.post("/v1/batch", &format!(r#"{{"publishes":[{}]}}"#, items.join(","))).await;
    let epoch =
        hubbub_protocol::Epoch::parse(answer.json()["results"][0]["epoch"].as_str().expect("a log")).expect("an epoch");
    let mut watcher = Peer::connect_slow(&hub, "watcher", 4 * 1024).await;
    watcher.subscribe(Subscribe { presence: true, ..since("chat:a", Position::new(epoch, 0)) }).await;
    let mut version = watcher.presence("chat:a").await.version;
    // Two megabytes wait for the watcher while others come and go.
    for number in 0..5 {
        let mut peer = Peer::connect(&hub, &format!("u{number}")).await;
        peer.subscribe(fresh("chat:a")).await;
        drop(peer);
    }
    let (mut messages, mut changes) = (0, 0);
    while messages < 1_000 || changes < 10 {
        match watcher.frame().await {
            ServerFrame::Message(_) => messages += 1,
            ServerFrame::Presence(change) if change.user.as_str() == "watcher" => {}
            ServerFrame::Presence(change) => {
                assert_eq!(change.version, version + 1, "{changes} changes and {messages} messages before");
                (version, changes) = (change.version, changes + 1);
            }
            other => panic!("unexpected: {other:?}"),
        }
    }
}

#[tokio::test]
async fn not_everybody_and_not_everywhere() {
    let hub = Hub::dev();
    let mut peer = Peer::connect(&hub, "u1").await;
    assert_eq!(peer.refused(|id| ClientFrame::Presence(id, who_is_in("eph:a"))).await, ErrorCode::NotSupported);
    assert_eq!(peer.refused(|id| ClientFrame::Subscribe(id, watching("feed:a"))).await, ErrorCode::NotSupported);
    let mut narrow = Peer::open(&hub).await;
    narrow.begin(&token_for("u1", &[("chat:*", &["subscribe"])]), Vec::new()).await;
    assert_eq!(narrow.refused(|id| ClientFrame::Subscribe(id, watching("chat:a"))).await, ErrorCode::Forbidden);
    assert_eq!(peer.presence("chat:a").await.count, 0, "a refused wish is no presence");
}

#[tokio::test]
async fn who_is_there_is_told_page_by_page() {
    let hub = Hub::dev();
    let mut peers = Vec::new();
    for number in 0..5 {
        let mut peer = Peer::connect(&hub, &format!("u{number}")).await;
        peer.subscribe(fresh("chat:pages")).await;
        peers.push(peer);
    }
    let asking = &mut peers[4];
    let mut seen = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = asking.presence_page("chat:pages", after.as_deref(), 2).await;
        assert!(page.count == 5 && page.users.len() <= 2, "{page:?}");
        seen.extend(page.users.iter().map(|present| present.user.as_str().to_owned()));
        match page.next {
            Some(next) => after = Some(next.as_str().to_owned()),
            None => break,
        }
    }
    assert_eq!(seen, ["u0", "u1", "u2", "u3", "u4"]);
    let bad = r#"{"type":"presence","id":9,"channel":"chat:pages","limit":0}"#;
    asking.raw.send_text(bad).await.expect("sent");
    assert!(matches!(asking.frame().await, ServerFrame::Error(error) if error.code == ErrorCode::BadRequest));
}

#[tokio::test]
async fn large_channels_tell_counts() {
    let hub = Setup::new().limit("presence_list_users", 4).limit("presence_grace_ms", 1).start();
    let mut watcher = watcher(&hub, "chat:a").await;
    let mut peers = Vec::new();
    for number in 0..9 {
        let mut peer = Peer::connect(&hub, &format!("u{number}")).await;
        peer.subscribe(fresh("chat:a")).await;
        peers.push(peer);
    }
    for number in 0..3 {
        assert_eq!(change(&mut watcher).await.user.as_str(), format!("u{number}"));
    }
    // However many there were in between, the last count is of them all.
    loop {
        match watcher.frame().await {
            ServerFrame::PresenceCount(count) if count.count == 10 => break,
            ServerFrame::PresenceCount(count) => assert!(count.count < 10, "{count:?}"),
            other => panic!("unexpected: {other:?}"),
        }
    }
    let snapshot = watcher.presence("chat:a").await;
    assert!(snapshot.large && snapshot.users.is_empty() && snapshot.count == 10, "{snapshot:?}");
    peers.truncate(2);
    // Back to three quarters: the leave that made it so is told, and the list is there again.
    loop {
        match watcher.frame().await {
            ServerFrame::Presence(change) => {
                assert_eq!(change.event, PresenceKind::Leave);
                break;
            }
            ServerFrame::PresenceCount(_) => {}
            other => panic!("unexpected: {other:?}"),
        }
    }
    let snapshot = watcher.presence("chat:a").await;
    assert_eq!((snapshot.large, snapshot.users.len()), (false, 3), "{snapshot:?}");
}
