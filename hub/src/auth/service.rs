//! Services and their API keys: who calls the internal API, for which tenant, and what it may do there.
//! Only hashes are kept, and compared in constant time.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use hubbub_protocol::channel::{ChannelName, TenantId};
use serde::{Deserialize, Serialize};

use super::error::AuthError;
use super::grants::ChannelPattern;
use super::secret::Secret;

/// Longest API key, in bytes.
pub const API_KEY_MAX: usize = 256;
/// Shortest API key, in bytes: a hash protects only what can not be guessed.
pub const API_KEY_MIN: usize = 24;
/// Longest id of an API key, in bytes. It stands in the scope of idempotency keys.
pub const API_KEY_ID_MAX: usize = 64;

/// What a service may do.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Publish into channels and notify users.
    Publish,
    /// Read channels: lists, history, presence.
    Read,
    /// See and disconnect users.
    Users,
    /// Revoke tokens.
    Tokens,
    /// See the node and erase messages.
    Admin,
}

impl Scope {
    /// The scope as it stands in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Read => "read",
            Self::Users => "users",
            Self::Tokens => "tokens",
            Self::Admin => "admin",
        }
    }
}

/// One API key, as it stands in the configuration. Exactly one of `secret`, `secret_file` and `sha256` is set.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApiKeySettings {
    /// Names the service in logs and in the scope of idempotency keys.
    pub id: String,
    /// The key itself, at least 24 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
    /// A file that holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_file: Option<PathBuf>,
    /// The SHA-256 of the key in hexadecimal, instead of the key itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// What the service may do.
    pub scopes: Vec<Scope>,
    /// Patterns of the channels it may touch. Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<Vec<String>>,
}

/// Why an API key can not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiKeyError {
    /// No key, or more than one.
    #[error("set exactly one of secret, secret_file and sha256")]
    Source,
    /// Easy to guess, or longer than a header should be.
    #[error("an API key has {API_KEY_MIN} to {API_KEY_MAX} bytes; `openssl rand -hex 24` makes one")]
    Length,
    /// Not a hash.
    #[error("sha256 is 64 hexadecimal digits; `printf %s \"$KEY\" | sha256sum` makes them")]
    Hash,
    /// Not an id.
    #[error("id is 1 to {API_KEY_ID_MAX} characters of a-z, A-Z, 0-9, '.', '-' and '_'")]
    Id,
    /// It could do nothing.
    #[error("scopes is empty; name some of publish, read, users, tokens, admin")]
    NoScope,
    /// A pattern of `channels` is none.
    #[error(
        "channels: `{0}` is not a pattern; it is a channel name, the beginning of one followed by `*`, or `*` alone"
    )]
    Pattern(String),
}

/// A proven service. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Service {
    tenant: TenantId,
    id: Arc<str>,
    scopes: Arc<[Scope]>,
    channels: Option<Arc<[ChannelPattern]>>,
}

impl Service {
    /// Whose service.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// The id of its API key.
    pub fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// Whether it may do such things at all.
    pub fn has(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }

    /// Patterns of the channels that it may touch; `None`: all.
    pub fn channels(&self) -> Option<&Arc<[ChannelPattern]>> {
        self.channels.as_ref()
    }

    /// Whether it may touch the channel.
    pub fn reaches(&self, channel: &ChannelName) -> bool {
        self.channels.as_ref().is_none_or(|patterns| patterns.iter().any(|pattern| pattern.matches(channel)))
    }
}

/// The hash under which an API key is kept.
pub type KeyHash = [u8; 32];

/// The hash of an API key.
pub fn hash(key: &str) -> KeyHash {
    let mut out = [0; 32];
    // SHA-256 gives 32 bytes.
    out.copy_from_slice(digest(&SHA256, key.as_bytes()).as_ref());
    out
}

impl ApiKeySettings {
    /// Checks the key and what it may do. The file must have been read into `secret` before. `short` keys pass in
    /// development only.
    pub fn service(&self, tenant: &TenantId, short: bool) -> Result<(KeyHash, Service), ApiKeyError> {
        let well_formed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        if !(1..=API_KEY_ID_MAX).contains(&self.id.len()) || !self.id.bytes().all(well_formed) {
            return Err(ApiKeyError::Id);
        }
        if self.scopes.is_empty() {
            return Err(ApiKeyError::NoScope);
        }
        let parse = |text: &String| ChannelPattern::parse(text).map_err(|_| ApiKeyError::Pattern(text.clone()));
        let channels = match &self.channels {
            Some(texts) => Some(texts.iter().map(parse).collect::<Result<Vec<_>, _>>()?.into()),
            None => None,
        };
        let scopes = self.scopes.as_slice().into();
        let service = Service { tenant: tenant.clone(), id: self.id.as_str().into(), scopes, channels };
        Ok((self.hash(short)?, service))
    }

    fn hash(&self, short: bool) -> Result<KeyHash, ApiKeyError> {
        match (&self.secret, &self.sha256) {
            (Some(secret), None) => {
                let length = secret.expose().len();
                let least = if short { 1 } else { API_KEY_MIN };
                if (least..=API_KEY_MAX).contains(&length) {
                    Ok(hash(secret.expose()))
                } else {
                    Err(ApiKeyError::Length)
                }
            }
            (None, Some(hex)) => unhex(hex).ok_or(ApiKeyError::Hash),
            _ => Err(ApiKeyError::Source),
        }
    }
}

fn unhex(text: &str) -> Option<KeyHash> {
    let mut out = [0; 32];
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (at, byte) in out.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).ok()?;
    }
    Some(out)
}

/// All API keys of the node. Replaced as a whole on a reload.
pub struct ApiKeys(ArcSwap<Table>);

/// By the first eight bytes of the hash; the rest is compared in constant time.
type Table = HashMap<[u8; 8], Vec<(KeyHash, Service)>>;

impl fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ApiKeys").field(&self.0.load().len()).finish()
    }
}

impl ApiKeys {
    /// Takes the services with the hashes of their keys.
    pub fn new(services: Vec<(KeyHash, Service)>) -> Self {
        Self(ArcSwap::from_pointee(table(services)))
    }

    /// Takes others instead.
    pub fn reload(&self, services: Vec<(KeyHash, Service)>) {
        self.0.store(Arc::new(table(services)));
    }

    /// Whose API key this is.
    pub fn authenticate(&self, key: &str) -> Result<Service, AuthError> {
        if key.len() > API_KEY_MAX {
            return Err(AuthError::ApiKey);
        }
        let hash = hash(key);
        let table = self.0.load();
        let candidates = table.get(&bucket(&hash)).ok_or(AuthError::ApiKey)?;
        let found = candidates.iter().find(|(own, _)| verify_slices_are_equal(own, &hash).is_ok());
        found.map(|(_, service)| service.clone()).ok_or(AuthError::ApiKey)
    }
}

fn table(services: Vec<(KeyHash, Service)>) -> Table {
    let mut table = Table::new();
    for (hash, service) in services {
        table.entry(bucket(&hash)).or_default().push((hash, service));
    }
    table
}

fn bucket(hash: &KeyHash) -> [u8; 8] {
    let mut first = [0; 8];
    first.copy_from_slice(&hash[..8]);
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "a-key-that-is-long-enough-to-be-one";

    fn settings() -> ApiKeySettings {
        ApiKeySettings {
            id: "billing".into(),
            secret: Some(Secret::new(KEY)),
            scopes: vec![Scope::Publish],
            channels: Some(vec!["live:*".into()]),
            ..ApiKeySettings::default()
        }
    }

    fn tenant() -> TenantId {
        TenantId::parse("acme").expect("a tenant")
    }

    #[test]
    fn a_key_names_its_service_and_no_other_text_does() {
        let keys = ApiKeys::new(vec![settings().service(&tenant(), false).expect("valid")]);
        let service = keys.authenticate(KEY).expect("its own key");
        assert_eq!((service.tenant(), &**service.id()), (&tenant(), "billing"));
        assert!(service.has(Scope::Publish) && !service.has(Scope::Admin));
        assert!(service.reaches(&ChannelName::parse("live:a").expect("valid")));
        assert!(!service.reaches(&ChannelName::parse("chat:a").expect("valid")));
        for wrong in ["", "billing", &KEY[1..], &KEY.to_uppercase(), &KEY.repeat(100)] {
            assert_eq!(keys.authenticate(wrong), Err(AuthError::ApiKey), "{wrong:.40}");
        }
    }

    #[test]
    fn a_hash_does_as_well_as_the_key() {
        let hex = hash(KEY).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let hashed = ApiKeySettings { secret: None, sha256: Some(hex), ..settings() };
        let keys = ApiKeys::new(vec![hashed.service(&tenant(), false).expect("valid")]);
        assert!(keys.authenticate(KEY).is_ok());
    }

    #[test]
    fn the_whole_hash_counts() {
        let (mut hash, service) = settings().service(&tenant(), false).expect("valid");
        hash[31] ^= 1;
        assert_eq!(ApiKeys::new(vec![(hash, service)]).authenticate(KEY), Err(AuthError::ApiKey));
    }

    #[test]
    fn a_reload_replaces_every_key() {
        let keys = ApiKeys::new(vec![settings().service(&tenant(), false).expect("valid")]);
        let other = ApiKeySettings { secret: Some(Secret::new(KEY.to_uppercase())), ..settings() };
        keys.reload(vec![other.service(&tenant(), false).expect("valid")]);
        assert_eq!(keys.authenticate(KEY), Err(AuthError::ApiKey));
        assert!(keys.authenticate(&KEY.to_uppercase()).is_ok());
    }

    #[test]
    fn settings_that_can_not_be_are_refused() {
        let base = settings();
        let none = ApiKeySettings { secret: None, ..base.clone() };
        let table = [
            (none.clone(), ApiKeyError::Source),
            (ApiKeySettings { sha256: Some("00".repeat(32)), ..base.clone() }, ApiKeyError::Source),
            (ApiKeySettings { sha256: Some("zz".repeat(32)), ..none.clone() }, ApiKeyError::Hash),
            (ApiKeySettings { sha256: Some("00".repeat(31)), ..none }, ApiKeyError::Hash),
            (ApiKeySettings { secret: Some(Secret::new("dev-key")), ..base.clone() }, ApiKeyError::Length),
            (ApiKeySettings { id: "a/b".into(), ..base.clone() }, ApiKeyError::Id),
            (ApiKeySettings { scopes: vec![], ..base.clone() }, ApiKeyError::NoScope),
            (ApiKeySettings { channels: Some(vec!["a*b".into()]), ..base.clone() }, ApiKeyError::Pattern("a*b".into())),
        ];
        for (settings, expected) in table {
            assert_eq!(settings.service(&tenant(), false).map(|_| ()), Err(expected));
        }
        assert!(!format!("{base:?}").contains(KEY));
    }
}
