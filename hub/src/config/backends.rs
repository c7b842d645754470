//! The sections about what stands beneath a node: where durable logs are kept, and what carries messages between nodes.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::sections::{ReadFile, into_secret};
use crate::auth::secret::Secret;

/// Where durable logs are kept, as it stands under `[store]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreSettings {
    /// The SQLite file of a node that runs alone. Default `data/hubbub.db`. Not used with `postgres_url`.
    pub path: PathBuf,
    /// The Postgres of a fleet, as the application role: `postgres://user:password@host:port/database`, with `?sslmode=`
    /// as libpq has it; PgBouncer in transaction mode will do. Default unset: SQLite.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postgres_url: Option<Secret>,
    /// A file that holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postgres_url_file: Option<PathBuf>,
    /// The same database as the role that owns its tables, directly: for `hubbub migrate` alone. Default unset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postgres_migrate_url: Option<Secret>,
    /// A file that holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postgres_migrate_url_file: Option<PathBuf>,
    /// A replica, for reads where being late does no harm. Default unset: the primary answers everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postgres_replica_url: Option<Secret>,
    /// A file that holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postgres_replica_url_file: Option<PathBuf>,
    /// The role to which `hubbub migrate` gives what a node needs. Default `hubbub`.
    pub postgres_role: String,
    /// Most connections of this node to Postgres. Default 16.
    pub postgres_connections: u32,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            path: "data/hubbub.db".into(),
            postgres_url: None,
            postgres_url_file: None,
            postgres_migrate_url: None,
            postgres_migrate_url_file: None,
            postgres_replica_url: None,
            postgres_replica_url_file: None,
            postgres_role: "hubbub".into(),
            postgres_connections: 16,
        }
    }
}

/// What carries messages between nodes, as it stands under `[redis]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RedisSettings {
    /// The Redis of a fleet: `redis://host:port`, `rediss://` with TLS, `redis-sentinel://host:port?node=…&sentinelServiceName=…`
    /// or `redis-cluster://host:port?node=…`. Default unset: the node is alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<Secret>,
    /// A file that holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url_file: Option<PathBuf>,
    /// The ACL user, where the URL does not say. Default unset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The password, where the URL does not say. Default unset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// A file that holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// Certificates in PEM that are trusted for `rediss://`, beside those of the machine. Default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// What every key and channel begins with, the same on every node of a fleet. Default `hubbub`.
    pub prefix: String,
    /// Connections for commands, beside the one that listens. Default 2.
    pub connections: usize,
}

impl Default for RedisSettings {
    fn default() -> Self {
        Self {
            url: None,
            url_file: None,
            username: None,
            password: None,
            password_file: None,
            ca_file: None,
            prefix: "hubbub".into(),
            connections: 2,
        }
    }
}

/// Offers each file that these sections name.
pub(super) fn each_file(store: &mut StoreSettings, redis: &mut RedisSettings, read: &mut ReadFile<'_>) {
    let urls = [
        ("postgres_url", &store.postgres_url_file, &mut store.postgres_url),
        ("postgres_migrate_url", &store.postgres_migrate_url_file, &mut store.postgres_migrate_url),
        ("postgres_replica_url", &store.postgres_replica_url_file, &mut store.postgres_replica_url),
    ];
    for (name, path, url) in urls {
        into_secret(&format!("store.{name}"), path.as_deref(), url, read);
    }
    into_secret("redis.url", redis.url_file.as_deref(), &mut redis.url, read);
    into_secret("redis.password", redis.password_file.as_deref(), &mut redis.password, read);
}
