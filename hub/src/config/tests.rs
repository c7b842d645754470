//! What the configuration takes, what it refuses and what it says then.

use crate::rooms::platform::{HookSettings, OnFailure, WebhookSettings};
use std::collections::BTreeSet;
use std::path::PathBuf;

use hubbub_protocol::channel::ChannelName;
use toml::{Table, Value};

use super::*;
use crate::auth::keys::{Algorithm, TokenKeySettings};
use crate::auth::secret::Secret;
use crate::auth::service::{ApiKeySettings, ApiKeys, Scope};
use crate::namespace::{LogKind, Operation, Overflow};

const LONG: &str = "a secret of thirty-two bytes or more";

fn tenant_toml() -> String {
    format!("[[tenants]]\nid = \"acme\"\n[[tenants.token_keys]]\nalgorithm = \"HS256\"\nsecret = \"{LONG}\"\n")
}

fn load_file(text: &str) -> Result<Config, ConfigError> {
    Config::load(&Sources { file: Some(("hubbub.toml", text)), ..Sources::default() })
}

fn load_env(env: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Config::load(&Sources { dev: true, env, ..Sources::default() })
}

fn said(result: Result<Config, ConfigError>) -> String {
    result.map(|config| config.show()).expect_err("refused").to_string()
}

#[test]
fn the_development_preset_is_what_it_promises() {
    let config = Config::development();
    assert!(config.dev);
    assert_eq!(config.listen.public.to_string(), "127.0.0.1:8080");
    assert_eq!(config.store.path, PathBuf::from("data/hubbub.db"));
    assert_eq!(config.anonymous_tenant().map(|tenant| tenant.to_string()), Some("default".into()));
    let reloadable = config.reloadable().expect("valid");
    let of =
        |name: &str| reloadable.namespaces.of(&ChannelName::parse(name).expect("a channel")).expect("declared").clone();
    let all = vec![Operation::Subscribe, Operation::Publish, Operation::History, Operation::Presence];
    let (chat, live, feed) = (of("chat:a"), of("live:a"), of("feed:a"));
    assert_eq!((chat.log, chat.presence, &chat.allow), (LogKind::Durable, true, &all));
    assert_eq!((live.log, live.window.messages, live.overflow), (LogKind::Window, 1_000, Overflow::Conflate));
    assert_eq!(live.allow, all);
    assert_eq!(
        (feed.log, feed.public, feed.last_value, feed.overflow),
        (LogKind::Window, true, true, Overflow::Conflate)
    );
    assert_eq!((of("user:a").log, of("user:a").per_user), (LogKind::Durable, true));
    assert_eq!((of("eph:a").log, of("eph:a").overflow), (LogKind::None, Overflow::DropOldest));
    let keys = ApiKeys::new(reloadable.services);
    let service = keys.authenticate(development::API_KEY).expect("the development key");
    let scopes = [Scope::Publish, Scope::Read, Scope::Users, Scope::Tokens, Scope::Admin];
    assert!(&**service.id() == "dev" && scopes.into_iter().all(|scope| service.has(scope)));
    assert!(reloadable.origins.localhost && !reloadable.origins.any);
}

#[test]
fn later_sources_win() {
    let file = "[listen]\npublic = \"0.0.0.0:1\"\ninternal = \"127.0.0.1:2\"\n[limits]\nframe_bytes = 1000\n[namespaces.chat]\nlog = \"window\"\n";
    let config = Config::load(&Sources {
        dev: true,
        file: Some(("my.toml", file)),
        env: vec![
            ("HUBBUB_LISTEN__INTERNAL".into(), "127.0.0.1:3".into()),
            ("HUBBUB_LIMITS__FRAME_BYTES".into(), "2000".into()),
        ],
        flags: vec![("listen.internal", "127.0.0.1:4".into())],
        ..Sources::default()
    })
    .expect("valid");
    assert_eq!(config.listen.public.to_string(), "0.0.0.0:1");
    assert_eq!(config.listen.internal.to_string(), "127.0.0.1:4");
    assert_eq!((config.limits.frame_bytes, config.limits.outbox_frames), (2_000, Limits::default().outbox_frames));
    // Tables merge: what the preset says about `chat` beside the log stays.
    assert_eq!((config.namespaces["chat"].log, config.namespaces["chat"].presence), (LogKind::Window, true));
    assert!(config.namespaces.contains_key("live"));
    let shown = config.show();
    for line in [
        "public = \"0.0.0.0:1\" # my.toml",
        "internal = \"127.0.0.1:4\" # flag",
        "frame_bytes = 2000 # HUBBUB_LIMITS__FRAME_BYTES",
        "outbox_frames = 16384 # default",
        "log = \"window\" # my.toml",
        "kid = \"dev\" # --dev",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line}\n{shown}");
    }
}

#[test]
fn variables_have_the_type_of_their_key() {
    let config = load_env(&[
        ("HUBBUB_NODE__NAME", "17"),
        ("HUBBUB_HTTP__ORIGINS", "https://a.example, https://b.example:8443"),
        ("HUBBUB_HTTP__TRUSTED_PROXIES", "10.0.0.0/8"),
        ("HUBBUB_NAMESPACES__NEWS__LOG", "window"),
        ("HUBBUB_NAMESPACES__NEWS__WINDOW__MESSAGES", "7"),
        ("HUBBUB_NAMESPACES__NEWS__ALLOW", "subscribe,history"),
        ("HUBBUB_HTTP__ALLOW_ANY_ORIGIN", "true"),
        ("HUBBUB_TOKENS__JWKS__REFRESH_S", "9"),
        ("HUBBUB_CONFIG", "x.toml"),
        ("HUBBUB_SERVICE_HOST", "10.1.2.3"),
        ("HUBBUB_PORT_8080_TCP", "tcp://10.1.2.3:8080"),
        ("PATH", "/bin"),
    ])
    .expect("valid");
    assert_eq!((config.node.name.as_str(), config.http.origins.len()), ("17", 2));
    assert_eq!(config.http.trusted_proxies, ["10.0.0.0/8".parse().expect("a network")]);
    let news = &config.namespaces["news"];
    assert_eq!((news.log, news.window.messages), (LogKind::Window, 7));
    assert_eq!(news.allow, [Operation::Subscribe, Operation::History]);
    assert!(config.http.allow_any_origin && config.reloadable().expect("valid").origins.any);
    assert_eq!(config.tokens.jwks.refresh_s, 9);
}

#[test]
fn variables_that_can_not_be_are_named() {
    let table = [
        ("HUBBUB_LIMITS__FRAME_BYTE", "1", "did you mean `limits.frame_bytes`?"),
        ("HUBBUB_LISTEN_PUBLIC", "1", "did you mean HUBBUB_LISTEN__PUBLIC?"),
        ("HUBBUB_LIMITS__FRAME_BYTES", "64k", "not a whole number"),
        ("HUBBUB_LIMITS__FRAME_BYTES", "-1", "invalid value"),
        ("HUBBUB_HTTP__ALLOW_ANY_ORIGIN", "yes", "neither true nor false"),
        ("HUBBUB_LISTEN__PUBLIC", "8080", "socket address"),
        ("HUBBUB_LOG__FORMAT", "xml", "xml"),
        ("HUBBUB_TENANTS__ID", "x", "there is no key"),
        ("HUBBUB_LIMITS__", "x", "there is no key"),
        ("HUBBUB___", "x", "there is no key"),
    ];
    for (variable, value, expected) in table {
        let said = said(load_env(&[(variable, value)]));
        assert!(said.contains(variable) && said.contains(expected), "{variable}={value}: {said}");
    }
}

#[test]
fn mistakes_in_a_file_are_told_with_their_lines() {
    let table = [
        (
            "[limits]\nframe_byte = 1\n",
            "hubbub.toml:2: there is no key `limits.frame_byte`; did you mean `limits.frame_bytes`?",
        ),
        ("[limit]\nframe_bytes = 1\n", "hubbub.toml:1: there is no key `limit`; did you mean `limits`?"),
        ("public = 1\n", "hubbub.toml:1: there is no key `public`"),
        (
            "[namespaces.chat]\n\nloog = \"none\"\n",
            "hubbub.toml:3: there is no key `namespaces.*.loog`; did you mean `namespaces.*.log`?",
        ),
        ("[namespaces.chat.window]\nmesages = 1\n", "hubbub.toml:2: there is no key `namespaces.*.window.mesages`"),
        (
            "[[tenants]]\nid = \"a\"\n[[tenants.token_keys]]\nkidd = \"x\"\n",
            "hubbub.toml:4: there is no key `tenants[].token_keys[].kidd`; did you mean",
        ),
        ("[limits]\nframe_bytes = \"x\"\n", "hubbub.toml:2: invalid type"),
        ("[listen]\npublic = \"x\"\n", "hubbub.toml:2: invalid socket address"),
        ("[listen\n", "hubbub.toml:1: "),
        ("[namespaces]\nchat = 1\n", "hubbub.toml:2: invalid type"),
        ("[[tenants]]\nid = \"A B\"\n", "hubbub.toml:2: a tenant id is"),
        ("[[tenants]]\n", "hubbub.toml:1: missing field `id`"),
    ];
    for (text, expected) in table {
        let said = said(load_file(text));
        assert!(said.contains(expected), "{text}: {said}");
    }
    let both = said(load_file("[limits]\nframe_byte = 1\n\nouter_bytes = 2\n[lisen]\n"));
    for line in ["hubbub.toml:2", "hubbub.toml:4", "hubbub.toml:5"] {
        assert!(both.contains(line), "{both}");
    }
}

#[test]
fn every_problem_is_told_with_what_to_do() {
    let text = format!(
        "[listen]\npublic = \"127.0.0.1:1\"\ninternal = \"127.0.0.1:1\"\n[log]\nlevel = \"a=b=c\"\n[limits]\noutbox_bytes = 10\nheartbeat_ms = 0\n\
         [http]\norigins = [\"*\", \"https://a.example/x\"]\nallow_any_origin = true\nanonymous_tenant = \"gone\"\n\
         [tokens]\nleeway_s = 4000\nmax_ttl_s = 86401\ntenant_claim = \"sub\"\ndefault_tenant = \"gone\"\n[tokens.jwks]\ntimeout_ms = 0\n\
         [tickets]\nsecret = \"short\"\n[namespaces.Chat]\n[namespaces.eph]\nlast_value = true\n\
         [[tenants]]\nid = \"a\"\n[[tenants.token_keys]]\nalgorithm = \"HS256\"\nsecret = \"short\"\n\
         [[tenants.token_keys]]\njwks_url = \"http://login.example.com/keys\"\n[[tenants.token_keys]]\nkid = \"x\"\n\
         [[tenants.token_keys]]\nsecret = \"{LONG}\"\nalgorithm = \"HS256\"\n\
         [[tenants.api_keys]]\nid = \"k\"\nsecret = \"{LONG}\"\nscopes = [\"read\"]\n\
         [[tenants.api_keys]]\nid = \"k\"\nsecret = \"{LONG}\"\nscopes = []\n\
         [[tenants]]\nid = \"b\"\n[[tenants.token_keys]]\nsecret = \"{LONG}\"\nalgorithm = \"HS256\"\n\
         [[tenants.api_keys]]\nid = \"k\"\nsecret = \"{LONG}\"\nscopes = [\"read\"]\n[[tenants]]\nid = \"b\"\n"
    );
    let said = said(load_file(&text));
    for expected in [
        "listen.internal: must differ",
        "log.level: ",
        "limits.outbox_bytes: must be at least",
        "limits.heartbeat_ms: must be above 0",
        "http.origins: `*`: an origin is https://host",
        "http.origins: `https://a.example/x`",
        "http.allow_any_origin: works with --dev only",
        "http.anonymous_tenant: names a tenant",
        "tokens.leeway_s: is at most 300",
        "tokens.max_ttl_s: is 1 to 86400",
        "tokens.tenant_claim: `sub` has a meaning",
        "tokens.default_tenant: names a tenant",
        "tokens.jwks.timeout_ms: must be above 0",
        "tickets.secret: must have at least 32 bytes",
        "namespaces.Chat: namespace `Chat`",
        "namespaces.eph: namespace `eph`: last_value",
        "tenant a, token_keys[0]: the secret must have at least 32 bytes",
        "tenant a, token_keys[1]: jwks_url",
        "tenant a, token_keys[2]: set exactly one",
        "tenant a, api_keys[1]: the id `k` is taken",
        "tenant a, api_keys[1]: scopes is empty",
        "tenant b, api_keys[0]: the same key as tenant a, api_keys[0]",
        "tenant b: shares a key with tenant a",
        "tenant b: stands there twice",
    ] {
        assert!(said.contains(expected), "{expected}\n{said}");
    }
    assert!(!said.contains(LONG) && !said.contains("\"short\""));
}

#[test]
fn a_key_of_two_tenants_must_tell_them_apart() {
    let key = |id: &str, more: &str| {
        format!(
            "[[tenants]]\nid = \"{id}\"\n[[tenants.token_keys]]\nalgorithm = \"HS256\"\nsecret = \"{LONG}\"\n{more}\n"
        )
    };
    let table = [
        ("", "", false),
        ("issuer = \"x\"", "", false),
        ("issuer = \"x\"", "issuer = \"x\"", false),
        ("issuer = \"x\"", "issuer = \"y\"", true),
        ("audience = [\"x\"]", "", false),
        ("audience = [\"x\", \"y\"]", "audience = [\"y\"]", false),
        ("audience = [\"x\"]", "audience = [\"y\"]", true),
        ("audience = [\"x\"]", "issuer = \"x\"", false),
    ];
    for (one, other, fine) in table {
        let loaded = load_file(&format!("{}{}", key("a", one), key("b", other)));
        assert_eq!(loaded.is_ok(), fine, "{one} and {other}");
    }
}

#[test]
fn keys_that_would_never_be_tried_are_refused() {
    let keys = |count: usize, kid: &dyn Fn(usize) -> String| {
        let key =
            |at| format!("[[tenants.token_keys]]\nalgorithm = \"HS256\"\nsecret = \"{LONG} {at}\"\n{}\n", kid(at));
        format!("[[tenants]]\nid = \"a\"\n{}", (0..count).map(key).collect::<String>())
    };
    let named = |at: usize| format!("kid = \"{at}\"");
    let same = |_: usize| "kid = \"1\"".to_owned();
    let none = |_: usize| String::new();
    assert!(load_file(&keys(40, &named)).is_ok());
    assert!(load_file(&keys(16, &same)).is_ok() && load_file(&keys(16, &none)).is_ok());
    assert!(said(load_file(&keys(17, &same))).contains("give each key a kid of its own"));
    assert!(said(load_file(&keys(17, &none))).contains("without a kid"));
}

#[test]
fn nobody_at_all_is_an_error_that_says_what_to_configure() {
    for text in ["", "[listen]\npublic = \"0.0.0.0:80\"\n", "[[tenants]]\nid = \"a\"\n"] {
        let said = said(load_file(text));
        assert!(said.contains("--dev") && said.contains("[[tenants.token_keys]]"), "{said}");
    }
    let homeless = format!("[[tokens.keys]]\nalgorithm = \"HS256\"\nsecret = \"{LONG}\"\n");
    assert!(said(load_file(&homeless)).contains("add [[tenants]]"));
    assert!(load_file(&tenant_toml()).is_ok());
}

#[test]
fn the_secrets_of_development_are_refused_without_it() {
    let hex: String = hash_of(development::API_KEY);
    let token = format!(
        "[[tenants]]\nid = \"a\"\n[[tenants.token_keys]]\nalgorithm = \"HS256\"\nsecret = \"{}\"\n",
        development::SECRET
    );
    let shared = format!(
        "[[tenants]]\nid = \"a\"\n[[tokens.keys]]\nalgorithm = \"HS512\"\nsecret = \"{}\"\n",
        development::SECRET
    );
    let api =
        format!("[[tenants]]\nid = \"a\"\n[[tenants.api_keys]]\nid = \"x\"\nsha256 = \"{hex}\"\nscopes = [\"read\"]\n");
    let tickets = format!("{}[tickets]\nsecret = \"{}\"\n", tenant_toml(), development::SECRET);
    let by_file = format!("{}[tickets]\nsecret_file = \"/run/secret\"\n", tenant_toml());
    for text in [&token, &shared, &api, &tickets, &by_file] {
        let sources = |dev| Sources {
            dev,
            file: Some(("hubbub.toml", text)),
            read: &|_| Ok(format!("{}\n", development::SECRET)),
            ..Sources::default()
        };
        assert!(said(Config::load(&sources(false))).contains("known to everybody"), "{text}");
        assert!(Config::load(&sources(true)).is_ok(), "{text}");
    }
    let plain =
        "[[tenants]]\nid = \"a\"\n[[tenants.api_keys]]\nid = \"x\"\nsecret = \"dev-key\"\nscopes = [\"read\"]\n";
    assert!(load_file(plain).is_err());
}

fn hash_of(text: &str) -> String {
    crate::auth::service::hash(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn secrets_are_read_from_files_and_shown_nowhere() {
    let text = "[[tenants]]\nid = \"a\"\n[[tenants.token_keys]]\nalgorithm = \"HS256\"\nsecret_file = \"/run/token\"\n\
                [[tenants.api_keys]]\nid = \"x\"\nsecret_file = \"/run/api\"\nscopes = [\"read\"]\n[tickets]\nsecret_file = \"/run/ticket\"\n";
    let read = |path: &Path| match path.to_str() {
        Some("/run/token") => Ok(format!("token {LONG}\n")),
        Some("/run/api") => Ok(format!("api {LONG}\r\n")),
        Some("/run/ticket") => Ok(format!("ticket {LONG}")),
        _ => Err(std::io::ErrorKind::NotFound.into()),
    };
    let config = Config::load(&Sources { file: Some(("f", text)), read: &read, ..Sources::default() }).expect("valid");
    let keys = ApiKeys::new(config.reloadable().expect("valid").services);
    assert!(keys.authenticate(&format!("api {LONG}")).is_ok());
    assert_eq!(config.tickets.secret.as_ref().map(Secret::expose), Some(&*format!("ticket {LONG}")));
    let everything = format!("{}{config:?}{:?}", config.show(), config.reloadable());
    assert!(!everything.contains(LONG) && config.show().contains("[redacted]"));
    let missing =
        Sources { file: Some(("f", text)), read: &|_| Err(std::io::ErrorKind::NotFound.into()), ..Sources::default() };
    let said = said(Config::load(&missing));
    for place in
        ["tenant a, token_keys[0].secret_file: /run/token", "tenant a, api_keys[0].secret_file", "tickets.secret_file"]
    {
        assert!(said.contains(place), "{said}");
    }
    assert!(!said.contains("set exactly one"), "{said}");
}

#[test]
fn a_value_and_its_file_exclude_each_other() {
    let both = format!("{}secret_file = \"/run/token\"\n", tenant_toml());
    let pem = "[[tenants]]\nid = \"a\"\n[[tenants.token_keys]]\nalgorithm = \"ES256\"\npublic_key = \"x\"\npublic_key_file = \"x\"\n";
    let sources = format!("{}jwks_url = \"https://a.example\"\n", tenant_toml());
    for (text, expected) in
        [(both.as_str(), "remove one of the two"), (pem, "remove one of the two"), (&sources, "set exactly one")]
    {
        let sources = Sources { file: Some(("f", text)), read: &|_| Ok(LONG.to_owned()), ..Sources::default() };
        let said = said(Config::load(&sources));
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn flags_are_checked_like_everything_else() {
    let flags = |path, value: &str| Sources { dev: true, flags: vec![(path, value.to_owned())], ..Sources::default() };
    assert!(Config::load(&flags("store.path", "/var/lib/hubbub.db")).is_ok());
    assert!(said(Config::load(&flags("listen.public", "nowhere"))).contains("a flag: "));
}

/// Every optional key is set and every list has an entry, so that serialising shows all keys there are.
fn full() -> Config {
    let token_key = TokenKeySettings {
        kid: Some("x".into()),
        algorithm: Some(Algorithm::HS256),
        secret: Some(Secret::new("x")),
        secret_file: Some("x".into()),
        public_key: Some("x".into()),
        public_key_file: Some("x".into()),
        jwks_url: Some("x".into()),
        issuer: Some("x".into()),
        audience: vec!["x".into()],
    };
    let api_key = ApiKeySettings {
        id: "x".into(),
        secret: Some(Secret::new("x")),
        secret_file: Some("x".into()),
        sha256: Some("x".into()),
        scopes: vec![Scope::Read],
        channels: Some(vec!["*".into()]),
    };
    let mut config = Config::development();
    let tenant = config.tenants[0].id.clone();
    config.http.anonymous_tenant = Some(tenant.clone());
    config.tokens.default_tenant = Some(tenant);
    config.tokens.keys = vec![token_key.clone()];
    let store = &mut config.store;
    for (url, file) in [
        (&mut store.postgres_url, &mut store.postgres_url_file),
        (&mut store.postgres_migrate_url, &mut store.postgres_migrate_url_file),
        (&mut store.postgres_replica_url, &mut store.postgres_replica_url_file),
        (&mut config.redis.url, &mut config.redis.url_file),
        (&mut config.redis.password, &mut config.redis.password_file),
    ] {
        (*url, *file) = (Some(Secret::new("x")), Some("x".into()));
    }
    config.redis.username = Some("x".into());
    config.redis.ca_file = Some("x".into());
    config.tickets.secret = Some(Secret::new("x"));
    config.tickets.secret_file = Some("x".into());
    let (url, secret, secret_file) = ("x".to_owned(), Some(Secret::new("x")), Some(PathBuf::from("x")));
    config.tenants[0].hook = Some(HookSettings {
        url: url.clone(),
        timeout_ms: 1,
        on_failure: OnFailure::Allow,
        secret: secret.clone(),
        secret_file: secret_file.clone(),
    });
    config.tenants[0].webhook = Some(WebhookSettings { url, timeout_ms: 1, secret, secret_file });
    config.tenants[0].token_keys = vec![token_key];
    config.tenants[0].api_keys = vec![api_key];
    config
}

fn paths(table: &Table, prefix: &str, all: &mut BTreeSet<String>) {
    for (key, value) in table {
        let key = if prefix == "namespaces." { "*" } else { key };
        match value {
            Value::Table(inner) => paths(inner, &format!("{prefix}{key}."), all),
            Value::Array(list) if list.iter().any(Value::is_table) => {
                let inner = list.iter().filter_map(Value::as_table);
                inner.for_each(|inner| paths(inner, &format!("{prefix}{key}[]."), all));
            }
            _ => {
                all.insert(format!("{prefix}{key}"));
            }
        }
    }
}

#[test]
fn the_reference_names_every_key_and_no_other() {
    let mut serialised = BTreeSet::new();
    paths(&Table::try_from(full()).expect("plain data"), "", &mut serialised);
    let documented: BTreeSet<String> = reference::keys().collect();
    assert_eq!(serialised, documented);
}

#[test]
fn the_documentation_shows_types_and_defaults() {
    let docs = reference_markdown();
    for line in [
        "| `public` | text | `\"127.0.0.1:8080\"` | Address and port for clients",
        "| `frame_bytes` | number | `65536` | ",
        "| `origins` | list | `[]` | ",
        "| `default_tenant` | text | unset | ",
        "| `messages` | number | `1000` | ",
        "| `log` | text | `\"none\"` | ",
        "| `refresh_s` | number | `300` | ",
        "| `scopes` | list | unset | ",
        "## `[[tenants.token_keys]]`",
        "## `[namespaces.<name>.window]`",
    ] {
        assert!(docs.lines().any(|shown| shown.starts_with(line)), "{line}\n{docs}");
    }
}

#[test]
fn no_file_and_no_variable_panics() {
    use proptest::prelude::*;
    proptest!(|(text in "(?s)([\\[\\]a-z_.=\" \n0-9]|limits|tenants|namespaces){0,60}", name in "[A-Z_]{0,20}", value in ".{0,20}")| {
        let env = vec![(format!("HUBBUB_{name}"), value)];
        let _ = Config::load(&Sources { dev: true, file: Some(("f", &text)), env, ..Sources::default() });
    });
}

/// A mounted file wins only where no variable of the image stands above it.
#[test]
fn the_image_is_configured_by_a_file_that_can_be_replaced() {
    let image = include_str!("../../../deploy/Dockerfile");
    assert!(!image.contains("HUBBUB_LISTEN") && !image.contains("HUBBUB_STORE"), "settings in the image");
    assert!(image.contains("COPY deploy/hubbub.toml /etc/hubbub/hubbub.toml"));
    assert!(image.contains("ENV HUBBUB_CONFIG=/etc/hubbub/hubbub.toml"));
    let file = include_str!("../../../deploy/hubbub.toml");
    let config = load_file(&format!("{file}{}", tenant_toml())).expect("right");
    assert!(config.listen.public.ip().is_unspecified() && config.listen.internal.ip().is_unspecified());
    assert_eq!((config.listen.public.port(), config.listen.internal.port()), (8080, 8081), "what the image exposes");
    assert_eq!(config.store.path, Path::new("/var/lib/hubbub/hubbub.db"));
}

/// Revocations lie in the store, whatever namespaces there are.
#[test]
fn a_fleet_needs_a_store_that_its_nodes_share() {
    let redis = "[redis]\nurl = \"redis://127.0.0.1:6379\"\n";
    let said = said(load_file(&format!("{redis}[namespaces.live]\nlog = \"window\"\n{}", tenant_toml())));
    assert!(said.contains("store.postgres_url: must be set where redis.url is"), "{said}");
    assert!(said.contains("revoked"), "{said}");
    let both = format!("{redis}[store]\npostgres_url = \"postgres://hubbub@127.0.0.1/hubbub\"\n{}", tenant_toml());
    load_file(&both).expect("right");
}
