//! Fills the database with the world: everything that was done is told as the hub tells it and written by its own functions, in
//! batches. Then the database does what autovacuum does behind a bulk load.

use std::io::{BufWriter, Write};
use std::process::{Child, ChildStdin, Command, Stdio};

use hubbub_local::postgres::Postgres;
use hubbub_protocol::MessageId;

use super::rows::{Act, Book, EventRow, RecordRow, Telling};
use super::words::Counted;
use super::world::{AT_ONCE, LARGE, World};
use crate::{LoadError, during};

/// The tenant of development hubs.
const TENANT: &str = "default";
/// Events of a batch, or records.
const BATCH: usize = 10_000;
/// A log changes from the slot of quiet channels to the one of its class behind so many messages.
const PAGE: u64 = 1_000;
const FUNCTIONS: &str = include_str!("fill.sql");

/// What of the world is known only once everything was told.
#[derive(Debug)]
pub(super) struct Filled {
    /// The end of the log of each room.
    pub(super) heads: Vec<u64>,
    /// Of each room the messages that mention everybody.
    pub(super) mentions_all: Vec<Vec<u64>>,
    /// Words of the large room.
    pub(super) counted: Counted,
    pub(super) events: u64,
    pub(super) records: u64,
}

/// Writes everything, as the role of the hubs.
pub(super) fn fill(world: &World, postgres: &Postgres) -> Result<Filled, LoadError> {
    let mut sink = Sink::open(postgres)?;
    let written = write(world, &mut sink);
    let ended = sink.close();
    // Whoever reads our end knows why it broke.
    ended.and(written)
}

fn write(world: &World, sink: &mut Sink) -> Result<Filled, LoadError> {
    let mut filled = Filled {
        heads: Vec::new(),
        mentions_all: Vec::new(),
        counted: Counted::new(world.words.count()),
        events: 0,
        records: 0,
    };
    let mut book = Book::default();
    let people: Vec<_> = (0..world.rooms()).map(|room| world.people(room)).collect();
    let mut tellings = Vec::with_capacity(people.len());
    for (room, people) in people.iter().enumerate() {
        tellings.push(make(world, room, people, &mut book, &mut filled, sink)?);
    }
    for (room, ordinal) in world.in_time() {
        let said = world.said(room, ordinal, &people[room]);
        let act = act(world, room, ordinal, world.time(room, ordinal));
        tellings[room].send(&said.author, &said.text, act, &mut book)?;
        if room == LARGE {
            filled.counted.add(ordinal, &said.words);
        }
        sink.batch_if_due(&tellings[room], &mut book, &mut filled)?;
    }
    for told in &tellings {
        told.end(&mut book);
        sink.batch_if_due(told, &mut book, &mut filled)?;
    }
    // The same records come again: in batches of their own.
    sink.batch(&mut book, &mut filled)?;
    for reader in 0..world.readers() {
        for room in world.rooms_of(reader) {
            let act = act(world, room, READS + reader as u64, world.ended());
            tellings[room].read(&World::reader(reader), world.read(room, reader), act, &mut book)?;
        }
        sink.batch(&mut book, &mut filled)?;
    }
    filled.heads = tellings.iter().map(|told| told.head).collect();
    filled.mentions_all = tellings.into_iter().map(|told| told.mentions_all).collect();
    Ok(filled)
}

/// Numbers of acts, behind those of the messages.
const MADE: u64 = 1 << 40;
const JOINS: u64 = 1 << 41;
const READS: u64 = 1 << 42;

fn act(world: &World, room: usize, number: u64, time: u64) -> Act {
    Act { id: MessageId::from_parts(time, world.random(room, number)), time }
}

/// The id of a message.
pub(super) fn id_of(world: &World, room: usize, ordinal: u64) -> MessageId {
    act(world, room, ordinal, world.time(room, ordinal)).id
}

/// A room with its people, before anything is said.
fn make(
    world: &World,
    room: usize,
    people: &[String],
    book: &mut Book,
    filled: &mut Filled,
    sink: &mut Sink,
) -> Result<Telling, LoadError> {
    let (at, first) = (world.made(room), &people[..people.len().min(AT_ONCE)]);
    let (channel, name) = (World::channel(room), format!("Room {room}"));
    let mut told = Telling::create(&channel, &name, first, act(world, room, MADE, at), book)?;
    for (number, user) in people.iter().enumerate().skip(AT_ONCE) {
        told.join(user, act(world, room, JOINS + number as u64, at), book)?;
        sink.batch_if_due(&told, book, filled)?;
    }
    Ok(told)
}

/// Statistics, and what stands in the queue of the index of words, as autovacuum sees to it: it leaves partitioned tables as such
/// alone.
pub(super) fn settle(postgres: &Postgres) -> Result<(), LoadError> {
    let tables = postgres.psql(
        "SELECT string_agg(c.oid::regclass::text, ', ') FROM pg_class AS c \
         WHERE c.relkind = 'r' AND c.relnamespace = 'hubbub'::regnamespace",
    )?;
    Ok(postgres.psql(&format!("VACUUM (ANALYZE) {tables}")).map(drop)?)
}

/// A `psql` that takes batches.
struct Sink {
    child: Child,
    input: Option<BufWriter<ChildStdin>>,
}

impl Sink {
    fn open(postgres: &Postgres) -> Result<Self, LoadError> {
        let mut command = Command::new("psql");
        command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-o", "/dev/null", "-d", &postgres.url()]);
        command.env_remove("PGOPTIONS").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(during("psql"))?;
        let input = child.stdin.take().map(BufWriter::new);
        let mut sink = Self { child, input };
        sink.write(|input| input.write_all(FUNCTIONS.as_bytes()))?;
        Ok(sink)
    }

    fn write(
        &mut self,
        write: impl FnOnce(&mut BufWriter<ChildStdin>) -> std::io::Result<()>,
    ) -> Result<(), LoadError> {
        self.input.as_mut().map_or(Ok(()), write).map_err(during("psql"))
    }

    fn batch_if_due(&mut self, told: &Telling, book: &mut Book, filled: &mut Filled) -> Result<(), LoadError> {
        // The hub writes no batch that is larger than a page, so the first segment of a log ends there.
        let due = book.events.len().max(book.records.len()) >= BATCH || told.head == PAGE;
        if due { self.batch(book, filled) } else { Ok(()) }
    }

    /// Writes what the book holds in one transaction.
    fn batch(&mut self, book: &mut Book, filled: &mut Filled) -> Result<(), LoadError> {
        filled.events += book.events.len() as u64;
        filled.records += book.records.len() as u64;
        self.write(|input| {
            writeln!(input, "BEGIN;\nCOPY told_event FROM STDIN;")?;
            book.events.drain(..).try_for_each(|row| row_of_event(input, &row))?;
            writeln!(input, "\\.\nCOPY told_record FROM STDIN;")?;
            book.records.drain(..).try_for_each(|row| row_of_record(input, &row))?;
            writeln!(input, "\\.\nSELECT pg_temp.write_batch('{TENANT}');\nCOMMIT;")
        })
    }

    /// Waits for its end, and tells why it ended badly.
    fn close(mut self) -> Result<(), LoadError> {
        drop(self.input.take());
        let output = self.child.wait_with_output().map_err(during("psql"))?;
        if output.status.success() {
            return Ok(());
        }
        let why = String::from_utf8_lossy(&output.stderr);
        Err(LoadError::Start(format!("filling the database: {}", why.trim())))
    }
}

fn row_of_event(out: &mut impl Write, row: &EventRow) -> std::io::Result<()> {
    let EventRow { channel, offset, time, id, publisher, author, data } = row;
    let id = u128::from_be_bytes(id.to_bytes());
    let (author, data) = (column(author.as_deref()), column(Some(data)));
    writeln!(out, "{channel}\t{offset}\t{time}\t{id:032x}\t{publisher}\t{author}\t{data}")
}

fn row_of_record(out: &mut impl Write, row: &RecordRow) -> std::io::Result<()> {
    let RecordRow { home, kind, key, group, at, who, text, body } = row;
    let (who, text, body) = (column(who.as_deref()), column(text.as_deref()), column(Some(body)));
    writeln!(out, "{home}\t{kind}\t{key}\t{group}\t{at}\t{who}\t{text}\t{body}")
}

/// As COPY reads it.
fn column(text: Option<&str>) -> std::borrow::Cow<'_, str> {
    match text {
        None => "\\N".into(),
        Some(text) if text.contains(['\\', '\t', '\n', '\r']) => {
            text.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n").replace('\r', "\\r").into()
        }
        Some(text) => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::column;

    #[test]
    fn columns_are_as_copy_reads_them() {
        assert_eq!(column(None), "\\N");
        assert_eq!(column(Some("a b")), "a b");
        assert_eq!(column(Some("{\"a\":\"\\n\"}\t\n")), "{\"a\":\"\\\\n\"}\\t\\n");
    }
}
