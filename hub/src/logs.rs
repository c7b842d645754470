//! One face for the logs of all namespaces: windows are the broker's, durable logs the store's.

use std::sync::Arc;

use hubbub_persistence::{Append, Appended, Continuity, Entry, Head, Page, ReadFrom, Store, StoreError};
use hubbub_protocol::channel::ChannelKey;
use hubbub_protocol::{GapReason, Position, Range};

use crate::broker::{Broker, BrokerError};
use crate::namespace::{LogKind, Namespace};
use crate::questions::Questions;

/// Erased messages that one page of history walks over at once.
const ERASED_AT_ONCE: u32 = 512;
/// How often it does so before it answers with an empty page.
const ERASED_PAGES: u32 = 2_000;

/// Why a log did not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// Whatever holds the log is away; try again later.
    #[error("the log is away: {0}")]
    Unavailable(String),
    /// More waits than the log can take; try again later.
    #[error("the log has more waiting than it can take")]
    Overloaded,
    /// It was refused, or the log is damaged.
    #[error("the log failed: {0}")]
    Failed(String),
}

impl From<BrokerError> for LogError {
    fn from(error: BrokerError) -> Self {
        match error {
            BrokerError::Unavailable(why) => Self::Unavailable(why),
        }
    }
}

impl From<StoreError> for LogError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(why) | StoreError::Unknown(why) => Self::Unavailable(why),
            StoreError::Overloaded => Self::Overloaded,
            StoreError::Refused(why) | StoreError::Damaged(why) => Self::Failed(why),
        }
    }
}

/// Where to begin reading for an old position.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Resumption {
    /// The ends of the log at that moment.
    pub head: Head,
    /// Read after this offset.
    pub after: u64,
    /// What will never come, and why; `None` when continuity is proven. The range is empty when nothing is missing but
    /// the old epoch could not be proven.
    pub lost: Option<(Range, GapReason)>,
}

/// The logs of a node.
#[derive(Clone)]
pub struct Logs {
    broker: Arc<dyn Broker>,
    store: Arc<dyn Store>,
    /// Old positions that somebody wants to go on from. After a restart that began a new epoch, everybody asks for the same few.
    resuming: Questions<(ChannelKey, Position), Result<Resumption, LogError>>,
}

impl Logs {
    /// Joins the two holders of logs.
    pub fn new(broker: Arc<dyn Broker>, store: Arc<dyn Store>) -> Self {
        Self { broker, store, resuming: Questions::default() }
    }

    /// Appends. A durable append is enqueued at once, before the future is polled; a window's at its first poll. `None`
    /// for a namespace without a log.
    pub fn append(
        &self,
        namespace: &Namespace,
        append: Append,
    ) -> impl Future<Output = Result<Option<Appended>, LogError>> + Send + use<> {
        let enqueued = match namespace.log {
            LogKind::None => Enqueued::None,
            LogKind::Durable => Enqueued::Durable(self.store.append(append)),
            LogKind::Window => Enqueued::Window(self.broker.clone(), append, namespace.window),
        };
        async move {
            match enqueued {
                Enqueued::None => Ok(None),
                Enqueued::Durable(future) => Ok(Some(future.await?)),
                Enqueued::Window(broker, append, bounds) => Ok(Some(broker.append(append, bounds).await?)),
            }
        }
    }

    /// Reads a page; an empty log for a namespace without one is the caller's mistake and answers `Failed`.
    pub async fn read(
        &self,
        kind: LogKind,
        channel: &ChannelKey,
        from: ReadFrom,
        limit: u32,
        max_bytes: usize,
    ) -> Result<Page, LogError> {
        match kind {
            LogKind::None => Err(no_log(channel)),
            LogKind::Window => Ok(self.broker.read(channel, from, limit, max_bytes).await?),
            LogKind::Durable => Ok(self.store.read(channel, from, limit, max_bytes).await?),
        }
    }

    /// Reads a page for people: one with a message in it, if there is any further on. Erased messages are walked over, so
    /// that whoever pages by the offsets of messages is never stranded between them.
    pub async fn history(
        &self,
        kind: LogKind,
        channel: &ChannelKey,
        mut from: ReadFrom,
        limit: u32,
        max_bytes: usize,
    ) -> Result<Page, LogError> {
        let mut page = self.read(kind, channel, from, limit, max_bytes).await?;
        for _ in 0..ERASED_PAGES {
            let empty = !page.entries.iter().any(|entry| matches!(entry, Entry::Message(_)));
            let Some(last) = page.entries.last().filter(|_| empty && page.more).map(Entry::offset) else { break };
            from = match from {
                ReadFrom::After(_) => ReadFrom::After(last),
                ReadFrom::Before(_) => ReadFrom::Before(last),
            };
            page = self.read(kind, channel, from, limit.max(ERASED_AT_ONCE), max_bytes).await?;
            page.more |= page.entries.len() > limit as usize;
            page.entries.truncate(limit as usize);
        }
        Ok(page)
    }

    /// The ends of logs of one kind, in the order asked for.
    pub async fn heads(&self, kind: LogKind, channels: &[ChannelKey]) -> Result<Vec<Head>, LogError> {
        match kind {
            LogKind::None => Err(LogError::Failed("channels without a log have no head".into())),
            LogKind::Window => Ok(self.broker.heads(channels).await?),
            LogKind::Durable => Ok(self.store.heads(channels).await?),
        }
    }

    /// The ends of one log.
    pub async fn head(&self, kind: LogKind, channel: &ChannelKey) -> Result<Head, LogError> {
        self.heads(kind, std::slice::from_ref(channel)).await?.pop().ok_or_else(|| no_log(channel))
    }

    /// Where somebody who saw everything up to `position` goes on. Those who ask the same at once are answered together.
    pub async fn resume(
        &self,
        kind: LogKind,
        channel: &ChannelKey,
        position: Position,
    ) -> Result<Resumption, LogError> {
        let about = (channel.clone(), position);
        let answer = self.resuming.ask(about, || {
            let (logs, channel) = (self.clone(), channel.clone());
            async move { logs.resumption_of(kind, &channel, position).await }
        });
        answer.await.unwrap_or_else(|| Err(LogError::Failed("a question to the log ended unexpectedly".into())))
    }

    async fn resumption_of(
        &self,
        kind: LogKind,
        channel: &ChannelKey,
        position: Position,
    ) -> Result<Resumption, LogError> {
        let mut judged = self.continuity(kind, channel, position).await?;
        loop {
            // Read after the continuity: what expires in between shows as a gap.
            let head = self.head(kind, channel).await?;
            if head.position.epoch == position.epoch {
                return Ok(resumption(judged, head));
            }
            // The epoch may have begun between the two questions; then the position is worth something else.
            let again = self.continuity(kind, channel, position).await?;
            if again == judged {
                return Ok(resumption(judged, head));
            }
            judged = again;
        }
    }

    async fn continuity(
        &self,
        kind: LogKind,
        channel: &ChannelKey,
        position: Position,
    ) -> Result<Continuity, LogError> {
        match kind {
            LogKind::None => Err(no_log(channel)),
            LogKind::Window => Ok(self.broker.continuity(channel, position).await?),
            LogKind::Durable => Ok(self.store.continuity(channel, position).await?),
        }
    }
}

enum Enqueued {
    None,
    Durable(hubbub_persistence::AppendFuture),
    Window(Arc<dyn Broker>, Append, crate::namespace::WindowBounds),
}

fn no_log(channel: &ChannelKey) -> LogError {
    LogError::Failed(format!("{channel} has no log"))
}

/// Continuity and low-water mark make the outcome.
fn resumption(continuity: Continuity, head: Head) -> Resumption {
    match continuity {
        Continuity::Proven { offset } if offset >= head.low => Resumption { head, after: offset, lost: None },
        Continuity::Proven { offset } => {
            let lost = Range { from: offset + 1, to: head.low };
            Resumption { head, after: head.low, lost: Some((lost, GapReason::Expired)) }
        }
        Continuity::Broken { since, reason } => {
            let after = since.max(head.low);
            Resumption { head, after, lost: Some((Range { from: since + 1, to: after }, reason)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use hubbub_protocol::Epoch;

    use super::*;

    #[test]
    fn resumptions_follow_the_low_water_mark() {
        let epoch = Epoch::from_u64(7);
        let head = Head { position: Position::new(epoch, 20), low: 10 };
        let table = [
            (Continuity::Proven { offset: 10 }, 10, None),
            (Continuity::Proven { offset: 20 }, 20, None),
            (Continuity::Proven { offset: 4 }, 10, Some((Range { from: 5, to: 10 }, GapReason::Expired))),
            (
                Continuity::Broken { since: 15, reason: GapReason::Epoch },
                15,
                Some((Range { from: 16, to: 15 }, GapReason::Epoch)),
            ),
            (
                Continuity::Broken { since: 0, reason: GapReason::Epoch },
                10,
                Some((Range { from: 1, to: 10 }, GapReason::Epoch)),
            ),
        ];
        for (continuity, after, lost) in table {
            assert_eq!(resumption(continuity, head), Resumption { head, after, lost }, "{continuity:?}");
        }
    }
}
