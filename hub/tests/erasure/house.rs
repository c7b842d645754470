//! A hub for the scene, over SQLite alone or over Postgres and Redis, and everything that it leaves in them, to be searched.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use hubbub::auth::keys::TokenKeySettings;
use hubbub::auth::mint::TokenDraft;
use hubbub::config::{Config, development};
use hubbub_client::{RawConnection, RawOptions};
use hubbub_local::hub::{self, Hub};
use hubbub_local::postgres::{self, Postgres};
use hubbub_local::redis::{self, Standalone};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{Instant, sleep, timeout};

/// How long anything may take before the test fails.
pub(crate) const SOON: Duration = Duration::from_secs(60);
/// How often a condition is looked at again.
const LOOK: Duration = Duration::from_millis(50);

/// What the hub keeps its data in.
enum Backends {
    Sqlite,
    Servers(Box<(Postgres, Standalone)>),
}

pub(crate) struct House {
    // The process goes before its folder.
    hub: Hub,
    backends: Backends,
    options: hub::Options,
    folder: TempDir,
    http: reqwest::Client,
}

/// What was searched, and what was found.
#[derive(Debug, Default)]
pub(crate) struct Searched {
    pub(crate) rows: u64,
    pub(crate) hits: Vec<String>,
}

impl House {
    pub(crate) fn sqlite() -> Self {
        Self::start(Backends::Sqlite, |options| options)
    }

    pub(crate) fn servers() -> Self {
        let redis = Standalone::start(redis::Options::default()).expect("Redis starts");
        let postgres = Postgres::start(postgres::Options::default()).expect("Postgres starts");
        let (redis_url, owner, url) = (redis.url(), postgres.owner_url(), postgres.url());
        Self::start(Backends::Servers(Box::new((postgres, redis))), |options| {
            options
                .env("HUBBUB_REDIS__URL", &redis_url)
                .env("HUBBUB_STORE__POSTGRES_MIGRATE_URL", &owner)
                .env("HUBBUB_STORE__POSTGRES_URL", &url)
        })
    }

    fn start(backends: Backends, set_up: impl FnOnce(hub::Options) -> hub::Options) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let options = hub::Options::default()
            .binary(env!("CARGO_BIN_EXE_hubbub").as_ref())
            .folder(folder.path())
            .env("HUBBUB_LOG__LEVEL", "info")
            .env("HUBBUB_LIMITS__DRAIN_MS", "300")
            .env("HUBBUB_LIMITS__PRESENCE_GRACE_MS", "500")
            .env("HUBBUB_LIMITS__PRESENCE_LEASE_MS", "1000")
            .env("HUBBUB_NODE__SHARDS", "2");
        let options = set_up(options);
        if matches!(backends, Backends::Servers(_)) {
            hub::run(&options, &["migrate", "--dev"]).expect("the tables are made");
        }
        let hub = Hub::start(options.clone()).expect("a hub starts");
        Self { hub, backends, options, folder, http: reqwest::Client::new() }
    }

    /// A call of a service: status and body.
    pub(crate) async fn call(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let (status, text) = self.text(method, path, body).await;
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    async fn text(&self, method: &str, path: &str, body: Option<Value>) -> (u16, String) {
        let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
        let request = self.http.request(method, format!("http://{}{path}", self.hub.internal()));
        let mut request = request.bearer_auth(development::API_KEY);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = timeout(SOON, request.send()).await.expect("in time").expect("an answer");
        let status = answer.status().as_u16();
        (status, answer.text().await.expect("a body"))
    }

    /// An operation of rooms, by a user or by the service, that must succeed.
    pub(crate) async fn op(&self, user: Option<&str>, op: &str, mut body: Value) -> Value {
        if let Some(user) = user {
            body["as"] = json!(user);
        }
        let (status, answer) = self.call("POST", &format!("/v1/rooms/{op}"), Some(body.clone())).await;
        assert_eq!(status, 200, "{op} by {user:?} with {body}: {answer}");
        answer
    }

    /// Waits for a job; answers how it ended.
    pub(crate) async fn job(&self, path: &str, body: Option<Value>) -> Value {
        let (status, begun) = self.call("POST", path, body).await;
        assert_eq!(status, 200, "{path}: {begun}");
        self.ended(begun["job"].as_str().expect("a job")).await
    }

    pub(crate) async fn ended(&self, job: &str) -> Value {
        let until = Instant::now() + SOON;
        loop {
            let (status, state) = self.call("GET", &format!("/v1/jobs/{job}"), None).await;
            assert_eq!(status, 200, "{state}");
            if state["state"] != "running" {
                return state;
            }
            assert!(Instant::now() < until, "it does not end: {state}\n{}", self.hub.log_tail());
            sleep(LOOK).await;
        }
    }

    /// Everything about a user, as lines.
    pub(crate) async fn export(&self, user: &str) -> String {
        let ended = self.job(&format!("/v1/users/{user}/export"), None).await;
        assert_eq!(ended["state"], "done", "{ended}");
        let job = ended["job"].as_str().expect("a job");
        let (status, text) = self.text("GET", &format!("/v1/jobs/{job}/result"), None).await;
        assert_eq!(status, 200, "{text}");
        let counted: u64 = ended["counts"].as_object().expect("counts").values().filter_map(Value::as_u64).sum();
        assert_eq!(text.lines().count() as u64, counted, "the job counts what is read: {ended}");
        text
    }

    /// A socket of a user.
    pub(crate) async fn socket(&self, user: &str) -> RawConnection {
        let url = format!("ws://{}/ws", self.hub.public());
        let mut socket = RawConnection::open(&url, RawOptions::default()).await.expect("a socket");
        socket.connect(&token(user), Vec::new(), SOON).await.expect("a session");
        socket
    }

    /// Waits until what is left to be done is done: nothing in this text is among the tasks.
    pub(crate) async fn until(&self, what: &str, mut done: impl AsyncFnMut() -> bool) {
        let until = Instant::now() + SOON;
        while !done().await {
            assert!(Instant::now() < until, "{what}\n{}", self.hub.log_tail());
            sleep(LOOK).await;
        }
    }

    /// The last lines of what the hub has said.
    pub(crate) fn log_tail(&self) -> String {
        self.hub.log_tail()
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("hubbub.db")
    }

    fn stop(&mut self) {
        self.hub.terminate().expect("told to end");
        self.hub.wait().expect("ended");
    }

    /// SIGKILL, and starts it again.
    pub(crate) fn kill(&mut self) {
        self.hub.kill().expect("killed");
        self.hub.start_again().expect("it starts again");
    }

    /// A copy of the SQLite store, compact, made while no node runs on it.
    pub(crate) fn back_up(&mut self, name: &str) -> PathBuf {
        self.stop();
        let copy = self.folder.path().join(name);
        let options = self.options.clone().env("HUBBUB_STORE__PATH", text(&self.file()));
        hub::run(&options, &["backup", "--dev", text(&copy)]).expect("a backup");
        self.hub.start_again().expect("it starts again");
        copy
    }

    /// Puts a copy in the place of the store.
    pub(crate) fn restore(&mut self, copy: &Path) {
        self.stop();
        for beside in ["-wal", "-shm"] {
            let _ = fs::remove_file(format!("{}{beside}", text(&self.file())));
        }
        fs::copy(copy, self.file()).expect("restored");
        self.hub.start_again().expect("it starts again");
    }

    /// `hubbub erase` with these arguments.
    pub(crate) fn erase(&self, arguments: &[&str]) -> String {
        let url = format!("http://{}", self.hub.internal());
        let arguments: Vec<&str> = ["erase", "--url", &url].into_iter().chain(arguments.iter().copied()).collect();
        hub::run(&self.options, &arguments).expect("hubbub erase")
    }

    /// Searches everything that is stored for words.
    pub(crate) fn search(&mut self, words: &[&str]) -> Searched {
        let mut searched = Searched::default();
        if let Backends::Servers(servers) = &self.backends {
            let (postgres, redis) = &**servers;
            postgres_rows(postgres, words, &mut searched);
            redis_keys(redis, words, &mut searched);
            return searched;
        }
        // Vacuumed: pages of the file itself may hold traces between their rows until then, as docs/OPERATIONS.md says.
        let compact = self.back_up("searched.db");
        let bytes = fs::read(&compact).expect("read");
        searched.rows += (bytes.len() as u64).div_ceil(4_096);
        for word in words {
            let found = bytes
                .windows(word.len())
                .enumerate()
                .filter(|(_, window)| window.eq_ignore_ascii_case(word.as_bytes()));
            searched.hits.extend(found.map(|(at, _)| {
                let around = &bytes[at.saturating_sub(200)..(at + 200).min(bytes.len())];
                format!(
                    "{word} at {at}: {}",
                    String::from_utf8_lossy(around).replace(|char: char| char.is_control(), ".")
                )
            }));
        }
        fs::remove_file(compact).expect("removed");
        searched
    }
}

/// Every column of every table, as text. Tables are asked for by the superuser, whom no wall holds.
fn postgres_rows(postgres: &Postgres, words: &[&str], searched: &mut Searched) {
    let sql = |sql: &str| postgres.psql(sql).expect("answered");
    let tables = sql(
        "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace \
         WHERE c.relkind = 'r' AND n.nspname = 'hubbub'",
    );
    for table in tables.lines() {
        searched.rows += sql(&format!("SELECT count(*) FROM {table}")).trim().parse::<u64>().expect("a number");
        for word in words {
            let rows = sql(&format!("SELECT t::text FROM {table} AS t WHERE t::text ILIKE '%{word}%'"));
            searched.hits.extend(rows.lines().map(|row| format!("{word} in {table}: {row}")));
        }
    }
}

/// Every key of Redis, and what it holds.
fn redis_keys(redis: &Standalone, words: &[&str], searched: &mut Searched) {
    let cli = |words: &[&str]| redis.cli(words).expect("answered");
    for key in cli(&["--scan"]).lines() {
        searched.rows += 1;
        let value = match cli(&["TYPE", key]).trim() {
            "string" => cli(&["GET", key]),
            "hash" => cli(&["HGETALL", key]),
            "set" => cli(&["SMEMBERS", key]),
            "zset" => cli(&["ZRANGE", key, "0", "-1"]),
            "stream" => cli(&["XRANGE", key, "-", "+"]),
            // It went meanwhile.
            "none" => String::new(),
            other => panic!("{key} is a {other}"),
        };
        let all = format!("{key} {value}").to_lowercase();
        searched
            .hits
            .extend(words.iter().filter(|word| all.contains(**word)).map(|word| format!("{word} in {key}: {value}")));
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// A token of the development tenant.
fn token(user: &str) -> String {
    let key: TokenKeySettings = Config::development().tenants[0].token_keys[0].clone();
    let iat = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs();
    let draft = TokenDraft { sub: user.to_owned(), iat, exp: iat + 3_600, ..TokenDraft::default() };
    draft.sign(&key).expect("a key that signs")
}
