//! Natural batching: whatever waits is committed together.
//!
//! An append enters a queue that is bounded in count and bytes; a writer task takes what waits, hands it to its backend
//! in one commit and answers each. Under load the batches grow by themselves; alone an append waits for nobody.
//!
//! There are as many lanes as backends, each with a queue and a writer of its own. A channel always takes the same lane,
//! so its appends keep their order; channels of different lanes do not wait for each other.
//!
//! Knows neither SQL nor any database: a backend is the two methods of `Backend`.

mod writer;

#[cfg(test)]
mod tests;

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Mutex, Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::log::{Append, Appended};
use crate::store::{AppendFuture, StoreError};

/// How much may wait for a commit, and how much goes into one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// Appends that may wait; beyond it `append` answers `Overloaded`. Default 16,384: a second and more of what a
    /// plain disk commits.
    pub waiting_appends: usize,
    /// Bytes that may wait or be under way; beyond it `append` answers `Overloaded`. Default 64 MiB.
    pub waiting_bytes: usize,
    /// Most appends of one commit. Default 1,024.
    pub batch_appends: usize,
    /// A commit takes no further append once it holds so many bytes. Default 4 MiB.
    pub batch_bytes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            waiting_appends: 16_384,
            waiting_bytes: 64 * 1024 * 1024,
            batch_appends: 1_024,
            batch_bytes: 4 * 1024 * 1024,
        }
    }
}

/// What commits a batch.
#[async_trait]
pub(crate) trait Backend: Send + 'static {
    /// Commits the batch as one transaction, in its order, and answers in its order.
    ///
    /// `Refused` says that one append of the batch can not be stored and nothing was: the batch is then tried in
    /// halves. `Unknown` says that the commit was sent and its end not seen. Any other error says that nothing was
    /// stored.
    async fn commit(&mut self, batch: &[Append]) -> Result<Vec<Appended>, StoreError>;

    /// After `Unknown`: how each append of the batch ended, `None` for one that was not stored.
    async fn resolve(&mut self, batch: &[Append]) -> Result<Vec<Option<Appended>>, StoreError>;
}

/// The queues in front of the writer tasks. Dropping it lets the writers commit what waits and end.
#[derive(Debug)]
pub(crate) struct Batcher {
    lanes: Vec<Lane>,
    /// Which lane is a channel's. The same in every process: writers to the same channels then meet in one lane of each
    /// node, and do not hold up other lanes while they wait for each other.
    hasher: BuildHasherDefault<DefaultHasher>,
    places: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    bytes_max: u32,
    closing: AtomicBool,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

/// The way to one writer.
#[derive(Debug)]
struct Lane {
    /// As long as all lanes together may be: the places that they share bound it.
    queue: mpsc::Sender<Waiting>,
    closing: Arc<Notify>,
}

/// One append in a queue.
#[derive(Debug)]
struct Waiting {
    append: Append,
    waiter: Waiter,
    /// Free again when a commit takes the append.
    _place: OwnedSemaphorePermit,
}

/// Who waits for an answer. The bytes of the append are free again when it is given.
#[derive(Debug)]
struct Waiter {
    answer: oneshot::Sender<Result<Appended, StoreError>>,
    _bytes: OwnedSemaphorePermit,
}

impl Batcher {
    /// Starts a writer task for each backend, at least one, on the current runtime.
    pub(crate) fn start<B: Backend>(backends: impl IntoIterator<Item = B>, bounds: Bounds) -> Self {
        let bytes_max = u32::try_from(bounds.waiting_bytes).unwrap_or(u32::MAX);
        let places = bounds.waiting_appends.clamp(1, Semaphore::MAX_PERMITS);
        let mut tasks = Vec::new();
        let lane = |backend| {
            let (queue, waiting) = mpsc::channel(places);
            let closing = Arc::new(Notify::new());
            tasks.push(tokio::spawn(writer::run(backend, waiting, bounds, closing.clone())));
            Lane { queue, closing }
        };
        Self {
            lanes: backends.into_iter().map(lane).collect(),
            hasher: BuildHasherDefault::default(),
            places: Arc::new(Semaphore::new(places)),
            bytes: Arc::new(Semaphore::new(bytes_max as usize)),
            bytes_max,
            closing: AtomicBool::new(false),
            tasks: Mutex::new(tasks),
        }
    }

    /// Enqueues now; the future answers after the commit. Overflow policy: the newcomer is refused with `Overloaded`.
    pub(crate) fn append(&self, append: Append) -> AppendFuture {
        match self.enqueue(append) {
            // A writer that ended without an answer may have been in the middle of a commit.
            Ok(answer) => {
                Box::pin(
                    async move { answer.await.unwrap_or_else(|_| Err(StoreError::Unknown("the writer ended".into()))) },
                )
            }
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }

    fn enqueue(&self, append: Append) -> Result<oneshot::Receiver<Result<Appended, StoreError>>, StoreError> {
        if self.closing.load(Ordering::Acquire) {
            return Err(closed());
        }
        let cost = u32::try_from(cost(&append)).unwrap_or(u32::MAX);
        if cost > self.bytes_max {
            return Err(StoreError::Refused(format!("a message of {cost} bytes is more than the queue holds")));
        }
        let Ok(bytes) = self.bytes.clone().try_acquire_many_owned(cost) else { return Err(StoreError::Overloaded) };
        let Ok(place) = self.places.clone().try_acquire_owned() else { return Err(StoreError::Overloaded) };
        let Some(lane) = self.lanes.get(self.hasher.hash_one(&append.channel) as usize % self.lanes.len().max(1))
        else {
            return Err(closed());
        };
        let (answer, answered) = oneshot::channel();
        match lane.queue.try_send(Waiting { append, waiter: Waiter { answer, _bytes: bytes }, _place: place }) {
            Ok(()) => Ok(answered),
            Err(TrySendError::Full(_)) => Err(StoreError::Overloaded),
            Err(TrySendError::Closed(_)) => Err(closed()),
        }
    }

    /// Refuses newcomers, and answers when all that waited was committed and answered.
    pub(crate) async fn close(&self) {
        self.closing.store(true, Ordering::Release);
        self.lanes.iter().for_each(|lane| lane.closing.notify_one());
        let mut tasks = self.tasks.lock().await;
        while let Some(running) = tasks.last_mut() {
            if let Err(error) = running.await {
                tracing::error!(%error, "the store's writer did not end well");
            }
            tasks.pop();
        }
    }
}

fn closed() -> StoreError {
    StoreError::Unavailable("the store is closed".into())
}

/// About how many bytes an append holds while it waits.
fn cost(append: &Append) -> usize {
    // The fixed part stands for the queue's own slot, ids, times and short names.
    const FIXED: usize = 256;
    let keys = [&append.key, &append.conflate_key].into_iter().flatten().map(|key| key.as_str().len()).sum::<usize>();
    FIXED + append.data.get().len() + append.publisher.len() + keys
}
