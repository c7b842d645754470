//! Search: a function asks the index of words, behind the wall of the tenant that the transaction has set.

use std::sync::Arc;

use super::super::connections::Connections;
use super::super::script::{Access, Script, channel, text};
use super::row::{RECORD, record};
use crate::page::PAGE_MAX;
use crate::records::question::{LOOKED, RANKED};
use crate::records::{Hit, Search, SearchIn};
use crate::store::StoreError;
use crate::words::Words;

/// Messages whose text fits, best first; of equals the one with the greater key, which of ids is the newer.
pub(super) async fn search(connections: &Arc<Connections>, search: &Search) -> Result<Vec<Hit>, StoreError> {
    let Some(words) = Words::parse(&search.words) else { return Ok(Vec::new()) };
    let (within, joined_by) = match &search.within {
        SearchIn::Channel(home) if home.tenant != search.tenant => return Ok(Vec::new()),
        SearchIn::Channel(home) => (channel(&home.channel), "NULL".to_owned()),
        SearchIn::JoinedBy(user) => ("NULL".to_owned(), format!("'{user}'")),
    };
    let author = search.from.as_ref().map_or_else(|| "NULL".to_owned(), |from| format!("'{from}'"));
    // Words are letters and digits: nothing can end a string.
    let mut terms: Vec<String> = words.whole().iter().map(|word| format!("'{word}'")).collect();
    let whole = if terms.is_empty() { "NULL".to_owned() } else { text(&terms.join(" & ")) };
    terms.push(format!("'{}':*", words.last()));
    let script = Script::new(Access::Read, Some(&search.tenant)).then(format_args!(
        "SELECT {RECORD} FROM hubbub.search({within}, {joined_by}, {author}, {}, {whole}, {RANKED}, {LOOKED}, {}, {})",
        text(&terms.join(" & ")),
        search.limit.min(PAGE_MAX),
        search.skip,
    ));
    let answer = connections.run(script).await?;
    let hit = |row| {
        let record = record(row, 0, &search.tenant)?;
        let highlights = record.text.as_deref().map(|text| words.highlights(text)).unwrap_or_default();
        Ok(Hit { record, highlights })
    };
    answer.rows.iter().flatten().map(hit).collect()
}
