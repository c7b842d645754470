//! The store in Postgres, for many hub nodes at once.
//!
//! Read in this order: the connections and what is tried again (`connections`), how a transaction travels (`script`,
//! `columns`), what an old position is worth (`epoch`), the way in (`commit`, `append`), the way out (`read`), what goes (`retention`),
//! `records`, `revocations`, and who makes the tables (`migrate`). The tables and functions are in `migrations/postgres`; why they
//! are as they are, and what was measured, stands in `docs/decisions/0008-postgres-layout.md`.

mod append;
mod columns;
mod commit;
mod connections;
mod epoch;
mod error;
mod migrate;
mod read;
mod records;
mod retention;
mod revocations;
mod rows;
mod script;

use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use hubbub_protocol::channel::{ChannelKey, TenantId};
use hubbub_protocol::{MessageId, Position};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Row};
use tokio::task::AbortHandle;

use self::commit::Writer;
use self::connections::Connections;
use self::error::row_error;
pub use self::migrate::migrate;
use self::script::{Access, Script};
use crate::batch::{Batcher, Bounds};
use crate::log::{Append, Continuity, Head, Page, ReadFrom, Retention, Revocation};
use crate::page::PageCut;
use crate::store::{AppendFuture, Store, StoreError};

/// Where the database is, and how it is used.
#[derive(Clone)]
pub struct Settings {
    /// The primary, as a role that owns nothing; it may lead through PgBouncer in transaction mode. TLS as it says
    /// (`sslmode`, `sslrootcert`).
    pub url: String,
    /// A standby for lists of channels and tenants, which may be a little old. Where it is away the primary is asked.
    pub replica_url: Option<String>,
    /// Connections to the primary, at least 2. One commits batches, the others read. Default 16.
    pub connections: u32,
    /// The queue of appends.
    pub bounds: Bounds,
    /// A random number, drawn anew for each opening. Epochs that this node begins are named after it.
    pub seed: u64,
}

/// Without the urls: there are passwords in them.
impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { url: _, replica_url, connections, bounds, seed: _ } = self;
        let replica = replica_url.is_some();
        f.debug_struct("Settings")
            .field("replica", &replica)
            .field("connections", connections)
            .field("bounds", bounds)
            .finish()
    }
}

/// The store in Postgres.
///
/// Dropping it without [`Store::close`] loses nothing: what was enqueued is still committed while the runtime lives.
#[derive(Debug)]
pub struct Postgres {
    batcher: Batcher,
    /// Of appends. One batch is under way at a time: two would only be smaller, and cost the database more.
    writer: Arc<Connections>,
    /// Of everything else.
    others: Arc<Connections>,
    replica: Option<Arc<Connections>>,
    tidying: AbortHandle,
}

impl Postgres {
    /// Checks that the tables are of a version that this hub understands, and starts the writer on the current runtime.
    ///
    /// # Errors
    /// `Refused` when `hubbub migrate` is to be run, or the tables are of a far newer hub, or the role is one that would
    /// see every tenant or could take the walls down; `Unavailable` when the database can not be reached.
    pub async fn open(settings: Settings) -> Result<Self, StoreError> {
        let Settings { url, replica_url, connections, bounds, seed } = settings;
        let primary = options(&url)?;
        migrate::check(&primary).await?;
        // Appends have theirs to themselves, so that no storm of reads holds up what is to be acknowledged.
        let writer = Arc::new(Connections::new(primary.clone(), 1, seed));
        let others = Arc::new(Connections::new(primary, connections.saturating_sub(1), seed));
        let replica = replica_url.map(|url| Ok(Arc::new(Connections::new(options(&url)?, 2, seed)))).transpose()?;
        let batcher = Batcher::start(Writer { connections: writer.clone() }, bounds);
        let tidying = tokio::spawn(retention::keep_tidy(Arc::downgrade(&others))).abort_handle();
        let store = Self { batcher, writer, others, replica, tidying };
        store.check().await?;
        Ok(store)
    }
}

#[async_trait]
impl Store for Postgres {
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
        read::page(&self.others, channel, from, PageCut::new(limit, max_bytes), max_bytes).await
    }

    async fn heads(&self, channels: &[ChannelKey]) -> Result<Vec<Head>, StoreError> {
        read::heads(&self.others, channels).await
    }

    async fn continuity(&self, channel: &ChannelKey, position: Position) -> Result<Continuity, StoreError> {
        epoch::continuity(&self.others, channel, position).await
    }

    async fn find(&self, channel: &ChannelKey, id: MessageId) -> Result<Option<Position>, StoreError> {
        read::find(&self.others, channel, id).await
    }

    async fn erase(&self, channel: &ChannelKey, offset: u64) -> Result<bool, StoreError> {
        retention::erase(&self.others, channel, offset).await
    }

    async fn expire(&self, channel: &ChannelKey, retention: Retention, now_ms: u64) -> Result<u64, StoreError> {
        retention::expire(&self.others, channel, retention, now_ms).await
    }

    async fn forget_channel(&self, channel: &ChannelKey) -> Result<bool, StoreError> {
        retention::forget_channel(&self.others, channel).await
    }

    async fn channels(
        &self,
        tenant: &TenantId,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<(ChannelKey, Head)>, StoreError> {
        if let Some(replica) = &self.replica {
            let listed = read::channels(replica, Access::ReadStale, tenant, after, limit).await;
            if let Some(listed) = unless_away(listed) {
                return listed;
            }
        }
        read::channels(&self.others, Access::Read, tenant, after, limit).await
    }

    async fn tenants(&self) -> Result<Vec<TenantId>, StoreError> {
        if let Some(replica) = &self.replica {
            let listed = read::tenants(replica, Access::ReadStale).await;
            if let Some(listed) = unless_away(listed) {
                return listed;
            }
        }
        read::tenants(&self.others, Access::Read).await
    }

    async fn revoke(&self, revocation: Revocation) -> Result<(), StoreError> {
        revocations::revoke(&self.others, &revocation).await
    }

    async fn revocations(&self, now_ms: u64) -> Result<Vec<Revocation>, StoreError> {
        let (counting, past) = revocations::counting(&self.others, now_ms).await?;
        if past {
            revocations::forget_past(&self.others, now_ms).await?;
        }
        Ok(counting)
    }

    async fn check(&self) -> Result<(), StoreError> {
        let script = Script::new(Access::Repeatable, None).then(format_args!("SELECT pg_is_in_recovery()"));
        let answer = self.others.run(script).await?;
        let standby = answer.rows.iter().flatten().next().map(|row| row.try_get(0).map_err(row_error)).transpose()?;
        match standby {
            Some(false) => Ok(()),
            _ => Err(StoreError::Unavailable("the database is a standby and takes no writes".into())),
        }
    }

    async fn close(&self) {
        self.tidying.abort();
        self.batcher.close().await;
        self.writer.close().await;
        self.others.close().await;
        if let Some(replica) = &self.replica {
            replica.close().await;
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.tidying.abort();
    }
}

/// What a standby answered; `None` when the primary is to be asked instead.
fn unless_away<T>(answer: Result<T, StoreError>) -> Option<Result<T, StoreError>> {
    match answer {
        Err(StoreError::Unavailable(why)) => {
            tracing::warn!(why, "the standby is away, the primary is asked");
            None
        }
        answer => Some(answer),
    }
}

/// Every option that matters, by name.
fn options(url: &str) -> Result<PgConnectOptions, StoreError> {
    let options = PgConnectOptions::from_str(url)
        .map_err(|error| StoreError::Refused(format!("the url of the database can not be understood: {error}")))?;
    Ok(options
        .application_name("hubbub")
        // PgBouncer in transaction mode: nothing stays prepared, and no setting that it does not know is sent.
        .statement_cache_capacity(0)
        .extra_float_digits(None)
        .disable_statement_logging())
}
