//! Many connections that do nothing: memory for each, processor time of them all, one broadcast to every one.

use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use hubbub_protocol::limits;

use super::{Meter, Run, micros_each, parse_channel};
use crate::LoadError;
use crate::crowd::{Channels, Crowd};
use crate::hub::Hub;
use crate::options::Target;
use crate::process::{Cpu, pss_bytes};
use crate::report::Report;

/// What each connection subscribes to.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Spread {
    /// A channel of its own.
    Own,
    /// One channel for all.
    Shared,
}

/// The flags of `idle`.
#[derive(Args, Debug)]
pub struct IdleArgs {
    #[command(flatten)]
    target: Target,
    /// How many connections.
    #[arg(long, default_value_t = 19_000)]
    connections: usize,
    /// What each subscribes to.
    #[arg(long, value_enum, default_value_t = Spread::Shared)]
    channels: Spread,
    /// How long they are left alone; a heartbeat comes each 25 s.
    #[arg(long, default_value_t = 60)]
    idle_s: u64,
    /// One token for each thread instead of one for each connection.
    #[arg(long)]
    shared_token: bool,
    /// Most memory (PSS) for each connection, in bytes.
    #[arg(long)]
    max_pss_bytes: Option<f64>,
    /// Most processor time while idle, in percent of one core.
    #[arg(long)]
    max_idle_cpu_percent: Option<f64>,
}

impl IdleArgs {
    pub(super) fn run(&self) -> Result<bool, LoadError> {
        let mut report = Report::new("idle");
        let hub = Hub::of(&self.target)?;
        let run = Run::new(&self.target, hub.place, 0);
        let empty = pss_bytes(hub.place.pid)?;
        let (opening, opened_at) = (Cpu::of(hub.place.pid)?, Instant::now());
        let channels = match self.channels {
            Spread::Own => Channels::Own("live:idle-".to_owned()),
            Spread::Shared => Channels::Shared(parse_channel("live:idle").map_err(LoadError::Start)?),
        };
        let crowd = run.crowd(self.connections, channels.clone(), !self.shared_token, None, 0)?;
        let opened = Cpu::of(hub.place.pid)?.since(&opening);
        let open_us = micros_each(opened.total_s(), self.connections as u64);
        report.value("open_us", open_us);
        let seconds = opened_at.elapsed().as_secs_f64();
        report.say(&format!(
            "{} connections open after {seconds:.1} s; hub CPU {open_us:.0} µs for each",
            self.connections
        ));

        let meter = Meter::start(&hub.place, &crowd)?;
        std::thread::sleep(Duration::from_secs(self.idle_s));
        let spent = meter.stop(&crowd)?;
        spent.check(&mut report);
        let full = pss_bytes(hub.place.pid)?;
        let pss_each = full.saturating_sub(empty) as f64 / self.connections as f64;
        let (idle_percent, pongs) = (spent.hub.percent(), crowd.total(|p| &p.pongs));
        report.say(&format!(
            "hub PSS {:.1} MiB empty, {:.1} MiB with all; {pongs} pings answered in {} s; generator CPU {:.1} %",
            empty as f64 / 1_048_576.0,
            full as f64 / 1_048_576.0,
            self.idle_s,
            spent.generator.percent(),
        ));
        let receivers = self.broadcast(&run, &crowd, &channels, &mut report)?;
        self.judge(&mut report, pss_each, idle_percent, receivers);
        report.finish(self.target.json.as_deref())
    }

    /// One message to everybody; how many got it.
    fn broadcast(
        &self,
        run: &Run<'_>,
        crowd: &Crowd,
        channels: &Channels,
        report: &mut Report,
    ) -> Result<u64, LoadError> {
        let mut publisher = run.publisher()?;
        let (before, sent) = (crowd.messages(), Instant::now());
        match channels {
            Channels::Shared(channel) => drop(publisher.publish(channel.as_str(), r#"{"hello":"all"}"#)?),
            Channels::Own(_) | Channels::Rooms(..) | Channels::Members { .. } => {
                let names = (0..self.connections)
                    .map(|subscriber| channels.of(subscriber).map(|channel| channel.to_string()))
                    .collect::<Result<Vec<_>, _>>()?;
                for names in names.chunks(limits::BATCH) {
                    publisher.broadcast(names, r#"{"hello":"all"}"#)?;
                }
            }
        }
        if let Err(late) = crowd.wait_messages(before + self.connections as u64, Duration::from_secs(10)) {
            report.say(&late.to_string());
        }
        report.value("broadcast_ms", sent.elapsed().as_secs_f64() * 1e3);
        Ok(crowd.messages() - before)
    }

    fn judge(&self, report: &mut Report, pss_each: f64, idle_percent: f64, receivers: u64) {
        report.value("connections", self.connections);
        report.value("pss_bytes_per_connection", pss_each);
        report.value("idle_cpu_percent", idle_percent);
        report.value("receivers", receivers);
        report.at_most("pss_bytes_per_connection", pss_each, self.max_pss_bytes);
        report.at_most("idle_cpu_percent", idle_percent, self.max_idle_cpu_percent);
        if receivers != self.connections as u64 {
            report.fail(format!("the broadcast reached {receivers} of {}", self.connections));
        }
        report.figure(format!(
            "idle: {} connections, {pss_each:.0} bytes of PSS for each, {idle_percent:.2} % of a core, \
             broadcast to {receivers}",
            self.connections
        ));
    }
}
