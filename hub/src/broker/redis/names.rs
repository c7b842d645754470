//! Where everything of a channel lives in Redis: its keys and its pub/sub channel in its bucket. The same on every node of every
//! version that runs beside this one: a change here is a change of the wire.

use hubbub_protocol::channel::{ChannelKey, ChannelName, TenantId};

use crate::redis::Redis;
pub(super) use crate::redis::bucket::bucket_of;
use crate::redis::bucket::tag;

/// The pub/sub channel of a channel.
pub(super) fn pubsub(redis: &Redis, channel: &ChannelKey) -> String {
    redis.key(tag(bucket_of(channel)), "ch", channel)
}

/// The keys of a window: its metadata, its stream, the keys of its publishers.
pub(super) fn window(redis: &Redis, channel: &ChannelKey) -> [String; 3] {
    let tag = tag(bucket_of(channel));
    ["win", "log", "keys"].map(|kind| redis.key(&tag, kind, channel))
}

/// What the metadata of every window of a tenant is called.
pub(super) fn windows(redis: &Redis, tenant: &TenantId) -> String {
    let prefix = redis.settings().prefix.chars();
    // Names of tenants have no sign that stands for others.
    let prefix: String =
        prefix.flat_map(|char| ['\\', char].into_iter().skip(usize::from(char.is_alphanumeric()))).collect();
    format!("{prefix}:win:{{b*}}:{tenant}/*")
}

/// The channel of the metadata of a window.
pub(super) fn channel_of(name: &str, tenant: &TenantId) -> Option<ChannelKey> {
    let (_, behind) = name.split_once(&format!("}}:{tenant}/"))?;
    Some(ChannelKey::new(tenant.clone(), ChannelName::parse(behind).ok()?))
}

/// The counter of a bucket's heartbeat, and its pub/sub channel.
pub(super) fn beat(redis: &Redis, bucket: u16) -> [String; 2] {
    ["count", "beat"].map(|kind| redis.key(tag(bucket), kind, ""))
}

/// The bucket whose heartbeat comes on a pub/sub channel.
pub(super) fn beaten(redis: &Redis, name: &str) -> Option<u16> {
    let (_, tagged) = name.rsplit_once("{b")?;
    let bucket = tagged.strip_suffix("}:")?.parse().ok()?;
    (name == beat(redis, bucket)[1]).then_some(bucket)
}
