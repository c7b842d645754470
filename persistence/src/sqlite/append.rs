//! Writes a batch: one transaction, few statements, each over many rows.
//!
//! What goes where is decided in `plan`; this reads what the plan needs and writes what it says. The writer alone
//! assigns offsets, inside the transaction, from the heads that the transaction sees.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use hubbub_protocol::channel::ChannelKey;
use hubbub_protocol::{Key, Position};
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use super::connections::Connections;
use super::epoch::Present;
use super::error::{damaged, store_error};
use super::file::Claim;
use super::keys::{held_keys, prune, write_keys};
use super::rows::{chunks, index, index_to_sql, message_id, offset, time, to_sql, with_values};
use crate::batch::Backend;
use crate::log::{Append, Appended};
use crate::plan::{Known, Plan, judge, plan};
use crate::store::StoreError;

/// Commits batches into the file.
pub(super) struct Writer {
    pub(super) connections: Arc<Connections>,
    pub(super) present: Present,
    /// The file stays claimed until the last batch is committed, even when the store was dropped before.
    pub(super) _claim: Arc<Claim>,
}

/// A channel of a batch.
struct Channel {
    id: i64,
    /// The epoch of its newest append; `None` for a new one.
    ordinal: Option<i64>,
    head: u64,
}

#[async_trait]
impl Backend for Writer {
    async fn commit(&mut self, batch: &[Append]) -> Result<Vec<Appended>, StoreError> {
        let mut transaction = self.connections.begin().await?;
        match write(transaction.connection(), batch, self.present).await {
            Ok(answers) => transaction.commit().await.map(|()| answers),
            Err(error) => {
                transaction.roll_back().await;
                Err(error)
            }
        }
    }

    async fn resolve(&mut self, batch: &[Append]) -> Result<Vec<Option<Appended>>, StoreError> {
        let mut lent = self.connections.lend().await?;
        let mut found = Vec::with_capacity(batch.len());
        for append in batch {
            found.push(find_append(lent.connection(), append, self.present).await?);
        }
        lent.give_back();
        Ok(found)
    }
}

async fn write(
    connection: &mut SqliteConnection,
    batch: &[Append],
    present: Present,
) -> Result<Vec<Appended>, StoreError> {
    let (names, channel_of) = distinct(batch);
    let channels = open_channels(connection, &names, present).await?;
    let keys = held_keys(connection, batch, &channel_of, |channel| channels[channel].id).await?;
    let heads = channels.iter().map(|channel| channel.head).collect();
    let plan = plan(batch, Known { channel_of: channel_of.clone(), heads, keys }, present.epoch)?;
    write_messages(connection, batch, &plan, |append| channels[channel_of[append]].id).await?;
    write_keys(connection, &plan.keys, |channel| channels[channel].id).await?;
    write_heads(connection, &channels, &plan, present).await?;
    if let (false, Some(now)) = (plan.keys.is_empty(), batch.iter().map(|append| append.time).min()) {
        // Twice as many as came, so that the table does not grow for ever.
        prune(connection, now, 2 * plan.keys.len() + 16).await?;
    }
    Ok(plan.answers)
}

/// The channels of a batch, each once, and for each append which one.
fn distinct(batch: &[Append]) -> (Vec<&ChannelKey>, Vec<usize>) {
    let mut names = Vec::new();
    let mut seen = HashMap::new();
    let mut channel_of = Vec::with_capacity(batch.len());
    for append in batch {
        channel_of.push(*seen.entry(&append.channel).or_insert_with(|| {
            names.push(&append.channel);
            names.len() - 1
        }));
    }
    (names, channel_of)
}

/// Reads the channels, and makes those that have no log yet.
async fn open_channels(
    connection: &mut SqliteConnection,
    names: &[&ChannelKey],
    present: Present,
) -> Result<Vec<Channel>, StoreError> {
    let mut found: Vec<Option<Channel>> = names.iter().map(|_| None).collect();
    find_channels(connection, names, &mut found).await?;
    let missing: Vec<&ChannelKey> =
        names.iter().zip(&found).filter(|(_, found)| found.is_none()).map(|(n, _)| *n).collect();
    if !missing.is_empty() {
        make_channels(connection, &missing, present).await?;
        let mut made = missing.iter().map(|_| None).collect::<Vec<_>>();
        find_channels(connection, &missing, &mut made).await?;
        let mut made = made.into_iter().flatten().map(|channel| Channel { ordinal: None, ..channel });
        found.iter_mut().filter(|found| found.is_none()).for_each(|place| *place = made.next());
    }
    found.into_iter().map(|found| found.ok_or_else(|| damaged("a channel went away while it was made"))).collect()
}

async fn find_channels(
    connection: &mut SqliteConnection,
    names: &[&ChannelKey],
    found: &mut [Option<Channel>],
) -> Result<(), StoreError> {
    let numbered: Vec<_> = names.iter().enumerate().collect();
    for chunk in chunks(&numbered) {
        let sql = with_values(
            "SELECT v.column1, c.id, c.ordinal, c.head
             FROM ({}) AS v CROSS JOIN channels AS c ON c.tenant = v.column2 AND c.name = v.column3",
            3,
            chunk.len(),
        );
        let mut query = sqlx::query(sql);
        for (number, name) in chunk {
            query = query.bind(index_to_sql(*number)).bind(name.tenant.as_str()).bind(name.channel.as_str());
        }
        for row in query.fetch_all(&mut *connection).await.map_err(store_error)? {
            let number = index(row.try_get(0).map_err(store_error)?, found.len())?;
            found[number] = Some(Channel {
                id: row.try_get(1).map_err(store_error)?,
                ordinal: Some(row.try_get(2).map_err(store_error)?),
                head: offset(row.try_get(3).map_err(store_error)?)?,
            });
        }
    }
    Ok(())
}

async fn make_channels(
    connection: &mut SqliteConnection,
    names: &[&ChannelKey],
    present: Present,
) -> Result<(), StoreError> {
    for chunk in chunks(names) {
        let sql = with_values("INSERT INTO channels (tenant, name, ordinal, head, low) {}", 5, chunk.len());
        let mut query = sqlx::query(sql);
        for name in chunk {
            query = query.bind(name.tenant.as_str()).bind(name.channel.as_str()).bind(present.ordinal).bind(0).bind(0);
        }
        query.execute(&mut *connection).await.map_err(store_error)?;
    }
    Ok(())
}

async fn write_messages(
    connection: &mut SqliteConnection,
    batch: &[Append],
    plan: &Plan,
    channel_id: impl Fn(usize) -> i64,
) -> Result<(), StoreError> {
    for chunk in chunks(&plan.messages) {
        let sql = with_values(
            "INSERT INTO messages (channel_id, offset, id, time, publisher, key, conflate_key, author, data) {}",
            9,
            chunk.len(),
        );
        let mut query = sqlx::query(sql);
        for (number, offset) in chunk {
            let append = &batch[*number];
            query = query
                .bind(channel_id(*number))
                .bind(to_sql(*offset))
                .bind(append.id.to_bytes().to_vec())
                .bind(to_sql(append.time))
                .bind(append.publisher.as_str())
                .bind(append.key.as_ref().map(Key::as_str))
                .bind(append.conflate_key.as_ref().map(Key::as_str))
                .bind(append.from.as_ref().map(|author| author.as_str()))
                .bind(append.data.get());
        }
        query.execute(&mut *connection).await.map_err(store_error)?;
    }
    Ok(())
}

/// Moves the heads that moved, and writes where the present epoch starts in channels that it had not reached.
async fn write_heads(
    connection: &mut SqliteConnection,
    channels: &[Channel],
    plan: &Plan,
    present: Present,
) -> Result<(), StoreError> {
    let moved: Vec<_> = channels.iter().zip(&plan.heads).filter(|(channel, head)| channel.head < **head).collect();
    for chunk in chunks(&moved) {
        let sql = with_values(
            "UPDATE channels SET head = v.column2, ordinal = v.column3 FROM ({}) AS v WHERE channels.id = v.column1",
            3,
            chunk.len(),
        );
        let mut query = sqlx::query(sql);
        for (channel, head) in chunk {
            query = query.bind(channel.id).bind(to_sql(**head)).bind(present.ordinal);
        }
        let updated = query.execute(&mut *connection).await.map_err(store_error)?.rows_affected();
        if updated != chunk.len() as u64 {
            return Err(damaged("a channel went away while it was written"));
        }
    }
    let reached: Vec<_> = moved.iter().filter(|(channel, _)| channel.ordinal != Some(present.ordinal)).collect();
    for chunk in chunks(&reached) {
        let mut query =
            sqlx::query(with_values("INSERT INTO epoch_starts (channel_id, ordinal, starts_after) {}", 3, chunk.len()));
        for (channel, _) in chunk {
            query = query.bind(channel.id).bind(present.ordinal).bind(to_sql(channel.head));
        }
        query.execute(&mut *connection).await.map_err(store_error)?;
    }
    Ok(())
}

/// How an append ended: its id is in the log, or its key leads to an earlier one, or it is not there.
async fn find_append(
    connection: &mut SqliteConnection,
    append: &Append,
    present: Present,
) -> Result<Option<Appended>, StoreError> {
    let channel: Option<i64> = sqlx::query_scalar("SELECT id FROM channels WHERE tenant = ? AND name = ?")
        .bind(append.channel.tenant.as_str())
        .bind(append.channel.channel.as_str())
        .fetch_optional(&mut *connection)
        .await
        .map_err(store_error)?;
    let Some(channel) = channel else { return Ok(None) };
    let row = sqlx::query("SELECT offset, time, id FROM messages WHERE channel_id = ? AND id = ?")
        .bind(channel)
        .bind(append.id.to_bytes().to_vec())
        .fetch_optional(&mut *connection)
        .await
        .map_err(store_error)?;
    if let Some(row) = row {
        let at = offset(row.try_get(0).map_err(store_error)?)?;
        let time = time(row.try_get(1).map_err(store_error)?)?;
        let id = message_id(row.try_get(2).map_err(store_error)?)?;
        let position = Position::new(present.epoch, at);
        return Ok(Some(Appended::At { id, position, time, duplicate: false }));
    }
    let held = held_keys(connection, std::slice::from_ref(append), &[0], |_| channel).await?;
    Ok(held.into_values().next().and_then(|held| judge(append, &held, present.epoch)))
}
