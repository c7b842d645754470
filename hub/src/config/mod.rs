//! The configuration: read once from its sources, checked whole, then handed down in parts. Read in this order: what there
//! is (`sections`, `backends`, `reference`), where it comes from (`layers`, `development`), what must hold (`check`), how it is shown
//! (`render`).
//!
//! Modules own the settings that are theirs (`auth`, `limits`, `namespace`); none of them imports this one.

pub mod sections;

pub mod backends;

pub mod reference;

pub mod development;

mod layers;

mod check;

mod render;

use std::collections::HashMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::auth::origin::{Origin, OriginRules};
use crate::auth::ring::{KeyRing, TokenSettings};
use crate::auth::service::{KeyHash, Service};
use crate::breaker::BreakerSettings;
use crate::limits::Limits;
use crate::namespace::Namespaces;
use crate::rate::TenantRates;
use crate::rooms::platform::Platform;
use backends::{RedisSettings, StoreSettings};
use layers::Provenance;
use sections::{
    HttpSettings, ListenSettings, LogSettings, NamespaceTable, NodeSettings, TenantSettings, TicketSettings,
};

pub use render::reference_markdown;

use hubbub_protocol::channel::TenantId;

/// Everything that an operator decides.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the node listens.
    pub listen: ListenSettings,
    /// What the node is.
    pub node: NodeSettings,
    /// Where durable logs are kept.
    pub store: StoreSettings,
    /// What carries messages between nodes.
    pub redis: RedisSettings,
    /// When Redis or the store counts as away.
    pub breaker: BreakerSettings,
    /// How the node logs.
    pub log: LogSettings,
    /// Pages and proxies.
    pub http: HttpSettings,
    /// Every bound.
    pub limits: Limits,
    /// What tokens must look like.
    pub tokens: TokenSettings,
    /// How SSE tickets are signed.
    pub tickets: TicketSettings,
    /// The rules of each namespace.
    pub namespaces: NamespaceTable,
    /// The tenants with their keys.
    pub tenants: Vec<TenantSettings>,
    /// Whether `--dev` was given. Never read from a file or the environment.
    #[serde(skip)]
    pub dev: bool,
    #[serde(skip)]
    provenance: Provenance,
}

/// Where the configuration comes from, lowest precedence first: defaults, `--dev`, file, environment, flags.
pub struct Sources<'a> {
    /// Whether the development preset counts.
    pub dev: bool,
    /// Name and text of the file.
    pub file: Option<(&'a str, &'a str)>,
    /// The variables of the environment.
    pub env: Vec<(String, String)>,
    /// Flags of the command line: path of the key and value.
    pub flags: Vec<(&'static str, String)>,
    /// How files that the configuration names are read.
    pub read: &'a dyn Fn(&Path) -> std::io::Result<String>,
}

impl Default for Sources<'_> {
    fn default() -> Self {
        let read = &|path: &Path| std::fs::read_to_string(path);
        Self { dev: false, file: None, env: Vec::new(), flags: Vec::new(), read }
    }
}

/// One thing that is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// Where: a line of the file, a variable, a flag or a key.
    pub place: String,
    /// What, and what to do.
    pub what: String,
}

/// All that is wrong with a configuration.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the configuration can not be used:{}", .problems.iter().map(|p| format!("\n  {}: {}", p.place, p.what)).collect::<String>())]
pub struct ConfigError {
    /// At least one.
    pub problems: Vec<Problem>,
}

/// What a reload replaces, ready to be handed to its owners. Made whole before any of it is used.
#[derive(Debug)]
pub struct Reloadable {
    /// For [`crate::auth::Policy::reload`].
    pub namespaces: Namespaces,
    /// For [`crate::auth::Verifier::reload`].
    pub key_ring: KeyRing,
    /// For [`crate::auth::ApiKeys::reload`].
    pub services: Vec<(KeyHash, Service)>,
    /// For [`crate::rate::Rates::reload`].
    pub rates: HashMap<TenantId, TenantRates>,
    /// For [`crate::rooms::platform::Platforms::reload`].
    pub platforms: HashMap<TenantId, Platform>,
    /// For [`crate::auth::origin::Origins::reload`].
    pub origins: OriginRules,
}

impl Config {
    /// Reads all sources and checks the result. Answers every problem that it finds, not the first alone.
    pub fn load(sources: &Sources<'_>) -> Result<Self, ConfigError> {
        Self::checked(sources, check::problems)
    }

    /// The same for a command that needs nothing but what stands beneath a node: nobody has to be able to connect.
    pub fn load_backends(sources: &Sources<'_>) -> Result<Self, ConfigError> {
        Self::checked(sources, check::backend_problems)
    }

    fn checked(sources: &Sources<'_>, check: impl Fn(&Self) -> Vec<Problem>) -> Result<Self, ConfigError> {
        let (table, provenance) = layers::merge(sources)?;
        let mut config: Self = layers::typed(table, "the configuration").map_err(one)?;
        config.dev = sources.dev;
        config.provenance = provenance;
        let mut problems = config.read_files(sources.read);
        // What a file should have held is not missed a second time.
        let unread: Vec<_> = problems.iter().map(|problem| problem.place.clone()).collect();
        let of_unread =
            |place: &str| unread.iter().any(|file| file.strip_prefix(place).is_some_and(|rest| rest.starts_with('.')));
        problems.extend(check(&config).into_iter().filter(|problem| !of_unread(&problem.place)));
        if problems.is_empty() { Ok(config) } else { Err(ConfigError { problems }) }
    }

    /// What `--dev` gives on its own.
    pub fn development() -> Self {
        // A test loads the preset, so that it is known to be valid.
        Self::load(&Sources { dev: true, ..Sources::default() }).expect("the development preset is valid")
    }

    /// What SIGHUP may change.
    pub fn reloadable(&self) -> Result<Reloadable, ConfigError> {
        let problem = |place: &str, what: String| one(Problem { place: place.to_owned(), what });
        let namespaces = Namespaces::new(self.namespaces.clone());
        let tenants = self.tenants.iter().map(|tenant| (&tenant.id, tenant.token_keys.as_slice()));
        let key_ring = KeyRing::new(self.tokens.clone(), tenants);
        Ok(Reloadable {
            namespaces: namespaces.map_err(|error| problem("namespaces", error.to_string()))?,
            key_ring: key_ring.map_err(|error| problem("tenants", error.to_string()))?,
            services: self.services().map_err(|error| problem("tenants", error.to_string()))?,
            rates: self.tenants.iter().map(|tenant| (tenant.id.clone(), tenant.rates())).collect(),
            platforms: self.tenants.iter().map(|tenant| (tenant.id.clone(), tenant.platform())).collect(),
            origins: self.origins().map_err(|error| problem("http.origins", error.to_string()))?,
        })
    }

    /// The tenant whose public channels are read without a token: the configured one, or the only one there is.
    pub fn anonymous_tenant(&self) -> Option<TenantId> {
        let only = || match self.tenants.as_slice() {
            [only] => Some(only.id.clone()),
            _ => None,
        };
        self.http.anonymous_tenant.clone().or_else(only)
    }

    /// The effective configuration as TOML, secrets redacted, each key with where it came from.
    pub fn show(&self) -> String {
        render::show(self, &self.provenance)
    }

    fn services(&self) -> Result<Vec<(KeyHash, Service)>, crate::auth::service::ApiKeyError> {
        let keys = self.tenants.iter().flat_map(|tenant| tenant.api_keys.iter().map(|key| (&tenant.id, key)));
        keys.map(|(tenant, key)| key.service(tenant, self.dev)).collect()
    }

    fn origins(&self) -> Result<OriginRules, crate::auth::origin::OriginError> {
        let list = self.http.origins.iter().map(|text| Origin::parse(text)).collect::<Result<_, _>>()?;
        Ok(OriginRules { list, localhost: self.dev, any: self.dev && self.http.allow_any_origin })
    }

    /// Reads the files that hold secrets and keys into the places beside their names. One line break at the end of a file
    /// is the editor's.
    fn read_files(&mut self, read: &dyn Fn(&Path) -> std::io::Result<String>) -> Vec<Problem> {
        let mut problems = Vec::new();
        sections::each_file(self, &mut |place, path, set_as_well| {
            let text = if set_as_well {
                Err("the value itself is set as well; remove one of the two".to_owned())
            } else {
                read(path).map_err(|error| format!("{} can not be read: {error}", path.display()))
            };
            match text {
                Ok(text) => {
                    let text = text.strip_suffix('\n').unwrap_or(&text);
                    Some(text.strip_suffix('\r').unwrap_or(text).to_owned())
                }
                Err(what) => {
                    problems.push(Problem { place, what });
                    None
                }
            }
        });
        problems
    }
}

fn one(problem: Problem) -> ConfigError {
    ConfigError { problems: vec![problem] }
}

#[cfg(test)]
mod tests;
