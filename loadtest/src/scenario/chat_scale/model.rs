//! A room that is made by asking the hub, and told beside: what stands in the database must be what was told, column by column. So the
//! fill writes what the hub would have written.

use hubbub_local::postgres::Postgres;
use hubbub_protocol::MessageId;
use serde_json::{Value, json};

use super::rows::{Act, Book, EventRow, RecordRow, Telling};
use crate::LoadError;
use crate::publisher::Publisher;

const CHANNEL: &str = "room:model";
const NAME: &str = "Model";

/// Makes the room both ways; what differs.
pub(super) fn differences(publisher: &mut Publisher, postgres: &Postgres) -> Result<Vec<String>, LoadError> {
    let mut book = Book::default();
    let people = ["model-ann".to_owned(), "model-ben".to_owned()];
    let mut ask = |op: &str, body: Value| act(&publisher.room(op, &body)?);
    let made = ask("create", json!({ "channel": CHANNEL, "kind": "public", "name": NAME, "members": people }))?;
    let mut told = Telling::create(CHANNEL, NAME, &people, made, &mut book)?;
    told.join("model-cat", ask("join", json!({ "channel": CHANNEL, "as": "model-cat" }))?, &mut book)?;
    for (author, text) in [("model-ben", "@here first words"), ("model-cat", "second words"), ("model-ben", "third")] {
        let said = ask("send", json!({ "channel": CHANNEL, "text": text, "as": author }))?;
        told.send(author, text, said, &mut book)?;
    }
    let read = ask("read", json!({ "channel": CHANNEL, "ordinal": 2, "as": "model-ann" }))?;
    told.read("model-ann", 2, read, &mut book)?;
    told.end(&mut book);
    let mut expected: Vec<String> = book.events.iter().map(of_event).collect();
    // What is written later takes the place of what was there.
    book.records.reverse();
    book.records.sort_by(|a, b| (&a.home, a.kind, &a.key).cmp(&(&b.home, b.kind, &b.key)));
    book.records.dedup_by(|a, b| (&a.home, a.kind, &a.key) == (&b.home, b.kind, &b.key));
    expected.extend(book.records.iter().map(of_record));
    let there = stored(postgres)?;
    let missing =
        expected.iter().filter(|row| !there.contains(row)).map(|row| format!("the hub has not written {row}"));
    let strange = there.iter().filter(|row| !expected.contains(row)).map(|row| format!("the hub has written {row}"));
    Ok(missing.chain(strange).collect())
}

fn act(answer: &Value) -> Result<Act, LoadError> {
    let id = answer["message"].as_str().and_then(|id| MessageId::parse(id).ok());
    id.zip(answer["time"].as_u64())
        .map(|(id, time)| Act { id, time })
        .ok_or_else(|| LoadError::Api(format!("an answer without id and time: {answer}")))
}

fn of_event(row: &EventRow) -> String {
    let EventRow { channel, offset, time, id, publisher, author, data } = row;
    let id = format!("{:032x}", u128::from_be_bytes(id.to_bytes()));
    json!([channel, offset, time, id, publisher, null, null, author, data]).to_string()
}

fn of_record(row: &RecordRow) -> String {
    let RecordRow { home, kind, key, group, at, who, text, body } = row;
    json!([home, kind, key, group, at, who, text, body]).to_string()
}

/// What the database has of the room and of its people.
fn stored(postgres: &Postgres) -> Result<Vec<String>, LoadError> {
    let of_model = |column: &str| format!("{column} = '{CHANNEL}' OR {column} LIKE 'user:model-%'");
    let events = format!(
        "SELECT json_build_array(c.name, m.\"offset\", m.time, encode(m.id, 'hex'), m.publisher, m.key, m.conflate_key, m.author, \
             m.data) \
         FROM hubbub.messages AS m JOIN hubbub.channels AS c ON c.id = m.channel_id WHERE {}",
        of_model("c.name")
    );
    let records = format!(
        "SELECT json_build_array(home, kind, key, grp, at, who, text, body) FROM hubbub.records WHERE {}",
        of_model("home")
    );
    let mut rows = Vec::new();
    for answer in [postgres.psql(&events)?, postgres.psql(&records)?] {
        for line in answer.lines() {
            let row: Value = serde_json::from_str(line)
                .map_err(|error| LoadError::Api(format!("a row of the database: {error}")))?;
            rows.push(row.to_string());
        }
    }
    Ok(rows)
}
