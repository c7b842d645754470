//! The listener: keeps one subscriber connected and subscribed to what is wanted, watches its pulse, and sweeps whatever may have
//! been missed.
//!
//! A session is one subscriber client. It reconnects by itself when its connection closes; it is replaced by a new session when
//! it does not do what it should: a subscription that is not confirmed, a connection that is silent.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fred::clients::{Client, WithOptions};
use fred::error::Error;
use fred::interfaces::{ClientLike, EventInterface, PubsubInterface};
use fred::types::{ClientState, ClusterHash, CustomCommand, Message, Value};
use futures_util::future::try_join_all;
use hubbub_protocol::channel::ChannelKey;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::interest::{SessionNumber, Wish};
use super::names;
use super::pulse::{Finding, JITTER_MS, Pulse};
use super::shared::Shared;
use crate::redis::{RedisError, Script, Value as Arg};

static BEAT: Script = Script::new(include_str!("lua/beat.lua"));

/// How often pulses and lingering interest are looked at.
const LOOK: Duration = Duration::from_millis(200);
/// Subscriptions on their way at once.
const AT_ONCE: usize = 512;
/// Requests that are answered by one batch.
const REQUESTS_AT_ONCE: usize = 1_024;
/// Time for a silent connection to show that it is alive, in the middle of a repair that must end within 5 s.
const SIGN_OF_LIFE: Duration = Duration::from_millis(500);
/// How long a connection that had an error, or was not subscribed whole, is given to be made anew before everything is
/// subscribed again on whatever there is, in milliseconds. In a cluster an error may be of a server that is needed no more.
const STALE_MS: u64 = 1_000;
/// First and longest pause before a new session.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// How long a heartbeat's counter outlives its last beat, in milliseconds.
const COUNTER_MS: i64 = 86_400_000;

/// Wants these channels confirmed.
pub(super) struct Request {
    pub(super) channels: Vec<ChannelKey>,
    pub(super) done: oneshot::Sender<()>,
}

/// Runs one session after the other.
pub(super) async fn listen(shared: Arc<Shared>, mut requests: mpsc::Receiver<Request>) {
    let mut pause = PAUSE.0;
    for number in 1.. {
        match Session::open(&shared, number, &mut requests).await {
            Ok(mut session) => {
                pause = PAUSE.0;
                let why = session.serve(&mut requests).await;
                shared.session.store(0, Ordering::Release);
                let Some(why) = why else { return };
                tracing::warn!(why, "the subscriber of Redis is replaced");
                shared.lost(why);
            }
            Err(error) => {
                shared.lost(error.to_string());
                // Is Redis away, or is it this node that does not hear it? Nobody else may be asking.
                let asked = async {
                    let _ = Box::pin(shared.redis.ping()).await;
                    sleep(pause).await;
                };
                Box::pin(answer_while(&mut requests, asked)).await;
                pause = (pause * 2).min(PAUSE.1);
            }
        }
    }
}

/// While nothing is connected there is nothing to wait for: whoever subscribes now is swept when it is.
async fn answer_while<T>(requests: &mut mpsc::Receiver<Request>, work: impl Future<Output = T>) -> T {
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            Some(request) = requests.recv() => drop(request.done.send(())),
        }
    }
}

struct Session {
    shared: Arc<Shared>,
    number: SessionNumber,
    client: Client,
    /// The same client, for commands that are sent once.
    once: WithOptions<Client>,
    reader: AbortHandle,
    reconnected: Receiver<fred::types::config::Server>,
    errors: Receiver<(Error, Option<fred::types::config::Server>)>,
    /// Buckets whose heartbeat is subscribed.
    beats: HashSet<u16>,
    /// Since when something may not be subscribed any more.
    stale_since: Option<u64>,
    jitter: u64,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.reader.abort();
        let client = self.client.clone();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { drop(client.quit().await) });
        }
    }
}

impl Session {
    /// Connects and subscribes to everything that is wanted.
    async fn open(
        shared: &Arc<Shared>,
        number: SessionNumber,
        requests: &mut mpsc::Receiver<Request>,
    ) -> Result<Self, RedisError> {
        let (client, once) = shared.redis.subscriber()?;
        let reader = tokio::spawn(read(shared.clone(), client.message_rx())).abort_handle();
        let (reconnected, errors) = (client.reconnect_rx(), client.error_rx());
        let jitter = u64::from(shared.incarnation[0]) * JITTER_MS / 256;
        let shared = shared.clone();
        let (beats, stale_since) = (HashSet::new(), None);
        let mut session =
            Self { shared, number, client, once, reader, reconnected, errors, beats, stale_since, jitter };
        let client = session.client.clone();
        let away = |error: Error| RedisError::Away(error.to_string());
        answer_while(requests, client.init()).await.map_err(away)?;
        // From here on requests wait in their queue: they are part of what is subscribed now, or asked for after it.
        session.reconnected = session.client.reconnect_rx();
        session.shared.session.store(number, Ordering::Release);
        session.refresh(None).await.map_err(away)?;
        Ok(session)
    }

    /// Serves until something is wrong, and says what; `None` when nobody needs it any more.
    async fn serve(&mut self, requests: &mut mpsc::Receiver<Request>) -> Option<String> {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let done = tokio::select! {
                biased;
                // Errors are older than the reconnect that ended them.
                event = self.errors.recv() => self.has_failed(event),
                event = self.reconnected.recv() => self.reconnect(event).await,
                _ = look.tick() => self.look().await,
                request = requests.recv() => self.answer(request?, requests).await,
            };
            if let Err(why) = done {
                return Some(why);
            }
        }
    }

    /// Subscribes for everybody who waits.
    async fn answer(&mut self, first: Request, requests: &mut mpsc::Receiver<Request>) -> Result<(), String> {
        let mut batch = vec![first];
        while batch.len() < REQUESTS_AT_ONCE
            && let Ok(request) = requests.try_recv()
        {
            batch.push(request);
        }
        let channels: Vec<_> = batch.iter_mut().flat_map(|request| std::mem::take(&mut request.channels)).collect();
        let wishes = self.shared.interest().of(&channels);
        let subscribed = self.subscribe(wishes).await;
        for request in batch {
            // Who does not wait any more has what was asked for all the same.
            let _ = request.done.send(());
        }
        self.unless_away(subscribed)
    }

    /// A connection had an error; what made it new tells so later.
    fn has_failed(
        &mut self,
        event: Result<(Error, Option<fred::types::config::Server>), RecvError>,
    ) -> Result<(), String> {
        match event {
            Ok((error, _)) => self.is_stale(error.to_string()),
            Err(RecvError::Lagged(_)) => self.is_stale("many errors of the connection".into()),
            Err(RecvError::Closed) => return Err("the client ended".into()),
        }
        Ok(())
    }

    /// A connection is new: nothing is subscribed on it, and nobody knows what was said meanwhile.
    async fn reconnect(&mut self, event: Result<fred::types::config::Server, RecvError>) -> Result<(), String> {
        if matches!(event, Err(RecvError::Closed)) {
            return Err("the client ended".into());
        }
        while self.reconnected.try_recv().is_ok() {}
        let refreshed = self.refresh(None).await;
        self.unless_away(refreshed)
    }

    /// Subscribes a bucket, or all, anew and sweeps it.
    async fn refresh(&mut self, bucket: Option<u16>) -> Result<(), Error> {
        match bucket {
            None => self.beats.clear(),
            Some(bucket) => drop(self.beats.remove(&bucket)),
        }
        let wishes = self.shared.interest().in_bucket(bucket);
        self.subscribe(wishes).await?;
        if bucket.is_none() {
            self.stale_since = None;
        }
        self.shared.hears();
        self.sweep(bucket, if bucket.is_none() { "connected" } else { "silent" }).await;
        Ok(())
    }

    /// A command that fails because the connection is being made anew is part of that; another failure ends the session.
    fn unless_away(&mut self, result: Result<(), Error>) -> Result<(), String> {
        match result {
            Err(error) if self.client.state() == ClientState::Connected => Err(error.to_string()),
            Err(error) => {
                self.is_stale(error.to_string());
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// Something may not be subscribed any more, until everything was subscribed anew.
    fn is_stale(&mut self, why: String) {
        self.stale_since.get_or_insert(self.shared.now());
        self.shared.lost(why);
    }

    /// One command per channel, many on their way: so each has one answer, and a redirect of a cluster is that channel's.
    async fn subscribe(&mut self, wishes: Vec<Wish>) -> Result<(), Error> {
        let new: HashSet<u16> =
            wishes.iter().map(|wish| wish.bucket).filter(|bucket| !self.beats.contains(bucket)).collect();
        let beats = new.iter().map(|bucket| names::beat(&self.shared.redis, *bucket)[1].as_str().into());
        let names: Vec<Arc<str>> = beats.chain(wishes.into_iter().map(|wish| wish.name)).collect();
        for chunk in names.chunks(AT_ONCE) {
            try_join_all(chunk.iter().map(|name| subscribe(&self.once, name))).await?;
        }
        let now = self.shared.now();
        self.beats.extend(&new);
        self.shared.pulses().of.extend(new.into_iter().map(|bucket| (bucket, Pulse::new(now))));
        self.shared.interest_mut().confirm(&names, self.number);
        Ok(())
    }

    async fn look(&mut self) -> Result<(), String> {
        self.let_go().await;
        self.shared.forget_unanswered();
        if self.shared.lagged.swap(false, Ordering::AcqRel) {
            self.sweep(None, "lag").await;
        }
        let missed = std::mem::take(&mut self.shared.pulses().missed);
        for bucket in missed {
            self.sweep(Some(bucket), "missed").await;
        }
        if self.client.state() != ClientState::Connected {
            return Ok(());
        }
        if self.stale_since.is_some_and(|since| self.shared.now().saturating_sub(since) >= STALE_MS) {
            let refreshed = self.refresh(None).await;
            self.unless_away(refreshed)?;
        }
        for bucket in self.beat() {
            self.revive(bucket).await?;
        }
        Ok(())
    }

    /// Beats the buckets that need it; answers the deaf ones.
    fn beat(&self) -> Vec<u16> {
        let now = self.shared.now();
        let (mut deaf, mut due) = (Vec::new(), Vec::new());
        for (bucket, pulse) in &mut self.shared.pulses().of {
            match pulse.look(now, self.jitter) {
                Finding::Well => {}
                Finding::Deaf => deaf.push(*bucket),
                Finding::Beat(number) => due.push((*bucket, number)),
            }
        }
        if !due.is_empty() {
            // Not awaited: where Redis does not answer, that must not keep us from looking.
            tokio::spawn(beat(self.shared.clone(), due));
        }
        deaf
    }

    /// Redis takes our beats and we hear none of them.
    async fn revive(&mut self, bucket: u16) -> Result<(), String> {
        self.shared.lost("heartbeats do not come back");
        let beat = names::beat(&self.shared.redis, bucket)[1].clone();
        match timeout(SIGN_OF_LIFE, subscribe(&self.once, &beat)).await {
            Ok(Ok(())) => {
                let refreshed = self.refresh(Some(bucket)).await;
                self.unless_away(refreshed)
            }
            _ => Err("the connection is silent".into()),
        }
    }

    /// Unsubscribes from what has lingered.
    async fn let_go(&mut self) {
        let gone = self
            .shared
            .now()
            .checked_sub(self.shared.linger_ms)
            .map(|before| self.shared.interest_mut().forget(before));
        let gone = gone.unwrap_or_default();
        let buckets: HashSet<u16> = gone.iter().map(|wish| wish.bucket).collect();
        // Without a connection nothing is subscribed; asking all the same would wait for one.
        let mut answers = self.client.state() == ClientState::Connected;
        for bucket in buckets {
            let mut names: Vec<String> =
                gone.iter().filter(|wish| wish.bucket == bucket).map(|wish| wish.name.to_string()).collect();
            if !self.shared.interest().uses(bucket) && self.beats.remove(&bucket) {
                self.shared.pulses().of.remove(&bucket);
                names.push(names::beat(&self.shared.redis, bucket)[1].clone());
            }
            // Where it fails the connection is gone, and with it the subscription; one that is silent is found by its pulse.
            answers = answers && timeout(SIGN_OF_LIFE, self.once.sunsubscribe(names)).await.is_ok();
        }
    }

    async fn sweep(&self, bucket: Option<u16>, cause: &'static str) {
        let channels = self.shared.interest().wanted(bucket);
        if !channels.is_empty() {
            metrics::counter!("hubbub_broker_sweeps_total", "cause" => cause).increment(1);
            self.shared.inbox.sweep(&channels).await;
        }
    }
}

async fn subscribe(client: &WithOptions<Client>, name: &str) -> Result<(), Error> {
    let command = CustomCommand::new_static("SSUBSCRIBE", ClusterHash::FirstValue, false);
    client.custom::<Value, _>(command, vec![name.to_owned()]).await.map(drop)
}

async fn beat(shared: Arc<Shared>, due: Vec<(u16, Option<u64>)>) {
    let beats = due.into_iter().map(|(bucket, number)| {
        let shared = &shared;
        async move {
            let heard = number.map_or(-1, |number| number as i64);
            let args = vec![Arg::Integer(heard), Arg::Integer(COUNTER_MS)];
            let beaten = shared.redis.run(&BEAT, names::beat(&shared.redis, bucket).into(), args).await;
            if let Ok(number) = beaten
                && let Some(number) = number.as_u64()
                && let Some(pulse) = shared.pulses().of.get_mut(&bucket)
            {
                pulse.beaten(number);
            }
        }
    });
    futures_util::future::join_all(beats).await;
}

/// Reads what the subscriber hears, until it is replaced.
async fn read(shared: Arc<Shared>, mut messages: Receiver<Message>) {
    loop {
        match messages.recv().await {
            Ok(message) => {
                if let Some(bytes) = message.value.as_bytes() {
                    shared.receive(&message.channel, bytes).await;
                }
            }
            Err(RecvError::Lagged(_)) => shared.lagged.store(true, Ordering::Release),
            Err(RecvError::Closed) => return,
        }
    }
}
