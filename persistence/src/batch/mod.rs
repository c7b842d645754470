//! Natural batching: whatever waits is committed together.
//!
//! An append or an act enters a queue that is bounded in count and bytes; one writer task takes what waits, hands it to its
//! backend in one commit and answers each. Under load the batches grow by themselves; alone an item waits for nobody.
//!
//! Read in this order: what waits (`item`), the queue (this file), the task that empties it (`writer`). Knows neither SQL nor
//! any database: a backend is the two methods of `Backend`.

mod item;

mod writer;

#[cfg(test)]
pub(crate) mod resolved;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Mutex, Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;

pub(crate) use self::item::{Item, Outcome};
use crate::log::Append;
use crate::records::{Act, ActFuture};
use crate::store::{AppendFuture, StoreError};

/// How much may wait for a commit, and how much goes into one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// Appends and acts that may wait; beyond it they are answered `Overloaded`. Default 16,384: a second and more of what
    /// a plain disk commits.
    pub waiting_appends: usize,
    /// Bytes that may wait or be under way; beyond it newcomers are answered `Overloaded`. Default 64 MiB.
    pub waiting_bytes: usize,
    /// Most appends and acts of one commit. Default 1,024.
    pub batch_appends: usize,
    /// A commit takes no further ones once it holds so many bytes; an act counts 2 KiB and its digest. Default 4 MiB.
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
    /// Commits the batch as one transaction, in its order, and answers in its order. An item that the plan refuses fails
    /// alone, with an answer of its own.
    ///
    /// `Refused` for all says that one item of the batch can not be stored and nothing was: the batch is then tried in
    /// halves. `Unknown` says that the commit was sent and its end not seen. Any other error says that nothing was
    /// stored.
    async fn commit(&mut self, batch: &[Item]) -> Result<Vec<Result<Outcome, StoreError>>, StoreError>;

    /// After `Unknown`: how each item of the batch ended, `None` for one of which there is no message.
    async fn resolve(&mut self, batch: &[Item]) -> Result<Vec<Option<Outcome>>, StoreError>;
}

/// The queue in front of the writer task. Dropping it lets the writer commit what waits and end.
#[derive(Debug)]
pub(crate) struct Batcher {
    queue: mpsc::Sender<Waiting>,
    bytes: Arc<Semaphore>,
    bytes_max: u32,
    closing: Arc<Closing>,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// One item in the queue.
#[derive(Debug)]
struct Waiting {
    item: Item,
    waiter: Waiter,
}

/// Who waits for an answer. The bytes of the item are free again when it is given.
#[derive(Debug)]
struct Waiter {
    answer: oneshot::Sender<Result<Outcome, StoreError>>,
    _bytes: OwnedSemaphorePermit,
}

#[derive(Debug, Default)]
struct Closing {
    begun: AtomicBool,
    signal: Notify,
}

impl Batcher {
    /// Starts the writer task on the current runtime.
    pub(crate) fn start(backend: impl Backend, bounds: Bounds) -> Self {
        let bytes_max = u32::try_from(bounds.waiting_bytes).unwrap_or(u32::MAX);
        let (queue, waiting) = mpsc::channel(bounds.waiting_appends.max(1));
        let closing = Arc::new(Closing::default());
        let task = tokio::spawn(writer::run(backend, waiting, bounds, closing.clone()));
        Self {
            queue,
            bytes: Arc::new(Semaphore::new(bytes_max as usize)),
            bytes_max,
            closing,
            task: Mutex::new(Some(task)),
        }
    }

    /// Enqueues now; the future answers after the commit. Overflow policy: the newcomer is refused with `Overloaded`.
    pub(crate) fn append(&self, append: Append) -> AppendFuture {
        let answered = self.enqueue(Item::Append(append));
        Box::pin(async move { ended(answered).await.and_then(Outcome::appended) })
    }

    /// The same for an act. It keeps its place among the appends.
    pub(crate) fn act(&self, act: Arc<dyn Act>) -> ActFuture {
        let answered = self.enqueue(Item::Act(act));
        Box::pin(async move { ended(answered).await.and_then(Outcome::acted) })
    }

    fn enqueue(&self, item: Item) -> Result<Answered, StoreError> {
        if self.closing.begun.load(Ordering::Acquire) {
            return Err(closed());
        }
        let cost = u32::try_from(item.cost()).unwrap_or(u32::MAX);
        if cost > self.bytes_max {
            return Err(StoreError::Refused(format!("a message of {cost} bytes is more than the queue holds")));
        }
        let Ok(bytes) = self.bytes.clone().try_acquire_many_owned(cost) else { return Err(StoreError::Overloaded) };
        let (answer, answered) = oneshot::channel();
        match self.queue.try_send(Waiting { item, waiter: Waiter { answer, _bytes: bytes } }) {
            Ok(()) => Ok(answered),
            Err(TrySendError::Full(_)) => Err(StoreError::Overloaded),
            Err(TrySendError::Closed(_)) => Err(closed()),
        }
    }

    /// Refuses newcomers, and answers when all that waited was committed and answered.
    pub(crate) async fn close(&self) {
        self.closing.begun.store(true, Ordering::Release);
        self.closing.signal.notify_one();
        let mut task = self.task.lock().await;
        if let Some(running) = task.as_mut() {
            if let Err(error) = running.await {
                tracing::error!(%error, "the store's writer did not end well");
            }
            *task = None;
        }
    }
}

fn closed() -> StoreError {
    StoreError::Unavailable("the store is closed".into())
}

/// Where the end of an item will be told.
type Answered = oneshot::Receiver<Result<Outcome, StoreError>>;

/// Waits for the end of an item that was enqueued.
async fn ended(answered: Result<Answered, StoreError>) -> Result<Outcome, StoreError> {
    // A writer that ended without an answer may have been in the middle of a commit.
    answered?.await.unwrap_or_else(|_| Err(StoreError::Unknown("the writer ended".into())))
}
