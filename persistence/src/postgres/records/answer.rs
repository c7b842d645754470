//! What acts ask: one statement for all questions of a round.

use hubbub_protocol::channel::ChannelKey;
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::super::columns;
use super::super::error::row_error;
use super::super::rows::{index, to_sql};
use super::row::record;
use crate::records::view::Answers;
use crate::records::{GROUP_RECORDS, Kind, Question, Record};
use crate::store::StoreError;

/// A question in the columns of the statement: home, kind, form, key or group, place.
type Asked<'a> = (&'a ChannelKey, Kind, i16, &'a str, u64);

/// The statement. [`take`] takes what it answers.
pub(in super::super) fn ask(questions: &[Question]) -> Result<String, StoreError> {
    statement(questions.iter().map(asked))
}

pub(super) fn statement<'a>(asked: impl Iterator<Item = Asked<'a>> + Clone) -> Result<String, StoreError> {
    let columns = [
        columns::names(asked.clone().map(|(home, ..)| Some(home.tenant.as_str()))),
        columns::names(asked.clone().map(|(home, ..)| Some(home.channel.as_str()))),
        columns::small(asked.clone().map(|(_, kind, ..)| kind.number())),
        columns::small(asked.clone().map(|(_, _, form, ..)| form)),
        // No text is an empty one there.
        columns::texts(asked.clone().map(|(_, _, _, name, _)| Some(name).filter(|name| !name.is_empty())))?,
        columns::numbers(asked.map(|(.., at)| to_sql(at))),
    ];
    Ok(format!("SELECT * FROM hubbub.answers({}, {GROUP_RECORDS})", columns.join(", ")))
}

fn asked(question: &Question) -> Asked<'_> {
    match question {
        Question::Key(key) => by_key(&key.home, key.kind, &key.key),
        Question::Last { home, kind, group, at } => (home, *kind, 1, group, *at),
        Question::Group { home, kind, group } => (home, *kind, 2, group, u64::MAX),
    }
}

/// The record of a name.
pub(super) fn by_key<'a>(home: &'a ChannelKey, kind: Kind, key: &'a str) -> Asked<'a> {
    (home, kind, 0, key, u64::MAX)
}

/// Adds what the statement answered.
pub(in super::super) fn take(questions: &[Question], rows: &[PgRow], answers: &mut Answers) -> Result<(), StoreError> {
    let mut found: Vec<Vec<Record>> = vec![Vec::new(); questions.len()];
    for row in rows {
        let number = index(row.try_get(0).map_err(row_error)?, found.len())?;
        found[number].push(record(row, 1, &questions[number].home().tenant)?);
    }
    for records in &mut found {
        records.sort_by(|a, b| (a.at, &a.key).cmp(&(b.at, &b.key)));
    }
    answers.extend(questions.iter().cloned().zip(found));
    Ok(())
}
