//! Windows: the calls of their scripts, and what an old position is worth. Knows no subscription.

use std::collections::BTreeMap;

use hubbub_persistence::{Append, Appended, Continuity, Entry, Head, Page, ReadFrom};
use hubbub_protocol::channel::ChannelKey;
use hubbub_protocol::envelope::wire;
use hubbub_protocol::{Epoch, GapReason, Message, MessageId, Position};

use super::names;
use crate::namespace::WindowBounds;
use crate::redis::{Redis, RedisError, Script, Value};

static APPEND: Script = Script::new(concat!(include_str!("lua/window.lua"), include_str!("lua/append.lua")));
static READ: Script = Script::new(concat!(include_str!("lua/window.lua"), include_str!("lua/read.lua")));
static SIFT: Script = Script::new(concat!(include_str!("lua/window.lua"), include_str!("lua/sift.lua")));
static HEADS: Script = Script::new(concat!(include_str!("lua/window.lua"), include_str!("lua/heads.lua")));

/// How long a window's numbering is kept after its last append, in milliseconds: longer than any token lives.
const MEMORY_MS: u64 = 48 * 3_600_000;
/// Windows whose heads one script tells: bounds how long it keeps Redis from others.
const HEADS_AT_ONCE: usize = 128;
/// Numbers that scripts get: Lua holds whole numbers up to here.
const LUA_MAX: u64 = (1 << 53) - 1;

/// How an append ended.
pub(super) struct Outcome {
    /// For whoever appended.
    pub(super) appended: Appended,
    /// What was published, for this node's own subscribers. `None` when nothing was.
    pub(super) message: Option<Message>,
}

/// Appends and publishes. `fresh` is the epoch that begins where one has to. May be called again with the same message after an
/// answer was lost: it is found by its id.
pub(super) async fn append(
    redis: &Redis,
    origin: [u8; 16],
    append: &Append,
    bounds: WindowBounds,
    fresh: Epoch,
) -> Result<Outcome, RedisError> {
    let mut message = append.message(None);
    let (mut identity, mut body) = (Vec::new(), Vec::new());
    wire::write_identity(&message, &mut identity);
    wire::write_body(&message, &mut body);
    let scoped = append.key.as_ref().map(|key| format!("{}\0{key}", append.publisher));
    let age = bounds.age_s.saturating_mul(1_000).min(LUA_MAX / 1_024);
    let args = vec![
        number(append.time),
        bytes(append.id.to_bytes()),
        scoped.unwrap_or_default().into(),
        bytes(identity),
        bytes(body),
        number(message.cost() as u64),
        number(bounds.messages.into()),
        number(bounds.bytes as u64),
        number(age),
        format!("{:015x}", fresh.to_u64()).into(),
        bytes(wire::message_prefix(origin)),
        number(MEMORY_MS.max(age)),
    ];
    let keys = names::window(redis, &append.channel).into_iter().chain([names::pubsub(redis, &append.channel)]);
    let mut reply = Reply::of(redis.run(&APPEND, keys.collect(), args).await?)?;
    if reply.number()? == 2 {
        return Ok(Outcome { appended: Appended::KeyConflict, message: None });
    }
    let duplicate = reply.number()? == 1;
    let offset = reply.number()?;
    let position = Position::new(reply.epoch()?, offset);
    let id = reply.bytes()?.try_into().map_err(|_| RedisError::Malformed("an id of another length"))?;
    let (id, time) = (MessageId::from_bytes(id), reply.number()?);
    message.position = Some(position);
    let message = (!duplicate).then_some(message);
    Ok(Outcome { appended: Appended::At { id, position, time, duplicate }, message })
}

/// Reads a page.
pub(super) async fn read(
    redis: &Redis,
    channel: &ChannelKey,
    from: ReadFrom,
    limit: u32,
    max_bytes: usize,
) -> Result<Page, RedisError> {
    let (offset, down) = match from {
        ReadFrom::After(offset) => (offset, 0),
        ReadFrom::Before(offset) => (offset, 1),
    };
    let now = redis.clock().now_ms();
    let args = [now, offset.min(LUA_MAX - 1), down, limit.into(), max_bytes as u64].map(number);
    let mut reply = Reply::of(redis.run(&READ, names::window(redis, channel).into(), args.into()).await?)?;
    let head = reply.head()?;
    let more = reply.number()? == 1;
    let mut messages = Vec::new();
    while !reply.is_empty() {
        let position = Position::new(head.position.epoch, reply.number()?);
        let fields = [reply.bytes()?, reply.bytes()?].concat();
        let message = wire::decode_message(channel, Some(position), &fields);
        messages.push(message.map_err(|_| RedisError::Malformed("an entry that is no message"))?);
    }
    Ok(with_tombstones(Page { head, entries: Vec::new(), more }, messages, from, limit))
}

/// The page of these messages, with what was taken out between them.
fn with_tombstones(mut page: Page, messages: Vec<Message>, from: ReadFrom, limit: u32) -> Page {
    let (head, low) = (page.head.position.offset, page.head.low);
    let mut place = match from {
        ReadFrom::After(offset) => offset.max(low) + 1,
        ReadFrom::Before(offset) => offset.saturating_sub(1).min(head),
    };
    let up = matches!(from, ReadFrom::After(_));
    // Where nothing follows, what is missing up to the end was taken out as well.
    let end = (!page.more).then_some(if up { head + 1 } else { low });
    let found = messages.into_iter().map(Some).chain(std::iter::once(None));
    for message in found {
        let offset = message.as_ref().and_then(|message| message.position).map(|position| position.offset);
        let Some(until) = offset.or(end) else { break };
        while if up { place < until } else { place > until } {
            if page.entries.len() >= limit as usize {
                page.more = true;
                return page;
            }
            page.entries.push(Entry::Tombstone { offset: place });
            place = if up { place + 1 } else { place - 1 };
        }
        if let Some(message) = message {
            if page.entries.len() >= limit as usize {
                page.more = true;
                return page;
            }
            page.entries.push(Entry::Message(message));
            place = if up { place + 1 } else { place.saturating_sub(1) };
        }
    }
    page
}

/// Takes messages out of a window, each if it still is at its offset; none: the window goes whole. Answers how many went.
pub(super) async fn sift(
    redis: &Redis,
    channel: &ChannelKey,
    messages: &[(u64, MessageId)],
) -> Result<u64, RedisError> {
    let args = messages.iter().flat_map(|(offset, id)| [number(*offset), bytes(id.to_bytes())]).collect();
    Reply::of(redis.run(&SIFT, names::window(redis, channel).into(), args).await?)?.number()
}

/// The ends of windows, in the order asked for.
pub(super) async fn heads(redis: &Redis, channels: &[ChannelKey]) -> Result<Vec<Head>, RedisError> {
    let mut buckets = BTreeMap::<u16, Vec<usize>>::new();
    for (index, channel) in channels.iter().enumerate() {
        buckets.entry(names::bucket_of(channel)).or_default().push(index);
    }
    let batches = buckets.values().flat_map(|indices| indices.chunks(HEADS_AT_ONCE));
    let asked = batches.map(|indices| async move {
        let channels: Vec<_> = indices.iter().map(|index| &channels[*index]).collect();
        ask(redis, &channels).await.map(|states| indices.iter().copied().zip(states))
    });
    let mut heads = vec![None; channels.len()];
    for batch in futures_util::future::try_join_all(asked).await? {
        for (index, state) in batch {
            heads[index] = Some(state.head);
        }
    }
    heads.into_iter().collect::<Option<_>>().ok_or(RedisError::Malformed("fewer windows than asked for"))
}

/// What an old position is worth.
pub(super) async fn continuity(
    redis: &Redis,
    channel: &ChannelKey,
    position: Position,
) -> Result<Continuity, RedisError> {
    let state = ask(redis, &[channel]).await?.pop();
    Ok(state.ok_or(RedisError::Malformed("fewer windows than asked for"))?.judge(position))
}

/// A window as it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
struct WindowState {
    head: Head,
    /// Epochs that it continues, each up to an offset.
    past: Vec<Position>,
}

impl WindowState {
    fn judge(&self, position: Position) -> Continuity {
        let Position { epoch, offset } = self.head.position;
        let known = if position.epoch == epoch {
            Some(offset)
        } else {
            self.past.iter().find(|past| past.epoch == position.epoch).map(|past| past.offset)
        };
        match known {
            Some(certain) if position.offset <= certain => Continuity::Proven { offset: position.offset },
            certain => Continuity::Broken { since: certain.unwrap_or(0), reason: GapReason::Epoch },
        }
    }
}

/// Windows of one bucket.
async fn ask(redis: &Redis, channels: &[&ChannelKey]) -> Result<Vec<WindowState>, RedisError> {
    let keys = channels.iter().flat_map(|channel| names::window(redis, channel)).collect();
    let mut reply = Reply::of(redis.run(&HEADS, keys, vec![number(redis.clock().now_ms())]).await?)?;
    if reply.number()? != channels.len() as u64 {
        return Err(RedisError::Malformed("another number of windows than asked for"));
    }
    channels.iter().map(|_| Ok(WindowState { head: reply.head()?, past: reply.past()? })).collect()
}

fn number(value: u64) -> Value {
    Value::Integer(value.min(LUA_MAX) as i64)
}

fn bytes(value: impl Into<Vec<u8>>) -> Value {
    Value::Bytes(value.into().into())
}

/// The answer of a script, taken apart from the front.
struct Reply(std::vec::IntoIter<Value>);

impl Reply {
    fn of(value: Value) -> Result<Self, RedisError> {
        match value {
            Value::Array(values) => Ok(Self(values.into_iter())),
            _ => Err(RedisError::Malformed("no list")),
        }
    }

    fn is_empty(&self) -> bool {
        self.0.len() == 0
    }

    fn number(&mut self) -> Result<u64, RedisError> {
        let number = self.0.next().and_then(|value| value.as_u64());
        number.filter(|number| *number <= LUA_MAX).ok_or(RedisError::Malformed("no number where one belongs"))
    }

    fn bytes(&mut self) -> Result<Vec<u8>, RedisError> {
        match self.0.next() {
            Some(Value::Bytes(bytes)) => Ok(bytes.into()),
            Some(Value::String(text)) => Ok(text.as_bytes().to_vec()),
            _ => Err(RedisError::Malformed("no text where one belongs")),
        }
    }

    fn text(&mut self) -> Result<String, RedisError> {
        String::from_utf8(self.bytes()?).map_err(|_| RedisError::Malformed("bytes where a text belongs"))
    }

    fn epoch(&mut self) -> Result<Epoch, RedisError> {
        epoch(&self.text()?).ok_or(RedisError::Malformed("no epoch where one belongs"))
    }

    fn head(&mut self) -> Result<Head, RedisError> {
        let offset = self.number()?;
        let position = Position::new(self.epoch()?, offset);
        Ok(Head { position, low: self.number()? })
    }

    fn past(&mut self) -> Result<Vec<Position>, RedisError> {
        let text = self.text()?;
        let one = |text: &str| {
            let (of, offset) = text.split_once(':')?;
            Some(Position::new(epoch(of)?, offset.parse().ok()?))
        };
        text.split(',').map(|text| one(text).ok_or(RedisError::Malformed("no position where one belongs"))).collect()
    }
}

fn epoch(text: &str) -> Option<Epoch> {
    let plain = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    u64::from_str_radix(text, 16).ok().filter(|_| plain).map(Epoch::from_u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(epoch: u64, offset: u64) -> Position {
        Position::new(Epoch::from_u64(epoch), offset)
    }

    #[test]
    fn old_positions_are_judged_by_table() {
        let state =
            WindowState { head: Head { position: at(3, 20), low: 10 }, past: vec![at(2, 15), at(1, 8), at(9, 0)] };
        let (proven, broken) =
            (|offset| Continuity::Proven { offset }, |since| Continuity::Broken { since, reason: GapReason::Epoch });
        for (position, expected) in [
            (at(3, 20), proven(20)),
            (at(3, 21), broken(20)),
            (at(3, 0), proven(0)),
            (at(2, 15), proven(15)),
            (at(2, 16), broken(15)),
            (at(1, 8), proven(8)),
            (at(1, 9), broken(8)),
            (at(1, 3), proven(3)),
            (at(9, 0), proven(0)),
            (at(9, 1), broken(0)),
            (at(7, 0), broken(0)),
            (at(7, 5), broken(0)),
        ] {
            assert_eq!(state.judge(position), expected, "{position:?}");
        }
    }

    #[test]
    fn answers_that_nobody_asked_for_are_refused() {
        let reply = |values: Vec<Value>| Reply::of(Value::Array(values)).expect("a list");
        assert!(Reply::of(Value::Integer(1)).is_err());
        assert!(reply(vec![]).number().is_err() && reply(vec![Value::Integer(-1)]).number().is_err());
        assert!(reply(vec![Value::Integer(1)]).bytes().is_err());
        for bad in ["", "x:1", "1", "1:x", "1:1,", "+1:1"] {
            assert!(reply(vec![bad.into()]).past().is_err(), "{bad:?}");
        }
        assert_eq!(reply(vec!["abc:0,1:7".into()]).past(), Ok(vec![at(0xabc, 0), at(1, 7)]));
        assert!(reply(vec!["-1".into()]).epoch().is_err());
    }
}
