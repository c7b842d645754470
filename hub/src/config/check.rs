//! What must hold of a configuration. Collects everything that is wrong, each with its place and what to do; reads nothing
//! and changes nothing.

use std::collections::{HashMap, HashSet};

use hubbub_protocol::channel::TenantId;

use super::{Config, Problem, development};
use crate::auth::identity::OWN_TENANT;
use crate::auth::keys::{Algorithm, CANDIDATES_MAX, TokenKeySettings};
use crate::auth::origin::Origin;
use crate::auth::ring::{TTL_MAX_S, may_name_tenant};
use crate::auth::secret::Secret;
use crate::auth::service::{ApiKeySettings, KeyHash, hash};
use crate::auth::ticket::TICKET_SECRET_MIN;

/// Most that the clocks of issuers may be off, in seconds.
const LEEWAY_MAX_S: u64 = 300;

/// Everything that is wrong.
pub(super) fn problems(config: &Config) -> Vec<Problem> {
    let mut found = Found { problems: Vec::new(), dev: config.dev };
    sockets(config, &mut found);
    backends(config, &mut found);
    limits(config, &mut found);
    pages(config, &mut found);
    namespaces(config, &mut found);
    tokens(config, &mut found);
    tenants(config, &mut found);
    somebody(config, &mut found);
    found.problems
}

/// What is wrong with the sections about what stands beneath a node.
pub(super) fn backend_problems(config: &Config) -> Vec<Problem> {
    let mut found = Found { problems: Vec::new(), dev: config.dev };
    backends(config, &mut found);
    found.problems
}

struct Found {
    problems: Vec<Problem>,
    dev: bool,
}

impl Found {
    fn add(&mut self, place: impl Into<String>, what: impl Into<String>) {
        self.problems.push(Problem { place: place.into(), what: what.into() });
    }

    fn unless(&mut self, right: bool, place: &str, what: impl Into<String>) {
        if !right {
            self.add(place, what);
        }
    }

    /// Secrets that stand in the source of the hub are none.
    fn public_secret(&mut self, place: &str, is: bool) {
        self.unless(
            self.dev || !is,
            place,
            "this secret is the one of development and known to everybody; make another, or run with --dev",
        );
    }
}

fn sockets(config: &Config, found: &mut Found) {
    let listen = &config.listen;
    let same = listen.public == listen.internal && listen.public.port() != 0;
    found.unless(!same, "listen.internal", "must differ from listen.public");
    found.unless(!config.node.name.is_empty() && config.node.name.len() <= 64, "node.name", "has 1 to 64 bytes");
    found.unless(config.node.shards <= 1_024, "node.shards", "is at most 1,024");
    found.unless(config.node.shared_threads <= 1_024, "node.shared_threads", "is at most 1,024");
    if let Err(error) = tracing_subscriber::EnvFilter::builder().parse(&config.log.level) {
        found.add("log.level", format!("{error}; write error, warn, info, debug, trace or directives of them"));
    }
}

fn backends(config: &Config, found: &mut Found) {
    let (store, redis) = (&config.store, &config.redis);
    found.unless(!store.path.as_os_str().is_empty(), "store.path", "must name a file");
    found.unless(store.postgres_connections >= 2, "store.postgres_connections", "must be at least 2");
    for (place, url) in [
        ("store.postgres_url", &store.postgres_url),
        ("store.postgres_migrate_url", &store.postgres_migrate_url),
        ("store.postgres_replica_url", &store.postgres_replica_url),
    ] {
        let right = url.as_ref().is_none_or(|url| has_scheme(url, &["postgres", "postgresql"]));
        found.unless(right, place, "must be postgres://user:password@host:port/database");
    }
    const REDIS: &[&str] = &["redis", "rediss", "redis-sentinel", "rediss-sentinel", "redis-cluster", "rediss-cluster"];
    let right = redis.url.as_ref().is_none_or(|url| has_scheme(url, REDIS));
    found.unless(
        right,
        "redis.url",
        "must be redis://, rediss://, redis-sentinel:// or redis-cluster:// with host and port",
    );
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let prefix = (1..=64).contains(&redis.prefix.len()) && redis.prefix.bytes().all(plain);
    found.unless(prefix, "redis.prefix", "has 1 to 64 of a-z A-Z 0-9 - _ .");
    found.unless((1..=64).contains(&redis.connections), "redis.connections", "is 1 to 64");
    for (name, value) in [
        ("failures", u64::from(config.breaker.failures)),
        ("successes", u64::from(config.breaker.successes)),
        ("probe_ms", config.breaker.probe_ms),
        ("probe_max_ms", config.breaker.probe_max_ms),
    ] {
        found.unless(value > 0, &format!("breaker.{name}"), "must be above 0");
    }
    // Else every node would look into a file of its own, for durable messages and for who was revoked while it was away.
    found.unless(
        redis.url.is_none() || store.postgres_url.is_some(),
        "store.postgres_url",
        "must be set where redis.url is: nodes of a fleet share durable logs and revocations; in a file of each node a \
         token that was revoked on one would be good on a node that was away or starts later",
    );
}

fn has_scheme(url: &Secret, schemes: &[&str]) -> bool {
    let scheme = url.expose().split_once("://").filter(|(_, rest)| !rest.is_empty()).map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| schemes.contains(&scheme))
}

fn limits(config: &Config, found: &mut Found) {
    let limits = &config.limits;
    let above_zero = [
        ("frame_bytes", limits.frame_bytes as u64),
        ("subscriptions_per_connection", limits.subscriptions_per_connection as u64),
        ("rooms_followed", limits.rooms_followed as u64),
        ("room_requests", limits.room_requests as u64),
        ("room_requests_per_user", limits.room_requests_per_user.into()),
        ("channels_per_tenant", limits.channels_per_tenant as u64),
        ("requests_per_second", limits.requests_per_second.into()),
        ("request_burst", limits.request_burst.into()),
        ("requests_in_flight", limits.requests_in_flight as u64),
        ("connections_per_ip", limits.connections_per_ip.into()),
        ("connects_per_second", limits.connects_per_second.into()),
        ("connect_burst", limits.connect_burst.into()),
        ("outbox_frames", limits.outbox_frames as u64),
        ("gate_bytes", limits.gate_bytes as u64),
        ("page_messages", limits.page_messages.into()),
        ("page_bytes", limits.page_bytes as u64),
        ("window_bytes_per_node", limits.window_bytes_per_node as u64),
        ("mailbox_messages", limits.mailbox_messages as u64),
        ("slice_us", limits.slice_us),
        ("heartbeat_ms", limits.heartbeat_ms),
        ("connect_timeout_ms", limits.connect_timeout_ms),
        ("header_timeout_ms", limits.header_timeout_ms),
        ("reorder_bytes", limits.reorder_bytes as u64),
        ("presence_list_users", limits.presence_list_users),
        ("hot_messages", limits.hot_messages as u64),
        ("sse_heartbeat_ms", limits.sse_heartbeat_ms),
        ("sse_rotation_ms", limits.sse_rotation_ms),
        ("api_connections", limits.api_connections as u64),
        ("api_body_bytes", limits.api_body_bytes as u64),
        ("api_timeout_ms", limits.api_timeout_ms),
        ("api_expensive_requests", limits.api_expensive_requests as u64),
    ];
    for (name, value) in above_zero {
        found.unless(value > 0, &format!("limits.{name}"), "must be above 0");
    }
    let renewable = limits.presence_lease_ms >= 300;
    found.unless(renewable, "limits.presence_lease_ms", "is at least 300: it is renewed every third of it");
    found.unless(limits.hot_messages <= 100_000, "limits.hot_messages", "is at most 100,000");
    let fits = limits.outbox_bytes >= limits.frame_bytes;
    found.unless(fits, "limits.outbox_bytes", "must be at least limits.frame_bytes, or a message could never be sent");
}

fn pages(config: &Config, found: &mut Found) {
    for text in &config.http.origins {
        if let Err(error) = Origin::parse(text) {
            found.add("http.origins", format!("`{text}`: {error}"));
        }
    }
    let any = config.http.allow_any_origin && !config.dev;
    found.unless(!any, "http.allow_any_origin", "works with --dev only; list the pages in http.origins");
    named_tenant(config, "http.anonymous_tenant", config.http.anonymous_tenant.as_ref(), found);
}

fn namespaces(config: &Config, found: &mut Found) {
    for (name, namespace) in &config.namespaces {
        if let Err(error) = namespace.check(name) {
            found.add(format!("namespaces.{name}"), error.to_string());
        }
    }
}

fn tokens(config: &Config, found: &mut Found) {
    let tokens = &config.tokens;
    let claim = &tokens.tenant_claim;
    found.unless(tokens.leeway_s <= LEEWAY_MAX_S, "tokens.leeway_s", format!("is at most {LEEWAY_MAX_S}"));
    let ttl = (1..=TTL_MAX_S).contains(&tokens.max_ttl_s);
    found.unless(ttl, "tokens.max_ttl_s", format!("is 1 to {TTL_MAX_S} (a day)"));
    let free = may_name_tenant(claim);
    found.unless(free, "tokens.tenant_claim", format!("`{claim}` has a meaning of its own; choose another claim"));
    named_tenant(config, "tokens.default_tenant", tokens.default_tenant.as_ref(), found);
    let jwks = &tokens.jwks;
    for (name, value) in [
        ("refresh_s", jwks.refresh_s),
        ("cooldown_s", jwks.cooldown_s),
        ("timeout_ms", jwks.timeout_ms),
        ("max_bytes", jwks.max_bytes as u64),
    ] {
        found.unless(value > 0, &format!("tokens.jwks.{name}"), "must be above 0");
    }
    for (at, key) in tokens.keys.iter().enumerate() {
        token_key(&format!("tokens.keys[{at}]"), key, found);
    }
    let tickets = &config.tickets;
    if let Some(secret) = &tickets.secret {
        let long = secret.expose().len() >= TICKET_SECRET_MIN;
        found.unless(
            long,
            "tickets.secret",
            format!("must have at least {TICKET_SECRET_MIN} bytes; `openssl rand -base64 48` makes one"),
        );
        found.public_secret("tickets.secret", secret.expose() == development::SECRET);
    }
}

fn tenants(config: &Config, found: &mut Found) {
    let mut ids = HashSet::new();
    let mut hashes: HashMap<KeyHash, String> = HashMap::new();
    for tenant in &config.tenants {
        let place = format!("tenant {}", tenant.id);
        found.unless(ids.insert(&tenant.id), &place, "stands there twice; join the two");
        found.unless(tenant.id.as_str() != OWN_TENANT, &place, "is the hub's own; choose another name");
        for (at, key) in tenant.token_keys.iter().enumerate() {
            token_key(&format!("{place}, token_keys[{at}]"), key, found);
        }
        let mut names = HashSet::new();
        for (at, key) in tenant.api_keys.iter().enumerate() {
            let place = format!("{place}, api_keys[{at}]");
            found.unless(
                names.insert(&key.id),
                &place,
                format!("the id `{}` is taken by another key of this tenant", key.id),
            );
            api_key(&place, &tenant.id, key, &mut hashes, found);
        }
    }
    ambiguous_keys(config, found);
    crowded_keys(config, found);
}

fn token_key(place: &str, key: &TokenKeySettings, found: &mut Found) {
    let both = (key.secret_file.is_some() && key.public_key_file.is_some())
        || (key.jwks_url.is_some() && (key.secret_file.is_some() || key.public_key_file.is_some()));
    if both {
        found.add(place, "set exactly one of secret, secret_file, public_key, public_key_file and jwks_url");
    } else if let Err(error) = key.check() {
        found.add(place, error.to_string());
    }
    let of_development = key.secret.as_ref().is_some_and(|secret| secret.expose() == development::SECRET);
    found.public_secret(place, of_development);
    if let Some(url) = &key.jwks_url {
        found.unless(is_safe_url(url), place, format!("jwks_url `{url}` must be https://, or http:// on this machine"));
    }
}

fn api_key(
    place: &str,
    tenant: &TenantId,
    key: &ApiKeySettings,
    hashes: &mut HashMap<KeyHash, String>,
    found: &mut Found,
) {
    match key.service(tenant, found.dev) {
        Err(error) => found.add(place, error.to_string()),
        Ok((own, _)) => {
            if let Some(other) = hashes.insert(own, place.to_owned()) {
                found.add(place, format!("the same key as {other}; a key belongs to one service"));
            }
            found.public_secret(place, own == hash(development::API_KEY));
        }
    }
}

/// One key that proves tokens of two tenants leaves open whose a token is, unless issuer or audience tell them apart.
fn ambiguous_keys(config: &Config, found: &mut Found) {
    let mut known: HashMap<_, Vec<(&TenantId, &TokenKeySettings)>> = HashMap::new();
    for tenant in &config.tenants {
        for key in &tenant.token_keys {
            let source = (key.secret.as_ref().map(|secret| secret.expose()), &key.public_key, &key.jwks_url);
            let others = known.entry(source).or_default();
            if let Some((other, _)) = others.iter().find(|(id, other)| **id != tenant.id && !told_apart(key, other)) {
                let what = format!(
                    "shares a key with tenant {other}; give each its own audience or issuer, or put the key under \
                     [[tokens.keys]] and name the tenant in the token"
                );
                found.add(format!("tenant {}", tenant.id), what);
            }
            others.push((&tenant.id, key));
        }
    }
}

fn told_apart(one: &TokenKeySettings, other: &TokenKeySettings) -> bool {
    let issuers = one.issuer.is_some() && other.issuer.is_some() && one.issuer != other.issuer;
    let named = !one.audience.is_empty() && !other.audience.is_empty();
    issuers || (named && !one.audience.iter().any(|audience| other.audience.contains(audience)))
}

/// A token is tried with a bounded number of keys. Those beyond would never be, so they are refused here.
fn crowded_keys(config: &Config, found: &mut Found) {
    let of_tenants = config.tenants.iter().flat_map(|tenant| &tenant.token_keys);
    let mut counts: HashMap<(Option<&str>, Algorithm), usize> = HashMap::new();
    for key in config.tokens.keys.iter().chain(of_tenants) {
        if let Some(algorithm) = key.algorithm.filter(|_| key.jwks_url.is_none()) {
            *counts.entry((key.kid.as_deref(), algorithm)).or_default() += 1;
        }
    }
    for ((kid, algorithm), count) in &counts {
        let free = if kid.is_some() { counts.get(&(None, *algorithm)).copied().unwrap_or(0) } else { 0 };
        if count + free > CANDIDATES_MAX {
            let kid = kid.map_or_else(|| "without a kid".to_owned(), |kid| format!("with the kid `{kid}`"));
            let what = format!(
                "{} keys of {algorithm:?} fit a token {kid}, at most {CANDIDATES_MAX} are tried; give each key a kid of its own",
                count + free
            );
            found.add("token keys", what);
        }
    }
}

fn named_tenant(config: &Config, place: &str, named: Option<&TenantId>, found: &mut Found) {
    let known = named.is_none_or(|named| config.tenants.iter().any(|tenant| tenant.id == *named));
    found.unless(known, place, "names a tenant that is not under [[tenants]]");
}

fn somebody(config: &Config, found: &mut Found) {
    let users = config.tokens.keys.len() + config.tenants.iter().map(|tenant| tenant.token_keys.len()).sum::<usize>();
    let services: usize = config.tenants.iter().map(|tenant| tenant.api_keys.len()).sum();
    if users + services == 0 {
        let what = "nobody could connect. For a try run with --dev; otherwise declare a tenant with a key:\n\n    [[tenants]]\n    id = \"default\"\n    [[tenants.token_keys]]\n    kid = \"1\"\n    algorithm = \"HS256\"\n    secret_file = \"/etc/hubbub/token.secret\"\n";
        found.add("tenants", what);
    } else if config.tenants.is_empty() {
        found.add(
            "tenants",
            "keys are declared, but no tenant that their tokens could belong to; add [[tenants]] with an id",
        );
    }
}

/// Whoever can change the answer of a JWKS URL can make tokens.
fn is_safe_url(url: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(url) else { return false };
    let local = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    url.scheme() == "https" || (url.scheme() == "http" && local)
}
