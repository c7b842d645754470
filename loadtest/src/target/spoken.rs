//! A description that was checked: texts taken apart, places known, ready to be spoken by many connections. Does no I/O.

use std::collections::{BTreeMap, HashSet};

use hubbub_protocol::ChannelName;

use super::TargetError;
use super::description::{self, Description, Framing};
use super::pick::{Places, check_pointer};
use super::recognise::Recognised;
use super::template::{Name, Template, Values};
use crate::plan::Scenario;
use crate::plan::scenario::By;

/// How a server is spoken to.
#[derive(Clone, Debug)]
pub struct Spoken {
    /// Its name in reports.
    pub name: String,
    /// The file that describes it.
    file: String,
    channel: Template,
    pub(super) path: Template,
    pub(super) headers: Vec<(String, Template)>,
    pub(super) framing: Framing,
    pub(super) greeting: Option<Recognised>,
    pub(super) session: Option<String>,
    pub(super) send: Option<Template>,
    pub(super) answer: Option<Recognised>,
    pub(super) subscribe: Option<Template>,
    pub(super) sign: Option<Template>,
    pub(super) subscribed: Option<Recognised>,
    pub(super) message: Option<Recognised>,
    /// Whether messages name their channel.
    pub(super) names_channel: bool,
    /// Whether data stands at a place; if not, all of a message is data.
    pub(super) places_data: bool,
    pub(super) ping: Option<(Recognised, String)>,
    pub(super) refused: Vec<Recognised>,
    pub(super) places: Places,
    /// How something is published.
    pub publish: Option<Way>,
}

/// How something is published.
#[derive(Clone, Debug)]
pub enum Way {
    /// By a request for each message.
    Http(Box<Request>),
    /// Over a WebSocket.
    Socket {
        /// What is sent.
        send: Template,
        /// What answers it.
        answer: Option<Recognised>,
    },
}

/// A request for each message.
#[derive(Clone, Debug)]
pub struct Request {
    pub(super) method: String,
    pub(super) path: Template,
    pub(super) headers: Vec<(String, Template)>,
    pub(super) body: Template,
    pub(super) sign: Option<Template>,
    pub(super) refused: Vec<Recognised>,
    pub(super) places: Places,
}

const OPENING: &[Name] = &[Name::Channel, Name::User, Name::Token];
const CONNECTING: &[Name] = &[Name::User, Name::Token, Name::Session, Name::Id];
const SUBSCRIBING: &[Name] = &[Name::Channel, Name::User, Name::Token, Name::Session, Name::Signature, Name::Id];
const SIGNING: &[Name] = &[Name::Channel, Name::User, Name::Session];
const SAYING: &[Name] = &[Name::Channel, Name::Data, Name::Bytes, Name::Id, Name::User];
const REQUESTING: &[Name] = &[Name::Channel, Name::ApiKey, Name::Time, Name::Md5, Name::Signature, Name::Id];
const POSTING: &[Name] = &[Name::Channel, Name::Data, Name::Bytes, Name::ApiKey, Name::Id];
const PROVING: &[Name] = &[Name::Channel, Name::ApiKey, Name::Time, Name::Md5];

impl Spoken {
    /// Checks a description; `file` is how errors call it.
    pub fn of(file: &str, described: &Description) -> Result<Self, TargetError> {
        let reader = Reader { file, own: &described.values };
        let Description { connect, subscribe, message, .. } = described;
        let mut places = Places::default();
        let greeting = reader.recognised("connect.greeting", connect.greeting.as_ref(), &mut places)?;
        let answer = reader.recognised("connect.answer", connect.answer.as_ref(), &mut places)?;
        let answered = subscribe.as_ref().and_then(|subscribe| subscribe.answer.as_ref());
        let subscribed = reader.recognised("subscribe.answer", answered, &mut places)?;
        let ping = match &described.ping {
            Some(ping) => {
                let when = reader.recognised("ping.when", Some(&ping.when), &mut places)?;
                let send = reader.template("ping.send", &ping.send, &[])?.fill(&Values::default());
                when.map(|when| (when, send))
            }
            None => None,
        };
        let refused = reader.all("refused", &described.refused, &mut places)?;
        let when = reader.recognised("message.when", message.when.as_ref(), &mut places)?;
        let place = |key: &str, done: Result<(), String>| done.map_err(|why| reader.wrong(key, why));
        if let Some(pointer) = &message.channel {
            place("message.channel", places.channel_at(pointer))?;
        }
        if let Some(pointer) = &message.data {
            place("message.data", places.data_at(pointer))?;
        }
        if let Some(pointer) = &connect.session {
            place("connect.session", check_pointer(pointer))?;
        }
        let publish = reader.publish(&described.publish, &mut places)?;
        let mut headers = reader.headers("connect.headers", &connect.headers, OPENING)?;
        if let Some(subprotocol) = &connect.subprotocol {
            let subprotocol = reader.one_line("connect.subprotocol", subprotocol, &[])?;
            headers.push(("Sec-WebSocket-Protocol".to_owned(), subprotocol));
        }
        let texts = |key: &str, text: Option<&String>, names| text.map(|text| reader.template(key, text, names));
        let sign = subscribe.as_ref().and_then(|subscribe| subscribe.sign.as_ref());
        let spoken = Self {
            name: described.name.clone(),
            file: file.to_owned(),
            channel: reader.template("channel", &described.channel, &[Name::Channel, Name::Namespace, Name::Rest])?,
            path: reader.path("connect.path", &connect.path, OPENING)?,
            headers,
            framing: connect.framing,
            greeting,
            session: connect.session.clone(),
            send: texts("connect.send", connect.send.as_ref(), CONNECTING).transpose()?,
            answer,
            subscribe: texts("subscribe.send", subscribe.as_ref().map(|s| &s.send), SUBSCRIBING).transpose()?,
            sign: texts("subscribe.sign", sign, SIGNING).transpose()?,
            subscribed,
            message: when,
            names_channel: message.channel.is_some() || connect.framing == Framing::Nats,
            places_data: message.data.is_some(),
            ping,
            refused,
            places,
            publish,
        };
        spoken.check(&reader, described)?;
        Ok(spoken)
    }

    /// What holds between keys.
    fn check(&self, reader: &Reader<'_>, described: &Description) -> Result<(), TargetError> {
        let must = |holds: bool, key: &str, why: &str| {
            if holds { Ok(()) } else { Err(reader.wrong(key, why.to_owned())) }
        };
        let followed = self.subscribe.is_some() || self.path.has(Name::Channel);
        must(followed, "subscribe", "a section [subscribe] with send, or {channel} in connect.path")?;
        must(
            self.session.is_none() || self.greeting.is_some(),
            "connect.session",
            "it stands in what connect.greeting recognises; describe that",
        )?;
        let signed = self.subscribe.as_ref().is_some_and(|send| send.has(Name::Signature)) == self.sign.is_some();
        must(signed, "subscribe.sign", "it goes with {signature} in subscribe.send, one not without the other")?;
        let nats = self.framing == Framing::Nats;
        must(
            !nats || described.message == description::Message::default(),
            "message",
            "with connect.framing = \"nats\" messages are known; leave the section out",
        )
    }

    /// The names of channels, as the target calls them.
    pub fn names(&self, channels: &[ChannelName]) -> Result<Vec<String>, TargetError> {
        let (mut names, mut seen) = (Vec::with_capacity(channels.len()), HashSet::with_capacity(channels.len()));
        for channel in channels {
            let text = channel.as_str();
            // Names of channels have a colon.
            let (namespace, rest) = text.split_once(':').unwrap_or(("", text));
            let values =
                Values::default().with(Name::Channel, text).with(Name::Namespace, namespace).with(Name::Rest, rest);
            let name = self.channel.fill(&values);
            if !seen.insert(name.clone()) {
                let why = format!("several channels of the scenario would be called {name}");
                return Err(TargetError::Value(self.file.clone(), "channel".to_owned(), why));
            }
            names.push(name);
        }
        Ok(names)
    }

    /// Whether people need tokens.
    pub fn needs_token(&self) -> bool {
        let texts = [Some(&self.path), self.send.as_ref(), self.subscribe.as_ref()];
        let headers = self.headers.iter().map(|(_, value)| value);
        texts.into_iter().flatten().chain(headers).any(|text| text.has(Name::Token))
    }

    /// Whether a scenario can be played against it; if not, the first key that is in the way, and why.
    pub fn can_play(&self, scenario: &Scenario) -> Result<(), TargetError> {
        let must = |holds: bool, key: &str, why: &str| match holds {
            true => Ok(()),
            false => Err(TargetError::Scenario(self.file.clone(), key.to_owned(), why.to_owned())),
        };
        let Scenario { people, publish, reconnect, tunnel, .. } = scenario;
        let resume = "nobody can resume there, so what comes meanwhile would be neither lost nor had";
        must(people.sse_share == 0.0, "people.sse_share", "streams are not described, only WebSockets")?;
        must(reconnect.rate_per_s == 0.0, "reconnect.rate_per_s", resume)?;
        must(reconnect.storm_at_s.is_none(), "reconnect.storm_at_s", resume)?;
        must(tunnel.share == 0.0, "tunnel.share", resume)?;
        must(publish.conflate_keys == 0, "publish.conflate_keys", "conflation is not described")?;
        must(scenario.faults.is_empty(), "faults", "they happen to hubs that are started for the run")?;
        let per_person: usize = scenario.channels.iter().map(|channels| channels.per_person).sum();
        let several = self.subscribe.is_some() && self.names_channel;
        let why = "a connection there follows one channel: there is no [subscribe], or no message.channel";
        must(several || per_person == 1, "channels.per_person", why)?;
        let silent = scenario.steps().iter().all(|step| step.rate_per_s == 0.0);
        let (described, by_socket) = (self.publish.is_some(), matches!(self.publish, Some(Way::Socket { .. })));
        must(silent || described, "publish.rate_per_s", "neither [publish.http] nor [publish.socket] is described")?;
        must(publish.by == By::Api || by_socket, "publish.by", "\"people\" needs [publish.socket]")
    }
}

/// Reads the values of one file.
struct Reader<'a> {
    file: &'a str,
    own: &'a BTreeMap<String, String>,
}

impl Reader<'_> {
    fn wrong(&self, key: &str, why: String) -> TargetError {
        TargetError::Value(self.file.to_owned(), key.to_owned(), why)
    }

    fn recognised(
        &self,
        key: &str,
        described: Option<&description::Recognised>,
        places: &mut Places,
    ) -> Result<Option<Recognised>, TargetError> {
        let of = |described| Recognised::of(described, places);
        described.map(of).transpose().map_err(|(below, why)| self.wrong(&format!("{key}{below}"), why))
    }

    fn all(
        &self,
        key: &str,
        described: &[description::Recognised],
        places: &mut Places,
    ) -> Result<Vec<Recognised>, TargetError> {
        let mut all = Vec::with_capacity(described.len());
        for (index, one) in described.iter().enumerate() {
            all.extend(self.recognised(&format!("{key}.{index}"), Some(one), places)?);
        }
        Ok(all)
    }

    fn template(&self, key: &str, text: &str, names: &[Name]) -> Result<Template, TargetError> {
        Template::parse(text, names, self.own).map_err(|why| self.wrong(key, why))
    }

    /// A text of the head of a request, which a line break would end.
    fn one_line(&self, key: &str, text: &str, names: &[Name]) -> Result<Template, TargetError> {
        if text.contains(['\r', '\n']) {
            return Err(self.wrong(key, "one line".to_owned()));
        }
        self.template(key, text, names)
    }

    fn path(&self, key: &str, text: &str, names: &[Name]) -> Result<Template, TargetError> {
        if !text.starts_with('/') || text.contains(' ') {
            return Err(self.wrong(key, "it begins with / and has no spaces".to_owned()));
        }
        self.one_line(key, text, names)
    }

    fn headers(
        &self,
        key: &str,
        headers: &BTreeMap<String, String>,
        names: &[Name],
    ) -> Result<Vec<(String, Template)>, TargetError> {
        let read = |(name, value): (&String, &String)| {
            let key = format!("{key}.{name}");
            if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
                return Err(self.wrong(&key, "names of headers are letters, digits and -".to_owned()));
            }
            Ok((name.clone(), self.one_line(&key, value, names)?))
        };
        headers.iter().map(read).collect()
    }

    fn publish(&self, publish: &description::Publish, socket_places: &mut Places) -> Result<Option<Way>, TargetError> {
        match (&publish.http, &publish.socket) {
            (Some(_), Some(_)) => Err(self.wrong("publish", "http or socket, not both".to_owned())),
            (None, None) => Ok(None),
            (None, Some(socket)) => {
                let send = self.template("publish.socket.send", &socket.send, SAYING)?;
                let answer = self.recognised("publish.socket.answer", socket.answer.as_ref(), socket_places)?;
                Ok(Some(Way::Socket { send, answer }))
            }
            (Some(http), None) => self.request(http).map(|request| Some(Way::Http(Box::new(request)))),
        }
    }

    fn request(&self, http: &description::PublishHttp) -> Result<Request, TargetError> {
        let method = http.method.clone();
        if method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Err(self.wrong("publish.http.method", "capital letters, e.g. POST".to_owned()));
        }
        let mut places = Places::default();
        let request = Request {
            method,
            path: self.path("publish.http.path", &http.path, REQUESTING)?,
            headers: self.headers("publish.http.headers", &http.headers, REQUESTING)?,
            body: self.template("publish.http.body", &http.body, POSTING)?,
            sign: http.sign.as_ref().map(|text| self.template("publish.http.sign", text, PROVING)).transpose()?,
            refused: self.all("publish.http.refused", &http.refused, &mut places)?,
            places,
        };
        let headers = request.headers.iter().map(|(_, value)| value);
        let used = headers.chain([&request.path]).any(|text| text.has(Name::Signature));
        if used != request.sign.is_some() {
            let why = "it goes with {signature} in path or headers, one not without the other".to_owned();
            return Err(self.wrong("publish.http.sign", why));
        }
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = "name = \"x\"\n[connect]\npath = \"/{channel}\"\n";

    fn spoken(toml: &str) -> Result<Spoken, TargetError> {
        Spoken::of("my.toml", &Description::parse("my.toml", toml, &[])?)
    }

    #[test]
    fn a_value_that_can_not_be_used_is_named_with_what_is_allowed() {
        let http = "[publish.http]\npath = \"/{channel}\"\nbody = \"{data}\"\n";
        for (toml, key, allowed) in [
            ("name=\"x\"\n[connect]\npath=\"x\"\n".to_owned(), "connect.path", "begins with /"),
            ("name=\"x\"\n[connect]\npath=\"/x\"\n".to_owned(), "subscribe", "{channel} in connect.path"),
            (format!("{LEAST}send = \"{{data}}\"\n"), "connect.send", "{token}"),
            (format!("{LEAST}session = \"/x\"\n"), "connect.session", "connect.greeting"),
            (format!("{LEAST}framing = \"nats\"\n[message]\ndata = \"/x\"\n"), "message", "leave the section out"),
            (format!("{LEAST}[message]\nwhen = {{}}\n"), "message.when", "starts_with"),
            (format!("{LEAST}[message]\nchannel = \"x\"\n"), "message.channel", "JSON pointer"),
            (format!("{LEAST}[[refused]]\njson = {{ \"/x\" = [] }}\n"), "refused.0.json.\"/x\"", "true or false"),
            (format!("{LEAST}[subscribe]\nsend = \"x\"\nsign = \"y\"\n"), "subscribe.sign", "{signature}"),
            (format!("{LEAST}{http}sign = \"y\"\n"), "publish.http.sign", "{signature}"),
            (format!("{LEAST}{http}method = \"post\"\n"), "publish.http.method", "POST"),
            (format!("{LEAST}{http}[publish.socket]\nsend = \"x\"\n"), "publish", "not both"),
            (format!("{LEAST}{http}headers = {{ X = \"a\\nb\" }}\n"), "publish.http.headers.X", "one line"),
        ] {
            match spoken(&toml) {
                Err(TargetError::Value(file, named, why)) => {
                    assert_eq!((file.as_str(), named.as_str()), ("my.toml", key));
                    assert!(why.contains(allowed), "{key}: {why}");
                }
                other => panic!("{key}: {other:?}"),
            }
        }
    }

    #[test]
    fn what_a_target_can_not_do_is_refused_by_the_key_of_the_scenario() {
        let scenario = |settings: &[&str]| {
            let text = "name=\"x\"\n[people]\ncount=3\n[[channels]]\ntemplate=\"live:{n}\"\ncount=9\n[publish]\nrate_per_s=1\n";
            let settings: Vec<_> = settings.iter().map(|setting| (*setting).to_owned()).collect();
            Scenario::parse(text, &settings).expect("right")
        };
        let nchan = spoken(&format!("{LEAST}[publish.http]\npath = \"/{{channel}}\"\nbody = \"{{data}}\"\n"));
        let nchan = nchan.expect("right");
        assert_eq!(nchan.can_play(&scenario(&[])), Ok(()));
        for (setting, key) in [
            ("people.sse_share=0.5", "people.sse_share"),
            ("reconnect.rate_per_s=1.0", "reconnect.rate_per_s"),
            ("reconnect.storm_at_s=1.0", "reconnect.storm_at_s"),
            ("tunnel.share=0.1", "tunnel.share"),
            ("publish.conflate_keys=2", "publish.conflate_keys"),
            ("faults=[{at_s=1,what=\"kill\"}]", "faults"),
            ("channels.0.per_person=2", "channels.per_person"),
            ("publish.by=people", "publish.by"),
        ] {
            match nchan.can_play(&scenario(&[setting])) {
                Err(TargetError::Scenario(_, named, _)) => assert_eq!(named, key),
                other => panic!("{setting}: {other:?}"),
            }
        }
        let silent = spoken(LEAST).expect("right");
        assert!(
            matches!(silent.can_play(&scenario(&[])), Err(TargetError::Scenario(_, key, _)) if key == "publish.rate_per_s")
        );
        assert_eq!(silent.can_play(&scenario(&["publish.rate_per_s=0"])), Ok(()));
    }

    #[test]
    fn channels_are_renamed_and_must_stay_different() {
        let channels: Vec<_> =
            ["live:a", "eph:a"].iter().map(|name| ChannelName::parse(name).expect("a name")).collect();
        let named =
            |channel: &str| spoken(&format!("channel = \"{channel}\"\n{LEAST}")).expect("right").names(&channels);
        assert_eq!(named("{namespace}-{name}"), Ok(vec!["live-a".to_owned(), "eph-a".to_owned()]));
        assert!(named("{name}").expect_err("the same").to_string().contains("`channel`: several"));
    }
}
