//! Publishes through a described server: by a request for each message, or over a WebSocket. One connection, one after the other.

use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::dialogue::{Dialogue, Event, Language, Who};
use super::proof::{md5, signature};
use super::spoken::{Request, Way};
use super::template::{Name, Values};
use crate::frame::{self, Carry, client_frame};
use crate::http::{Exchange, Server};
use crate::publisher::{Taken, shortened};
use crate::tls::Stream;
use crate::{LoadError, during};

/// Where and as whom is published.
#[derive(Clone, Debug)]
pub struct Entry {
    /// How the server is spoken to.
    pub language: Arc<Language>,
    /// The key of the API.
    pub api_key: String,
    /// A token for the service that publishes.
    pub token: String,
}

/// A connection that is published through.
#[derive(Debug)]
pub enum Outlet {
    /// By requests.
    Http(Box<Requests>),
    /// By frames.
    Socket(Box<Socket>),
}

/// How the service that publishes is called.
const SERVICE: &str = "service";
/// How long connecting, or an answer, may take.
const PATIENCE: Duration = Duration::from_secs(30);
const BUFFER_BYTES: usize = 64 * 1024;

impl Outlet {
    /// Connects.
    pub fn connect(server: &Server, entry: &Entry) -> Result<Self, LoadError> {
        match &entry.language.spoken.publish {
            Some(Way::Http(_)) => Requests::connect(server, entry).map(|requests| Self::Http(Box::new(requests))),
            Some(Way::Socket { .. }) => Socket::connect(server, entry).map(|socket| Self::Socket(Box::new(socket))),
            None => Err(LoadError::Api("the target does not say how something is published".into())),
        }
    }

    /// Publishes several messages, each with the index of its channel; what became of each.
    pub fn publish(&mut self, items: &[(usize, &str)]) -> Result<Vec<Taken>, LoadError> {
        match self {
            Self::Http(requests) => items.iter().map(|(channel, data)| requests.publish(*channel, data)).collect(),
            Self::Socket(socket) => socket.publish(items),
        }
    }

    /// While there is nothing to publish: answers what the server asks.
    pub fn rest(&mut self) -> Result<(), LoadError> {
        match self {
            Self::Http(_) => Ok(()),
            Self::Socket(socket) => socket.drain(),
        }
    }
}

/// A connection for requests.
#[derive(Debug)]
pub struct Requests {
    server: Server,
    exchange: Exchange,
    entry: Entry,
    sent: u64,
}

impl Requests {
    fn connect(server: &Server, entry: &Entry) -> Result<Self, LoadError> {
        Ok(Self { server: server.clone(), exchange: Exchange::connect(server)?, entry: entry.clone(), sent: 0 })
    }

    fn publish(&mut self, channel: usize, data: &str) -> Result<Taken, LoadError> {
        if self.exchange.is_over() {
            self.exchange = Exchange::connect(&self.server)?;
        }
        let language = Arc::clone(&self.entry.language);
        let Some(Way::Http(request)) = &language.spoken.publish else {
            return Err(LoadError::Api("no request is described".into()));
        };
        self.sent += 1;
        let (id, bytes) = (self.sent.to_string(), data.len().to_string());
        let values = Values::default().with(Name::Channel, &language.channels[channel]).with(Name::Id, &id);
        let values = values.with(Name::ApiKey, &self.entry.api_key);
        let body = request.body.fill(&values.with(Name::Data, data).with(Name::Bytes, &bytes));
        let (path, headers) = head(request, &values, &body, &language.secret);
        let answer = self.exchange.ask(&request.method, &path, &headers, &body)?;
        let text = answer.body.as_bytes();
        let found = request.places.look(text);
        let refused = !answer.is_well() || request.refused.iter().any(|refused| refused.is(text, &found));
        Ok(if refused {
            Taken::Refused(format!("{}: {}", answer.status, shortened(&answer.body)))
        } else {
            Taken::Accepted(0)
        })
    }
}

/// Path and headers of a request, signed where that is asked for.
fn head(request: &Request, values: &Values<'_>, body: &str, secret: &str) -> (String, String) {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()).to_string();
    let digest = md5(body);
    let values = values.with(Name::Time, &seconds).with(Name::Md5, &digest);
    let signed = request.sign.as_ref().map(|sign| signature(secret, &sign.fill(&values))).unwrap_or_default();
    let values = values.with(Name::Signature, &signed);
    let headers = request.headers.iter().map(|(name, value)| format!("{name}: {}\r\n", value.fill(&values)));
    (request.path.fill(&values), headers.collect())
}

/// A WebSocket of the service.
#[derive(Debug)]
pub struct Socket {
    stream: Stream,
    carry: Carry,
    buffer: Vec<u8>,
    dialogue: Dialogue,
    token: String,
    live: bool,
    accepted: u64,
    /// Why it can not go on.
    over: Option<String>,
}

impl Socket {
    fn connect(server: &Server, entry: &Entry) -> Result<Self, LoadError> {
        let mut dialogue = Dialogue::new(Arc::clone(&entry.language), std::iter::empty());
        dialogue.begin();
        let mut socket = Self {
            stream: server.connect()?,
            carry: Carry::default(),
            buffer: vec![0; BUFFER_BYTES],
            dialogue,
            token: entry.token.clone(),
            live: false,
            accepted: 0,
            over: None,
        };
        socket.open(&server.host)?;
        Ok(socket)
    }

    fn open(&mut self, host: &str) -> Result<(), LoadError> {
        let token = self.token.clone();
        let who = Who { user: SERVICE, token: &token };
        let upgrade = self.dialogue.upgrade(host, who);
        self.write(&upgrade)?;
        let rest = loop {
            let length = self.stream.read(&mut self.buffer).map_err(during("publishing"))?;
            let (carry, bytes) = (&mut self.carry, &self.buffer[..length]);
            match carry.head(bytes) {
                Some((head, rest)) if head.starts_with(b"HTTP/1.1 101 ") => break rest.to_vec(),
                None if length > 0 => {}
                _ => return Err(LoadError::Api("publishing: the WebSocket was refused".into())),
            }
        };
        let (mut out, mut live) = (Vec::new(), false);
        self.dialogue.opened(who, &mut out, &mut |event| live |= event == Event::Live);
        self.live |= live;
        self.write(&out)?;
        self.take(&rest)?;
        self.wait(|socket| socket.live)
    }

    fn publish(&mut self, items: &[(usize, &str)]) -> Result<Vec<Taken>, LoadError> {
        let (mut frames, mut answered, before) = (Vec::new(), 0, self.accepted);
        for (channel, data) in items {
            let described = self.dialogue.publish(*channel, data, SERVICE);
            let (frame, answer) = described.ok_or_else(|| LoadError::Api("no frame is described".into()))?;
            frames.extend(frame);
            answered += u64::from(answer);
        }
        self.write(&frames)?;
        self.wait(|socket| socket.accepted >= before + answered)?;
        self.drain()?;
        Ok(vec![Taken::Accepted(0); items.len()])
    }

    fn wait(&mut self, done: impl Fn(&Self) -> bool) -> Result<(), LoadError> {
        let until = Instant::now() + PATIENCE;
        while !done(self) {
            if Instant::now() > until {
                return Err(LoadError::Api("publishing: no answer".into()));
            }
            let length = self.stream.read(&mut self.buffer).map_err(during("publishing"))?;
            self.took(length)?;
        }
        Ok(())
    }

    /// Takes what has come, and does not wait for more.
    fn drain(&mut self) -> Result<(), LoadError> {
        self.stream.socket().set_nonblocking(true).map_err(during("publishing"))?;
        let drained = loop {
            match self.stream.read(&mut self.buffer) {
                Ok(length) => {
                    // What is answered is written as a whole.
                    self.stream.socket().set_nonblocking(false).map_err(during("publishing"))?;
                    self.took(length)?;
                    self.stream.socket().set_nonblocking(true).map_err(during("publishing"))?;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break Ok(()),
                Err(error) => break Err(during("publishing")(error)),
            }
        };
        self.stream.socket().set_nonblocking(false).map_err(during("publishing"))?;
        drained
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), LoadError> {
        self.stream.write_all(bytes).and_then(|()| self.stream.flush()).map_err(during("publishing"))
    }

    fn took(&mut self, length: usize) -> Result<(), LoadError> {
        if length == 0 {
            return Err(LoadError::Api("publishing: the server closed the connection".into()));
        }
        let buffer = std::mem::take(&mut self.buffer);
        let taken = self.take(&buffer[..length]);
        self.buffer = buffer;
        taken
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), LoadError> {
        let Self { carry, dialogue, token, live, accepted, over, .. } = self;
        let who = Who { user: SERVICE, token };
        let mut out = Vec::new();
        let whole = carry.frames(bytes, |opcode, payload| {
            match opcode {
                frame::TEXT | frame::BINARY => {
                    let heard = |event| match event {
                        Event::Live => *live = true,
                        Event::Accepted => *accepted += 1,
                        Event::Refused => *over = Some(shortened(&String::from_utf8_lossy(payload))),
                        Event::Message(..) => {}
                    };
                    if !dialogue.take(payload, who, &mut out, heard) {
                        *over = Some("what the server said is broken".to_owned());
                    }
                }
                frame::PING => out.extend(client_frame(frame::PONG, payload)),
                frame::CLOSE => *over = Some("the server closed the connection".to_owned()),
                _ => {}
            }
            over.is_none()
        });
        if !whole {
            *over = Some("frames of the server are broken".to_owned());
        }
        self.write(&out)?;
        match &self.over {
            Some(why) => Err(LoadError::Api(format!("publishing: {why}"))),
            None => Ok(()),
        }
    }
}
