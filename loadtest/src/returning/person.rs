//! One person who follows several channels and comes back with positions, as a state over bytes. Does no I/O and knows no
//! time.

use hubbub_protocol::frame::{Connect, Connected, Resume, ServerFrame, Subscribe};
use hubbub_protocol::outcome::Attached;
use hubbub_protocol::{ChannelName, ClientFrame, Epoch, Outcome, Position, json};

use crate::audit::Audit;
use crate::connection::{End, Stage};
use crate::frame::{self, Carry, TEXT, client_frame};

/// What a person follows.
#[derive(Debug)]
pub struct Follow {
    /// Which channel, as an index into the names.
    pub channel: usize,
    /// The account over all connections.
    pub audit: Audit,
    /// Known once the first subscription was answered.
    epoch: Option<Epoch>,
}

/// What was said to a person that needs an answer or a plan.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
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
}

/// Somebody who comes back.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) follows: Vec<Follow>,
    pub(super) stage: Stage,
    /// Subscriptions without an answer.
    open: usize,
    carry: Carry,
    hint: usize,
}

const BEFORE_CHANNEL: &[u8] = br#"{"type":"message","channel":""#;
const OFFSET: &[u8] = br#""offset":"#;

impl Person {
    /// Somebody who will follow these channels.
    pub(super) fn new(channels: impl Iterator<Item = usize>) -> Self {
        let follow = |channel| Follow { channel, audit: Audit::default(), epoch: None };
        let follows = channels.map(follow).collect();
        Self { follows, stage: Stage::Upgrading, open: 0, carry: Carry::default(), hint: 0 }
    }

    /// A new connection begins.
    pub(super) fn begin(&mut self) {
        (self.stage, self.carry) = (Stage::Upgrading, Carry::default());
    }

    /// The frames to begin with: the first time `connect` and subscriptions, later `connect` with positions.
    pub(super) fn greeting(&mut self, token: String, names: &[ChannelName]) -> Vec<u8> {
        let since = |follow: &Follow| Some(Position::new(follow.epoch?, follow.audit.last()));
        let (known, new): (Vec<_>, Vec<_>) = self.follows.iter().partition(|follow| follow.epoch.is_some());
        let resume = known.into_iter().map(|follow| {
            let (channel, since) = (names[follow.channel].clone(), since(follow));
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

    /// Takes what was read.
    pub(super) fn feed(&mut self, mut bytes: &[u8], names: &[ChannelName]) -> Said {
        let mut said = Said::default();
        if self.stage == Stage::Upgrading {
            let Some((head, rest)) = self.carry.head(bytes) else { return said };
            if !head.starts_with(b"HTTP/1.1 101 ") {
                self.stage = Stage::Over(End::Refused);
                return said;
            }
            (self.stage, said.upgraded, bytes) = (Stage::Greeting, true, rest);
        }
        let mut carry = std::mem::take(&mut self.carry);
        let whole = carry.frames(bytes, |opcode, payload| {
            self.frame(opcode, payload, names, &mut said);
            !matches!(self.stage, Stage::Over(_))
        });
        self.carry = carry;
        if !whole {
            self.stage = Stage::Over(End::Broken);
        }
        said
    }

    fn frame(&mut self, opcode: u8, payload: &[u8], names: &[ChannelName], said: &mut Said) {
        match opcode {
            TEXT if frame::is_message(payload) => {
                said.messages += 1;
                let offset = frame::number(payload, OFFSET, &mut self.hint);
                match self.follows_named(payload, names).zip(offset) {
                    Some((follow, offset)) => follow.audit.message(offset),
                    // Nobody asked for this channel.
                    None => self.stage = Stage::Over(End::Broken),
                }
            }
            TEXT => match std::str::from_utf8(payload).ok().map(json::decode_server) {
                Some(Ok(Some(frame))) => self.heard(frame, names, said),
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
    fn heard(&mut self, frame: ServerFrame, names: &[ChannelName], said: &mut Said) {
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
            ServerFrame::Error(error) => {
                said.retry_after_ms = error.retry_after_ms;
                self.stage = Stage::Over(End::Refused);
            }
            ServerFrame::Unsubscribed { .. } => self.stage = Stage::Over(End::Refused),
            ServerFrame::Drain { within_ms } => said.drain_ms = Some(within_ms),
            ServerFrame::Ping => said.ping = true,
            _ => {}
        }
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
            Outcome::Fresh { .. } if follow.epoch.is_none() => follow.audit.begin(attached.start()),
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
        let mut person = Person::new(0..2);
        assert!(person.feed(b"HTTP/1.1 101 x\r\n\r\n", &names()).upgraded);
        assert!(String::from_utf8_lossy(&person.greeting("t".into(), &names())).contains("subscribe"));
        person.feed(&connected(""), &names());
        for (id, channel) in [(1, "chat:a-1"), (2, "chat:a-10")] {
            assert_eq!(person.stage, Stage::Greeting);
            let subscribed = format!(
                r#"{{"type":"subscribed","id":{id},"channel":"{channel}","outcome":"fresh","epoch":"1","offset":5}}"#
            );
            person.feed(&text(&subscribed), &names());
        }
        assert_eq!(person.stage, Stage::Live);
        person
    }

    #[test]
    fn each_channel_has_its_account_and_the_way_back_its_position() {
        let mut person = live();
        let bytes = [message("chat:a-1", 6), message("chat:a-10", 6), message("chat:a-10", 7)].concat();
        assert_eq!(person.feed(&bytes, &names()).messages, 3);
        person.begin();
        person.feed(b"HTTP/1.1 101 x\r\n\r\n", &names());
        let greeting = person.greeting("t".into(), &names());
        let greeting = String::from_utf8_lossy(&greeting);
        assert!(greeting.contains(r#""offset":6"#) && greeting.contains(r#""offset":7"#), "{greeting}");
        assert!(!greeting.contains("subscribe\""), "{greeting}");
        let back = connected(
            r#"{"channel":"chat:a-1","outcome":"continued","epoch":"1","offset":8,"from":7,"to":8},
               {"channel":"chat:a-10","outcome":"gap","epoch":"1","offset":9,"from":8,"to":9,"reason":"expired"}"#,
        );
        person.feed(&back, &names());
        assert_eq!(person.stage, Stage::Live);
        person.feed(&[message("chat:a-1", 7), message("chat:a-1", 8)].concat(), &names());
        let [first, second] = &person.follows[..] else { panic!("two") };
        assert_eq!((first.audit.lost(8), first.audit.gaps, first.audit.duplicated), (0, 0, 0));
        assert_eq!((second.audit.lost(9), second.audit.gaps), (0, 2));
    }

    #[test]
    fn a_fresh_answer_to_a_resume_does_not_hide_what_is_lost() {
        let mut person = live();
        person.begin();
        person.feed(b"HTTP/1.1 101 x\r\n\r\n", &names());
        person.greeting("t".into(), &names());
        let fresh = |name: &str| format!(r#"{{"channel":"{name}","outcome":"fresh","epoch":"1","offset":9}}"#);
        person.feed(&connected(&format!("{},{}", fresh("chat:a-1"), fresh("chat:a-10"))), &names());
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
            person.feed(&bytes, &names());
            assert_eq!(person.stage, Stage::Over(end));
        }
        assert_eq!(live().feed(&text(r#"{"type":"drain","within_ms":9}"#), &names()).drain_ms, Some(9));
    }
}
