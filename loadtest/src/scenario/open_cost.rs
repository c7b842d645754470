//! What it costs the hub to open a connection, beside what the sockets and bytes alone cost.

use std::time::Duration;

use clap::Args;

use super::beside::check_generator;
use super::rounds::Rounds;
use super::{Meter, Run, Spent, micros_each, parse_channel};
use crate::LoadError;
use crate::crowd::Channels;
use crate::hub::{Hub, Place};
use crate::options::Target;
use crate::process::{Cpu, CpuSpent};
use crate::report::Report;

/// The flags of `open-cost`.
#[derive(Args, Debug)]
pub struct OpenCostArgs {
    #[command(flatten)]
    target: Target,
    /// How many connections.
    #[arg(long, default_value_t = 10_000)]
    connections: usize,
    /// How often they are opened, each time anew. The figure is the median.
    #[arg(long, default_value_t = 1)]
    rounds: usize,
    /// One token for each thread instead of one for each connection.
    #[arg(long)]
    shared_token: bool,
    /// Most processor time for each connection, in microseconds.
    #[arg(long)]
    max_open_us: Option<f64>,
}

impl OpenCostArgs {
    pub(super) fn run(&self) -> Result<bool, LoadError> {
        let mut report = Report::new("open-cost");
        let each = |seconds: f64| micros_each(seconds, self.connections as u64);
        let (mut all, mut user, mut generator) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..self.rounds.max(1) {
            // A hub of the flags that is started for the run is started for each round.
            let hub = Hub::of(&self.target)?;
            let (spent, machine) = self.measure(hub.place, round as u8)?;
            let opening_s = spent.elapsed_s - SETTLE.as_secs_f64();
            report.say(&format!("{} connections in {opening_s:.1} s", self.connections));
            all.push(each(spent.total_s()));
            user.push(each(spent.user_s));
            generator.push(machine);
        }
        check_generator("hub", &generator, &mut report);
        let (open_us, user_us): (Rounds, Rounds) = (all.into_iter().collect(), user.into_iter().collect());
        open_us.keep("open_us", &mut report);
        user_us.keep("open_user_us", &mut report);
        report.at_most("open_us", open_us.median(), self.max_open_us);
        let mut figure =
            format!("open-cost: {} µs of hub CPU for each connection ({} µs user)", open_us.text(0), user_us.text(0));
        if !self.target.no_control {
            let control = Hub::control()?;
            let control_us = each(self.measure(control.place, 100)?.0.total_s());
            report.value("control_open_us", control_us);
            figure += &format!("; control {control_us:.0} µs, ratio {:.1}", open_us.median() / control_us.max(1e-9));
        }
        report.figure(figure);
        report.finish(self.target.json.as_deref())
    }

    fn measure(&self, place: Place, number: u8) -> Result<(CpuSpent, Spent), LoadError> {
        let run = Run::new(&self.target, place, number);
        let channel = parse_channel("live:open").map_err(LoadError::Start)?;
        let before = Cpu::of(place.pid)?;
        // The meter of the generator starts with the crowd; an empty one stands for the time before.
        let nobody = run.crowd(0, Channels::Shared(channel.clone()), false, None, 0)?;
        let meter = Meter::start(&place, &nobody)?;
        let crowd = run.crowd(self.connections, Channels::Shared(channel), !self.shared_token, None, 0)?;
        let generator = meter.stop(&crowd)?;
        // What the hub still does for them belongs to them.
        std::thread::sleep(SETTLE);
        let spent = Cpu::of(place.pid)?.since(&before);
        nobody.finish()?;
        crowd.finish()?;
        Ok((spent, generator))
    }
}

/// How long the hub may go on with what belongs to the connections.
const SETTLE: Duration = Duration::from_millis(500);
