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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hubbub_protocol::channel::TenantId;

    use super::*;
    use crate::auth::keys::Algorithm;
    use crate::auth::ring::{KeyRing, TokenSettings};
    use crate::auth::secret::Secret;
    use crate::auth::verifier::Verifier;
    use crate::clock::Clock;

    #[test]
    fn a_minted_token_is_what_its_key_demands() {
        let key = TokenKeySettings {
            kid: Some("k".into()),
            algorithm: Some(Algorithm::HS512),
            secret: Some(Secret::new("a secret of thirty-two bytes or more")),
            issuer: Some("https://login.example.com".into()),
            audience: vec!["hub".into(), "other".into()],
            ..TokenKeySettings::default()
        };
        let draft = TokenDraft { sub: "u1".into(), iat: 100, exp: 160, ..TokenDraft::default() };
        let token = draft.clone().sign(&key).expect("signed");
        let tenant = TenantId::parse("acme").expect("a tenant");
        let ring = KeyRing::new(TokenSettings::default(), [(&tenant, std::slice::from_ref(&key))]).expect("valid");
        let verifier = Verifier::new(ring, Arc::new(Clock::Manual(100_000.into())));
        assert_eq!(verifier.verify_now(&token).map(|identity| identity.expires_at_ms), Ok(160_000));
        let public = TokenKeySettings { algorithm: Some(Algorithm::ES256), ..key };
        assert_eq!(draft.sign(&public), Err(MintError::NoSecret));
    }
}
