//! Envelopes as bytes: a head with a fixed form, then fields, each with its length.
//!
//! ```text
//!  0        version    1 byte
//!  1        kind       1 byte: 1 message, 2 presence, 3 order, 4 count of presence
//!  2 .. 18  origin     16 bytes: the incarnation of the node that published
//! 18 .. 34  epoch      16 hexadecimal digits      \  zero for a message without a position; a fixed place and text, so
//! 34 .. 50  offset     16 decimal digits          /  that whoever numbers the message can write them without parsing
//! 50 ..     fields     tag (1 byte), length (4 bytes, big endian), value; each tag at most once
//! ```
//!
//! A reader understands its own version, the one before and the one after: what a later version adds comes in fields, and fields of
//! unknown tags are skipped. Nothing that is read here is trusted: every length and every value is checked, and the channel is not
//! in the bytes at all, it is where they came from.
//!
//! Scripts inside Redis write presence by themselves (`hub/src/presence/redis/lua/room.lua`), under an origin of zeros, which is
//! nobody's.

use super::{Content, Envelope, Order};
use crate::channel::{ChannelKey, ChannelName, TenantId, UserId};
use crate::frame::{PresenceChange, PresenceCount, PresenceKind};
use crate::id::MessageId;
use crate::message::{Data, Key, Message};
use crate::position::{Epoch, OFFSET_MAX, Position};

/// The version that is written.
pub const VERSION: u8 = 1;
/// The largest envelope that is read, in bytes.
pub const ENVELOPE_BYTES: usize = 16 * 1024 * 1024;
/// What the head of an envelope takes up to the position, in bytes.
pub const PREFIX_BYTES: usize = 18;

const HEAD_BYTES: usize = PREFIX_BYTES + 32;
const FIELD_HEAD: usize = 5;

mod kind {
    pub(super) const MESSAGE: u8 = 1;
    pub(super) const PRESENCE: u8 = 2;
    pub(super) const ORDER: u8 = 3;
    pub(super) const PRESENCE_COUNT: u8 = 4;
}

/// Tags of fields. A number is never given a second meaning.
mod tag {
    pub(super) const ID: u8 = 1;
    pub(super) const TIME: u8 = 2;
    pub(super) const FROM: u8 = 3;
    pub(super) const KEY: u8 = 4;
    pub(super) const CONFLATE_KEY: u8 = 5;
    pub(super) const DATA: u8 = 6;
    pub(super) const USER: u8 = 7;
    pub(super) const PRESENCE_VERSION: u8 = 8;
    pub(super) const PRESENCE_EVENT: u8 = 9;
    pub(super) const ORDER: u8 = 10;
    pub(super) const TENANT: u8 = 11;
    pub(super) const TOKEN: u8 = 12;
    pub(super) const UNTIL: u8 = 13;
    pub(super) const BEFORE: u8 = 14;
    pub(super) const RECONNECT: u8 = 15;
    pub(super) const CHANNEL: u8 = 16;
    pub(super) const COUNT: u8 = 17;
    /// One more than the largest.
    pub(super) const END: usize = 18;
}

/// Why bytes are not an envelope for this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Too short, too long, or a length that does not fit.
    #[error("the envelope is cut off or too long")]
    Length,
    /// A version two or more away from this one.
    #[error("an envelope of version {0}, this node understands {low} to {high}", low = VERSION - 1, high = VERSION + 1)]
    Version(u8),
    /// Something that this version does not know. Not a fault: a newer node may say more.
    #[error("an envelope of the unknown kind {0}")]
    Kind(u8),
    /// A field is missing, there twice, or its value breaks its rule.
    #[error("field {0} of the envelope is missing or wrong")]
    Field(u8),
    /// Not a position.
    #[error("the position of the envelope is none")]
    Position,
}

/// Who published, and what.
#[derive(Clone, PartialEq, Debug)]
pub struct Received {
    /// The incarnation of the publishing node.
    pub origin: [u8; 16],
    /// The envelope.
    pub envelope: Envelope,
}

/// Writes an envelope.
pub fn encode(origin: [u8; 16], envelope: &Envelope) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEAD_BYTES + 64 + envelope.cost());
    match &envelope.content {
        Content::Message(message) => {
            out.extend_from_slice(&message_prefix(origin));
            let position = message.position.map_or((0, 0), |at| (at.epoch.to_u64(), at.offset));
            out.extend_from_slice(format!("{:016x}{:016}", position.0, position.1).as_bytes());
            write_identity(message, &mut out);
            write_body(message, &mut out);
        }
        Content::Presence(change) => {
            head(kind::PRESENCE, origin, &mut out);
            number(tag::PRESENCE_VERSION, change.version, &mut out);
            field(tag::PRESENCE_EVENT, &[matches!(change.event, PresenceKind::Leave).into()], &mut out);
            field(tag::USER, change.user.as_str().as_bytes(), &mut out);
        }
        Content::PresenceCount(count) => {
            head(kind::PRESENCE_COUNT, origin, &mut out);
            number(tag::PRESENCE_VERSION, count.version, &mut out);
            number(tag::COUNT, count.count, &mut out);
        }
        Content::Order(order) => {
            head(kind::ORDER, origin, &mut out);
            write_order(order, &mut out);
        }
    }
    out
}

/// What stands before the position of a message.
pub fn message_prefix(origin: [u8; 16]) -> [u8; PREFIX_BYTES] {
    let mut prefix = [0; PREFIX_BYTES];
    (prefix[0], prefix[1]) = (VERSION, kind::MESSAGE);
    prefix[2..].copy_from_slice(&origin);
    prefix
}

/// The fields that tell a message from its repetition: id, time, author, key. They stand before those of [`write_body`].
pub fn write_identity(message: &Message, out: &mut Vec<u8>) {
    field(tag::ID, &message.id.to_bytes(), out);
    number(tag::TIME, message.time, out);
    if let Some(from) = &message.from {
        field(tag::FROM, from.as_str().as_bytes(), out);
    }
    if let Some(key) = &message.key {
        field(tag::KEY, key.as_str().as_bytes(), out);
    }
}

/// The fields that must be the same when a key is used again: conflate key and data. Equal content gives equal bytes.
pub fn write_body(message: &Message, out: &mut Vec<u8>) {
    if let Some(key) = &message.conflate_key {
        field(tag::CONFLATE_KEY, key.as_str().as_bytes(), out);
    }
    field(tag::DATA, message.data.get().as_bytes(), out);
}

/// Reads an envelope that came on a channel.
pub fn decode(channel: &ChannelKey, bytes: &[u8]) -> Result<Received, WireError> {
    if bytes.len() > ENVELOPE_BYTES {
        return Err(WireError::Length);
    }
    let (head, fields) = bytes.split_at_checked(HEAD_BYTES).ok_or(WireError::Length)?;
    if head[0].abs_diff(VERSION) > 1 {
        return Err(WireError::Version(head[0]));
    }
    let origin = *head[2..].first_chunk().ok_or(WireError::Length)?;
    let position = read_position(&head[PREFIX_BYTES..])?;
    let content = match head[1] {
        kind::MESSAGE => Content::Message(read_message(channel, position, &Fields::parse(fields)?)?),
        kind::PRESENCE => Content::Presence(read_presence(channel, &Fields::parse(fields)?)?),
        kind::PRESENCE_COUNT => Content::PresenceCount(read_count(channel, &Fields::parse(fields)?)?),
        kind::ORDER => Content::Order(read_order(&Fields::parse(fields)?)?),
        unknown => return Err(WireError::Kind(unknown)),
    };
    Ok(Received { origin, envelope: Envelope { channel: channel.clone(), content } })
}

/// Reads the fields of a message that was stored without a head.
pub fn decode_message(channel: &ChannelKey, position: Option<Position>, fields: &[u8]) -> Result<Message, WireError> {
    if fields.len() > ENVELOPE_BYTES {
        return Err(WireError::Length);
    }
    read_message(channel, position, &Fields::parse(fields)?)
}

fn head(kind: u8, origin: [u8; 16], out: &mut Vec<u8>) {
    out.extend_from_slice(&[VERSION, kind]);
    out.extend_from_slice(&origin);
    out.extend_from_slice(&[b'0'; 32]);
}

fn field(tag: u8, value: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    // Values are bounded far below 4 GiB by whoever let them into the hub; a longer one is cut off and refused by its readers.
    let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(value);
}

fn number(tag: u8, value: u64, out: &mut Vec<u8>) {
    field(tag, &value.to_be_bytes(), out);
}

fn write_order(order: &Order, out: &mut Vec<u8>) {
    let (code, tenant) = match order {
        Order::Disconnect { tenant, .. } => (1, tenant),
        Order::RevokeToken { tenant, .. } => (2, tenant),
        Order::RevokeUser { tenant, .. } => (3, tenant),
        Order::Erased { channel } => (4, &channel.tenant),
        Order::ShutOut { channel, .. } => (5, &channel.tenant),
    };
    field(tag::ORDER, &[code], out);
    field(tag::TENANT, tenant.as_str().as_bytes(), out);
    match order {
        Order::Disconnect { user, reconnect, .. } => {
            field(tag::USER, user.as_str().as_bytes(), out);
            field(tag::RECONNECT, &[(*reconnect).into()], out);
        }
        Order::RevokeToken { token, until, .. } => {
            field(tag::TOKEN, token.as_bytes(), out);
            number(tag::UNTIL, *until, out);
        }
        Order::RevokeUser { user, before, until, .. } => {
            field(tag::USER, user.as_str().as_bytes(), out);
            number(tag::BEFORE, *before, out);
            number(tag::UNTIL, *until, out);
        }
        Order::Erased { channel } => field(tag::CHANNEL, channel.channel.as_str().as_bytes(), out),
        Order::ShutOut { channel, user } => {
            field(tag::CHANNEL, channel.channel.as_str().as_bytes(), out);
            field(tag::USER, user.as_str().as_bytes(), out);
        }
    }
}

fn read_position(bytes: &[u8]) -> Result<Option<Position>, WireError> {
    let text = std::str::from_utf8(bytes).map_err(|_| WireError::Position)?;
    let (epoch, offset) = text.split_at_checked(16).ok_or(WireError::Position)?;
    // `from_str_radix` and `parse` would take a sign.
    let plain = epoch.bytes().all(|byte| byte.is_ascii_hexdigit()) && offset.bytes().all(|byte| byte.is_ascii_digit());
    let epoch = u64::from_str_radix(epoch, 16).ok().filter(|_| plain).ok_or(WireError::Position)?;
    let offset = offset.parse::<u64>().ok().filter(|offset| *offset <= OFFSET_MAX).ok_or(WireError::Position)?;
    match (epoch, offset) {
        (0, 0) => Ok(None),
        (_, 0) => Err(WireError::Position),
        _ => Ok(Some(Position::new(Epoch::from_u64(epoch), offset))),
    }
}

fn read_message(channel: &ChannelKey, position: Option<Position>, fields: &Fields) -> Result<Message, WireError> {
    let id = <[u8; 16]>::try_from(fields.get(tag::ID)?).map_err(|_| WireError::Field(tag::ID))?;
    let key = |tag| fields.optional(tag).map(|text| Key::parse(text).map_err(|_| WireError::Field(tag))).transpose();
    let from = fields.optional(tag::FROM).map(|text| UserId::parse(text).map_err(|_| WireError::Field(tag::FROM)));
    Ok(Message {
        channel: channel.channel.clone(),
        id: MessageId::from_bytes(id),
        position,
        time: fields.number(tag::TIME)?,
        from: from.transpose()?,
        key: key(tag::KEY)?,
        conflate_key: key(tag::CONFLATE_KEY)?,
        // Goes into frames as it is, so it must be one JSON value: one that is not would end every reader's frame.
        data: Data::parse(fields.text(tag::DATA)?.to_owned()).map_err(|_| WireError::Field(tag::DATA))?,
    })
}

fn read_presence(channel: &ChannelKey, fields: &Fields) -> Result<PresenceChange, WireError> {
    let event = if fields.flag(tag::PRESENCE_EVENT)? { PresenceKind::Leave } else { PresenceKind::Join };
    let version = fields.number(tag::PRESENCE_VERSION)?;
    Ok(PresenceChange { channel: channel.channel.clone(), version, event, user: fields.user()? })
}

fn read_count(channel: &ChannelKey, fields: &Fields) -> Result<PresenceCount, WireError> {
    let (version, count) = (fields.number(tag::PRESENCE_VERSION)?, fields.number(tag::COUNT)?);
    Ok(PresenceCount { channel: channel.channel.clone(), version, count })
}

fn read_order(fields: &Fields) -> Result<Order, WireError> {
    /// Longest `jti` that a token may have, in bytes, with room for later.
    const TOKEN_MAX: usize = 1_024;
    let tenant = TenantId::parse(fields.text(tag::TENANT)?).map_err(|_| WireError::Field(tag::TENANT))?;
    match fields.get(tag::ORDER)? {
        [1] => Ok(Order::Disconnect { tenant, user: fields.user()?, reconnect: fields.flag(tag::RECONNECT)? }),
        [2] => {
            let token = fields.text(tag::TOKEN)?;
            let fits = (1..=TOKEN_MAX).contains(&token.len());
            let token = fits.then(|| token.to_owned()).ok_or(WireError::Field(tag::TOKEN))?;
            Ok(Order::RevokeToken { tenant, token, until: fields.number(tag::UNTIL)? })
        }
        [3] => {
            let (before, until) = (fields.number(tag::BEFORE)?, fields.number(tag::UNTIL)?);
            Ok(Order::RevokeUser { tenant, user: fields.user()?, before, until })
        }
        [4] => {
            let name = ChannelName::parse(fields.text(tag::CHANNEL)?).map_err(|_| WireError::Field(tag::CHANNEL))?;
            Ok(Order::Erased { channel: ChannelKey::new(tenant, name) })
        }
        [5] => {
            let name = ChannelName::parse(fields.text(tag::CHANNEL)?).map_err(|_| WireError::Field(tag::CHANNEL))?;
            Ok(Order::ShutOut { channel: ChannelKey::new(tenant, name), user: fields.user()? })
        }
        _ => Err(WireError::Field(tag::ORDER)),
    }
}

/// The fields that are known, by tag. Texts are checked as such when they are asked for.
struct Fields<'a>([Option<&'a [u8]>; tag::END]);

impl<'a> Fields<'a> {
    fn parse(mut rest: &'a [u8]) -> Result<Self, WireError> {
        let mut known = [None; tag::END];
        while !rest.is_empty() {
            let (head, after) = rest.split_at_checked(FIELD_HEAD).ok_or(WireError::Length)?;
            let length = u32::from_be_bytes(*head[1..].first_chunk().ok_or(WireError::Length)?) as usize;
            let (value, after) = after.split_at_checked(length).ok_or(WireError::Length)?;
            rest = after;
            if let Some(place) = known.get_mut(usize::from(head[0]))
                && place.replace(value).is_some()
            {
                return Err(WireError::Field(head[0]));
            }
        }
        Ok(Self(known))
    }

    fn get(&self, tag: u8) -> Result<&'a [u8], WireError> {
        self.0[usize::from(tag)].ok_or(WireError::Field(tag))
    }

    fn text(&self, tag: u8) -> Result<&'a str, WireError> {
        std::str::from_utf8(self.get(tag)?).map_err(|_| WireError::Field(tag))
    }

    /// A text that may be missing; one that is no text is an empty one, which no rule allows.
    fn optional(&self, tag: u8) -> Option<&'a str> {
        self.0[usize::from(tag)].map(|value| std::str::from_utf8(value).unwrap_or_default())
    }

    fn number(&self, tag: u8) -> Result<u64, WireError> {
        let bytes = self.get(tag)?.try_into().map_err(|_| WireError::Field(tag))?;
        Some(u64::from_be_bytes(bytes)).filter(|number| *number <= OFFSET_MAX).ok_or(WireError::Field(tag))
    }

    fn flag(&self, tag: u8) -> Result<bool, WireError> {
        match self.get(tag)? {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => Err(WireError::Field(tag)),
        }
    }

    fn user(&self) -> Result<UserId, WireError> {
        UserId::parse(self.text(tag::USER)?).map_err(|_| WireError::Field(tag::USER))
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
