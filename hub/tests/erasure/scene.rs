//! A scene in which one user does everything that there is to do, and others do everything to her that they can.

use hubbub_client::{RawConnection, Received};
use serde_json::{Value, json};

use crate::house::{House, SOON};

/// Who is erased. Nobody else's name has this in it.
pub(crate) const ULLA: &str = "ulla-4f7c21";
/// A word that she alone says.
pub(crate) const WORD: &str = "quixotril";
/// What others say, and stays.
pub(crate) const STAYS: &str = "perennial";

/// What is to be right afterwards.
pub(crate) struct Scene {
    /// A message of bob that ulla and carol have reacted to.
    pub(crate) liked: String,
    /// A message of bob that mentions ulla.
    pub(crate) mention: String,
    /// A message of ulla that bob has answered in a thread.
    pub(crate) root: String,
}

/// Plays it. `more` rooms have messages of everybody beside it.
pub(crate) async fn play(house: &House, more: usize) -> (Scene, RawConnection) {
    let room =
        |name: &str, kind: &str, by: &str| json!({"channel": name, "kind": kind, "name": format!("room of {by}")});
    house.op(Some(ULLA), "create", room("room:hers", "public", "her")).await;
    house.op(Some("bob"), "create", room("room:his", "private", "him")).await;
    house.op(Some("bob"), "create", room("room:strict", "public", "him")).await;
    for user in ["bob", "carol"] {
        house.op(Some(user), "join", json!({"channel": "room:hers"})).await;
    }
    house.op(Some("bob"), "invite", json!({"channel": "room:his", "user": ULLA})).await;
    house.op(Some(ULLA), "join", json!({"channel": "room:his"})).await;
    house.op(Some("bob"), "role", json!({"channel": "room:his", "user": ULLA, "role": "moderator"})).await;
    house.op(Some(ULLA), "create", json!({"kind": "direct", "members": ["bob"]})).await;
    let scene = talk(house).await;
    keep_order(house, &scene).await;
    read_on(house, &scene).await;
    let socket = plain_channels(house).await;
    for number in 0..more {
        let name = format!("room:more{number}");
        house.op(Some("bob"), "create", room(&name, "public", "him")).await;
        house.op(Some(ULLA), "join", json!({"channel": name})).await;
        for _ in 0..5 {
            house.op(Some(ULLA), "send", json!({"channel": name, "text": format!("{WORD} {number}")})).await;
            house.op(Some("bob"), "send", json!({"channel": name, "text": format!("{STAYS} @{ULLA}")})).await;
        }
    }
    (scene, socket)
}

async fn say(house: &House, user: &str, mut body: Value) -> String {
    if body["channel"].is_null() {
        body["channel"] = json!("room:hers");
    }
    house.op(Some(user), "send", body).await["message"].as_str().expect("an id").to_owned()
}

async fn talk(house: &House) -> Scene {
    let liked = say(house, "bob", json!({"text": format!("{STAYS} one")})).await;
    let root = say(house, ULLA, json!({"text": format!("{WORD} one"), "key": format!("{ULLA}-key")})).await;
    let edited = say(house, ULLA, json!({"text": format!("{WORD} two")})).await;
    for text in ["three", "four"] {
        let text = format!("{WORD} {text} @bob");
        house.op(Some(ULLA), "edit", json!({"channel": "room:hers", "message": edited, "text": text})).await;
    }
    let attachment = json!({
        "id": "f1", "name": format!("{WORD}.png"), "type": "image/png", "size": 7, "url": format!("https://files.example/{ULLA}/1")
    });
    say(house, ULLA, json!({"text": format!("{WORD} for @carol"), "reply_to": liked, "attachments": [attachment]}))
        .await;
    say(house, ULLA, json!({"text": format!("{WORD} in a thread"), "thread": liked})).await;
    say(house, "bob", json!({"text": format!("{STAYS} in her thread"), "thread": root})).await;
    let gone = say(house, ULLA, json!({"text": format!("{WORD} and gone")})).await;
    house.op(Some(ULLA), "delete", json!({"channel": "room:hers", "message": gone})).await;
    let mention = say(house, "bob", json!({
        "text": format!("{STAYS} @{ULLA}, bold"), "entities": [{"kind": "bold", "from": STAYS.len() + 3 + ULLA.len() + 1, "to": STAYS.len() + 3 + ULLA.len() + 5}]
    })).await;
    let versions = say(house, "carol", json!({"text": format!("{STAYS} @{ULLA} first")})).await;
    house
        .op(
            Some("carol"),
            "edit",
            json!({"channel": "room:hers", "message": versions, "text": format!("{STAYS} @{ULLA} again")}),
        )
        .await;
    house
        .op(
            None,
            "unfurl",
            json!({"channel": "room:hers", "message": mention, "unfurls": [
                {"url": format!("https://people.example/{ULLA}"), "title": format!("about {ULLA}"), "description": ""}
            ]}),
        )
        .await;
    say(house, "bob", json!({"text": format!("{STAYS} @{ULLA} hidden"), "thread": root})).await;
    for (user, emoji) in [(ULLA, "👍"), ("carol", "👍"), (ULLA, "🎉")] {
        house.op(Some(user), "react", json!({"channel": "room:hers", "message": liked, "emoji": emoji})).await;
    }
    house.op(Some("bob"), "react", json!({"channel": "room:hers", "message": root, "emoji": "👀"})).await;
    for (user, text) in [(ULLA, format!("{WORD} later")), ("bob", format!("later @{ULLA}"))] {
        let at = 4_000_000_000_000_u64.min(now_ms() + 86_400_000);
        house.op(Some(user), "send", json!({"channel": "room:hers", "text": text, "at": at})).await;
    }
    house.op(Some("bob"), "send", json!({"channel": "room:his", "text": format!("{STAYS} @{ULLA}")})).await;
    house.op(Some(ULLA), "send", json!({"channel": "room:his", "text": format!("{WORD} as the last one")})).await;
    Scene { liked, mention, root }
}

async fn keep_order(house: &House, scene: &Scene) {
    house.op(Some(ULLA), "pin", json!({"channel": "room:hers", "message": scene.root, "pinned": true})).await;
    house.op(Some(ULLA), "update", json!({"channel": "room:hers", "topic": format!("ask @{ULLA}")})).await;
    house.op(Some(ULLA), "filters", json!({"channel": "room:hers", "words": ["foul", ULLA]})).await;
    house
        .op(Some(ULLA), "mute", json!({"channel": "room:hers", "user": "carol", "reason": format!("{WORD} is why")}))
        .await;
    house.op(Some(ULLA), "mute", json!({"channel": "room:hers", "user": "carol", "until": null})).await;
    house.op(Some(ULLA), "add", json!({"channel": "room:hers", "users": ["dora"]})).await;
    house.op(Some(ULLA), "invite", json!({"channel": "room:his", "user": "dora"})).await;
    house
        .op(
            Some(ULLA),
            "report",
            json!({"channel": "room:hers", "message": scene.liked, "reason": format!("{WORD} was rude")}),
        )
        .await;
    let report = house
        .op(
            Some("bob"),
            "report",
            json!({"channel": "room:hers", "message": scene.root, "reason": format!("@{ULLA} is rude")}),
        )
        .await;
    house
        .op(Some(ULLA), "resolve", json!({"channel": "room:hers", "report": report["report"], "action": "dismissed"}))
        .await;
    house.op(Some(ULLA), "join", json!({"channel": "room:strict"})).await;
    house.op(Some(ULLA), "send", json!({"channel": "room:strict", "text": format!("{WORD} once")})).await;
    house.op(Some("bob"), "configure", json!({"channel": "room:strict", "slow_mode_s": 1})).await;
    house.op(Some("bob"), "ban", json!({"channel": "room:strict", "user": ULLA, "reason": "because"})).await;
}

async fn read_on(house: &House, scene: &Scene) {
    house.op(Some(ULLA), "read", json!({"channel": "room:hers", "ordinal": 2})).await;
    house.op(Some(ULLA), "read", json!({"channel": "room:hers", "ordinal": 1, "thread": scene.root})).await;
    house.op(Some(ULLA), "follow", json!({"channel": "room:hers", "thread": scene.liked, "following": false})).await;
    house.op(Some(ULLA), "notify", json!({"channel": "room:his", "level": "mentions"})).await;
    house.op(Some(ULLA), "dnd", json!({"until": now_ms() + 1_000})).await;
    let (status, answer) =
        house.call("POST", &format!("/v1/users/{ULLA}/notify"), Some(json!({"data": {"hi": WORD}}))).await;
    assert_eq!(status, 200, "{answer}");
    // Notices are given in the background: those of her are in the inboxes of others.
    house
        .until("carol has a notice", async || {
            let inbox = house.op(Some("carol"), "inbox", json!({})).await;
            inbox["notices"].as_array().is_some_and(|notices| notices.iter().any(|notice| notice["from"] == ULLA))
        })
        .await;
    house
        .until("dora is told of her report", async || {
            house.op(Some(ULLA), "inbox", json!({})).await["person"]["unread"].as_u64() > Some(2)
        })
        .await;
}

/// What has nothing to do with rooms: durable channels, windows, presence.
pub(crate) async fn plain_channels(house: &House) -> RawConnection {
    let mut socket = house.socket(ULLA).await;
    for (number, channel) in ["chat:lobby", "live:score", "room:hers", "room:his"].into_iter().enumerate() {
        let subscribe = json!({"type": "subscribe", "id": number + 1, "channel": channel, "presence": true});
        socket.send_text(subscribe.to_string()).await.expect("sent");
    }
    let publish = |id: u32, channel: &str, key: &str| {
        json!({
            "type": "publish", "id": id, "channel": channel, "data": {"words": WORD, "by": ULLA}, "key": key, "conflate_key": format!("of/{ULLA}")
        })
    };
    for (id, channel) in [(10, "chat:lobby"), (11, "live:score"), (12, "chat:lobby"), (13, "live:score")] {
        socket.send_text(publish(id, channel, &format!("{ULLA}/{id}")).to_string()).await.expect("sent");
    }
    let mut acks = 0;
    while acks < 4 {
        match socket.receive(SOON).await.expect("in time") {
            Received::Frame(_, text) | Received::Unknown(text) => acks += u32::from(text.contains("\"ack\"")),
            other => panic!("{other:?}"),
        }
    }
    for channel in ["chat:lobby", "live:score"] {
        for data in [json!({"about": ULLA}), json!(STAYS), json!({"list": [STAYS, {ULLA: 1}]}), json!(STAYS)] {
            let body = json!({"channel": channel, "data": data});
            let (status, answer) = house.call("POST", "/v1/publish", Some(body)).await;
            assert_eq!(status, 200, "{answer}");
        }
    }
    socket
}

fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    since.as_millis() as u64
}
