//! What a thread of people who come back is to do, and what it has done.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hubbub_protocol::ChannelName;

use crate::plan::cast::Role;
use crate::plan::posts::Posts;
use crate::socket::Dial;
use crate::target::dialogue::Language;
use crate::tls::Tls;
use crate::token::TokenMaker;

/// What a thread is to do.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Where people connect, in turns; with the next attempt to the next.
    pub(crate) dials: Vec<Dial>,
    /// Its people.
    pub(crate) roles: Vec<Role>,
    pub(crate) names: Arc<[ChannelName]>,
    /// How many may be opening at once the first time.
    pub(crate) in_flight: usize,
    pub(crate) tokens: Tokens,
    pub(crate) seed: u64,
    /// The zero of all times.
    pub(crate) zero: Instant,
    pub(crate) ways: Ways,
    /// What is not a hub.
    pub(crate) language: Option<Arc<Language>>,
    /// How requests call the server; by default by its address.
    pub(crate) host: Option<String>,
    pub(crate) tls: Option<Tls>,
}

/// Who people are.
#[derive(Debug)]
pub(crate) enum Tokens {
    /// All the same user.
    Shared(String),
    /// Everybody a user of their own.
    Each(Box<TokenMaker>),
}

/// How people behave.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ways {
    /// Most connections opened each second the first time.
    pub(crate) ramp_per_s: Option<f64>,
    /// Whether messages carry stamps.
    pub(crate) timed: bool,
    /// `max_rate` of streams.
    pub(crate) sse_max_rate: Option<f64>,
    /// What slow people read in a second.
    pub(crate) slow_bytes_per_s: u32,
    /// Mean time between two tunnels, and how long one is.
    pub(crate) tunnel: (f64, Duration),
    /// What people publish, and the mean time that each thinks between two messages, in seconds.
    pub(crate) says: Option<(Posts, f64)>,
}

/// What a thread has done so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// People who are live now.
    pub(crate) live: u64,
    /// People who have been live.
    pub(crate) settled: u64,
    pub(crate) returns: u64,
    pub(crate) last_return_ns: u64,
    pub(crate) messages: u64,
    pub(crate) published: u64,
    pub(crate) acknowledged: u64,
    pub(crate) refused: u64,
    pub(super) left: u64,
}
