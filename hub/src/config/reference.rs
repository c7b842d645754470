//! The reference: every key of the configuration with what it means. Read by `config docs`, by the check for unknown keys and
//! for the values of environment variables; a test holds it against the structs.

/// How a value is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Text, an address, or one of a few words.
    Text,
    /// A whole number.
    Number,
    /// `true` or `false`.
    Switch,
    /// A list of texts; in the environment with commas between them.
    List,
}

impl Kind {
    /// What it is called in the documentation.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Number => "number",
            Self::Switch => "true/false",
            Self::List => "list",
        }
    }
}

/// Keys that stand together.
#[derive(Debug)]
pub struct Group {
    /// Where: `[]` stands for a list of tables, `*` for a free name.
    pub prefix: &'static str,
    /// What the section is for.
    pub intro: &'static str,
    /// Its keys: name, kind, meaning.
    pub keys: &'static [(&'static str, Kind, &'static str)],
}

use Kind::{List, Number, Switch, Text};

/// Every key, in the order of the documentation.
pub const GROUPS: &[Group] = &[
    Group {
        prefix: "listen",
        intro: "Where the node listens. The internal port has no TLS and is not for the internet.",
        keys: &[
            ("public", Text, "Address and port for clients: WebSockets, SSE, tickets, pages."),
            ("internal", Text, "Address and port for services, metrics and probes."),
        ],
    },
    Group {
        prefix: "node",
        intro: "What the node is.",
        keys: &[
            ("name", Text, "Its name, in logs and in `connected`."),
            (
                "shards",
                Number,
                "How many shards, each a thread. 0: one for each core that `shared_threads` leaves; one on two cores.",
            ),
            (
                "shared_threads",
                Number,
                "How many threads beside the shards: lanes, presence, the store's client, the internal API. 0: one for four cores; none on two, where the first shard's thread does their work too.",
            ),
        ],
    },
    Group {
        prefix: "store",
        intro: "Where durable logs are kept. A node alone keeps them in SQLite, a fleet in Postgres.",
        keys: &[
            ("path", Text, "The SQLite file of a node that runs alone. Its folder is made when it is missing."),
            (
                "postgres_url",
                Text,
                "The Postgres of a fleet, as the application role: `postgres://user:password@host:port/database`; PgBouncer in \
                 transaction mode will do. Unset: SQLite.",
            ),
            ("postgres_url_file", Text, "A file that holds it."),
            (
                "postgres_migrate_url",
                Text,
                "The same database as the role that owns its tables, directly: for `hubbub migrate`.",
            ),
            ("postgres_migrate_url_file", Text, "A file that holds it."),
            (
                "postgres_replica_url",
                Text,
                "A replica, for reads where being late does no harm. Unset: the primary answers everything.",
            ),
            ("postgres_replica_url_file", Text, "A file that holds it."),
            ("postgres_role", Text, "The role to which `hubbub migrate` gives what a node needs."),
            ("postgres_connections", Number, "Most connections of this node to Postgres."),
        ],
    },
    Group {
        prefix: "redis",
        intro: "What carries messages between nodes. Without a URL the node is alone.",
        keys: &[
            (
                "url",
                Text,
                "The Redis of a fleet: `redis://host:port`, `rediss://` with TLS, \
                 `redis-sentinel://host:port?node=host:port&sentinelServiceName=name` or \
                 `redis-cluster://host:port?node=host:port`.",
            ),
            ("url_file", Text, "A file that holds it."),
            ("username", Text, "The ACL user, where the URL does not say."),
            ("password", Text, "The password, where the URL does not say."),
            ("password_file", Text, "A file that holds it."),
            ("ca_file", Text, "Certificates in PEM that are trusted for `rediss://`, beside those of the machine."),
            ("prefix", Text, "What every key and channel begins with, the same on every node of a fleet."),
            ("connections", Number, "Connections for commands, beside the one that listens."),
        ],
    },
    Group {
        prefix: "breaker",
        intro: "When Redis or the store counts as away, so that nobody waits for it, and how often it is probed then.",
        keys: &[
            ("failures", Number, "Failures in a row after which it counts as away."),
            ("successes", Number, "Successful probes in a row after which it is back."),
            ("probe_ms", Number, "Time to the first probe."),
            ("probe_max_ms", Number, "Each failed probe doubles that time, up to this."),
        ],
    },
    Group {
        prefix: "log",
        intro: "How the node logs.",
        keys: &[
            ("format", Text, "`text` for people or `json` for machines."),
            ("level", Text, "`error`, `warn`, `info`, `debug`, `trace`, or directives like `info,hubbub::auth=debug`."),
        ],
    },
    Group {
        prefix: "http",
        intro: "Pages and proxies.",
        keys: &[
            (
                "origins",
                List,
                "Pages that may connect, by exact scheme, host and port. Requests without `Origin` are not from pages.",
            ),
            ("allow_any_origin", Switch, "Lets every page connect. Only with `--dev`."),
            (
                "trusted_proxies",
                List,
                "Networks of the proxies whose `X-Forwarded-For` is believed, e.g. `10.0.0.0/8`.",
            ),
            (
                "anonymous_tenant",
                Text,
                "Whose public channels are read without a token. Unset: the only tenant, if there is one.",
            ),
        ],
    },
    Group {
        prefix: "limits",
        intro: "Every bound of the node, with its unit in its name.",
        keys: &[
            ("frame_bytes", Number, "Largest frame from a client."),
            ("subscriptions_per_connection", Number, "Most subscriptions of one connection."),
            ("rooms_followed", Number, "Most rooms that one connection follows."),
            ("room_requests", Number, "Requests about rooms over REST on the public port that are worked on at once."),
            ("room_requests_per_user", Number, "The same of one user; more are refused."),
            ("channels_per_tenant", Number, "Most channels of a tenant with subscribers on this node."),
            ("requests_per_second", Number, "Requests a connection may send each second."),
            ("request_burst", Number, "Requests it may send at once before that rate counts."),
            (
                "requests_in_flight",
                Number,
                "Requests of a connection that may be under way at once; reading pauses above it.",
            ),
            ("connections_per_ip", Number, "Most connections from one address. Many people share one."),
            ("connects_per_second", Number, "New connections that the node accepts each second."),
            ("connect_burst", Number, "New connections it accepts at once before that rate counts."),
            ("connections", Number, "Most connections of this node. 0: as many as the process may open files."),
            ("outbox_bytes", Number, "What may wait for one slow reader."),
            ("outbox_frames", Number, "The same, in frames."),
            ("gate_bytes", Number, "Live messages held for one subscription while it attaches."),
            ("page_messages", Number, "A page of the log that is read at once while catching up."),
            ("page_bytes", Number, "The same, in bytes."),
            (
                "memory_watermark_bytes",
                Number,
                "Memory of the process above which newcomers are refused. 0: 80 % of the machine or container.",
            ),
            ("window_bytes_per_node", Number, "What all `window` logs of this node may hold together."),
            ("mailbox_messages", Number, "Deliveries that may wait for one shard or one lane."),
            ("slice_us", Number, "How long a shard may write before it lets others go on."),
            ("heartbeat_ms", Number, "Time between two pings."),
            ("connect_timeout_ms", Number, "Time for the connect frame."),
            ("header_timeout_ms", Number, "Time for the head of an HTTP request."),
            ("reorder_ms", Number, "How long a missing message is waited for before it is read from the log."),
            ("reorder_bytes", Number, "What may wait for a missing message of one channel."),
            ("hot_messages", Number, "Newest messages of a channel that are kept encoded for those who resume."),
            ("hot_bytes", Number, "The same in bytes."),
            ("hot_bytes_per_node", Number, "What is kept so of all channels together."),
            ("hot_ms", Number, "How long after its last message a channel keeps them."),
            ("presence_grace_ms", Number, "How long a user stays present after the last connection went."),
            ("presence_lease_ms", Number, "How long the users of a node stay present after the node died."),
            (
                "presence_list_users",
                Number,
                "Most users of a channel that are listed and told one by one; above it there are counts. The same on every node.",
            ),
            ("interest_linger_ms", Number, "How long interest in a channel lingers after its last subscriber went."),
            ("expiry_warning_ms", Number, "Warning before a token expires."),
            ("sse_heartbeat_ms", Number, "Silence on an SSE stream after which a comment is sent."),
            ("sse_rotation_ms", Number, "Age at which an SSE stream ends and its browser reconnects (± 10 %)."),
            ("drain_ms", Number, "How long draining may take."),
            (
                "drain_notice_ms",
                Number,
                "Time between \"not ready\" and the first reconnect asked for, so that balancers notice.",
            ),
            ("api_connections", Number, "Connections to the internal API; more wait in the kernel."),
            (
                "api_body_bytes",
                Number,
                "Largest body of a batch or a broadcast. Other bodies: `frame_bytes` and 16 KiB.",
            ),
            ("api_timeout_ms", Number, "How long a request to the internal API may take."),
            (
                "api_expensive_requests",
                Number,
                "Batches, broadcasts, lists and history pages that run at once; more wait.",
            ),
        ],
    },
    Group {
        prefix: "tokens",
        intro: "What tokens must look like.",
        keys: &[
            ("leeway_s", Number, "How far the clocks of issuers may be off. At most 300."),
            ("max_ttl_s", Number, "How far in the future `exp` may be. At most 86,400, a day."),
            ("tenant_claim", Text, "The claim that names the tenant."),
            (
                "default_tenant",
                Text,
                "The tenant of tokens without that claim whose key is not bound to a tenant. Unset: they are refused.",
            ),
        ],
    },
    Group {
        prefix: "tokens.jwks",
        intro: "How keys are fetched from URLs.",
        keys: &[
            ("refresh_s", Number, "Time between two fetches."),
            ("cooldown_s", Number, "Shortest time between two fetches for unknown key ids."),
            ("unknown_s", Number, "How long a key id that the issuer did not have is not asked for again."),
            ("timeout_ms", Number, "How long a fetch may take."),
            ("max_bytes", Number, "Largest answer."),
        ],
    },
    Group {
        prefix: "tokens.keys[]",
        intro: "Keys that are not bound to a tenant: each token names its own. The fields are those of `[[tenants.token_keys]]`.",
        keys: TOKEN_KEY,
    },
    Group {
        prefix: "tickets",
        intro: "How SSE tickets are signed. Without a secret each start draws one: fine for a single node.",
        keys: &[
            ("secret", Text, "The secret, the same on every node, at least 32 bytes."),
            ("secret_file", Text, "A file that holds it."),
        ],
    },
    Group {
        prefix: "tenants[]",
        intro: "The tenants with their keys.",
        keys: &[
            ("id", Text, "Its name: 1 to 63 of `a-z 0-9 - _`."),
            (
                "publishes_per_second",
                Number,
                "What all its users and services may publish each second, over all nodes. 0: not limited.",
            ),
            (
                "publish_burst",
                Number,
                "What they may publish at once before that rate counts. 0: what comes in a second.",
            ),
            (
                "user_publishes_per_second",
                Number,
                "What each of its users may publish each second, over all nodes. 0: not limited.",
            ),
            (
                "user_publish_burst",
                Number,
                "What a user may publish at once before that rate counts. 0: what comes in a second.",
            ),
        ],
    },
    Group {
        prefix: "tenants[].hook",
        intro: "Who is asked before a message of a room is sent or edited.",
        keys: &[
            ("url", Text, "Where to post to."),
            ("timeout_ms", Number, "How long an answer may take. Default 300."),
            ("on_failure", Text, "What happens without one: `allow` or `refuse`. Default `refuse`."),
            ("secret", Text, "Signs what is posted."),
            ("secret_file", Text, "A file that holds it."),
        ],
    },
    Group {
        prefix: "tenants[].webhook",
        intro: "Who is told of notices that their user does not see.",
        keys: &[
            ("url", Text, "Where to post to."),
            ("timeout_ms", Number, "How long an answer may take. Default 5000."),
            ("secret", Text, "Signs what is posted."),
            ("secret_file", Text, "A file that holds it."),
        ],
    },
    Group {
        prefix: "tenants[].token_keys[]",
        intro: "Keys that prove users of this tenant. Each has exactly one of `secret`, `secret_file`, `public_key`, `public_key_file`, `jwks_url`.",
        keys: TOKEN_KEY,
    },
    Group {
        prefix: "tenants[].api_keys[]",
        intro: "API keys of the tenant's services. Each has exactly one of `secret`, `secret_file`, `sha256`.",
        keys: &[
            ("id", Text, "Names the service in logs and in the scope of idempotency keys."),
            ("secret", Text, "The key itself, 24 to 256 bytes."),
            ("secret_file", Text, "A file that holds it."),
            ("sha256", Text, "The SHA-256 of the key in hexadecimal, instead of the key itself."),
            ("scopes", List, "What the service may do: `publish`, `read`, `users`, `tokens`, `admin`."),
            ("channels", List, "Patterns of the channels it may touch. Unset: all."),
        ],
    },
    Group {
        prefix: "namespaces.*",
        intro: "The rules of the channels whose name begins with this and a colon.",
        keys: &[
            ("log", Text, "What its channels remember: `none`, `window` or `durable`."),
            ("presence", Switch, "Whether the hub keeps account of who is in its channels."),
            ("public", Switch, "Whether its channels can be read over SSE without a token."),
            ("last_value", Switch, "Whether a fresh SSE stream begins with the last message. Needs a log."),
            ("per_user", Switch, "Whether `name` of a channel is a user id, and that user alone may read it."),
            ("rooms", Switch, "Whether its channels are rooms. Needs `log = \"durable\"` and a namespace `user`."),
            ("overflow", Text, "What happens to a slow subscriber: `disconnect`, `conflate` or `drop_oldest`."),
            (
                "flush_ms",
                Number,
                "Messages of a channel are handed out together once in so many milliseconds, in steps of 20. 0: at once.",
            ),
            (
                "allow",
                List,
                "What a token without capabilities may do: `subscribe`, `publish`, `history`, `presence`, `moderate`.",
            ),
        ],
    },
    Group {
        prefix: "namespaces.*.window",
        intro: "Bounds of a `window` log. The tightest one counts.",
        keys: &[
            ("messages", Number, "Keep at most so many messages of a channel."),
            ("bytes", Number, "Keep at most so many bytes of a channel."),
            ("age_s", Number, "Keep messages for so many seconds."),
        ],
    },
    Group {
        prefix: "namespaces.*.durable",
        intro: "How long a `durable` log keeps messages.",
        keys: &[
            ("age_days", Number, "Keep messages for so many days. 0: no bound."),
            ("messages", Number, "Keep at most so many messages of a channel. 0: no bound."),
        ],
    },
];

const TOKEN_KEY: &[(&str, Kind, &str)] = &[
    ("kid", Text, "The id that tokens name in `kid`. Unset: tried for every token of its algorithm."),
    (
        "algorithm",
        Text,
        "`HS256`, `HS384`, `HS512`, `RS256`, `ES256` or `EdDSA`. With `jwks_url` it narrows what is taken.",
    ),
    ("secret", Text, "The shared secret of HS256, HS384 and HS512, at least 32 bytes."),
    ("secret_file", Text, "A file that holds it."),
    ("public_key", Text, "The public key of RS256, ES256 and EdDSA, as PEM."),
    ("public_key_file", Text, "A file that holds it."),
    ("jwks_url", Text, "Where the issuer publishes its keys. `https`, or `http` on this machine."),
    ("issuer", Text, "The `iss` that tokens must have. Unset: not looked at."),
    ("audience", List, "One of these must be in `aud`. Empty: not looked at."),
];

/// Every key as a path.
pub fn keys() -> impl Iterator<Item = String> {
    GROUPS.iter().flat_map(|group| group.keys.iter().map(|(name, ..)| format!("{}.{name}", group.prefix)))
}

/// How the value of a key is written; `None` when there is no such key.
pub fn kind(path: &str) -> Option<Kind> {
    let (prefix, name) = path.rsplit_once('.')?;
    let mut keys = GROUPS.iter().filter(|group| group.prefix == prefix).flat_map(|group| group.keys);
    keys.find(|(key, ..)| *key == name).map(|(_, kind, _)| *kind)
}

/// Whether there is such a key.
pub fn is_key(path: &str) -> bool {
    kind(path).is_some()
}

/// Whether keys stand below this path.
pub fn is_group(path: &str) -> bool {
    GROUPS
        .iter()
        .any(|group| group.prefix.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
}

/// What to say about a key that does not exist, with the nearest one that does.
pub fn unknown(path: &str) -> String {
    let sections = GROUPS.iter().map(|group| group.prefix.to_owned());
    let nearest = keys().chain(sections).map(|key| (strsim::damerau_levenshtein(path, &key), key)).min();
    match nearest {
        Some((distance, key)) if distance <= 3 => format!("there is no key `{path}`; did you mean `{key}`?"),
        _ => format!("there is no key `{path}`; `hubbub config docs` lists them all"),
    }
}
