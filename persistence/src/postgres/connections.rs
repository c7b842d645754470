//! Connections to one database, lent for a transaction each, and the one place that decides what is tried again.
//!
//! Not sqlx's pool: a caller that goes away in the middle (clients do, in storms) would cost its connection or leave it
//! in a transaction, and sqlx's connections belong to the runtime that made them. Here the work runs to its end as a task
//! of the runtime of the store, whoever still waits for it; a connection that is not provably well is closed.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::epoch;
use super::error::{Fault, fault};
use super::script::send;
use crate::store::StoreError;

/// How long a borrower waits for a connection that is free, and then for one to be made.
const WAIT: Duration = Duration::from_secs(3);
/// How long an answer of the database may take. Longer than what the server itself allows for a statement, so that it
/// is the server that gives up, and says why.
pub(super) const PATIENCE: Duration = Duration::from_secs(8);
/// How often a piece of work is tried when the database says that another time may do.
const ATTEMPTS: u32 = 6;
/// The first pause between two of them, where transactions were in each other's way; it doubles.
const PAUSE: Duration = Duration::from_millis(2);

/// Something to do in one transaction. It may be done again from its beginning until it ends well.
pub(super) trait Work: Sync {
    /// What comes of it.
    type Answer: Send;

    /// Does it. After an error the transaction is rolled back by the caller.
    fn run(&self, connection: &mut PgConnection) -> impl Future<Output = Result<Self::Answer, Fault>> + Send;
}

/// Some connections with the same options.
#[derive(Debug)]
pub(super) struct Connections {
    options: PgConnectOptions,
    count: u32,
    /// What a new epoch is named after.
    seed: u64,
    runtime: Handle,
    permits: Arc<Semaphore>,
    /// Held for a push, a pop or a take, never across an await.
    idle: Mutex<Vec<PgConnection>>,
}

/// Makes a connection, within so long.
pub(super) async fn connect(options: &PgConnectOptions, within: Duration) -> Result<PgConnection, StoreError> {
    let whom = || match options.get_socket() {
        Some(folder) => format!("postgres in {}", folder.display()),
        None => format!("postgres at {}:{}", options.get_host(), options.get_port()),
    };
    let late = |_| StoreError::Unavailable(format!("{} made no connection within {} s", whom(), within.as_secs()));
    let connected = tokio::time::timeout(within, options.connect()).await.map_err(late)?;
    connected.map_err(|error| match unfaulted(fault(&error)) {
        StoreError::Unavailable(why) => StoreError::Unavailable(format!("{}: {why}", whom())),
        error => error,
    })
}

/// What whoever asked the store is told of a fault.
pub(super) fn unfaulted(fault: Fault) -> StoreError {
    match fault {
        Fault::Failed(error) | Fault::Refused(error) => error,
        Fault::Lost(why) | Fault::Again(why) => StoreError::Unavailable(why),
        Fault::Moved => StoreError::Unavailable("the database moved".into()),
    }
}

impl Connections {
    /// None is made yet. They belong to the current runtime.
    pub(super) fn new(options: PgConnectOptions, count: u32, seed: u64) -> Self {
        let count = count.max(1);
        let permits = Arc::new(Semaphore::new(count as usize));
        Self { options, count, seed, runtime: Handle::current(), permits, idle: Mutex::default() }
    }

    /// Runs a piece of work to its end, even if the caller goes away before.
    pub(super) async fn run<W>(self: &Arc<Self>, work: W) -> Result<W::Answer, StoreError>
    where
        W: Work + Send + 'static,
        W::Answer: 'static,
    {
        let permit = self.permit().await?;
        let home = self.clone();
        let task = self.runtime.spawn(async move {
            let answer = home.repeat(&work).await;
            drop(permit);
            answer
        });
        task.await.map_err(|error| StoreError::Unavailable(format!("the store is going down: {error}")))?
    }

    /// The same on the spot, for a caller that does not go away.
    pub(super) async fn run_here<W: Work>(&self, work: &W) -> Result<W::Answer, StoreError> {
        let _permit = self.permit().await?;
        self.repeat(work).await
    }

    /// Waits until all connections are back, and closes them. Nothing can be borrowed from then on.
    pub(super) async fn close(&self) {
        // Fails only when they are closed already.
        let all = self.permits.acquire_many(self.count).await;
        self.permits.close();
        drop(all);
        let idle = std::mem::take(&mut *self.idle());
        for connection in idle {
            // It has nothing to lose; a server that is gone does not matter any more.
            let _ = tokio::time::timeout(WAIT, connection.close()).await;
        }
    }

    /// In the order of asking. Where none becomes free in time too much is asked at once; that does not say that the database
    /// is away.
    async fn permit(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        tokio::time::timeout(WAIT, self.permits.clone().acquire_owned())
            .await
            .map_err(|_| StoreError::Overloaded)?
            .map_err(|_| StoreError::Unavailable("the store is closed".into()))
    }

    async fn repeat<W: Work>(&self, work: &W) -> Result<W::Answer, StoreError> {
        let mut pause = PAUSE;
        let mut last = StoreError::Unavailable("the database changes too fast".into());
        for _ in 0..ATTEMPTS {
            let idle = self.idle().pop();
            let was_idle = idle.is_some();
            let mut connection = match idle {
                Some(connection) => connection,
                None => connect(&self.options, WAIT).await?,
            };
            let done = match work.run(&mut connection).await {
                // The next attempt is made in the new epoch.
                Err(Fault::Moved) => self.enter(&mut connection).await.and(Err(Fault::Moved)),
                done => done,
            };
            match done {
                Ok(answer) => {
                    self.idle().push(connection);
                    return Ok(answer);
                }
                Err(Fault::Failed(error)) => return Err(error),
                Err(Fault::Refused(error)) => {
                    self.roll_back(connection).await;
                    return Err(error);
                }
                Err(Fault::Lost(why)) => {
                    // All that waited beside it are older than what has ended it, most likely.
                    self.idle().clear();
                    last = StoreError::Unavailable(why);
                    if !was_idle {
                        return Err(last);
                    }
                }
                Err(again @ (Fault::Moved | Fault::Again(_))) => {
                    tracing::debug!(?again, "a transaction is tried again");
                    self.roll_back(connection).await;
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
            }
        }
        Err(last)
    }

    /// Takes everything back and keeps the connection, if it is well.
    async fn roll_back(&self, mut connection: PgConnection) {
        if send(&mut connection, "ROLLBACK".into()).await.is_ok() {
            self.idle().push(connection);
        }
    }

    /// Begins a new epoch, unless another node has done so meanwhile.
    async fn enter(&self, connection: &mut PgConnection) -> Result<(), Fault> {
        send(connection, "ROLLBACK".into()).await?;
        epoch::enter(connection, self.seed).await
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<PgConnection>> {
        // A push or a pop does not panic half-way, so what a poisoned lock guards is whole.
        self.idle.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
