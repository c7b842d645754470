//! How a connection is made: URL, TLS, user, time limits, buffers. Every option of the client library that matters is set here
//! and nowhere else.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use fred::clients::Client;
use fred::interfaces::ClientLike;
use fred::rustls::crypto::aws_lc_rs;
use fred::rustls::pki_types::CertificateDer;
use fred::rustls::pki_types::pem::PemObject;
use fred::rustls::{ClientConfig, RootCertStore};
use fred::rustls_native_certs::load_native_certs;
use fred::types::Builder;
use fred::types::RespVersion;
use fred::types::config::{
    ClusterDiscoveryPolicy, Config, ConnectionConfig, Options, PerformanceConfig, ReconnectError, ReconnectPolicy,
    TcpConfig, TlsConnector, UnresponsiveConfig,
};
use tokio::sync::broadcast;

use super::{RedisError, Settings};

/// First and longest pause before a new connection is tried, in milliseconds.
const RECONNECT_MS: (u32, u32) = (100, 2_000);
/// Commands that may wait for a connection; more are refused at once.
const WAITING_COMMANDS: usize = 65_536;
/// Messages that may wait between the socket of a subscriber and its reader. Overflow: the oldest go, and the reader sweeps.
const WAITING_MESSAGES: usize = 16_384;
/// Events of connections that may wait for their reader. Overflow: the reader acts as on any of them.
const WAITING_EVENTS: usize = 256;

/// Reads settings into what the client library wants.
pub(super) fn config(settings: &Settings) -> Result<Config, RedisError> {
    let wrong = |error: fred::error::Error| {
        let url = without_secrets(&settings.url);
        RedisError::Settings(format!("redis.url `{url}` can not be used: {}", error.details()))
    };
    // The library would make a TLS configuration of its own, with the process's default provider, which may be none.
    let plain = settings.url.strip_prefix("rediss").map(|rest| format!("redis{rest}"));
    let mut config = Config::from_url(plain.as_deref().unwrap_or(&settings.url)).map_err(wrong)?;
    if plain.is_some() {
        config.tls = Some(TlsConnector::from(tls(settings)?).into());
    }
    config.username = settings.username.clone().or(config.username);
    config.password = settings.password.as_ref().map(|secret| secret.expose().to_owned()).or(config.password);
    // Pushes have a type of their own there, and a subscriber may send any command.
    config.version = RespVersion::RESP3;
    // The first try comes at once; whoever runs a client tries again.
    config.fail_fast = true;
    if config.server.is_clustered() {
        // Not an error: the form is the right one.
        let _ = config.server.set_cluster_discovery_policy(ClusterDiscoveryPolicy::UseCache);
    }
    Ok(config)
}

/// A client for commands.
pub(super) fn commander(config: Config, settings: &Settings) -> Result<Client, RedisError> {
    built(&builder(config, settings))
}

/// A client for subscriptions.
pub(super) fn subscriber(config: Config, settings: &Settings) -> Result<Client, RedisError> {
    let client = built(&builder(config, settings))?;
    // The library has one size for the queues of messages and of eight kinds of events, and makes all of it at once: 12 MB where 3
    // are used.
    client.inner().notifications.pubsub.store(Arc::new(broadcast::channel(WAITING_MESSAGES).0));
    Ok(client)
}

/// How every command goes: one that was written to a connection that broke is not written again.
pub(super) fn once() -> Options {
    Options { fail_fast: true, ..Options::default() }
}

fn built(builder: &Builder) -> Result<Client, RedisError> {
    builder.build().map_err(|error| RedisError::Settings(error.details().to_owned()))
}

fn builder(config: Config, settings: &Settings) -> Builder {
    let command = Duration::from_millis(settings.command_ms);
    let mut builder = Builder::from_config(config);
    let (first, longest) = RECONNECT_MS;
    builder.set_policy(ReconnectPolicy::new_exponential(0, first, longest, 2));
    builder.set_performance_config(PerformanceConfig {
        default_command_timeout: command,
        max_feed_count: 200,
        broadcast_channel_capacity: WAITING_EVENTS,
    });
    builder.set_connection_config(ConnectionConfig {
        connection_timeout: Duration::from_millis(settings.connect_ms),
        // For the greetings on a new connection; a server that accepts and says nothing must not cost more than one that is gone.
        internal_command_timeout: Duration::from_millis(settings.connect_ms),
        // Of these the first is the command itself, the others follow redirects of a cluster: with one attempt the library ends
        // its whole task at the first `ASK`. What was written and not answered is not written again, see `once`.
        max_command_attempts: 3,
        max_redirections: 5,
        // The library would count from the last command that was sent, and so never while more are sent. Whoever runs a client
        // sees for himself.
        unresponsive: UnresponsiveConfig { max_timeout: None, interval: Duration::from_secs(1) },
        reconnect_on_auth_error: true,
        max_command_buffer_len: WAITING_COMMANDS,
        tcp: TcpConfig { nodelay: Some(true), ..TcpConfig::default() },
        reconnect_errors: vec![
            ReconnectError::ClusterDown,
            ReconnectError::Loading,
            ReconnectError::MasterDown,
            ReconnectError::ReadOnly,
        ],
        ..ConnectionConfig::default()
    });
    builder
}

fn tls(settings: &Settings) -> Result<ClientConfig, RedisError> {
    let mut roots = RootCertStore::empty();
    // A broken certificate among those of the machine is no reason to trust none.
    roots.add_parsable_certificates(load_native_certs().certs);
    if let Some(path) = &settings.ca_file {
        let wrong = |why: String| RedisError::Settings(format!("redis.ca_file `{}`: {why}", path.display()));
        let pem = fs::read(path).map_err(|error| wrong(error.to_string()))?;
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
            roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
        }
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder.with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| RedisError::Settings(error.to_string()))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// The URL without what stands before `@`, and without its query, where passwords of sentinels stand.
pub(super) fn without_secrets(url: &str) -> String {
    let url = url.split('?').next().unwrap_or_default();
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://{rest}"),
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::secret::Secret;

    #[test]
    fn urls_of_the_three_forms_are_read() {
        for url in [
            "redis://127.0.0.1:6379",
            "redis://127.0.0.1:6379/3",
            "rediss://redis.internal:6380",
            "redis-sentinel://127.0.0.1:1?node=127.0.0.1:2&sentinelServiceName=hubbub",
            "redis-cluster://127.0.0.1:1?node=127.0.0.1:2",
            "rediss-cluster://user:pass@127.0.0.1:1",
        ] {
            let config = config(&Settings::of(url)).unwrap_or_else(|error| panic!("{url}: {error}"));
            assert_eq!(config.tls.is_some(), url.starts_with("rediss"), "{url}");
        }
        for url in ["", "6379", "redis-sentinel://127.0.0.1:1", "redis://:x"] {
            assert!(matches!(config(&Settings::of(url)), Err(RedisError::Settings(_))), "{url}");
        }
    }

    #[test]
    fn secrets_do_not_show() {
        let url = "redis-sentinel://user:hunter2@host:1?sentinelPassword=hunter3";
        let settings = Settings { password: Some(Secret::new("hunter4")), ..Settings::of(url) };
        let shown = format!("{settings:?}");
        assert!(!shown.contains("hunter") && shown.contains("redis-sentinel://host:1"), "{shown}");
    }

    #[test]
    fn a_user_given_apart_counts_more_than_the_url() {
        let settings = Settings { username: Some("hub".into()), ..Settings::of("redis://other:pass@127.0.0.1:1") };
        let config = config(&settings).expect("valid");
        assert_eq!((config.username.as_deref(), config.password.as_deref()), (Some("hub"), Some("pass")));
    }
}
