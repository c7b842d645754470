//! What Redis and the second node add to the latency of a delivery: subscribers on the publishing node and on another one get
//! the same messages in the same run. A node without Redis does the same alone before, as the control.

use std::time::Duration;

use clap::Args;
use hdrhistogram::Histogram;
use hubbub_protocol::ChannelName;

use super::{parse_channel, quantile_ms};
use crate::LoadError;
use crate::audit::AuditSum;
use crate::connection::Stamps;
use crate::crowd::{Channels, Crowd, CrowdPlan};
use crate::fleet::{self, Fleet, FleetFlags, Shape};
use crate::report::Report;
use crate::traffic::{Acked, Pace, Traffic, TrafficPlan};

/// How late this program may publish, in milliseconds: later than that it measures itself.
const OWN_LATENESS_MS: f64 = 5.0;
/// How long the last messages may be on their way.
const PATIENCE: Duration = Duration::from_secs(10);

/// The flags of `cross-node`.
#[derive(Args, Debug)]
pub struct CrossNodeArgs {
    #[command(flatten)]
    flags: FleetFlags,
    /// How many subscribers on each node.
    #[arg(long, default_value_t = 10)]
    subscribers: usize,
    /// Their channel.
    #[arg(long, default_value = "live:cross-node", value_parser = parse_channel)]
    channel: ChannelName,
    /// Messages a second.
    #[arg(long, default_value_t = 1_000.0)]
    rate: f64,
    /// How long, in seconds.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Length of `data`, in bytes.
    #[arg(long, default_value_t = 128)]
    data_bytes: usize,
    /// Threads that publish, which is also the most that is under way at once.
    #[arg(long, default_value_t = 16)]
    publishers: usize,
    /// Most that Redis and the second node may add to the 99th percentile, in milliseconds.
    #[arg(long)]
    max_added_ms: Option<f64>,
}

/// What the subscribers of one node saw.
struct Node {
    latency: Histogram<u64>,
    audit: AuditSum,
}

impl CrossNodeArgs {
    pub(super) fn run(&self) -> Result<bool, LoadError> {
        let mut report = Report::new("cross-node");
        let alone = match self.flags.no_control {
            true => None,
            false => Some(self.measure(&Shape { nodes: 1, alone: true, ..Shape::default() }, &mut report)?),
        };
        let both = self.measure(&Shape { nodes: 2, ..Shape::default() }, &mut report)?;
        let p99 = |node: &Node| quantile_ms(&node.latency, 0.99);
        let (first, second) = (p99(&both[0]), p99(&both[1]));
        report.value("publishing_node_p99_ms", first);
        report.value("second_node_p99_ms", second);
        report.value("added_p99_ms", second - first);
        report.at_most("added_p99_ms", second - first, self.max_added_ms);
        let mut figure = format!(
            "cross-node: p99 {first:.2} ms on the publishing node, {second:.2} ms on the second one at {:.0} messages/s: \
             {:+.2} ms",
            self.rate,
            second - first
        );
        if let Some(alone) = alone.as_ref().map(|alone| p99(&alone[0])) {
            report.value("control_p99_ms", alone);
            report.value("added_to_control_p99_ms", second - alone);
            report.at_most("added_to_control_p99_ms", second - alone, self.max_added_ms);
            figure += &format!("; control, a node without Redis, {alone:.2} ms: {:+.2} ms", second - alone);
        }
        report.figure(figure);
        report.finish(self.flags.json.as_deref())
    }

    /// Publishes through the first node; what the subscribers of each node saw.
    fn measure(&self, shape: &Shape, report: &mut Report) -> Result<Vec<Node>, LoadError> {
        let fleet = Fleet::start(&self.flags.hub, shape)?;
        let stamps = Stamps { data_bytes: self.data_bytes.max(Stamps::LEAST_BYTES) };
        let start = std::time::Instant::now();
        let mut crowds = Vec::new();
        for node in 0..fleet.hubs.len() {
            let plan = CrowdPlan {
                place: &fleet.place(node)?,
                run: node as u8,
                subscribers: self.subscribers,
                threads: 1,
                in_flight: self.flags.in_flight,
                channels: Channels::Shared(self.channel.clone()),
                tokens: &fleet::tokens(),
                token_each: true,
                stamps: Some(stamps),
                windows: 2,
            };
            let crowd = Crowd::start_at(&plan, start)?;
            crowd.wait_live(Duration::from_secs(self.flags.open_within_s))?;
            crowds.push(crowd);
        }
        let plan = |window, seconds| TrafficPlan {
            internals: fleet.internals()[..1].to_vec(),
            api_key: fleet::API_KEY.to_owned(),
            keys: true,
            channels: vec![self.channel.to_string()],
            pace: Pace::Rate(self.rate),
            within: Some(Duration::from_secs(seconds)),
            threads: self.publishers,
            stamps,
            window,
            zero: start,
        };
        // Window 0 is the warm-up.
        let warm = Traffic::run(plan(0, 2))?;
        let acked = Traffic::run(plan(1, self.seconds))?;
        let head = warm.messages() + acked.messages();
        let name = |node: usize| if shape.alone { "control".to_owned() } else { format!("node-{}", node + 1) };
        self.check(&acked, if shape.alone { "control" } else { "fleet" }, report);
        let mut nodes = Vec::new();
        for (node, crowd) in crowds.into_iter().enumerate() {
            // What does not come within this time is lost, and the account says how much.
            let _ = crowd.wait_messages(head * self.subscribers as u64, PATIENCE);
            let mut seen = crowd.finish()?;
            let seen = Node { audit: seen.sum(head), latency: seen.latency.swap_remove(1) };
            seen.say(&name(node), report);
            nodes.push(seen);
        }
        Ok(nodes)
    }

    fn check(&self, acked: &Acked, name: &str, report: &mut Report) {
        let late = quantile_ms(&acked.lateness, 0.99);
        report.say(&format!(
            "{name}: {} acknowledged, p99 of the ack {:.2} ms; published {late:.2} ms late (p99)",
            acked.messages(),
            quantile_ms(&acked.latency, 0.99)
        ));
        report.at_most("own_lateness_p99_ms", late, Some(OWN_LATENESS_MS));
        if acked.retries > 0 {
            report.fail(format!("{name}: {} publishes failed", acked.retries));
        }
    }
}

impl Node {
    fn say(&self, name: &str, report: &mut Report) {
        let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|quantile| quantile_ms(&self.latency, quantile));
        report.say(&format!("{name}: latency p50 {p50:.2} ms, p99 {p99:.2} ms, p99.9 {p999:.2} ms; {}", self.audit));
        if !self.audit.is_clean() {
            report.fail(format!("{name}: {}", self.audit));
        }
    }
}
