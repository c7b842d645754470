//! The load: clients that publish with keys and clients that read and resume, each writing down what it was told.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hubbub_client::{
    Backoff, Client, ClientError, Event, Options, PublishOptions, SubscribeOptions, Subscription, TokenSource,
};
use hubbub_protocol::frame::Side;
use hubbub_protocol::{ChannelName, Data, Key, Message, Position};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::checker::{Entry, History, Kind, Log, Publication, Reading, Seen};
use crate::harness::{Hub, WITHIN, token};

const DURABLE: [&str; 3] = ["chat:a", "chat:b", "chat:c"];
const WINDOWS: [&str; 3] = ["live:a", "live:b", "live:c"];
/// Clients that read every channel.
const READERS: usize = 22;
/// Of them, those that leave after some messages and come back as somebody new with their position.
const TRAVELLERS: usize = 6;
/// Clients that publish.
const WRITERS: usize = 8;
/// Publishes of one writer that wait for an answer at once.
const UNDER_WAY: usize = 4;

/// What the clients write down.
#[derive(Default)]
struct Notes {
    publications: Mutex<Vec<Publication>>,
    acknowledged: AtomicU64,
    faults: AtomicU64,
    stop_writing: AtomicBool,
    stop_reading: AtomicBool,
}

/// The notes of one reader about one channel.
type Page = Arc<Mutex<Vec<Seen>>>;

/// Clients at work.
pub(crate) struct Load {
    notes: Arc<Notes>,
    writers: JoinSet<()>,
    readers: JoinSet<()>,
    pages: Vec<(String, &'static str, Page)>,
    /// They count themselves what they had to hide from their readers.
    clients: Vec<Client>,
}

fn options(hub: &Hub, user: &str) -> Options {
    let backoff = Backoff { first: Duration::from_millis(30), most: Duration::from_millis(300) };
    let url = hub.ws();
    Options {
        backoff,
        connect_within: WITHIN,
        request_within: WITHIN * 2,
        ..Options::new(url, TokenSource::fixed(token(user)))
    }
}

fn channel(name: &str) -> ChannelName {
    ChannelName::parse(name).expect("a channel")
}

impl Load {
    /// Starts them; answers when every reader reads.
    pub(crate) async fn start(hub: &Hub) -> Self {
        let mut load = Self {
            notes: Arc::default(),
            writers: JoinSet::new(),
            readers: JoinSet::new(),
            pages: Vec::new(),
            clients: Vec::new(),
        };
        for number in 0..READERS {
            let (user, options) = (format!("r{number}"), options(hub, &format!("r{number}")));
            let client = Client::connect(options.clone()).await.expect("connects");
            for name in DURABLE.into_iter().chain(WINDOWS) {
                let page = Page::default();
                load.pages.push((user.clone(), name, page.clone()));
                if number < TRAVELLERS {
                    let notes = load.notes.clone();
                    load.readers.spawn(travel(options.clone(), name, page, notes));
                } else {
                    let subscription =
                        client.subscribe(channel(name), SubscribeOptions::default()).await.expect("subscribed");
                    load.readers.spawn(stay(subscription, page));
                }
            }
            load.clients.push(client);
        }
        for number in 0..WRITERS {
            let client = Client::connect(options(hub, &format!("w{number}"))).await.expect("connects");
            for line in 0..UNDER_WAY {
                load.writers.spawn(write(client.clone(), format!("w{number}.{line}"), load.notes.clone()));
            }
        }
        load
    }

    /// Publishes that were acknowledged so far.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.notes.acknowledged.load(Ordering::Relaxed)
    }

    /// Waits for so many.
    pub(crate) async fn until_acknowledged(&self, count: u64) {
        let deadline = Instant::now() + WITHIN;
        while self.acknowledged() < count {
            assert!(Instant::now() < deadline, "only {} of {count} acknowledgements", self.acknowledged());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Stops writing, waits until every reader has reached the head or time is up, and gives all notes away.
    pub(crate) async fn end(mut self, hub: &Hub) -> History {
        self.notes.stop_writing.store(true, Ordering::Relaxed);
        while let Some(writer) = timeout(WITHIN * 3, self.writers.join_next()).await.expect("writers end") {
            writer.expect("whole");
        }
        let auditor = Client::connect(options(hub, "auditor")).await.expect("connects");
        let mut logs = Vec::new();
        for (names, kind) in [(DURABLE, Kind::Durable), (WINDOWS, Kind::Window)] {
            for name in names {
                logs.push(whole_log(&auditor, name, kind).await);
            }
        }
        self.until_heads(&logs).await;
        self.notes.stop_reading.store(true, Ordering::Relaxed);
        self.readers.shutdown().await;
        let read = |page: &Page| page.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let reading = |(reader, name, page): &(String, &str, Page)| Reading {
            reader: reader.clone(),
            channel: (*name).to_owned(),
            since: None,
            seen: read(page),
        };
        History {
            publications: std::mem::take(&mut *self.notes.publications.lock().unwrap_or_else(PoisonError::into_inner)),
            readings: self.pages.iter().map(reading).collect(),
            logs,
            faults: self.notes.faults.load(Ordering::Relaxed) + self.clients.iter().map(Client::faults).sum::<u64>(),
        }
    }

    /// What is missing when time is up, the checker tells.
    async fn until_heads(&self, logs: &[Log]) {
        let deadline = Instant::now() + WITHIN;
        let head = |name: &str| logs.iter().find(|log| log.channel == name).map(|log| log.head.offset);
        let arrived = || self.pages.iter().all(|(_, name, page)| place(page).map(|place| place.offset) == head(name));
        while !arrived() && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// Where the reader of a page stands.
fn place(page: &Page) -> Option<Position> {
    match page.lock().unwrap_or_else(PoisonError::into_inner).last()? {
        Seen::Attached(attached) => attached.epoch().map(|epoch| Position::new(epoch, attached.start())),
        Seen::Message(entry) => Some(entry.position),
        Seen::Gap { at, .. } => Some(*at),
    }
}

fn entry(message: &Message) -> Entry {
    let key = message.key.as_ref().map(|key| key.as_str().to_owned()).unwrap_or_default();
    Entry { position: message.position.expect("a log"), id: message.id, key }
}

/// Publishes one message after the other into random channels until told to stop.
async fn write(client: Client, name: String, notes: Arc<Notes>) {
    let mut number = 0_u64;
    while !notes.stop_writing.load(Ordering::Relaxed) {
        number += 1;
        let names = if number.is_multiple_of(2) { DURABLE } else { WINDOWS };
        let to = names[rand::random_range(0..names.len())];
        let key = format!("{name}.{number}");
        let data = Data::parse(format!("\"{key}\"")).expect("JSON");
        let options = PublishOptions { key: Some(Key::parse(&key).expect("a key")), conflate_key: None };
        match client.publish(channel(to), data, options).await {
            Ok(ack) => {
                let entry = Entry { position: ack.position.expect("a log"), id: ack.message, key };
                let publication = Publication { channel: to.to_owned(), entry };
                notes.publications.lock().unwrap_or_else(PoisonError::into_inner).push(publication);
                notes.acknowledged.fetch_add(1, Ordering::Relaxed);
            }
            // Nothing was promised.
            Err(ClientError::Timeout) => {}
            Err(error) => panic!("{key}: {error}"),
        }
    }
}

/// Writes down the events of a subscription; answers when there are enough, or none any more.
async fn note_down(subscription: &mut Subscription, page: &Page, enough: usize) {
    for _ in 0..enough {
        let seen = match subscription.next().await {
            Some(Event::Outcome(attached)) => Seen::Attached(attached),
            Some(Event::Message(message)) => Seen::Message(entry(&message)),
            Some(Event::Gap { epoch, lost, reason }) => Seen::Gap { at: Position::new(epoch, lost.to), lost, reason },
            other => panic!("unexpected: {other:?}"),
        };
        page.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
    }
}

/// Reads for ever; the client reconnects and resumes by itself.
async fn stay(mut subscription: Subscription, page: Page) {
    note_down(&mut subscription, &page, usize::MAX).await;
}

/// Reads a while, leaves, and comes back as a new client that brings the position.
async fn travel(options: Options, name: &'static str, page: Page, notes: Arc<Notes>) {
    while !notes.stop_reading.load(Ordering::Relaxed) {
        let client = Client::connect(options.clone()).await.expect("connects");
        let wish = SubscribeOptions { since: place(&page), ..SubscribeOptions::default() };
        let mut subscription = client.subscribe(channel(name), wish).await.expect("subscribed");
        note_down(&mut subscription, &page, rand::random_range(1..400)).await;
        notes.faults.fetch_add(client.faults(), Ordering::Relaxed);
        client.close().await;
    }
}

/// Everything that a log keeps.
async fn whole_log(client: &Client, name: &str, kind: Kind) -> Log {
    let (mut entries, mut after) = (Vec::new(), 0);
    loop {
        let page = client.history(channel(name), Side::After(after), 1_000).await.expect("history");
        entries.extend(page.messages.iter().map(entry));
        after = entries.last().map_or(page.last, |entry: &Entry| entry.position.offset);
        if !page.more {
            let head = Position::new(page.epoch, page.last);
            return Log { channel: name.to_owned(), kind, after: 0, entries, head };
        }
    }
}
