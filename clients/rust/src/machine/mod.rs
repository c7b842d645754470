//! What a command, a frame, a loss or the passing of time means for the connection: decided here without I/O.
//! Time (milliseconds since some start) and 64 random bits come in with every step; what is to be done goes out
//! as actions, which the driver executes in order.

mod connection;
mod follow;
mod requests;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use hubbub_protocol::frame::{HistoryPage, PresenceSnapshot, RequestId, Scope, Subscribe};
use hubbub_protocol::{ChannelName, ClientFrame, Data, MessageId, Position, ServerFrame, limits};

use crate::backoff::Backoff;
use crate::error::ClientError;
use crate::event::{Event, State};
use crate::feed::FeedEvent;
use connection::Phase;
use follow::{Follow, Stage};
use requests::Requests;

/// The bounds of the machine.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) client_name: String,
    pub(crate) backoff: Backoff,
    /// Time for one attempt to open a session, in milliseconds.
    pub(crate) open_ms: u64,
    /// Time for a request over all its repetitions, in milliseconds.
    pub(crate) request_ms: u64,
    /// Most requests waiting at once.
    pub(crate) requests: usize,
}

/// What happened.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    /// Time has passed.
    Tick,
    /// A WebSocket is open and the token for its session is there.
    Opened(String),
    /// The attempt to open one failed.
    OpenFailed(String),
    /// A frame came.
    Frame(Box<ServerFrame>),
    /// Something came that needs no answer.
    Heard,
    /// Something came that is not the protocol.
    Malformed(String),
    /// The connection ended, with the close code if there was one.
    Closed(Option<u16>, String),
    /// The new token that was asked for.
    Token(Option<String>),
    /// The caller wants a channel.
    Subscribe(RequestId, Subscribe),
    /// The caller no longer wants the subscription which the request `follow` made.
    Unsubscribe { id: RequestId, channel: ChannelName, follow: RequestId },
    /// The caller asks the hub for something.
    Request(RequestId, ClientFrame),
    /// The caller wants everything that comes of channels in one stream, too.
    Feed,
    /// The caller is done.
    Leave,
}

/// What is to be done about it.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Action {
    /// Get a token and open a WebSocket.
    Open,
    /// Say this on the open one.
    Send(ClientFrame),
    /// Give up the one that is open or being opened.
    Hangup,
    /// Get a token for a refresh.
    AskToken,
    /// The caller's request has ended.
    Answer(RequestId, Result<Answer, ClientError>),
    /// Tell the subscription of this channel.
    Deliver(ChannelName, Event),
    /// The subscription of this channel is no more.
    Forget(ChannelName),
    /// Tell the feed.
    Feed(FeedEvent),
    /// The connection's state has changed.
    State(State),
    /// The hub broke the protocol.
    Fault(String),
    /// Nothing will happen any more.
    End,
}

/// The answer to a request.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Answer {
    Subscribed,
    Unsubscribed,
    Acked { message: MessageId, position: Option<Position>, time: u64, scope: Scope },
    History(HistoryPage),
    Presence(PresenceSnapshot),
    Result(Data),
    Refreshed,
}

/// The state of a client.
#[derive(Debug)]
pub(crate) struct Machine {
    rules: Rules,
    phase: Phase,
    /// Failed attempts and short sessions in a row.
    attempt: u32,
    /// The hub asked not to come back earlier than after so many milliseconds.
    not_before_ms: u64,
    /// What the hub said last without naming a request.
    complaint: Option<String>,
    next_id: RequestId,
    follows: BTreeMap<ChannelName, Follow>,
    /// Whether somebody listens to the feed.
    fed: bool,
    requests: Requests,
    out: Vec<Action>,
}

impl Machine {
    /// A client that wants to connect at once.
    pub(crate) fn new(rules: Rules) -> Self {
        Self {
            rules,
            phase: Phase::Waiting { until: 0 },
            attempt: 0,
            not_before_ms: 0,
            complaint: None,
            next_id: 0,
            follows: BTreeMap::new(),
            fed: false,
            requests: Requests::default(),
            out: Vec::new(),
        }
    }

    /// The id for a request that the caller is about to make.
    pub(crate) fn next_id(&mut self) -> RequestId {
        self.next_id += 1;
        self.next_id
    }

    /// Takes one input and says what to do.
    pub(crate) fn step(&mut self, now: u64, dice: u64, input: Input) -> Vec<Action> {
        match input {
            Input::Tick => self.tick(now, dice),
            Input::Opened(token) => self.opened(token),
            Input::OpenFailed(why) => self.lost(now, dice, why),
            Input::Frame(frame) => self.frame(now, dice, *frame),
            Input::Heard => self.heard(now),
            Input::Malformed(why) => self.fault(now, dice, why),
            Input::Closed(code, why) => self.closed(now, dice, code, why),
            Input::Token(token) => self.refresh(now, token),
            Input::Subscribe(id, wish) => self.subscribe(now, id, wish),
            Input::Unsubscribe { id, channel, follow } => self.unsubscribe(now, id, channel, follow),
            Input::Request(id, frame) => self.request(now, id, frame),
            Input::Feed => self.fed = true,
            Input::Leave => self.end(ClientError::Gone),
        }
        self.send_due(now);
        std::mem::take(&mut self.out)
    }

    /// When to step with [`Input::Tick`] at the latest.
    pub(crate) fn deadline(&self) -> Option<u64> {
        let requests = self.requests.deadline(self.phase.is_open());
        self.phase.deadline().into_iter().chain(requests).min()
    }

    fn request(&mut self, now: u64, id: RequestId, frame: ClientFrame) {
        if self.requests.len() < self.rules.requests {
            self.requests.add(id, frame, now + self.rules.request_ms);
        } else {
            self.answer(id, Err(ClientError::TooMany));
        }
    }

    fn subscribe(&mut self, now: u64, id: RequestId, wish: Subscribe) {
        if self.follows.contains_key(&wish.channel) {
            self.answer(id, Err(ClientError::AlreadySubscribed));
        } else if self.follows.len() >= limits::SUBSCRIPTIONS || self.requests.len() >= self.rules.requests {
            self.out.push(Action::Forget(wish.channel));
            self.answer(id, Err(ClientError::TooMany));
        } else {
            self.follows.insert(wish.channel.clone(), Follow::new(id, &wish));
            self.request(now, id, ClientFrame::Subscribe(id, wish));
        }
    }

    fn unsubscribe(&mut self, now: u64, id: RequestId, channel: ChannelName, follow: RequestId) {
        let known = self.follows.get(&channel).filter(|known| known.id == follow).map(|known| known.stage);
        let Some(stage) = known else { return self.answer(id, Ok(Answer::Unsubscribed)) };
        self.drop_follow(&channel, stage, follow);
        self.out.push(Action::Forget(channel.clone()));
        if self.phase.is_open() {
            self.request(now, id, ClientFrame::Unsubscribe(id, channel));
        } else {
            self.answer(id, Ok(Answer::Unsubscribed));
        }
    }

    fn drop_follow(&mut self, channel: &ChannelName, stage: Stage, made_by: RequestId) {
        self.follows.remove(channel);
        match stage {
            Stage::New => {
                if self.requests.remove(made_by).is_some() {
                    self.answer(made_by, Err(ClientError::Gone));
                }
            }
            Stage::Again(request) => {
                self.requests.remove(request);
            }
            Stage::Attached => {}
        }
    }

    /// Takes an attached subscription up again with a request of its own, which lasts until it has an answer.
    fn again(&mut self, now: u64, channel: &ChannelName, wait_ms: u64) {
        let id = self.next_id();
        if let Some(follow) = self.follows.get_mut(channel) {
            follow.stage = Stage::Again(id);
            self.requests.add(id, ClientFrame::Subscribe(id, follow.subscribe(channel)), u64::MAX);
            self.requests.postpone(id, now, |_| wait_ms);
        }
    }

    fn refresh(&mut self, now: u64, token: Option<String>) {
        // Without a token the session ends by 4005, and the next one asks for a token again.
        if let (Some(token), true) = (token, self.phase.is_open()) {
            let id = self.next_id();
            self.requests.add(id, ClientFrame::Refresh(id, token), now + self.rules.request_ms);
        }
    }

    fn late_requests(&mut self, now: u64) {
        for (id, frame) in self.requests.take_late(now) {
            if let ClientFrame::Subscribe(_, wish) = frame {
                self.follows.remove(&wish.channel);
                self.out.push(Action::Forget(wish.channel.clone()));
                self.take_back(wish.channel);
            }
            self.answer(id, Err(ClientError::Timeout));
        }
    }

    /// Ends a subscription that the hub may hold and nobody here wants.
    fn take_back(&mut self, channel: ChannelName) {
        if self.phase.is_open() {
            let id = self.next_id();
            self.out.push(Action::Send(ClientFrame::Unsubscribe(id, channel)));
        }
    }

    fn send_due(&mut self, now: u64) {
        if self.phase.is_open() {
            self.out.extend(self.requests.take_due(now).into_iter().map(Action::Send));
        }
    }

    fn feed(&mut self, event: impl FnOnce() -> FeedEvent) {
        if self.fed {
            self.out.push(Action::Feed(event()));
        }
    }

    fn answer(&mut self, id: RequestId, answer: Result<Answer, ClientError>) {
        self.out.push(Action::Answer(id, answer));
    }

    fn end(&mut self, why: ClientError) {
        if self.phase == Phase::Ended {
            return;
        }
        self.phase = Phase::Ended;
        self.out.push(Action::Hangup);
        for id in self.requests.take_all() {
            self.answer(id, Err(why.clone()));
        }
        for channel in std::mem::take(&mut self.follows).into_keys() {
            self.out.push(Action::Deliver(channel.clone(), Event::Ended(why.clone())));
            self.out.push(Action::Forget(channel));
        }
        self.feed(|| FeedEvent::Over(why.clone()));
        self.out.push(Action::State(State::Ended(why)));
        self.out.push(Action::End);
    }
}
