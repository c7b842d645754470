//! Goal: a store that is away is asked by probes alone, and calls go on when it is back. Method: a store that answers as it
//! is told, under paused time.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::time::sleep;

use super::*;

#[derive(Default)]
struct Fickle {
    away: AtomicBool,
    asked: AtomicUsize,
}

impl Fickle {
    fn answer<T>(&self, value: T) -> Result<T, StoreError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if self.away.load(Ordering::Relaxed) { Err(StoreError::Unavailable("gone".into())) } else { Ok(value) }
    }
}

#[async_trait]
impl Store for Fickle {
    fn append(&self, _: Append) -> AppendFuture {
        let answer = self.answer(()).and(Err(StoreError::Overloaded));
        Box::pin(std::future::ready(answer))
    }

    async fn read(&self, _: &ChannelKey, _: ReadFrom, _: u32, _: usize) -> Result<Page, StoreError> {
        self.answer(()).and(Err(StoreError::Refused("nothing to read".into())))
    }

    async fn heads(&self, _: &[ChannelKey]) -> Result<Vec<Head>, StoreError> {
        self.answer(Vec::new())
    }

    async fn continuity(&self, _: &ChannelKey, position: Position) -> Result<Continuity, StoreError> {
        self.answer(Continuity::Proven { offset: position.offset })
    }

    async fn find(&self, _: &ChannelKey, _: MessageId) -> Result<Option<Position>, StoreError> {
        self.answer(None)
    }

    async fn erase(&self, _: &ChannelKey, _: u64) -> Result<bool, StoreError> {
        self.answer(false)
    }

    async fn expire(&self, _: &ChannelKey, _: Retention, _: u64) -> Result<u64, StoreError> {
        self.answer(0)
    }

    async fn forget_channel(&self, _: &ChannelKey) -> Result<bool, StoreError> {
        self.answer(true)
    }

    async fn channels(&self, _: &TenantId, _: Option<&str>, _: u32) -> Result<Vec<(ChannelKey, Head)>, StoreError> {
        self.answer(Vec::new())
    }

    async fn tenants(&self) -> Result<Vec<TenantId>, StoreError> {
        self.answer(Vec::new())
    }

    async fn revoke(&self, _: Revocation) -> Result<(), StoreError> {
        self.answer(())
    }

    async fn revocations(&self, _: u64) -> Result<Vec<Revocation>, StoreError> {
        self.answer(Vec::new())
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.answer(())
    }

    async fn close(&self) {}
}

#[tokio::test(start_paused = true)]
async fn it_is_left_alone_while_it_is_away_and_asked_when_it_is_back() {
    let fickle = Arc::new(Fickle::default());
    let store = GuardedStore::new(fickle.clone(), BreakerSettings::default());
    fickle.away.store(true, Ordering::Relaxed);
    for _ in 0..5 {
        assert!(matches!(store.tenants().await, Err(StoreError::Unavailable(_))));
    }
    assert_eq!(fickle.asked.load(Ordering::Relaxed), 5);
    assert!(matches!(store.tenants().await, Err(StoreError::Unavailable(_))));
    assert_eq!(fickle.asked.load(Ordering::Relaxed), 5, "nobody asks any more");
    // Probes after 1, 2 and 4 seconds.
    sleep(Duration::from_millis(7_500)).await;
    assert_eq!(fickle.asked.load(Ordering::Relaxed), 8);
    fickle.away.store(false, Ordering::Relaxed);
    sleep(Duration::from_secs(8)).await;
    assert!(store.tenants().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_a_store_refuses_does_not_open_it() {
    let fickle = Arc::new(Fickle::default());
    let store = GuardedStore::new(fickle, BreakerSettings::default());
    let channel = ChannelKey::new(
        TenantId::parse("t").expect("valid"),
        hubbub_protocol::ChannelName::parse("c:x").expect("valid"),
    );
    for _ in 0..20 {
        let read = store.read(&channel, ReadFrom::After(0), 1, 1).await;
        assert!(matches!(read, Err(StoreError::Refused(_))));
    }
    assert!(store.check().await.is_ok());
}
