//! A person at a described server: the same bytes in, the same said out as at a hub. Does no I/O and knows no time.

use std::sync::Arc;

use super::follow::{Follow, Heard};
use super::person::Said;
use crate::connection::{End, Stage};
use crate::frame::{self, Carry, client_frame};
use crate::plan::template::user;
use crate::target::dialogue::{Dialogue, Event, Language, Who};

/// A connection to a described server.
#[derive(Debug)]
pub(super) struct Described {
    carry: Carry,
    dialogue: Dialogue,
    user: String,
    token: String,
    /// What was published and has no answer: which of the channels, the first first.
    unanswered: Vec<usize>,
}

impl Described {
    /// Of person `number`, who will follow these channels.
    pub(super) fn new(language: Arc<Language>, number: usize, follows: &[usize]) -> Self {
        let dialogue = Dialogue::new(language, follows.iter().copied());
        let (carry, token, unanswered) = (Carry::default(), String::new(), Vec::new());
        Self { carry, dialogue, user: user(number), token, unanswered }
    }

    /// A new connection begins.
    pub(super) fn begin(&mut self) {
        self.carry = Carry::default();
        self.dialogue.begin();
    }

    /// The request for the connection.
    pub(super) fn upgrade(&mut self, host: &str, token: String) -> Vec<u8> {
        self.token = token;
        self.dialogue.upgrade(host, Who { user: &self.user, token: &self.token })
    }

    /// Takes the head of the answer; nothing while it is not whole, nothing inside where it refuses.
    pub(super) fn head<'a>(&mut self, bytes: &'a [u8]) -> Option<Option<&'a [u8]>> {
        let (head, rest) = self.carry.head(bytes)?;
        Some(head.starts_with(b"HTTP/1.1 101 ").then_some(rest))
    }

    /// The connection is made.
    pub(super) fn opened(&mut self, stage: &mut Stage, said: &mut Said) {
        let who = Who { user: &self.user, token: &self.token };
        self.dialogue.opened(who, &mut said.write, &mut |event| {
            if event == Event::Live {
                *stage = Stage::Live;
            }
        });
    }

    /// Takes what was read.
    pub(super) fn feed(
        &mut self,
        bytes: &[u8],
        follows: &mut [Follow],
        stage: &mut Stage,
        heard: &mut Heard,
        said: &mut Said,
    ) {
        let Self { carry, dialogue, user, token, unanswered } = self;
        let who = Who { user, token };
        let whole = carry.frames(bytes, |opcode, payload| {
            match opcode {
                frame::TEXT | frame::BINARY => {
                    let mut out = std::mem::take(&mut said.write);
                    let whole = dialogue.take(payload, who, &mut out, |event| {
                        take(event, follows, stage, unanswered, heard, said);
                    });
                    said.write = out;
                    if !whole {
                        *stage = Stage::Over(End::Broken);
                    }
                }
                frame::PING => said.write.extend(client_frame(frame::PONG, payload)),
                frame::CLOSE => *stage = Stage::Over(End::Closed(frame::close_code(payload).unwrap_or(0))),
                _ => {}
            }
            !matches!(stage, Stage::Over(_))
        });
        if !whole {
            *stage = Stage::Over(End::Broken);
        }
        if *stage == Stage::Live && !self.token.is_empty() {
            // Idle people keep nothing.
            self.token = String::new();
        }
    }

    /// The frame that publishes into one of the channels; whether it will be answered. Nothing where none is described.
    pub(super) fn publish(&mut self, follow: usize, channel: usize, data: &str) -> (Vec<u8>, bool) {
        let (frame, answered) = self.dialogue.publish(channel, data, &self.user).unwrap_or_default();
        if answered {
            self.unanswered.push(follow);
        }
        (frame, answered)
    }

    /// How much was published and will have no answer any more.
    pub(super) fn forget_unanswered(&mut self) -> usize {
        std::mem::take(&mut self.unanswered).len()
    }
}

fn take(
    event: Event,
    follows: &mut [Follow],
    stage: &mut Stage,
    unanswered: &mut Vec<usize>,
    heard: &mut Heard,
    said: &mut Said,
) {
    match event {
        Event::Live if *stage == Stage::Greeting => *stage = Stage::Live,
        Event::Live => {}
        Event::Message(follow, stamp) => {
            said.messages += 1;
            match follow.and_then(|follow| follows.get_mut(follow)) {
                Some(follow) => follow.numbered(stamp, heard),
                // Nobody asked for this channel.
                None => *stage = Stage::Over(End::Broken),
            }
        }
        Event::Accepted if !unanswered.is_empty() => {
            unanswered.remove(0);
            said.acknowledged += 1;
        }
        Event::Accepted => {}
        Event::Refused if !unanswered.is_empty() => {
            unanswered.remove(0);
            said.refused += 1;
        }
        Event::Refused => *stage = Stage::Over(End::Refused),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{TEXT, server_frame};
    use crate::plan::stamp::Stamp;
    use crate::target::Spoken;
    use crate::target::description::Description;
    use crate::target::library::find;

    fn described(target: &str, follows: &[usize]) -> (Described, Vec<Follow>) {
        let description = Description::parse(target, &find(target).expect("there"), &[]).expect("right");
        let spoken = Spoken::of(target, &description).expect("right");
        let channels = vec!["live-a".to_owned(), "live-b".to_owned()];
        let language = Language { spoken, channels, secret: "7ad3773142a6692b25b8".to_owned() };
        let mut described = Described::new(Arc::new(language), 3, follows);
        described.begin();
        (described, follows.iter().map(|follow| Follow::new(*follow)).collect())
    }

    fn text(text: &str) -> Vec<u8> {
        server_frame(TEXT, text.as_bytes())
    }

    /// What a person wrote, frame by frame.
    fn written(said: &Said) -> Vec<String> {
        let (mut rest, mut texts) = (&said.write[..], Vec::new());
        while let [_, size, ..] = rest {
            // Client frames here are short and masked with zeros.
            let (header, size) = match size & 0x7f {
                126 => (8, usize::from(u16::from_be_bytes([rest[2], rest[3]]))),
                size => (6, usize::from(size)),
            };
            texts.push(String::from_utf8_lossy(&rest[header..header + size]).into_owned());
            rest = &rest[header + size..];
        }
        texts
    }

    #[test]
    fn a_person_speaks_the_protocol_of_pusher() {
        let (mut person, mut follows) = described("pusher", &[0, 1]);
        let head = String::from_utf8(person.upgrade("host:1", String::new())).expect("text");
        assert!(head.starts_with("GET /app/app-key?protocol=7&") && head.contains("\r\nHost: host:1\r\n"), "{head}");
        assert_eq!(person.head(b"HTTP/1.1 101 x\r\n\r\nrest"), Some(Some(&b"rest"[..])));
        let (mut stage, mut said, mut heard) = (Stage::Greeting, Said::default(), Heard::default());
        person.opened(&mut stage, &mut said);
        assert!(said.write.is_empty(), "the server speaks first");
        let mut hear = |bytes: &[u8], follows: &mut [Follow], stage: &mut Stage| {
            let mut said = Said::default();
            person.feed(bytes, follows, stage, &mut heard, &mut said);
            said
        };
        let greeting = text(r#"{"event":"pusher:connection_established","data":"{\"socket_id\":\"1.1\"}"}"#);
        let wrote = written(&hear(&greeting, &mut follows, &mut stage));
        let subscribe = |channel| format!(r#"{{"event":"pusher:subscribe","data":{{"channel":"{channel}"}}}}"#);
        assert_eq!(wrote, [subscribe("live-a"), subscribe("live-b")]);
        for channel in ["live-a", "live-b"] {
            assert_eq!(stage, Stage::Greeting);
            let done =
                format!(r#"{{"event":"pusher_internal:subscription_succeeded","channel":"{channel}","data":"{{}}"}}"#);
            hear(&text(&done), &mut follows, &mut stage);
        }
        assert_eq!(stage, Stage::Live);
        for number in [1, 2, 4] {
            let data = serde_json::to_string(&Stamp { due_ns: 1, number }.data(80)).expect("a string");
            let message = format!(r#"{{"channel":"live-b","event":"message","data":{data}}}"#);
            assert_eq!(hear(&text(&message), &mut follows, &mut stage).messages, 1);
        }
        assert_eq!((follows[1].audit.received, follows[1].lost(4), follows[0].lost(0)), (3, 1, 0));
        let wrote = written(&hear(&text(r#"{"event":"pusher:ping","data":{}}"#), &mut follows, &mut stage));
        assert_eq!(wrote, [r#"{"event":"pusher:pong","data":{}}"#]);
        let error = r#"{"event":"pusher:error","data":{"message":"x","code":4100}}"#;
        hear(&text(error), &mut follows, &mut stage);
        assert_eq!(stage, Stage::Over(End::Refused));
    }

    #[test]
    fn what_nobody_asked_for_and_what_is_broken_ends_it() {
        for (bytes, end) in [
            (text(r#"{"push":{"channel":"other","pub":{"data":{}}}}"#), End::Broken),
            (text(r#"{"push":{"channel":"live-a","unsubscribe":{}}}"#), End::Refused),
            (server_frame(frame::CLOSE, b"\x0d\xac"), End::Closed(3500)),
            (vec![0x01, 0x00], End::Broken),
        ] {
            let (mut person, mut follows) = described("centrifugo", &[0]);
            let mut stage = Stage::Greeting;
            person.feed(&bytes, &mut follows, &mut stage, &mut Heard::default(), &mut Said::default());
            assert_eq!(stage, Stage::Over(end));
        }
    }

    #[test]
    fn several_replies_of_one_frame_are_heard_and_the_ping_is_answered() {
        let (mut person, mut follows) = described("centrifugo", &[0]);
        let (mut stage, mut said, mut heard) = (Stage::Greeting, Said::default(), Heard::default());
        let token = "a.b.c".to_owned();
        person.upgrade("host", token);
        person.opened(&mut stage, &mut said);
        assert_eq!(written(&said), [r#"{"id":1,"connect":{"token":"a.b.c","name":"loadtest"}}"#]);
        let mut said = Said::default();
        let data = Stamp { due_ns: 1, number: 1 }.data(0);
        let replies = format!(
            "{{\"id\":2,\"subscribe\":{{}}}}\n{{\"push\":{{\"channel\":\"live-a\",\"pub\":{{\"data\":{data}}}}}}}\n{{}}\n"
        );
        person.feed(&text(r#"{"id":1,"connect":{"client":"x"}}"#), &mut follows, &mut stage, &mut heard, &mut said);
        person.feed(&text(&replies), &mut follows, &mut stage, &mut heard, &mut said);
        assert_eq!(written(&said), [r#"{"id":2,"subscribe":{"channel":"live-a"}}"#, "{}"]);
        assert_eq!((stage, said.messages, follows[0].lost(1)), (Stage::Live, 1, 0));
    }
}
