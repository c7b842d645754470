//! Writes what a plan says of logs: channels, messages, heads.

use hubbub_protocol::Key;
use hubbub_protocol::channel::ChannelKey;
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use super::epoch::Present;
use super::error::{damaged, store_error};
use super::rows::{chunks, index, index_to_sql, offset, to_sql, with_values};
use crate::plan::Placed;
use crate::store::StoreError;

/// A channel of a batch.
#[derive(Clone, Copy)]
pub(super) struct Channel {
    /// `None` for one that has no log yet.
    pub(super) id: Option<i64>,
    /// The epoch of its newest append; `None` for a new one.
    ordinal: Option<i64>,
    pub(super) head: u64,
}

/// Reads the channels, in the order of their names.
pub(super) async fn find_channels(
    connection: &mut SqliteConnection,
    names: &[&ChannelKey],
) -> Result<Vec<Channel>, StoreError> {
    let mut found = vec![Channel { id: None, ordinal: None, head: 0 }; names.len()];
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
            found[number] = Channel {
                id: row.try_get(1).map_err(store_error)?,
                ordinal: Some(row.try_get(2).map_err(store_error)?),
                head: offset(row.try_get(3).map_err(store_error)?)?,
            };
        }
    }
    Ok(found)
}

/// Makes those that get their first message.
pub(super) async fn make_channels(
    connection: &mut SqliteConnection,
    names: &[&ChannelKey],
    channels: &mut [Channel],
    moved: impl Fn(usize) -> bool,
    present: Present,
) -> Result<(), StoreError> {
    let missing: Vec<usize> =
        (0..names.len()).filter(|number| channels[*number].id.is_none() && moved(*number)).collect();
    for chunk in chunks(&missing) {
        let sql = with_values("INSERT INTO channels (tenant, name, ordinal, head, low) {}", 5, chunk.len());
        let mut query = sqlx::query(sql);
        for name in chunk.iter().map(|number| names[*number]) {
            query = query.bind(name.tenant.as_str()).bind(name.channel.as_str()).bind(present.ordinal).bind(0).bind(0);
        }
        query.execute(&mut *connection).await.map_err(store_error)?;
    }
    let made: Vec<&ChannelKey> = missing.iter().map(|number| names[*number]).collect();
    let made = find_channels(connection, &made).await?;
    for (number, channel) in missing.into_iter().zip(made) {
        channels[number] = Channel { ordinal: None, ..channel };
    }
    Ok(())
}

/// Writes the messages.
pub(super) async fn write_messages(
    connection: &mut SqliteConnection,
    messages: &[Placed<'_>],
    channels: &[Channel],
) -> Result<(), StoreError> {
    for chunk in chunks(messages) {
        let sql = with_values(
            "INSERT INTO messages (channel_id, offset, id, time, publisher, key, conflate_key, author, data) {}",
            9,
            chunk.len(),
        );
        let mut query = sqlx::query(sql);
        for Placed { channel, offset, publisher, message } in chunk {
            query = query
                .bind(channels[*channel].id)
                .bind(to_sql(*offset))
                .bind(message.id.to_bytes().to_vec())
                .bind(to_sql(message.time))
                .bind(*publisher)
                .bind(message.key.as_ref().map(Key::as_str))
                .bind(message.conflate_key.as_ref().map(Key::as_str))
                .bind(message.from.as_ref().map(|author| author.as_str()))
                .bind(message.data.get());
        }
        query.execute(&mut *connection).await.map_err(store_error)?;
    }
    Ok(())
}

/// Moves the heads that moved, and writes where the present epoch starts in channels that it had not reached.
pub(super) async fn write_heads(
    connection: &mut SqliteConnection,
    channels: &[Channel],
    heads: &[u64],
    present: Present,
) -> Result<(), StoreError> {
    let moved: Vec<_> = channels.iter().zip(heads).filter(|(channel, head)| channel.head < **head).collect();
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
