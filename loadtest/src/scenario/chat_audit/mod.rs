//! Chat through a fleet: messages at a rate into many rooms with their members online on all nodes. Each member must get every event of
//! its room once and in order, and at the end the counters of each are held against what was acknowledged. The control is the same
//! rate of plain publishes into as many durable channels with as many subscribers, in the same run.

mod counters;
mod senders;

use std::time::{Duration, Instant};

use clap::Args;
use hdrhistogram::Histogram;

use super::{micros_each, quantile_ms};
use crate::LoadError;
use crate::audit::AuditSum;
use crate::crowd::{Channels, Crowd, CrowdPlan};
use crate::fleet::{self, Fleet, FleetFlags, Shape};
use crate::process::Cpu;
use crate::report::Report;
use crate::worker::empty_latency;
use senders::{Said, Way};

/// How late this program may send, in milliseconds: later than that it measures itself.
const OWN_LATENESS_MS: f64 = 20.0;
/// How long the last messages may be on their way.
const PATIENCE: Duration = Duration::from_secs(20);
/// The time before a measurement.
const WARM_UP: Duration = Duration::from_secs(3);

/// The flags of `chat-audit`.
#[derive(Args, Debug)]
pub struct ChatAuditArgs {
    #[command(flatten)]
    flags: FleetFlags,
    /// Over how many nodes.
    #[arg(long, default_value_t = 3)]
    nodes: usize,
    /// Into how many rooms.
    #[arg(long, default_value_t = 500)]
    rooms: usize,
    /// Members of each room, all of them online.
    #[arg(long, default_value_t = 10)]
    members: usize,
    /// Messages a second.
    #[arg(long, default_value_t = 2_000.0)]
    rate: f64,
    /// How long, in seconds.
    #[arg(long, default_value_t = 15)]
    seconds: u64,
    /// Most messages that are under way at once.
    #[arg(long, default_value_t = 128)]
    senders: usize,
    /// Every so manieth message of a room names a member of it.
    #[arg(long, default_value_t = 20)]
    mention_each: u64,
    /// Length of what is said, in bytes.
    #[arg(long, default_value_t = 100)]
    text_bytes: usize,
    /// Highest 99th percentile from send to receive, in milliseconds.
    #[arg(long)]
    max_p99_ms: Option<f64>,
    /// Lowest rate that has to be acknowledged, as a part of that asked for.
    #[arg(long, default_value_t = 0.99)]
    min_rate: f64,
}

/// What one way of sending came to.
struct Measured {
    /// Acknowledged messages a second.
    rate: f64,
    /// From when it was due to when it came.
    latency: Histogram<u64>,
    /// Of all hubs, microseconds for each message.
    cpu_us: f64,
}

impl ChatAuditArgs {
    pub(super) fn run(&self) -> Result<bool, LoadError> {
        let mut report = Report::new("chat-audit");
        let fleet = Fleet::start(&self.flags.hub, &Shape { nodes: self.nodes.max(1), ..Shape::default() })?;
        let control = match self.flags.no_control {
            true => None,
            false => Some(self.measure(&fleet, Way::Publish, &mut report)?),
        };
        let rooms = self.measure(&fleet, Way::Send, &mut report)?;
        self.judge(&mut report, &rooms, control.as_ref());
        report.finish(self.flags.json.as_deref())
    }

    /// The user who is member `number` of a room: members are spread over the nodes in turns.
    fn member(&self, room: usize, number: usize) -> String {
        let (node, round) = (number % self.nodes, number / self.nodes);
        format!("member-{node}-{}", room + round * self.rooms)
    }

    fn measure(&self, fleet: &Fleet, way: Way, report: &mut Report) -> Result<Measured, LoadError> {
        let begin = Instant::now();
        let bases = match way {
            Way::Send => counters::make_rooms(self, fleet)?,
            Way::Publish => vec![0; self.rooms],
        };
        let crowds = self.crowds(fleet, way, begin)?;
        let warm = senders::run(self, fleet, way, WARM_UP, (0, begin))?;
        let before = cpu(fleet)?;
        let seconds = Duration::from_secs(self.seconds);
        let said = senders::run(self, fleet, way, seconds, (1, begin))?;
        let spent = cpu(fleet)? - before;
        let name = way.name();
        let late = quantile_ms(&said.lateness, 0.99);
        report.say(&format!(
            "{name}: {} acknowledged, {:.0}/s, p99 of the ack {:.1} ms; sent {late:.1} ms late (p99)",
            said.acked.len(),
            said.rate(),
            quantile_ms(&said.latency, 0.99)
        ));
        report.at_most("own_lateness_p99_ms", late, Some(OWN_LATENESS_MS));
        let (rate, count) = (said.rate(), said.acked.len() as u64);
        let said = Said::of(warm, said);
        let latency = self.audited(crowds, &said, &bases, name, report)?;
        if way == Way::Send {
            counters::check(self, fleet, &said, &bases, report)?;
        }
        Ok(Measured { rate, latency, cpu_us: micros_each(spent, count) })
    }

    /// Members of every room on every node.
    fn crowds(&self, fleet: &Fleet, way: Way, start: Instant) -> Result<Vec<Crowd>, LoadError> {
        let tokens = fleet::tokens();
        let mut crowds = Vec::new();
        for node in 0..self.nodes {
            let of_node = (node..self.members).step_by(self.nodes).count();
            let (prefix, rooms) = (way.prefix().to_owned(), self.rooms);
            let plan = CrowdPlan {
                place: &fleet.place(node)?,
                run: (node + if way == Way::Send { 0 } else { self.nodes }) as u8,
                subscribers: of_node * self.rooms,
                threads: 1,
                in_flight: self.flags.in_flight,
                channels: Channels::Members { prefix, rooms, node },
                tokens: &tokens,
                token_each: true,
                stamps: Some(way.stamps(self.text_bytes)),
                windows: 2,
            };
            crowds.push(Crowd::start_at(&plan, start)?);
        }
        for crowd in &crowds {
            crowd.wait_live(Duration::from_secs(self.flags.open_within_s))?;
        }
        Ok(crowds)
    }

    /// Everybody got what was acknowledged in their room, once and in order.
    fn audited(
        &self,
        crowds: Vec<Crowd>,
        said: &Said,
        bases: &[u64],
        name: &str,
        report: &mut Report,
    ) -> Result<Histogram<u64>, LoadError> {
        let heads = said.heads(bases).unwrap_or_else(|wrong| {
            report.fail(format!("{name}: {wrong}"));
            bases.to_vec()
        });
        let (mut all, mut latency) = (AuditSum::default(), empty_latency());
        for (node, crowd) in crowds.into_iter().enumerate() {
            let of_node = (node..self.members).step_by(self.nodes).count() as u64;
            // What does not come within this time is lost, and the account says how much.
            let _ = crowd.wait_messages(said.acked.len() as u64 * of_node, PATIENCE);
            let seen = crowd.finish()?;
            all = all.plus(seen.sum_of(|subscriber| heads[subscriber % self.rooms]));
            // All histograms have the same bounds.
            latency.add(&seen.latency[1]).expect("the same bounds");
        }
        let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|quantile| quantile_ms(&latency, quantile));
        report.say(&format!("{name}: send to receive p50 {p50:.1} ms, p99 {p99:.1} ms, p99.9 {p999:.1} ms; {all}"));
        if !all.is_clean() {
            report.fail(format!("{name}: {all}"));
        }
        Ok(latency)
    }

    fn judge(&self, report: &mut Report, rooms: &Measured, control: Option<&Measured>) {
        let p99 = quantile_ms(&rooms.latency, 0.99);
        report.value("sends_per_second", rooms.rate);
        report.value("send_to_receive_p99_ms", p99);
        report.value("hub_cpu_us_each", rooms.cpu_us);
        report.at_least("sends_per_second", rooms.rate, Some(self.rate * self.min_rate));
        report.at_most("send_to_receive_p99_ms", p99, self.max_p99_ms);
        let mut figure = format!(
            "chat-audit: {:.0} sends/s into {} rooms of {} over {} nodes, p99 from send to receive {p99:.1} ms, {:.0} µs of hub CPU each; \
             every member has every event once and in order, and its counters are right",
            rooms.rate, self.rooms, self.members, self.nodes, rooms.cpu_us
        );
        if let Some(control) = control {
            let other = quantile_ms(&control.latency, 0.99);
            report.value("control_per_second", control.rate);
            report.value("control_p99_ms", other);
            report.value("control_hub_cpu_us_each", control.cpu_us);
            figure += &format!(
                "; control, plain publishes: {:.0}/s, {other:.1} ms, {:.0} µs; ratios {:.2}, {:.2}, {:.2}",
                control.rate,
                control.cpu_us,
                rooms.rate / control.rate.max(1e-9),
                p99 / other.max(1e-9),
                rooms.cpu_us / control.cpu_us.max(1e-9)
            );
        }
        report.figure(figure);
    }
}

/// What all hubs spent so far, in seconds.
fn cpu(fleet: &Fleet) -> Result<f64, LoadError> {
    let spent = |node| {
        let (user, system) = Cpu::of(fleet.place(node)?.pid)?.so_far_s();
        Ok(user + system)
    };
    (0..fleet.hubs.len()).map(spent).sum()
}
