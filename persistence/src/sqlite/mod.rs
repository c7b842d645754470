//! The store in one SQLite file, for one hub process. Needs nothing installed.
//!
//! Read in this order: the file and who has it (`file`), the connections to it (`connections`), what an old position is
//! worth (`epoch`), the way in (`commit`, `append`, `keys`), the way out (`read`), what goes (`retention`), `records` and
//! `revocations`.
//!
//! What an acknowledgement means and how to back the file up stands in `docs/decisions/0001-sqlite-log.md`.

mod append;
mod commit;
mod connections;
mod epoch;
mod error;
mod file;
mod keys;
mod read;
mod records;
mod retention;
mod revocations;
mod rows;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use hubbub_protocol::channel::{ChannelKey, TenantId};
use hubbub_protocol::{MessageId, Position};
use tokio::sync::Mutex;

use self::commit::Writer;
use self::connections::{Connections, Transaction};
use self::epoch::Present;
use self::error::store_error;
use self::file::Claim;
use crate::batch::{Batcher, Bounds};
use crate::log::{Append, Continuity, Head, Page, ReadFrom, Retention, Revocation};
use crate::page::PageCut;
use crate::store::{AppendFuture, Store, StoreError};

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("migrations/sqlite");

/// Where the file is, and how it is used.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The database file. Its folder is made where it is missing; `.lock`, `-wal` and `-shm` files lie beside it.
    pub path: PathBuf,
    /// Connections that read beside the one that writes; each is a thread. Default 4.
    pub read_connections: u32,
    /// The queue of appends.
    pub bounds: Bounds,
    /// A random number, drawn anew for each opening. It names the epoch when one begins, and marks this opening.
    pub seed: u64,
}

impl Settings {
    /// The defaults for a file.
    pub fn new(path: impl Into<PathBuf>, seed: u64) -> Self {
        Self { path: path.into(), read_connections: 4, bounds: Bounds::default(), seed }
    }
}

/// The store in one SQLite file.
///
/// Dropping it without [`Store::close`] loses nothing: what was enqueued is still committed while the runtime lives.
/// The next opening then begins a new epoch, since the file was not closed well.
#[derive(Debug)]
pub struct Sqlite {
    path: PathBuf,
    seed: u64,
    present: Present,
    batcher: Batcher,
    writer: Arc<Connections>,
    readers: Connections,
    claim: Arc<Claim>,
    /// Whether it is closed. Held while closing, so that a second closer waits for the first; in no other call.
    closed: Mutex<bool>,
}

impl Sqlite {
    /// Opens the file, brings its tables up to date and starts the writer on the current runtime.
    ///
    /// # Errors
    /// `Unavailable` when another process has the file open or it can not be written; `Refused` when a newer version of
    /// the hub has changed its tables, or the seed was used before; `Damaged` when it is not such a file.
    pub async fn open(settings: Settings) -> Result<Self, StoreError> {
        let Settings { path, read_connections, bounds, seed } = settings;
        let claim = Arc::new(Claim::new(&path)?);
        let writer = Arc::new(Connections::writer(&path));
        migrate(&writer).await?;
        let present = epoch::enter(&writer, &claim, seed).await?;
        let readers = Connections::readers(&path, read_connections);
        let backend = Writer { connections: writer.clone(), present, _claim: claim.clone() };
        let batcher = Batcher::start(backend, bounds);
        Ok(Self { path, seed, present, batcher, writer, readers, claim, closed: Mutex::new(false) })
    }

    /// Writes a copy of the whole store, as of one moment, into a file that does not exist yet. Appends go on
    /// meanwhile. A store opened from the copy begins a new epoch.
    pub async fn backup_to(&self, target: &Path) -> Result<(), StoreError> {
        let name = target.to_str().ok_or_else(|| StoreError::Refused("the path of a backup must be UTF-8".into()))?;
        // SQLite would write into an empty file; a backup replaces nothing.
        if target.try_exists().unwrap_or(true) {
            return Err(StoreError::Refused(format!("{name} exists already")));
        }
        let copying = Connections::writer(&self.path);
        let mut lent = copying.lend().await?;
        sqlx::query("VACUUM INTO ?").bind(name).execute(lent.connection()).await.map_err(store_error)?;
        lent.give_back();
        copying.close().await;
        let synced = std::fs::File::open(target).and_then(|copy| copy.sync_all());
        synced.map_err(|error| StoreError::Unavailable(format!("{name} can not be written to disk: {error}")))
    }

    async fn write_transaction(&self) -> Result<Transaction<'_>, StoreError> {
        self.writer.begin().await
    }
}

#[async_trait]
impl Store for Sqlite {
    fn append(&self, append: Append) -> AppendFuture {
        self.batcher.append(append)
    }

    async fn read(
        &self,
        channel: &ChannelKey,
        from: ReadFrom,
        limit: u32,
        max_bytes: usize,
    ) -> Result<Page, StoreError> {
        let mut lent = self.readers.lend().await?;
        let cut = PageCut::new(limit, max_bytes);
        let page = read::page(lent.connection(), channel, from, cut, self.present.epoch).await?;
        lent.give_back();
        Ok(page)
    }

    async fn heads(&self, channels: &[ChannelKey]) -> Result<Vec<Head>, StoreError> {
        let mut lent = self.readers.lend().await?;
        let heads = read::heads(lent.connection(), channels, self.present.epoch).await?;
        lent.give_back();
        Ok(heads)
    }

    async fn continuity(&self, channel: &ChannelKey, position: Position) -> Result<Continuity, StoreError> {
        let mut lent = self.readers.lend().await?;
        let continuity = epoch::continuity(lent.connection(), channel, position).await?;
        lent.give_back();
        Ok(continuity)
    }

    async fn find(&self, channel: &ChannelKey, id: MessageId) -> Result<Option<Position>, StoreError> {
        let mut lent = self.readers.lend().await?;
        let position = read::find(lent.connection(), channel, id, self.present.epoch).await?;
        lent.give_back();
        Ok(position)
    }

    async fn erase(&self, channel: &ChannelKey, offset: u64) -> Result<bool, StoreError> {
        let mut transaction = self.write_transaction().await?;
        let erased = retention::erase(transaction.connection(), channel, offset).await?;
        transaction.commit_repeatable().await?;
        Ok(erased)
    }

    async fn expire(&self, channel: &ChannelKey, retention: Retention, now_ms: u64) -> Result<u64, StoreError> {
        let mut transaction = self.write_transaction().await?;
        let gone = retention::expire(transaction.connection(), channel, retention, now_ms).await?;
        transaction.commit_repeatable().await?;
        Ok(gone)
    }

    async fn forget_channel(&self, channel: &ChannelKey) -> Result<bool, StoreError> {
        let mut transaction = self.write_transaction().await?;
        let gone = retention::forget_channel(transaction.connection(), channel).await?;
        transaction.commit_repeatable().await?;
        Ok(gone)
    }

    async fn channels(
        &self,
        tenant: &TenantId,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<(ChannelKey, Head)>, StoreError> {
        let mut lent = self.readers.lend().await?;
        let channels = read::channels(lent.connection(), tenant, after, limit, self.present.epoch).await?;
        lent.give_back();
        Ok(channels)
    }

    async fn tenants(&self) -> Result<Vec<TenantId>, StoreError> {
        let mut lent = self.readers.lend().await?;
        let tenants = read::tenants(lent.connection()).await?;
        lent.give_back();
        Ok(tenants)
    }

    async fn revoke(&self, revocation: Revocation) -> Result<(), StoreError> {
        let mut transaction = self.write_transaction().await?;
        revocations::revoke(transaction.connection(), &revocation).await?;
        transaction.commit_repeatable().await
    }

    async fn revocations(&self, now_ms: u64) -> Result<Vec<Revocation>, StoreError> {
        let mut lent = self.readers.lend().await?;
        let counting = revocations::counting(lent.connection(), now_ms).await?;
        let past = revocations::any_past(lent.connection(), now_ms).await?;
        lent.give_back();
        if past {
            let mut transaction = self.write_transaction().await?;
            revocations::forget_past(transaction.connection(), now_ms).await?;
            transaction.commit_repeatable().await?;
        }
        Ok(counting)
    }

    /// Writes one number and reads the file, each through its own connection.
    async fn check(&self) -> Result<(), StoreError> {
        let mut transaction = self.write_transaction().await?;
        let counted = sqlx::query("UPDATE store SET checks = checks + 1");
        counted.execute(transaction.connection()).await.map_err(store_error)?;
        transaction.commit_repeatable().await?;
        let mut lent = self.readers.lend().await?;
        sqlx::query("SELECT checks FROM store").fetch_one(lent.connection()).await.map_err(store_error)?;
        lent.give_back();
        Ok(())
    }

    async fn close(&self) {
        let mut closed = self.closed.lock().await;
        if *closed {
            return;
        }
        self.batcher.close().await;
        self.readers.close().await;
        let left = epoch::leave(&self.writer).await;
        // The last connection to close moves the write-ahead log into the file.
        self.writer.close().await;
        if let Err(error) = left.and_then(|()| self.claim.mark_closed(self.seed)) {
            tracing::warn!(%error, "the store could not be marked as closed, its next opening begins a new epoch");
        }
        self.claim.release();
        *closed = true;
    }
}

async fn migrate(writer: &Connections) -> Result<(), StoreError> {
    use sqlx::migrate::MigrateError;
    let mut lent = writer.lend().await?;
    let migrated = MIGRATIONS.run_direct(None, lent.connection(), false).await;
    match migrated {
        Ok(()) => {
            lent.give_back();
            Ok(())
        }
        Err(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) => Err(store_error(error)),
        Err(error) => Err(StoreError::Refused(format!(
            "the tables do not fit this version of the hub ({error}); run the version that made them, or a newer one"
        ))),
    }
}
