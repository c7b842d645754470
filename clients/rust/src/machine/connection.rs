//! The life of the connection: opening, greeting, open, lost and waiting; and what each frame means in it.

use hubbub_protocol::code::FINAL_FROM;
use hubbub_protocol::frame::{Connect, Connected, Reply, RequestId, ServerError, SubscriptionResult};
use hubbub_protocol::outcome::Attached;
use hubbub_protocol::{ChannelName, ClientFrame, ErrorCode, Message, ServerFrame, limits};

use super::follow::Stage;
use super::{Action, Answer, Machine};
use crate::backoff::below;
use crate::error::ClientError;
use crate::event::{Event, State};
use crate::feed::FeedEvent;

/// Where the connection stands. Times are those of `step`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// The next attempt comes at `until`.
    Waiting { until: u64 },
    /// A token and a WebSocket are on their way.
    Opening { until: u64 },
    /// The connect frame is sent, with so many subscriptions to resume.
    Greeting { until: u64, resumed: usize },
    /// A session is open.
    Open(Session),
    /// Over for good.
    Ended,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Session {
    since: u64,
    heard: u64,
    /// Silence after which the hub counts as dead: one and a half heartbeats.
    patience_ms: u64,
    /// When to leave a draining node.
    leave_at: Option<u64>,
}

impl Phase {
    pub(super) fn is_open(&self) -> bool {
        matches!(self, Self::Open(_))
    }

    pub(super) fn deadline(&self) -> Option<u64> {
        match self {
            Self::Waiting { until } | Self::Opening { until } | Self::Greeting { until, .. } => Some(*until),
            Self::Open(session) => {
                let dead = session.heard + session.patience_ms;
                Some(session.leave_at.map_or(dead, |leave_at| leave_at.min(dead)))
            }
            Self::Ended => None,
        }
    }
}

impl Machine {
    pub(super) fn tick(&mut self, now: u64, dice: u64) {
        self.late_requests(now);
        match &self.phase {
            Phase::Waiting { until } if *until <= now => {
                self.phase = Phase::Opening { until: now + self.rules.open_ms };
                self.out.push(Action::Open);
            }
            Phase::Opening { until } | Phase::Greeting { until, .. } if *until <= now => {
                self.lost(now, dice, "no session in time".into());
            }
            Phase::Open(session) if session.leave_at.is_some_and(|leave_at| leave_at <= now) => {
                self.leave_node(now);
            }
            Phase::Open(session) if session.heard + session.patience_ms <= now => {
                self.lost(now, dice, "nothing heard for one and a half heartbeats".into());
            }
            _ => {}
        }
    }

    /// The hub is alive.
    pub(crate) fn heard(&mut self, now: u64) {
        if let Phase::Open(session) = &mut self.phase {
            session.heard = now;
        }
    }

    /// The WebSocket is there: say who we are and what we had. What does not fit into one frame is subscribed
    /// behind it.
    pub(super) fn opened(&mut self, token: String) {
        let Phase::Opening { until } = self.phase else { return };
        // Names, commas and numbers around a channel name take at most so many bytes.
        const ENTRY: usize = 100;
        let mut room = limits::FRAME_BYTES.saturating_sub(token.len() + 1_024);
        let mut resume = Vec::new();
        let mut rest = Vec::new();
        for (channel, follow) in self.follows.iter().filter(|(_, follow)| follow.stage == Stage::Attached) {
            let cost = channel.as_str().len() + ENTRY;
            if cost <= room {
                room -= cost;
                resume.push(follow.resume(channel));
            } else {
                rest.push(channel.clone());
            }
        }
        for channel in rest {
            self.again(0, &channel, 0);
        }
        self.phase = Phase::Greeting { until, resumed: resume.len() };
        let client = Some(self.rules.client_name.clone());
        self.out.push(Action::Send(ClientFrame::Connect(Connect { token, client, resume })));
    }

    pub(super) fn frame(&mut self, now: u64, dice: u64, frame: ServerFrame) {
        self.heard(now);
        match frame {
            ServerFrame::Connected(connected) => self.connected(now, dice, connected),
            ServerFrame::Message(message) => self.message(now, dice, message),
            ServerFrame::Gap { channel, epoch, lost, reason } => {
                self.feed(|| FeedEvent::Gap(channel.clone()));
                if let Some(follow) = self.follows.get_mut(&channel).filter(|f| f.stage == Stage::Attached) {
                    follow.gap(epoch, lost.to);
                    self.out.push(Action::Deliver(channel, Event::Gap { epoch, lost, reason }));
                }
            }
            ServerFrame::Skipped { channel, count } => self.tell(channel, Event::Skipped { count }),
            ServerFrame::Presence(change) => self.tell(change.channel.clone(), Event::Presence(change)),
            ServerFrame::PresenceCount(count) => self.tell(count.channel.clone(), Event::PresenceCount(count)),
            ServerFrame::Subscribed { id, channel, attached } => self.subscribed(id, channel, attached),
            ServerFrame::Unsubscribed { id: Some(id), .. } => self.answered(id, Answer::Unsubscribed),
            ServerFrame::Unsubscribed { id: None, channel, code } => self.ended_by_hub(now, dice, channel, code),
            ServerFrame::Ack { id, message, position, time, scope } => {
                self.answered(id, Answer::Acked { message, position, time, scope });
            }
            ServerFrame::Reply { id, result: Reply::History(page) } => self.answered(id, Answer::History(page)),
            ServerFrame::Reply { id, result: Reply::Presence(all) } => self.answered(id, Answer::Presence(all)),
            ServerFrame::Reply { id, result: Reply::Result(data) } => self.answered(id, Answer::Result(data)),
            ServerFrame::Reply { id, result: Reply::Refreshed { .. } } => self.answered(id, Answer::Refreshed),
            ServerFrame::Error(error) => self.refused(now, dice, error),
            ServerFrame::Ping => self.out.push(Action::Send(ClientFrame::Pong)),
            ServerFrame::Expiring { .. } => self.out.push(Action::AskToken),
            ServerFrame::Drain { within_ms } => {
                if let Phase::Open(session) = &mut self.phase {
                    session.leave_at.get_or_insert(now + below(within_ms, dice));
                }
            }
        }
    }

    fn connected(&mut self, now: u64, dice: u64, connected: Connected) {
        let Phase::Greeting { resumed, .. } = self.phase else {
            return self.fault(now, dice, "`connected` without a connect frame".into());
        };
        if connected.subscriptions.len() != resumed {
            return self.fault(now, dice, "`connected` does not answer each entry of `resume`".into());
        }
        let patience_ms = connected.heartbeat_ms.saturating_add(connected.heartbeat_ms / 2).max(1);
        self.phase = Phase::Open(Session { since: now, heard: now, patience_ms, leave_at: None });
        (self.not_before_ms, self.complaint) = (0, None);
        self.out.push(Action::State(State::Connected { session: connected.session, node: connected.node }));
        for SubscriptionResult { channel, result } in connected.subscriptions {
            self.resumed(now, dice, channel, result);
        }
    }

    fn resumed(&mut self, now: u64, dice: u64, channel: ChannelName, result: Result<Attached, ErrorCode>) {
        let follow = self.follows.get_mut(&channel).filter(|follow| follow.stage == Stage::Attached);
        match (follow, result) {
            (Some(follow), Ok(attached)) => {
                follow.attached(&attached);
                self.out.push(Action::Deliver(channel, Event::Outcome(attached)));
            }
            (Some(_), Err(code)) => self.ended_by_hub(now, dice, channel, Some(code)),
            // Given up while the connect frame was under way.
            (None, Ok(_)) => self.take_back(channel),
            (None, Err(_)) => {}
        }
    }

    fn message(&mut self, now: u64, dice: u64, message: Message) {
        let Some(follow) = self.follows.get_mut(&message.channel).filter(|f| f.stage == Stage::Attached) else {
            // Of a room that is followed without a subscription of its own.
            return self.feed(|| FeedEvent::Message(message));
        };
        match follow.message(message.position) {
            Ok(()) => {
                self.feed(|| FeedEvent::Message(message.clone()));
                self.out.push(Action::Deliver(message.channel.clone(), Event::Message(message)));
            }
            Err(_) => {
                let (channel, position) = (&message.channel, message.position);
                let why = format!("a message of {channel} at {position:?} does not follow {follow:?}");
                self.fault(now, dice, why);
            }
        }
    }

    fn tell(&mut self, channel: ChannelName, event: Event) {
        if self.follows.get(&channel).is_some_and(|follow| follow.stage == Stage::Attached) {
            self.out.push(Action::Deliver(channel, event));
        }
    }

    fn subscribed(&mut self, id: RequestId, channel: ChannelName, attached: Attached) {
        if self.requests.remove(id).is_none() {
            return;
        }
        let Some(follow) = self.follows.get_mut(&channel) else { return };
        let first = follow.stage == Stage::New;
        follow.attached(&attached);
        if first {
            self.answer(id, Ok(Answer::Subscribed));
        }
        self.out.push(Action::Deliver(channel, Event::Outcome(attached)));
    }

    fn ended_by_hub(&mut self, now: u64, dice: u64, channel: ChannelName, code: Option<ErrorCode>) {
        self.feed(|| FeedEvent::Ended(channel.clone(), code));
        if !self.follows.get(&channel).is_some_and(|follow| follow.stage == Stage::Attached) {
            return;
        }
        if code.is_some_and(ErrorCode::is_temporary) {
            return self.again(now, &channel, self.rules.backoff.wait_ms(0, dice));
        }
        let why = code.map_or(ClientError::Ended, |code| ClientError::Refused { code, message: String::new() });
        self.follows.remove(&channel);
        self.out.push(Action::Deliver(channel.clone(), Event::Ended(why)));
        self.out.push(Action::Forget(channel));
    }

    fn answered(&mut self, id: RequestId, answer: Answer) {
        if self.requests.remove(id).is_some() {
            self.answer(id, Ok(answer));
        }
    }

    fn refused(&mut self, now: u64, dice: u64, error: ServerError) {
        let ServerError { id, code, message, retry_after_ms } = error;
        let Some(id) = id else {
            self.complaint = Some(message);
            self.not_before_ms = retry_after_ms.unwrap_or(0).min(self.rules.backoff.most_ms());
            return;
        };
        if code.is_temporary() {
            let backoff = self.rules.backoff;
            let wait = |refusals| backoff.wait_ms(refusals, dice).saturating_add(retry_after_ms.unwrap_or(0));
            return self.requests.postpone(id, now, wait);
        }
        let why = ClientError::Refused { code, message };
        match self.requests.remove(id) {
            None => {}
            Some(ClientFrame::Unsubscribe(..)) if code == ErrorCode::NotSubscribed => {
                self.answer(id, Ok(Answer::Unsubscribed));
            }
            Some(ClientFrame::Subscribe(_, wish)) => {
                let follow = self.follows.remove(&wish.channel);
                if follow.is_some_and(|follow| follow.stage == Stage::New) {
                    self.answer(id, Err(why));
                } else {
                    self.out.push(Action::Deliver(wish.channel.clone(), Event::Ended(why)));
                }
                self.out.push(Action::Forget(wish.channel));
            }
            Some(_) => self.answer(id, Err(why)),
        }
    }

    /// The hub broke the protocol: tell, and begin again from the last position.
    pub(super) fn fault(&mut self, now: u64, dice: u64, why: String) {
        self.out.push(Action::Fault(why.clone()));
        self.lost(now, dice, why);
    }

    pub(super) fn closed(&mut self, now: u64, dice: u64, code: Option<u16>, why: String) {
        match code {
            Some(code) if code >= FINAL_FROM => {
                let message = self.complaint.take().unwrap_or(why);
                self.end(ClientError::Closed { code, message });
            }
            _ => self.lost(now, dice, why),
        }
    }

    /// The connection or the attempt is gone: wait, and try again.
    pub(super) fn lost(&mut self, now: u64, dice: u64, why: String) {
        if matches!(self.phase, Phase::Ended | Phase::Waiting { .. }) {
            return;
        }
        if matches!(&self.phase, Phase::Open(session) if now - session.since >= self.rules.backoff.most_ms()) {
            self.attempt = 0;
        }
        let not_before = std::mem::take(&mut self.not_before_ms);
        let wait = self.rules.backoff.wait_ms(self.attempt, dice).max(not_before);
        self.attempt = self.attempt.saturating_add(1);
        self.reopen(now + wait, why);
    }

    /// A node that drains is left at the time it gave; the next one is tried at once.
    fn leave_node(&mut self, now: u64) {
        self.reopen(now, "the node is draining".into());
    }

    fn reopen(&mut self, at: u64, why: String) {
        self.phase = Phase::Waiting { until: at };
        self.out.push(Action::Hangup);
        self.out.push(Action::State(State::Connecting { why }));
        self.feed(|| FeedEvent::Lost);
        for (id, frame) in self.requests.rewind() {
            if matches!(frame, ClientFrame::Unsubscribe(..)) {
                self.answer(id, Ok(Answer::Unsubscribed));
            }
        }
        for follow in self.follows.values_mut() {
            if let Stage::Again(request) = follow.stage {
                self.requests.remove(request);
                follow.stage = Stage::Attached;
            }
        }
    }
}
