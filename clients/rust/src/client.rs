//! The handle of a client: what a caller can ask for. The driver task does it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hubbub_protocol::frame::{
    HistoryPage, HistoryQuery, PresenceQuery, PresenceSnapshot, Publish, Scope, Side, Subscribe,
};
use hubbub_protocol::room::RoomRequest;
use hubbub_protocol::{ChannelName, Data, Key, MessageId, Position, UserId, limits};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use crate::driver::{Ask, Command, Driver};
use crate::error::ClientError;
use crate::event::State;
use crate::feed::FeedEvent;
use crate::machine::Answer;
use crate::options::Options;
use crate::rooms::Rooms;
use crate::socket::Target;
use crate::subscription::Subscription;

/// Commands that may wait for the driver; a caller waits when there are more.
const COMMANDS: usize = 64;

/// How to subscribe.
#[derive(Clone, Debug, Default)]
pub struct SubscribeOptions {
    /// Continue after this position.
    pub since: Option<Position>,
    /// Or begin with the last so many messages of the log, at most 1,000.
    pub rewind: Option<u32>,
    /// Also tell who joins and leaves.
    pub presence: bool,
    /// While this connection lags, take only the latest message of each conflate key.
    pub conflate: bool,
}

/// How to publish.
#[derive(Clone, Debug, Default)]
pub struct PublishOptions {
    /// The idempotency key. Default: a random one, so that repetitions append once on a channel with a log.
    pub key: Option<Key>,
    /// Messages of the channel with the same conflate key replace each other.
    pub conflate_key: Option<Key>,
}

/// The hub has the message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ack {
    /// Its id.
    pub message: MessageId,
    /// Its place; `None` on a channel without a log.
    pub position: Option<Position>,
    /// When the hub took it, in milliseconds since 1970.
    pub time: u64,
    /// How far it went, on a channel without a log.
    pub scope: Scope,
}

/// One connection to a hub, kept up until every handle and subscription is dropped. Clones share it.
#[derive(Clone, Debug)]
pub struct Client {
    commands: mpsc::Sender<Command>,
    state: watch::Receiver<State>,
    faults: Arc<AtomicU64>,
    events: usize,
}

impl Client {
    /// Opens the first session. Later ones open by themselves.
    pub async fn connect(options: Options) -> Result<Self, ClientError> {
        let target = Target::parse(&options.url, options.affinity.text().as_deref()).map_err(ClientError::Url)?;
        let (within, events) = (options.connect_within, options.events.max(1));
        let (commands, receiver) = mpsc::channel(COMMANDS);
        let (states, state) = watch::channel(State::Connecting { why: String::new() });
        let faults = Arc::new(AtomicU64::new(0));
        tokio::spawn(Driver::new(options, target, receiver, states, Arc::clone(&faults)).run());
        let mut client = Self { commands, state, faults, events };
        match timeout(within, client.settled()).await {
            Ok(Ok(())) => Ok(client),
            Ok(Err(why)) => Err(why),
            Err(_) => Err(ClientError::Unreachable(match &*client.state.borrow() {
                State::Connecting { why } => why.clone(),
                _ => String::new(),
            })),
        }
    }

    async fn settled(&mut self) -> Result<(), ClientError> {
        let over = |state: &State| !matches!(state, State::Connecting { .. });
        match self.state.wait_for(over).await.as_deref() {
            Ok(State::Connected { .. }) => Ok(()),
            Ok(State::Ended(why)) => Err(why.clone()),
            _ => Err(ClientError::Gone),
        }
    }

    /// Follows a channel. Returns when the hub has accepted it.
    pub async fn subscribe(
        &self,
        channel: ChannelName,
        options: SubscribeOptions,
    ) -> Result<Subscription, ClientError> {
        let SubscribeOptions { since, rewind, presence, conflate } = options;
        let wish = Subscribe { channel: channel.clone(), since, rewind, presence, conflate };
        let (sender, events) = mpsc::channel(self.events);
        let (follow, _) = self.command(|answer| Command::Subscribe { wish, events: sender, answer }).await?;
        Ok(Subscription { channel, follow, events, commands: self.commands.clone() })
    }

    /// Ends a subscription. Returns when the hub has confirmed it.
    pub async fn unsubscribe(&self, subscription: Subscription) -> Result<(), ClientError> {
        let (channel, follow) = (subscription.channel.clone(), subscription.follow);
        let end = |answer| Command::Unsubscribe { channel, follow, answer: Some(answer) };
        self.command(end).await.map(|_| ())
    }

    /// Publishes, again and again with the same key until it is answered or the time for requests is up. On a
    /// channel without a log, where keys mean nothing, a repetition can arrive twice.
    pub async fn publish(&self, channel: ChannelName, data: Data, options: PublishOptions) -> Result<Ack, ClientError> {
        let key = options.key.unwrap_or_else(random_key);
        let publish = Publish { channel, key: Some(key), conflate_key: options.conflate_key, data };
        match self.ask(Ask::Publish(publish)).await? {
            Answer::Acked { message, position, time, scope } => Ok(Ack { message, position, time, scope }),
            _ => Err(ClientError::Unexpected),
        }
    }

    /// Reads a page of a channel's log, at most `limit` (1 to 1,000) messages.
    pub async fn history(&self, channel: ChannelName, side: Side, limit: u32) -> Result<HistoryPage, ClientError> {
        match self.ask(Ask::History(HistoryQuery { channel, side, limit })).await? {
            Answer::History(page) => Ok(page),
            _ => Err(ClientError::Unexpected),
        }
    }

    /// Who is in a channel: the first page, up to 1,000 users.
    pub async fn presence(&self, channel: ChannelName) -> Result<PresenceSnapshot, ClientError> {
        self.presence_page(channel, None, limits::PRESENCE_PAGE).await
    }

    /// Who is in a channel behind a user, at most `limit` (1 to 1,000) of them.
    pub async fn presence_page(
        &self,
        channel: ChannelName,
        after: Option<UserId>,
        limit: u32,
    ) -> Result<PresenceSnapshot, ClientError> {
        match self.ask(Ask::Presence(PresenceQuery { channel, after, limit })).await? {
            Answer::Presence(snapshot) => Ok(snapshot),
            _ => Err(ClientError::Unexpected),
        }
    }

    /// Rooms over this connection.
    pub fn rooms(&self) -> Rooms {
        Rooms::new(self.clone())
    }

    /// Does or asks something in rooms.
    pub(crate) async fn room(&self, request: RoomRequest) -> Result<Data, ClientError> {
        match self.ask(Ask::Room(Box::new(request))).await? {
            Answer::Result(data) => Ok(data),
            _ => Err(ClientError::Unexpected),
        }
    }

    /// Everything that comes of channels from now on.
    pub(crate) async fn feed(&self) -> Result<mpsc::Receiver<FeedEvent>, ClientError> {
        let (sender, events) = mpsc::channel(self.events);
        self.command(|answer| Command::Feed { events: sender, answer }).await?;
        Ok(events)
    }

    /// What the connection is doing, and a way to wait for it.
    pub fn state(&self) -> watch::Receiver<State> {
        self.state.clone()
    }

    /// How often the hub broke the protocol: a message out of order, a frame that can not be read. Each time the
    /// client began again from its positions.
    pub fn faults(&self) -> u64 {
        self.faults.load(Ordering::Relaxed)
    }

    /// Closes the connection and ends every subscription.
    pub async fn close(mut self) {
        if self.commands.send(Command::Leave).await.is_ok() {
            let _ = self.state.wait_for(|state| matches!(state, State::Ended(_))).await;
        }
    }

    async fn ask(&self, ask: Ask) -> Result<Answer, ClientError> {
        self.command(|answer| Command::Ask { ask, answer }).await.map(|(_, answer)| answer)
    }

    async fn command(
        &self,
        command: impl FnOnce(crate::driver::Answerer) -> Command,
    ) -> Result<(u64, Answer), ClientError> {
        let (answer, answered) = oneshot::channel();
        self.commands.send(command(answer)).await.map_err(|_| ClientError::Gone)?;
        answered.await.unwrap_or(Err(ClientError::Gone))
    }
}

/// A key that nobody else has.
pub(crate) fn random_key() -> Key {
    // 32 hexadecimal digits are a key.
    Key::parse(&format!("{:032x}", rand::random::<u128>())).expect("digits are a key")
}
