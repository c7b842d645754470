//! The sections that no other module owns, with their defaults.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use hubbub_protocol::channel::TenantId;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{Config, backends};
use crate::auth::keys::TokenKeySettings;
use crate::auth::secret::Secret;
use crate::auth::service::ApiKeySettings;
use crate::namespace::Namespace;
use crate::rate::{Rate, TenantRates};
use crate::rooms::platform::{HookSettings, Platform, WebhookSettings};

/// Every namespace by its name.
pub type NamespaceTable = BTreeMap<String, Namespace>;

/// Where the node listens, as it stands under `[listen]`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ListenSettings {
    /// The port for clients. Default 127.0.0.1:8080.
    pub public: SocketAddr,
    /// The port for services, metrics and probes. Default 127.0.0.1:8081.
    pub internal: SocketAddr,
}

impl Default for ListenSettings {
    fn default() -> Self {
        let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Self { public: local(8080), internal: local(8081) }
    }
}

/// What the node is, as it stands under `[node]`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NodeSettings {
    /// Its name, in logs and in `connected`. Default `hubbub`.
    pub name: String,
    /// How many shards, each a thread. Default 0: one for each core that is not taken by `shared_threads`; on one or two
    /// cores one.
    pub shards: usize,
    /// How many threads beside the shards: lanes, presence, the store's client, the internal API. Default 0: one for four
    /// cores; on one or two cores none, the first shard's thread does their work too.
    pub shared_threads: usize,
}

impl Default for NodeSettings {
    fn default() -> Self {
        Self { name: "hubbub".into(), shards: 0, shared_threads: 0 }
    }
}

/// How a line of the log looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object each.
    Json,
}

/// How the node logs, as it stands under `[log]`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogSettings {
    /// How a line looks. Default `text`.
    pub format: LogFormat,
    /// What is logged: a level, or directives like `info,hubbub::auth=debug`. Default `info`.
    pub level: String,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: "info".into() }
    }
}

/// Pages and proxies, as they stand under `[http]`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpSettings {
    /// Pages that may connect: scheme, host and port, exactly. Default none.
    pub origins: Vec<String>,
    /// Lets every page connect. Only with `--dev`. Default false.
    pub allow_any_origin: bool,
    /// Networks of the proxies whose `X-Forwarded-For` is believed. Default none.
    pub trusted_proxies: Vec<IpNet>,
    /// Whose public channels are read without a token. Default: the only tenant, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anonymous_tenant: Option<TenantId>,
}

/// How SSE tickets are signed, as it stands under `[tickets]`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TicketSettings {
    /// The secret, the same on every node, at least 32 bytes. Default: drawn at the start of the node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
    /// A file that holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_file: Option<PathBuf>,
}

/// A tenant with its keys, as it stands under `[[tenants]]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantSettings {
    /// Its name.
    pub id: TenantId,
    /// Keys that prove its users.
    #[serde(default)]
    pub token_keys: Vec<TokenKeySettings>,
    /// API keys of its services.
    #[serde(default)]
    pub api_keys: Vec<ApiKeySettings>,
    /// What all its users and services may publish each second, over all nodes. Default 0: not limited.
    #[serde(default)]
    pub publishes_per_second: u32,
    /// What they may publish at once before that rate counts. Default 0: what comes in a second.
    #[serde(default)]
    pub publish_burst: u32,
    /// What each of its users may publish each second, over all nodes. Default 0: not limited.
    #[serde(default)]
    pub user_publishes_per_second: u32,
    /// What a user may publish at once before that rate counts. Default 0: what comes in a second.
    #[serde(default)]
    pub user_publish_burst: u32,
    /// Asked before a message of a room is sent or edited. Default nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook: Option<HookSettings>,
    /// Told of notices that their user does not see. Default nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<WebhookSettings>,
}

impl TenantSettings {
    /// What its platform wants to know.
    pub fn platform(&self) -> Platform {
        Platform { hook: self.hook.clone(), webhook: self.webhook.clone() }
    }

    /// Its rates.
    pub fn rates(&self) -> TenantRates {
        TenantRates {
            publishes: Rate::new(self.publishes_per_second, self.publish_burst),
            user_publishes: Rate::new(self.user_publishes_per_second, self.user_publish_burst),
        }
    }
}

/// Reads one file: its place in the configuration, its path, and whether the value is set beside it.
pub(super) type ReadFile<'r> = dyn FnMut(String, &Path, bool) -> Option<String> + 'r;

/// Offers each file that the configuration names, and keeps what it held in the place of the value.
pub(super) fn each_file(config: &mut Config, read: &mut ReadFile<'_>) {
    backends::each_file(&mut config.store, &mut config.redis, read);
    let tickets = &mut config.tickets;
    into_secret("tickets.secret", tickets.secret_file.as_deref(), &mut tickets.secret, read);
    for (at, key) in config.tokens.keys.iter_mut().enumerate() {
        of_token_key(&format!("tokens.keys[{at}]"), key, read);
    }
    for tenant in &mut config.tenants {
        for (at, key) in tenant.token_keys.iter_mut().enumerate() {
            of_token_key(&format!("tenant {}, token_keys[{at}]", tenant.id), key, read);
        }
        for (at, key) in tenant.api_keys.iter_mut().enumerate() {
            let place = format!("tenant {}, api_keys[{at}].secret", tenant.id);
            into_secret(&place, key.secret_file.as_deref(), &mut key.secret, read);
        }
        if let Some(hook) = &mut tenant.hook {
            let place = format!("tenant {}, hook.secret", tenant.id);
            into_secret(&place, hook.secret_file.as_deref(), &mut hook.secret, read);
        }
        if let Some(webhook) = &mut tenant.webhook {
            let place = format!("tenant {}, webhook.secret", tenant.id);
            into_secret(&place, webhook.secret_file.as_deref(), &mut webhook.secret, read);
        }
    }
}

fn of_token_key(place: &str, key: &mut TokenKeySettings, read: &mut ReadFile<'_>) {
    into_secret(&format!("{place}.secret"), key.secret_file.as_deref(), &mut key.secret, read);
    if let Some(path) = &key.public_key_file
        && let Some(text) = read(format!("{place}.public_key_file"), path, key.public_key.is_some())
    {
        key.public_key = Some(text);
    }
}

pub(super) fn into_secret(key: &str, path: Option<&Path>, secret: &mut Option<Secret>, read: &mut ReadFile<'_>) {
    if let Some(path) = path
        && let Some(text) = read(format!("{key}_file"), path, secret.is_some())
    {
        *secret = Some(Secret::new(text));
    }
}
