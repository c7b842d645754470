//! Writes what a plan says of logs: heads, messages and keys in one statement.

use hubbub_protocol::Key;

use super::columns;
use super::commit::Locked;
use super::epoch::Present;
use super::rows::to_sql;
use crate::plan::{Named, Plan};
use crate::store::StoreError;

/// The statement, and the end of the transaction. Its parameters are columns: arrays of the same length.
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
    Ok(format!("SELECT hubbub.write({}, {}); COMMIT", present.ordinal, columns.join(", ")))
}
