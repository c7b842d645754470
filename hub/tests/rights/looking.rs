//! Goal: subscribing, resuming, `history`, `presence`, publishing and SSE on the channel of a room are for whoever may see the room, and
//! publishing for nobody. Method: everybody tries each in every kind of room, beside the table of operations.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::cast::{Cast, Needs, Outcome, PEOPLE, Room, Socket};
use super::harness::SOON;

/// Who tries, in this order; what the names mean stands with the table of operations.
const WHO: &[&str] = &[
    "anonymous",
    "foreign",
    "elsewhere",
    "viewer",
    "banned",
    "stranger",
    "invited",
    "guest",
    "member",
    "moderator",
    "owner",
];

/// A way to look, a kind of room, and what everybody gets, in the letters of the table of operations.
const TABLE: &str = "
subscribe  public        . n f + n + + + + + +
subscribe  private       . n f + n n n + + + +
subscribe  announcement  . n f + n + + + + + +
subscribe  direct        . n f n . n . . + . .
resume     public        . n f + n + + + + + +
resume     private       . n f + n n n + + + +
resume     announcement  . n f + n + + + + + +
resume     direct        . n f n . n . . + . .
history    public        . n f + n + + + + + +
history    private       . n f + n n n + + + +
history    announcement  . n f + n + + + + + +
history    direct        . n f n . n . . + . .
presence   public        . n f f n + + + + + +
presence   private       . n f f n n n + + + +
presence   announcement  . n f f n + + + + + +
presence   direct        . n f f . n . . + . .
publish    public        . s s s s s s s s s s
publish    private       . s s s s s s s s s s
publish    announcement  . s s s s s s s s s s
publish    direct        . s s s . s . . s . .
sse        public        u n f + n + + + + + +
sse        private       u n f + n n n + + + +
sse        announcement  u n f + n + + + + + +
sse        direct        u n f n . n . . + . .
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_channel_of_a_room_is_for_whoever_may_see_it() {
    let cast = Cast::start().await;
    let mut wrong = String::new();
    for kind in ["public", "private", "announcement", "direct"] {
        let room = cast.room(kind, Needs::default()).await;
        for row in TABLE.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()) {
            let [way, of, marks @ ..] = &row[..] else { continue };
            for (who, expected) in WHO.iter().zip(marks).filter(|(_, mark)| *of == kind && **mark != ".") {
                let outcome = look(&cast, way, who, &room).await;
                if super::table::mark(&outcome).to_string() != *expected {
                    let _ = writeln!(wrong, "{way} {kind} by {who}: {expected} was expected: {outcome:?}");
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

fn token(cast: &Cast, who: &str) -> String {
    match who {
        "foreign" => cast.foreign_token("owner"),
        "elsewhere" => cast.narrow_token("owner", "chat:*", &["history", "subscribe", "presence", "publish"]),
        "viewer" => cast.narrow_token("owner", "room:*", &["history", "subscribe"]),
        who => cast.token(who),
    }
}

async fn look(cast: &Cast, way: &str, who: &str, room: &Room) -> Outcome {
    let channel = &room.channel;
    match way {
        "sse" => stream(cast, (who != "anonymous").then(|| token(cast, who)), channel).await,
        "resume" => resumed(cast, &token(cast, who), channel).await,
        _ => {
            let mut socket = cast.socket(&token(cast, who)).await;
            socket.ask(json!({ "type": way, "channel": channel, "data": {} })).await
        }
    }
}

/// Opens a session that goes on where it was.
pub(crate) async fn resumed(cast: &Cast, token: &str, channel: &str) -> Outcome {
    let mut socket = Socket::bare(cast.hub.bare_socket().await);
    let resume = json!([{ "channel": channel, "epoch": "1", "offset": 1 }]);
    let connected = socket.first(json!({ "type": "connect", "token": token, "resume": resume })).await;
    let of_it = &connected["subscriptions"][0];
    match of_it["error"].as_str() {
        Some(error) => Err(error.to_owned()),
        None => Ok(of_it.clone()),
    }
}

/// Opens a stream of server-sent events.
async fn stream(cast: &Cast, token: Option<String>, channel: &str) -> Outcome {
    let url = format!("http://{}/sse?channel={channel}", cast.hub.public);
    let request = reqwest::Client::new().get(url).header("accept", "text/event-stream").timeout(SOON);
    let request = token.iter().fold(request, reqwest::RequestBuilder::bearer_auth);
    let mut answer = request.send().await.expect("an answer");
    if !answer.status().is_success() {
        let problem: Value = answer.json().await.expect("a problem");
        return Err(problem["code"].as_str().unwrap_or_default().to_owned());
    }
    let mut text = String::new();
    while !text.contains("\"subscriptions\"") {
        let chunk = answer.chunk().await.expect("a stream").expect("it goes on");
        text.push_str(&String::from_utf8_lossy(&chunk));
    }
    let data = text.lines().find_map(|line| line.strip_prefix("data:")).expect("an event");
    let open: Value = serde_json::from_str(data.trim()).expect("JSON");
    match open["subscriptions"][0]["error"].as_str() {
        Some(error) => Err(error.to_owned()),
        None => Ok(open),
    }
}

#[test]
fn everybody_with_a_place_looks() {
    assert!(PEOPLE.iter().all(|user| WHO.contains(user)));
}
