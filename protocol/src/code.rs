//! The one table of error codes and close codes.

use serde::{Deserialize, Serialize};

macro_rules! error_codes {
    ($($(#[$doc:meta])+ $name:ident = $text:literal, $http:literal, $retry:literal;)+) => {
        /// Why a request failed. The code is for programs, the message beside it for people.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
        pub enum ErrorCode {
            $($(#[$doc])+ #[serde(rename = $text)] $name,)+
        }

        impl ErrorCode {
            /// Every code, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The code as it stands on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }

            /// The HTTP status that says the same.
            pub fn http_status(self) -> u16 {
                match self { $(Self::$name => $http),+ }
            }

            /// Whether the same request may succeed later.
            pub fn is_temporary(self) -> bool {
                match self { $(Self::$name => $retry),+ }
            }
        }
    };
}

error_codes! {
    /// The request can not be understood; the message says what is wrong with it.
    BadRequest = "bad_request", 400, false;
    /// No valid token or API key came with the request.
    Unauthorized = "unauthorized", 401, false;
    /// The token has expired; get a new one.
    TokenExpired = "token_expired", 401, false;
    /// The token or the user was revoked.
    Revoked = "revoked", 401, false;
    /// The token or API key does not allow this.
    Forbidden = "forbidden", 403, false;
    /// The channel's namespace is not declared, or the thing asked for does not exist.
    NotFound = "not_found", 404, false;
    /// The namespace does not offer this, e.g. history on a channel without a log.
    NotSupported = "not_supported", 409, false;
    /// The connection is subscribed to this channel already.
    AlreadySubscribed = "already_subscribed", 409, false;
    /// The connection is not subscribed to this channel.
    NotSubscribed = "not_subscribed", 409, false;
    /// The same key was used before with other data.
    KeyConflict = "key_conflict", 409, false;
    /// The frame, body or data is larger than allowed.
    TooLarge = "too_large", 413, false;
    /// A limit on how many was reached: subscriptions of a connection, channels of a tenant.
    LimitReached = "limit_reached", 429, false;
    /// Too many requests; wait `retry_after_ms`.
    RateLimited = "rate_limited", 429, true;
    /// Something that the hub needs is away; wait `retry_after_ms`.
    Unavailable = "unavailable", 503, true;
    /// The node is at its memory watermark or draining; wait `retry_after_ms`.
    Overloaded = "overloaded", 503, true;
    /// A fault of the hub. The same request may be tried again with the same key.
    Internal = "internal", 500, true;
}

/// From here on a close code says: do not reconnect, the same attempt would end the same way.
pub const FINAL_FROM: u16 = 4500;

macro_rules! close_codes {
    ($($(#[$doc:meta])+ $name:ident = $code:literal, $reason:literal;)+) => {
        /// Why the hub closed a connection. The range alone says whether to reconnect: below
        /// [`FINAL_FROM`] yes, from there on no.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum CloseCode {
            $($(#[$doc])+ $name,)+
        }

        impl CloseCode {
            /// Every code, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The number in the WebSocket close frame.
            pub fn code(self) -> u16 {
                match self { $(Self::$name => $code),+ }
            }

            /// The reason in the WebSocket close frame.
            pub fn reason(self) -> &'static str {
                match self { $(Self::$name => $reason),+ }
            }
        }
    };
}

close_codes! {
    /// The peer broke the WebSocket protocol.
    Protocol = 1002, "protocol error";
    /// A text frame was not UTF-8.
    InvalidText = 1007, "not UTF-8";
    /// A frame was larger than the limit.
    TooLarge = 1009, "frame too large";
    /// The node is draining; another one takes over.
    Drain = 4000, "draining, reconnect";
    /// The connection read too slowly and its outbox overflowed; resume by position.
    SlowConsumer = 4001, "too slow, resume by position";
    /// Nothing was heard for one and a half heartbeats.
    HeartbeatLost = 4002, "heartbeat lost";
    /// The node is at its memory watermark.
    Overloaded = 4003, "overloaded, reconnect later";
    /// The connection sent far more than its rate.
    RateLimited = 4004, "rate limited";
    /// The token has expired; reconnect with a new one.
    TokenExpired = 4005, "token expired";
    /// A fault of the hub.
    Internal = 4006, "internal error";
    /// An operator or service asked for a reconnect.
    Reconnect = 4007, "reconnect";
    /// Too many connections from this address or of this tenant.
    TooManyConnections = 4008, "too many connections, reconnect later";
    /// No connect frame came in time.
    ConnectTimeout = 4009, "no connect frame in time";
    /// A frame can not be understood.
    BadRequest = 4500, "bad request";
    /// The token is not valid.
    Unauthorized = 4501, "unauthorized";
    /// The token or the user was revoked.
    Revoked = 4502, "revoked";
    /// A service disconnected this user for good.
    Disconnected = 4503, "disconnected";
}

impl CloseCode {
    /// Whether a client should not reconnect.
    pub fn is_final(self) -> bool {
        self.code() >= FINAL_FROM
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique() {
        let mut texts: Vec<_> = ErrorCode::ALL.iter().map(|c| c.as_str()).collect();
        let mut numbers: Vec<_> = CloseCode::ALL.iter().map(|c| c.code()).collect();
        let (texts_before, numbers_before) = (texts.len(), numbers.len());
        texts.sort_unstable();
        texts.dedup();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!((texts.len(), numbers.len()), (texts_before, numbers_before));
    }
}
