//! A hub for a test: the real binary on free ports in an empty folder, an HTTP client with an API key, and sockets.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use hubbub::auth::keys::{Algorithm, TokenKeySettings};
use hubbub::auth::mint::TokenDraft;
use hubbub::auth::secret::Secret;
use hubbub::config::development;
use hubbub_client::{RawConnection, RawOptions, Received};
use hubbub_protocol::frame::Subscribe;
use hubbub_protocol::{ChannelName, ClientFrame, Message, ServerFrame};
use reqwest::Method;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// How long anything may take before the test fails.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// A running hub. It is killed when this is dropped.
pub(crate) struct Hub {
    process: Child,
    folder: TempDir,
    settings: Settings,
    pub(crate) public: String,
    pub(crate) internal: String,
    http: reqwest::Client,
}

/// How the hub is started.
#[derive(Clone, Debug, Default)]
struct Settings {
    /// Without one `--dev` is given.
    config: Option<String>,
    env: Vec<(&'static str, &'static str)>,
}

impl Hub {
    /// In development mode.
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// In development mode, with variables of the environment.
    pub(crate) async fn start_with(env: &[(&'static str, &'static str)]) -> Self {
        let settings = Settings { config: None, env: env.to_vec() };
        Self::start_in(tempfile::tempdir().expect("a folder"), settings).await
    }

    /// With a configuration file and nothing else.
    pub(crate) async fn configured(config: &str) -> Self {
        let settings = Settings { config: Some(config.to_owned()), env: Vec::new() };
        Self::start_in(tempfile::tempdir().expect("a folder"), settings).await
    }

    async fn start_in(folder: TempDir, settings: Settings) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hubbub"));
        command.args(["serve", "--public", "127.0.0.1:0", "--internal", "127.0.0.1:0", "--data", "data"]);
        match &settings.config {
            Some(config) => std::fs::write(folder.path().join("hubbub.toml"), config).expect("written"),
            None => drop(command.arg("--dev")),
        }
        // Sockets of a test do not go when they are asked to: a short drain.
        command
            .env_clear()
            .env("HUBBUB_LOG__LEVEL", "warn")
            .env("HUBBUB_LIMITS__DRAIN_MS", "100")
            .env("HUBBUB_NODE__SHARDS", "2");
        command.envs(settings.env.iter().copied());
        command.current_dir(folder.path()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().expect("the hub starts");
        let mut output = BufReader::new(process.stdout.take().expect("piped"));
        let mut ready = String::new();
        loop {
            let read = timeout(SOON, output.read_line(&mut ready)).await.expect("ready in time").expect("text");
            assert!(read > 0, "the hub ended: {ready}");
            if ready.lines().any(|line| line.starts_with("ready ")) {
                break;
            }
        }
        tokio::spawn(async move { output.read_to_end(&mut Vec::new()).await });
        let line = ready.lines().find(|line| line.starts_with("ready ")).unwrap_or_default().to_owned();
        let address = |name: &str| {
            let found = line.split(' ').find_map(|word| word.strip_prefix(name)).expect("an address");
            found.trim_start_matches("http://").to_owned()
        };
        let (public, internal) = (address("public="), address("internal="));
        Self { process, folder, settings, public, internal, http: reqwest::Client::new() }
    }

    /// Asks it to drain, without waiting for it.
    pub(crate) async fn terminate(&self) {
        let id = self.process.id().expect("running").to_string();
        let kill = Command::new("kill").args(["-TERM", &id]).status().await;
        assert!(kill.expect("kill runs").success());
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(&mut self) {
        timeout(SOON, self.process.wait()).await.expect("it ends in time").expect("its status");
    }

    /// Ends it as an operator would and starts it again with the same store.
    pub(crate) async fn restart(mut self) -> Self {
        self.terminate().await;
        self.ended().await;
        Self::start_in(self.folder, self.settings).await
    }

    /// A call with the API key of development.
    pub(crate) async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.call_as(development::API_KEY, method, path, body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.call("POST", path, Some(body)).await
    }

    /// A call with any API key.
    pub(crate) async fn call_as(&self, key: &str, method: &str, path: &str, body: Option<Value>) -> Answer {
        let request = self.request(method, path).bearer_auth(key);
        send(match body {
            Some(body) => request.json(&body),
            None => request,
        })
        .await
    }

    /// A call without an API key, to be completed.
    pub(crate) fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        self.http.request(method, format!("http://{}{path}", self.internal)).timeout(SOON)
    }

    /// An open socket of a user.
    pub(crate) async fn socket(&self, user: &str) -> RawConnection {
        self.socket_with(&token(user)).await
    }

    /// An open socket with a token.
    pub(crate) async fn socket_with(&self, token: &str) -> RawConnection {
        let mut socket = self.bare_socket().await;
        socket.connect(token, Vec::new(), SOON).await.expect("connected");
        socket
    }

    /// A socket without a session.
    pub(crate) async fn bare_socket(&self) -> RawConnection {
        let url = format!("ws://{}/ws", self.public);
        RawConnection::open(&url, RawOptions::default()).await.expect("a socket")
    }
}

/// Sends a request and reads the whole answer.
pub(crate) async fn send(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.expect("an answer");
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (status, kind, allow) =
        (response.status().as_u16(), header("content-type").unwrap_or_default(), header("allow"));
    Answer { status, kind, allow, text: response.text().await.expect("a body") }
}

/// The answer to a call.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) kind: String,
    pub(crate) allow: Option<String>,
    pub(crate) text: String,
}

impl Answer {
    /// The body of a call that must have succeeded.
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        self.json()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The code of a call that must have failed with a problem of this status.
    pub(crate) fn problem(&self, status: u16) -> String {
        assert_eq!((self.status, self.kind.as_str()), (status, "application/problem+json"), "{self:?}");
        let body = self.json();
        let code = body["code"].as_str().expect("a code").to_owned();
        assert_eq!(
            (&body["status"], &body["type"]),
            (&status.into(), &format!("urn:hubbub:{code}").into()),
            "{self:?}"
        );
        assert!(body["detail"].as_str().is_some_and(|detail| detail.len() > 5), "{self:?}");
        code
    }
}

/// Subscribes and waits for the answer; gives the frame back.
pub(crate) async fn subscribe(socket: &mut RawConnection, channel: &str) -> ServerFrame {
    subscribe_with(socket, channel, |_| {}).await
}

/// The same with wishes.
pub(crate) async fn subscribe_with(
    socket: &mut RawConnection,
    channel: &str,
    wish: impl FnOnce(&mut Subscribe),
) -> ServerFrame {
    static REQUESTS: AtomicU64 = AtomicU64::new(1);
    let channel = ChannelName::parse(channel).expect("a channel");
    let mut subscribe = Subscribe { channel, since: None, rewind: None, presence: false, conflate: false };
    wish(&mut subscribe);
    let id = REQUESTS.fetch_add(1, Ordering::Relaxed);
    socket.send(&ClientFrame::Subscribe(id, subscribe)).await.expect("sent");
    loop {
        let frame = frame(socket).await;
        if matches!(frame, ServerFrame::Subscribed { .. } | ServerFrame::Error(_)) {
            return frame;
        }
    }
}

/// The next frame that is no ping.
pub(crate) async fn frame(socket: &mut RawConnection) -> ServerFrame {
    loop {
        match socket.receive(SOON).await.expect("a frame") {
            Received::Frame(ServerFrame::Ping, _) | Received::Control => {}
            Received::Frame(frame, _) => return frame,
            other => panic!("no frame: {other:?}"),
        }
    }
}

/// The next message.
pub(crate) async fn message(socket: &mut RawConnection) -> Message {
    loop {
        if let ServerFrame::Message(message) = frame(socket).await {
            return message;
        }
    }
}

/// Now, in seconds since 1970.
pub(crate) fn now_s() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs()
}

/// What a token of a user says when nothing special is asked for: it lives for an hour.
pub(crate) fn draft(user: &str) -> TokenDraft {
    let now = now_s();
    TokenDraft { sub: user.to_owned(), iat: now, exp: now + 3_600, ..TokenDraft::default() }
}

/// A token of a user, signed with the key of development.
pub(crate) fn token(user: &str) -> String {
    sign(draft(user), "dev", development::SECRET)
}

/// Signs a token with HS256.
pub(crate) fn sign(draft: TokenDraft, kid: &str, secret: &str) -> String {
    let key = TokenKeySettings {
        kid: Some(kid.to_owned()),
        algorithm: Some(Algorithm::HS256),
        secret: Some(Secret::new(secret)),
        ..TokenKeySettings::default()
    };
    draft.sign(&key).expect("signed")
}

/// A tenant for a configuration file: a token key `<id>` with [`token_secret`], and API keys by id and scopes.
pub(crate) fn tenant_toml(id: &str, keys: &BTreeMap<&str, &[&str]>) -> String {
    let secret = token_secret(id);
    let mut toml = format!(
        "[[tenants]]\nid = \"{id}\"\n[[tenants.token_keys]]\nkid = \"{id}\"\nalgorithm = \"HS256\"\nsecret = \"{secret}\"\n"
    );
    for (name, scopes) in keys {
        let secret = api_key(id, name);
        toml.push_str(&format!("[[tenants.api_keys]]\nid = \"{name}\"\nsecret = \"{secret}\"\nscopes = {scopes:?}\n"));
    }
    toml
}

/// The token secret of such a tenant.
pub(crate) fn token_secret(tenant: &str) -> String {
    format!("a token secret for tests, of the tenant {tenant}")
}

/// The API key of such a tenant.
pub(crate) fn api_key(tenant: &str, name: &str) -> String {
    format!("an-api-key-for-tests-{tenant}-{name}")
}

/// Namespaces for a configuration file: `chat` (durable, presence), `live` (window), `user` (durable, per user), `eph` (none).
pub(crate) const NAMESPACES: &str = r#"
[namespaces.chat]
log = "durable"
presence = true
allow = ["subscribe", "publish", "history", "presence"]

[namespaces.live]
log = "window"
allow = ["subscribe", "publish", "history"]

[namespaces.user]
log = "durable"
per_user = true

[namespaces.eph]
log = "none"
allow = ["subscribe", "publish"]
"#;

/// Namespaces with rooms in them.
pub(crate) const ROOMS: &str = r#"
[namespaces.room]
log = "durable"
rooms = true

[namespaces.user]
log = "durable"
per_user = true
presence = true
"#;

/// Does something in rooms as a user of `acme`; answers the status and the body.
pub(crate) async fn op(hub: &Hub, user: &str, op: &str, mut body: Value) -> (u16, Value) {
    body["as"] = user.into();
    let answer = hub.call_as(&api_key("acme", "k"), "POST", &format!("/v1/rooms/{op}"), Some(body)).await;
    (answer.status, answer.json())
}
