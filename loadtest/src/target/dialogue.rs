//! What is said on one connection to a described server, as a state over frames: greeting, connecting, subscribing, messages.
//! Does no I/O and knows no time.

use std::sync::Arc;

use super::description::Framing;
use super::framing::{Cutter, Item};
use super::pick::text_at;
use super::proof::signature;
use super::spoken::{Spoken, Way};
use super::template::{Name, Values};
use crate::frame::{BINARY, TEXT, client_frame};
use crate::plan::stamp::Stamp;

/// What all connections of a process share.
#[derive(Debug)]
pub struct Language {
    /// How the server is spoken to.
    pub spoken: Spoken,
    /// The channels, as it calls them.
    pub channels: Vec<String>,
    /// What is signed with.
    pub secret: String,
}

/// Something that was said, or follows from it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// All is subscribed.
    Live,
    /// A message of this subscription, the first is 0; of none where nobody asked for the channel.
    Message(Option<usize>, Option<Stamp>),
    /// What was published last and had no answer was accepted.
    Accepted,
    /// The server refuses.
    Refused,
}

/// One connection.
#[derive(Debug)]
pub struct Dialogue {
    language: Arc<Language>,
    /// The channels, as indices into the names.
    wanted: Box<[usize]>,
    step: Step,
    cutter: Cutter,
    session: String,
    /// Requests sent so far.
    requests: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    /// The server speaks first.
    Greeting,
    /// What is sent first has no answer yet.
    Connecting,
    /// So many subscriptions have no answer yet.
    Subscribing(usize),
    Live,
}

/// Who somebody is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Who<'a> {
    /// The name of the user.
    pub user: &'a str,
    /// A token, where one is needed.
    pub token: &'a str,
}

impl Dialogue {
    /// Somebody who will follow these channels.
    pub fn new(language: Arc<Language>, wanted: impl Iterator<Item = usize>) -> Self {
        let cutter = Cutter::new(language.spoken.framing);
        let (session, wanted) = (String::new(), wanted.collect());
        Self { language, wanted, step: Step::Greeting, cutter, session, requests: 0 }
    }

    /// A new connection begins.
    pub fn begin(&mut self) {
        (self.step, self.requests) = (Step::Greeting, 0);
        self.cutter = Cutter::new(self.language.spoken.framing);
    }

    /// The request for the connection, to a host.
    pub fn upgrade(&self, host: &str, who: Who<'_>) -> Vec<u8> {
        let Language { spoken, channels, .. } = &*self.language;
        let channel = self.wanted.first().map_or("", |first| channels[*first].as_str());
        let values = Values::default().with(Name::Channel, channel).with(Name::User, who.user);
        let values = values.with(Name::Token, who.token);
        let mut head = format!(
            // The key is any 16 bytes; the answer to it is not checked.
            "GET {} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: aHViYnViLWxvYWR0ZXN0IQ==\r\n",
            spoken.path.fill(&values)
        );
        for (name, value) in &spoken.headers {
            head.extend([name, ": ", &value.fill(&values), "\r\n"]);
        }
        (head + "\r\n").into_bytes()
    }

    /// The connection is open. What is to be written is added to `out`.
    pub fn opened(&mut self, who: Who<'_>, out: &mut Vec<u8>, event: &mut impl FnMut(Event)) {
        if self.language.spoken.greeting.is_none() {
            self.connect(who, out, event);
        }
    }

    /// Takes the payload of a frame. `false` where it is broken.
    pub fn take(&mut self, payload: &[u8], who: Who<'_>, out: &mut Vec<u8>, mut event: impl FnMut(Event)) -> bool {
        let mut cutter = std::mem::take(&mut self.cutter);
        let whole = cutter.cut(payload, |item| match item {
            Item::Text(text) => self.heard(text, who, out, &mut event),
            Item::Delivered { channel, data } => {
                event(Event::Message(self.follow_of(channel), Stamp::parse(data)));
            }
        });
        self.cutter = cutter;
        whole
    }

    /// The frame that publishes into a channel; whether it will be answered.
    pub fn publish(&mut self, channel: usize, data: &str, user: &str) -> Option<(Vec<u8>, bool)> {
        let language = Arc::clone(&self.language);
        let Some(Way::Socket { send, answer }) = &language.spoken.publish else { return None };
        let (id, bytes) = (self.next_id(), data.len().to_string());
        let values = Values::default().with(Name::Channel, &language.channels[channel]).with(Name::Data, data);
        let values = values.with(Name::Id, &id).with(Name::Bytes, &bytes).with(Name::User, user);
        Some((self.frame(&send.fill(&values)), answer.is_some()))
    }

    fn heard(&mut self, text: &[u8], who: Who<'_>, out: &mut Vec<u8>, event: &mut impl FnMut(Event)) {
        let language = Arc::clone(&self.language);
        let spoken = &language.spoken;
        let found = spoken.places.look(text);
        let message = |follow| {
            let stamp = if spoken.places_data { found.stamp } else { Stamp::parse(text) };
            Event::Message(follow, stamp)
        };
        let follow = || match &found.channel {
            Some(channel) => self.follow_of(channel.as_bytes()),
            None => (self.wanted.len() == 1 && !spoken.names_channel).then_some(0),
        };
        if spoken.message.as_ref().is_some_and(|message| message.is(text, &found)) {
            return event(message(follow()));
        }
        if let Some((_, send)) = spoken.ping.as_ref().filter(|(when, _)| when.is(text, &found)) {
            return out.extend(self.frame(send));
        }
        if spoken.refused.iter().any(|refused| refused.is(text, &found)) {
            return event(Event::Refused);
        }
        let is = |recognised: &Option<super::recognise::Recognised>| {
            recognised.as_ref().is_some_and(|recognised| recognised.is(text, &found))
        };
        match self.step {
            Step::Greeting if is(&spoken.greeting) => {
                let session = spoken.session.as_ref().and_then(|pointer| text_at(text, pointer));
                self.session = session.unwrap_or_default();
                self.connect(who, out, event);
            }
            Step::Connecting if is(&spoken.answer) => self.subscribe(who, out, event),
            Step::Subscribing(left) if is(&spoken.subscribed) => {
                self.step = Step::Subscribing(left.saturating_sub(1));
                self.live_when_answered(event);
            }
            Step::Live if matches!(&spoken.publish, Some(Way::Socket { answer, .. }) if is(answer)) => {
                event(Event::Accepted);
            }
            Step::Live | Step::Subscribing(_) if spoken.message.is_none() && spoken.framing != Framing::Nats => {
                event(message(follow()));
            }
            _ => {}
        }
    }

    fn connect(&mut self, who: Who<'_>, out: &mut Vec<u8>, event: &mut impl FnMut(Event)) {
        let language = Arc::clone(&self.language);
        if let Some(send) = &language.spoken.send {
            let (id, session) = (self.next_id(), std::mem::take(&mut self.session));
            let values = Values::default().with(Name::User, who.user).with(Name::Token, who.token);
            let text = send.fill(&values.with(Name::Session, &session).with(Name::Id, &id));
            self.session = session;
            out.extend(self.frame(&text));
        }
        match language.spoken.answer {
            Some(_) => self.step = Step::Connecting,
            None => self.subscribe(who, out, event),
        }
    }

    fn subscribe(&mut self, who: Who<'_>, out: &mut Vec<u8>, event: &mut impl FnMut(Event)) {
        let language = Arc::clone(&self.language);
        let Language { spoken, channels, secret } = &*language;
        let session = std::mem::take(&mut self.session);
        for index in 0..self.wanted.len() {
            let (Some(send), id) = (&spoken.subscribe, self.next_id()) else { break };
            let values =
                Values::default().with(Name::Channel, &channels[self.wanted[index]]).with(Name::User, who.user);
            let values = values.with(Name::Session, &session).with(Name::Token, who.token).with(Name::Id, &id);
            let signed = spoken.sign.as_ref().map(|sign| signature(secret, &sign.fill(&values))).unwrap_or_default();
            out.extend(self.frame(&send.fill(&values.with(Name::Signature, &signed))));
        }
        let answered = spoken.subscribe.is_some() && spoken.subscribed.is_some();
        self.step = Step::Subscribing(if answered { self.wanted.len() } else { 0 });
        self.live_when_answered(event);
    }

    fn live_when_answered(&mut self, event: &mut impl FnMut(Event)) {
        if self.step == Step::Subscribing(0) {
            self.step = Step::Live;
            event(Event::Live);
        }
    }

    /// The subscription of a channel.
    #[inline]
    fn follow_of(&self, channel: &[u8]) -> Option<usize> {
        self.wanted.iter().position(|wanted| self.language.channels[*wanted].as_bytes() == channel)
    }

    fn next_id(&mut self) -> String {
        self.requests += 1;
        self.requests.to_string()
    }

    fn frame(&self, text: &str) -> Vec<u8> {
        let opcode = if self.language.spoken.framing == Framing::Nats { BINARY } else { TEXT };
        client_frame(opcode, text.as_bytes())
    }
}
