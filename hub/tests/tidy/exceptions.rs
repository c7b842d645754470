//! What breaks a rule, and why. Keep it short: an entry goes as soon as its reason does.

use super::judge::{Exception, Rule};

/// Every exception.
pub(crate) const EXCEPTIONS: &[Exception] = &[
    Exception {
        rule: Rule::LongFunction,
        place: "hub/src/node/mod.rs start",
        reason: "the composition root: a straight list of what is made of what. Ends when it is split by stage \
                 (ports, message path, services, housekeeping, shards)",
    },
    Exception {
        rule: Rule::Cycle,
        place: "deliver -> shard",
        reason: "lanes put deliveries into the shards' mailboxes, shards register their interest with the lanes. Ends when \
                 `shard::mail` is a module of its own that both use",
    },
    Exception {
        rule: Rule::Cycle,
        place: "api -> node",
        reason: "readiness flies the canary of `node::probe`, the node starts the API. Ends when the probe is a module of \
                 its own",
    },
    Exception {
        rule: Rule::Sleep,
        place: "clients/rust/tests/sessions.rs",
        reason: "shows that a silence longer than the heartbeat is survived: that silence has to pass, over a real socket",
    },
    Exception {
        rule: Rule::Sleep,
        place: "clients/web/tests/dashboard.test.mjs",
        reason: "paces what it publishes, so that the chart of the screenshot has a line; nothing is waited for",
    },
];
