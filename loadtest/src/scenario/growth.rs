//! What a delivery costs, and a connection weighs, when a fleet grows: at each step there are more people, and as many
//! deliveries a second as before. Rooms keep their size, so that the number of connections is all that changes. What the nodes
//! take without traffic (heartbeats of the people who are there, pulses, sweeps) is measured at each step and taken off;
//! the figure with it is told beside.
//!
//! The kernel splits CPU into user and system by looking each 4 ms, which says little about one round of a process that is
//! mostly idle: user CPU is that of all rounds of a step together. User and system together are exact, and told by round.
//! Memory is linear when the people of the last step weigh as much each as those of the step before. What the nodes have taken
//! since they were empty, for each connection, is told beside: an allocator gives memory back by the megabyte and when it
//! likes, which moves the weight of one step more than that of all.

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
use crate::process::{Cpu, pss_bytes};
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
    #[arg(long, value_delimiter = ',', default_value = "1000,10000,55000,100000")]
    steps: Vec<usize>,
    /// Over how many nodes.
    #[arg(long, default_value_t = 6)]
    nodes: usize,
    /// Members of a room.
    #[arg(long, default_value_t = 200)]
    members: usize,
    /// Messages a second; each goes to one room.
    #[arg(long, default_value_t = 300.0)]
    rate: f64,
    /// Rounds at each step.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How long each is, in seconds.
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// How long people are left alone before memory is read, and again while idle time is measured, in seconds.
    #[arg(long, default_value_t = 5)]
    idle_s: u64,
    /// Most user CPU for a delivery at the last step, as a multiple of the first.
    #[arg(long)]
    max_cpu_ratio: Option<f64>,
    /// How much more a connection that came with the last step may weigh than one of the step before, in percent.
    #[arg(long)]
    max_memory_percent: Option<f64>,
}

/// The people who came with one step.
struct Joined {
    crowd: Crowd,
    rooms: usize,
    /// PSS that they added for each of them, in bytes.
    added: f64,
    /// PSS of each connection that is there since, in bytes.
    bytes: f64,
}

/// A fleet under people.
struct Grown {
    fleet: Fleet,
    places: Vec<Place>,
    /// PSS without people, in bytes, once it was read.
    empty: Option<u64>,
    joined: Vec<Joined>,
    acked: Vec<Acked>,
    start: Instant,
    zero_unix_ns: u64,
}

/// What one step measured.
struct Step {
    connections: usize,
    /// PSS of each connection, in bytes, and of each that came with it.
    bytes: (f64, f64),
    /// User CPU of a delivery in microseconds, what the nodes take idle taken off, and with it.
    user_us: (f64, f64),
    /// User and system CPU by round, what the nodes take idle taken off.
    cpu_us: Rounds,
}

impl GrowthArgs {
    pub(super) fn run(&self) -> Result<bool, LoadError> {
        let mut report = Report::new("growth");
        let fleet = Fleet::start(&self.flags.hub, &Shape { nodes: self.nodes.max(1), ..Shape::default() })?;
        let places = (0..fleet.hubs.len()).map(|node| fleet.place(node)).collect::<Result<Vec<_>, _>>()?;
        let (start, zero_unix_ns) = (Instant::now(), unix_ns());
        let mut grown =
            Grown { fleet, places, empty: None, joined: Vec::new(), acked: Vec::new(), start, zero_unix_ns };
        let mut steps: Vec<Step> = Vec::new();
        for connections in &self.steps {
            let there = steps.last().map_or(0, |step| step.connections);
            self.join(&mut grown, there, connections.saturating_sub(there))?;
            steps.push(self.step(&mut grown, *connections, &mut report)?);
        }
        let audit = audit(grown, &mut report)?;
        if !audit.is_clean() {
            report.fail(audit.to_string());
        }
        self.judge(&mut report, &steps, &audit);
        report.finish(self.flags.json.as_deref())
    }

    /// Brings the people of a step, in a process for each node.
    fn join(&self, grown: &mut Grown, there: usize, more: usize) -> Result<(), LoadError> {
        let (idle, step, nodes) = (Duration::from_secs(self.idle_s), grown.joined.len(), grown.places.len());
        std::thread::sleep(idle);
        let before = memory(&grown.places)?;
        let empty = *grown.empty.get_or_insert(before);
        let rooms = (more / self.members.max(1)).max(1);
        let channel = super::parse_channel(&prefix(step)).map_err(LoadError::Start)?;
        let part = |node: usize| PeopleArgs {
            public: grown.places[node].public,
            subscribers: (node..more).step_by(nodes).count(),
            channel: channel.clone(),
            rooms,
            run: (step * nodes + node) as u8,
            in_flight: self.flags.in_flight.div_ceil(nodes),
            data_bytes: STAMPS.data_bytes,
            zero_unix_ns: grown.zero_unix_ns,
        };
        let parts: Vec<_> = (0..nodes).map(part).collect();
        let crowd = Crowd::in_processes(&parts, grown.start)?;
        crowd.wait_live(Duration::from_secs(self.flags.open_within_s))?;
        std::thread::sleep(idle);
        let after = memory(&grown.places)?;
        let each = |since: u64, people: usize| after.saturating_sub(since) as f64 / people.max(1) as f64;
        grown.joined.push(Joined { crowd, rooms, added: each(before, more), bytes: each(empty, there + more) });
        Ok(())
    }

    fn step(&self, grown: &mut Grown, connections: usize, report: &mut Report) -> Result<Step, LoadError> {
        let idle = self.idle_cores(&grown.places)?;
        let (mut cpu, mut rates, mut late) = (Vec::new(), Vec::new(), Vec::new());
        let (begin, first, at_first) = (cpu_s(&grown.places)?, Instant::now(), messages(&grown.joined));
        for _ in 0..self.rounds.max(1) {
            let (before, since, got) = (cpu_s(&grown.places)?, Instant::now(), messages(&grown.joined));
            let run = Traffic::run(self.traffic(grown))?;
            // What does not come within this time is lost, and the account says how much.
            wait(&grown.joined, got + run.messages() * self.members as u64);
            let (after, elapsed) = (cpu_s(&grown.places)?, since.elapsed().as_secs_f64());
            let deliveries = messages(&grown.joined) - got;
            let spent = after.0 + after.1 - before.0 - before.1 - (idle.0 + idle.1) * elapsed;
            cpu.push(micros_each(spent, deliveries));
            rates.push(deliveries as f64 / elapsed);
            late.push(super::quantile_ms(&run.lateness, 0.99));
            grown.acked.push(run);
        }
        let (user, elapsed) = (cpu_s(&grown.places)?.0 - begin.0, first.elapsed().as_secs_f64());
        let each = |seconds| micros_each(seconds, messages(&grown.joined) - at_first);
        let rates: Rounds = rates.into_iter().collect();
        let step = Step {
            connections,
            bytes: grown.joined.last().map_or((f64::NAN, f64::NAN), |joined| (joined.bytes, joined.added)),
            user_us: (each(user - idle.0 * elapsed), each(user)),
            cpu_us: cpu.into_iter().collect(),
        };
        step.say(&rates, &late.into_iter().collect(), idle, report);
        let offered = self.rate * self.members as f64;
        report.at_least("deliveries, as a share of those offered,", rates.median() / offered, Some(LEAST_DELIVERED));
        Ok(step)
    }

    /// What the nodes take without traffic, user and system, in cores.
    fn idle_cores(&self, places: &[Place]) -> Result<(f64, f64), LoadError> {
        let (before, since) = (cpu_s(places)?, Instant::now());
        std::thread::sleep(Duration::from_secs(self.idle_s));
        let (after, elapsed) = (cpu_s(places)?, since.elapsed().as_secs_f64());
        Ok(((after.0 - before.0) / elapsed, (after.1 - before.1) / elapsed))
    }

    fn traffic(&self, grown: &Grown) -> TrafficPlan {
        let Grown { fleet, joined, start, .. } = grown;
        let rooms_of = |(step, joined): (usize, &Joined)| (0..joined.rooms).map(move |room| (step, room));
        TrafficPlan {
            internals: fleet.internals(),
            api_key: fleet::API_KEY.to_owned(),
            keys: false,
            channels: joined
                .iter()
                .enumerate()
                .flat_map(rooms_of)
                .map(|(step, room)| format!("{}-{room}", prefix(step)))
                .collect(),
            pace: Pace::Rate(self.rate),
            within: Some(Duration::from_secs(self.seconds)),
            threads: self.nodes.max(1),
            stamps: STAMPS,
            window: 0,
            zero: *start,
        }
    }

    fn judge(&self, report: &mut Report, steps: &[Step], audit: &AuditSum) {
        let mut parts = Vec::new();
        for step in steps {
            let (count, user_us) = (step.connections, step.user_us.0);
            report.value(&format!("user_us_per_delivery_{count}"), user_us);
            report.value(&format!("user_us_per_delivery_with_idle_{count}"), step.user_us.1);
            step.cpu_us.keep(&format!("cpu_us_per_delivery_{count}"), report);
            report.value(&format!("pss_bytes_per_connection_{count}"), step.bytes.0);
            report.value(&format!("pss_bytes_per_new_connection_{count}"), step.bytes.1);
            parts.push(format!("{count}: {user_us:.3} µs, {:.0} bytes, {:.0} new", step.bytes.0, step.bytes.1));
        }
        let mut figure = format!("growth: {}", parts.join("; "));
        if let [first, .., before, last] = steps {
            let ratio = last.user_us.0 / first.user_us.0.max(1e-9);
            let whole = last.cpu_us.median() / first.cpu_us.median().max(1e-9);
            let more = |last: f64, before: f64| (last / before.max(1e-9) - 1.0) * 100.0;
            let (memory, all) = (more(last.bytes.1, before.bytes.1), more(last.bytes.0, before.bytes.0));
            report.value("ratio", ratio);
            report.value("cpu_ratio", whole);
            report.value("memory_percent", memory);
            report.at_most("ratio", ratio, self.max_cpu_ratio);
            // Less is no fault: what a node keeps for its first people serves the later ones too.
            report.at_most("memory_percent", memory, self.max_memory_percent);
            figure += &format!(
                "; ratio of user CPU {ratio:.2} (user and system {whole:.2}), memory of a new connection {memory:+.0} % beyond {}, of all {all:+.0} %",
                before.connections
            );
        }
        report.figure(format!("{figure}; {} lost", audit.lost));
    }
}

fn prefix(step: usize) -> String {
    format!("live:growth-{step}")
}

impl Step {
    fn say(&self, rates: &Rounds, late: &Rounds, idle: (f64, f64), report: &Report) {
        let Self { connections, bytes: (bytes, added), user_us: (user, with_idle), cpu_us } = self;
        report.say(&format!(
            "{connections} connections: {bytes:.0} bytes for each, {added:.0} for each that came; {} deliveries/s, user CPU of each {user:.3} µs \
             ({with_idle:.3} µs with what the nodes take idle, {:.3} + {:.3} cores), user and system {} µs; published {} ms late (p99)",
            rates.text(0),
            idle.0,
            idle.1,
            cpu_us.text(3),
            late.text(1)
        ));
    }
}

/// Everybody's account.
fn audit(grown: Grown, report: &mut Report) -> Result<AuditSum, LoadError> {
    let acked = Acked::of(grown.acked);
    let heads = acked.heads().unwrap_or_else(|wrong| {
        report.fail(wrong);
        vec![u64::MAX; acked.offsets.len()]
    });
    let (mut audit, mut first) = (AuditSum::default(), 0);
    for Joined { crowd, rooms, .. } in grown.joined {
        let seen = crowd.finish()?;
        if !seen.ends.is_empty() {
            report.fail(format!("{} subscribers ended", seen.ends.len()));
        }
        audit = audit.plus(seen.sum_of(|number| heads[first + number % rooms]));
        first += rooms;
    }
    Ok(audit)
}

/// PSS of all nodes together, in bytes.
fn memory(places: &[Place]) -> Result<u64, LoadError> {
    places.iter().map(|place| pss_bytes(place.pid)).sum()
}

/// User and system CPU of all nodes together so far, in seconds.
fn cpu_s(places: &[Place]) -> Result<(f64, f64), LoadError> {
    let each = places.iter().map(|place| Ok(Cpu::of(place.pid)?.so_far_s())).collect::<Result<Vec<_>, LoadError>>()?;
    Ok(each.into_iter().fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1)))
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
