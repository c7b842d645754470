//! Writes a batch: one transaction in two round trips, whatever it holds.
//!
//! 1. It begins, locks the channels in the order of their names, and reads their heads, the keys and the epoch.
//! 2. What goes where is decided in `plan`; one statement writes it, and it is committed.
//!
//! The locks are what keeps offsets without holes: a second writer to a channel, on whatever node, waits in 1 until the
//! first has committed or failed, and then sees its head.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use hubbub_protocol::channel::ChannelKey;
use hubbub_protocol::{Key, Position};
use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};

use super::columns;
use super::connections::{Connections, Work};
use super::epoch::Present;
use super::error::{Fault, damaged, row_error};
use super::rows::{index, message_id, offset, time, to_sql};
use super::script::{Access, Answer, Script, array, bytes, names, send};
use crate::batch::Backend;
use crate::log::{Append, Appended};
use crate::plan::{Half, HeldKey, Known, Plan, ScopedKey, judge, plan, scope};
use crate::store::StoreError;

/// Commits batches.
pub(super) struct Writer {
    pub(super) connections: Arc<Connections>,
}

#[async_trait]
impl Backend for Writer {
    async fn commit(&mut self, batch: &[Append]) -> Result<Vec<Appended>, StoreError> {
        self.connections.run_here(&Commit { batch: &Named::new(batch) }).await
    }

    async fn resolve(&mut self, batch: &[Append]) -> Result<Vec<Option<Appended>>, StoreError> {
        self.connections.run_here(&Resolve { batch: &Named::new(batch) }).await
    }
}

/// A batch whose channels are known: each once, in the order in which they are locked.
struct Named<'a> {
    appends: &'a [Append],
    channels: Vec<&'a ChannelKey>,
    /// For each append which channel.
    channel_of: Vec<usize>,
    /// The keys of the batch, with the append that has each.
    keys: Vec<(ScopedKey, &'a Append)>,
}

/// A channel of a batch, as it was when it was locked.
struct Locked {
    id: i64,
    head: u64,
}

struct Commit<'a> {
    batch: &'a Named<'a>,
}

struct Resolve<'a> {
    batch: &'a Named<'a>,
}

impl<'a> Named<'a> {
    fn new(appends: &'a [Append]) -> Self {
        let mut numbers: BTreeMap<&ChannelKey, usize> = appends.iter().map(|append| (&append.channel, 0)).collect();
        numbers.values_mut().enumerate().for_each(|(at, number)| *number = at);
        let channel_of: Vec<usize> = appends.iter().map(|append| numbers[&append.channel]).collect();
        let scoped = |(append, channel): (&'a Append, &usize)| scope(append).map(|scope| ((*channel, scope), append));
        let keys = appends.iter().zip(&channel_of).filter_map(scoped).collect();
        Self { appends, channels: numbers.into_keys().collect(), channel_of, keys }
    }

    /// Locks the channels and asks for the keys.
    fn lock(&self) -> Script {
        let keys = names(self.keys.iter().map(|(_, append)| &append.channel));
        let scopes = array("bytea", self.keys.iter().map(|((_, scope), _)| bytes(scope)));
        Script::new(Access::Open, None)
            .then(format_args!("SELECT * FROM hubbub.lock_channels({})", names(self.channels.iter().copied())))
            .then(format_args!("SELECT * FROM hubbub.held_keys({keys}, {scopes})"))
    }

    fn locked(&self, rows: &[PgRow]) -> Result<Vec<Locked>, StoreError> {
        let mut found: Vec<Option<Locked>> = self.channels.iter().map(|_| None).collect();
        for row in rows {
            let number = index(row.try_get(0).map_err(row_error)?, found.len())?;
            let id = row.try_get(1).map_err(row_error)?;
            found[number] = Some(Locked { id, head: offset(row.try_get(3).map_err(row_error)?)? });
        }
        found.into_iter().map(|found| found.ok_or_else(|| damaged("a channel went away while it was locked"))).collect()
    }

    fn held(&self, rows: &[PgRow]) -> Result<HashMap<ScopedKey, HeldKey>, StoreError> {
        let held = |row: &PgRow| {
            let number = index(row.try_get(0).map_err(row_error)?, self.keys.len())?;
            Ok((self.keys[number].0, held_key(row)?))
        };
        rows.iter().map(held).collect()
    }
}

impl Work for Commit<'_> {
    type Answer = Vec<Appended>;

    async fn run(&self, connection: &mut PgConnection) -> Result<Vec<Appended>, Fault> {
        let batch = self.batch;
        let Answer { present, rows } = batch.lock().run(connection).await?;
        let [locked, held] = both(&rows)?;
        let (locked, keys) = (batch.locked(locked)?, batch.held(held)?);
        let heads = locked.iter().map(|channel| channel.head).collect();
        let known = Known { channel_of: batch.channel_of.clone(), heads, keys };
        let plan = plan(batch.appends, known, present.epoch)?;
        let end = if plan.messages.is_empty() { "COMMIT".to_owned() } else { write(batch, &locked, &plan, present)? };
        commit(connection, end).await.map(|()| plan.answers)
    }
}

impl Work for Resolve<'_> {
    type Answer = Vec<Option<Appended>>;

    /// Locks first: a commit that is still under way ends before that.
    async fn run(&self, connection: &mut PgConnection) -> Result<Vec<Option<Appended>>, Fault> {
        let batch = self.batch;
        let ids = array("bytea", batch.appends.iter().map(|append| bytes(&append.id.to_bytes())));
        let found = names(batch.appends.iter().map(|append| &append.channel));
        let script = batch.lock().then(format_args!("SELECT * FROM hubbub.find({found}, {ids})"));
        let Answer { present, rows } = script.run(connection).await?;
        let [_, held] = both(&rows)?;
        let held = batch.held(held)?;
        let earlier = |(append, channel): (&Append, &usize)| {
            let held = scope(append).and_then(|scope| held.get(&(*channel, scope)));
            held.and_then(|held| judge(append, held, present.epoch))
        };
        let mut answers: Vec<Option<Appended>> = batch.appends.iter().zip(&batch.channel_of).map(earlier).collect();
        for row in rows.get(2).map_or(&[][..], Vec::as_slice) {
            let number = index(row.try_get(0).map_err(row_error)?, answers.len())?;
            let position = Position::new(present.epoch, offset(row.try_get(1).map_err(row_error)?)?);
            let time = time(row.try_get(2).map_err(row_error)?)?;
            answers[number] = Some(Appended::At { id: batch.appends[number].id, position, time, duplicate: false });
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

/// One statement for heads, messages and keys, and the end of the transaction. Its parameters are columns: arrays of the
/// same length.
fn write(batch: &Named<'_>, locked: &[Locked], plan: &Plan, present: Present) -> Result<String, StoreError> {
    let tenant_of = |channel: usize| Some(batch.channels[channel].tenant.as_str());
    let moved = || (0..locked.len()).filter(|channel| locked[*channel].head < plan.heads[*channel]);
    let messages = || plan.messages.iter().map(|(number, _)| (&batch.appends[*number], batch.channel_of[*number]));
    let keys = || plan.keys.iter().map(|((channel, scope), held)| (*channel, scope, held));
    let columns = [
        columns::names(moved().map(tenant_of)),
        columns::numbers(moved().map(|channel| locked[channel].id)),
        columns::numbers(moved().map(|channel| to_sql(plan.heads[channel]))),
        columns::names(messages().map(|(_, channel)| tenant_of(channel))),
        columns::numbers(messages().map(|(_, channel)| locked[channel].id)),
        columns::numbers(plan.messages.iter().map(|(_, offset)| to_sql(*offset))),
        columns::numbers(messages().map(|(append, _)| to_sql(append.time))),
        columns::digits(messages().map(|(append, _)| Some(append.id.to_bytes()))),
        columns::texts(messages().map(|(append, _)| Some(append.publisher.as_str())))?,
        columns::texts(messages().map(|(append, _)| append.key.as_ref().map(Key::as_str)))?,
        columns::texts(messages().map(|(append, _)| append.conflate_key.as_ref().map(Key::as_str)))?,
        columns::names(messages().map(|(append, _)| append.from.as_ref().map(|user| user.as_str()))),
        columns::texts(messages().map(|(append, _)| Some(append.data.get())))?,
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
