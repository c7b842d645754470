//! Goal: a right that ends on one node ends on all of them within a second: live subscriptions, followed rooms and streams are over,
//! nothing more comes, going on is refused; and a role counts on every node from the next request on. Method: three nodes over Redis
//! and Postgres; a kick, a ban or a leave on the first, sockets and streams on the others.

use std::time::{Duration, Instant};

use hubbub_client::{RawConnection, RawOptions};
use serde_json::{Value, json};

use super::cast::Socket;
use super::fleet::{Fleet, SOON, token};

/// How long a right may last that is gone.
const WITHIN: Duration = Duration::from_secs(1);
/// How often each is done by `make test`.
const ROUNDS: usize = 2;

/// A way to lose sight of a room, the kind of the room, and who does it.
const ENDS: &[(&str, &str, &str)] = &[
    ("kick", "private", "owner"),
    ("kick", "private", "service"),
    ("ban", "public", "owner"),
    ("ban", "private", "service"),
    ("ban", "announcement", "owner"),
    ("leave", "private", "victim"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ends_on_one_node_ends_on_all() {
    let fleet = Fleet::start(3);
    let rounds = std::env::var("HUBBUB_RIGHTS_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS);
    let mut slowest = Duration::ZERO;
    for round in 0..rounds {
        for (number, (op, kind, by)) in ENDS.iter().enumerate() {
            let ended = End { fleet: &fleet, channel: format!("room:r{round}-{number}"), op, kind, by }.takes().await;
            slowest = slowest.max(ended);
        }
    }
    let ends = rounds * ENDS.len();
    println!(
        "figure: rights on three nodes: {ends} ends of a right, the slowest was known everywhere after {} ms",
        slowest.as_millis()
    );
    assert!(slowest < WITHIN);
}

struct End<'f> {
    fleet: &'f Fleet,
    channel: String,
    op: &'static str,
    kind: &'static str,
    by: &'static str,
}

impl End<'_> {
    /// How long until the last socket and stream knew.
    async fn takes(&self) -> Duration {
        let channel = &self.channel;
        self.act(0, None, "create", json!({ "kind": self.kind, "name": "R" })).await;
        self.act(0, None, "add", json!({ "users": ["owner"], "role": "owner" })).await;
        self.act(0, None, "add", json!({ "users": ["victim", "witness"] })).await;
        let mut subscribed = socket(self.fleet, 1).await;
        let at = subscribed.ask(json!({ "type": "subscribe", "channel": channel })).await.expect("subscribed");
        let mut followed = socket(self.fleet, 2).await;
        followed.room("rooms", &json!({ "follow": true, "channels": [channel] })).await.expect("followed");
        let mut near = socket(self.fleet, 0).await;
        near.ask(json!({ "type": "subscribe", "channel": channel })).await.expect("subscribed");
        let mut stream = self.stream(2).await.expect("a stream");

        let begun = Instant::now();
        let actor = (self.by != "service").then_some(self.by);
        let upon = if self.op == "leave" { json!({}) } else { json!({ "user": "victim" }) };
        self.act(0, actor, self.op, upon).await;
        for (name, socket) in [("subscribed", &mut subscribed), ("followed", &mut followed), ("near", &mut near)] {
            self.until_ended(name, socket).await;
        }
        ended(&mut stream, channel).await;
        let took = begun.elapsed();

        self.act(0, None, "send", json!({ "text": "not for the victim" })).await;
        // Whatever was to come comes before the answer to a question that goes the whole way.
        self.until_witness_reads(1).await;
        for socket in [&mut subscribed, &mut followed, &mut near] {
            let heard = socket.room_until_quiet(channel).await;
            assert!(heard.is_none(), "{} by {}: {heard:?}", self.op, self.by);
        }
        self.is_refused(&at).await;
        took
    }

    async fn until_ended(&self, name: &str, socket: &mut Socket) {
        loop {
            let frame =
                socket.next(SOON).await.unwrap_or_else(|| panic!("{} by {}: {name} was not ended", self.op, self.by));
            if frame["type"] == "unsubscribed" && frame["channel"] == json!(self.channel) {
                assert_eq!(frame["code"], "forbidden", "{frame}");
                return;
            }
        }
    }

    /// Whoever is in the room still hears of it on that node.
    async fn until_witness_reads(&self, node: usize) {
        let body = json!({ "channel": self.channel, "as": "witness" });
        let (status, page) = self.fleet.call(node, "POST", "/v1/rooms/messages", Some(body)).await;
        assert_eq!((status, page["messages"].as_array().map(Vec::len)), (200, Some(1)), "{page}");
    }

    /// Nothing that begins again begins.
    async fn is_refused(&self, at: &Value) {
        for node in 0..self.fleet.hubs.len() {
            let mut again = Socket::bare(bare(self.fleet, node).await);
            let resume = json!([{ "channel": self.channel, "epoch": at["epoch"], "offset": at["offset"] }]);
            let connected = again.first(json!({ "type": "connect", "token": token("victim"), "resume": resume })).await;
            assert_eq!(connected["subscriptions"][0]["error"], "not_found", "{} by {}: {connected}", self.op, self.by);
            for way in ["subscribe", "history", "presence"] {
                let outcome = again.ask(json!({ "type": way, "channel": self.channel })).await;
                assert!(outcome.as_ref().is_err_and(|error| error.starts_with("not_found")), "{way}: {outcome:?}");
            }
            let followed = again.room("rooms", &json!({ "follow": true, "channels": [self.channel] })).await;
            assert_eq!(followed.expect("a list")["result"]["rooms"], json!([]));
            assert!(self.stream(node).await.is_err(), "a stream begins");
        }
    }

    async fn act(&self, node: usize, user: Option<&str>, op: &str, mut body: Value) -> Value {
        body["channel"] = json!(self.channel);
        body["as"] = json!(user);
        let (status, answer) = self.fleet.call(node, "POST", &format!("/v1/rooms/{op}"), Some(body)).await;
        assert_eq!(status, 200, "{op}: {answer}");
        answer
    }

    /// A stream of the victim, behind its first event.
    async fn stream(&self, node: usize) -> Result<Stream, u16> {
        let url = format!("http://{}/sse?channel={}", self.fleet.hubs[node].public(), self.channel);
        let request =
            reqwest::Client::new().get(url).header("accept", "text/event-stream").bearer_auth(token("victim"));
        let answer = request.send().await.expect("an answer");
        if !answer.status().is_success() {
            return Err(answer.status().as_u16());
        }
        let mut stream = Stream { answer, text: String::new() };
        let open = stream.event().await.expect("an event");
        if open.contains("\"error\"") { Err(200) } else { Ok(stream) }
    }
}

/// Server-sent events as they come.
struct Stream {
    answer: reqwest::Response,
    text: String,
}

impl Stream {
    /// The next event with data; `None` when the stream has ended.
    async fn event(&mut self) -> Option<String> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                if event.contains("data:") {
                    return Some(event);
                }
                continue;
            }
            let chunk =
                tokio::time::timeout(SOON, self.answer.chunk()).await.expect("something in time").ok().flatten()?;
            self.text.push_str(&String::from_utf8_lossy(&chunk));
        }
    }
}

async fn ended(stream: &mut Stream, channel: &str) {
    loop {
        let Some(event) = stream.event().await else { return };
        if event.contains("unsubscribed") && event.contains(channel) {
            return;
        }
    }
}

async fn bare(fleet: &Fleet, node: usize) -> RawConnection {
    RawConnection::open(&fleet.socket_url(node), RawOptions::default()).await.expect("a socket")
}

async fn socket(fleet: &Fleet, node: usize) -> Socket {
    let mut raw = bare(fleet, node).await;
    raw.connect(&token("victim"), Vec::new(), SOON).await.expect("a session");
    Socket::bare(raw)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_counts_on_every_node_at_once() {
    let fleet = Fleet::start(2);
    let call = async |node: usize, user: Option<&str>, op: &str, mut body: Value| {
        body["channel"] = "room:roles".into();
        body["as"] = json!(user);
        fleet.call(node, "POST", &format!("/v1/rooms/{op}"), Some(body)).await
    };
    call(0, None, "create", json!({ "kind": "public", "name": "Roles", "members": ["ann", "bob"] })).await;
    let (_, said) = call(0, Some("ann"), "send", json!({ "text": "hi" })).await;
    for (role, status) in [("moderator", 200), ("member", 403), ("owner", 200), ("guest", 403)] {
        let (changed, answer) = call(0, None, "role", json!({ "user": "bob", "role": role })).await;
        // The room keeps an owner.
        if role == "owner" {
            call(0, None, "role", json!({ "user": "ann", "role": "owner" })).await;
        }
        assert_eq!(changed, 200, "{answer}");
        for node in [1, 0] {
            let pinned = json!({ "message": said["message"], "pinned": node == 1 });
            let (got, answer) = call(node, Some("bob"), "pin", pinned).await;
            assert_eq!(got, status, "{role} on node {node}: {answer}");
        }
    }
    for (op, status) in [("mute", 403), ("shadow_ban", 403)] {
        call(0, None, op, json!({ "user": "bob" })).await;
        assert_eq!(call(1, Some("bob"), "send", json!({ "text": "hi" })).await.0, status);
    }
    call(0, None, "mute", json!({ "user": "bob", "until": null })).await;
    let (_, answered) = call(1, Some("bob"), "send", json!({ "text": "to nobody" })).await;
    assert!(answered["message"].is_string() && answered["offset"].is_null(), "{answered}");
    let (_, page) = call(1, Some("ann"), "messages", json!({})).await;
    assert_eq!(page["messages"].as_array().map(Vec::len), Some(1), "{page}");
}
