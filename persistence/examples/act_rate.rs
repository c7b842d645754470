//! Prints how many acts a second Postgres commits for one node on this machine: on tables that were made just now, of which the
//! planner knows nothing, and after `ANALYZE`.
//!
//! Starts a private Postgres that does not wait for its disk, so that statements are measured. An act is what a message in a room
//! is: it looks at room and member, changes both, and says something; one in eight names somebody, with a mention and a notice.
//!
//! `cargo run --release -p hubbub-persistence --example act_rate [seconds]`

#![expect(clippy::print_stdout, reason = "it is there to print")]

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hubbub_local::postgres::{Options, Postgres as Server};
use hubbub_persistence::postgres::{Settings, migrate};
use hubbub_persistence::records::scripted::{Scripted, event};
use hubbub_persistence::records::{Act, Acted, Kind, Question, Record, RecordKey, Records, Stop, Verdict, View};
use hubbub_persistence::{Bounds, Postgres, Store};
use hubbub_protocol::channel::{ChannelKey, ChannelName, TenantId, UserId};
use hubbub_protocol::{Data, Key, MessageId};

/// Messages that are under way at once.
const WRITERS: u64 = 200;
/// People who write, ten of them in each room.
const PEOPLE: u64 = 5_000;
const ROOMS: u64 = 500;
const NOW: u64 = 1_763_600_000_000;
const WORDS: [&str; 16] = [
    "the", "hub", "room", "hello", "lunch", "deploy", "green", "today", "who", "has", "seen", "graph", "that", "went",
    "up", "again",
];

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let seconds: u64 = std::env::args().nth(1).map_or(Ok(6), |seconds| seconds.parse())?;
    let server = Server::start(Options::default())?;
    migrate(&server.owner_url(), "hubbub").await?;
    let settings =
        Settings { url: server.url(), replica_url: None, connections: 4, bounds: Bounds::default(), seed: 1 };
    let store = Arc::new(Postgres::open(settings).await?);
    for (number, tables) in [(0, "fresh"), (1, "analyzed")] {
        if number > 0 {
            server.psql("ANALYZE")?;
        }
        let (rate, took) = measure(&store, number, Duration::from_secs(seconds)).await?;
        let at = |part: f64| took[(took.len() as f64 * part) as usize].as_secs_f64() * 1_000.0;
        println!("{tables}: {rate:.0} acts/s, p50 {:.1} ms, p99 {:.1} ms", at(0.5), at(0.99));
    }
    store.close().await;
    Ok(())
}

/// How many acts a second were answered, and how long each took, ascending.
async fn measure(store: &Arc<Postgres>, run: u64, window: Duration) -> Result<(f64, Vec<Duration>), Failure> {
    let start = Instant::now();
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let store = store.clone();
        writers.spawn(async move {
            let mut took = Vec::new();
            for number in 0.. {
                let begun = Instant::now();
                if begun - start > window {
                    break;
                }
                let person = (writer + number * WRITERS) % PEOPLE;
                match store.act(send(person, run << 40 | writer << 20 | number)?).await? {
                    Acted::Done { .. } => took.push(begun.elapsed()),
                    other => return Err(format!("not done: {other:?}").into()),
                }
            }
            Ok::<_, Failure>(took)
        });
    }
    let mut all = Vec::new();
    while let Some(took) = writers.join_next().await {
        all.extend(took??);
    }
    all.sort_unstable();
    Ok((all.len() as f64 / start.elapsed().as_secs_f64(), all))
}

fn channel(name: &str) -> Result<ChannelKey, Failure> {
    Ok(ChannelKey::new(TenantId::parse("acme")?, ChannelName::parse(name)?))
}

fn record(home: &ChannelKey, kind: Kind, key: String, at: u64) -> Record {
    let key = RecordKey { home: home.clone(), kind, key };
    Record { key, group: String::new(), at, who: None, text: None, body: format!("{{\"body\":\"{at:0>300}\"}}") }
}

/// What somebody says.
fn send(person: u64, number: u64) -> Result<Arc<dyn Act>, Failure> {
    let room = channel(&format!("room:{}", person % ROOMS))?;
    let user = UserId::parse(&format!("u{person}"))?;
    let named = (number.is_multiple_of(8)).then(|| (person + ROOMS) % PEOPLE);
    let own = named.map(|named| channel(&format!("user:u{named}"))).transpose()?;
    let channels: Vec<ChannelKey> = std::iter::once(room.clone()).chain(own.clone()).collect();
    let id = MessageId::from_parts(NOW + (number & 0xf_ffff), u128::from(number));
    let text: Vec<&str> = (0..12).map(|word| WORDS[(number * 7 + word * word) as usize % WORDS.len()]).collect();
    let (text, data) = (text.join(" "), Data::parse(format!("{{\"text\":\"{number:0>117}\"}}"))?);
    let act = Scripted::new(&channels, NOW, id, move |view| {
        view.want([
            Question::Key(record(&room, Kind::Room, "-".into(), 0).key),
            Question::Key(record(&room, Kind::Member, user.to_string(), 0).key),
        ])?;
        let ordinal = 1 + view.get(&record(&room, Kind::Room, "-".into(), 0).key)?.map_or(0, |room| room.at);
        let member = Record { who: Some(user.clone()), ..record(&room, Kind::Member, user.to_string(), ordinal) };
        let said = record(&room, Kind::Message, id.to_string(), ordinal);
        let mut events = vec![event(&room, id, data.clone())];
        if let (Some(own), Some(named)) = (&own, named) {
            events.push(notice(view, &room, own, named, id, ordinal, &data)?);
        }
        view.put(record(&room, Kind::Room, "-".into(), ordinal));
        view.put(member);
        view.put(Record { who: Some(user.clone()), text: Some(text.clone()), ..said });
        Ok(Verdict { events, ..Verdict::default() })
    });
    Ok(Arc::new(act.keyed(Key::parse(&format!("{number:032x}"))?, b"what it says")))
}

/// The mention of somebody and the notice of it; its event.
fn notice(
    view: &mut View<'_>,
    room: &ChannelKey,
    own: &ChannelKey,
    named: u64,
    id: MessageId,
    ordinal: u64,
    data: &Data,
) -> Result<hubbub_persistence::records::Event, Stop> {
    let group = format!("u{named}");
    view.want([
        Question::Key(record(room, Kind::Member, group.clone(), 0).key),
        Question::Key(record(own, Kind::Person, "-".into(), 0).key),
        Question::Last { home: room.clone(), kind: Kind::Mention, group: group.clone(), at: ordinal },
    ])?;
    let before = view.get(&record(own, Kind::Person, "-".into(), 0).key)?.map_or(0, |person| person.at);
    view.put(record(own, Kind::Person, "-".into(), before + 1));
    view.put(record(own, Kind::Notice, id.to_string(), before + 1));
    view.put(Record { group: group.clone(), ..record(room, Kind::Mention, format!("{group}/{ordinal:016}"), ordinal) });
    Ok(event(own, MessageId::from_parts(NOW, u128::from(ordinal) << 40 | u128::from(named)), data.clone()))
}
