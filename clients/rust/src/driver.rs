//! The task that owns the socket: it waits for whatever comes first, asks the machine what that means, and does
//! it. Decides nothing itself.

use std::collections::{HashMap, VecDeque};
use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::{FutureExt, SinkExt, StreamExt};
use hubbub_protocol::frame::{HistoryQuery, PresenceQuery, Publish, RequestId, Subscribe};
use hubbub_protocol::room::RoomRequest;
use hubbub_protocol::{ChannelName, ClientFrame, json};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tracing::{debug, warn};

use crate::backoff::millis;
use crate::error::ClientError;
use crate::event::{Event, State};
use crate::feed::FeedEvent;
use crate::machine::{Action, Answer, Input, Machine, Rules};
use crate::options::Options;
use crate::parcel::Parcel;
use crate::socket::{Opening, Socket, Target, open};

/// A hub that takes nothing for so long is as good as gone.
const WRITE_WITHIN: Duration = Duration::from_secs(10);

pub(crate) type Answerer = oneshot::Sender<Result<(RequestId, Answer), ClientError>>;

/// What a caller wants.
#[derive(Debug)]
pub(crate) enum Command {
    Subscribe { wish: Subscribe, events: mpsc::Sender<Event>, answer: Answerer },
    Unsubscribe { channel: ChannelName, follow: RequestId, answer: Option<Answerer> },
    Ask { ask: Ask, answer: Answerer },
    Feed { events: mpsc::Sender<FeedEvent>, answer: Answerer },
    Leave,
}

/// A request that the machine only carries.
#[derive(Debug)]
pub(crate) enum Ask {
    Publish(Publish),
    History(HistoryQuery),
    Presence(PresenceQuery),
    Room(Box<RoomRequest>),
}

type OpenFuture = Pin<Box<dyn Future<Output = Result<(Box<Socket>, String), String>> + Send>>;
type TokenFuture = Pin<Box<dyn Future<Output = Option<String>> + Send>>;

enum Link {
    Down,
    Opening(OpenFuture),
    Up(Box<Socket>),
    /// A write failed; the machine learns of it next.
    Broken(String),
}

/// Whatever came first.
enum Wake {
    Command(Option<Command>),
    Opened(Result<(Box<Socket>, String), String>),
    Heard(Option<Result<Message, WsError>>),
    Broken(String),
    Token(Option<String>),
    Room,
    Time,
}

struct Listener {
    follow: RequestId,
    events: mpsc::Sender<Event>,
}

/// One client's task.
pub(crate) struct Driver {
    options: Options,
    target: Target,
    machine: Machine,
    start: Instant,
    commands: mpsc::Receiver<Command>,
    state: watch::Sender<State>,
    faults: Arc<AtomicU64>,
    link: Link,
    token: Option<TokenFuture>,
    waiting: HashMap<RequestId, Answerer>,
    listeners: HashMap<ChannelName, Listener>,
    feed: Option<mpsc::Sender<FeedEvent>>,
    /// Events without room in their subscription or in the feed. While there are any the socket is not read; one frame makes at
    /// most as many as there are subscriptions, and one more.
    outgoing: VecDeque<Parcel>,
    /// Subscriptions that nobody holds any more, found when they had an event.
    abandoned: Vec<(ChannelName, RequestId)>,
}

impl Driver {
    pub(crate) fn new(
        options: Options,
        target: Target,
        commands: mpsc::Receiver<Command>,
        state: watch::Sender<State>,
        faults: Arc<AtomicU64>,
    ) -> Self {
        let rules = Rules {
            client_name: options.client_name.clone(),
            backoff: options.backoff,
            open_ms: millis(options.open_within),
            request_ms: millis(options.request_within),
            requests: options.requests,
        };
        Self {
            machine: Machine::new(rules),
            start: Instant::now(),
            link: Link::Down,
            token: None,
            waiting: HashMap::new(),
            listeners: HashMap::new(),
            feed: None,
            outgoing: VecDeque::new(),
            abandoned: Vec::new(),
            options,
            target,
            commands,
            state,
            faults,
        }
    }

    /// Runs until the machine says that nothing will happen any more.
    pub(crate) async fn run(mut self) {
        loop {
            let wake = self.wake().await;
            let Some(input) = self.input(wake) else { continue };
            if !self.step(input).await {
                break;
            }
        }
        // The last events wait for their readers; nothing else does.
        self.listeners.clear();
        self.feed = None;
        for parcel in self.outgoing {
            parcel.wait().await;
        }
    }

    /// Whether there is more to come.
    async fn step(&mut self, input: Input) -> bool {
        let mut input = Some(input);
        while let Some(next) = input {
            for action in self.machine.step(millis(self.start.elapsed()), rand::random(), next) {
                if action == Action::End {
                    return false;
                }
                self.execute(action).await;
            }
            input = self.abandoned.pop().map(|(channel, follow)| {
                let id = self.machine.next_id();
                Input::Unsubscribe { id, channel, follow }
            });
        }
        true
    }

    async fn wake(&mut self) -> Wake {
        let deadline = self.machine.deadline().map(|at| self.start + Duration::from_millis(at));
        let time = async {
            match deadline {
                Some(deadline) => sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        let token = async {
            match &mut self.token {
                Some(token) => token.await,
                None => std::future::pending().await,
            }
        };
        let room = async {
            match self.outgoing.front() {
                Some(parcel) => parcel.room().await,
                None => std::future::pending().await,
            }
        };
        let full = !self.outgoing.is_empty() && matches!(self.link, Link::Up(_));
        tokio::select! {
            command = self.commands.recv() => Wake::Command(command),
            wake = next_of(&mut self.link), if !full => wake,
            token = token => Wake::Token(token),
            () = room => Wake::Room,
            () = time => Wake::Time,
        }
    }

    /// What the machine is to learn of it, if anything.
    fn input(&mut self, wake: Wake) -> Option<Input> {
        match wake {
            Wake::Command(command) => Some(self.command(command.unwrap_or(Command::Leave))),
            Wake::Opened(Ok((socket, token))) => {
                self.link = Link::Up(socket);
                Some(Input::Opened(token))
            }
            Wake::Opened(Err(why)) => {
                self.link = Link::Down;
                Some(Input::OpenFailed(why))
            }
            Wake::Heard(heard) => Some(heard_input(heard)),
            Wake::Broken(why) => Some(Input::Closed(None, why)),
            Wake::Token(token) => {
                self.token = None;
                Some(Input::Token(token))
            }
            Wake::Room => {
                self.give_outgoing();
                None
            }
            Wake::Time => {
                if !self.outgoing.is_empty() {
                    // The socket is not read: its silence is the caller's, not the hub's.
                    self.machine.heard(millis(self.start.elapsed()));
                }
                Some(Input::Tick)
            }
        }
    }

    fn command(&mut self, command: Command) -> Input {
        let id = self.machine.next_id();
        match command {
            Command::Subscribe { wish, events, answer } => {
                self.waiting.insert(id, answer);
                // The machine refuses a second subscription, and the first keeps its listener.
                let listener = Listener { follow: id, events };
                self.listeners.entry(wish.channel.clone()).or_insert(listener);
                Input::Subscribe(id, wish)
            }
            Command::Unsubscribe { channel, follow, answer } => {
                self.waiting.extend(answer.map(|answer| (id, answer)));
                Input::Unsubscribe { id, channel, follow }
            }
            Command::Ask { ask, answer } => {
                self.waiting.insert(id, answer);
                let frame = match ask {
                    Ask::Publish(publish) => ClientFrame::Publish(id, publish),
                    Ask::History(query) => ClientFrame::History(id, query),
                    Ask::Presence(query) => ClientFrame::Presence(id, query),
                    Ask::Room(request) => ClientFrame::Room(id, request),
                };
                Input::Request(id, frame)
            }
            Command::Feed { events, answer } => {
                let taken = self.feed.as_ref().is_some_and(|feed| !feed.is_closed());
                if !taken {
                    self.feed = Some(events);
                }
                // The caller may have stopped waiting.
                let answered = if taken { Err(ClientError::AlreadySubscribed) } else { Ok((id, Answer::Subscribed)) };
                let _ = answer.send(answered);
                Input::Feed
            }
            Command::Leave => Input::Leave,
        }
    }

    async fn execute(&mut self, action: Action) {
        match action {
            Action::Open => self.link = Link::Opening(self.opening()),
            Action::Send(frame) => self.send(&frame).await,
            Action::Hangup => self.hang_up(),
            Action::AskToken => {
                let asked = self.options.token.ask();
                self.token = Some(Box::pin(async move { asked.await.map_err(log_token_failure).ok() }));
            }
            Action::Answer(id, result) => {
                if let Some(waiting) = self.waiting.remove(&id) {
                    // The caller may have stopped waiting.
                    let _ = waiting.send(result.map(|answer| (id, answer)));
                }
            }
            Action::Deliver(channel, event) => {
                let Some(listener) = self.listeners.get(&channel) else { return };
                if listener.events.is_closed() {
                    self.abandoned.push((channel, listener.follow));
                } else {
                    self.outgoing.push_back(Parcel::Subscription(listener.events.clone(), event));
                    self.give_outgoing();
                }
            }
            Action::Feed(event) => match self.feed.clone().filter(|feed| !feed.is_closed()) {
                Some(feed) => {
                    self.outgoing.push_back(Parcel::Feed(feed, event));
                    self.give_outgoing();
                }
                None => self.feed = None,
            },
            Action::Forget(channel) => drop(self.listeners.remove(&channel)),
            Action::State(state) => {
                debug!(?state, "connection");
                self.state.send_replace(state);
            }
            Action::Fault(why) => {
                warn!(why, "the hub broke the protocol; beginning again from the last positions");
                self.faults.fetch_add(1, Ordering::Relaxed);
            }
            Action::End => {}
        }
    }

    fn opening(&self) -> OpenFuture {
        let (target, token) = (self.target.clone(), self.options.token.ask());
        let opening = Opening {
            source_addr: self.options.source_addr,
            frame_bytes: self.options.frame_bytes,
            ..Opening::default()
        };
        Box::pin(async move {
            let token = token.await.map_err(|error| format!("token: {error}"))?;
            open(&target, &opening).await.map(|socket| (Box::new(socket), token))
        })
    }

    async fn send(&mut self, frame: &ClientFrame) {
        if let Link::Up(socket) = &mut self.link {
            let text = Message::text(json::encode_client(frame));
            match timeout(WRITE_WITHIN, socket.send(text)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => self.link = Link::Broken(error.to_string()),
                Err(_) => self.link = Link::Broken("the hub reads nothing".into()),
            }
        }
    }

    fn hang_up(&mut self) {
        if let Link::Up(socket) = &mut self.link {
            // A courtesy: the close frame leaves if there is room for it now.
            let _ = (**socket).close(None).now_or_never();
        }
        self.link = Link::Down;
    }

    fn give_outgoing(&mut self) {
        while let Some(parcel) = self.outgoing.pop_front() {
            if let Some(parcel) = parcel.give() {
                return self.outgoing.push_front(parcel);
            }
        }
    }
}

async fn next_of(link: &mut Link) -> Wake {
    match link {
        Link::Down => std::future::pending().await,
        Link::Opening(opening) => Wake::Opened(opening.await),
        Link::Up(socket) => Wake::Heard(socket.next().await),
        Link::Broken(why) => Wake::Broken(std::mem::take(why)),
    }
}

fn heard_input(heard: Option<Result<Message, WsError>>) -> Input {
    match heard {
        Some(Ok(Message::Text(text))) => match json::decode_server(&text) {
            Ok(Some(frame)) => Input::Frame(Box::new(frame)),
            Ok(None) => Input::Heard,
            Err(error) => Input::Malformed(error.to_string()),
        },
        Some(Ok(Message::Binary(_))) => Input::Malformed("a binary frame".into()),
        Some(Ok(Message::Close(close))) => {
            let (code, why) = close.map(|close| (u16::from(close.code), close.reason.to_string())).unzip();
            Input::Closed(code, why.unwrap_or_default())
        }
        Some(Ok(_)) => Input::Heard,
        Some(Err(error)) => Input::Closed(None, error.to_string()),
        None => Input::Closed(None, "the connection ended".into()),
    }
}

fn log_token_failure(error: Box<dyn Error + Send + Sync>) {
    warn!(error, "no new token; the session will end when the old one expires");
}
