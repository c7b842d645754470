//! Clients that read: most stay and resume by themselves, some leave, sleep, and come back as somebody new who brings positions.
//! Knows nothing of faults.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hubbub_client::{Backoff, Client, Options, State, SubscribeOptions, TokenSource};
use hubbub_protocol::{ChannelName, Position};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use crate::harness::token;
use crate::notes::{Channel, Notes, Page, Place};

/// Clients.
pub(crate) const READERS: usize = 300;
/// Of them, those that leave and come back.
const NAPPERS: usize = 60;
/// Channels of a client, of each kind.
const CHANNELS_EACH: usize = 4;
/// Channels of each kind.
pub(crate) const CHANNELS: usize = 60;

/// Where readers stood at the end of a round, on channels that outlive it.
pub(crate) type Positions = HashMap<(String, Channel), Position>;

/// Readers at work.
pub(crate) struct Readers {
    notes: Arc<Notes>,
    tasks: JoinSet<()>,
    pub(crate) pages: Vec<Arc<Page>>,
    clients: Vec<Client>,
}

/// How clients of the torture connect: impatient, since everything breaks all the time.
pub(crate) fn options(url: &str, user: &str) -> Options {
    Options {
        backoff: Backoff { first: Duration::from_millis(50), most: Duration::from_millis(1_000) },
        open_within: Duration::from_secs(3),
        connect_within: Duration::from_secs(30),
        request_within: Duration::from_secs(30),
        ..Options::new(url, TokenSource::fixed(token(user)))
    }
}

pub(crate) fn channel_name(channel: Channel) -> ChannelName {
    ChannelName::parse(&channel.name()).expect("a channel")
}

impl Readers {
    /// Starts them; answers when those that stay are subscribed. Who read a channel in the round before goes on there.
    pub(crate) async fn start(seed: u64, round: usize, url: &str, before: &Positions, notes: &Arc<Notes>) -> Self {
        let mut dice = StdRng::seed_from_u64(seed);
        let mut readers =
            Self { notes: Arc::clone(notes), tasks: JoinSet::new(), pages: Vec::new(), clients: Vec::new() };
        let mut starting = JoinSet::new();
        for number in 0..READERS {
            let reader = format!("r{number}");
            let page = |channel| {
                let since = before.get(&(reader.clone(), channel)).copied();
                Arc::new(Page::new(reader.clone(), channel, since))
            };
            // The same in each round, so that positions go on.
            let mut own = StdRng::seed_from_u64(number as u64);
            let pages: Vec<_> = channels(round, &mut own).map(page).collect();
            readers.pages.extend(pages.iter().cloned());
            let (options, notes) = (options(url, &reader), Arc::clone(notes));
            if number < NAPPERS {
                let dice = StdRng::seed_from_u64(dice.random());
                readers.tasks.spawn(nap_again_and_again(options, pages, notes, dice));
            } else {
                starting.spawn(stay(options, pages, notes));
            }
        }
        for (client, tasks) in starting.join_all().await {
            readers.clients.push(client);
            for task in tasks {
                readers.tasks.spawn(task);
            }
        }
        readers
    }

    /// Ends all of them and counts what they hid.
    pub(crate) async fn end(&mut self) {
        self.tasks.shutdown().await;
        for client in self.clients.drain(..) {
            self.notes.faults.fetch_add(client.faults(), Ordering::Relaxed);
            if let State::Ended(why) = &*client.state().borrow() {
                self.notes.surprised(format!("a session ended: {why}"));
            }
            client.close().await;
        }
    }
}

fn channels(round: usize, dice: &mut StdRng) -> impl Iterator<Item = Channel> {
    let mut some = |kind| {
        let chosen: Vec<usize> = (0..CHANNELS).collect::<Vec<_>>().sample(dice, CHANNELS_EACH).copied().collect();
        chosen.into_iter().map(move |number| Channel { kind, number })
    };
    some(Place::Durable).chain(some(Place::Window { round }))
}

/// Connects and subscribes; what is to be run comes back.
async fn stay(
    options: Options,
    pages: Vec<Arc<Page>>,
    notes: Arc<Notes>,
) -> (Client, Vec<impl Future<Output = ()> + use<>>) {
    let client = Client::connect(options).await.expect("connects while nothing is broken");
    let mut tasks = Vec::new();
    for page in pages {
        let wish = SubscribeOptions { since: page.position(), ..SubscribeOptions::default() };
        let subscription = client.subscribe(channel_name(page.channel), wish).await;
        let mut subscription = subscription.expect("subscribes while nothing is broken");
        let notes = Arc::clone(&notes);
        tasks.push(async move {
            while let Some(event) = subscription.next().await {
                if !page.note(event, &notes) {
                    return;
                }
            }
        });
    }
    (client, tasks)
}

/// Visits with sleep in between; the last visit does not end.
async fn nap_again_and_again(options: Options, pages: Vec<Arc<Page>>, notes: Arc<Notes>, mut dice: StdRng) {
    loop {
        let until = Instant::now() + Duration::from_millis(dice.random_range(300..5_000));
        // Nobody answered in time: the next visit is soon.
        if let Ok(client) = Client::connect(options.clone()).await {
            let ended = visit(&client, &pages, &notes, until).await;
            notes.faults.fetch_add(client.faults(), Ordering::Relaxed);
            client.close().await;
            if ended {
                return;
            }
        }
        notes.naps.fetch_add(1, Ordering::Relaxed);
        sleep(Duration::from_millis(dice.random_range(50..3_000))).await;
    }
}

/// Reads from where the pages end until `until`, or for ever when it is time to stay. True when a subscription was ended by the
/// hub, which is noted.
async fn visit(client: &Client, pages: &[Arc<Page>], notes: &Arc<Notes>, until: Instant) -> bool {
    let mut reading = JoinSet::new();
    for page in pages {
        let wish = SubscribeOptions { since: page.position(), ..SubscribeOptions::default() };
        let Ok(mut subscription) = client.subscribe(channel_name(page.channel), wish).await else {
            // No answer in time; what the others noted stays noted.
            reading.shutdown().await;
            return false;
        };
        let (page, notes) = (Arc::clone(page), Arc::clone(notes));
        reading.spawn(async move {
            while let Some(event) = subscription.next().await {
                if !page.note(event, &notes) {
                    return;
                }
            }
        });
    }
    match timeout_at(until, reading.join_next()).await {
        Ok(_) => true,
        Err(_) if notes.stop_napping.load(Ordering::Relaxed) => {
            reading.join_next().await;
            true
        }
        Err(_) => {
            // Nothing is noted behind this: the next visit begins where the pages end.
            reading.shutdown().await;
            false
        }
    }
}
