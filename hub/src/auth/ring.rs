//! The key ring: everything by which tokens are judged at one moment: keys, tenants and rules. Judges nothing itself.

use std::collections::HashSet;
use std::sync::Arc;

use hubbub_protocol::channel::TenantId;
use serde::{Deserialize, Serialize};

use super::claims::RESERVED;
use super::jwks::{JwksSettings, JwksSource};
use super::keys::{KeyError, KeyRules, Keys, RemoteKeys, TokenKeySettings};

/// The longest life that the configuration may grant a token, in seconds: a day.
pub const TTL_MAX_S: u64 = 86_400;

/// What tokens must look like, as it stands under `[tokens]` in the configuration.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TokenSettings {
    /// How far the clocks of issuers may be off, in seconds. Default 30.
    pub leeway_s: u64,
    /// How far in the future `exp` may be, in seconds. Default 86,400, which is also the most.
    pub max_ttl_s: u64,
    /// The claim that names the tenant. Default `tenant`.
    pub tenant_claim: String,
    /// The tenant of tokens without that claim whose key is not bound to a tenant. Default none: they are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_tenant: Option<TenantId>,
    /// Keys that are not bound to a tenant.
    pub keys: Vec<TokenKeySettings>,
    /// How keys are fetched from URLs.
    pub jwks: JwksSettings,
}

impl Default for TokenSettings {
    fn default() -> Self {
        Self {
            leeway_s: 30,
            max_ttl_s: TTL_MAX_S,
            tenant_claim: "tenant".into(),
            default_tenant: None,
            keys: Vec::new(),
            jwks: JwksSettings::default(),
        }
    }
}

/// Whether a claim of this name may name the tenant.
pub fn may_name_tenant(claim: &str) -> bool {
    !claim.is_empty() && !RESERVED.contains(&claim)
}

/// Keys, tenants and rules of one moment. Replaced as a whole on a reload.
#[derive(Debug)]
pub struct KeyRing {
    pub(super) keys: Keys,
    pub(super) tenants: HashSet<TenantId>,
    pub(super) settings: TokenSettings,
}

impl KeyRing {
    /// Joins the keys of each tenant with those that are not bound to one. Fetches nothing.
    pub fn new<'a>(
        settings: TokenSettings,
        tenants: impl IntoIterator<Item = (&'a TenantId, &'a [TokenKeySettings])>,
    ) -> Result<Self, KeyError> {
        let mut ring = Self { keys: Keys::default(), tenants: HashSet::new(), settings: TokenSettings::default() };
        for key in &settings.keys {
            ring.add(None, key, &settings.jwks)?;
        }
        for (tenant, keys) in tenants {
            ring.tenants.insert(tenant.clone());
            for key in keys {
                ring.add(Some(tenant), key, &settings.jwks)?;
            }
        }
        Ok(Self { settings, ..ring })
    }

    fn add(&mut self, tenant: Option<&TenantId>, key: &TokenKeySettings, jwks: &JwksSettings) -> Result<(), KeyError> {
        let rules =
            Arc::new(KeyRules { tenant: tenant.cloned(), issuer: key.issuer.clone(), audience: key.audience.clone() });
        match (key.verifying_key()?, &key.jwks_url) {
            (Some(verifying), _) => self.keys.insert(verifying, rules),
            (None, Some(url)) => {
                let source = self.source(url).unwrap_or_else(|| Arc::new(JwksSource::new(url, jwks.clone())));
                self.keys.remote.push(RemoteKeys { source, algorithm: key.algorithm, rules });
            }
            (None, None) => return Err(KeyError::Source),
        }
        Ok(())
    }

    fn source(&self, url: &str) -> Option<Arc<JwksSource>> {
        self.keys.remote.iter().find(|remote| remote.source.url() == url).map(|remote| remote.source.clone())
    }

    /// Each URL once.
    pub(super) fn sources(&self) -> Vec<Arc<JwksSource>> {
        let mut all: Vec<Arc<JwksSource>> = Vec::new();
        for remote in &self.keys.remote {
            if !all.iter().any(|known| Arc::ptr_eq(known, &remote.source)) {
                all.push(remote.source.clone());
            }
        }
        all
    }

    /// Keeps what was fetched already for URLs that stay.
    pub(super) fn adopt(&mut self, before: &Self) {
        for remote in &mut self.keys.remote {
            if let Some(known) = before.source(remote.source.url())
                && known.settings() == remote.source.settings()
            {
                remote.source = known;
            }
        }
    }
}
