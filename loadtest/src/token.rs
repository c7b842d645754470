//! Makes tokens locally, as a platform's own login service would.

use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde::Serialize;

use crate::LoadError;

#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    iat: u64,
    exp: u64,
}

/// Signs tokens with a shared secret (HS256).
pub struct TokenMaker {
    key: EncodingKey,
    header: Header,
}

impl std::fmt::Debug for TokenMaker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenMaker")
    }
}

impl TokenMaker {
    /// A maker with this secret, whose tokens name `kid`; nothing if it is empty.
    pub fn new(secret: &str, kid: &str) -> Self {
        let kid = (!kid.is_empty()).then(|| kid.to_owned());
        let header = Header { kid, ..Header::new(Algorithm::HS256) };
        Self { key: EncodingKey::from_secret(secret.as_bytes()), header }
    }

    /// A token for the user, valid for an hour.
    pub fn token(&self, user: &str) -> Result<String, LoadError> {
        self.token_for(user, 3_600)
    }

    /// A token for the user, valid for so many seconds; a hub takes at most a day.
    pub fn token_for(&self, user: &str, seconds: u64) -> Result<String, LoadError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let claims = Claims { sub: user, iat: now, exp: now + seconds };
        encode(&self.header, &claims, &self.key).map_err(|error| LoadError::Start(format!("token: {error}")))
    }
}
