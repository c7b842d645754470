//! Search: the table of words finds rows, the rows say whether they may be seen.

use sqlx::AssertSqlSafe;
use sqlx::sqlite::SqliteConnection;

use super::super::error::store_error;
use super::row::{RECORD, record};
use crate::page::PAGE_MAX;
use crate::records::{Hit, Search, SearchIn};
use crate::store::StoreError;
use crate::words::Words;

/// Most hits that are skipped.
const SKIP_MAX: u32 = 1_000;

/// Messages whose text fits, best first; of equals the one with the greater key, which of ids is the newer.
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
        .bind(search.tenant.as_str())
        .bind(bound)
        .bind(from)
        .bind(search.limit.min(PAGE_MAX))
        .bind(search.skip.min(SKIP_MAX))
        .fetch_all(connection)
        .await
        .map_err(store_error)?;
    let hit = |row| {
        let record = record(row, 0, &search.tenant)?;
        let highlights = record.text.as_deref().map(|text| words.highlights(text)).unwrap_or_default();
        Ok(Hit { record, highlights })
    };
    rows.iter().map(hit).collect()
}

/// Takes what [`expression`] says, the tenant, the channel or the user, the author, how many hits and how many to skip.
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
        "SELECT {RECORD} FROM words CROSS JOIN records AS r ON r.row = words.rowid
         WHERE words MATCH ? AND r.tenant = ? AND r.kind = 3 AND {within} AND {author}
         ORDER BY bm25(words, 0.0, 0.0, 1.0), r.key DESC LIMIT ? OFFSET ?"
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
