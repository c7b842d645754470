//! Goal: a question about several rooms tells of those alone that whoever asks may see: not of rooms that a token or an API key does
//! not reach, and of a private room that somebody is only invited to no more than what it is. Method: users with several rooms, narrow
//! tokens, a narrow key, and an invitation.

use std::time::Duration;

use serde_json::{Value, json};

use super::cast::{Cast, TENANT};

/// For how long nothing may come that should not.
const QUIET: Duration = Duration::from_millis(300);

/// Two rooms of ann, in each a message that she follows a thread of, and one that waits.
async fn two_rooms(cast: &Cast) {
    for name in ["room:seen-a", "room:hidden-b"] {
        for (op, body) in [
            ("create", json!({ "channel": name, "kind": "public", "name": "N" })),
            ("send", json!({ "channel": name, "text": "a pineapple", "at": null })),
            ("send", json!({ "channel": name, "text": "later", "at": super::cast::far() })),
        ] {
            let done = cast.as_user("ann", op, &body).await.expect("done");
            if let (Some(message), "send") = (done["message"].as_str(), op) {
                let body = json!({ "channel": name, "text": "under it", "thread": message });
                cast.as_user("ann", "send", &body).await.expect("sent");
            }
        }
    }
}

/// The rooms that an answer is about.
fn told(answer: &Value) -> Vec<&str> {
    let lists = ["rooms", "hits", "threads", "scheduled"].into_iter().filter_map(|list| answer[list].as_array());
    let names = lists.flatten().map(|entry| entry["channel"].as_str().or(entry["room"]["channel"].as_str()));
    names.map(|name| name.expect("a room")).collect()
}

#[tokio::test]
async fn a_narrow_token_and_a_narrow_key_hear_of_their_rooms_alone() {
    let cast = Cast::start().await;
    two_rooms(&cast).await;
    let questions = [
        ("rooms", json!({})),
        ("rooms", json!({ "channels": ["room:seen-a", "room:hidden-b"] })),
        ("discover", json!({})),
        ("search", json!({ "text": "pineapple" })),
        ("threads", json!({})),
        ("scheduled", json!({})),
    ];
    let (all, narrow) = (cast.token("ann"), cast.narrow_token("ann", "room:seen-*", &["history", "subscribe"]));
    for (op, body) in questions {
        let both = cast.by_token(Some(&all), op, &body).await.expect("answered");
        assert_eq!(told(&both).len(), 2, "{op}: {both}");
        let one = cast.by_token(Some(&narrow), op, &body).await.expect("answered");
        assert_eq!(told(&one), ["room:seen-a"], "{op} by a narrow token");
        let mut of_ann = body.clone();
        of_ann["as"] = "ann".into();
        let one = cast.by_key(TENANT, "narrow", op, &of_ann).await.expect("answered");
        assert_eq!(told(&one), ["room:seen-a"], "{op} by a narrow key");
    }
}

#[tokio::test]
async fn a_narrow_key_reads_what_was_done_in_its_rooms_alone() {
    let cast = Cast::start().await;
    two_rooms(&cast).await;
    for name in ["room:seen-a", "room:hidden-b"] {
        cast.as_user("ann", "update", &json!({ "channel": name, "topic": "new" })).await.expect("done");
    }
    for (key, rooms) in [("all", 2), ("narrow", 1)] {
        let audit = cast.by_key(TENANT, key, "audit", &json!({})).await.expect("answered");
        let entries = audit["entries"].as_array().expect("a page");
        let told: std::collections::HashSet<_> = entries.iter().filter_map(|entry| entry["channel"].as_str()).collect();
        assert_eq!(told.len(), rooms, "{key}: {audit}");
        assert!(told.contains("room:seen-a"), "{key}: {audit}");
    }
}

#[tokio::test]
async fn a_narrow_token_follows_its_rooms_alone() {
    let cast = Cast::start().await;
    two_rooms(&cast).await;
    let mut socket = cast.socket(&cast.narrow_token("ann", "room:seen-*", &["history", "subscribe"])).await;
    socket.room("rooms", &json!({ "follow": true })).await.expect("follows");
    for name in ["room:hidden-b", "room:seen-a"] {
        cast.set_up("send", json!({ "channel": name, "text": "hi" })).await;
    }
    let heard = socket.next(super::harness::SOON).await.expect("a message");
    assert_eq!(heard["channel"], "room:seen-a", "{heard}");
    assert_eq!(socket.next(QUIET).await, None);
}

#[tokio::test]
async fn who_is_invited_hears_nothing_of_a_closed_room_before_they_join() {
    let cast = Cast::start().await;
    cast.set_up("create", json!({ "channel": "room:closed", "kind": "private", "name": "Closed", "members": ["ann"] }))
        .await;
    let said =
        cast.as_user("ann", "send", &json!({ "channel": "room:closed", "text": "a secret" })).await.expect("sent");
    cast.set_up("pin", json!({ "channel": "room:closed", "message": said["message"] })).await;
    cast.set_up("invite", json!({ "channel": "room:closed", "user": "bob" })).await;
    let mut bob = cast.socket(&cast.token("bob")).await;
    let listed = bob.room("rooms", &json!({ "follow": true })).await.expect("listed");
    let one = bob.room("room", &json!({ "channel": "room:closed" })).await.expect("shown");
    for entry in [&listed["result"]["rooms"][0], &one["result"]] {
        let room = &entry["room"];
        assert_eq!(
            (&room["name"], &room["last"], &room["pins"]),
            (&json!("Closed"), &Value::Null, &json!([])),
            "{entry}"
        );
    }
    cast.as_user("ann", "send", &json!({ "channel": "room:closed", "text": "another" })).await.expect("sent");
    let heard = loop {
        match bob.next(QUIET).await {
            // The own channel says that there is an invitation.
            Some(frame) if frame["channel"] == "user:bob" => {}
            heard => break heard,
        }
    };
    assert_eq!(heard, None);
    bob.room("join", &json!({ "channel": "room:closed" })).await.expect("joined");
    bob.room("rooms", &json!({ "follow": true })).await.expect("listed");
    cast.as_user("ann", "send", &json!({ "channel": "room:closed", "text": "welcome" })).await.expect("sent");
    loop {
        let frame = bob.next(super::harness::SOON).await.expect("a message");
        if frame["data"]["text"] == "welcome" {
            break;
        }
    }
}
