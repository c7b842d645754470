//! Chat at its size: a room with a million messages and ten thousand rooms in Postgres, then history, lists, searches and jumps, each
//! answer checked. The control is the same with next to nothing to look through, and a question without any work, in turns with the
//! rest; the plans behind each kind are taken as the hub's role.

mod asking;
mod fill;
mod model;
mod plans;
mod questions;
mod rows;
mod words;
mod world;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use clap::Args;
use hubbub_local::postgres::{self, Postgres};
use serde_json::json;

use super::quantile_ms;
use crate::fleet::{self, Fleet, FleetFlags, Shape};
use crate::report::Report;
use crate::{LoadError, during};
use asking::{Asked, Client, Pace};
use fill::Filled;
use questions::{Kind, Questions};
use world::{LARGE, World};

/// How late this program may ask, in milliseconds: later than that it measures itself.
const OWN_LATENESS_MS: f64 = 20.0;
/// Questions of each kind before those that are timed.
const WARM_UP: u64 = 20;

/// The flags of `chat-scale`.
#[derive(Args, Debug)]
pub struct ChatScaleArgs {
    #[command(flatten)]
    flags: FleetFlags,
    /// Over how many nodes.
    #[arg(long, default_value_t = 1)]
    nodes: usize,
    /// How many rooms, the large one among them.
    #[arg(long, default_value_t = 10_000)]
    rooms: usize,
    /// Messages of the large room.
    #[arg(long, default_value_t = 1_000_000)]
    messages: u64,
    /// Messages of each other room.
    #[arg(long, default_value_t = 20)]
    small_messages: u64,
    /// Rooms that somebody with a long list is in.
    #[arg(long, default_value_t = 500)]
    listed: usize,
    /// Members of a small room.
    #[arg(long, default_value_t = 10)]
    members: usize,
    /// Members of the large room.
    #[arg(long, default_value_t = 1_000)]
    crowd: usize,
    /// Different words.
    #[arg(long, default_value_t = 100_000)]
    words: usize,
    /// Everything is drawn from it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Questions of each kind.
    #[arg(long, default_value_t = 1_000)]
    questions: u64,
    /// Questions a second, of all kinds together.
    #[arg(long, default_value_t = 50.0)]
    rate: f64,
    /// Connections over which they are asked.
    #[arg(long, default_value_t = 8)]
    clients: usize,
    /// Where the data of Postgres lies, on a real disk. Default: the folder for temporary files.
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// Leave the database without statistics, as right behind a bulk load.
    #[arg(long)]
    no_statistics: bool,
    /// Keep the plans in this file.
    #[arg(long, value_name = "FILE")]
    plans: Option<PathBuf>,
    /// Highest 99th percentile of every kind, in milliseconds.
    #[arg(long)]
    max_p99_ms: Option<f64>,
}

impl ChatScaleArgs {
    pub(super) fn run(&self) -> Result<bool, LoadError> {
        if self.listed < 2 || self.rooms < 3 * self.listed || self.members < 3 || self.crowd < 2 * self.members {
            return Err(LoadError::Start(
                "--rooms is at least 3 times --listed, --crowd at least twice --members".into(),
            ));
        }
        let mut report = Report::new("chat-scale");
        let folder = self.data.as_ref().map(|parent| {
            tempfile::Builder::new().prefix("hubbub-chat-scale-").tempdir_in(parent).map_err(during("data folder"))
        });
        let folder = folder.transpose()?;
        let postgres = postgres::Options::default().durable().setting(plans::MODULE.0, plans::MODULE.1);
        // It would bring the statistics by itself.
        let postgres = if self.no_statistics { postgres.setting("autovacuum", "off") } else { postgres };
        let postgres = folder.iter().fold(postgres, |postgres, folder| postgres.folder(folder.path()));
        let fleet = Fleet::start(&self.flags.hub, &Shape { nodes: self.nodes.max(1), postgres, ..Shape::default() })?;
        let Some(postgres) = &fleet.postgres else { return Err(LoadError::Start("a fleet without Postgres".into())) };
        let world = World::new(self, now_ms());
        let filled = self.fill(&world, &fleet, postgres, &mut report)?;
        let questions = Questions::new(&world, &filled, self.seed)?;
        report.say(&questions.spread());
        let places = (fleet.hubs[0].public(), fleet.hubs[0].internal());
        let asked = self.ask(&questions, places, &mut report)?;
        let mut client = Client::connect(places.0, places.1)?;
        plans::explain(&questions, &mut client, postgres, self.plans.as_deref(), &mut report)?;
        self.judge(&asked, &mut report);
        report.finish(self.flags.json.as_deref())
    }

    /// Looking around first, then searching. Each time everything is asked a few times before, one after the other.
    fn ask(
        &self,
        questions: &Questions<'_>,
        places: (SocketAddr, SocketAddr),
        report: &mut Report,
    ) -> Result<Asked, LoadError> {
        let pace = Pace { rate: self.rate, each: self.questions, clients: self.clients, seed: self.seed };
        let alone = Pace { each: WARM_UP, clients: 1, ..pace };
        let (mut before, mut asked) = (Asked::empty(), Asked::empty());
        for part in Kind::PARTS {
            let kinds = part.iter().copied().filter(|kind| !(self.flags.no_control && kind.is_control()));
            let kinds: Vec<Kind> = kinds.collect();
            before = before.plus(asking::run(questions, places, &kinds, &alone, 0)?);
            asked = asked.plus(asking::run(questions, places, &kinds, &pace, WARM_UP)?);
        }
        for part in [&before, &asked] {
            part.told.iter().for_each(|told| report.fail(told.clone()));
        }
        if asked.unasked > 0 {
            report.fail(format!("{} questions were not asked: the hub was too far behind", asked.unasked));
        }
        report.value("answered", asked.answered);
        report.value("wrong", before.wrong + asked.wrong);
        Ok(asked)
    }

    /// The database as it is when all of that was said, and the hub's word that it is its own.
    fn fill(
        &self,
        world: &World,
        fleet: &Fleet,
        postgres: &Postgres,
        report: &mut Report,
    ) -> Result<Filled, LoadError> {
        let mut publisher = fleet::publisher(fleet.internals()[0])?;
        for difference in model::differences(&mut publisher, postgres)? {
            report.fail(difference);
        }
        let begin = Instant::now();
        let filled = fill::fill(world, postgres)?;
        let wrote = begin.elapsed().as_secs_f64();
        if !self.no_statistics {
            fill::settle(postgres)?;
        }
        let all = begin.elapsed().as_secs_f64();
        report.value("fill_s", wrote);
        report.value("settle_s", all - wrote);
        let size = postgres.psql("SELECT pg_size_pretty(pg_database_size('hubbub'))")?;
        report.say(&format!(
            "filled: {} events and {} records in {wrote:.0} s, settled in {:.0} s, {size}",
            filled.events,
            filled.records,
            all - wrote
        ));
        self.count(world, postgres, report)?;
        self.go_on(world, &filled, fleet, report)?;
        Ok(filled)
    }

    /// Everything is there.
    fn count(&self, world: &World, postgres: &Postgres, report: &mut Report) -> Result<(), LoadError> {
        let large = World::channel(LARGE);
        let one = |sql: &str| -> Result<u64, LoadError> {
            let answer = postgres.psql(sql)?;
            answer.trim().parse().map_err(|_| LoadError::Api(format!("{sql}: {answer}")))
        };
        let records = one(&format!("SELECT count(*) FROM hubbub.records WHERE kind = 3 AND home = '{large}'"))?;
        let events = one(&format!(
            "SELECT count(*) FROM hubbub.messages AS m JOIN hubbub.channels AS c ON c.id = m.channel_id \
             WHERE c.name = '{large}' AND m.data LIKE '%\"event\":\"message.created\"%'"
        ))?;
        let rooms = one("SELECT count(*) FROM hubbub.records WHERE kind = 1 AND home LIKE 'room:scale-%'")?;
        let others = one("SELECT count(*) FROM hubbub.records WHERE kind = 3 AND home LIKE 'room:scale-%'")? - records;
        report.value("messages", records);
        report.value("rooms", rooms);
        report.say(&format!("counted: {records} messages in one room, {events} of them in its log, {rooms} rooms, {others} in the others"));
        if (records, events, rooms) != (self.messages, self.messages, world.rooms() as u64) {
            report.fail(format!("{} messages in {} rooms were to be there", self.messages, world.rooms()));
        }
        Ok(())
    }

    /// A member says something in a room that was filled in: it goes on where that ended, and is found.
    fn go_on(&self, world: &World, filled: &Filled, fleet: &Fleet, report: &mut Report) -> Result<(), LoadError> {
        let room = world.unread_room();
        let (channel, people) = (World::channel(room), world.people(room));
        let mut publisher = fleet::publisher(fleet.internals()[0])?;
        let body = json!({ "channel": channel, "text": format!("afterwards @{}", people[1]), "as": people[0] });
        let sent = publisher.room("send", &body)?;
        let found = publisher.room("search", &json!({ "channel": channel, "text": "afterwards", "as": people[1] }))?;
        let entry = publisher.room("rooms", &json!({ "channels": [channel], "as": people[1] }))?;
        let (entry, ordinal) = (&entry["rooms"][0], world.messages(room) + 1);
        let right = sent["offset"] == filled.heads[room] + 1
            && found["hits"][0]["message"]["ordinal"] == ordinal
            && entry["room"]["messages"] == ordinal
            && entry["me"]["mentions"] == 1;
        if !right {
            report.fail(format!("a room does not go on where it was filled up to: {sent}, {found}, {entry}"));
        }
        Ok(())
    }

    fn judge(&self, asked: &Asked, report: &mut Report) {
        let ms = |kind: Kind, quantile: f64| quantile_ms(asked.of(kind), quantile);
        for kind in Kind::ALL.iter().filter(|kind| !asked.of(**kind).is_empty()) {
            let [p50, p99, max] = [0.5, 0.99, 1.0].map(|quantile| ms(*kind, quantile));
            let name = kind.name().replace(' ', "_");
            for (value, of) in [(p50, "p50"), (p99, "p99"), (max, "max")] {
                report.value(&format!("{name}_{of}_ms"), value);
            }
            let beside = kind.control().map_or_else(String::new, |control| {
                let (half, most) = (ms(control, 0.5), ms(control, 0.99));
                let ratios = (p50 / half.max(1e-9), p99 / most.max(1e-9));
                format!("; {}: {half:.1} and {most:.1} ms, ratios {:.1} and {:.1}", control.name(), ratios.0, ratios.1)
            });
            let name = kind.name();
            report.say(&format!("{name}: p50 {p50:.1} ms, p99 {p99:.1} ms, max {max:.1} ms{beside}"));
            if !kind.is_control() {
                report.at_most(&format!("p99 of {name} in ms"), p99, self.max_p99_ms);
            }
        }
        let late = quantile_ms(&asked.lateness, 0.99);
        report.at_most("own_lateness_p99_ms", late, Some(OWN_LATENESS_MS));
        let worst = |kinds: &[Kind]| kinds.iter().map(|kind| ms(*kind, 0.99)).fold(0.0, f64::max);
        let pages = worst(&[Kind::Newest, Kind::Before, Kind::After]);
        let searches = worst(&[Kind::Rare, Kind::Middling, Kind::Common, Kind::Two, Kind::Prefix]);
        let [jump, list, everywhere] = [Kind::Jump, Kind::List, Kind::Everywhere].map(|kind| ms(kind, 0.99));
        let [page, one, word, bare] =
            [Kind::SmallPage, Kind::SmallList, Kind::SmallSearch, Kind::Health].map(|kind| ms(kind, 0.99));
        report.figure(format!(
            "chat-scale: {} messages in one room, {} rooms, {} answers, {} wrong; p99 of a page {pages:.1} ms, jump {jump:.1} ms, list of \
             {} rooms {list:.1} ms, search {searches:.1} ms, search everywhere {everywhere:.1} ms; control, next to nothing to look \
             through: page {page:.1} ms, list {one:.1} ms, search {word:.1} ms, ratios {:.1}, {:.1}, {:.1}; no work: {bare:.1} ms",
            self.messages,
            self.rooms,
            asked.answered,
            asked.wrong,
            self.listed,
            pages / page.max(1e-9),
            list / one.max(1e-9),
            searches / word.max(1e-9),
        ));
    }
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
