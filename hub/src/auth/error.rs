//! Why somebody was not let in. The texts are for the person who holds the token; they name nothing of the
//! hub's keys, issuers or tenants.

use hubbub_protocol::ErrorCode;
use hubbub_protocol::channel::NameError;

/// How long a client should wait when the keys of an issuer can not be fetched, in milliseconds.
pub const KEYS_RETRY_MS: u64 = 2_000;

/// Why a token, a ticket or an API key was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// Longer than the bound.
    #[error("the token is longer than {max} bytes")]
    TooLong {
        /// The bound, in bytes.
        max: usize,
    },
    /// Not a JSON web token.
    #[error("this is not a JSON web token: {0}")]
    Malformed(&'static str),
    /// Unsigned, or signed in a way that the hub does not take.
    #[error("the token must be signed with HS256, HS384, HS512, RS256, ES256 or EdDSA")]
    Algorithm,
    /// No key of that id and algorithm.
    #[error("no key of the hub fits this token (its `kid` and `alg`)")]
    UnknownKey,
    /// Keys exist, the signature is of none of them.
    #[error("the signature of the token is not valid")]
    Signature,
    /// A claim is missing or can not be read.
    #[error("the claims of the token can not be used: {0}")]
    Claims(String),
    /// Past its `exp`.
    #[error("the token has expired, get a new one")]
    Expired,
    /// Before its `nbf`, or issued in the future.
    #[error("the token is not valid yet; check the clock of its issuer")]
    NotYet,
    /// Its `exp` is too far away.
    #[error("the token lives too long: `exp` may be at most {max_s} seconds from now")]
    LivesTooLong {
        /// The bound, in seconds.
        max_s: u64,
    },
    /// `iss` is not the expected one.
    #[error("the token was issued by somebody else (`iss`)")]
    Issuer,
    /// `aud` does not name this hub.
    #[error("the token is meant for somebody else (`aud`)")]
    Audience,
    /// `sub` is not a user id.
    #[error("`sub` of the token must be a user id: {0}")]
    Subject(NameError),
    /// The tenant is missing, unknown, or not the one of the key.
    #[error("the token does not belong to a tenant of this hub")]
    Tenant,
    /// The token or its user was revoked.
    #[error("the token was revoked")]
    Revoked,
    /// The keys of the issuer can not be fetched now.
    #[error("the keys that could prove this token can not be fetched now, try again")]
    KeysUnavailable,
    /// Not an API key.
    #[error("this API key is not known; `tenants.api_keys` of the configuration has those that are")]
    ApiKey,
    /// Not a ticket, or one for other channels.
    #[error("this ticket is not valid for these channels")]
    Ticket,
}

impl AuthError {
    /// The code that clients see.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Expired => ErrorCode::TokenExpired,
            Self::Revoked => ErrorCode::Revoked,
            Self::KeysUnavailable => ErrorCode::Unavailable,
            Self::TooLong { .. }
            | Self::Malformed(_)
            | Self::Algorithm
            | Self::UnknownKey
            | Self::Signature
            | Self::Claims(_)
            | Self::NotYet
            | Self::LivesTooLong { .. }
            | Self::Issuer
            | Self::Audience
            | Self::Subject(_)
            | Self::Tenant
            | Self::ApiKey
            | Self::Ticket => ErrorCode::Unauthorized,
        }
    }

    /// How long to wait before the same token may be taken, in milliseconds.
    pub fn retry_after_ms(&self) -> Option<u64> {
        matches!(self, Self::KeysUnavailable).then_some(KEYS_RETRY_MS)
    }
}
