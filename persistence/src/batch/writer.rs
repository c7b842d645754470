//! The writer task: takes what waits, commits it, answers in the order of enqueuing.
//!
//! What to do when a commit fails is decided here, the same for every backend.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::{Backend, Bounds, Closing, Item, Outcome, Waiter, Waiting};
use crate::store::StoreError;

/// How often the end of an unknown commit is asked for, before its callers are told that it is unknown.
const RESOLVE_ATTEMPTS: u32 = 6;
/// The first pause between two of these questions; it doubles. All together wait 3.1 s.
const RESOLVE_PAUSE: Duration = Duration::from_millis(100);

/// Items that are committed together, and who waits for each.
struct Batch {
    items: Vec<Item>,
    waiters: Vec<Waiter>,
}

/// Runs until the queue is closed and empty.
pub(super) async fn run(
    mut backend: impl Backend,
    mut queue: mpsc::Receiver<Waiting>,
    bounds: Bounds,
    closing: Arc<Closing>,
) {
    let mut open = true;
    loop {
        let first = tokio::select! {
            biased;
            () = closing.signal.notified(), if open => {
                queue.close();
                open = false;
                continue;
            }
            first = queue.recv() => first,
        };
        let Some(first) = first else { return };
        commit(&mut backend, Batch::collect(first, &mut queue, bounds)).await;
    }
}

/// Commits a batch; one that is refused is tried in halves, so that a bad item fails alone.
async fn commit(backend: &mut impl Backend, batch: Batch) {
    // The halves still to do, the next one on top: answers keep the order of enqueuing.
    let mut parts = vec![batch];
    while let Some(part) = parts.pop() {
        match backend.commit(&part.items).await {
            Ok(outcomes) => part.answer(outcomes),
            Err(StoreError::Refused(why)) if part.items.len() == 1 => part.fail(&StoreError::Refused(why)),
            Err(StoreError::Refused(_)) => {
                let (front, back) = part.halves();
                parts.extend([back, front]);
            }
            Err(StoreError::Unknown(why)) => resolve(backend, part, &why).await,
            Err(error) => {
                // Nobody else of this batch would fare better: each caller decides whether to come again.
                part.fail(&error);
                parts.drain(..).rev().for_each(|rest| rest.fail(&error));
            }
        }
    }
}

/// Finds out how a commit ended whose end was not seen. Never commits again.
async fn resolve(backend: &mut impl Backend, batch: Batch, why: &str) {
    tracing::warn!(why, items = batch.items.len(), "a commit ended unknown, looking its messages up");
    let mut pause = RESOLVE_PAUSE;
    for attempt in 1..=RESOLVE_ATTEMPTS {
        match backend.resolve(&batch.items).await {
            Ok(found) => {
                let end = |(item, found): (&Item, Option<Outcome>)| found.ok_or_else(|| absent(item, why));
                let ends = batch.items.iter().zip(found).map(end).collect();
                return batch.answer(ends);
            }
            Err(error) => tracing::warn!(%error, attempt, "can not look up how a commit ended"),
        }
        if attempt < RESOLVE_ATTEMPTS {
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }
    batch.fail(&StoreError::Unknown(why.to_owned()));
}

/// What is told of an item that has no message. An append would have one; an act may have been stored without.
fn absent(item: &Item, why: &str) -> StoreError {
    match item {
        Item::Append(_) => StoreError::Unavailable("the commit failed".into()),
        Item::Act(_) => StoreError::Unknown(why.to_owned()),
    }
}

impl Batch {
    /// Takes what waits, up to the bounds of one commit.
    fn collect(first: Waiting, queue: &mut mpsc::Receiver<Waiting>, bounds: Bounds) -> Self {
        let mut batch = Self { items: Vec::new(), waiters: Vec::new() };
        let mut bytes = 0;
        let mut next = Some(first);
        while let Some(waiting) = next {
            bytes += waiting.item.cost();
            batch.items.push(waiting.item);
            batch.waiters.push(waiting.waiter);
            let room = batch.items.len() < bounds.batch_appends && bytes < bounds.batch_bytes;
            next = if room { queue.try_recv().ok() } else { None };
        }
        batch
    }

    fn halves(mut self) -> (Self, Self) {
        let middle = self.items.len() / 2;
        let back = Self { items: self.items.split_off(middle), waiters: self.waiters.split_off(middle) };
        (self, back)
    }

    /// Answers each. A waiter that went away has its item stored all the same.
    fn answer(self, outcomes: Vec<Result<Outcome, StoreError>>) {
        debug_assert_eq!(outcomes.len(), self.waiters.len(), "a backend answers each item");
        for (waiter, outcome) in self.waiters.into_iter().zip(outcomes) {
            let _ = waiter.answer.send(outcome);
        }
    }

    fn fail(self, error: &StoreError) {
        for waiter in self.waiters {
            let _ = waiter.answer.send(Err(error.clone()));
        }
    }
}
