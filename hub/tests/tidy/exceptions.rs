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
        rule: Rule::LongFunction,
        place: "hub/tests/wire/a_subscription_has_one_outcome.rs many_channels_are_taken_up_with_an_outcome_each",
        reason: "one table of 200 channels with what each must get, then the look at it. Ends when the table is a function \
                 of its own",
    },
    Exception {
        rule: Rule::Cycle,
        place: "deliver -> shard",
        reason: "lanes put deliveries into the shards' mailboxes, shards register their interest with the lanes. Ends when \
                 `shard::mail` is a module of its own that both use",
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
    Exception {
        rule: Rule::Sleep,
        place: "hub/src/guarded/tests.rs",
        reason: "time is paused: the sleeps are the times between probes and cost nothing",
    },
    Exception {
        rule: Rule::Sleep,
        place: "hub/tests/erasure/",
        reason: "looks again, until a deadline, at how far a job is or what housekeeping has done: nothing wakes a test for that",
    },
    Exception {
        rule: Rule::Sleep,
        place: "hub/tests/fleet/harness.rs",
        reason: "looks again each 20 ms, until a deadline, at what other processes say of themselves: nothing wakes a test for that",
    },
    Exception {
        rule: Rule::Sleep,
        place: "hub/tests/simulation/",
        reason: "time is simulated: these sleeps are the delays of the simulated network and cost nothing",
    },
    Exception {
        rule: Rule::Sleep,
        place: "hub/tests/wire/harness.rs",
        reason: "looks again each 5 ms, until a deadline, at what another process wrote or whether it ended: nothing wakes \
                 a test for that",
    },
    Exception {
        rule: Rule::Sleep,
        place: "hub/tests/crash/load.rs",
        reason: "looks again, with a deadline, at what many clients have counted and noted",
    },
    Exception {
        rule: Rule::Sleep,
        place: "hub/tests/torture/",
        reason: "faults last as long as the schedule says, clients nap and publishers pause: what sleeps is the load, and \
                 waits for other processes look again until a deadline",
    },
    Exception {
        rule: Rule::Sleep,
        place: "hub/tests/wire/limits_are_kept.rs",
        reason: "waits as long as `retry_after_ms` says, at most 50 ms: that this is enough is what is tested",
    },
];
