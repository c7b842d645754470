//! The link: sends commands, tells what their failures mean, and keeps the breaker.

use std::fmt::{self, Display};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use fred::clients::{Client, WithOptions};
use fred::error::{Error, ErrorKind};
use fred::interfaces::ClientLike;
use fred::types::config::Config;
use fred::types::{ClusterHash, CustomCommand, Value};
use futures_util::TryStreamExt;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};

use super::connect;
use super::place::{Event, Place};
use super::{RedisError, Script, Settings};
use crate::breaker::Breaker;
use crate::clock::Clock;

/// How often it is looked whether a probe is due.
const LOOK: Duration = Duration::from_millis(100);
/// Keys that one step through all of them looks at.
const SCANNED: u32 = 1_000;
/// Answers of Redis that mean "not now" or "not here", whoever asks.
const NOT_NOW: &[&str] =
    &["LOADING", "CLUSTERDOWN", "MASTERDOWN", "READONLY", "TRYAGAIN", "MOVED", "ASK", "BUSY", "NOREPLICAS", "MISCONF"];

/// Redis. Cheap to clone; the connections close with the last one.
#[derive(Clone)]
pub struct Redis(Arc<Inner>);

/// Whether Redis answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum State {
    /// It does.
    Well,
    /// It does not; commands fail at once until it does. Why, for an operator.
    Away(String),
}

struct Inner {
    settings: Settings,
    config: Config,
    places: Vec<Arc<Place>>,
    turn: AtomicU64,
    gate: Mutex<Gate>,
    /// When it last answered, in milliseconds since `began`.
    answered: AtomicU64,
    began: Instant,
    clock: Arc<Clock>,
    tasks: OnceLock<Vec<AbortHandle>>,
}

/// The breaker, and the last failure.
struct Gate {
    breaker: Breaker,
    why: String,
}

impl Redis {
    /// Begins to connect, in the background and for as long as it takes. Fails only for settings that can never work. Wants a
    /// tokio runtime around it.
    pub fn start(settings: Settings, clock: Arc<Clock>) -> Result<Self, RedisError> {
        let config = connect::config(&settings)?;
        // Tried here, so that those that are made later can not fail for the settings.
        drop(connect::commander(config.clone(), &settings)?);
        let places: Vec<Arc<Place>> = (0..settings.connections.max(1)).map(|_| Arc::default()).collect();
        let gate = Gate { breaker: Breaker::new(settings.breaker), why: "not connected yet".into() };
        let inner = Arc::new(Inner {
            settings,
            config,
            places,
            turn: AtomicU64::new(0),
            gate: Mutex::new(gate),
            answered: AtomicU64::new(0),
            began: Instant::now(),
            clock,
            tasks: OnceLock::new(),
        });
        let mut tasks = vec![tokio::spawn(probe(Arc::downgrade(&inner))).abort_handle()];
        for place in &inner.places {
            let (place, config, settings) = (place.clone(), inner.config.clone(), inner.settings.clone());
            let inner = Arc::downgrade(&inner);
            let tend = async move { place.tend(config, settings, |event| hear(&inner, event)).await };
            tasks.push(tokio::spawn(tend).abort_handle());
        }
        // Set here alone.
        let _ = inner.tasks.set(tasks);
        Ok(Self(inner))
    }

    /// The name of a key or of a pub/sub channel: `prefix:kind:{tag}:name`. What has one tag lives on one shard, and only that
    /// can stand in one script.
    pub fn key(&self, tag: impl Display, kind: &str, name: impl Display) -> String {
        format!("{}:{kind}:{{{tag}}}:{name}", self.0.settings.prefix)
    }

    /// Runs a script, once.
    pub async fn run(&self, script: &Script, keys: Vec<String>, args: Vec<Value>) -> Result<Value, RedisError> {
        let way = keys.first().and_then(|key| tag_of(key));
        let teaches = || way.is_some_and(|way| self.0.place(way).teaches(script.id(), way));
        // Boxed: the library's futures are large, and callers stack them.
        self.guarded(way, |client| {
            // Here and not before: nothing is sent between this and the script itself.
            let whole = teaches();
            Box::pin(async move { script.run(&client, whole, keys, args).await })
        })
        .await
    }

    /// Sends a command, once. It goes where its first argument lives.
    pub async fn command(&self, name: &'static str, args: Vec<Value>) -> Result<Value, RedisError> {
        let command = CustomCommand::new_static(name, ClusterHash::FirstValue, false);
        let way = args.first().and_then(Value::as_str).and_then(|key| tag_of(&key));
        self.guarded(way, |client| Box::pin(async move { client.custom(command, args).await })).await
    }

    /// The names of keys that fit a pattern, on every server. Steps through all keys that there are: for jobs, not for requests.
    pub async fn names(&self, pattern: String) -> Result<Vec<String>, RedisError> {
        let clustered = self.0.config.server.is_clustered();
        let found = self.guarded(None, |client| {
            Box::pin(async move {
                let names: Vec<_> = if clustered {
                    client.scan_cluster_buffered(pattern, Some(SCANNED), None).try_collect().await?
                } else {
                    client.scan_buffered(pattern, Some(SCANNED), None).try_collect().await?
                };
                Ok(Value::Array(names.into_iter().map(fred::types::Key::into).collect()))
            })
        });
        let Value::Array(names) = found.await? else { return Err(RedisError::Malformed("no list")) };
        Ok(names.into_iter().filter_map(|name| name.into_string()).collect())
    }

    /// Asks for nothing: an answer shows that Redis is there, a failure counts as every other.
    pub(crate) async fn ping(&self) -> Result<(), RedisError> {
        self.guarded(None, |client| Box::pin(ping(client))).await.map(drop)
    }

    /// Whether it answered anything in the last so many milliseconds.
    pub(crate) fn answered_within(&self, milliseconds: u64) -> bool {
        self.0.now().saturating_sub(self.0.answered.load(Ordering::Relaxed)) < milliseconds
    }

    /// Whether Redis answers, as far as is known now.
    pub fn state(&self) -> State {
        let gate = self.0.gate();
        if gate.breaker.allows() { State::Well } else { State::Away(gate.why.clone()) }
    }

    /// The time of the node.
    pub fn clock(&self) -> &Arc<Clock> {
        &self.0.clock
    }

    /// What it was started with.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// A client for subscriptions, not yet connected; the second is the same one for sending commands once.
    pub(crate) fn subscriber(&self) -> Result<(Client, WithOptions<Client>), RedisError> {
        let client = connect::subscriber(self.0.config.clone(), &self.0.settings)?;
        let once = client.with_options(&connect::once());
        Ok((client, once))
    }

    async fn guarded<F>(
        &self,
        way: Option<u64>,
        ask: impl FnOnce(WithOptions<Client>) -> F,
    ) -> Result<Value, RedisError>
    where
        F: Future<Output = Result<Value, Error>>,
    {
        if let State::Away(why) = self.state() {
            return Err(RedisError::Away(why));
        }
        let result = self.0.ask(way, ask).await.map_err(|error| meaning(&error));
        self.0.record(&result);
        result
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Redis").field(&self.0.settings).finish()
    }
}

impl Inner {
    /// Asks whoever stands in the place of this way, or in the next place in turn. What has one tag takes one way, so that it
    /// arrives in the order in which it was sent.
    async fn ask<F>(&self, way: Option<u64>, ask: impl FnOnce(WithOptions<Client>) -> F) -> Result<Value, Error>
    where
        F: Future<Output = Result<Value, Error>>,
    {
        let place = self.place(way.unwrap_or_else(|| self.turn.fetch_add(1, Ordering::Relaxed)));
        place.ask(Duration::from_millis(self.settings.command_ms), ask).await
    }

    fn place(&self, way: u64) -> &Place {
        // At least one.
        &self.places[way as usize % self.places.len()]
    }

    fn record<T>(&self, result: &Result<T, RedisError>) {
        let now = self.now();
        let mut gate = self.gate();
        match result {
            Err(RedisError::Away(why)) => {
                metrics::counter!("hubbub_redis_failures_total").increment(1);
                gate.why.clone_from(why);
                // One shard of a cluster may hang, and with it many commands at once, while the others answer.
                let others_answer = self.config.server.is_clustered()
                    && now.saturating_sub(self.answered.load(Ordering::Relaxed)) < self.settings.command_ms;
                if !others_answer && gate.breaker.record(false, now) {
                    tracing::warn!(why, "Redis is away; commands fail at once until it answers probes");
                }
            }
            _ => {
                self.answered.store(now, Ordering::Relaxed);
                gate.breaker.record(true, now);
            }
        }
    }

    async fn probe(&self) {
        let result = self.ask(None, ping).await;
        let now = self.now();
        let mut gate = self.gate();
        if let Err(error) = &result {
            gate.why = error.to_string();
        }
        if gate.breaker.probed(result.is_ok(), now) {
            tracing::info!("Redis answers again");
        }
    }

    fn gate(&self) -> MutexGuard<'_, Gate> {
        // What a panic left behind is whole: every change under the lock is one step.
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        for task in self.tasks.get().into_iter().flatten() {
            task.abort();
        }
    }
}

/// Counts connections that could not be made like commands that failed, and has Redis probed as soon as one could.
fn hear(inner: &Weak<Inner>, event: Event) {
    let Some(inner) = inner.upgrade() else { return };
    match event {
        Event::Connected => inner.gate().breaker.hint(inner.now()),
        Event::Failed(error) => inner.record::<()>(&Err(RedisError::Away(error.to_string()))),
    }
}

/// Probes while the breaker is open, until the link is gone.
async fn probe(inner: Weak<Inner>) {
    loop {
        sleep(LOOK).await;
        let Some(inner) = inner.upgrade() else { return };
        if inner.gate().breaker.probe_at().is_some_and(|due| due <= inner.now()) {
            inner.probe().await;
        }
    }
}

async fn ping(client: WithOptions<Client>) -> Result<Value, Error> {
    let ping = CustomCommand::new_static("PING", ClusterHash::Random, false);
    client.custom(ping, Vec::<Value>::new()).await
}

/// The way of everything with the same tag.
fn tag_of(key: &str) -> Option<u64> {
    let (_, behind) = key.split_once('{')?;
    let (tag, _) = behind.split_once('}')?;
    let mut hasher = DefaultHasher::new();
    tag.hash(&mut hasher);
    Some(hasher.finish())
}

/// What a failure means for whoever asked.
fn meaning(error: &Error) -> RedisError {
    let details = error.details();
    // Every answer of Redis that is an error begins with a word in capitals; what the library says of itself does not.
    let word = details.split(' ').next().unwrap_or_default();
    let answered = word.len() > 2 && word.bytes().all(|byte| byte.is_ascii_uppercase());
    let not_now = matches!(error.kind(), ErrorKind::Auth | ErrorKind::Cluster) || NOT_NOW.contains(&word);
    if answered && !not_now { RedisError::Refused(details.to_owned()) } else { RedisError::Away(error.to_string()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_apart() {
        let away = [
            (ErrorKind::Timeout, "Request timed out."),
            (ErrorKind::IO, "Connection Closed"),
            (ErrorKind::Canceled, "Canceled."),
            (ErrorKind::Unknown, "LOADING Redis is loading the dataset in memory"),
            (ErrorKind::Unknown, "READONLY You can't write"),
            (ErrorKind::Cluster, "CLUSTERDOWN The cluster is down"),
            (ErrorKind::Auth, "WRONGPASS invalid username-password pair"),
            (ErrorKind::Unknown, "Failed to route command."),
        ];
        for (kind, details) in away {
            assert!(matches!(meaning(&Error::new(kind, details)), RedisError::Away(_)), "{details}");
        }
        let refused = [
            (ErrorKind::Unknown, "NOPERM this user has no permissions"),
            (ErrorKind::Unknown, "OOM command not allowed when used memory"),
            (ErrorKind::InvalidArgument, "WRONGTYPE Operation against a key"),
            (ErrorKind::Unknown, "ERR value is not an integer"),
        ];
        for (kind, details) in refused {
            assert!(matches!(meaning(&Error::new(kind, details)), RedisError::Refused(_)), "{details}");
        }
    }
}
