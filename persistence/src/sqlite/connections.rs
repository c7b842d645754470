//! The connections to the file: one that writes, a few that read.
//!
//! A connection comes back only when its transaction has ended well. One whose borrower failed or went away in the
//! middle is closed, which rolls back, and is opened anew when it is needed: SQLite ends a transaction by itself on a
//! full disk or an I/O error, and sqlx's own pool and transactions would go on counting it.

use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteLockingMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::error::store_error;
use crate::store::StoreError;

/// How long a borrower waits for a connection before the store counts as away.
const WAIT: Duration = Duration::from_secs(10);
/// How long SQLite waits for a lock of another process, e.g. of a backup tool.
const BUSY: Duration = Duration::from_secs(5);

/// Some connections with the same options.
#[derive(Debug)]
pub(super) struct Connections {
    options: SqliteConnectOptions,
    count: u32,
    permits: Semaphore,
    /// Held for a push or a pop, never across an await.
    idle: Mutex<Vec<SqliteConnection>>,
}

/// A borrowed connection. Dropping it instead of giving it back closes it.
#[derive(Debug)]
pub(super) struct Lent<'a> {
    home: &'a Connections,
    connection: SqliteConnection,
    _permit: SemaphorePermit<'a>,
}

/// A write transaction. Dropping it rolls back.
#[derive(Debug)]
pub(super) struct Transaction<'a> {
    lent: Lent<'a>,
}

impl Connections {
    /// The one connection that writes.
    pub(super) fn writer(path: &Path) -> Self {
        Self::new(options(path).create_if_missing(true), 1)
    }

    /// Connections that can not write.
    pub(super) fn readers(path: &Path, count: u32) -> Self {
        Self::new(options(path).pragma("query_only", "ON"), count.max(1))
    }

    fn new(options: SqliteConnectOptions, count: u32) -> Self {
        Self { options, count, permits: Semaphore::new(count as usize), idle: Mutex::new(Vec::new()) }
    }

    /// Borrows a connection, in the order of asking.
    pub(super) async fn lend(&self) -> Result<Lent<'_>, StoreError> {
        let permit = tokio::time::timeout(WAIT, self.permits.acquire())
            .await
            .map_err(|_| StoreError::Overloaded)?
            .map_err(|_| StoreError::Unavailable("the store is closed".into()))?;
        let idle = self.idle().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.options.connect().await.map_err(store_error)?,
        };
        Ok(Lent { home: self, connection, _permit: permit })
    }

    /// Begins a transaction that writes, and so waits for no lock later.
    pub(super) async fn begin(&self) -> Result<Transaction<'_>, StoreError> {
        let mut lent = self.lend().await?;
        sqlx::query("BEGIN IMMEDIATE").execute(lent.connection()).await.map_err(store_error)?;
        Ok(Transaction { lent })
    }

    /// Waits until all connections are back, and closes them. Nothing can be borrowed from then on.
    pub(super) async fn close(&self) {
        // Fails only when they are closed already.
        let all = self.permits.acquire_many(self.count).await;
        self.permits.close();
        drop(all);
        let idle = std::mem::take(&mut *self.idle());
        for connection in idle {
            if let Err(error) = connection.close().await {
                tracing::warn!(%error, "a connection to the database did not close well");
            }
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<SqliteConnection>> {
        // A push or a pop does not panic half-way, so what a poisoned lock guards is whole.
        self.idle.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Lent<'_> {
    /// The connection.
    pub(super) fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }

    /// Gives it back: it is in no transaction.
    pub(super) fn give_back(self) {
        self.home.idle().push(self.connection);
    }
}

impl Transaction<'_> {
    /// The connection that is in the transaction.
    pub(super) fn connection(&mut self) -> &mut SqliteConnection {
        self.lent.connection()
    }

    /// Commits: when it answers well the transaction is on disk. Its only error is `Unknown`.
    pub(super) async fn commit(mut self) -> Result<(), StoreError> {
        match sqlx::query("COMMIT").execute(self.connection()).await {
            Ok(_) => {
                self.lent.give_back();
                Ok(())
            }
            Err(error) => {
                tracing::error!(%error, "a commit failed");
                Err(StoreError::Unknown(error.to_string()))
            }
        }
    }

    /// Commits what may be done twice: an unknown end means only that it is to be asked for again.
    pub(super) async fn commit_repeatable(self) -> Result<(), StoreError> {
        self.commit().await.map_err(|error| StoreError::Unavailable(error.to_string()))
    }

    /// Takes everything back.
    pub(super) async fn roll_back(mut self) {
        match sqlx::query("ROLLBACK").execute(self.connection()).await {
            Ok(_) => self.lent.give_back(),
            // SQLite has rolled back by itself already; the connection is closed to be sure.
            Err(error) => tracing::debug!(%error, "a roll-back had nothing to do"),
        }
    }
}

/// Every option that matters, by name.
fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .locking_mode(SqliteLockingMode::Normal)
        .journal_mode(SqliteJournalMode::Wal)
        // Each commit waits for the disk: an acknowledged message survives a power cut.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY)
        // What is erased is overwritten with zeros.
        .pragma("secure_delete", "ON")
        // Pages in the write-ahead log after which it goes into the file: 16 MiB, four of the largest batches.
        .pragma("wal_autocheckpoint", "4000")
        // The write-ahead log shrinks to this when it has grown beyond.
        .pragma("journal_size_limit", "67108864")
        // KiB of page cache per connection.
        .pragma("cache_size", "-8192")
        .pragma("temp_store", "MEMORY")
        .shared_cache(false)
        .statement_cache_capacity(64)
        .row_buffer_size(64)
        .optimize_on_close(false, None)
        .disable_statement_logging()
        .thread_name(|number| format!("store-{number}"))
}
