//! What a delivery costs, and a connection weighs, when a fleet grows: at each step there are more people, and as many
//! deliveries a second as before. Rooms keep their size, so that the number of connections is all that changes. What the nodes
//! take without traffic (heartbeats of the people who are there, pulses, sweeps) is measured at each step and taken off;
//! the figure with it is told beside.

use std::time::{Duration, Instant};

use clap::Args;

use super::micros_each;
use super::rounds::Rounds;
use crate::LoadError;
use crate::audit::AuditSum;
use crate::connection::Stamps;
use crate::crowd::Crowd;
use crate::fleet::{self, Fleet, FleetFlags, Shape};
use crate::hub::Place;
use crate::people::{PeopleArgs, unix_ns};
use crate::process::{Cpu, machine_idle_s, pss_bytes};
use crate::report::Report;
use crate::traffic::{Acked, Pace, Traffic, TrafficPlan};

const STAMPS: Stamps = Stamps { data_bytes: 128 };
/// What is under way may take so long.
const PATIENCE: Duration = Duration::from_secs(30);
/// A step with fewer deliveries a second than this share of those offered is not measured at equal deliveries.
const LEAST_DELIVERED: f64 = 0.95;

/// The flags of `growth`.
#[derive(Args, Debug)]
pub struct GrowthArgs {
    #[command(flatten)]
    flags: FleetFlags,
    /// Connections at each step.
    #[arg(long, value_delimiter = ',', default_value = "1000,10000,100000")]
    steps: Vec<usize>,
    /// Over how many nodes.
    #[arg(long, default_value_t = 6)]
    nodes: usize,
    /// Members of a room.
    #[arg(long, default_value_t = 200)]
    members: usize,
    /// Messages a second; each goes to one room.
    #[arg(long, default_value_t = 250.0)]
    rate: f64,
    /// Rounds at each step.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How long each is, in seconds.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// How long people are left alone before memory is read, and again while idle time is measured, in seconds.
    #[arg(long, default_value_t = 5)]
    idle_s: u64,
    /// Most user CPU for a delivery at the last step, as a multiple of the first.
    #[arg(long)]
    max_cpu_ratio: Option<f64>,
    /// How much the bytes of a connection may differ between the last step and the one before, in percent.
    #[arg(long)]
    max_memory_percent: Option<f64>,
}

/// The people who came with one step.
struct Joined {
    crowd: Crowd,
    rooms: usize,
}

/// What one step measured.
struct Step {
    connections: usize,
    /// PSS of a connection, in bytes.
    bytes: f64,
    /// User CPU of a delivery in microseconds by round, what the nodes take idle taken off.
    net_us: Rounds,
    /// The same with it.
    gross_us: Rounds,
}

impl GrowthArgs {
    pub(super) fn run(&self) -> Result<bool, LoadError> {
        let mut report = Report::new("growth");
        let fleet = Fleet::start(&self.flags.hub, &Shape { nodes: self.nodes.max(1), ..Shape::default() })?;
        let places = (0..fleet.hubs.len()).map(|node| fleet.place(node)).collect::<Result<Vec<_>, _>>()?;
        std::thread::sleep(Duration::from_secs(self.idle_s));
        let (empty, zero) = (memory(&places)?, (Instant::now(), unix_ns()));
        let (mut joined, mut acked, mut steps) = (Vec::new(), Vec::new(), Vec::new());
        for connections in &self.steps {
            joined.push(self.join(&places, joined.len(), self.there(&steps), *connections, zero)?);
            steps.push(self.step(&fleet, &places, &joined, empty, *connections, &mut acked, &mut report)?);
        }
        let audit = self.audit(joined, Acked::of(acked), &mut report)?;
        if !audit.is_clean() {
            report.fail(audit.to_string());
        }
        self.judge(&mut report, &steps, &audit);
        report.finish(self.flags.json.as_deref())
    }

    fn there(&self, steps: &[Step]) -> usize {
        steps.last().map_or(0, |step| step.connections)
    }

    /// Brings the people of a step, in a process for each node.
    fn join(
        &self,
        places: &[Place],
        step: usize,
        there: usize,
        connections: usize,
        (start, zero_unix_ns): (Instant, u64),
    ) -> Result<Joined, LoadError> {
        let more = connections.saturating_sub(there);
        let (rooms, nodes) = ((more / self.members.max(1)).max(1), places.len());
        let channel = super::parse_channel(&prefix(step)).map_err(LoadError::Start)?;
        let part = |node: usize| PeopleArgs {
            public: places[node].public,
            subscribers: (node..more).step_by(nodes).count(),
            channel: channel.clone(),
            rooms,
            run: (step * nodes + node) as u8,
            in_flight: self.flags.in_flight.div_ceil(nodes),
            data_bytes: STAMPS.data_bytes,
            zero_unix_ns,
        };
        let parts: Vec<_> = (0..nodes).map(part).collect();
        let crowd = Crowd::in_processes(&parts, start)?;
        crowd.wait_live(Duration::from_secs(self.flags.open_within_s))?;
        Ok(Joined { crowd, rooms })
    }

    #[expect(clippy::too_many_arguments, reason = "what a step changes and what it only reads are different things")]
    fn step(
        &self,
        fleet: &Fleet,
        places: &[Place],
        joined: &[Joined],
        empty: u64,
        connections: usize,
        acked: &mut Vec<Acked>,
        report: &mut Report,
    ) -> Result<Step, LoadError> {
        std::thread::sleep(Duration::from_secs(self.idle_s));
        let bytes = memory(places)?.saturating_sub(empty) as f64 / connections.max(1) as f64;
        let (before, since) = (user_s(places)?, Instant::now());
        std::thread::sleep(Duration::from_secs(self.idle_s));
        let idle = (user_s(places)? - before) / since.elapsed().as_secs_f64();
        let (mut net, mut gross, mut rates, mut late) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let idle_before = machine_idle_s()?;
        let began = Instant::now();
        for _ in 0..self.rounds.max(1) {
            let (before, since, got) = (user_s(places)?, Instant::now(), messages(joined));
            let run = Traffic::run(self.traffic(fleet, joined))?;
            let wanted = got + run.messages() * self.members as u64;
            // What does not come within this time is lost, and the account says how much.
            wait(joined, wanted);
            let (spent, elapsed, deliveries) =
                (user_s(places)? - before, since.elapsed().as_secs_f64(), messages(joined) - got);
            gross.push(micros_each(spent, deliveries));
            net.push(micros_each(spent - idle * elapsed, deliveries));
            rates.push(deliveries as f64 / elapsed);
            late.push(super::quantile_ms(&run.lateness, 0.99));
            acked.push(run);
        }
        let machine_idle = (machine_idle_s()? - idle_before) / began.elapsed().as_secs_f64();
        let rates: Rounds = rates.into_iter().collect();
        let step =
            Step { connections, bytes, net_us: net.into_iter().collect(), gross_us: gross.into_iter().collect() };
        report.say(&format!(
            "{connections} connections: {bytes:.0} bytes each; {} deliveries/s, user CPU of a delivery {} µs ({} µs with what \
             the nodes take idle, {idle:.3} cores); {:.1} cores of the machine idle, published {} ms late (p99)",
            rates.text(0),
            step.net_us.text(3),
            step.gross_us.text(3),
            machine_idle,
            late.into_iter().collect::<Rounds>().text(1)
        ));
        let offered = self.rate * self.members as f64;
        report.at_least("deliveries, as a share of those offered,", rates.median() / offered, Some(LEAST_DELIVERED));
        Ok(step)
    }

    fn traffic(&self, fleet: &Fleet, joined: &[Joined]) -> TrafficPlan {
        let rooms =
            joined.iter().enumerate().flat_map(|(step, joined)| (0..joined.rooms).map(move |room| (step, room)));
        TrafficPlan {
            internals: fleet.internals(),
            api_key: fleet::API_KEY.to_owned(),
            keys: false,
            channels: rooms.map(|(step, room)| format!("{}-{room}", prefix(step))).collect(),
            pace: Pace::Rate(self.rate),
            within: Some(Duration::from_secs(self.seconds)),
            threads: self.nodes.max(1),
            stamps: STAMPS,
            window: 0,
            zero: joined.first().map_or_else(Instant::now, |joined| joined.crowd.start),
        }
    }

    /// Everybody's account.
    fn audit(&self, joined: Vec<Joined>, acked: Acked, report: &mut Report) -> Result<AuditSum, LoadError> {
        let heads = acked.heads().unwrap_or_else(|wrong| {
            report.fail(wrong);
            vec![u64::MAX; acked.offsets.len()]
        });
        let (mut audit, mut first) = (AuditSum::default(), 0);
        for Joined { crowd, rooms } in joined {
            let seen = crowd.finish()?;
            if !seen.ends.is_empty() {
                report.fail(format!("{} subscribers ended", seen.ends.len()));
            }
            audit = audit.plus(seen.sum_of(|number| heads[first + number % rooms]));
            first += rooms;
        }
        Ok(audit)
    }

    fn judge(&self, report: &mut Report, steps: &[Step], audit: &AuditSum) {
        let mut parts = Vec::new();
        for step in steps {
            let (count, net) = (step.connections, step.net_us.text(3));
            step.net_us.keep(&format!("user_us_per_delivery_{count}"), report);
            step.gross_us.keep(&format!("gross_user_us_per_delivery_{count}"), report);
            report.value(&format!("pss_bytes_per_connection_{count}"), step.bytes);
            parts.push(format!("{count}: {net} µs, {:.0} bytes", step.bytes));
        }
        let mut figure = format!("growth: {}", parts.join("; "));
        if let [first, .., before, last] = steps {
            let ratio = last.net_us.median() / first.net_us.median().max(1e-9);
            let memory = (last.bytes / before.bytes.max(1e-9) - 1.0) * 100.0;
            report.value("ratio", ratio);
            report.value("memory_percent", memory);
            report.at_most("ratio", ratio, self.max_cpu_ratio);
            report.at_most("memory_percent", memory.abs(), self.max_memory_percent);
            figure += &format!(
                "; CPU ratio {ratio:.2}, memory of a connection {memory:+.0} % from {} on",
                before.connections
            );
        }
        report.figure(format!("{figure}; {} lost", audit.lost));
    }
}

fn prefix(step: usize) -> String {
    format!("live:growth-{step}")
}

/// PSS of all nodes together, in bytes.
fn memory(places: &[Place]) -> Result<u64, LoadError> {
    places.iter().map(|place| pss_bytes(place.pid)).sum()
}

/// User CPU of all nodes together so far, in seconds.
fn user_s(places: &[Place]) -> Result<f64, LoadError> {
    places.iter().map(|place| Ok(Cpu::of(place.pid)?.so_far_s().0)).sum()
}

fn messages(joined: &[Joined]) -> u64 {
    joined.iter().map(|joined| joined.crowd.messages()).sum()
}

fn wait(joined: &[Joined], wanted: u64) {
    let until = Instant::now() + PATIENCE;
    while messages(joined) < wanted && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
}
