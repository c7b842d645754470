//! Buckets: where what belongs to a channel lives. The same on every node of every version that runs beside this one: a change
//! here is a change of the wire.

use hubbub_protocol::channel::ChannelKey;

/// Channels hash into so many buckets; what is in one bucket lives on one shard.
pub const BUCKETS: u16 = 256;

/// The bucket of a channel: FNV-1a over `tenant/channel`, its halves folded so that every bit counts.
pub fn bucket_of(channel: &ChannelKey) -> u16 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in channel.tenant.as_str().bytes().chain([b'/']).chain(channel.channel.as_str().bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    ((hash ^ (hash >> 32)) % u64::from(BUCKETS)) as u16
}

/// The hash tag of a bucket.
pub fn tag(bucket: u16) -> String {
    format!("b{bucket}")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use hubbub_protocol::{ChannelName, TenantId};

    use super::*;

    fn key(tenant: &str, channel: &str) -> ChannelKey {
        ChannelKey::new(TenantId::parse(tenant).expect("valid"), ChannelName::parse(channel).expect("valid"))
    }

    #[test]
    fn buckets_stay_what_they_were() {
        // Nodes of two versions meet only in the same bucket.
        let table = [("t", "chat:lobby", 14), ("t", "live:score", 58), ("acme", "chat:lobby", 108)];
        for (tenant, channel, bucket) in table {
            assert_eq!(bucket_of(&key(tenant, channel)), bucket, "{tenant}/{channel}");
        }
    }

    #[test]
    fn channels_spread_over_all_buckets() {
        let used: HashSet<_> = (0..4_096).map(|index| bucket_of(&key("t", &format!("chat:{index}")))).collect();
        assert_eq!(used.len(), usize::from(BUCKETS));
    }
}
