//! Everybody who may come to a room, and rooms in which each of them stands somewhere else.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hubbub::auth::mint::TokenDraft;
use hubbub_client::{RawConnection, Received};
use hubbub_protocol::ServerFrame;
use serde_json::{Value, json};

use super::harness::{Hub, NAMESPACES, SOON, api_key, draft, sign, tenant_toml, token_secret};

/// Whose rooms these are, and somebody else.
pub(crate) const TENANT: &str = "acme";
pub(crate) const OTHER: &str = "birch";

const ROOMS: &str = "[namespaces.room]\nlog = \"durable\"\npresence = true\nrooms = true\n";

/// Users with a place in every room that is not direct.
pub(crate) const PEOPLE: &[&str] = &["banned", "stranger", "invited", "guest", "member", "moderator", "owner"];

/// What came of an operation: nothing wrong, or the code.
pub(crate) type Outcome = Result<Value, String>;

/// A hub with two tenants, and whatever is needed to come to it.
pub(crate) struct Cast {
    pub(crate) hub: Hub,
    http: reqwest::Client,
    rooms: AtomicU64,
}

impl Cast {
    pub(crate) async fn start() -> Self {
        let scopes: &[(&str, &[&str])] = &[
            ("all", &["publish", "read", "users", "tokens", "admin"]),
            ("reads", &["read"]),
            ("writes", &["publish"]),
        ];
        let keys = scopes.iter().copied().collect();
        let config = format!("{NAMESPACES}{ROOMS}{}{}", tenant_toml(OTHER, &keys), tenant_toml(TENANT, &keys));
        // One more key of the last tenant.
        let key = api_key(TENANT, "narrow");
        let narrow = format!(
            "[[tenants.api_keys]]\nid = \"narrow\"\nsecret = \"{key}\"\nscopes = [\"read\", \"publish\", \"admin\"]\n\
             channels = [\"room:seen-*\", \"user:*\"]\n"
        );
        let hub = Hub::configured(&format!("{config}{narrow}")).await;
        Self { hub, http: reqwest::Client::new(), rooms: AtomicU64::new(1) }
    }

    /// The token of a user of the tenant whose rooms these are.
    pub(crate) fn token(&self, user: &str) -> String {
        sign(draft(user), TENANT, &token_secret(TENANT))
    }

    /// The same, for these channels and operations alone.
    pub(crate) fn narrow_token(&self, user: &str, pattern: &str, operations: &[&str]) -> String {
        let operations = operations.iter().map(|operation| (*operation).to_owned()).collect();
        let allow = Some([(pattern.to_owned(), operations)].into());
        sign(TokenDraft { allow, ..draft(user) }, TENANT, &token_secret(TENANT))
    }

    /// The token of a user of the same name at the other tenant.
    pub(crate) fn foreign_token(&self, user: &str) -> String {
        sign(draft(user), OTHER, &token_secret(OTHER))
    }

    /// By the public port.
    pub(crate) async fn by_token(&self, token: Option<&str>, op: &str, body: &Value) -> Outcome {
        let request = self.http.post(format!("http://{}/v1/rooms/{op}", self.hub.public));
        let request = match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        outcome(request.json(body)).await
    }

    /// By the internal port, with one of the keys of a tenant.
    pub(crate) async fn by_key(&self, tenant: &str, key: &str, op: &str, body: &Value) -> Outcome {
        let request = self.hub.request("POST", &format!("/v1/rooms/{op}")).bearer_auth(api_key(tenant, key));
        outcome(request.json(body)).await
    }

    /// By the service itself, which may do everything; that is what it did.
    pub(crate) async fn set_up(&self, op: &str, body: Value) -> Value {
        self.by_key(TENANT, "all", op, &body).await.unwrap_or_else(|error| panic!("{op} {body}: {error}"))
    }

    /// By the service for a user.
    pub(crate) async fn as_user(&self, user: &str, op: &str, body: &Value) -> Outcome {
        let mut body = body.clone();
        body["as"] = user.into();
        self.by_key(TENANT, "all", op, &body).await
    }

    /// A room with everybody in their place.
    pub(crate) async fn room(&self, kind: &str, needs: Needs) -> Room {
        let number = self.rooms.fetch_add(1, Ordering::Relaxed);
        if kind == "direct" {
            return self.direct(number, needs).await;
        }
        let channel = format!("room:r{number}");
        self.set_up("create", json!({ "channel": channel, "kind": kind, "name": "R" })).await;
        let mut room =
            Room { channel, message: String::new(), own: HashMap::new(), tasks: HashMap::new(), report: String::new() };
        self.set_up("add", json!({ "channel": room.channel, "users": ["owner", "owner2"], "role": "owner" })).await;
        let everybody = needs.own || needs.task;
        let first: &[&str] = if everybody { PEOPLE } else { &["moderator"] };
        let users: Vec<_> = first.iter().chain(&["author", "moderator2"]).filter(|user| **user != "owner").collect();
        self.set_up("add", json!({ "channel": room.channel, "users": users, "role": "moderator" })).await;
        self.say(&mut room, needs, PEOPLE).await;
        for user in ["author", "victim"] {
            self.place(&room, user, "member").await;
        }
        for (user, role) in [("guest", "guest"), ("member", "member")] {
            self.place(&room, user, role).await;
        }
        if everybody {
            for user in ["banned", "stranger", "invited"] {
                self.set_up("kick", json!({ "channel": room.channel, "user": user })).await;
            }
        }
        self.set_up("ban", json!({ "channel": room.channel, "user": "banned" })).await;
        self.set_up("invite", json!({ "channel": room.channel, "user": "invited" })).await;
        room
    }

    async fn direct(&self, number: u64, needs: Needs) -> Room {
        // The set of people is the room: somebody else is in each.
        let members = ["member".to_owned(), format!("friend{number}"), "victim".to_owned()];
        let body = json!({ "kind": "direct", "members": members });
        let created = self.as_user("author", "create", &body).await.expect("created");
        let channel = created["channel"].as_str().expect("a channel").to_owned();
        let mut room =
            Room { channel, message: String::new(), own: HashMap::new(), tasks: HashMap::new(), report: String::new() };
        self.say(&mut room, needs, &["member"]).await;
        room
    }

    async fn place(&self, room: &Room, user: &str, role: &str) {
        let body = json!({ "channel": room.channel, "user": user, "role": role });
        if self.by_key(TENANT, "all", "role", &body).await.is_err() {
            self.set_up("add", json!({ "channel": room.channel, "users": [user], "role": role })).await;
        }
    }

    /// Messages, tasks and reports that operations are about.
    async fn say(&self, room: &mut Room, needs: Needs, people: &[&str]) {
        let send = json!({ "channel": room.channel, "text": "said by the author" });
        room.message = id(&self.as_user("author", "send", &send).await.expect("sent"), "message");
        if needs.report {
            let body = json!({ "channel": room.channel, "message": room.message, "reason": "rude" });
            room.report = id(&self.as_user("author", "report", &body).await.expect("reported"), "report");
        }
        if needs.task {
            let at = json!({ "channel": room.channel, "text": "later", "at": far() });
            for user in people.iter().chain(&["author"]) {
                let Ok(task) = self.as_user(user, "send", &at).await else { continue };
                room.tasks.insert((*user).to_owned(), id(&task, "task"));
            }
        }
        if !needs.own {
            return;
        }
        for user in people {
            let sent = self.as_user(user, "send", &send).await.expect("sent");
            room.own.insert((*user).to_owned(), id(&sent, "message"));
        }
    }

    /// A socket with a session.
    pub(crate) async fn socket(&self, token: &str) -> Socket {
        Socket::bare(self.hub.socket_with(token).await)
    }
}

/// An hour ahead.
pub(crate) fn far() -> u64 {
    (super::harness::now_s() + 3_600) * 1_000
}

fn id(answer: &Value, field: &str) -> String {
    answer[field].as_str().unwrap_or_else(|| panic!("no {field}: {answer}")).to_owned()
}

async fn outcome(request: reqwest::RequestBuilder) -> Outcome {
    // A body that is too long may be cut off before its answer.
    let Ok(answer) = request.timeout(SOON).send().await else { return Err("too_large: cut off".into()) };
    let status = answer.status().as_u16();
    let body: Value = answer.json().await.expect("JSON");
    if status == 200 { Ok(body) } else { Err(format!("{}: {}", body["code"].as_str().unwrap_or("?"), body["detail"])) }
}

/// What a room is made with beside people and one message.
#[derive(Clone, Copy, Default)]
pub(crate) struct Needs {
    /// A message of everybody.
    pub(crate) own: bool,
    /// A scheduled message of everybody.
    pub(crate) task: bool,
    /// A report.
    pub(crate) report: bool,
}

/// A room of the table.
pub(crate) struct Room {
    pub(crate) channel: String,
    /// What `author` said.
    pub(crate) message: String,
    /// What everybody said, by user.
    pub(crate) own: HashMap<String, String>,
    /// What everybody has scheduled.
    pub(crate) tasks: HashMap<String, String>,
    pub(crate) report: String,
}

/// A socket that asks.
pub(crate) struct Socket {
    pub(crate) raw: RawConnection,
    requests: u64,
}

impl Socket {
    /// On which nothing has been said.
    pub(crate) fn bare(raw: RawConnection) -> Self {
        Self { raw, requests: 0 }
    }

    /// Sends a frame and waits for the first one that comes.
    pub(crate) async fn first(&mut self, frame: Value) -> Value {
        self.raw.send_text(frame.to_string()).await.expect("sent");
        self.next(SOON).await.expect("a frame")
    }

    /// The next frame, if one comes.
    pub(crate) async fn next(&mut self, within: Duration) -> Option<Value> {
        let until = Instant::now() + within;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.raw.receive(left).await {
                Ok(Received::Frame(ServerFrame::Ping, _) | Received::Control) => {}
                Ok(Received::Frame(_, text)) => return Some(serde_json::from_str(&text).expect("JSON")),
                _ => return None,
            }
        }
    }

    /// What has come of a channel until a question is answered that goes the whole way.
    pub(crate) async fn room_until_quiet(&mut self, channel: &str) -> Option<Value> {
        self.requests += 1;
        let question = json!({ "type": "room", "id": self.requests, "op": "inbox" });
        self.raw.send_text(question.to_string()).await.expect("sent");
        loop {
            let frame = self.next(SOON).await.expect("an answer");
            if frame["channel"] == json!(channel) {
                return Some(frame);
            }
            if frame["id"] == json!(self.requests) && frame["type"] == "reply" {
                return None;
            }
        }
    }

    /// Asks for an operation of rooms.
    pub(crate) async fn room(&mut self, op: &str, body: &Value) -> Outcome {
        let mut request = body.clone();
        (request["type"], request["op"]) = ("room".into(), op.into());
        self.ask(request).await
    }

    /// Sends a request and waits for its answer; messages before it are thrown away.
    pub(crate) async fn ask(&mut self, mut request: Value) -> Outcome {
        self.requests += 1;
        request["id"] = self.requests.into();
        self.raw.send_text(request.to_string()).await.expect("sent");
        loop {
            match self.raw.receive(SOON).await.expect("an answer") {
                Received::Frame(ServerFrame::Error(error), _) if error.id == Some(self.requests) => {
                    return Err(format!("{}: {}", error.code.as_str(), error.message));
                }
                Received::Frame(_, text) => {
                    let frame: Value = serde_json::from_str(&text).expect("JSON");
                    if frame["id"] == json!(self.requests) && frame["type"] != "message" {
                        return Ok(frame);
                    }
                }
                Received::Control => {}
                other => panic!("no answer: {other:?}"),
            }
        }
    }
}
