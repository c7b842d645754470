//! Deliver: everything that the broker brings, put in order channel by channel and handed to the shards.
//!
//! The channels are dealt out to a few lanes, each a task that owns its channels: no lock, and one order per channel.
//! Nothing here knows a session or a socket.

pub mod channel;
pub mod cursor;
pub mod hot;
mod lane;

use std::sync::Arc;

use hubbub_protocol::channel::ChannelKey;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use self::hot::Hot;
use self::lane::Lane;
use crate::broker::{Broker, Inbox, Incoming, lane_of};
use crate::limits::Limits;
use crate::logs::Logs;
use crate::namespace::LogKind;
use crate::shard::mail::Mailbox;

/// Commands of shards that may wait for one lane. Overflow policy: the shard's task waits.
const COMMANDS: usize = 1_024;

/// What shards ask of a lane.
#[derive(Debug)]
pub(crate) enum Command {
    /// This shard wants the channel. Answered in its mailbox, so that the answer stands before what follows it.
    Attach { channel: ChannelKey, kind: LogKind, shard: usize },
    /// It wants the channel no longer.
    Detach { channel: ChannelKey, shard: usize },
}

/// What a lane works with.
#[derive(Clone)]
pub struct Parts {
    /// Where interest is registered.
    pub broker: Arc<dyn Broker>,
    /// Where missing messages are read.
    pub logs: Logs,
    /// What has just been delivered, for those who resume.
    pub hot: Hot,
    /// The mailboxes of the shards.
    pub shards: Arc<[Mailbox]>,
    /// The bounds.
    pub limits: Arc<Limits>,
}

/// The queues from a broker into the lanes, made before either exists.
#[derive(Debug)]
pub struct Intake {
    inbox: Inbox,
    receivers: Vec<mpsc::Receiver<Incoming>>,
}

impl Intake {
    /// Queues for `lanes` lanes, `depth` deep each. Overflow policy: the broker waits.
    pub fn new(lanes: usize, depth: usize) -> Self {
        let (senders, receivers) = (0..lanes.max(1)).map(|_| mpsc::channel(depth)).unzip();
        Self { inbox: Inbox::new(senders), receivers }
    }

    /// The broker's end.
    pub fn inbox(&self) -> Inbox {
        self.inbox.clone()
    }
}

/// The shards' way to the lanes. When the last clone is gone the lanes end.
#[derive(Clone, Debug)]
pub struct Interest {
    lanes: Arc<[mpsc::Sender<Command>]>,
}

impl Interest {
    /// Starts the lanes on a runtime.
    pub fn start(intake: Intake, parts: &Parts, runtime: &Handle) -> Self {
        let start = |incoming| {
            let (sender, commands) = mpsc::channel(COMMANDS);
            runtime.spawn(Lane::new(parts.clone()).run(incoming, commands));
            sender
        };
        Self { lanes: intake.receivers.into_iter().map(start).collect() }
    }

    /// Registers the shard's interest; [`crate::shard::mail::Mail::Attached`] answers.
    pub async fn attach(&self, channel: ChannelKey, kind: LogKind, shard: usize) {
        self.send(Command::Attach { channel, kind, shard }).await;
    }

    /// Ends it.
    pub async fn detach(&self, channel: ChannelKey, shard: usize) {
        self.send(Command::Detach { channel, shard }).await;
    }

    async fn send(&self, command: Command) {
        let (Command::Attach { channel, .. } | Command::Detach { channel, .. }) = &command;
        let lane = lane_of(channel, self.lanes.len());
        // Lanes end only with the node.
        let _ = self.lanes[lane].send(command).await;
    }
}

#[cfg(test)]
mod tests;
