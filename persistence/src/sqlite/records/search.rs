//! Search: the table of words finds rows, the rows say whether they may be seen.

use sqlx::AssertSqlSafe;
use sqlx::sqlite::SqliteConnection;

use super::super::error::store_error;
use super::row::{RECORD, record};
use crate::page::PAGE_MAX;
use crate::records::question::{LOOKED, RANKED};
use crate::records::{Hit, Search, SearchIn};
use crate::store::StoreError;
use crate::words::Words;

/// Messages whose text fits, best first: those with more words that fit; of equals the one with the greater key, which of ids is
/// the newer.
pub(in super::super) async fn search(
    connection: &mut SqliteConnection,
    search: &Search,
) -> Result<Vec<Hit>, StoreError> {
    let Some(words) = Words::parse(&search.words) else { return Ok(Vec::new()) };
    let bound = match &search.within {
        SearchIn::Channel(channel) if channel.tenant != search.tenant => return Ok(Vec::new()),
        SearchIn::Channel(channel) => channel.channel.as_str(),
        SearchIn::JoinedBy(user) => user.as_str(),
    };
    let from = search.from.as_ref().map(|from| from.as_str());
    let rows = sqlx::query(AssertSqlSafe(statement(search)))
        .bind(expression(search, &words))
        .bind(LOOKED)
        .bind(search.tenant.as_str())
        .bind(bound)
        .bind(from)
        .bind(RANKED)
        .fetch_all(connection)
        .await
        .map_err(store_error)?;
    let hit = |row| {
        let record = record(row, 0, &search.tenant)?;
        let highlights = record.text.as_deref().map(|text| words.highlights(text)).unwrap_or_default();
        Ok(Hit { record, highlights })
    };
    let mut hits = rows.iter().map(hit).collect::<Result<Vec<Hit>, StoreError>>()?;
    // By what is read anyway: the table's own rank looks at every message that has one of the words.
    hits.sort_by(|a, b| {
        b.highlights.len().cmp(&a.highlights.len()).then_with(|| b.record.key.key.cmp(&a.record.key.key))
    });
    Ok(hits.into_iter().skip(search.skip as usize).take(search.limit.min(PAGE_MAX) as usize).collect())
}

/// Takes what [`expression`] says, how many messages are looked at, the tenant, the channel or the user, the author, and how many
/// are ranked. Rows are numbered as they come, so both are the newest.
pub(super) fn statement(search: &Search) -> String {
    let within = match &search.within {
        SearchIn::Channel(_) => "r.home = ?",
        SearchIn::JoinedBy(_) => {
            "EXISTS (SELECT 1 FROM records AS m
                     WHERE m.tenant = r.tenant AND m.who = ? AND m.kind = 2 AND m.home = r.home AND m.grp = 'joined')"
        }
    };
    let author = if search.from.is_some() { "r.who = ?" } else { "? IS NULL" };
    format!(
        "SELECT {RECORD} FROM (SELECT rowid FROM words WHERE words MATCH ? ORDER BY rowid DESC LIMIT ?) AS w
             CROSS JOIN records AS r ON r.row = w.rowid
         WHERE r.tenant = ? AND r.kind = 3 AND {within} AND {author} ORDER BY w.rowid DESC LIMIT ?"
    )
}

/// What the table of words is asked. Words are letters and digits, names have no quotes: nothing can end a string.
fn expression(search: &Search, words: &Words) -> String {
    let mut text: Vec<String> = words.whole().iter().map(|word| format!("\"{word}\"")).collect();
    text.push(format!("\"{}\" *", words.last()));
    let home = match &search.within {
        SearchIn::Channel(channel) => format!(" AND home : \"{}\"", channel.channel),
        SearchIn::JoinedBy(_) => String::new(),
    };
    format!("tenant : \"{}\"{home} AND text : ({})", search.tenant, text.join(" AND "))
}
