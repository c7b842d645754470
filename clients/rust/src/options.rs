//! What a caller gives: where the hub is, who they are, and every bound. Knows nothing of sockets.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::backoff::Backoff;

/// How to reach a hub, and the bounds of this client.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the WebSocket is: `ws://host:port/ws`.
    pub url: String,
    /// Where tokens come from. Asked again at each reconnect and when a token is about to expire.
    pub token: TokenSource,
    /// Name and version of the program, at most 64 bytes. Default `rust/<version>`.
    pub client_name: String,
    /// By what a load balancer finds the node again. Default [`Affinity::Random`].
    pub affinity: Affinity,
    /// The local address to connect from. Default any.
    pub source_addr: Option<IpAddr>,
    /// How long to wait between attempts to connect.
    pub backoff: Backoff,
    /// Time for one attempt: token, TCP, upgrade and `connected`. Default 10 s.
    pub open_within: Duration,
    /// Time for the first session, over as many attempts as fit. Default 30 s.
    pub connect_within: Duration,
    /// How long a request is repeated until it fails with `Timeout`, over reconnects. Default 30 s. Keys of
    /// publishes live longer on the hub, at least for the life of a window.
    pub request_within: Duration,
    /// Most requests that wait for an answer at once. Default 1,024. One more fails with `TooMany`.
    pub requests: usize,
    /// Events that may wait in one subscription. Default 1,024. When they are not read the whole connection
    /// waits, and after a while the hub closes it: a slow reader resumes by position, it never has a hole.
    pub events: usize,
    /// Largest frame taken from the hub, in bytes. Default 16 MiB (a full page of history).
    pub frame_bytes: usize,
}

impl Options {
    /// Options with every default.
    pub fn new(url: impl Into<String>, token: TokenSource) -> Self {
        Self {
            url: url.into(),
            token,
            client_name: concat!("rust/", env!("CARGO_PKG_VERSION")).to_owned(),
            affinity: Affinity::Random,
            source_addr: None,
            backoff: Backoff::default(),
            open_within: Duration::from_secs(10),
            connect_within: Duration::from_secs(30),
            request_within: Duration::from_secs(30),
            requests: 1_024,
            events: 1_024,
            frame_bytes: 16 * 1024 * 1024,
        }
    }
}

/// What a client sends with each connection so that a load balancer leads it back to the node that still knows it. An
/// optimisation: every node can serve everybody.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Affinity {
    /// A text that is drawn once per client and kept over its reconnects.
    #[default]
    Random,
    /// This text; characters that a URL does not hold as they are must be percent-encoded.
    Named(String),
    /// Nothing.
    None,
}

impl Affinity {
    /// The text to send.
    pub(crate) fn text(&self) -> Option<String> {
        match self {
            // 16 hexadecimal digits.
            Self::Random => Some(format!("{:016x}", rand::random::<u64>())),
            Self::Named(name) => Some(name.clone()),
            Self::None => None,
        }
    }
}

type TokenFuture = Pin<Box<dyn Future<Output = Result<String, Box<dyn Error + Send + Sync>>> + Send>>;

/// Where tokens come from.
#[derive(Clone)]
pub struct TokenSource(Arc<dyn Fn() -> TokenFuture + Send + Sync>);

impl TokenSource {
    /// Asks a function for each token. A failure counts as a failed attempt to connect.
    pub fn new<F, T>(ask: F) -> Self
    where
        F: Fn() -> T + Send + Sync + 'static,
        T: Future<Output = Result<String, Box<dyn Error + Send + Sync>>> + Send + 'static,
    {
        Self(Arc::new(move || Box::pin(ask())))
    }

    /// Always the same token.
    pub fn fixed(token: impl Into<String>) -> Self {
        let token = token.into();
        Self::new(move || std::future::ready(Ok(token.clone())))
    }

    pub(crate) fn ask(&self) -> TokenFuture {
        (self.0)()
    }
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenSource")
    }
}
