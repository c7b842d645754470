//! A look: heads, records by name and lists, in one round trip and from one snapshot.

use std::sync::Arc;

use hubbub_protocol::channel::TenantId;
use sqlx::Row;

use super::super::connections::Connections;
use super::super::error::{damaged, row_error};
use super::super::read::{head, untouched};
use super::super::rows::index;
use super::super::script::{Access, Answer, Script, names};
use super::answer::{by_key, statement};
use super::list::list_statement;
use super::row::record;
use crate::records::{Look, Looked};
use crate::store::StoreError;

/// Answers everything. What is another tenant's is not asked for, and so not there.
pub(super) async fn look(connections: &Arc<Connections>, tenant: &TenantId, look: &Look) -> Result<Looked, StoreError> {
    let heads: Vec<_> = look.heads.iter().enumerate().filter(|(_, channel)| channel.tenant == *tenant).collect();
    let keys: Vec<_> = look.keys.iter().enumerate().filter(|(_, key)| key.home.tenant == *tenant).collect();
    let script = Script::new(Access::Snapshot, Some(tenant))
        .then(format_args!("SELECT * FROM hubbub.heads({})", names(heads.iter().map(|(_, channel)| *channel))))
        .then(format_args!("{}", statement(keys.iter().map(|(_, key)| by_key(&key.home, key.kind, &key.key)))?));
    let lists: Vec<_> = look.lists.iter().map(|list| list_statement(tenant, list)).collect();
    let script = lists.iter().flatten().fold(script, |script, list| script.then(format_args!("{list}")));
    let Answer { present, rows } = connections.run(script).await?;
    let mut sets = rows.iter();
    let mut next = || sets.next().map(Vec::as_slice).ok_or_else(|| damaged("a script was not answered whole"));
    let mut looked = Looked {
        heads: vec![untouched(present.epoch); look.heads.len()],
        keys: vec![None; look.keys.len()],
        lists: Vec::with_capacity(lists.len()),
    };
    for row in next()? {
        let number = index(row.try_get(0).map_err(row_error)?, heads.len())?;
        looked.heads[heads[number].0] = head(row, 1, present.epoch)?;
    }
    for row in next()? {
        let number = index(row.try_get(0).map_err(row_error)?, keys.len())?;
        looked.keys[keys[number].0] = Some(record(row, 1, tenant)?);
    }
    for list in &lists {
        let rows = if list.is_some() { next()? } else { &[] };
        looked.lists.push(rows.iter().map(|row| record(row, 0, tenant)).collect::<Result<_, _>>()?);
    }
    Ok(looked)
}
