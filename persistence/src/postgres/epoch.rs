//! Epochs: what an old position is worth after the database was restarted, failed over or restored.
//!
//! An epoch is bound to the database that it began in: system identifier, timeline, and start of the server. Every
//! transaction asks whether that is still so (`hubbub.present()`), not only a new connection: behind PgBouncer nobody is
//! told when the server behind a connection is another one. The first to find it changed begins a new epoch
//! (`hubbub.enter()`), under a lock on the one row that says which database it was.
//!
//! A new epoch costs no client anything: numbering goes on, and what each channel held at that moment stays proven. Its
//! start in a channel is written with the first append there; until then the head of the channel says the same.

use hubbub_protocol::channel::ChannelKey;
use hubbub_protocol::{Epoch, GapReason, Position};
use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::connections::Connections;
use super::error::{Fault, damaged, row_error};
use super::rows::{offset, to_sql};
use super::script::{Access, Script, channel, send, tenant};
use crate::log::Continuity;
use crate::store::StoreError;
use std::sync::Arc;

/// The present epoch of the store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Present {
    /// Which one it is, counted from 1.
    pub(super) ordinal: i32,
    /// Its name.
    pub(super) epoch: Epoch,
}

/// Goes on with the last epoch, or begins a new one if the database is another one than then. The function says
/// `Refused` when the server is a standby: nothing can begin there.
pub(super) async fn enter(connection: &mut PgConnection, seed: u64) -> Result<(), Fault> {
    let seed = seed.cast_signed();
    let sql = format!("BEGIN READ WRITE; SELECT ordinal, epoch, begun FROM hubbub.enter({seed}); COMMIT");
    let sets = send(connection, sql).await?;
    let Some(row) = sets.get(1).and_then(|rows| rows.first()) else { return Err(Fault::Moved) };
    let present = Present::of(row, 0)?;
    if row.try_get(2).map_err(row_error)? && present.ordinal > 1 {
        let epoch = present.epoch;
        tracing::warn!(%epoch, "the database was restarted, failed over or restored: a new epoch begins");
    }
    Ok(())
}

/// What a position is worth. One rule: it is proven up to where the first later epoch started in its channel; without a
/// later one, up to the head.
pub(super) async fn continuity(
    connections: &Arc<Connections>,
    key: &ChannelKey,
    position: Position,
) -> Result<Continuity, StoreError> {
    let (owner, name) = (tenant(&key.tenant), channel(&key.channel));
    // No epoch of ours is that large.
    let epoch = to_sql(position.epoch.to_u64());
    let script = Script::new(Access::Read, Some(&key.tenant)).then(format_args!(
        "SELECT c.head, (SELECT s.starts_after FROM hubbub.epoch_starts AS s
                         WHERE s.tenant = {owner} AND s.channel_id = c.id AND s.ordinal > e.ordinal
                         ORDER BY s.ordinal LIMIT 1)
         FROM hubbub.epochs AS e CROSS JOIN hubbub.channels AS c
         WHERE e.epoch = {epoch} AND c.tenant = {owner} AND c.name = {name}"
    ));
    let answer = connections.run(script).await?;
    let since = match answer.rows.first().and_then(|rows| rows.first()) {
        None => 0,
        Some(row) => {
            let head = offset(row.try_get(0).map_err(row_error)?)?;
            match row.try_get::<Option<i64>, _>(1).map_err(row_error)?.map(offset).transpose()? {
                Some(starts_after) if starts_after > head => {
                    return Err(damaged(format!("{key} starts after its head")));
                }
                Some(starts_after) => starts_after,
                None => head,
            }
        }
    };
    // Who has seen nothing has seen nothing else, in whatever epoch.
    if position.offset <= since {
        Ok(Continuity::Proven { offset: position.offset })
    } else {
        Ok(Continuity::Broken { since, reason: GapReason::Epoch })
    }
}
