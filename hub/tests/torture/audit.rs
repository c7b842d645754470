//! The end of a round: a last message into every channel, what the nodes then say of the logs, and the wait until every reader
//! has it. Judges nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt, stream};
use hubbub_protocol::Position;
use tokio::time::sleep;

use crate::api::{Api, Failure};
use crate::checker::Log;
use crate::notes::{Channel, Notes, Page, Place};
use crate::readers::CHANNELS;

/// Everything is whole again: within this every call succeeds.
const HEALED_WITHIN: Duration = Duration::from_secs(60);
/// And within this every reader has everything.
const CONVERGED_WITHIN: Duration = Duration::from_secs(45);
/// Calls at once.
const CALLS: usize = 8;
/// Between two looks at the readers.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// All channels of a round.
pub(crate) fn channels(round: usize) -> impl Iterator<Item = Channel> {
    let kinds = [Place::Durable, Place::Window { round }];
    kinds.into_iter().flat_map(|kind| (0..CHANNELS).map(move |number| Channel { kind, number }))
}

/// Publishes one more message into every channel: behind it a reader that has everything has the end of the log.
pub(crate) async fn ring(round: usize, api: &Api, notes: &Notes) -> Result<(), Failure> {
    let rung = stream::iter(channels(round)).map(|channel| async move {
        let (name, key) = (channel.name(), format!("{round}.bell.{}", channel.name()));
        let entry = until_healed(channel.number, api, |node| {
            let (name, key) = (&name, &key);
            async move { api.publish(node, name, key).await }
        });
        notes.acknowledged(name.clone(), entry.await?);
        Ok(())
    });
    rung.buffer_unordered(CALLS).try_collect().await
}

/// The logs as the nodes show them, each behind an offset; what the nodes do not agree about is noted.
pub(crate) async fn logs(
    round: usize,
    api: &Api,
    after: &HashMap<Channel, u64>,
    notes: &Notes,
) -> Result<Vec<Log>, Failure> {
    let logs = stream::iter(channels(round)).map(|channel| async move {
        let log = whole_log(channel, api, after.get(&channel).copied().unwrap_or(0)).await?;
        for node in 0..api.nodes() {
            let name = channel.name();
            let head = until_healed(node, api, |node| {
                let name = &name;
                async move { api.head(node, name).await }
            });
            let head = head.await?;
            if head != log.head {
                notes.surprised(format!("{name}: node {node} sees the head {head:?}, another sees {:?}", log.head));
            }
        }
        Ok(log)
    });
    logs.buffer_unordered(CALLS).try_collect().await
}

async fn whole_log(channel: Channel, api: &Api, after: u64) -> Result<Log, Failure> {
    let (name, mut entries, mut from) = (channel.name(), Vec::new(), after);
    loop {
        let page = until_healed(channel.number, api, |node| {
            let name = &name;
            async move { api.history(node, name, from).await }
        });
        let page = page.await?;
        from = page.entries.last().map_or(page.head.offset, |entry| entry.position.offset);
        entries.extend(page.entries);
        if !page.more {
            return Ok(Log { channel: name, kind: channel.kind(), after, entries, head: page.head });
        }
    }
}

/// Waits until every reader stands at the head of its log; answers how long it took, or `None` when time is up.
pub(crate) async fn convergence(pages: &[Arc<Page>], logs: &[Log]) -> Option<Duration> {
    let begun = Instant::now();
    let heads: HashMap<&str, Position> = logs.iter().map(|log| (log.channel.as_str(), log.head)).collect();
    let mut behind: Vec<&Arc<Page>> = pages.iter().collect();
    loop {
        behind.retain(|page| {
            let (head, at) = (heads.get(page.channel.name().as_str()), page.position());
            let Some((head, at)) = head.zip(at) else { return true };
            // A durable offset is the same place in every epoch.
            head.offset != at.offset || (page.channel.kind != Place::Durable && head.epoch != at.epoch)
        });
        if behind.is_empty() {
            return Some(begun.elapsed());
        }
        if begun.elapsed() > CONVERGED_WITHIN {
            return None;
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Calls node after node, beginning with one, until a call succeeds.
async fn until_healed<T, F: Future<Output = Result<T, Failure>>>(
    first: usize,
    api: &Api,
    call: impl Fn(usize) -> F,
) -> Result<T, Failure> {
    let begun = Instant::now();
    for attempt in 0.. {
        match call((first + attempt) % api.nodes()).await {
            Err(Failure::Later(_)) if begun.elapsed() < HEALED_WITHIN => sleep(LOOK_EVERY * 5).await,
            answer => return answer,
        }
    }
    unreachable!("the attempts do not end")
}
