//! One person who follows several channels over a WebSocket or a stream and comes back with positions, as a state over bytes.
//! Does no I/O and knows no time.

use hubbub_protocol::frame::{Connect, Connected, Resume, ServerFrame, Subscribe};
use hubbub_protocol::outcome::Attached;
use hubbub_protocol::{ChannelName, ClientFrame, Outcome, Position, json};

use super::described::Described;
use super::follow::{Follow, Heard};
use crate::connection::{End, Stage};
use crate::events::{self, Events, Fed};
use crate::frame::{self, Carry, TEXT, client_frame};

/// What was said to a person that needs an answer or a plan.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Said {
    /// The upgrade is done: send the greeting.
    pub(super) upgraded: bool,
    /// A ping of the hub.
    pub(super) ping: bool,
    /// A ping of the WebSocket.
    pub(super) control_ping: bool,
    /// Leave within so many milliseconds.
    pub(super) drain_ms: Option<u64>,
    /// Do not come back before.
    pub(super) retry_after_ms: Option<u64>,
    /// How many messages came.
    pub(super) messages: u64,
    /// What the person published and was accepted.
    pub(super) acknowledged: u64,
    /// What the person published and was not.
    pub(super) refused: u64,
    /// What must be written, where the server is described.
    pub(super) write: Vec<u8>,
}

/// What the bytes are cut into.
#[derive(Debug)]
enum Wire {
    Socket(Carry),
    Stream(Events),
    Described(Box<Described>),
}

/// Somebody who comes back.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) follows: Vec<Follow>,
    pub(super) stage: Stage,
    /// Subscriptions without an answer.
    open: usize,
    wire: Wire,
    /// What was published and has no answer: the request, and which of the channels.
    asked: Vec<(u64, usize)>,
    requests: u64,
}

const BEFORE_CHANNEL: &[u8] = br#"{"type":"message","channel":""#;
/// Requests from here on are publishes; below are subscriptions.
const FIRST_PUBLISH: u64 = 1_000;

impl Person {
    /// Somebody who will follow these channels.
    pub(super) fn new(channels: impl Iterator<Item = usize>, stream: bool) -> Self {
        let wire = if stream { Wire::Stream(Events::default()) } else { Wire::Socket(Carry::default()) };
        let follows = channels.map(Follow::new).collect();
        Self { follows, stage: Stage::Upgrading, open: 0, wire, asked: Vec::new(), requests: FIRST_PUBLISH }
    }

    /// Somebody at a described server.
    pub(super) fn described(described: Described, channels: &[usize]) -> Self {
        Self { wire: Wire::Described(Box::new(described)), ..Self::new(channels.iter().copied(), false) }
    }

    /// A new connection begins.
    pub(super) fn begin(&mut self) {
        self.stage = Stage::Upgrading;
        match &mut self.wire {
            Wire::Socket(carry) => *carry = Carry::default(),
            Wire::Stream(events) => events.begin(),
            Wire::Described(described) => described.begin(),
        }
    }

    /// Whether it is a stream.
    pub(super) fn is_stream(&self) -> bool {
        matches!(self.wire, Wire::Stream(_))
    }

    /// The connection to a described server, if this is one.
    pub(super) fn as_described(&mut self) -> Option<&mut Described> {
        match &mut self.wire {
            Wire::Described(described) => Some(described),
            _ => None,
        }
    }

    /// The request of a stream.
    pub(super) fn stream_request(&self, token: &str, names: &[ChannelName], more: &str) -> Vec<u8> {
        let channels: Vec<_> = self.follows.iter().map(|follow| format!("channel={}", names[follow.channel])).collect();
        let last = match &self.wire {
            Wire::Stream(events) => events.last_id(),
            _ => None,
        };
        let last = last.map_or_else(String::new, |id| format!("last-event-id: {id}\r\n"));
        format!(
            "GET /sse?{}{more} HTTP/1.1\r\nhost: hub\r\naccept: text/event-stream\r\n\
             authorization: Bearer {token}\r\n{last}\r\n",
            channels.join("&")
        )
        .into_bytes()
    }

    /// The frames to begin with: the first time `connect` and subscriptions, later `connect` with positions.
    pub(super) fn greeting(&mut self, token: String, names: &[ChannelName]) -> Vec<u8> {
        let (known, new): (Vec<_>, Vec<_>) = self.follows.iter().partition(|follow| follow.epoch.is_some());
        let resume = known.into_iter().map(|follow| {
            let (channel, since) = (names[follow.channel].clone(), follow.position());
            Resume { channel, since, presence: false, conflate: false }
        });
        let connect = Connect { token, client: Some("loadtest/1".to_owned()), resume: resume.collect() };
        let mut frames = client_frame(TEXT, json::encode_client(&ClientFrame::Connect(connect)).as_bytes());
        for (id, follow) in (1..).zip(&new) {
            let channel = names[follow.channel].clone();
            let wish = Subscribe { channel, since: None, rewind: None, presence: false, conflate: false };
            frames.extend(client_frame(TEXT, json::encode_client(&ClientFrame::Subscribe(id, wish)).as_bytes()));
        }
        self.open = new.len();
        frames
    }

    /// The frame that publishes into one of the channels; whether it will be answered.
    pub(super) fn publish(&mut self, follow: usize, data: &str, names: &[ChannelName]) -> (Vec<u8>, bool) {
        if let Wire::Described(described) = &mut self.wire {
            return described.publish(follow, self.follows[follow].channel, data);
        }
        self.requests += 1;
        self.asked.push((self.requests, follow));
        let channel = &names[self.follows[follow].channel];
        let text = format!(r#"{{"type":"publish","id":{},"channel":"{channel}","data":{data}}}"#, self.requests);
        (client_frame(TEXT, text.as_bytes()), true)
    }

    /// The connection is over: how much was published and will have no answer.
    pub(super) fn forget_asked(&mut self) -> usize {
        let described = self.as_described().map_or(0, Described::forget_unanswered);
        std::mem::take(&mut self.asked).len() + described
    }

    /// Takes what was read.
    pub(super) fn feed(&mut self, mut bytes: &[u8], names: &[ChannelName], heard: &mut Heard) -> Said {
        let mut said = Said::default();
        if self.stage == Stage::Upgrading {
            match self.head(bytes) {
                None => return said,
                Some(None) => {
                    self.stage = Stage::Over(End::Refused);
                    return said;
                }
                Some(Some(rest)) => bytes = rest,
            }
            (self.stage, said.upgraded) = (Stage::Greeting, true);
            if let Wire::Described(described) = &mut self.wire {
                described.opened(&mut self.stage, &mut said);
            }
        }
        let mut wire = std::mem::replace(&mut self.wire, Wire::Socket(Carry::default()));
        match &mut wire {
            Wire::Socket(carry) => {
                let whole = carry.frames(bytes, |opcode, payload| {
                    self.frame(opcode, payload, names, heard, &mut said);
                    !matches!(self.stage, Stage::Over(_))
                });
                if !whole {
                    self.stage = Stage::Over(End::Broken);
                }
            }
            Wire::Stream(events) => {
                let fed = events.feed(bytes, |json| self.event(json, names, heard, &mut said));
                match fed {
                    Fed::More => {}
                    Fed::Ended if !matches!(self.stage, Stage::Over(_)) => self.stage = Stage::Over(End::Closed(0)),
                    Fed::Ended => {}
                    Fed::Broken => self.stage = Stage::Over(End::Broken),
                }
            }
            Wire::Described(described) => described.feed(bytes, &mut self.follows, &mut self.stage, heard, &mut said),
        }
        self.wire = wire;
        said
    }

    /// Takes the head of the answer: nothing while it is not whole, nothing inside where it refuses.
    fn head<'a>(&mut self, bytes: &'a [u8]) -> Option<Option<&'a [u8]>> {
        match &mut self.wire {
            Wire::Socket(carry) => {
                let (head, rest) = carry.head(bytes)?;
                Some(head.starts_with(b"HTTP/1.1 101 ").then_some(rest))
            }
            Wire::Stream(events) => events.head(bytes),
            Wire::Described(described) => described.head(bytes),
        }
    }

    fn event(&mut self, json: &[u8], names: &[ChannelName], heard: &mut Heard, said: &mut Said) {
        match events::opened(json) {
            Some(attached) => {
                for (channel, attached) in attached {
                    self.attached(&channel, &attached, names);
                }
                self.stage = Stage::Live;
            }
            None => self.frame(TEXT, json, names, heard, said),
        }
    }

    fn frame(&mut self, opcode: u8, payload: &[u8], names: &[ChannelName], heard: &mut Heard, said: &mut Said) {
        match opcode {
            TEXT if frame::is_message(payload) => {
                said.messages += 1;
                match self.follows_named(payload, names) {
                    Some(follow) => follow.message(payload, heard),
                    // Nobody asked for this channel.
                    None => self.stage = Stage::Over(End::Broken),
                }
            }
            TEXT => match std::str::from_utf8(payload).ok().map(json::decode_server) {
                Some(Ok(Some(frame))) => self.heard(frame, names, heard, said),
                Some(Ok(None)) => {}
                _ => self.stage = Stage::Over(End::Broken),
            },
            frame::PING => said.control_ping = true,
            frame::CLOSE => self.stage = Stage::Over(End::Closed(frame::close_code(payload).unwrap_or(0))),
            _ => {}
        }
    }

    /// The subscription that a message is for.
    fn follows_named(&mut self, payload: &[u8], names: &[ChannelName]) -> Option<&mut Follow> {
        let behind = payload.strip_prefix(BEFORE_CHANNEL)?;
        let is_of = |name: &ChannelName| {
            let name = name.as_str().as_bytes();
            behind.starts_with(name) && behind.get(name.len()) == Some(&b'"')
        };
        self.follows.iter_mut().find(|follow| is_of(&names[follow.channel]))
    }

    fn follow_of(&mut self, channel: &ChannelName, names: &[ChannelName]) -> Option<&mut Follow> {
        self.follows.iter_mut().find(|follow| names[follow.channel] == *channel)
    }

    #[cold]
    fn heard(&mut self, frame: ServerFrame, names: &[ChannelName], heard: &mut Heard, said: &mut Said) {
        match frame {
            ServerFrame::Connected(connected) => self.connected(&connected, names),
            ServerFrame::Subscribed { channel, attached, .. } => {
                self.attached(&channel, &attached, names);
                self.open = self.open.saturating_sub(1);
                self.live_when_answered();
            }
            ServerFrame::Gap { channel, epoch, lost, .. } => {
                if let Some(follow) = self.follow_of(&channel, names) {
                    follow.epoch = Some(epoch);
                    follow.audit.gap(lost.from, lost.to);
                }
            }
            ServerFrame::Skipped { channel, count } => {
                if let Some(follow) = self.follow_of(&channel, names) {
                    follow.audit.skipped(count);
                }
            }
            ServerFrame::Ack { id, position, .. } => self.acked(id, position, heard, said),
            ServerFrame::Error(error) => match error.id.and_then(|id| self.take_asked(id)) {
                Some(_) => said.refused += 1,
                None => {
                    said.retry_after_ms = error.retry_after_ms;
                    self.stage = Stage::Over(End::Refused);
                }
            },
            ServerFrame::Unsubscribed { .. } => self.stage = Stage::Over(End::Refused),
            ServerFrame::Drain { within_ms } => said.drain_ms = Some(within_ms),
            ServerFrame::Ping => said.ping = true,
            _ => {}
        }
    }

    fn acked(&mut self, id: u64, position: Option<Position>, heard: &mut Heard, said: &mut Said) {
        let Some(follow) = self.take_asked(id) else { return };
        said.acknowledged += 1;
        if let Some(position) = position {
            heard.acknowledged(self.follows[follow].channel, position.offset);
        }
    }

    fn take_asked(&mut self, id: u64) -> Option<usize> {
        let at = self.asked.iter().position(|(asked, _)| *asked == id)?;
        Some(self.asked.swap_remove(at).1)
    }

    fn connected(&mut self, connected: &Connected, names: &[ChannelName]) {
        for subscription in &connected.subscriptions {
            match &subscription.result {
                Ok(attached) => self.attached(&subscription.channel, attached, names),
                Err(_) => self.stage = Stage::Over(End::Refused),
            }
        }
        self.live_when_answered();
    }

    fn attached(&mut self, channel: &ChannelName, attached: &Attached, names: &[ChannelName]) {
        let Some(follow) = self.follow_of(channel, names) else { return };
        match attached.outcome {
            // Only the first time. A later one would hide what is lost.
            Outcome::Fresh { .. } if follow.epoch.is_none() => follow.begin(attached),
            Outcome::Gap { lost, .. } => follow.audit.gap(lost.from, lost.to),
            Outcome::Fresh { .. } | Outcome::Continued { .. } => {}
        }
        follow.epoch = attached.head.map(|head| head.epoch).or(follow.epoch);
    }

    fn live_when_answered(&mut self) {
        if self.open == 0 && self.stage == Stage::Greeting {
            self.stage = Stage::Live;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::server_frame;

    fn names() -> Vec<ChannelName> {
        ["chat:a-1", "chat:a-10"].iter().map(|name| ChannelName::parse(name).expect("a name")).collect()
    }

    fn text(text: &str) -> Vec<u8> {
        server_frame(TEXT, text.as_bytes())
    }

    fn message(channel: &str, offset: u64) -> Vec<u8> {
        text(&format!(r#"{{"type":"message","channel":"{channel}","epoch":"1","offset":{offset},"data":1}}"#))
    }

    fn connected(subscriptions: &str) -> Vec<u8> {
        text(&format!(
            r#"{{"type":"connected","session":"01KA0000000000000000000000","node":"n","user":"u","heartbeat_ms":25000,"expires_at":1,"subscriptions":[{subscriptions}]}}"#
        ))
    }

    fn live() -> Person {
        let mut person = Person::new(0..2, false);
        assert!(person.feed(b"HTTP/1.1 101 x\r\n\r\n", &names(), &mut Heard::default()).upgraded);
        assert!(String::from_utf8_lossy(&person.greeting("t".into(), &names())).contains("subscribe"));
        person.feed(&connected(""), &names(), &mut Heard::default());
        for (id, channel) in [(1, "chat:a-1"), (2, "chat:a-10")] {
            assert_eq!(person.stage, Stage::Greeting);
            let subscribed = format!(
                r#"{{"type":"subscribed","id":{id},"channel":"{channel}","outcome":"fresh","epoch":"1","offset":5}}"#
            );
            person.feed(&text(&subscribed), &names(), &mut Heard::default());
        }
        assert_eq!(person.stage, Stage::Live);
        person
    }

    #[test]
    fn each_channel_has_its_account_and_the_way_back_its_position() {
        let mut person = live();
        let bytes = [message("chat:a-1", 6), message("chat:a-10", 6), message("chat:a-10", 7)].concat();
        assert_eq!(person.feed(&bytes, &names(), &mut Heard::default()).messages, 3);
        person.begin();
        person.feed(b"HTTP/1.1 101 x\r\n\r\n", &names(), &mut Heard::default());
        let greeting = person.greeting("t".into(), &names());
        let greeting = String::from_utf8_lossy(&greeting);
        assert!(greeting.contains(r#""offset":6"#) && greeting.contains(r#""offset":7"#), "{greeting}");
        assert!(!greeting.contains("subscribe\""), "{greeting}");
        let back = connected(
            r#"{"channel":"chat:a-1","outcome":"continued","epoch":"1","offset":8,"from":7,"to":8},
               {"channel":"chat:a-10","outcome":"gap","epoch":"1","offset":9,"from":8,"to":9,"reason":"expired"}"#,
        );
        person.feed(&back, &names(), &mut Heard::default());
        assert_eq!(person.stage, Stage::Live);
        person.feed(&[message("chat:a-1", 7), message("chat:a-1", 8)].concat(), &names(), &mut Heard::default());
        let [first, second] = &person.follows[..] else { panic!("two") };
        assert_eq!((first.audit.lost(8), first.audit.gaps, first.audit.duplicated), (0, 0, 0));
        assert_eq!((second.audit.lost(9), second.audit.gaps), (0, 2));
    }

    #[test]
    fn a_fresh_answer_to_a_resume_does_not_hide_what_is_lost() {
        let mut person = live();
        person.begin();
        person.feed(b"HTTP/1.1 101 x\r\n\r\n", &names(), &mut Heard::default());
        person.greeting("t".into(), &names());
        let fresh = |name: &str| format!(r#"{{"channel":"{name}","outcome":"fresh","epoch":"1","offset":9}}"#);
        person.feed(
            &connected(&format!("{},{}", fresh("chat:a-1"), fresh("chat:a-10"))),
            &names(),
            &mut Heard::default(),
        );
        assert_eq!(person.follows[0].audit.lost(9), 4);
    }

    #[test]
    fn what_refuses_or_ends_is_over() {
        let table = [
            (text(r#"{"type":"error","code":"overloaded","message":"x","retry_after_ms":7}"#), End::Refused),
            (connected(r#"{"channel":"chat:a-1","error":"unavailable"}"#), End::Refused),
            (message("chat:other", 1), End::Broken),
            (server_frame(frame::CLOSE, b"\x0f\xa0"), End::Closed(4000)),
        ];
        for (bytes, end) in table {
            let mut person = live();
            person.feed(&bytes, &names(), &mut Heard::default());
            assert_eq!(person.stage, Stage::Over(end));
        }
        assert_eq!(
            live().feed(&text(r#"{"type":"drain","within_ms":9}"#), &names(), &mut Heard::default()).drain_ms,
            Some(9)
        );
    }
}
