//! What a batch changes: one statement. The words of messages follow by themselves.

use super::super::columns;
use super::super::rows::to_sql;
use crate::records::view::Changes;
use crate::records::{Record, RecordKey};
use crate::store::StoreError;

/// The statement; `None` when nothing changes.
pub(in super::super) fn write_records(changes: &Changes) -> Result<Option<String>, StoreError> {
    if changes.is_empty() {
        return Ok(None);
    }
    let put: Vec<&Record> = changes.iter().filter_map(|(_, record)| record).collect();
    let gone: Vec<&RecordKey> = changes.iter().filter(|(_, record)| record.is_none()).map(|(key, _)| key).collect();
    // It may be empty, and an empty text is none in a column.
    let texts: Vec<Option<String>> =
        put.iter().map(|record| record.text.as_ref().map(|text| format!("={text}"))).collect();
    let keys = || put.iter().map(|record| &record.key);
    let columns = [
        tenants(keys()),
        homes(keys()),
        columns::small(keys().map(|key| key.kind.number())),
        columns::texts(keys().map(|key| Some(key.key.as_str())))?,
        columns::texts(put.iter().map(|record| Some(record.group.as_str()).filter(|group| !group.is_empty())))?,
        columns::numbers(put.iter().map(|record| to_sql(record.at))),
        columns::names(put.iter().map(|record| record.who.as_ref().map(|who| who.as_str()))),
        columns::texts(texts.iter().map(Option::as_deref))?,
        columns::texts(put.iter().map(|record| Some(record.body.as_str())))?,
        tenants(gone.iter().copied()),
        homes(gone.iter().copied()),
        columns::small(gone.iter().map(|key| key.kind.number())),
        columns::texts(gone.iter().map(|key| Some(key.key.as_str())))?,
    ];
    Ok(Some(format!("SELECT hubbub.write_records({})", columns.join(", "))))
}

fn tenants<'a>(keys: impl Iterator<Item = &'a RecordKey>) -> String {
    columns::names(keys.map(|key| Some(key.home.tenant.as_str())))
}

fn homes<'a>(keys: impl Iterator<Item = &'a RecordKey>) -> String {
    columns::names(keys.map(|key| Some(key.home.channel.as_str())))
}
