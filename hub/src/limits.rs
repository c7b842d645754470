//! Limits: every bound of a node, with its unit in its name, its default and its reason.

use hubbub_protocol::limits as wire;
use serde::{Deserialize, Serialize};

/// The bounds of a node, as they stand under `[limits]` in the configuration.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Largest frame from a client, in bytes. Default 65,536.
    pub frame_bytes: usize,
    /// Most subscriptions of one connection. Default 512.
    pub subscriptions_per_connection: usize,
    /// Most rooms that one connection follows. Default 1,000.
    pub rooms_followed: usize,
    /// Requests about rooms over REST on the public port that are worked on at once; others wait. Default 64.
    pub room_requests: usize,
    /// The same of one user; more are refused. Default 8.
    pub room_requests_per_user: u32,
    /// Most channels of a tenant with subscribers on this node. Default 1,000,000.
    pub channels_per_tenant: usize,
    /// Requests a connection may send each second. Default 100.
    pub requests_per_second: u32,
    /// Requests it may send at once before that rate counts. Default 200.
    pub request_burst: u32,
    /// Requests of a connection that may be under way at once; reading pauses above it. Default 64.
    pub requests_in_flight: usize,
    /// Most connections from one address. Default 20,000: many people share one address.
    pub connections_per_ip: u32,
    /// New connections that the node accepts each second. Default 10,000.
    pub connects_per_second: u32,
    /// New connections it accepts at once before that rate counts. Default 20,000.
    pub connect_burst: u32,
    /// Most connections of this node. Default 0: as many as the process may open files.
    pub connections: usize,
    /// What may wait for one slow reader, in bytes. Default 1,048,576.
    pub outbox_bytes: usize,
    /// What may wait for one slow reader, in frames. Default 16,384.
    pub outbox_frames: usize,
    /// Live messages held for one subscription while it attaches, in bytes; at most a quarter of `outbox_bytes` counts, since they
    /// enter it at once. Default 262,144.
    pub gate_bytes: usize,
    /// A page of the log that is read at once while catching up, in messages. Default 256.
    pub page_messages: u32,
    /// The same, in bytes; at most a quarter of `outbox_bytes` counts, since it enters the outbox at once. Default 262,144.
    pub page_bytes: usize,
    /// Memory of the process above which newcomers are refused and the largest outboxes close first, in bytes.
    /// Default 0: 80 % of the machine's (or the container's) memory.
    pub memory_watermark_bytes: u64,
    /// What all `window` logs of this node may hold together, in bytes. Default 1 GiB.
    pub window_bytes_per_node: usize,
    /// Deliveries that may wait for one shard or one lane, in messages. Default 8,192.
    pub mailbox_messages: usize,
    /// How long a shard may write before it lets others go on, in microseconds. Default 2,000.
    pub slice_us: u64,
    /// Time between two pings, in milliseconds. Default 25,000.
    pub heartbeat_ms: u64,
    /// Time for the connect frame, in milliseconds. Default 5,000.
    pub connect_timeout_ms: u64,
    /// Time for the head of an HTTP request, in milliseconds. Default 5,000.
    pub header_timeout_ms: u64,
    /// How long a missing message is waited for before it is read from the log, in milliseconds. Default 25.
    pub reorder_ms: u64,
    /// What may wait for a missing message of one channel, in bytes. Default 1,048,576.
    pub reorder_bytes: usize,
    /// Newest messages of a channel with subscribers that are kept encoded for those who resume. Default 256.
    pub hot_messages: usize,
    /// The same in bytes. Default 262,144.
    pub hot_bytes: usize,
    /// What is kept so of all channels together, in bytes. Default 67,108,864.
    pub hot_bytes_per_node: usize,
    /// How long after its last message a channel keeps them, in milliseconds. Default 300,000.
    pub hot_ms: u64,
    /// How long a user stays present after the last connection went, in milliseconds. Default 10,000.
    pub presence_grace_ms: u64,
    /// How long the users of a node stay present after the node died, in milliseconds; renewed every third of it. Default 10,000.
    pub presence_lease_ms: u64,
    /// Most users of a channel that are listed and told one by one; above it there are counts. The same on every node.
    /// Default 1,000.
    pub presence_list_users: u64,
    /// How long interest in a channel lingers after its last subscriber went, in milliseconds. Default 10,000.
    pub interest_linger_ms: u64,
    /// Warning before a token expires, in milliseconds. Default 60,000.
    pub expiry_warning_ms: u64,
    /// Silence on an SSE stream after which a comment is sent, in milliseconds. Default 15,000.
    pub sse_heartbeat_ms: u64,
    /// Age at which an SSE stream ends and its browser reconnects, in milliseconds. Default 600,000 (± 10 %).
    pub sse_rotation_ms: u64,
    /// How long draining may take, in milliseconds. Default 30,000.
    pub drain_ms: u64,
    /// Time between "not ready" and the first reconnect asked for, so that balancers notice, in milliseconds. Default 0.
    pub drain_notice_ms: u64,
    /// Connections to the internal API; more wait in the kernel. Default 512.
    pub api_connections: usize,
    /// Largest body of a batch or a broadcast, in bytes. Default 16 MiB. Other bodies: `frame_bytes` and 16 KiB.
    pub api_body_bytes: usize,
    /// How long a request to the internal API may take, in milliseconds. Default 10,000.
    pub api_timeout_ms: u64,
    /// Expensive requests to the internal API (batches, broadcasts, lists, history) that run at once; more wait. Default 32:
    /// with their bodies they hold at most 512 MiB.
    pub api_expensive_requests: usize,
}

impl Limits {
    /// What may enter an outbox at once, in bytes as messages are counted: written out they are larger, and two such pieces must
    /// find a place.
    pub fn piece_bytes(&self) -> usize {
        self.outbox_bytes / 4
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame_bytes: wire::FRAME_BYTES,
            subscriptions_per_connection: wire::SUBSCRIPTIONS,
            rooms_followed: 1_000,
            room_requests: 64,
            room_requests_per_user: 8,
            channels_per_tenant: 1_000_000,
            requests_per_second: 100,
            request_burst: 200,
            requests_in_flight: 64,
            connections_per_ip: 20_000,
            connects_per_second: 10_000,
            connect_burst: 20_000,
            connections: 0,
            outbox_bytes: 1024 * 1024,
            outbox_frames: 16_384,
            gate_bytes: 256 * 1024,
            page_messages: 256,
            page_bytes: 256 * 1024,
            memory_watermark_bytes: 0,
            window_bytes_per_node: 1024 * 1024 * 1024,
            mailbox_messages: 8_192,
            slice_us: 2_000,
            heartbeat_ms: wire::HEARTBEAT_MS,
            connect_timeout_ms: wire::CONNECT_TIMEOUT_MS,
            header_timeout_ms: 5_000,
            reorder_ms: 25,
            reorder_bytes: 1024 * 1024,
            hot_messages: 256,
            hot_bytes: 256 * 1024,
            hot_bytes_per_node: 64 * 1024 * 1024,
            hot_ms: 300_000,
            presence_grace_ms: 10_000,
            presence_lease_ms: 10_000,
            presence_list_users: 1_000,
            interest_linger_ms: 10_000,
            expiry_warning_ms: 60_000,
            sse_heartbeat_ms: 15_000,
            sse_rotation_ms: 600_000,
            drain_ms: 30_000,
            drain_notice_ms: 0,
            api_connections: 512,
            api_body_bytes: 16 * 1024 * 1024,
            api_timeout_ms: 10_000,
            api_expensive_requests: 32,
        }
    }
}
