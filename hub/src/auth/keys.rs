//! Keys that prove tokens: their settings, how they are read, and the ring that finds the ones which fit a token.
//! Knows no claims and makes no request; keys of a JWKS URL come from [`super::jwks`].

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey};
use hubbub_protocol::channel::TenantId;
use jsonwebtoken::{AlgorithmFamily, DecodingKey, DecodingKeyKind};
use serde::{Deserialize, Serialize};

use super::jwks::JwksSource;
use super::secret::Secret;

/// Shortest secret of an HMAC key, in bytes: what SHA-256 gives.
pub const SECRET_MIN_BYTES: usize = 32;

/// Most keys that one token is tried with. An issuer that signs without `kid` needs fewer keys than this.
pub const CANDIDATES_MAX: usize = 16;

/// How a token is signed. Fixed for each key, so that a token can not choose.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are those of RFC 7518 and RFC 8037")]
pub enum Algorithm {
    HS256,
    HS384,
    HS512,
    RS256,
    ES256,
    EdDSA,
}

impl Algorithm {
    /// The same in the words of the library that does the cryptography.
    pub(super) fn jwa(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::HS256 => jsonwebtoken::Algorithm::HS256,
            Self::HS384 => jsonwebtoken::Algorithm::HS384,
            Self::HS512 => jsonwebtoken::Algorithm::HS512,
            Self::RS256 => jsonwebtoken::Algorithm::RS256,
            Self::ES256 => jsonwebtoken::Algorithm::ES256,
            Self::EdDSA => jsonwebtoken::Algorithm::EdDSA,
        }
    }

    /// Whether both ends hold the same secret.
    pub fn is_symmetric(self) -> bool {
        self.jwa().family() == AlgorithmFamily::Hmac
    }
}

/// One key, or one URL of keys, as it stands in the configuration. Exactly one source is set.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TokenKeySettings {
    /// The id that tokens name in `kid`. Without it the key is tried for every token of its algorithm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
    /// How tokens are signed. Needed, except with `jwks_url`, where it narrows what is taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<Algorithm>,
    /// The shared secret of HS256, HS384 and HS512, at least 32 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
    /// A file that holds it (one line break at its end is not part of it).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_file: Option<PathBuf>,
    /// The public key of RS256, ES256 and EdDSA, as PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
    /// A file that holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_key_file: Option<PathBuf>,
    /// Where the issuer publishes its keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks_url: Option<String>,
    /// The `iss` that tokens must have. Default: not looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// One of these must be in `aud`. Default: not looked at.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub audience: Vec<String>,
}

/// Why a key can not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No source of the key, or more than one.
    #[error("set exactly one of secret, secret_file, public_key, public_key_file and jwks_url")]
    Source,
    /// Nothing says how tokens are signed.
    #[error("set algorithm to HS256, HS384, HS512, RS256, ES256 or EdDSA")]
    NoAlgorithm,
    /// A secret for a public-key algorithm or the other way round.
    #[error("HS256, HS384 and HS512 need secret or secret_file, the other algorithms public_key or public_key_file")]
    Family,
    /// Too short to be safe.
    #[error("the secret must have at least {SECRET_MIN_BYTES} bytes; `openssl rand -base64 48` makes one")]
    ShortSecret,
    /// The private half does not belong here.
    #[error("this is a private key; the hub needs the public one only")]
    Private,
    /// Not PEM, or of another kind.
    #[error("public_key must be the PEM of a public key of this algorithm (RSA of 2,048 bits or more, P-256, Ed25519)")]
    Pem,
}

/// A key that can prove a token.
#[derive(Clone, Debug)]
pub(super) struct VerifyingKey {
    pub(super) kid: Option<String>,
    pub(super) algorithm: Algorithm,
    pub(super) key: DecodingKey,
}

/// What holds for every token that a key proves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct KeyRules {
    /// The tenant that the key is bound to.
    pub(super) tenant: Option<TenantId>,
    pub(super) issuer: Option<String>,
    pub(super) audience: Vec<String>,
}

/// The keys of one URL, and what holds for them.
#[derive(Clone, Debug)]
pub(super) struct RemoteKeys {
    pub(super) source: Arc<JwksSource>,
    pub(super) algorithm: Option<Algorithm>,
    pub(super) rules: Arc<KeyRules>,
}

/// Every key, in the order of the configuration.
#[derive(Debug, Default)]
pub(super) struct Keys {
    local: Vec<(VerifyingKey, Arc<KeyRules>)>,
    /// Where the keys of a `kid` stand in `local`.
    by_kid: HashMap<String, Vec<usize>>,
    pub(super) remote: Vec<RemoteKeys>,
}

impl TokenKeySettings {
    /// Reads the key; `None` for a URL of keys. Files must have been read into `secret` and `public_key` before.
    pub(super) fn verifying_key(&self) -> Result<Option<VerifyingKey>, KeyError> {
        let sources = [self.secret.is_some(), self.public_key.is_some(), self.jwks_url.is_some()];
        if sources.into_iter().filter(|set| *set).count() != 1 {
            return Err(KeyError::Source);
        }
        if self.jwks_url.is_some() {
            return Ok(None);
        }
        let algorithm = self.algorithm.ok_or(KeyError::NoAlgorithm)?;
        let key = match (&self.secret, &self.public_key) {
            (Some(secret), None) if algorithm.is_symmetric() => hmac_key(secret)?,
            (None, Some(pem)) if !algorithm.is_symmetric() => public_key(algorithm, pem)?,
            _ => return Err(KeyError::Family),
        };
        Ok(Some(VerifyingKey { kid: self.kid.clone(), algorithm, key }))
    }

    /// Checks that the key can be used.
    pub fn check(&self) -> Result<(), KeyError> {
        self.verifying_key().map(|_| ())
    }
}

impl Keys {
    pub(super) fn insert(&mut self, key: VerifyingKey, rules: Arc<KeyRules>) {
        if let Some(kid) = &key.kid {
            self.by_kid.entry(kid.clone()).or_default().push(self.local.len());
        }
        self.local.push((key, rules));
    }

    /// Calls `try_one` with each key that fits until it answers `Some`. With a `kid`: the keys of that id, then those
    /// without one; otherwise all of that algorithm. Also answers whether a key of that id was there.
    pub(super) fn find<T>(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
        mut try_one: impl FnMut(&DecodingKey, &KeyRules) -> Option<T>,
    ) -> (Option<T>, bool) {
        let (mut tried, mut named) = (0, false);
        let mut offer = |key: &VerifyingKey, rules: &KeyRules| {
            if key.algorithm != algorithm || tried == CANDIDATES_MAX {
                return None;
            }
            tried += 1;
            named |= key.kid.as_deref() == kid;
            try_one(&key.key, rules)
        };
        let of_kid = kid.and_then(|kid| self.by_kid.get(kid)).into_iter().flatten().map(|at| &self.local[*at]);
        let others = self.local.iter().filter(|(key, _)| kid.is_none() || key.kid.is_none());
        let mut found = of_kid.chain(others).find_map(|(key, rules)| offer(key, rules));
        let fitting = self.remote.iter().filter(|remote| remote.algorithm.is_none_or(|only| only == algorithm));
        for remote in fitting {
            if found.is_some() {
                break;
            }
            let keys = remote.source.keys();
            let mut of_kid = keys.iter().filter(|key| kid.is_none() || key.kid.as_deref() == kid);
            found = of_kid.find_map(|key| offer(key, &remote.rules));
        }
        (found, named)
    }
}

fn hmac_key(secret: &Secret) -> Result<DecodingKey, KeyError> {
    let bytes = secret.expose().as_bytes();
    if bytes.len() < SECRET_MIN_BYTES { Err(KeyError::ShortSecret) } else { Ok(DecodingKey::from_secret(bytes)) }
}

fn public_key(algorithm: Algorithm, pem: &str) -> Result<DecodingKey, KeyError> {
    if pem.contains("PRIVATE KEY-----") {
        return Err(KeyError::Private);
    }
    // The library takes certificates too, but finds the wrong bits in them.
    if !pem.contains("PUBLIC KEY-----") {
        return Err(KeyError::Pem);
    }
    let key = match algorithm {
        Algorithm::RS256 => DecodingKey::from_rsa_pem(pem.as_bytes()),
        Algorithm::ES256 => DecodingKey::from_ec_pem(pem.as_bytes()),
        Algorithm::EdDSA => DecodingKey::from_ed_pem(pem.as_bytes()),
        Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => return Err(KeyError::Family),
    };
    let key = key.map_err(|_| KeyError::Pem)?;
    if is_strong(algorithm, &key) { Ok(key) } else { Err(KeyError::Pem) }
}

/// Whether a public key is one of its algorithm and large enough. The library would notice only when a token comes.
pub(super) fn is_strong(algorithm: Algorithm, key: &DecodingKey) -> bool {
    const MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;
    if key.family() != algorithm.jwa().family() {
        return false;
    }
    match (algorithm, key.kind()) {
        (Algorithm::RS256, DecodingKeyKind::SecretOrDer(der)) => {
            aws_lc_rs::rsa::PublicKey::from_der(der).is_ok_and(|key| MODULUS_BYTES.contains(&key.modulus_len()))
        }
        (Algorithm::RS256, DecodingKeyKind::RsaModulusExponent { n, .. }) => {
            // RFC 7518, 6.3.1.1: no leading zero.
            MODULUS_BYTES.contains(&n.len()) && n[0] != 0
        }
        (Algorithm::ES256, DecodingKeyKind::SecretOrDer(point)) => {
            ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).is_ok()
        }
        (Algorithm::EdDSA, DecodingKeyKind::SecretOrDer(point)) => ParsedPublicKey::new(&ED25519, point).is_ok(),
        _ => false,
    }
}
