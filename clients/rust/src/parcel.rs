//! Events on their way to whoever listens: to one subscription, or to the feed. Bounded by the queue of the listener.

use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

use crate::event::Event;
use crate::feed::FeedEvent;

/// An event and where it goes.
#[derive(Debug)]
pub(crate) enum Parcel {
    Subscription(Sender<Event>, Event),
    Feed(Sender<FeedEvent>, FeedEvent),
}

impl Parcel {
    /// Waits until there is room. A listener that is gone has room for everything.
    pub(crate) async fn room(&self) {
        match self {
            Self::Subscription(events, _) => drop(events.reserve().await),
            Self::Feed(events, _) => drop(events.reserve().await),
        }
    }

    /// Gives it, or gives it back when there is no room.
    pub(crate) fn give(self) -> Option<Self> {
        match self {
            Self::Subscription(events, event) => {
                let full = full(events.try_send(event))?;
                Some(Self::Subscription(events, full))
            }
            Self::Feed(events, event) => {
                let full = full(events.try_send(event))?;
                Some(Self::Feed(events, full))
            }
        }
    }

    /// Gives it as soon as there is room.
    pub(crate) async fn wait(self) {
        match self {
            Self::Subscription(events, event) => drop(events.send(event).await),
            Self::Feed(events, event) => drop(events.send(event).await),
        }
    }
}

fn full<T>(tried: Result<(), TrySendError<T>>) -> Option<T> {
    match tried {
        Err(TrySendError::Full(event)) => Some(event),
        Ok(()) | Err(TrySendError::Closed(_)) => None,
    }
}
