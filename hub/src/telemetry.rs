//! The table of metrics: every name that the hub counts under, with its kind, unit, labels and meaning. Whoever counts knows
//! only a name; a test holds the names in the sources and the table in `docs/OPERATIONS.md` against this one.

use hubbub_protocol::CloseCode;
use metrics::Unit;

/// What a metric does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Only goes up.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts values into buckets.
    Histogram,
}

impl Kind {
    /// What Prometheus calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// What tells the series of a metric apart.
#[derive(Clone, Copy, Debug)]
pub enum Labels {
    /// There is one series.
    None,
    /// One label whose values are known; its series begin at zero with the node.
    Known(&'static str, fn() -> Vec<String>),
    /// Labels whose values come with what happens.
    Open(&'static [&'static str]),
}

/// One metric.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub kind: Kind,
    /// What it counts in.
    pub unit: Unit,
    /// Its labels.
    pub labels: Labels,
    /// What it means.
    pub help: &'static str,
}

/// Requests to the internal API.
pub const API_REQUESTS: &str = "hubbub_api_requests_total";
/// How long they took.
pub const API_REQUEST_SECONDS: &str = "hubbub_api_request_seconds";

/// Upper bounds of the buckets of every duration, in seconds: from a publish into a window to the time limit of a request.
pub const SECONDS_BUCKETS: &[f64] =
    &[0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

const fn counter(name: &'static str, unit: Unit, labels: Labels, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, unit, labels, help }
}

const fn gauge(name: &'static str, unit: Unit, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, unit, labels: Labels::None, help }
}

/// Every metric, in the order of the documentation.
pub const METRICS: &[Metric] = &[
    gauge("hubbub_connections", Unit::Count, "Connections that are open now, WebSockets and SSE streams."),
    counter(
        "hubbub_refused_connections_total",
        Unit::Count,
        Labels::Known("cause", || texts(&["memory", "draining", "full", "address", "rate"])),
        "Connections that were not let in, by the limit that they met.",
    ),
    counter(
        "hubbub_closed_connections_total",
        Unit::Count,
        Labels::Known("code", || CloseCode::ALL.iter().map(|code| code.code().to_string()).collect()),
        "Connections that the hub closed, by close code.",
    ),
    counter(
        "hubbub_rate_limited_total",
        Unit::Count,
        Labels::None,
        "Requests and publishes that were refused by a rate.",
    ),
    counter(
        "hubbub_room_operations_total",
        Unit::Count,
        Labels::Known("outcome", || texts(&["done", "answered", "refused", "failed"])),
        "Operations of rooms, by how they ended.",
    ),
    counter(
        "hubbub_hook_failures_total",
        Unit::Count,
        Labels::None,
        "Times that a hook before publishing did not answer as it should.",
    ),
    counter(
        "hubbub_presence_reaped_total",
        Unit::Count,
        Labels::None,
        "Users of dead nodes that this node took out of channels.",
    ),
    counter(
        "hubbub_presence_lost_leases_total",
        Unit::Count,
        Labels::None,
        "Times that what this node had said of who is present was lost and said again: it slept, or Redis lost its memory.",
    ),
    counter(
        "hubbub_attaches_total",
        Unit::Count,
        Labels::Known("outcome", || texts(&["fresh", "continued", "gap"])),
        "Subscribes, resumes and SSE reconnects, by outcome.",
    ),
    counter(
        "hubbub_deliveries_total",
        Unit::Count,
        Labels::None,
        "Messages that were put into the outbox of a subscriber.",
    ),
    counter(
        "hubbub_conflated_messages_total",
        Unit::Count,
        Labels::None,
        "Messages that a newer one with the same conflate key replaced before a slow subscriber got them.",
    ),
    counter(
        "hubbub_dropped_messages_total",
        Unit::Count,
        Labels::None,
        "Messages that slow subscribers of channels without a log did not get (`overflow = \"drop_oldest\"`).",
    ),
    counter(
        "hubbub_slow_consumers_total",
        Unit::Count,
        Labels::None,
        "Connections whose outbox was full when a message came for them (`overflow = \"disconnect\"`).",
    ),
    counter(
        "hubbub_refills_total",
        Unit::Count,
        Labels::Known("cause", || texts(&["missing"])),
        "Times that a log was read because a message did not come by the broker.",
    ),
    counter(
        "hubbub_lost_messages_total",
        Unit::Count,
        Labels::None,
        "Messages that a log should hold and does not. Anything above 0 is an alarm.",
    ),
    counter(
        "hubbub_store_reads_total",
        Unit::Count,
        Labels::Known("question", || texts(&["read", "heads", "continuity", "look", "search"])),
        "Questions to the store: pages of logs, heads of many channels at once, old positions, looks at rooms, searches.",
    ),
    gauge("hubbub_hot_bytes", Unit::Bytes, "Newest messages of channels that are kept encoded for those who resume."),
    gauge("hubbub_window_bytes", Unit::Bytes, "What all `window` logs of the node hold together."),
    counter(
        "hubbub_window_evictions_total",
        Unit::Count,
        Labels::None,
        "Times that a window let messages go early because all windows together were over their budget.",
    ),
    counter(
        "hubbub_refused_envelopes_total",
        Unit::Count,
        Labels::Known("cause", || texts(&["version", "kind", "malformed"])),
        "Envelopes of other nodes that were let go because they could not be read.",
    ),
    counter(
        "hubbub_broker_sweeps_total",
        Unit::Count,
        Labels::Known("cause", || texts(&["connected", "silent", "missed", "lag"])),
        "Times that logs were looked at because envelopes may have been missed: after a connection, a silent subscription, a missing heartbeat, a full buffer.",
    ),
    counter(
        "hubbub_redis_failures_total",
        Unit::Count,
        Labels::None,
        "Commands to Redis that got no answer or one that said `not now`, and connections that failed.",
    ),
    gauge("hubbub_resident_bytes", Unit::Bytes, "Memory that the process holds."),
    counter(
        API_REQUESTS,
        Unit::Count,
        Labels::Open(&["method", "route", "status"]),
        "Requests to the internal API. `route` is the pattern of the path, `none` where there is no route.",
    ),
    Metric {
        name: API_REQUEST_SECONDS,
        kind: Kind::Histogram,
        unit: Unit::Seconds,
        labels: Labels::Open(&["method", "route"]),
        help: "Time from the head of a request to the internal API to the head of its answer.",
    },
];

fn texts(all: &[&str]) -> Vec<String> {
    all.iter().map(|text| (*text).to_owned()).collect()
}

/// Tells the recorder of the process about every metric, and starts the series that are known at zero: a counter that
/// appears with its first event hides that event from a rate.
pub fn describe() {
    for metric in METRICS {
        let Metric { name, unit, help, .. } = *metric;
        match metric.kind {
            Kind::Counter => metrics::describe_counter!(name, unit, help),
            Kind::Gauge => metrics::describe_gauge!(name, unit, help),
            Kind::Histogram => metrics::describe_histogram!(name, unit, help),
        }
        match (metric.kind, metric.labels) {
            (Kind::Counter, Labels::None) => drop(metrics::counter!(name)),
            (Kind::Counter, Labels::Known(label, values)) => {
                values().into_iter().for_each(|value| drop(metrics::counter!(name, label => value)));
            }
            (Kind::Gauge, _) => drop(metrics::gauge!(name)),
            _ => {}
        }
    }
}

impl Metric {
    /// Its row in the table of the documentation.
    pub fn row(&self) -> String {
        let labels = match self.labels {
            Labels::None => "–".to_owned(),
            Labels::Known(label, _) => format!("`{label}`"),
            Labels::Open(labels) => labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", "),
        };
        let unit = match self.unit {
            Unit::Bytes => "bytes",
            Unit::Seconds => "seconds",
            _ => "count",
        };
        format!("| `{}` | {} | {unit} | {labels} | {} |", self.name, self.kind.name(), self.help)
    }
}
