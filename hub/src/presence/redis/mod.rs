//! The roster in Redis: every change, its version and its announcement are one step of one script. It does not know pub/sub: what
//! the scripts tell comes back by the broker of each node that wants the channel.
//!
//! Channels hash into the buckets of the broker, and everything of a bucket has one hash tag, the lease of a node too: a bucket
//! needs no other to be right, and a shard of a cluster that lost its memory is noticed and filled again by itself. A lease is a
//! key with a lifetime, so no clocks are compared.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use hubbub_protocol::channel::{ChannelKey, UserId};
use hubbub_protocol::frame::{PresenceSnapshot, PresentUser, Scope};
use hubbub_protocol::position::OFFSET_MAX;

use super::roster::{Away, Bounds, COUNT_EVERY_MS, Counted, Entered, Entry, Lease, Page, Part, Roster};
use crate::redis::bucket::{BUCKETS, bucket_of, tag};
use crate::redis::{Redis, RedisError, Script, Value};

static RENEW: Script = Script::new(concat!(include_str!("lua/room.lua"), include_str!("lua/renew.lua")));
static ENTER: Script = Script::new(concat!(include_str!("lua/room.lua"), include_str!("lua/enter.lua")));
static PAGE: Script = Script::new(concat!(include_str!("lua/room.lua"), include_str!("lua/page.lua")));
static COUNT: Script = Script::new(concat!(include_str!("lua/room.lua"), include_str!("lua/count.lua")));
static REAP: Script = Script::new(concat!(include_str!("lua/room.lua"), include_str!("lua/reap.lua")));
static ELECT: Script = Script::new(include_str!("lua/elect.lua"));

/// Entries of one run of a script: bounds how long it keeps Redis from others.
const ENTRIES_AT_ONCE: usize = 128;
/// Entries that one run takes away, and runs in one turn.
const REAPED_AT_ONCE: u64 = 128;
const REAPS: usize = 64;
/// Scripts under way at once.
const RUNS_AT_ONCE: usize = 64;

/// One node's end of the roster in Redis.
pub struct RedisRoster {
    redis: Redis,
    bounds: Bounds,
    /// Names the process.
    id: String,
    /// Which life of the process counts in each part: one more each time that its lease was lost. 0 before the first.
    lives: Box<[AtomicU64]>,
}

impl RedisRoster {
    /// A node's end. `incarnation` is of this process alone.
    pub fn new(redis: Redis, incarnation: [u8; 16], bounds: Bounds) -> Arc<Self> {
        let id = incarnation.iter().map(|byte| format!("{byte:02x}")).collect();
        let lives = (0..BUCKETS).map(|_| AtomicU64::new(0)).collect();
        Arc::new(Self { redis, bounds, id, lives })
    }

    fn life(&self, part: Part) -> u64 {
        // Parts are bucket numbers.
        self.lives[usize::from(part)].load(Ordering::Relaxed)
    }

    fn incarnation(&self, life: u64) -> String {
        format!("{}.{life}", self.id)
    }

    async fn run(&self, script: &Script, part: Part, args: Vec<Value>) -> Result<Reply, RedisError> {
        let key = |kind| self.redis.key(tag(part), kind, "");
        let keys = ["nodes", "lease", "rooms", "held", "users", "meta", "ch"].map(key).to_vec();
        Reply::read(self.redis.run(script, keys, args).await?).ok_or(RedisError::Malformed("presence"))
    }

    async fn renew_part(&self, part: Part) -> Result<Lease, RedisError> {
        let life = self.life(part);
        let own = if life > 0 { self.incarnation(life) } else { String::new() };
        let args = vec![own.into(), self.incarnation(life + 1).into(), number(self.bounds.lease_ms)];
        let renewed = self.run(&RENEW, part, args).await?.number(0)? == 1;
        if renewed {
            return Ok(Lease::Held);
        }
        self.lives[usize::from(part)].store(life + 1, Ordering::Relaxed);
        Ok(Lease::Begun)
    }

    /// Entries of one part, at most [`ENTRIES_AT_ONCE`].
    async fn enter_some(&self, part: Part, entries: &[&Entry]) -> Result<Vec<Entered>, RedisError> {
        let life = self.life(part);
        if life == 0 {
            return Ok(vec![Entered::LeaseGone; entries.len()]);
        }
        let mut args = vec![self.incarnation(life).into(), number(self.bounds.list_users)];
        for entry in entries {
            let connections = entry.connections.map_or_else(String::new, |connections| connections.to_string());
            args.extend([name(&entry.channel), entry.user.as_str().into(), connections.into()]);
            args.extend([number(entry.again.into()), number(entry.above)]);
        }
        let reply = self.run(&ENTER, part, args).await?;
        if reply.number(0)? == 0 {
            return Ok(vec![Entered::LeaseGone; entries.len()]);
        }
        let done = |at: usize| {
            let (version, large) = (reply.number(1 + 2 * at)?, reply.number(2 + 2 * at)? == 1);
            Ok(Entered::Done { version, large })
        };
        (0..entries.len()).map(done).collect()
    }

    async fn enter_part(&self, part: Part, entries: Vec<(usize, &Entry)>) -> Vec<(usize, Entered)> {
        if self.life(part) == 0
            && let Err(error) = self.renew_part(part).await
        {
            complain(&error);
            return entries.into_iter().map(|(at, _)| (at, Entered::Away)).collect();
        }
        let mut entered = Vec::with_capacity(entries.len());
        for chunk in entries.chunks(ENTRIES_AT_ONCE) {
            let some: Vec<&Entry> = chunk.iter().map(|(_, entry)| *entry).collect();
            let results = self.enter_some(part, &some).await.unwrap_or_else(|error| {
                complain(&error);
                vec![Entered::Away; some.len()]
            });
            entered.extend(chunk.iter().map(|(at, _)| *at).zip(results));
        }
        entered
    }

    async fn try_page(&self, channel: &ChannelKey, page: &Page) -> Result<PresenceSnapshot, RedisError> {
        let after = page.after.as_ref().map_or("", |user| user.as_str());
        let args = vec![name(channel), after.into(), number(page.limit.into()), number(self.bounds.list_users)];
        let reply = self.run(&PAGE, bucket_of(channel), args).await?;
        let (version, count) = (reply.number(0)?, reply.number(1)?);
        let (large, more) = (reply.number(2)? == 1, reply.number(3)? == 1);
        let next = if more { Some(reply.user(4)?) } else { None };
        let present = |at| {
            let connections = u32::try_from(reply.number(at + 1)?).unwrap_or(u32::MAX);
            Ok(PresentUser { user: reply.user(at)?, connections })
        };
        let users = (5..reply.0.len()).step_by(2).map(present).collect::<Result<_, RedisError>>()?;
        Ok(PresenceSnapshot { version, count, users, next, large, scope: Scope::Fleet })
    }

    async fn try_count(&self, channel: &ChannelKey) -> Result<Counted, RedisError> {
        let args = vec![name(channel), number(COUNT_EVERY_MS), number(self.bounds.list_users)];
        let told = self.run(&COUNT, bucket_of(channel), args).await?.number(0)? == 1;
        Ok(if told { Counted::Told } else { Counted::Later })
    }

    /// Whether this node is the one that reaps. A lock for economy alone: two that reap take each entry once all the same.
    async fn is_elected(&self) -> Result<bool, RedisError> {
        let keys = vec![self.redis.key("reaper", "lock", "presence")];
        let won = self.redis.run(&ELECT, keys, vec![self.id.as_str().into(), number(self.bounds.lease_ms)]).await?;
        Ok(won.as_u64() == Some(1))
    }

    async fn reap_part(&self, part: Part) -> Result<u64, RedisError> {
        let mut reaped = 0;
        for _ in 0..REAPS {
            let reply = self.run(&REAP, part, vec![number(REAPED_AT_ONCE), number(self.bounds.list_users)]).await?;
            reaped += reply.number(0)?;
            if reply.number(1)? == 0 {
                break;
            }
        }
        Ok(reaped)
    }
}

#[async_trait]
impl Roster for RedisRoster {
    fn part(&self, channel: &ChannelKey) -> Part {
        bucket_of(channel)
    }

    async fn enter(&self, entries: Vec<Entry>) -> Vec<Entered> {
        let mut parts: Vec<Vec<(usize, &Entry)>> = vec![Vec::new(); usize::from(BUCKETS)];
        for (at, entry) in entries.iter().enumerate() {
            parts[usize::from(bucket_of(&entry.channel))].push((at, entry));
        }
        let used = (0..BUCKETS).zip(parts).filter(|(_, entries)| !entries.is_empty());
        let mut entered = vec![Entered::Away; entries.len()];
        for (at, result) in
            join_all(used.map(|(part, entries)| self.enter_part(part, entries))).await.into_iter().flatten()
        {
            entered[at] = result;
        }
        entered
    }

    async fn renew(&self, parts: Vec<Part>) -> Vec<Lease> {
        join_all(parts.into_iter().map(|part| async move {
            self.renew_part(part).await.unwrap_or_else(|error| {
                complain(&error);
                Lease::Away
            })
        }))
        .await
    }

    async fn page(&self, channel: &ChannelKey, page: &Page) -> Result<PresenceSnapshot, Away> {
        self.try_page(channel, page).await.map_err(|error| complain(&error))
    }

    async fn tell_count(&self, channel: &ChannelKey) -> Counted {
        self.try_count(channel).await.unwrap_or_else(|error| {
            complain(&error);
            Counted::Later
        })
    }

    async fn reap(&self) -> Result<u64, Away> {
        if !self.is_elected().await.map_err(|error| complain(&error))? {
            return Ok(0);
        }
        // Every bucket: who is dead now may have been in any, and nobody else looks.
        let mut runs = stream::iter((0..BUCKETS).map(|part| self.reap_part(part))).buffer_unordered(RUNS_AT_ONCE);
        let mut reaped = 0;
        while let Some(result) = runs.next().await {
            reaped += result.map_err(|error| complain(&error))?;
        }
        Ok(reaped)
    }
}

/// A reply: numbers, and texts behind them.
struct Reply(Vec<Value>);

impl Reply {
    fn read(value: Value) -> Option<Self> {
        match value {
            Value::Array(values) => Some(Self(values)),
            _ => None,
        }
    }

    fn number(&self, at: usize) -> Result<u64, RedisError> {
        let number = self.0.get(at).and_then(Value::as_u64).filter(|number| *number <= OFFSET_MAX);
        number.ok_or(RedisError::Malformed("presence: a number is missing"))
    }

    fn user(&self, at: usize) -> Result<UserId, RedisError> {
        let text = self.0.get(at).and_then(|value| value.as_str());
        let user = text.and_then(|text| UserId::parse(&text).ok());
        user.ok_or(RedisError::Malformed("presence: a user is missing"))
    }
}

fn name(channel: &ChannelKey) -> Value {
    channel.to_string().into()
}

fn number(number: u64) -> Value {
    number.to_string().into()
}

/// What the link counts by itself is not said again; a fault is.
fn complain(error: &RedisError) -> Away {
    match error {
        RedisError::Away(_) => tracing::debug!(%error, "presence goes on without the other nodes"),
        RedisError::Settings(_) | RedisError::Refused(_) | RedisError::Malformed(_) => {
            tracing::warn!(%error, "presence goes on without the other nodes");
        }
    }
    Away
}
