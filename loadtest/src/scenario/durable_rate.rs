//! Acknowledged publishes into durable channels through the nodes of a fleet, Postgres waiting for a real disk: first as many
//! as there can be in batches, then single ones at a steady rate, whose latency counts from when each was due. The control is
//! the same with a Postgres that does not wait for its disk.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use hubbub_local::postgres;

use super::quantile_ms;
use crate::connection::Stamps;
use crate::fleet::{self, Fleet, FleetFlags, Shape};
use crate::report::Report;
use crate::traffic::{Acked, Pace, Traffic, TrafficPlan};
use crate::{LoadError, disk, during};

/// How long the disk alone is measured, before and after.
const DISK: Duration = Duration::from_secs(2);
/// How late this program may publish, in milliseconds: later than that it measures itself.
const OWN_LATENESS_MS: f64 = 10.0;
const WARM_UP: Duration = Duration::from_secs(2);

/// The flags of `durable-rate`.
#[derive(Args, Debug)]
pub struct DurableRateArgs {
    #[command(flatten)]
    flags: FleetFlags,
    /// Over how many nodes.
    #[arg(long, default_value_t = 3)]
    nodes: usize,
    /// Into how many channels.
    #[arg(long, default_value_t = 60)]
    channels: usize,
    /// Messages in a batch.
    #[arg(long, default_value_t = 200)]
    batch: usize,
    /// Batches that are under way at once.
    #[arg(long, default_value_t = 6)]
    batches: usize,
    /// Single messages a second.
    #[arg(long, default_value_t = 2_000.0)]
    rate: f64,
    /// Most single messages that are under way at once.
    #[arg(long, default_value_t = 96)]
    singles: usize,
    /// How long each part takes, in seconds.
    #[arg(long, default_value_t = 15)]
    seconds: u64,
    /// Length of `data`, in bytes.
    #[arg(long, default_value_t = 128)]
    data_bytes: usize,
    /// Where the data of Postgres lies, on a real disk. Default: the folder for temporary files.
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// Fewest acknowledged messages a second, in batches.
    #[arg(long)]
    min_rate: Option<f64>,
    /// Highest 99th percentile of the acknowledgement of single messages, in milliseconds.
    #[arg(long)]
    max_p99_ms: Option<f64>,
}

/// What one fleet did.
struct Measured {
    /// Acknowledged messages a second, in batches.
    rate: f64,
    /// The 99th percentile of single messages, in milliseconds.
    p99_ms: f64,
    /// Write and `fdatasync` on the same disk without Postgres: median and 99th percentile in milliseconds.
    sync_ms: (f64, f64),
}

impl DurableRateArgs {
    pub(super) fn run(&self) -> Result<bool, LoadError> {
        let mut report = Report::new("durable-rate");
        let hub = self.measure("fleet", postgres::Options::default().durable(), &mut report)?;
        let off = postgres::Options::default().durable().setting("synchronous_commit", "off");
        let control = match self.flags.no_control {
            true => None,
            false => Some(self.measure("control", off, &mut report)?),
        };
        self.judge(&mut report, &hub, control.as_ref());
        report.finish(self.flags.json.as_deref())
    }

    fn measure(&self, name: &str, postgres: postgres::Options, report: &mut Report) -> Result<Measured, LoadError> {
        let folder = self.data.as_ref().map(|parent| {
            let folder = tempfile::Builder::new().prefix("hubbub-durable-rate-").tempdir_in(parent);
            folder.map_err(during("data folder"))
        });
        let folder = folder.transpose()?;
        let postgres = folder.iter().fold(postgres, |postgres, folder| postgres.folder(folder.path()));
        let shape = Shape { nodes: self.nodes.max(1), postgres, ..Shape::default() };
        let fleet = Fleet::start(&self.flags.hub, &shape)?;
        let before = disk_alone(&fleet, name, report)?;
        let seconds = Duration::from_secs(self.seconds);
        let batches = |prefix, within| self.plan(&fleet, prefix, Pace::Batches(self.batch), within, self.batches);
        let singles = |prefix, within| self.plan(&fleet, prefix, Pace::Rate(self.rate), within, self.singles);
        Traffic::run(batches("warm", WARM_UP))?;
        let many = Traffic::run(batches("batch", seconds))?;
        let rate = many.messages() as f64 / many.elapsed.as_secs_f64().max(1e-9);
        let of_batch = quantile_ms(&many.latency, 0.99);
        report.say(&format!("{name}: {} acknowledged in batches, {rate:.0}/s; p99 {of_batch:.1} ms", many.messages()));
        check(name, &many, report);
        Traffic::run(singles("warmer", WARM_UP))?;
        let single = Traffic::run(singles("single", seconds))?;
        let [p50_ms, p99_ms, p999] = [0.5, 0.99, 0.999].map(|quantile| quantile_ms(&single.latency, quantile));
        let (count, late) = (single.messages(), quantile_ms(&single.lateness, 0.99));
        report.say(&format!(
            "{name}: {count} acknowledged at {:.0}/s, p50 {p50_ms:.2} ms, p99 {p99_ms:.2} ms, p99.9 {p999:.2} ms; \
             published {late:.2} ms late (p99)",
            self.rate
        ));
        check(name, &single, report);
        report.at_most("own_lateness_p99_ms", late, Some(OWN_LATENESS_MS));
        let after = disk_alone(&fleet, name, report)?;
        Ok(Measured { rate, p99_ms, sync_ms: (f64::midpoint(before.0, after.0), before.1.max(after.1)) })
    }

    fn plan(&self, fleet: &Fleet, prefix: &str, pace: Pace, within: Duration, threads: usize) -> TrafficPlan {
        TrafficPlan {
            internals: fleet.internals(),
            api_key: fleet::API_KEY.to_owned(),
            keys: true,
            channels: (0..self.channels.max(1)).map(|channel| format!("chat:{prefix}-{channel}")).collect(),
            pace,
            within: Some(within),
            threads,
            stamps: Stamps { data_bytes: self.data_bytes.max(Stamps::LEAST_BYTES) },
            window: 0,
            zero: std::time::Instant::now(),
        }
    }

    fn judge(&self, report: &mut Report, hub: &Measured, control: Option<&Measured>) {
        let Measured { rate, p99_ms, sync_ms } = *hub;
        report.value("acknowledged_per_second", rate);
        report.value("ack_p99_ms", p99_ms);
        report.value("disk_sync_p50_ms", sync_ms.0);
        report.value("disk_sync_p99_ms", sync_ms.1);
        report.at_least("acknowledged_per_second", rate, self.min_rate);
        report.at_most("ack_p99_ms", p99_ms, self.max_p99_ms);
        let mut figure = format!(
            "durable-rate: {rate:.0} acknowledged/s in batches; p99 of the ack {p99_ms:.1} ms at {:.0}/s; \
             the disk's own sync p50 {:.2} ms, p99 {:.2} ms",
            self.rate, sync_ms.0, sync_ms.1
        );
        if let Some(control) = control {
            report.value("control_acknowledged_per_second", control.rate);
            report.value("control_ack_p99_ms", control.p99_ms);
            figure += &format!(
                "; control without it {:.0}/s and {:.1} ms, ratio {:.2}",
                control.rate,
                control.p99_ms,
                rate / control.rate.max(1e-9)
            );
        }
        report.figure(figure);
    }
}

/// What the disk under Postgres takes while nothing else is written: median and 99th percentile in milliseconds.
fn disk_alone(fleet: &Fleet, name: &str, report: &mut Report) -> Result<(f64, f64), LoadError> {
    let Some(postgres) = &fleet.postgres else { return Err(LoadError::Start("a fleet without Postgres".into())) };
    let (folder, ask) = (postgres.folder(), |setting: &str| postgres.psql(&format!("SHOW {setting}")));
    let (kind, fsync, commit) = (disk::file_system(folder)?, ask("fsync")?, ask("synchronous_commit")?);
    if disk::is_memory(&kind) {
        report.fail(format!("{name}: {} is {kind}, which is memory: name a folder on a disk", folder.display()));
    }
    let alone = disk::sync_latency(folder, DISK)?;
    let (p50, p99) = (quantile_ms(&alone, 0.5), quantile_ms(&alone, 0.99));
    report.say(&format!(
        "{name}: fsync {fsync}, synchronous_commit {commit}, on {kind}: write and fdatasync of 8 KiB alone p50 {p50:.2} ms, \
         p99 {p99:.2} ms"
    ));
    Ok((p50, p99))
}

/// Everything was acknowledged once, at offsets without a hole.
fn check(name: &str, acked: &Acked, report: &mut Report) {
    if let Err(wrong) = acked.heads() {
        report.fail(format!("{name}: {wrong}"));
    }
    if acked.retries > 0 {
        report.fail(format!("{name}: {} publishes failed and were sent again", acked.retries));
    }
}
