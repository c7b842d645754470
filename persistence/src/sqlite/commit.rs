//! Commits a batch: one transaction, few statements, each over many rows.
//!
//! What goes where is decided in `plan`; this reads what the plan needs and writes what it says. The writer alone
//! assigns offsets, inside the transaction, from the heads that the transaction sees. Nobody else writes meanwhile, so
//! nothing is to be locked.

use std::sync::Arc;

use async_trait::async_trait;
use hubbub_protocol::Position;
use hubbub_protocol::channel::ChannelKey;
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use super::append::{find_channels, make_channels, write_heads, write_messages};
use super::connections::Connections;
use super::epoch::Present;
use super::error::store_error;
use super::file::Claim;
use super::keys::{held_keys, prune, write_keys};
use super::records::{answer, write_records};
use super::retention::erase;
use super::rows::{message_id, offset, time};
use crate::batch::{Backend, Item, Outcome};
use crate::log::Appended;
use crate::plan::{Known, Named, Plan, Planned, Rounds, first_questions, judge, plan};
use crate::records::view::Answers;
use crate::records::{Acted, Question};
use crate::store::StoreError;

/// Commits batches into the file.
pub(super) struct Writer {
    pub(super) connections: Arc<Connections>,
    pub(super) present: Present,
    /// The file stays claimed until the last batch is committed, even when the store was dropped before.
    pub(super) _claim: Arc<Claim>,
}

#[async_trait]
impl Backend for Writer {
    async fn commit(&mut self, batch: &[Item]) -> Result<Vec<Result<Outcome, StoreError>>, StoreError> {
        let named = Named::new(batch);
        let first = first_questions(batch);
        let mut transaction = self.connections.begin().await?;
        match write(transaction.connection(), &named, first, self.present).await {
            Ok(answers) => transaction.commit().await.map(|()| answers),
            Err(error) => {
                transaction.roll_back().await;
                Err(error)
            }
        }
    }

    async fn resolve(&mut self, batch: &[Item]) -> Result<Vec<Option<Outcome>>, StoreError> {
        let mut lent = self.connections.lend().await?;
        let mut found = Vec::with_capacity(batch.len());
        for item in batch {
            found.push(find_item(lent.connection(), item, self.present).await?);
        }
        lent.give_back();
        Ok(found)
    }
}

async fn write(
    connection: &mut SqliteConnection,
    named: &Named<'_>,
    mut questions: Vec<Question>,
    present: Present,
) -> Result<Vec<Result<Outcome, StoreError>>, StoreError> {
    let mut channels = find_channels(connection, &named.channels).await?;
    let keys = held_keys(connection, &named.keys, |channel| channels[channel].id).await?;
    let heads = channels.iter().map(|channel| channel.head).collect();
    let mut known = Known { epoch: present.epoch, heads, keys, answers: Answers::new() };
    let mut rounds = Rounds::default();
    let plan = loop {
        answer(connection, questions, &mut known.answers).await?;
        match plan(named, &known) {
            Planned::Whole(plan) => break plan,
            Planned::Asking(more) => questions = more,
        }
        rounds.begin()?;
    };
    let moved = |number: usize| plan.heads[number] > known.heads[number];
    make_channels(connection, &named.channels, &mut channels, moved, present).await?;
    write_messages(connection, &plan.messages, &channels).await?;
    write_keys(connection, &plan.keys, |channel| channels[channel].id).await?;
    write_heads(connection, &channels, &plan.heads, present).await?;
    write_records(connection, &plan.records).await?;
    erase_and_prune(connection, named, &plan).await?;
    Ok(plan.answers)
}

async fn erase_and_prune(
    connection: &mut SqliteConnection,
    named: &Named<'_>,
    plan: &Plan<'_>,
) -> Result<(), StoreError> {
    for (channel, offset) in &plan.erased {
        erase(connection, named.channels[*channel], *offset).await?;
    }
    if let (false, Some(now)) = (plan.keys.is_empty(), named.items.iter().map(Item::time).min()) {
        // Twice as many as came, so that the table does not grow for ever.
        prune(connection, now, 2 * plan.keys.len() + 16).await?;
    }
    Ok(())
}

/// How an item ended: its id is in a log, or its key leads to an earlier one, or it is not there.
async fn find_item(
    connection: &mut SqliteConnection,
    item: &Item,
    present: Present,
) -> Result<Option<Outcome>, StoreError> {
    for channel in item.channels() {
        if let Some(found) = find_message(connection, channel, item, present).await? {
            return Ok(Some(found));
        }
    }
    let named = Named::new(std::slice::from_ref(item));
    let channels = find_channels(connection, &named.channels).await?;
    let held = held_keys(connection, &named.keys, |channel| channels[channel].id).await?;
    Ok(held.into_values().next().and_then(|held| judge(item, &held, present.epoch)))
}

async fn find_message(
    connection: &mut SqliteConnection,
    channel: &ChannelKey,
    item: &Item,
    present: Present,
) -> Result<Option<Outcome>, StoreError> {
    let row = sqlx::query(
        "SELECT m.offset, m.time, m.id FROM channels AS c CROSS JOIN messages AS m ON m.channel_id = c.id
         WHERE c.tenant = ? AND c.name = ? AND m.id = ?",
    )
    .bind(channel.tenant.as_str())
    .bind(channel.channel.as_str())
    .bind(item.id().to_bytes().to_vec())
    .fetch_optional(connection)
    .await
    .map_err(store_error)?;
    let Some(row) = row else { return Ok(None) };
    let position = Position::new(present.epoch, offset(row.try_get(0).map_err(store_error)?)?);
    let time = time(row.try_get(1).map_err(store_error)?)?;
    let id = message_id(row.try_get(2).map_err(store_error)?)?;
    Ok(Some(match item {
        Item::Append(_) => Outcome::Appended(Appended::At { id, position, time, duplicate: false }),
        Item::Act(_) => Outcome::Acted(Acted::Before { id, position, time }),
    }))
}
