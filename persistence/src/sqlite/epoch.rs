//! Epochs: what an old position is worth after the file was restored, copied or not closed well.
//!
//! An opening goes on with the epoch of the one before only if the file is provably the one that was closed then:
//! closed cleanly, at the same device and inode, and agreeing with the side file on the seed of the last opening. In
//! every other case (a backup put in place, a copy, a power cut on a disk that lies) a new epoch begins. Numbering goes
//! on, and what each channel held at that moment stays proven, so that a needless new epoch costs no client anything:
//! positions up to the head continue.
//!
//! The start of an epoch in a channel is written with the first append there. Until then its head says the same.

use hubbub_protocol::channel::ChannelKey;
use hubbub_protocol::{Epoch, GapReason, Position};
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use super::connections::Connections;
use super::error::{damaged, store_error};
use super::file::{Claim, FileIdentity};
use super::rows::{offset, to_sql};
use crate::log::Continuity;
use crate::store::StoreError;

/// Epochs are below this, so that they are short on the wire and fit into a signed number.
const EPOCH_BITS: u32 = 60;

/// The present epoch of the store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Present {
    /// Which one it is, counted from 1.
    pub(super) ordinal: i64,
    /// Its name.
    pub(super) epoch: Epoch,
}

/// Goes on with the last epoch or begins a new one, and marks the store as open.
pub(super) async fn enter(writer: &Connections, claim: &Claim, seed: u64) -> Result<Present, StoreError> {
    let identity = claim.identity()?;
    let mut transaction = writer.begin().await?;
    let connection = transaction.connection();
    let last = last_epoch(connection).await?;
    let same = was_closed_as(connection, identity, claim.closed_seed()).await?;
    let present = match last {
        Some(last) if same => last,
        _ => begin(connection, last, seed).await?,
    };
    sqlx::query(
        "INSERT INTO store (only_row, device, inode, seed, closed) VALUES (1, ?, ?, ?, 0)
         ON CONFLICT (only_row) DO UPDATE SET
             device = excluded.device, inode = excluded.inode, seed = excluded.seed, closed = 0",
    )
    .bind(identity.device.cast_signed())
    .bind(identity.inode.cast_signed())
    .bind(seed.cast_signed())
    .execute(connection)
    .await
    .map_err(store_error)?;
    transaction.commit_repeatable().await?;
    claim.mark_open()?;
    Ok(present)
}

/// Marks the store as cleanly closed, the last thing that is written.
pub(super) async fn leave(writer: &Connections) -> Result<(), StoreError> {
    let mut transaction = writer.begin().await?;
    sqlx::query("UPDATE store SET closed = 1").execute(transaction.connection()).await.map_err(store_error)?;
    transaction.commit_repeatable().await
}

/// What a position is worth. One rule: it is proven up to where the first later epoch started in its channel; without a
/// later one, up to the head.
pub(super) async fn continuity(
    connection: &mut SqliteConnection,
    channel: &ChannelKey,
    position: Position,
) -> Result<Continuity, StoreError> {
    let since = match i64::try_from(position.epoch.to_u64()) {
        Ok(epoch) => proven_up_to(connection, channel, epoch).await?,
        Err(_) => 0,
    };
    // Who has seen nothing has seen nothing else, in whatever epoch.
    if position.offset <= since {
        Ok(Continuity::Proven { offset: position.offset })
    } else {
        Ok(Continuity::Broken { since, reason: GapReason::Epoch })
    }
}

/// The last offset that means the same in that epoch and now; 0 for an unknown epoch or an untouched channel.
async fn proven_up_to(connection: &mut SqliteConnection, channel: &ChannelKey, epoch: i64) -> Result<u64, StoreError> {
    let row = sqlx::query(
        "SELECT c.head, (SELECT s.starts_after FROM epoch_starts AS s
                         WHERE s.channel_id = c.id AND s.ordinal > e.ordinal ORDER BY s.ordinal LIMIT 1)
         FROM epochs AS e CROSS JOIN channels AS c
         WHERE e.epoch = ? AND c.tenant = ? AND c.name = ?",
    )
    .bind(epoch)
    .bind(channel.tenant.as_str())
    .bind(channel.channel.as_str())
    .fetch_optional(connection)
    .await
    .map_err(store_error)?;
    let Some(row) = row else { return Ok(0) };
    let head = offset(row.try_get(0).map_err(store_error)?)?;
    match row.try_get::<Option<i64>, _>(1).map_err(store_error)?.map(offset).transpose()? {
        Some(starts_after) if starts_after > head => Err(damaged(format!("{channel} starts after its head"))),
        Some(starts_after) => Ok(starts_after),
        None => Ok(head),
    }
}

async fn last_epoch(connection: &mut SqliteConnection) -> Result<Option<Present>, StoreError> {
    let row: Option<(i64, i64)> = sqlx::query_as("SELECT ordinal, epoch FROM epochs ORDER BY ordinal DESC LIMIT 1")
        .fetch_optional(connection)
        .await
        .map_err(store_error)?;
    let present = |(ordinal, epoch): (i64, i64)| {
        let epoch = u64::try_from(epoch).map_err(|_| damaged(format!("{epoch} is not an epoch")))?;
        Ok(Present { ordinal, epoch: Epoch::from_u64(epoch) })
    };
    row.map(present).transpose()
}

/// Whether this is the file that was closed cleanly by the opening that the side file names.
async fn was_closed_as(
    connection: &mut SqliteConnection,
    identity: FileIdentity,
    closed_seed: Option<u64>,
) -> Result<bool, StoreError> {
    let row: Option<(i64, i64, i64, i64)> = sqlx::query_as("SELECT device, inode, seed, closed FROM store")
        .fetch_optional(connection)
        .await
        .map_err(store_error)?;
    let (Some((device, inode, seed, closed)), Some(closed_seed)) = (row, closed_seed) else { return Ok(false) };
    let was = FileIdentity { device: device.cast_unsigned(), inode: inode.cast_unsigned() };
    Ok(closed == 1 && was == identity && seed.cast_unsigned() == closed_seed)
}

async fn begin(connection: &mut SqliteConnection, last: Option<Present>, seed: u64) -> Result<Present, StoreError> {
    let epoch = Epoch::from_u64(seed & ((1 << EPOCH_BITS) - 1));
    let ordinal = last.map_or(1, |last| last.ordinal.saturating_add(1));
    sqlx::query("INSERT INTO epochs (ordinal, epoch) VALUES (?, ?)")
        .bind(ordinal)
        .bind(to_sql(epoch.to_u64()))
        .execute(connection)
        .await
        .map_err(store_error)?;
    if last.is_some() {
        tracing::warn!(%epoch, "the file is not provably the one that was closed last, a new epoch begins");
    }
    Ok(Present { ordinal, epoch })
}
