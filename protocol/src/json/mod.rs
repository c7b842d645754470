//! The JSON codec of frames: total on input, and `data` passes through as text. Knows no socket and no session.
//!
//! The hub reads what clients say and writes its own frames; a client does the opposite. Each of the four has
//! its file.

mod read_client;
mod write_server;

mod read_server;
mod write_client;

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize};

use crate::code::ErrorCode;
use crate::frame::{RequestId, ServerError};

pub use read_client::decode;
pub use read_server::decode_server;
pub use write_client::encode_client;
pub use write_server::{encode, encode_into};

/// A frame that can not be understood. Carries the request id when it could be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct DecodeError {
    /// The request.
    pub id: Option<RequestId>,
    /// What is wrong with the frame and how it should be.
    pub message: String,
}

impl From<DecodeError> for ServerError {
    fn from(error: DecodeError) -> Self {
        Self { id: error.id, code: ErrorCode::BadRequest, message: error.message, retry_after_ms: None }
    }
}

/// Writes a field that may be absent.
fn optional<M: SerializeMap, T: Serialize>(map: &mut M, name: &str, value: Option<&T>) -> Result<(), M::Error> {
    value.map_or(Ok(()), |value| map.serialize_entry(name, value))
}

/// Reads an object. (Serde alone would also read a struct from an array of its fields.)
fn from_object<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, String> {
    if !text.trim_start().starts_with('{') {
        return Err("not a frame: a frame is one JSON object".into());
    }
    serde_json::from_str(text).map_err(|error| format!("not a frame: {error}"))
}
