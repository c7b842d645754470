//! Questions that many ask at the same moment: one is answered at a time, and those who come meanwhile wait for the next one
//! together. So an answer is never older than its question, and a storm of the same question costs two. Knows nothing of what is
//! asked.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};

/// Questions under way, by what they are about. Cheap to clone. Bounded by those who ask: each entry has somebody waiting.
#[derive(Debug)]
pub struct Questions<K, A: Clone>(Arc<Mutex<HashMap<K, Question<A>>>>);

type Answer<A> = Shared<BoxFuture<'static, Option<A>>>;

#[derive(Debug)]
struct Question<A: Clone> {
    /// Held by the one that is being answered.
    turn: Arc<tokio::sync::Mutex<()>>,
    /// The next one, while it may still be joined.
    next: Option<Answer<A>>,
}

impl<K, A: Clone> Clone for Questions<K, A> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K, A: Clone> Default for Questions<K, A> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K, A> Questions<K, A>
where
    K: Clone + Eq + Hash + Send + 'static,
    A: Clone + Send + Sync + 'static,
{
    /// Asks, or waits for the same question that has not begun yet. It goes on when whoever asked goes away. `None` when it panicked.
    pub async fn ask<F>(&self, about: K, answer: impl FnOnce() -> F) -> Option<A>
    where
        F: Future<Output = A> + Send + 'static,
    {
        let joined = {
            let mut questions = self.lock();
            let new = || Question { turn: Arc::default(), next: None };
            let question = questions.entry(about.clone()).or_insert_with(new);
            let turn = Arc::clone(&question.turn);
            question.next.get_or_insert_with(|| self.clone().begin(about, turn, answer())).clone()
        };
        joined.await
    }

    fn begin(
        self,
        about: K,
        turn: Arc<tokio::sync::Mutex<()>>,
        answer: impl Future<Output = A> + Send + 'static,
    ) -> Answer<A> {
        let asked = tokio::spawn(async move {
            // Across an await on purpose: one at a time is the point.
            let _turn = turn.lock_owned().await;
            // Whoever comes from here on waits for the next one.
            if let Some(question) = self.lock().get_mut(&about) {
                question.next = None;
            }
            let _over = Over { questions: self, about };
            answer.await
        });
        asked.map(Result::ok).boxed().shared()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Question<A>>> {
        // Every change under it is one step.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets a question that nobody asks any more, also when its answer panicked.
struct Over<K, A>
where
    K: Clone + Eq + Hash + Send + 'static,
    A: Clone + Send + Sync + 'static,
{
    questions: Questions<K, A>,
    about: K,
}

impl<K, A> Drop for Over<K, A>
where
    K: Clone + Eq + Hash + Send + 'static,
    A: Clone + Send + Sync + 'static,
{
    fn drop(&mut self) {
        let mut questions = self.questions.lock();
        // One that waits for its turn stands in `next` until it begins.
        if questions.get(&self.about).is_some_and(|question| question.next.is_none()) {
            questions.remove(&self.about);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures_util::future::join_all;
    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn a_storm_of_one_question_costs_two() {
        let (questions, asked, gate) = (Questions::default(), Arc::new(AtomicU32::new(0)), Arc::new(Semaphore::new(0)));
        let ask = |about: u8| {
            let (asked, gate) = (Arc::clone(&asked), Arc::clone(&gate));
            questions.ask(about, move || async move {
                let number = asked.fetch_add(1, Ordering::Relaxed) + 1;
                let _pass = gate.acquire().await;
                number
            })
        };
        let mut first = Box::pin(ask(1));
        assert!(futures_util::poll!(&mut first).is_pending());
        // Until the first has begun, others join it.
        while asked.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        let storm = join_all((0..1_000).map(|_| ask(1)));
        gate.add_permits(1);
        let (first, storm) = tokio::join!(first, storm);
        // Nobody is told what was found out before they asked.
        assert_eq!((first, storm.iter().all(|answer| *answer == Some(2))), (Some(1), true));
        assert_eq!((ask(2).await, asked.load(Ordering::Relaxed)), (Some(3), 3));
        assert!(questions.lock().is_empty());
    }

    #[tokio::test]
    async fn a_question_that_panics_or_is_left_alone_does_not_stand_in_the_way() {
        let questions = Questions::<u8, u8>::default();
        assert_eq!(questions.ask(1, || async { panic!("on purpose") }).await, None);
        let mut left = Box::pin(questions.ask(1, || async { 1 }));
        assert!(futures_util::poll!(&mut left).is_pending());
        drop(left);
        assert_eq!(questions.ask(1, || async { 2 }).await.is_some(), true);
        while !questions.lock().is_empty() {
            tokio::task::yield_now().await;
        }
    }
}
