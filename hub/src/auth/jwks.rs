//! Keys of an issuer, fetched from its JWKS URL: kept, renewed in the background, and looked for again when a token names
//! an unknown `kid`. However many tokens come, a URL gets one request at a time and at most one per `cooldown_s`.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::{Notify, watch};

use super::keys::{Algorithm, VerifyingKey, is_strong};
use crate::clock::Clock;

/// Most keys that are taken of one URL.
pub const KEYS_MAX: usize = 64;
/// Most unknown key ids that are remembered for one URL.
const UNKNOWN_MAX: usize = 1_024;
/// First pause after a failed fetch, in milliseconds; it doubles up to `refresh_s`.
const RETRY_FIRST_MS: u64 = 1_000;

/// How keys are fetched from URLs, as it stands under `[tokens.jwks]` in the configuration.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JwksSettings {
    /// Time between two fetches, in seconds. Default 300.
    pub refresh_s: u64,
    /// Shortest time between two fetches for unknown key ids, in seconds. Default 10.
    pub cooldown_s: u64,
    /// How long a key id that the issuer did not have is not asked for again, in seconds. Default 60.
    pub unknown_s: u64,
    /// How long a fetch may take, in milliseconds. Default 5,000.
    pub timeout_ms: u64,
    /// Largest answer, in bytes. Default 262,144.
    pub max_bytes: usize,
}

impl Default for JwksSettings {
    fn default() -> Self {
        Self { refresh_s: 300, cooldown_s: 10, unknown_s: 60, timeout_ms: 5_000, max_bytes: 256 * 1024 }
    }
}

/// Why keys could not be fetched. Logged; clients see only that the keys are unavailable.
#[derive(Debug, thiserror::Error)]
pub enum JwksError {
    /// No client, no connection, or no answer in time.
    #[error("the request failed: {0}")]
    Request(#[from] reqwest::Error),
    /// The server answered something else than 200.
    #[error("the answer was {0}")]
    Status(u16),
    /// More than the bound.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
    /// Not a key set.
    #[error("the answer is not a JSON web key set: {0}")]
    Json(#[from] serde_json::Error),
    /// A key set without a key for us.
    #[error("the key set holds no key for RS256, ES256 or EdDSA")]
    Empty,
}

/// A client that follows no redirect, so that an `https` URL stays one.
pub(super) fn client(settings: &JwksSettings) -> Result<reqwest::Client, JwksError> {
    let timeout = Duration::from_millis(settings.timeout_ms);
    let client = reqwest::Client::builder()
        .timeout(timeout)
        .connect_timeout(timeout)
        .redirect(reqwest::redirect::Policy::none())
        .pool_max_idle_per_host(1)
        .build()?;
    Ok(client)
}

/// One URL and what it gave.
#[derive(Debug)]
pub(super) struct JwksSource {
    url: String,
    settings: JwksSettings,
    keys: ArcSwap<Vec<VerifyingKey>>,
    /// Whether the last fetch failed, or none has ended yet.
    away: AtomicBool,
    /// Held for a few instructions by a fetch that begins or ends and by a token with an unknown `kid`.
    state: Mutex<State>,
    asked: Notify,
    rounds: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    fetching: bool,
    /// When a fetch for an unknown key id may begin again.
    again_at_ms: u64,
    /// Key ids that the issuer did not have, and until when that is believed.
    unknown: HashMap<String, u64>,
}

impl JwksSource {
    pub(super) fn new(url: &str, settings: JwksSettings) -> Self {
        Self {
            url: url.to_owned(),
            settings,
            keys: ArcSwap::default(),
            away: AtomicBool::new(true),
            // The first fetch begins by itself; who comes before it ends waits for it.
            state: Mutex::new(State { fetching: true, ..State::default() }),
            asked: Notify::new(),
            rounds: watch::Sender::new(0),
        }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn settings(&self) -> &JwksSettings {
        &self.settings
    }

    /// The keys at hand.
    pub(super) fn keys(&self) -> Guard<Arc<Vec<VerifyingKey>>> {
        self.keys.load()
    }

    /// Whether the keys at hand may be outdated because the issuer did not answer.
    pub(super) fn is_away(&self) -> bool {
        self.away.load(Ordering::Relaxed)
    }

    /// Fetches at once and then again and again. Never ends.
    pub(super) async fn keep_fresh(&self, client: &reqwest::Client, clock: &Clock) {
        let mut retry_ms = RETRY_FIRST_MS;
        loop {
            let pause_ms = match self.refresh(client, clock).await {
                Ok(()) => {
                    retry_ms = RETRY_FIRST_MS;
                    self.settings.refresh_s.saturating_mul(1_000)
                }
                Err(error) => {
                    tracing::warn!(url = %self.url, %error, "keys could not be fetched, the known ones stay");
                    let pause_ms = retry_ms.min(self.settings.refresh_s.saturating_mul(1_000));
                    retry_ms = retry_ms.saturating_mul(2);
                    pause_ms
                }
            };
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(pause_ms)) => {}
                () = self.asked.notified() => {}
            }
        }
    }

    /// Waits for keys that are not at hand: for the fetch under way, or for one that begins now if it may.
    pub(super) async fn look_for(&self, kid: Option<&str>, now_ms: u64) {
        let mut rounds = self.rounds.subscribe();
        if !self.may_wait(kid, now_ms) {
            return;
        }
        // A fetch ends in time by itself. The bound is for a node whose background task does not run.
        let bound = Duration::from_millis(self.settings.timeout_ms.saturating_add(1_000));
        let _ = tokio::time::timeout(bound, rounds.changed()).await;
    }

    /// Remembers that the issuer does not have this key.
    pub(super) fn note_unknown(&self, kid: Option<&str>, now_ms: u64) {
        let Some(kid) = kid else { return };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.unknown.len() >= UNKNOWN_MAX {
            state.unknown.retain(|_, until| *until > now_ms);
        }
        if state.unknown.len() < UNKNOWN_MAX {
            let until_ms = now_ms.saturating_add(self.settings.unknown_s.saturating_mul(1_000));
            state.unknown.entry(kid.to_owned()).or_insert(until_ms);
        }
    }

    fn may_wait(&self, kid: Option<&str>, now_ms: u64) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let believed_unknown = kid.is_some_and(|kid| state.unknown.get(kid).is_some_and(|until| *until > now_ms));
        if believed_unknown {
            return false;
        }
        if state.fetching {
            return true;
        }
        // Without a `kid` nothing says that the issuer has new keys: only a first set is worth a request.
        let worth = kid.is_some() || self.keys.load().is_empty();
        if !worth || now_ms < state.again_at_ms {
            return false;
        }
        self.begin(&mut state, now_ms);
        self.asked.notify_one();
        true
    }

    fn begin(&self, state: &mut State, now_ms: u64) {
        state.fetching = true;
        state.again_at_ms = now_ms.saturating_add(self.settings.cooldown_s.saturating_mul(1_000));
    }

    async fn refresh(&self, client: &reqwest::Client, clock: &Clock) -> Result<(), JwksError> {
        self.begin(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner), clock.now_ms());
        let fetched = self.fetch(client).await;
        self.away.store(fetched.is_err(), Ordering::Relaxed);
        let outcome = fetched.map(|keys| {
            tracing::debug!(url = %self.url, keys = keys.len(), "keys fetched");
            self.keys.store(Arc::new(keys));
        });
        {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.fetching = false;
            let keys = self.keys.load();
            state.unknown.retain(|kid, _| !keys.iter().any(|key| key.kid.as_ref() == Some(kid)));
        }
        self.rounds.send_modify(|round| *round += 1);
        outcome
    }

    async fn fetch(&self, client: &reqwest::Client) -> Result<Vec<VerifyingKey>, JwksError> {
        let mut response = client.get(&self.url).header("accept", "application/json").send().await?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(JwksError::Status(response.status().as_u16()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if body.len() + chunk.len() > self.settings.max_bytes {
                return Err(JwksError::TooLarge(self.settings.max_bytes));
            }
            body.extend_from_slice(&chunk);
        }
        read_keys(&body)
    }
}

/// Takes what the hub can use and leaves the rest: issuers publish keys for others in the same set.
fn read_keys(body: &[u8]) -> Result<Vec<VerifyingKey>, JwksError> {
    #[derive(Deserialize)]
    struct Set<'a> {
        #[serde(borrow)]
        keys: Vec<&'a RawValue>,
    }
    let set: Set<'_> = serde_json::from_slice(body)?;
    let readable = set.keys.iter().filter_map(|raw| serde_json::from_str::<Jwk>(raw.get()).ok());
    let keys: Vec<_> = readable.filter_map(|jwk| read_key(&jwk)).take(KEYS_MAX).collect();
    if keys.is_empty() { Err(JwksError::Empty) } else { Ok(keys) }
}

/// `oct` keys are refused: a secret that is published is none.
fn read_key(jwk: &Jwk) -> Option<VerifyingKey> {
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => Algorithm::ES256,
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
        _ => return None,
    };
    let for_signatures = matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
    let same = jwk.common.key_algorithm.is_none_or(|stated| stated == KeyAlgorithm::from(algorithm.jwa()));
    let key = DecodingKey::from_jwk(jwk).ok()?;
    let usable = for_signatures && same && is_strong(algorithm, &key);
    usable.then(|| VerifyingKey { kid: jwk.common.key_id.clone(), algorithm, key })
}

#[cfg(test)]
mod tests;
