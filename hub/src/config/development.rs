//! The development preset: what `--dev` puts below the configuration file, so that a fresh clone runs. Its secrets are in
//! the source of the hub and therefore refused without `--dev`.

/// Signs and proves the tokens of development.
pub const SECRET: &str = "hubbub-development-secret-not-for-production";
/// The API key of development.
pub const API_KEY: &str = "dev-key";

/// The preset as a configuration file.
pub const PRESET: &str = r#"
[[tenants]]
id = "default"

[[tenants.token_keys]]
kid = "dev"
algorithm = "HS256"
secret = "hubbub-development-secret-not-for-production"

[[tenants.api_keys]]
id = "dev"
secret = "dev-key"
scopes = ["publish", "read", "users", "tokens", "admin"]

[namespaces.chat]
log = "durable"
presence = true
allow = ["subscribe", "publish", "history", "presence"]

[namespaces.live]
log = "window"
window = { messages = 1000 }
presence = true
overflow = "conflate"
allow = ["subscribe", "publish", "history", "presence"]

[namespaces.feed]
log = "window"
public = true
last_value = true
overflow = "conflate"
allow = ["subscribe", "history"]

[namespaces.user]
log = "durable"
presence = true
per_user = true

[namespaces.room]
log = "durable"
presence = true
rooms = true

[namespaces.eph]
log = "none"
overflow = "drop_oldest"
allow = ["subscribe", "publish"]
"#;
