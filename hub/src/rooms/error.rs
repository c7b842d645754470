//! Why an operation of rooms failed: a refusal of the rules, or a store that is away. One way from there to a code.

use hubbub_persistence::StoreError;
use hubbub_persistence::records::{Refusal, Stop};
use hubbub_protocol::ErrorCode;
use hubbub_protocol::room::TextError;

use crate::auth::policy::Denied;
use crate::rate::Limited;

/// A refusal without a time to come again.
pub(super) fn refusal(code: ErrorCode, message: impl Into<String>) -> Refusal {
    Refusal { code, message: message.into(), retry_after_ms: None }
}

/// The same as a stop of a decision.
pub(super) fn refused(code: ErrorCode, message: impl Into<String>) -> Stop {
    Stop::Refused(refusal(code, message))
}

/// Not by whoever asks.
pub(super) fn forbidden(message: impl Into<String>) -> Stop {
    refused(ErrorCode::Forbidden, message)
}

/// Not understood.
pub(super) fn bad(message: impl Into<String>) -> Stop {
    refused(ErrorCode::BadRequest, message)
}

/// Not there, or not for whoever asks to know.
pub(super) fn missing(what: &str) -> Stop {
    refused(ErrorCode::NotFound, format!("there is no such {what}, or it is not for you to see"))
}

/// What is wrong with a text, as a refusal.
pub(super) fn text(error: &TextError) -> Stop {
    let code = match error {
        TextError::Long { .. } => ErrorCode::TooLarge,
        _ => ErrorCode::BadRequest,
    };
    refused(code, error.to_string())
}

/// Why an operation failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RoomError {
    /// By the rules.
    #[error("{0}")]
    Refused(Refusal),
    /// The key was used before with another operation.
    #[error("this key was used before for something else; use a new key for a new operation")]
    KeyConflict,
    /// The store is away, or has too much to do.
    #[error("rooms can not be asked now, try again with the same key in {retry_after_ms} ms")]
    Unavailable {
        /// When, in milliseconds.
        retry_after_ms: u64,
    },
    /// A fault of the hub.
    #[error("this could not be done; the operator finds the cause in the log of the hub")]
    Internal,
}

impl RoomError {
    /// The code that clients see.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Refused(refusal) => refusal.code,
            Self::KeyConflict => ErrorCode::KeyConflict,
            Self::Unavailable { .. } => ErrorCode::Unavailable,
            Self::Internal => ErrorCode::Internal,
        }
    }

    /// When to try again, in milliseconds.
    pub fn retry_after_ms(&self) -> Option<u64> {
        match self {
            Self::Refused(refusal) => refusal.retry_after_ms,
            Self::Unavailable { retry_after_ms } => Some(*retry_after_ms),
            Self::KeyConflict | Self::Internal => None,
        }
    }
}

impl From<Refusal> for RoomError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Stop> for RoomError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Refused(refusal) => Self::Refused(refusal),
            // Questions that are asked outside a decision are answered at once.
            Stop::Missing => Self::Internal,
        }
    }
}

impl From<StoreError> for RoomError {
    fn from(error: StoreError) -> Self {
        tracing::warn!(%error, "an operation of rooms failed");
        match error {
            StoreError::Unavailable(_) | StoreError::Unknown(_) => Self::Unavailable { retry_after_ms: 1_000 },
            StoreError::Overloaded => Self::Unavailable { retry_after_ms: 200 },
            StoreError::Refused(_) | StoreError::Damaged(_) => Self::Internal,
        }
    }
}

impl From<Denied> for RoomError {
    fn from(denied: Denied) -> Self {
        Self::Refused(refusal(denied.code(), denied.to_string()))
    }
}

impl From<Limited> for RoomError {
    fn from(limited: Limited) -> Self {
        let retry_after_ms = Some(limited.retry_after_ms);
        Self::Refused(Refusal { code: ErrorCode::RateLimited, message: limited.to_string(), retry_after_ms })
    }
}
