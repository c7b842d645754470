//! Goal: whoever guesses the id of a room, a message, a report or a task that is not theirs to see is told what is told of one that
//! does not exist. Method: the same operations with ids that exist elsewhere and with ids that do not; the whole answers are equal.

use hubbub_protocol::room::Op;
use serde_json::{Value, json};

use super::cast::{Cast, Needs, PEOPLE, Room};
use super::tried::fields;

/// Not that of any message.
const NOBODYS: &str = "01JCXK0FM0ABCDEFGH1JKMNPQ0";

/// Those who can not see a private room.
const OUTSIDE: &[&str] = &["stranger", "banned", "invited"];

/// What everybody may do, whatever rooms there are; and with what a room that somebody is invited to may be known.
fn is_theirs(op: &str, who: &str) -> bool {
    matches!(op, "create" | "rooms" | "discover" | "threads" | "dnd" | "inbox" | "inbox_read" | "scheduled")
        || (who == "invited" && matches!(op, "room" | "join" | "leave"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_room_that_one_can_not_see_is_one_that_does_not_exist() {
    let cast = Cast::start().await;
    let needs = Needs { own: false, task: true, report: true };
    for kind in ["private", "direct"] {
        let room = cast.room(kind, needs).await;
        let nowhere = Room { channel: "room:nowhere".into(), ..room_like(&room) };
        let outside = if kind == "direct" { &["stranger"] } else { OUTSIDE };
        for who in outside {
            for label in Op::NAMES.iter().filter(|op| !is_theirs(op, who)) {
                let label = tried_as(label);
                // Tasks of one's own are known to whoever made them.
                let (there, gone) = (fields(&label, &room, "guest"), fields(&label, &nowhere, "guest"));
                let (op, token) = (label.split(':').next().unwrap_or(&label), cast.token(who));
                let there = cast.by_token(Some(&token), op, &there).await;
                let gone = cast.by_token(Some(&token), op, &gone).await;
                assert_eq!(there, gone, "{label} of a {kind} room by {who}");
                assert!(
                    there.is_err() || label.starts_with("audit:all"),
                    "{label} of a {kind} room by {who}: {there:?}"
                );
            }
        }
    }
}

/// The fields of most operations, upon somebody.
fn tried_as(op: &str) -> String {
    match op {
        "mute" | "kick" | "ban" | "unban" | "shadow_ban" | "role" | "invite" | "add" => format!("{op}:victim"),
        op => op.to_owned(),
    }
}

fn room_like(room: &Room) -> Room {
    Room {
        channel: room.channel.clone(),
        message: room.message.clone(),
        own: room.own.clone(),
        tasks: room.tasks.clone(),
        report: room.report.clone(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_of_another_room_is_one_that_does_not_exist() {
    let cast = Cast::start().await;
    let needs = Needs { own: true, task: true, report: true };
    let (mine, other) = (cast.room("public", needs).await, cast.room("private", needs).await);
    // The ids are those of a room that its owner, here a mere owner of another one, is not in.
    cast.set_up("kick", json!({ "channel": other.channel, "user": "owner" })).await;
    let token = cast.token("owner");
    let stolen = Room { channel: mine.channel.clone(), ..room_like(&other) };
    let invented = Room {
        channel: mine.channel.clone(),
        message: NOBODYS.into(),
        own: [].into(),
        tasks: [("author".to_owned(), NOBODYS.to_owned())].into(),
        report: format!("{NOBODYS}/user/author"),
    };
    let about = [
        "edit",
        "delete",
        "delete:hard",
        "bulk_delete",
        "pin",
        "react",
        "message",
        "versions",
        "receipts",
        "follow",
        "report",
        "resolve",
        "unschedule",
        "send:thread",
        "send:reply",
    ];
    for label in about {
        let op = label.split(':').next().unwrap_or(label);
        let stolen = cast.by_token(Some(&token), op, &fields(label, &stolen, "nobody")).await;
        let invented = cast.by_token(Some(&token), op, &fields(label, &invented, "nobody")).await;
        assert_eq!(stolen, invented, "{label}");
    }
    for (op, field) in [("messages", "thread"), ("messages", "around"), ("read", "thread"), ("typing", "thread")] {
        let with = |id: &str| {
            let mut body = json!({ "channel": mine.channel, "ordinal": 0 });
            body[field] = id.into();
            body
        };
        let stolen = cast.by_token(Some(&token), op, &with(&other.message)).await;
        let invented = cast.by_token(Some(&token), op, &with(NOBODYS)).await;
        assert_eq!(without_ids(stolen), without_ids(invented), "{op} {field}");
    }
    assert_eq!(PEOPLE.len(), 7);
}

/// Ids that were given are given back.
fn without_ids(outcome: Result<Value, String>) -> Result<Value, String> {
    outcome.map(|mut answer| {
        answer["thread"] = Value::Null;
        answer
    })
}

#[tokio::test]
async fn the_name_of_a_direct_room_is_nobodys_to_take() {
    let cast = Cast::start().await;
    let created =
        cast.as_user("ann", "create", &json!({ "kind": "direct", "members": ["bob"] })).await.expect("created");
    let there = created["channel"].as_str().expect("a channel");
    let token = cast.token("mallory");
    let take = |channel: &str| json!({ "kind": "public", "name": "Mine", "channel": channel });
    let known = cast.by_token(Some(&token), "create", &take(there)).await;
    let unknown = cast.by_token(Some(&token), "create", &take("room:dm-0123456789abcdef0123456789abcdef")).await;
    assert_eq!(known, unknown);
    assert!(known.expect_err("refused").starts_with("forbidden"));
}

#[tokio::test]
async fn who_left_a_direct_room_comes_back_by_making_it_again() {
    let cast = Cast::start().await;
    let make = json!({ "kind": "direct", "members": ["bob"] });
    let first = cast.as_user("ann", "create", &make).await.expect("created");
    let channel = json!({ "channel": first["channel"] });
    cast.as_user("ann", "leave", &channel).await.expect("left");
    assert!(cast.as_user("ann", "messages", &channel).await.is_err());
    let again = cast.as_user("ann", "create", &make).await.expect("created");
    assert_eq!(again["channel"], first["channel"]);
    let page = cast.as_user("ann", "messages", &channel).await.expect("seen");
    assert_eq!((&page["room"]["members"], &page["me"]["state"]), (&json!(2), &json!("joined")));
}
