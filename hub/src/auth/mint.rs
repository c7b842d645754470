//! Minting: signs tokens for development, for the command line and for tests. The hub itself never needs one.

use std::collections::BTreeMap;

use jsonwebtoken::{EncodingKey, Header};
use serde::Serialize;

use super::keys::TokenKeySettings;

/// What a token shall say.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TokenDraft {
    /// The user.
    pub sub: String,
    /// When it is signed, in seconds since 1970.
    pub iat: u64,
    /// When it expires, in seconds since 1970.
    pub exp: u64,
    /// Its id, by which it can be revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
    /// Capabilities: patterns and operations. `None`: the defaults of the namespaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow: Option<BTreeMap<String, Vec<String>>>,
    /// Other claims, e.g. the one that names the tenant.
    #[serde(flatten)]
    pub others: BTreeMap<String, String>,
}

/// Why a token can not be signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MintError {
    /// A public key can only prove.
    #[error("tokens can be signed only with a secret of HS256, HS384 or HS512")]
    NoSecret,
    /// The library refused.
    #[error("the token can not be signed: {0}")]
    Signing(String),
}

impl TokenDraft {
    /// Signs the token with the secret of a key; `iss` and `aud` become what the key demands.
    pub fn sign(mut self, key: &TokenKeySettings) -> Result<String, MintError> {
        let (Some(algorithm), Some(secret)) = (key.algorithm.filter(|a| a.is_symmetric()), &key.secret) else {
            return Err(MintError::NoSecret);
        };
        let demanded = [("iss", key.issuer.as_ref()), ("aud", key.audience.first())];
        for (claim, value) in demanded {
            if let Some(value) = value {
                self.others.insert(claim.to_owned(), value.clone());
            }
        }
        let header = Header { kid: key.kid.clone(), ..Header::new(algorithm.jwa()) };
        jsonwebtoken::encode(&header, &self, &EncodingKey::from_secret(secret.expose().as_bytes()))
            .map_err(|error| MintError::Signing(error.to_string()))
    }
}
