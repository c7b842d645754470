//! The caller's end of a subscription.

use hubbub_protocol::ChannelName;
use hubbub_protocol::frame::RequestId;
use tokio::sync::mpsc;

use crate::driver::Command;
use crate::event::Event;

/// One channel's events, in order. Dropping it ends the subscription.
#[derive(Debug)]
pub struct Subscription {
    pub(crate) channel: ChannelName,
    pub(crate) follow: RequestId,
    pub(crate) events: mpsc::Receiver<Event>,
    pub(crate) commands: mpsc::Sender<Command>,
}

impl Subscription {
    /// The channel.
    pub fn channel(&self) -> &ChannelName {
        &self.channel
    }

    /// The next event; the first is an outcome. `None` after the last.
    pub async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }

    /// An event that is there already.
    pub fn try_next(&mut self) -> Option<Event> {
        self.events.try_recv().ok()
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let end = Command::Unsubscribe { channel: self.channel.clone(), follow: self.follow, answer: None };
        // When there is no room the driver finds out at the next event, which it can not deliver.
        let _ = self.commands.try_send(end);
    }
}
