//! A place for a connection (in a cluster: one to each server): who stands there sends commands, and is replaced when it does not
//! get answers. Knows no breaker; it tells what happens.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use fred::clients::{Client, WithOptions};
use fred::error::{Error, ErrorKind};
use fred::interfaces::{ClientLike, EventInterface};
use fred::types::config::Config;
use fred::types::{ClientState, ConnectHandle};
use futures_util::FutureExt;
use tokio::sync::Notify;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep, timeout};

use super::script::ScriptId;
use super::{RedisError, Settings, connect};

/// How often it is looked whether a connection that was lost is back.
const LOOK: Duration = Duration::from_millis(10);
/// First and longest pause between two tries to connect.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// What happens in a place.
#[derive(Debug)]
pub(super) enum Event {
    /// A connection is there.
    Connected,
    /// One failed, or could not be made.
    Failed(Error),
}

/// One connected client; it is closed with the last who uses it.
struct Commander {
    client: Client,
    once: WithOptions<Client>,
}

impl Drop for Commander {
    fn drop(&mut self) {
        // The library's tasks hold on to themselves and end when they are told. Without a runtime they have ended.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let client = self.client.clone();
            runtime.spawn(async move { drop(client.quit().await) });
        }
    }
}

/// A place.
#[derive(Default)]
pub(super) struct Place {
    commander: ArcSwapOption<Commander>,
    silent: Notify,
    /// Scripts that were sent whole since the connection was made, for each way: in a cluster each leads to one server.
    taught: Mutex<HashSet<(ScriptId, u64)>>,
}

impl Place {
    /// Sends something, once. Who stands here without a connection is given `patience` to find it again: what is sent before
    /// would fail at once.
    pub(super) async fn ask<T, F>(
        &self,
        patience: Duration,
        ask: impl FnOnce(WithOptions<Client>) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let commander = timeout(patience, self.connected()).await;
        let commander = commander.map_err(|_| Error::new(ErrorKind::IO, "there is no connection"))?;
        let result = ask(commander.once.clone()).await;
        let overdue = matches!(&result, Err(error) if *error.kind() == ErrorKind::Timeout);
        if overdue && self.commander.load().as_ref().is_some_and(|now| Arc::ptr_eq(now, &commander)) {
            self.silent.notify_one();
        }
        result
    }

    /// Whether a script is to be sent whole: the first time on this way. What follows on the same connection finds it known;
    /// sent by its name before, it would be refused and come again behind the others.
    pub(super) fn teaches(&self, script: ScriptId, way: u64) -> bool {
        self.taught().insert((script, way))
    }

    fn taught(&self) -> MutexGuard<'_, HashSet<(ScriptId, u64)>> {
        // What a panic left behind is whole: every change under the lock is one step.
        self.taught.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps somebody here, for ever. A client reconnects by itself when its connection closes; one whose answers are overdue, or
    /// whose task ended, stays until another one is connected: in a cluster it may still reach the other shards.
    pub(super) async fn tend(&self, config: Config, settings: Settings, tell: impl Fn(Event)) {
        loop {
            let (commander, mut task) = fresh(&config, &settings, &tell).await;
            let (mut errors, mut connected) = (commander.client.error_rx(), commander.client.reconnect_rx());
            let client = commander.client.clone();
            self.taught().clear();
            self.commander.store(Some(Arc::new(commander)));
            // What was overdue with the one before is over.
            let _ = self.silent.notified().now_or_never();
            tell(Event::Connected);
            loop {
                let event = tokio::select! {
                    _ = &mut task => break,
                    () = self.silent.notified() => break,
                    event = errors.recv() => event.map(|(error, _)| Event::Failed(error)),
                    event = connected.recv() => event.map(|_| Event::Connected),
                };
                match event {
                    // Who is connected all the same has answers that tell more.
                    Ok(Event::Failed(_)) if client.state() == ClientState::Connected => {}
                    Ok(event) => {
                        if matches!(event, Event::Connected) {
                            self.taught().clear();
                        }
                        tell(event);
                    }
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => break,
                }
            }
        }
    }

    async fn connected(&self) -> Arc<Commander> {
        loop {
            let found = self.commander.load_full();
            if let Some(commander) = found.filter(|commander| commander.client.state() == ClientState::Connected) {
                return commander;
            }
            sleep(LOOK).await;
        }
    }
}

/// A client that is connected, however long it takes.
async fn fresh(config: &Config, settings: &Settings, tell: &impl Fn(Event)) -> (Commander, ConnectHandle) {
    let mut pause = PAUSE.0;
    loop {
        let began = Instant::now();
        match connected(config, settings).await {
            Ok(ready) => return ready,
            Err(error) => tell(Event::Failed(error)),
        }
        sleep(pause.saturating_sub(began.elapsed())).await;
        pause = (pause * 2).min(PAUSE.1);
    }
}

async fn connected(config: &Config, settings: &Settings) -> Result<(Commander, ConnectHandle), Error> {
    let client = connect::commander(config.clone(), settings);
    // The settings were tried when the link was made.
    let client = client.map_err(|error: RedisError| Error::new(ErrorKind::Config, error.to_string()))?;
    let once = client.with_options(&connect::once());
    let commander = Commander { client, once };
    let task = commander.client.init().await?;
    Ok((commander, task))
}
