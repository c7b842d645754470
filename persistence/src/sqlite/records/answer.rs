//! Answers what acts ask: each form of question with few statements over many.

use hubbub_protocol::channel::ChannelKey;
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use super::super::error::store_error;
use super::super::rows::{chunks, index, index_to_sql, to_sql, with_values};
use super::row::{RECORD, record};
use crate::records::view::Answers;
use crate::records::{GROUP_RECORDS, Kind, Question, Record};
use crate::store::StoreError;

/// What fits to a question; its columns are number, tenant, home, kind, key or group, place.
pub(super) const KEY: &str = "r.tenant = v.column2 AND r.home = v.column3 AND r.kind = v.column4 AND r.key = v.column5";
pub(super) const LAST: &str = "r.row = (
    SELECT l.row FROM records AS l
    WHERE l.tenant = v.column2 AND l.home = v.column3 AND l.kind = v.column4 AND l.grp = v.column5 AND l.at <= v.column6
    ORDER BY l.at DESC, l.key DESC LIMIT 1)";
pub(super) const GROUP: &str = "r.row IN (
    SELECT l.row FROM records AS l
    WHERE l.tenant = v.column2 AND l.home = v.column3 AND l.kind = v.column4 AND l.grp = v.column5 AND l.at <= v.column6
    ORDER BY l.at, l.key LIMIT {most})";

/// A question in the columns of a statement: number, home, kind, key or group, place.
type Asked<'a> = (usize, &'a ChannelKey, Kind, &'a str, u64);

/// Adds the answers to these questions.
pub(in super::super) async fn answer(
    connection: &mut SqliteConnection,
    questions: Vec<Question>,
    answers: &mut Answers,
) -> Result<(), StoreError> {
    let (mut keys, mut lasts, mut groups) = (Vec::new(), Vec::new(), Vec::new());
    for (number, question) in questions.iter().enumerate() {
        match question {
            Question::Key(key) => keys.push((number, &key.home, key.kind, key.key.as_str(), u64::MAX)),
            Question::Last { home, kind, group, at } => lasts.push((number, home, *kind, group.as_str(), *at)),
            Question::Group { home, kind, group } => groups.push((number, home, *kind, group.as_str(), u64::MAX)),
        }
    }
    let mut found: Vec<Vec<Record>> = vec![Vec::new(); questions.len()];
    let group = GROUP.replace("{most}", &GROUP_RECORDS.to_string());
    for (fits, asked) in [(KEY, keys), (LAST, lasts), (&group, groups)] {
        load(connection, fits, &asked, &questions, &mut found).await?;
    }
    for records in &mut found {
        records.sort_by(|a, b| (a.at, &a.key).cmp(&(b.at, &b.key)));
    }
    answers.extend(questions.into_iter().zip(found));
    Ok(())
}

/// Answers number and record of what fits.
pub(super) fn statement(fits: &str) -> String {
    format!("SELECT v.column1, {RECORD} FROM ({{}}) AS v CROSS JOIN records AS r ON {fits}")
}

async fn load(
    connection: &mut SqliteConnection,
    fits: &str,
    asked: &[Asked<'_>],
    questions: &[Question],
    found: &mut [Vec<Record>],
) -> Result<(), StoreError> {
    for chunk in chunks(asked) {
        let mut query = sqlx::query(with_values(&statement(fits), 6, chunk.len()));
        for (number, home, kind, name, at) in chunk {
            query = query
                .bind(index_to_sql(*number))
                .bind(home.tenant.as_str())
                .bind(home.channel.as_str())
                .bind(kind.number())
                .bind(*name)
                .bind(to_sql(*at));
        }
        for row in query.fetch_all(&mut *connection).await.map_err(store_error)? {
            let number = index(row.try_get(0).map_err(store_error)?, found.len())?;
            found[number].push(record(&row, 1, &questions[number].home().tenant)?);
        }
    }
    Ok(())
}
