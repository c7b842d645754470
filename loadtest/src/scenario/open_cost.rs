//! What it costs the hub to open a connection, beside what the sockets and bytes alone cost.

use std::time::Duration;

use clap::Args;

use super::{Meter, Run, micros_each, parse_channel};
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
        let hub = Hub::of(&self.target)?;
        let spent = self.measure(hub.place, 0, Some(&mut report))?;
        let each = |seconds: f64| micros_each(seconds, self.connections as u64);
        let (open_us, user_us) = (each(spent.total_s()), each(spent.user_s));
        drop(hub);
        report.value("open_us", open_us);
        report.value("open_user_us", user_us);
        report.at_most("open_us", open_us, self.max_open_us);
        let mut figure = format!("open-cost: {open_us:.0} µs of hub CPU for each connection ({user_us:.0} µs user)");
        if !self.target.no_control {
            let control = Hub::control()?;
            let control_us = each(self.measure(control.place, 1, None)?.total_s());
            report.value("control_open_us", control_us);
            figure += &format!("; control {control_us:.0} µs, ratio {:.1}", open_us / control_us.max(1e-9));
        }
        report.figure(figure);
        report.finish(self.target.json.as_deref())
    }

    fn measure(&self, place: Place, number: u8, report: Option<&mut Report>) -> Result<CpuSpent, LoadError> {
        let run = Run::new(&self.target, place, number);
        let channel = parse_channel("live:open").map_err(LoadError::Start)?;
        let before = Cpu::of(place.pid)?;
        // The meter of the generator starts with the crowd; an empty one stands for the time before.
        let nobody = run.crowd(0, Channels::Shared(channel.clone()), false, None, 0)?;
        let meter = Meter::start(&place, &nobody)?;
        let crowd = run.crowd(self.connections, Channels::Shared(channel), !self.shared_token, None, 0)?;
        let generator = meter.stop(&crowd)?;
        // What the hub still does for them belongs to them.
        std::thread::sleep(Duration::from_millis(500));
        let spent = Cpu::of(place.pid)?.since(&before);
        if let Some(report) = report {
            generator.check(report);
            report.say(&format!(
                "{} connections in {:.1} s; generator CPU {:.0} %",
                self.connections,
                spent.elapsed_s - 0.5,
                generator.generator.percent()
            ));
        }
        Ok(spent)
    }
}
