//! Reading what a client says. Knows nothing of who said it or whether they may.
//!
//! A client frame is read into one flat struct and then into its variant: serde's tagged enums would buffer
//! the fields and lose the raw text of `data`.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::{DecodeError, from_object};
use crate::channel::{ChannelName, UserId};
use crate::frame::{ClientFrame, Connect, HistoryQuery, PresenceQuery, Publish, RequestId, Resume, Side, Subscribe};
use crate::limits;
use crate::message::{Data, Key};
use crate::position::{Epoch, OFFSET_MAX, Position};
use crate::room::RoomRequest;

/// Every field of every client frame. Unknown fields are ignored, so that newer clients work with older hubs.
#[derive(Deserialize)]
struct Flat<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    id: Option<RequestId>,
    #[serde(borrow)]
    channel: Option<Cow<'a, str>>,
    #[serde(borrow)]
    token: Option<Cow<'a, str>>,
    #[serde(borrow)]
    client: Option<Cow<'a, str>>,
    #[serde(borrow)]
    resume: Option<Vec<FlatResume<'a>>>,
    since: Option<Position>,
    rewind: Option<u32>,
    presence: Option<bool>,
    conflate: Option<bool>,
    key: Option<Key>,
    conflate_key: Option<Key>,
    #[serde(borrow, default, deserialize_with = "present")]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    after: Option<After<'a>>,
    before: Option<u64>,
    limit: Option<u32>,
}

/// Behind what: an offset of a log, or a user.
#[derive(Deserialize)]
#[serde(untagged)]
enum After<'a> {
    Offset(u64),
    #[serde(borrow)]
    User(Cow<'a, str>),
}

#[derive(Deserialize)]
struct FlatResume<'a> {
    #[serde(borrow)]
    channel: Cow<'a, str>,
    #[serde(borrow)]
    epoch: Option<Cow<'a, str>>,
    offset: Option<u64>,
    #[serde(default)]
    presence: bool,
    #[serde(default)]
    conflate: bool,
}

/// Reads a client frame.
pub fn decode(text: &str) -> Result<ClientFrame, DecodeError> {
    let flat: Flat<'_> = match from_object::<Flat<'_>>(text) {
        Ok(flat) if flat.kind != "room" => flat,
        Err(message) if !is_room(text) => return Err(DecodeError { id: id_alone(text), message }),
        Ok(_) | Err(_) => return room(text).map_err(|message| DecodeError { id: id_alone(text), message }),
    };
    let id = flat.id;
    flat.into_frame().map_err(|message| DecodeError { id, message })
}

/// A field that can not be read must not cost the request its answer.
fn id_alone(text: &str) -> Option<RequestId> {
    #[derive(Deserialize)]
    struct Request {
        id: Option<RequestId>,
    }
    from_object::<Request>(text).ok()?.id.filter(|id| *id <= OFFSET_MAX)
}

/// The fields of an operation of rooms are its own.
fn is_room(text: &str) -> bool {
    #[derive(Deserialize)]
    struct Kind<'a> {
        #[serde(rename = "type", borrow)]
        kind: Cow<'a, str>,
    }
    from_object::<Kind<'_>>(text).is_ok_and(|frame| frame.kind == "room")
}

fn room(text: &str) -> Result<ClientFrame, String> {
    let id = id_alone(text).ok_or("`id` must be a whole number from 0 to 2^53-1")?;
    let request: RoomRequest = from_object(text)?;
    Ok(ClientFrame::Room(id, Box::new(request)))
}

impl Flat<'_> {
    fn into_frame(self) -> Result<ClientFrame, String> {
        match &*self.kind {
            "connect" => self.connect().map(ClientFrame::Connect),
            "subscribe" => Ok(ClientFrame::Subscribe(self.request()?, self.subscribe()?)),
            "unsubscribe" => Ok(ClientFrame::Unsubscribe(self.request()?, self.channel()?)),
            "publish" => Ok(ClientFrame::Publish(self.request()?, self.publish()?)),
            "history" => Ok(ClientFrame::History(self.request()?, self.history()?)),
            "presence" => Ok(ClientFrame::Presence(self.request()?, self.presence()?)),
            "refresh" => Ok(ClientFrame::Refresh(self.request()?, self.token()?)),
            "pong" => Ok(ClientFrame::Pong),
            _ => Err(
                "`type` is none of connect, subscribe, unsubscribe, publish, history, presence, room, refresh, pong"
                    .into(),
            ),
        }
    }

    fn request(&self) -> Result<RequestId, String> {
        self.id.filter(|id| *id <= OFFSET_MAX).ok_or_else(|| "`id` must be a whole number from 0 to 2^53-1".into())
    }

    fn channel(&self) -> Result<ChannelName, String> {
        let text = self.channel.as_deref().ok_or("`channel` is missing")?;
        ChannelName::parse(text).map_err(|error| error.to_string())
    }

    fn token(&self) -> Result<String, String> {
        self.token.as_deref().map(str::to_owned).ok_or_else(|| "`token` is missing".into())
    }

    fn connect(self) -> Result<Connect, String> {
        let resume = self.resume.as_deref().unwrap_or_default();
        if resume.len() > limits::SUBSCRIPTIONS {
            return Err(format!("`resume` holds more than {} channels", limits::SUBSCRIPTIONS));
        }
        if self.client.as_ref().is_some_and(|name| name.len() > limits::CLIENT_NAME_BYTES) {
            return Err(format!("`client` is longer than {} bytes", limits::CLIENT_NAME_BYTES));
        }
        Ok(Connect {
            token: self.token()?,
            client: self.client.as_deref().map(str::to_owned),
            resume: resume.iter().map(FlatResume::to_resume).collect::<Result<_, _>>()?,
        })
    }

    fn subscribe(&self) -> Result<Subscribe, String> {
        if self.since.is_some() && self.rewind.is_some() {
            return Err("`since` and `rewind` exclude each other".into());
        }
        if self.rewind.is_some_and(|rewind| rewind > limits::REWIND) {
            return Err(format!("`rewind` is at most {}", limits::REWIND));
        }
        Ok(Subscribe {
            channel: self.channel()?,
            since: self.since,
            rewind: self.rewind,
            presence: self.presence.unwrap_or(false),
            conflate: self.conflate.unwrap_or(false),
        })
    }

    fn publish(self) -> Result<Publish, String> {
        let channel = self.channel()?;
        let data = Data::from_raw(self.data.ok_or("`data` is missing")?);
        Ok(Publish { channel, key: self.key, conflate_key: self.conflate_key, data })
    }

    fn history(&self) -> Result<HistoryQuery, String> {
        let side = match (&self.after, self.before) {
            (Some(_), Some(_)) => return Err("`after` and `before` exclude each other".into()),
            (Some(After::Offset(after)), None) => Side::After(*after),
            (Some(After::User(_)), None) => return Err("`after` of `history` is an offset".into()),
            (None, before) => Side::Before(before),
        };
        let limit = self.limit.unwrap_or(limits::HISTORY_PAGE_DEFAULT);
        if !(1..=limits::HISTORY_PAGE).contains(&limit) {
            return Err(format!("`limit` is 1 to {}", limits::HISTORY_PAGE));
        }
        Ok(HistoryQuery { channel: self.channel()?, side, limit })
    }

    fn presence(&self) -> Result<PresenceQuery, String> {
        let after = match &self.after {
            None => None,
            Some(After::User(user)) => Some(UserId::parse(user).map_err(|error| error.to_string())?),
            Some(After::Offset(_)) => return Err("`after` of `presence` is a user".into()),
        };
        let limit = self.limit.unwrap_or(limits::PRESENCE_PAGE);
        if !(1..=limits::PRESENCE_PAGE).contains(&limit) {
            return Err(format!("`limit` is 1 to {}", limits::PRESENCE_PAGE));
        }
        Ok(PresenceQuery { channel: self.channel()?, after, limit })
    }
}

impl FlatResume<'_> {
    fn to_resume(&self) -> Result<Resume, String> {
        let channel = ChannelName::parse(&self.channel).map_err(|error| error.to_string())?;
        let since = match (&self.epoch, self.offset) {
            (None, None) => None,
            (Some(epoch), Some(offset)) if offset <= OFFSET_MAX => {
                Some(Position::new(Epoch::parse(epoch).map_err(|error| error.to_string())?, offset))
            }
            _ => return Err("an entry of `resume` has both `epoch` and `offset` (at most 2^53-1), or neither".into()),
        };
        Ok(Resume { channel, since, presence: self.presence, conflate: self.conflate })
    }
}

/// `null` is data like any other; only an absent field is none.
fn present<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}
