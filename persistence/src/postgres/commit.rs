//! Commits a batch: one transaction in two round trips, whatever it holds.
//!
//! 1. It begins, locks the channels in the order of their names, and reads their heads, the keys, the epoch, and what acts
//!    were found to ask before anything was locked. Where that leads to further questions, each round of them is one more.
//! 2. What goes where is decided in `plan`; it is written and committed. Where messages with keys are erased, their keys
//!    are one more.
//!
//! The locks are what keeps offsets without holes: a second writer to a channel, on whatever node, waits in 1 until the
//! first has committed or failed, and then sees its head.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use hubbub_protocol::Position;
use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};

use super::append::{erase, forget, unmake, write};
use super::connections::{Connections, Work};
use super::error::{Fault, damaged, row_error};
use super::records::{ask, take, write_records};
use super::rows::{index, message_id, offset, time};
use super::script::{Access, Answer, Script, array, bytes, names, send};
use crate::batch::{Backend, Item, Outcome};
use crate::log::Appended;
use crate::plan::{Half, HeldKey, Known, Named, Plan, Planned, Rounds, ScopedKey, first_questions, judge, plan, scope};
use crate::records::view::Answers;
use crate::records::{Acted, Question};
use crate::store::StoreError;

/// Commits batches.
pub(super) struct Writer {
    pub(super) connections: Arc<Connections>,
}

#[async_trait]
impl Backend for Writer {
    async fn commit(&mut self, batch: &[Item]) -> Result<Vec<Result<Outcome, StoreError>>, StoreError> {
        self.connections.run_here(&Commit { batch: &Named::new(batch), first: first_questions(batch) }).await
    }

    async fn resolve(&mut self, batch: &[Item]) -> Result<Vec<Option<Outcome>>, StoreError> {
        self.connections.run_here(&Resolve { batch: &Named::new(batch) }).await
    }
}

/// A channel of a batch, as it was when it was locked.
pub(super) struct Locked {
    pub(super) id: i64,
    pub(super) head: u64,
    /// Whether nothing was ever appended to it: it may have been made for this lock.
    pub(super) fresh: bool,
}

struct Commit<'a> {
    batch: &'a Named<'a>,
    /// What its acts ask first.
    first: Vec<Question>,
}

struct Resolve<'a> {
    batch: &'a Named<'a>,
}

/// Locks the channels and asks for the keys.
fn lock(batch: &Named<'_>) -> Script {
    let keys = names(batch.keys.iter().map(|(channel, _)| batch.channels[*channel]));
    let scopes = array("bytea", batch.keys.iter().map(|(_, scope)| bytes(scope)));
    Script::new(Access::Open, None)
        .then(format_args!("SELECT * FROM hubbub.lock_channels({})", names(batch.channels.iter().copied())))
        .then(format_args!("SELECT * FROM hubbub.held_keys({keys}, {scopes})"))
}

/// A channel that was forgotten while its lock was waited for is gone: the next attempt makes it anew.
fn locked(batch: &Named<'_>, rows: &[PgRow]) -> Result<Vec<Locked>, Fault> {
    let mut found: Vec<Option<Locked>> = batch.channels.iter().map(|_| None).collect();
    for row in rows {
        let number = index(row.try_get(0).map_err(row_error)?, found.len())?;
        let id = row.try_get(1).map_err(row_error)?;
        let fresh = row.try_get::<Option<i32>, _>(2).map_err(row_error)?.is_none();
        found[number] = Some(Locked { id, head: offset(row.try_get(3).map_err(row_error)?)?, fresh });
    }
    let forgotten = || Fault::Again("a channel was forgotten while its lock was waited for".into());
    found.into_iter().map(|found| found.ok_or_else(forgotten)).collect()
}

fn held(batch: &Named<'_>, rows: &[PgRow]) -> Result<HashMap<ScopedKey, HeldKey>, StoreError> {
    let held = |row: &PgRow| {
        let number = index(row.try_get(0).map_err(row_error)?, batch.keys.len())?;
        Ok((batch.keys[number], held_key(row)?))
    };
    rows.iter().map(held).collect()
}

fn held_key(row: &PgRow) -> Result<HeldKey, StoreError> {
    let digest: Option<Vec<u8>> = row.try_get(4).map_err(row_error)?;
    let half = |digest: Vec<u8>| Half::try_from(digest).map_err(|_| damaged("a digest is not 16 bytes"));
    Ok(HeldKey {
        offset: offset(row.try_get(1).map_err(row_error)?)?,
        time: time(row.try_get(2).map_err(row_error)?)?,
        id: message_id(&row.try_get::<Vec<u8>, _>(3).map_err(row_error)?)?,
        digest: digest.map(half).transpose()?,
    })
}

impl Work for Commit<'_> {
    type Answer = Vec<Result<Outcome, StoreError>>;

    async fn run(&self, connection: &mut PgConnection) -> Result<Self::Answer, Fault> {
        let Self { batch, first } = self;
        let mut script = lock(batch);
        if !first.is_empty() {
            script = script.then(format_args!("{}", ask(first)?));
        }
        let Answer { present, rows } = script.run(connection).await?;
        let [channels, keys] = both(&rows)?;
        let (channels, keys) = (locked(batch, channels)?, held(batch, keys)?);
        let heads = channels.iter().map(|channel| channel.head).collect();
        let mut known = Known { epoch: present.epoch, heads, keys, answers: Answers::new() };
        take(first, rows.get(2).map_or(&[][..], Vec::as_slice), &mut known.answers)?;
        let plan = decide(connection, batch, &mut known).await?;
        if plan.is_empty() {
            // Channels that were made to be locked go again.
            send(connection, "ROLLBACK".into()).await?;
            return Ok(plan.answers);
        }
        let mut end = Vec::new();
        if !plan.messages.is_empty() {
            end.push(write(batch, &channels, &plan, present)?);
        }
        end.extend(write_records(&plan.records)?);
        end.extend(unmake(&channels, &plan));
        if let Some(erase) = erase(batch, &plan) {
            end.push(erase);
            let mut sets = send(connection, end.join("; ")).await?;
            let erased = sets.pop().ok_or_else(|| damaged("an erasure was not answered"))?;
            end = forget(batch, &plan, &erased)?.into_iter().collect();
        }
        end.push("COMMIT".into());
        commit(connection, end.join("; ")).await.map(|()| plan.answers)
    }
}

/// Plans, and asks for what is missing, until nothing is.
async fn decide<'a>(connection: &mut PgConnection, batch: &Named<'a>, known: &mut Known) -> Result<Plan<'a>, Fault> {
    let mut rounds = Rounds::default();
    loop {
        match plan(batch, known) {
            Planned::Whole(plan) => return Ok(plan),
            Planned::Asking(questions) => {
                rounds.begin()?;
                let sets = send(connection, ask(&questions)?).await?;
                take(&questions, sets.first().map_or(&[][..], Vec::as_slice), &mut known.answers)?;
            }
        }
    }
}

impl Work for Resolve<'_> {
    type Answer = Vec<Option<Outcome>>;

    /// Locks first: a commit that is still under way ends before that.
    async fn run(&self, connection: &mut PgConnection) -> Result<Self::Answer, Fault> {
        let Self { batch } = self;
        // An act is looked for in each of its channels.
        let numbered = batch.items.iter().enumerate();
        let asked: Vec<_> =
            numbered.flat_map(|(number, item)| item.channels().iter().map(move |channel| (number, channel))).collect();
        let ids = array("bytea", asked.iter().map(|(number, _)| bytes(&batch.items[*number].id().to_bytes())));
        let found = names(asked.iter().map(|(_, channel)| *channel));
        let script = lock(batch).then(format_args!("SELECT * FROM hubbub.find({found}, {ids})"));
        let Answer { present, rows } = script.run(connection).await?;
        let [_, keys] = both(&rows)?;
        let keys = held(batch, keys)?;
        let earlier = |(item, home): (&Item, &Option<usize>)| {
            let held = home.zip(scope(item)).and_then(|key| keys.get(&key));
            held.and_then(|held| judge(item, held, present.epoch))
        };
        let mut answers: Vec<Option<Outcome>> = batch.items.iter().zip(&batch.homes).map(earlier).collect();
        // From the last: of an act with one id in several channels the first counts.
        for row in rows.get(2).into_iter().flatten().rev() {
            let (number, _) = asked[index(row.try_get(0).map_err(row_error)?, asked.len())?];
            let position = Position::new(present.epoch, offset(row.try_get(1).map_err(row_error)?)?);
            let (id, time) = (batch.items[number].id(), time(row.try_get(2).map_err(row_error)?)?);
            answers[number] = Some(match &batch.items[number] {
                Item::Append(_) => Outcome::Appended(Appended::At { id, position, time, duplicate: false }),
                Item::Act(_) => Outcome::Acted(Acted::Before { id, position, time }),
            });
        }
        // Channels that were made to be locked go again.
        send(connection, "ROLLBACK".into()).await?;
        Ok(answers)
    }
}

fn both(rows: &[Vec<PgRow>]) -> Result<[&[PgRow]; 2], StoreError> {
    match rows {
        [first, second, ..] => Ok([first, second]),
        _ => Err(damaged("a script was not answered whole")),
    }
}

/// Sends what ends with a COMMIT. What the server refuses before that is told as it is; of everything else nobody knows
/// how it ended but the database.
async fn commit(connection: &mut PgConnection, sql: String) -> Result<(), Fault> {
    match send(connection, sql).await {
        Ok(_) => Ok(()),
        Err(refused @ (Fault::Refused(_) | Fault::Again(_))) => Err(refused),
        Err(cause) => {
            tracing::warn!(?cause, "a commit was not answered");
            Err(Fault::Failed(StoreError::Unknown("a commit was not answered".into())))
        }
    }
}

#[cfg(test)]
mod tests {
    use hubbub_local::postgres::{Options, Postgres as Server};

    use super::super::{migrate, options};
    use super::*;
    use crate::batch::resolved::items_are_found_by_ids_and_keys;

    #[tokio::test]
    async fn items_whose_end_was_not_seen_are_resolved() {
        let server = Server::start(Options::default()).expect("a server");
        migrate(&server.owner_url(), "hubbub").await.expect("migrated");
        let connections = Arc::new(Connections::new(options(&server.url()).expect("a url"), 1, 1));
        items_are_found_by_ids_and_keys(&mut Writer { connections }).await;
    }
}
