//! The verifier: a token in, an identity or the reason why not out. On the way of a known key nothing waits.
//! The signature is the library's work; what the claims must say is decided here, by the clock that is handed in.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hubbub_protocol::channel::{TenantId, UserId};
use jsonwebtoken::DecodingKey;
use serde::de::DeserializeSeed;

use super::claims::{Claims, ClaimsSeed, Head, KEY_ID_MAX, TOKEN_ID_MAX};
use super::error::AuthError;
use super::identity::Identity;
use super::jwks::{self, JwksError};
use super::keys::{Algorithm, KeyRules};
use super::ring::{KeyRing, TokenSettings};
use crate::clock::Clock;

/// Longest token, in bytes. 256 capabilities fit; the frame that carries it may be larger.
pub const TOKEN_MAX: usize = 8 * 1024;

/// Judges tokens.
pub struct Verifier {
    ring: ArcSwap<KeyRing>,
    clock: Arc<Clock>,
    reloaded: tokio::sync::Notify,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
    }
}

impl Verifier {
    /// Judges by these keys and this clock.
    pub fn new(ring: KeyRing, clock: Arc<Clock>) -> Self {
        Self { ring: ArcSwap::from_pointee(ring), clock, reloaded: tokio::sync::Notify::new() }
    }

    /// Judges by other keys from now on. Sessions that exist are not touched.
    pub fn reload(&self, mut ring: KeyRing) {
        ring.adopt(&self.ring.load());
        self.ring.store(Arc::new(ring));
        self.reloaded.notify_one();
    }

    /// Judges a token. Waits only when its key is not known and a URL may have it.
    pub async fn verify(&self, token: &str) -> Result<Identity, AuthError> {
        match self.verify_now(token) {
            Err(AuthError::UnknownKey) => self.verify_after_fetch(token).await,
            judged => judged,
        }
    }

    /// Judges a token by the keys at hand. [`AuthError::UnknownKey`] may change when keys are fetched.
    pub fn verify_now(&self, token: &str) -> Result<Identity, AuthError> {
        let ring = self.ring.load();
        let parts = Parts::split(token)?;
        let head = decode(parts.head)?;
        let head = read_head(&head)?;
        let algorithm = algorithm(&head.alg)?;
        let mut reason = None;
        let (identity, named) = ring.keys.find(head.kid.as_deref(), algorithm, |key, rules| {
            match self.judge(&ring, &parts, algorithm, key, rules) {
                Ok(identity) => Some(identity),
                Err(why) => {
                    // A wrong signature says less than what a key that fits had against the claims.
                    if reason.is_none() || why != AuthError::Signature {
                        reason = Some(why);
                    }
                    None
                }
            }
        });
        match (identity, reason) {
            (Some(identity), _) => Ok(identity),
            (None, Some(AuthError::Signature)) if !named && !ring.keys.remote.is_empty() => Err(AuthError::UnknownKey),
            (None, reason) => Err(reason.unwrap_or(AuthError::UnknownKey)),
        }
    }

    /// Keeps the keys of all URLs fresh. Never ends; runs once, on the runtime that may make requests.
    pub async fn keep_keys_fresh(&self) -> Result<std::convert::Infallible, JwksError> {
        loop {
            let sources = self.ring.load().sources();
            if sources.is_empty() {
                self.reloaded.notified().await;
                continue;
            }
            let client = jwks::client(&self.ring.load().settings.jwks)?;
            let rounds = sources.iter().map(|source| source.keep_fresh(&client, &self.clock));
            tokio::select! {
                _ = futures_util::future::join_all(rounds) => {}
                () = self.reloaded.notified() => {}
            }
        }
    }

    #[cold]
    async fn verify_after_fetch(&self, token: &str) -> Result<Identity, AuthError> {
        let sources = self.ring.load().sources();
        if sources.is_empty() {
            return Err(AuthError::UnknownKey);
        }
        let head = decode(Parts::split(token)?.head)?;
        let kid = read_head(&head)?.kid.map(std::borrow::Cow::into_owned);
        let now_ms = self.clock.now_ms();
        let kid = kid.as_deref();
        futures_util::future::join_all(sources.iter().map(|source| source.look_for(kid, now_ms))).await;
        match self.verify_now(token) {
            Err(AuthError::UnknownKey) if sources.iter().any(|source| source.is_away()) => {
                Err(AuthError::KeysUnavailable)
            }
            Err(AuthError::UnknownKey) => {
                sources.iter().for_each(|source| source.note_unknown(kid, now_ms));
                Err(AuthError::UnknownKey)
            }
            judged => judged,
        }
    }

    fn judge(
        &self,
        ring: &KeyRing,
        parts: &Parts<'_>,
        algorithm: Algorithm,
        key: &DecodingKey,
        rules: &KeyRules,
    ) -> Result<Identity, AuthError> {
        let proven = jsonwebtoken::crypto::verify(parts.signature, parts.signed.as_bytes(), key, algorithm.jwa());
        if !proven.unwrap_or(false) {
            return Err(AuthError::Signature);
        }
        let payload = decode(parts.payload)?;
        let claims = read_claims(&payload, &ring.settings.tenant_claim)?;
        identify(claims, rules, ring, self.clock.now_ms())
    }
}

/// The three parts of a token. `signed` is what the signature covers.
struct Parts<'a> {
    head: &'a str,
    payload: &'a str,
    signature: &'a str,
    signed: &'a str,
}

impl<'a> Parts<'a> {
    fn split(token: &'a str) -> Result<Self, AuthError> {
        const SHAPE: AuthError = AuthError::Malformed("it has three parts with dots between them");
        if token.len() > TOKEN_MAX {
            return Err(AuthError::TooLong { max: TOKEN_MAX });
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(SHAPE)?;
        let (head, payload) = signed.split_once('.').ok_or(SHAPE)?;
        if payload.contains('.') { Err(SHAPE) } else { Ok(Self { head, payload, signature, signed }) }
    }
}

fn decode(part: &str) -> Result<Vec<u8>, AuthError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| AuthError::Malformed("its parts are base64url without padding"))
}

fn read_head(json: &[u8]) -> Result<Head<'_>, AuthError> {
    let head: Head<'_> =
        serde_json::from_slice(json).map_err(|_| AuthError::Malformed("its first part is a JSON object with `alg`"))?;
    if head.crit.is_some() {
        return Err(AuthError::Malformed("it demands extensions (`crit`) that the hub does not have"));
    }
    if head.kid.as_ref().is_some_and(|kid| kid.len() > KEY_ID_MAX) {
        return Err(AuthError::Malformed("its `kid` is too long"));
    }
    Ok(head)
}

fn algorithm(name: &str) -> Result<Algorithm, AuthError> {
    match name {
        "HS256" => Ok(Algorithm::HS256),
        "HS384" => Ok(Algorithm::HS384),
        "HS512" => Ok(Algorithm::HS512),
        "RS256" => Ok(Algorithm::RS256),
        "ES256" => Ok(Algorithm::ES256),
        "EdDSA" => Ok(Algorithm::EdDSA),
        _ => Err(AuthError::Algorithm),
    }
}

fn read_claims<'a>(json: &'a [u8], tenant_claim: &str) -> Result<Claims<'a>, AuthError> {
    let mut reader = serde_json::Deserializer::from_slice(json);
    let claims = ClaimsSeed { tenant_claim }.deserialize(&mut reader);
    claims.and_then(|claims| reader.end().map(|()| claims)).map_err(|error| AuthError::Claims(error.to_string()))
}

/// Decides by the claims of a proven token who it stands for.
fn identify(claims: Claims<'_>, rules: &KeyRules, ring: &KeyRing, now_ms: u64) -> Result<Identity, AuthError> {
    if rules.issuer.is_some() && rules.issuer.as_deref() != claims.iss.as_deref() {
        return Err(AuthError::Issuer);
    }
    if !rules.audience.is_empty() && !claims.aud.iter().any(|aud| rules.audience.iter().any(|own| own == aud)) {
        return Err(AuthError::Audience);
    }
    let expires_at_ms = check_times(&claims, &ring.settings, now_ms)?;
    let tenant = tenant_of(&claims, rules, ring)?;
    let user = claims.sub.ok_or_else(|| AuthError::Claims("`sub` is missing, it names the user".into()))?;
    let token_id = match claims.jti {
        Some(jti) if jti.is_empty() || jti.len() > TOKEN_ID_MAX => {
            return Err(AuthError::Claims(format!("`jti` has 1 to {TOKEN_ID_MAX} bytes")));
        }
        jti => jti.map(|jti| Arc::from(&*jti)),
    };
    Ok(Identity {
        tenant,
        user: Some(UserId::parse(&user).map_err(AuthError::Subject)?),
        token_id,
        issued_at: claims.iat.unwrap_or(0),
        expires_at_ms,
        grants: claims.grants,
    })
}

/// Answers when the session must end: at `exp`. A token that gets in by the leeway alone ends with the leeway.
fn check_times(claims: &Claims<'_>, settings: &TokenSettings, now_ms: u64) -> Result<u64, AuthError> {
    let leeway_ms = settings.leeway_s.saturating_mul(1_000);
    let exp = claims.exp.ok_or_else(|| AuthError::Claims("`exp` is missing, tokens must expire".into()))?;
    let exp_ms = exp.saturating_mul(1_000);
    if exp_ms.saturating_add(leeway_ms) <= now_ms {
        return Err(AuthError::Expired);
    }
    let latest_ms = now_ms.saturating_add(leeway_ms);
    if exp_ms > latest_ms.saturating_add(settings.max_ttl_s.saturating_mul(1_000)) {
        return Err(AuthError::LivesTooLong { max_s: settings.max_ttl_s });
    }
    let begins = [claims.nbf, claims.iat].into_iter().flatten();
    if begins.into_iter().any(|begin| begin.saturating_mul(1_000) > latest_ms) {
        return Err(AuthError::NotYet);
    }
    Ok(if exp_ms > now_ms { exp_ms } else { exp_ms.saturating_add(leeway_ms) })
}

fn tenant_of(claims: &Claims<'_>, rules: &KeyRules, ring: &KeyRing) -> Result<TenantId, AuthError> {
    let tenant = match (&rules.tenant, claims.tenant.as_deref()) {
        (Some(bound), None) => bound.clone(),
        (Some(bound), Some(named)) if bound.as_str() == named => bound.clone(),
        (Some(_), Some(_)) => return Err(AuthError::Tenant),
        (None, Some(named)) => TenantId::parse(named).map_err(|_| AuthError::Tenant)?,
        (None, None) => ring.settings.default_tenant.clone().ok_or(AuthError::Tenant)?,
    };
    if ring.tenants.contains(&tenant) { Ok(tenant) } else { Err(AuthError::Tenant) }
}

#[cfg(test)]
mod tests;
