//! An operation as it comes over HTTP: its name in the path, its fields and `as` in the body, its key in either.

use hubbub_protocol::channel::UserId;
use hubbub_protocol::room::{Op, RoomRequest};
use hubbub_protocol::{ErrorCode, Key};
use serde_json::{Map, Value};

use super::error::{RoomError, refusal};

/// What stands in a request.
#[derive(Clone, PartialEq, Debug)]
pub struct HttpRequest {
    /// The operation.
    pub request: RoomRequest,
    /// The user for whom a service acts.
    pub user: Option<UserId>,
}

impl HttpRequest {
    /// Reads it. An empty body is one without fields.
    pub fn parse(op: &str, body: &[u8], key: Option<Key>) -> Result<Self, RoomError> {
        let bad = |message: String| RoomError::from(refusal(ErrorCode::BadRequest, message));
        if !Op::NAMES.contains(&op) {
            let message = format!("there is no operation `{op}`; there are: {}", Op::NAMES.join(", "));
            return Err(refusal(ErrorCode::NotFound, message).into());
        }
        let mut fields: Map<String, Value> = match body {
            [] => Map::new(),
            body => {
                serde_json::from_slice(body).map_err(|error| bad(format!("the body is not a JSON object: {error}")))?
            }
        };
        let user = match fields.remove("as") {
            None | Some(Value::Null) => None,
            Some(Value::String(user)) => Some(UserId::parse(&user).map_err(|error| bad(format!("`as`: {error}")))?),
            Some(_) => return Err(bad("`as` is a user".into())),
        };
        fields.insert("op".into(), op.into());
        let mut request: RoomRequest =
            serde_json::from_value(Value::Object(fields)).map_err(|error| bad(format!("`{op}`: {error}")))?;
        match (&request.key, key) {
            (Some(body), Some(header)) if *body != header => {
                return Err(bad("`Idempotency-Key` and `key` of the body differ; send one of them".into()));
            }
            (None, header) => request.key = header,
            _ => {}
        }
        Ok(Self { request, user })
    }
}
