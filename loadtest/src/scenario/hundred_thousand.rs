//! Very many connections over a fleet: what they cost each node, and how long one broadcast on one node takes to reach every
//! one. No process may open more than 20,000 files here, so nodes are several and people live in processes of their own.

use std::time::{Duration, Instant};

use clap::Args;
use hdrhistogram::Histogram;

use super::{parse_channel, quantile_ms};
use crate::LoadError;
use crate::connection::Stamps;
use crate::crowd::Crowd;
use crate::fleet::{self, Fleet, FleetFlags, Shape};
use crate::hub::{Hub, Place};
use crate::people::{PeopleArgs, unix_ns};
use crate::process::pss_bytes;
use crate::report::Report;

/// How long the broadcast may be on its way.
const PATIENCE: Duration = Duration::from_secs(60);
const CHANNEL: &str = "live:everybody";
const STAMPS: Stamps = Stamps { data_bytes: 128 };

/// The flags of `hundred-thousand`.
#[derive(Args, Debug)]
pub struct HundredThousandArgs {
    #[command(flatten)]
    flags: FleetFlags,
    /// How many connections.
    #[arg(long, default_value_t = 100_000)]
    connections: usize,
    /// Over how many nodes.
    #[arg(long, default_value_t = 6)]
    nodes: usize,
    /// Processes with people; each belongs to one node.
    #[arg(long, default_value_t = 6)]
    workers: usize,
    /// How long nodes, and then people, are left alone before memory is read, in seconds.
    #[arg(long, default_value_t = 5)]
    idle_s: u64,
    /// Longest time from the publish to the last delivery, in milliseconds.
    #[arg(long)]
    max_last_ms: Option<f64>,
}

/// One broadcast to all.
struct Broadcast {
    receivers: u64,
    /// From the publish to each delivery, in nanoseconds.
    latency: Histogram<u64>,
    /// Whether everybody got it once.
    clean: bool,
}

impl HundredThousandArgs {
    pub(super) fn run(&self) -> Result<bool, LoadError> {
        let mut report = Report::new("hundred-thousand");
        let fleet = Fleet::start(&self.flags.hub, &Shape { nodes: self.nodes.max(1), ..Shape::default() })?;
        let places = (0..fleet.hubs.len()).map(|node| fleet.place(node)).collect::<Result<Vec<_>, _>>()?;
        // What nodes still do after their start is not of the people.
        std::thread::sleep(Duration::from_secs(self.idle_s));
        let memory = |places: &[Place]| places.iter().map(|place| pss_bytes(place.pid)).collect::<Result<Vec<_>, _>>();
        let empty = memory(&places)?;
        let (opening, crowd) = (Instant::now(), self.crowd(&places, 0)?);
        let opened_s = opening.elapsed().as_secs_f64();
        let (all, nodes, workers) = (self.connections, places.len(), self.workers);
        report.say(&format!("{all} connections to {nodes} nodes from {workers} processes open after {opened_s:.1} s"));
        std::thread::sleep(Duration::from_secs(self.idle_s));
        let full = memory(&places)?;
        let each = self.say_memory(&mut report, &empty, &full);
        let hub = Self::broadcast(crowd, &places[..1], all)?;
        drop(fleet);
        let control = if self.flags.no_control { None } else { Some(self.control(nodes)?) };
        report.value("connections", all);
        report.value("opened_s", opened_s);
        report.value("pss_bytes_per_connection", each);
        self.judge(&mut report, &hub, control.as_ref());
        report.finish(self.flags.json.as_deref())
    }

    /// The same sockets and bytes with the bare loop instead of each node, and nothing between them.
    fn control(&self, nodes: usize) -> Result<Broadcast, LoadError> {
        let controls = (0..nodes).map(|_| Hub::control()).collect::<Result<Vec<_>, _>>()?;
        let places: Vec<_> = controls.iter().map(|control| control.place).collect();
        Self::broadcast(self.crowd(&places, 100)?, &places, self.connections)
    }

    fn crowd(&self, places: &[Place], first_run: u8) -> Result<Crowd, LoadError> {
        let (start, zero_unix_ns) = (Instant::now(), unix_ns());
        let channel = parse_channel(CHANNEL).map_err(LoadError::Start)?;
        let workers = self.workers.clamp(places.len(), 100);
        let parts: Vec<_> = (0..workers)
            .map(|worker| PeopleArgs {
                public: places[worker % places.len()].public,
                subscribers: (worker..self.connections).step_by(workers).count(),
                channel: channel.clone(),
                rooms: 0,
                run: first_run + worker as u8,
                in_flight: self.flags.in_flight.div_ceil(workers),
                data_bytes: STAMPS.data_bytes,
                zero_unix_ns,
            })
            .collect();
        let crowd = Crowd::in_processes(&parts, start)?;
        crowd.wait_live(Duration::from_secs(self.flags.open_within_s))?;
        Ok(crowd)
    }

    /// Memory of each node; the mean for a connection in bytes.
    fn say_memory(&self, report: &mut Report, empty: &[u64], full: &[u64]) -> f64 {
        let mib = |bytes: u64| bytes as f64 / 1_048_576.0;
        for (node, (empty, full)) in (1..).zip(empty.iter().zip(full)) {
            report.say(&format!("node-{node}: PSS {:.1} MiB empty, {:.1} MiB with its share", mib(*empty), mib(*full)));
        }
        let most = full.iter().copied().max().unwrap_or(0);
        report.value("pss_mib_largest_node", mib(most));
        let grown: u64 = full.iter().zip(empty).map(|(full, empty)| full.saturating_sub(*empty)).sum();
        grown as f64 / self.connections.max(1) as f64
    }

    /// Publishes one message through each of these, and waits until everybody has it.
    fn broadcast(crowd: Crowd, through: &[Place], all: usize) -> Result<Broadcast, LoadError> {
        let mut publishers =
            through.iter().map(|place| fleet::publisher(place.internal)).collect::<Result<Vec<_>, _>>()?;
        let data = STAMPS.data(crowd.start.elapsed().as_nanos() as u64, 0);
        for publisher in &mut publishers {
            publisher.publish(CHANNEL, &data)?;
        }
        // Whoever does not get it in time is missing in the account.
        let _ = crowd.wait_messages(all as u64, PATIENCE);
        let mut seen = crowd.finish()?;
        let (audit, ended) = (seen.sum(1), seen.ends.len());
        let clean = audit.is_clean() && ended == 0 && audit.subscribers == all as u64;
        Ok(Broadcast { receivers: audit.received, latency: seen.latency.swap_remove(0), clean })
    }

    fn judge(&self, report: &mut Report, hub: &Broadcast, control: Option<&Broadcast>) {
        let (all, last_ms) = (self.connections as u64, quantile_ms(&hub.latency, 1.0));
        let each = report.get("pss_bytes_per_connection");
        let largest = report.get("pss_mib_largest_node");
        report.value("receivers", hub.receivers);
        report.value("last_delivery_ms", last_ms);
        report.value("delivery_p50_ms", quantile_ms(&hub.latency, 0.5));
        report.at_most("last_delivery_ms", last_ms, self.max_last_ms);
        if hub.receivers != all || !hub.clean {
            report.fail(format!("the broadcast reached {} of {all}, or not once each", hub.receivers));
        }
        let mut figure = format!(
            "hundred-thousand: {all} connections, at most {largest:.0} MiB of PSS on a node, {each:.0} bytes each; \
             broadcast to {} in {last_ms:.0} ms",
            hub.receivers
        );
        if let Some(control) = control {
            let control_ms = quantile_ms(&control.latency, 1.0);
            report.value("control_last_delivery_ms", control_ms);
            if control.receivers != all {
                report.fail(format!("the control reached {} of {all}", control.receivers));
            }
            figure += &format!("; control {control_ms:.0} ms, ratio {:.2}", last_ms / control_ms.max(1e-9));
        }
        report.figure(figure);
    }
}
