//! Writes what a plan says of logs: heads, messages and keys in one statement, and what goes again.

use hubbub_protocol::Key;
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::columns;
use super::commit::Locked;
use super::epoch::Present;
use super::error::row_error;
use super::rows::{index, offset_to_sql, to_sql};
use super::script::{array, bytes, names, tenant};
use crate::plan::{Named, Plan, scope_of};
use crate::store::StoreError;

/// The statement. Its parameters are columns: arrays of the same length.
pub(super) fn write(
    batch: &Named<'_>,
    locked: &[Locked],
    plan: &Plan<'_>,
    present: Present,
) -> Result<String, StoreError> {
    let tenant_of = |channel: usize| Some(batch.channels[channel].tenant.as_str());
    let moved = || (0..locked.len()).filter(|channel| locked[*channel].head < plan.heads[*channel]);
    let placed = || plan.messages.iter();
    let messages = || plan.messages.iter().map(|placed| &placed.message);
    let keys = || plan.keys.iter().map(|((channel, scope), held)| (*channel, scope, held));
    let columns = [
        columns::names(moved().map(tenant_of)),
        columns::numbers(moved().map(|channel| locked[channel].id)),
        columns::numbers(moved().map(|channel| to_sql(plan.heads[channel]))),
        columns::names(placed().map(|placed| tenant_of(placed.channel))),
        columns::numbers(placed().map(|placed| locked[placed.channel].id)),
        columns::numbers(placed().map(|placed| to_sql(placed.offset))),
        columns::numbers(messages().map(|message| to_sql(message.time))),
        columns::digits(messages().map(|message| Some(message.id.to_bytes()))),
        columns::texts(placed().map(|placed| Some(placed.publisher)))?,
        columns::texts(messages().map(|message| message.key.as_ref().map(Key::as_str)))?,
        columns::texts(messages().map(|message| message.conflate_key.as_ref().map(Key::as_str)))?,
        columns::names(messages().map(|message| message.from.as_ref().map(|user| user.as_str()))),
        columns::texts(messages().map(|message| Some(message.data.get())))?,
        columns::names(keys().map(|(channel, _, _)| tenant_of(channel))),
        columns::numbers(keys().map(|(channel, _, _)| locked[channel].id)),
        columns::numbers(keys().map(|(_, _, held)| to_sql(held.offset))),
        columns::numbers(keys().map(|(_, _, held)| to_sql(held.time))),
        columns::digits(keys().map(|(_, _, held)| Some(held.id.to_bytes()))),
        columns::digits(keys().map(|(_, scope, _)| Some(*scope))),
        columns::digits(keys().map(|(_, _, held)| held.digest)),
    ];
    Ok(format!("SELECT hubbub.write({}, {})", present.ordinal, columns.join(", ")))
}

/// Takes channels back that were made to be locked and stayed empty; `None` when there are none.
pub(super) fn unmake(locked: &[Locked], plan: &Plan<'_>) -> Option<String> {
    let empty = locked.iter().zip(&plan.heads).filter(|(channel, head)| channel.fresh && **head == 0);
    let ids: Vec<i64> = empty.map(|(channel, _)| channel.id).collect();
    (!ids.is_empty()).then(|| format!("SELECT hubbub.unmake_channels({})", columns::numbers(ids.into_iter())))
}

/// Makes tombstones, and answers what their keys were scoped to; `None` when there are none.
pub(super) fn erase(batch: &Named<'_>, plan: &Plan<'_>) -> Option<String> {
    let channels = names(plan.erased.iter().map(|(channel, _)| batch.channels[*channel]));
    let offsets = columns::numbers(plan.erased.iter().map(|(_, offset)| offset_to_sql(*offset)));
    (!plan.erased.is_empty()).then(|| format!("SELECT * FROM hubbub.erase_all({channels}, {offsets})"))
}

/// Forgets what the messages of these keys said; `None` when none had a key.
pub(super) fn forget(batch: &Named<'_>, plan: &Plan<'_>, erased: &[PgRow]) -> Result<Option<String>, StoreError> {
    let (mut tenants, mut channels, mut scopes, mut offsets) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for row in erased {
        let (channel, offset) = plan.erased[index(row.try_get(0).map_err(row_error)?, plan.erased.len())?];
        let publisher: Option<&str> = row.try_get(2).map_err(row_error)?;
        let key: Option<&str> = row.try_get(3).map_err(row_error)?;
        if let (Some(publisher), Some(key)) = (publisher, key) {
            tenants.push(tenant(&batch.channels[channel].tenant));
            channels.push(row.try_get(1).map_err(row_error)?);
            scopes.push(bytes(&scope_of(publisher, key)));
            offsets.push(offset_to_sql(offset));
        }
    }
    let (tenants, scopes) = (array("text", tenants.into_iter()), array("bytea", scopes.into_iter()));
    let any = !offsets.is_empty();
    let (channels, offsets) = (columns::numbers(channels.into_iter()), columns::numbers(offsets.into_iter()));
    Ok(any.then(|| format!("SELECT hubbub.forget_digests({tenants}, {channels}, {scopes}, {offsets})")))
}
