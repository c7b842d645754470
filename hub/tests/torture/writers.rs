//! Clients and services that publish with keys and repeat with the same key until they are answered. Knows nothing of faults.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use hubbub_client::{Client, ClientError, PublishOptions};
use hubbub_protocol::{Data, Key};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::api::{Api, Failure};
use crate::checker::Entry;
use crate::notes::{Channel, Notes, Place};
use crate::readers::{CHANNELS, channel_name, options};

/// Clients that publish over their socket.
const SOCKETS: usize = 16;
/// Publishes of one of them that wait for an answer at once.
const UNDER_WAY: usize = 2;
/// Services that publish through the API, every second one in batches.
const SERVICES: usize = 8;
/// Most messages of a batch.
const BATCH: usize = 10;
/// A publish is repeated for so long, and then given up. Every key lives longer: windows hold more than comes in that time.
const REPEAT_FOR: Duration = Duration::from_secs(75);
/// Between two publishes of one of them, in milliseconds.
const PAUSE_MS: std::ops::Range<u64> = 40..300;
/// Between two attempts, in milliseconds.
const REPEAT_MS: std::ops::Range<u64> = 30..400;

/// Publishers at work.
pub(crate) struct Writers(JoinSet<()>);

/// One line of publishes.
struct Writer {
    name: String,
    round: usize,
    count: u64,
    dice: StdRng,
    notes: Arc<Notes>,
}

impl Writers {
    /// Starts them.
    pub(crate) async fn start(seed: u64, round: usize, url: &str, api: &Api, notes: &Arc<Notes>) -> Self {
        let mut dice = StdRng::seed_from_u64(seed);
        let mut tasks = JoinSet::new();
        let mut writer = |name: String| {
            let (dice, notes) = (StdRng::seed_from_u64(dice.random()), Arc::clone(notes));
            Writer { name, round, count: 0, dice, notes }
        };
        for number in 0..SOCKETS {
            let client = Client::connect(options(url, &format!("w{number}"))).await;
            let client = client.expect("connects while nothing is broken");
            for line in 0..UNDER_WAY {
                let writer = writer(format!("{round}.w{number}.{line}"));
                tasks.spawn(writer.over_a_socket(client.clone()));
            }
        }
        for number in 0..SERVICES {
            let writer = writer(format!("{round}.s{number}"));
            let most = if number % 2 == 0 { 1 } else { BATCH };
            tasks.spawn(writer.through_the_api(api.clone(), most));
        }
        Self(tasks)
    }

    /// Waits until everything under way is answered or given up.
    pub(crate) async fn end(mut self) {
        let all = async { while self.0.join_next().await.transpose().expect("no writer panics").is_some() {} };
        timeout(REPEAT_FOR * 2, all).await.expect("writers end");
    }
}

impl Writer {
    async fn over_a_socket(mut self, client: Client) {
        while let Some((channel, key)) = self.next().await {
            let until = Instant::now() + REPEAT_FOR;
            loop {
                match client.publish(channel_name(channel), data(&key), options_of(&key)).await {
                    Ok(ack) => {
                        let Some(position) = ack.position else {
                            break self.notes.surprised(format!("{key}: acknowledged without a position"));
                        };
                        let entry = Entry { position, id: ack.message, key };
                        break self.notes.acknowledged(channel.name(), entry);
                    }
                    Err(ClientError::Timeout) if Instant::now() < until => self.repeats(),
                    Err(ClientError::Timeout) => break self.gives_up(),
                    Err(error) => break self.notes.surprised(format!("{key} to {}: {error}", channel.name())),
                }
            }
        }
    }

    async fn through_the_api(mut self, api: Api, most: usize) {
        while let Some(first) = self.next().await {
            let mut messages = vec![first];
            let count = self.dice.random_range(1..=most);
            messages.extend((1..count).map(|_| self.make()));
            let messages: Vec<_> = messages.into_iter().map(|(channel, key)| (channel.name(), key)).collect();
            self.publish_all(&api, messages).await;
        }
    }

    /// Repeats whole what was not taken whole.
    async fn publish_all(&mut self, api: &Api, messages: Vec<(String, String)>) {
        let until = Instant::now() + REPEAT_FOR;
        loop {
            let node = self.dice.random_range(0..api.nodes());
            let answer = match messages.as_slice() {
                [(channel, key)] => api.publish(node, channel, key).await.map(|entry| vec![Some(entry)]),
                many => api.batch(node, many).await,
            };
            match answer {
                Ok(entries) => {
                    let whole = entries.iter().all(Option::is_some);
                    for (entry, (channel, _)) in entries.into_iter().zip(&messages) {
                        entry.into_iter().for_each(|entry| self.notes.acknowledged(channel.clone(), entry));
                    }
                    if whole {
                        return;
                    }
                }
                Err(Failure::Later(_)) => {}
                Err(Failure::Never(why)) => return self.notes.surprised(format!("{}: {why}", self.name)),
            }
            if Instant::now() > until {
                return self.gives_up();
            }
            self.repeats();
            sleep(Duration::from_millis(self.dice.random_range(REPEAT_MS))).await;
        }
    }

    /// The next message, after a pause; `None` when it is time to stop.
    async fn next(&mut self) -> Option<(Channel, String)> {
        sleep(Duration::from_millis(self.dice.random_range(PAUSE_MS))).await;
        (!self.notes.stop_writing.load(Ordering::Relaxed)).then(|| self.make())
    }

    fn make(&mut self) -> (Channel, String) {
        self.count += 1;
        let kind = if self.dice.random() { Place::Durable } else { Place::Window { round: self.round } };
        let channel = Channel { kind, number: self.dice.random_range(0..CHANNELS) };
        (channel, format!("{}.{}", self.name, self.count))
    }

    fn repeats(&self) {
        self.notes.repeated.fetch_add(1, Ordering::Relaxed);
    }

    fn gives_up(&self) {
        self.notes.unknown.fetch_add(1, Ordering::Relaxed);
    }
}

fn data(key: &str) -> Data {
    Data::parse(format!("\"{key}\"")).expect("JSON")
}

fn options_of(key: &str) -> PublishOptions {
    PublishOptions { key: Some(Key::parse(key).expect("a key")), conflate_key: None }
}
