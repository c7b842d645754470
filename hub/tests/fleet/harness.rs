//! A fleet for a test: Redis, Postgres and hubs on free ports, and people who talk to one of the hubs. Everything ends when
//! it is dropped.

use std::time::{Duration, SystemTime};

use hubbub::auth::keys::TokenKeySettings;
use hubbub::auth::mint::TokenDraft;
use hubbub::config::{Config, development};
use hubbub_client::{Client, Event, Options, PublishOptions, SubscribeOptions, Subscription, TokenSource};
use hubbub_local::hub::{self, Hub};
use hubbub_local::postgres::{self, Postgres};
use hubbub_local::redis::{self, Standalone};
use hubbub_protocol::{ChannelName, Data, Message};
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

/// How long anything may take before the test fails.
pub(crate) const SOON: Duration = Duration::from_secs(20);
/// How often a condition is looked at again.
const LOOK: Duration = Duration::from_millis(20);

pub(crate) struct Fleet {
    pub(crate) hubs: Vec<Hub>,
    pub(crate) redis: Standalone,
    pub(crate) postgres: Postgres,
    options: hub::Options,
    http: reqwest::Client,
}

impl Fleet {
    /// So many hubs in development mode over one Redis and one Postgres.
    pub(crate) fn start(nodes: usize) -> Self {
        Self::start_with(nodes, |options| options)
    }

    /// The same with hubs that are set up otherwise.
    pub(crate) fn start_with(nodes: usize, set_up: impl FnOnce(hub::Options) -> hub::Options) -> Self {
        let redis = Standalone::start(redis::Options::default()).expect("Redis starts");
        let postgres = Postgres::start(postgres::Options::default()).expect("Postgres starts");
        let options = hub::Options::default()
            .binary(env!("CARGO_BIN_EXE_hubbub").as_ref())
            .env("HUBBUB_LOG__LEVEL", "info")
            .env("HUBBUB_LIMITS__DRAIN_MS", "500")
            .env("HUBBUB_NODE__SHARDS", "2")
            .env("HUBBUB_REDIS__URL", &redis.url())
            .env("HUBBUB_STORE__POSTGRES_MIGRATE_URL", &postgres.owner_url())
            .env("HUBBUB_STORE__POSTGRES_URL", &postgres.url());
        let options = set_up(options);
        hub::run(&options, &["migrate", "--dev"]).expect("the tables are made");
        let mut fleet = Self { hubs: Vec::new(), redis, postgres, options, http: reqwest::Client::new() };
        for _ in 0..nodes {
            fleet.add_node();
        }
        fleet
    }

    /// One more hub; answers its number.
    pub(crate) fn add_node(&mut self) -> usize {
        let name = format!("node-{}", self.hubs.len());
        self.hubs.push(Hub::start(self.options.clone().env("HUBBUB_NODE__NAME", &name)).expect("a hub starts"));
        self.hubs.len() - 1
    }

    /// A person on one of the nodes.
    pub(crate) async fn person(&self, node: usize, user: &str) -> Client {
        let url = self.socket_url(node);
        Client::connect(Options::new(url, TokenSource::fixed(token(user)))).await.expect("a session")
    }

    pub(crate) fn socket_url(&self, node: usize) -> String {
        format!("ws://{}/ws", self.hubs[node].public())
    }

    pub(crate) fn internal(&self, node: usize) -> std::net::SocketAddr {
        self.hubs[node].internal()
    }

    /// A call of a service to one of the nodes: status and body.
    pub(crate) async fn call(&self, node: usize, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let url = format!("http://{}{path}", self.hubs[node].internal());
        let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
        let mut request = self.http.request(method, url).bearer_auth(development::API_KEY);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = timeout(SOON, request.send()).await.expect("in time").expect("an answer");
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or(Value::Null))
    }

    /// Waits until `/readyz` of a node says this.
    pub(crate) async fn until_ready_says(&self, node: usize, status: &str) -> Value {
        let until = Instant::now() + SOON;
        loop {
            let (_, said) = self.call(node, "GET", "/readyz", None).await;
            if said["status"] == status {
                return said;
            }
            assert!(Instant::now() < until, "{status} was expected: {said}\n{}", self.hubs[node].log_tail());
            sleep(LOOK).await;
        }
    }
}

/// A token of the development tenant.
pub(crate) fn token(user: &str) -> String {
    let key: TokenKeySettings = Config::development().tenants[0].token_keys[0].clone();
    let iat = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs();
    let draft = TokenDraft { sub: user.to_owned(), iat, exp: iat + 3_600, ..TokenDraft::default() };
    draft.sign(&key).expect("a key that signs")
}

pub(crate) fn channel(name: &str) -> ChannelName {
    ChannelName::parse(name).expect("a channel")
}

pub(crate) fn data(text: &str) -> Data {
    Data::parse(text.to_owned()).expect("JSON")
}

/// Subscribes, and waits for the outcome.
pub(crate) async fn listen(client: &Client, name: &str) -> Subscription {
    let mut subscription = client.subscribe(channel(name), SubscribeOptions::default()).await.expect("subscribes");
    match timeout(SOON, subscription.next()).await {
        Ok(Some(Event::Outcome(_))) => subscription,
        other => panic!("no outcome: {other:?}"),
    }
}

/// The next message, whatever outcomes of reconnects come before it.
pub(crate) async fn next(subscription: &mut Subscription) -> Message {
    loop {
        match timeout(SOON, subscription.next()).await {
            Ok(Some(Event::Message(message))) => return message,
            Ok(Some(Event::Outcome(_))) => {}
            other => panic!("no message: {other:?}"),
        }
    }
}

/// Publishes until it is taken.
pub(crate) async fn publish(client: &Client, name: &str, text: &str) -> hubbub_client::Ack {
    let published = client.publish(channel(name), data(text), PublishOptions::default());
    timeout(SOON, published).await.expect("in time").expect("published")
}
