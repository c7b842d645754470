//! Limits that both ends know. What an operator may change is in the configuration; these are its defaults.

/// Largest WebSocket frame that a client may send, in bytes.
pub const FRAME_BYTES: usize = 64 * 1024;
/// Most subscriptions of one connection.
pub const SUBSCRIPTIONS: usize = 512;
/// Most channels of one SSE stream.
pub const SSE_CHANNELS: usize = 64;
/// Longest composite SSE id, in bytes.
pub const SSE_ID_BYTES: usize = 2048;
/// Time within which the connect frame must come, in milliseconds.
pub const CONNECT_TIMEOUT_MS: u64 = 5_000;
/// Time between two pings of the hub, in milliseconds.
pub const HEARTBEAT_MS: u64 = 25_000;
/// Largest page of history, in messages.
pub const HISTORY_PAGE: u32 = 1_000;
/// Page of history when the request names no limit, in messages.
pub const HISTORY_PAGE_DEFAULT: u32 = 50;
/// Largest page of presence, and the one when the request names no limit, in users.
pub const PRESENCE_PAGE: u32 = 1_000;
/// Largest rewind, in messages.
pub const REWIND: u32 = 1_000;
/// Most publishes in one batch.
pub const BATCH: usize = 1_000;
/// Longest client name in a connect frame, in bytes.
pub const CLIENT_NAME_BYTES: usize = 64;
