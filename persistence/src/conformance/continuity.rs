//! What old positions are worth. How a new epoch begins depends on the backend and is tested there.

use hubbub_protocol::{ChannelKey, Epoch, GapReason, Position};

use super::Database;
use super::sample::{channel, fill, message, open};
use crate::{Continuity, Retention, Store};

pub async fn positions_up_to_the_head_continue(database: &dyn Database) {
    let store = open(database).await;
    let lobby = channel("chat:lobby");
    fill(&*store, &lobby, 5).await;
    let epoch = epoch(&*store, &lobby).await;
    for offset in 0..=5 {
        let continuity = store.continuity(&lobby, Position::new(epoch, offset)).await;
        assert_eq!(continuity, Ok(Continuity::Proven { offset }));
    }
    let nothing = Retention { messages: Some(0), age_ms: None };
    store.expire(&lobby, nothing, 0).await.expect("expired");
    let expired = store.continuity(&lobby, Position::new(epoch, 2)).await;
    assert_eq!(expired, Ok(Continuity::Proven { offset: 2 }), "expiry shows by the low-water mark alone");
    store.close().await;
}

pub async fn positions_beyond_the_head_are_broken(database: &dyn Database) {
    let store = open(database).await;
    let (lobby, untouched) = (channel("chat:lobby"), channel("chat:untouched"));
    fill(&*store, &lobby, 5).await;
    let epoch = epoch(&*store, &lobby).await;
    let reason = GapReason::Epoch;
    for (channel, offset, since) in [(&lobby, 6, 5), (&lobby, u64::MAX, 5), (&untouched, 1, 0)] {
        let continuity = store.continuity(channel, Position::new(epoch, offset)).await;
        assert_eq!(continuity, Ok(Continuity::Broken { since, reason }), "{channel} {offset}");
    }
    let start = store.continuity(&untouched, Position::new(epoch, 0)).await;
    assert_eq!(start, Ok(Continuity::Proven { offset: 0 }));
    store.close().await;
}

pub async fn positions_of_an_unknown_epoch_are_broken(database: &dyn Database) {
    let store = open(database).await;
    let lobby = channel("chat:lobby");
    fill(&*store, &lobby, 5).await;
    let present = epoch(&*store, &lobby).await;
    for unknown in [Epoch::from_u64(present.to_u64() ^ 1), Epoch::from_u64(u64::MAX)] {
        let continuity = store.continuity(&lobby, Position::new(unknown, 3)).await;
        assert_eq!(continuity, Ok(Continuity::Broken { since: 0, reason: GapReason::Epoch }));
        let nothing_seen = store.continuity(&lobby, Position::new(unknown, 0)).await;
        assert_eq!(nothing_seen, Ok(Continuity::Proven { offset: 0 }), "who has seen nothing has missed nothing");
    }
    store.close().await;
}

pub async fn positions_survive_closing_and_opening(database: &dyn Database) {
    let store = open(database).await;
    let lobby = channel("chat:lobby");
    fill(&*store, &lobby, 5).await;
    let epoch = epoch(&*store, &lobby).await;
    store.close().await;
    let store = open(database).await;
    store.append(message(&lobby, 6)).await.expect("appended");
    let continuity = store.continuity(&lobby, Position::new(epoch, 5)).await;
    assert_eq!(continuity, Ok(Continuity::Proven { offset: 5 }));
    store.close().await;
}

async fn epoch(store: &dyn Store, channel: &ChannelKey) -> Epoch {
    store.heads(std::slice::from_ref(channel)).await.expect("heads")[0].position.epoch
}
