//! Turns of requests about rooms over REST: bounded in all, and for each user, so that nobody takes those of others.

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use hubbub_protocol::ErrorCode;
use hubbub_protocol::channel::{TenantId, UserId};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::problem::Problem;

/// When somebody with too many requests may come again, in milliseconds.
const RETRY_MS: u64 = 500;

/// A user of a tenant; nobody in particular where the token names none.
type Whose = (TenantId, Option<UserId>);

/// The turns of a node.
#[derive(Debug)]
pub struct Turns {
    all: Semaphore,
    each: u32,
    taken: DashMap<Whose, u32>,
}

/// A turn, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    _permit: Option<SemaphorePermit<'a>>,
    _place: Place<'a>,
}

/// A place among the requests of a user, waiting or worked on.
#[derive(Debug)]
struct Place<'a> {
    turns: &'a Turns,
    whose: Whose,
}

impl Turns {
    /// So many at once, of each user at most so many.
    pub fn new(all: usize, each: u32) -> Self {
        Self { all: Semaphore::new(all.min(Semaphore::MAX_PERMITS)), each, taken: DashMap::new() }
    }

    /// Waits for a turn. Who has as many as a user may is refused.
    pub(super) async fn take(&self, tenant: &TenantId, user: Option<&UserId>) -> Result<Turn<'_>, Problem> {
        let place = self.place((tenant.clone(), user.cloned())).ok_or_else(|| {
            let message = format!("at most {} requests at once, wait for the answers to others", self.each);
            Problem::new(ErrorCode::RateLimited, message).retry_after(Some(RETRY_MS))
        })?;
        // Closed with the node.
        Ok(Turn { _permit: self.all.acquire().await.ok(), _place: place })
    }

    fn place(&self, whose: Whose) -> Option<Place<'_>> {
        let mut taken = self.taken.entry(whose.clone()).or_default();
        if *taken >= self.each {
            return None;
        }
        *taken += 1;
        Some(Place { turns: self, whose })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Entry::Occupied(mut taken) = self.turns.taken.entry(self.whose.clone()) {
            *taken.get_mut() -= 1;
            if *taken.get() == 0 {
                taken.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn nobody_takes_the_turns_of_others() {
        let turns = Turns::new(3, 2);
        let tenant = TenantId::parse("acme").expect("a tenant");
        let [ann, bob] = ["ann", "bob"].map(|user| UserId::parse(user).expect("a user"));
        let first = turns.take(&tenant, Some(&ann)).await.expect("a turn");
        let _second = turns.take(&tenant, Some(&ann)).await.expect("a turn");
        let refused = turns.take(&tenant, Some(&ann)).await.expect_err("ann has two");
        assert_eq!((refused.parts().0, refused.parts().2), (ErrorCode::RateLimited, Some(RETRY_MS)));
        let _theirs = turns.take(&tenant, Some(&bob)).await.expect("bob has his own");
        assert!(turns.take(&tenant, Some(&bob)).now_or_never().is_none(), "all turns are taken: it waits");
        drop(first);
        drop(turns.take(&tenant, Some(&ann)).await.expect("one is free again"));
        assert_eq!(turns.taken.len(), 2, "whoever waits in vain leaves nothing behind");
    }
}
