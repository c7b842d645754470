//! Why something did not work, as a caller sees it.

use hubbub_protocol::ErrorCode;

/// Why a call failed or a subscription ended.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ClientError {
    /// The hub refused the request; asking again the same way gives the same answer.
    #[error("the hub refused: {code:?}: {message}")]
    Refused {
        /// For programs.
        code: ErrorCode,
        /// For people.
        message: String,
    },
    /// The hub closed the connection for good.
    #[error("the hub closed the connection for good with {code}: {message}")]
    Closed {
        /// The close code, 4500 or above.
        code: u16,
        /// The reason, or what the hub said before.
        message: String,
    },
    /// The hub ended the subscription without saying why.
    #[error("the hub ended the subscription")]
    Ended,
    /// No answer came in time. Whether a publish was taken is not known; the same key finds out.
    #[error("no answer came in time")]
    Timeout,
    /// No session could be opened in time.
    #[error("the hub could not be reached in time: {0}")]
    Unreachable(String),
    /// A bound of this client was reached: too many requests or subscriptions at once.
    #[error("too many requests or subscriptions at once; wait for some to end")]
    TooMany,
    /// This channel has a subscription of this client already.
    #[error("this client is subscribed to the channel already")]
    AlreadySubscribed,
    /// The client was closed.
    #[error("the client was closed")]
    Gone,
    /// The URL of the options can not be used.
    #[error("not a URL of a hub (ws://host:port/ws): {0}")]
    Url(String),
    /// The hub answered something else than what was asked for.
    #[error("the hub answered something else than what was asked for")]
    Unexpected,
}
