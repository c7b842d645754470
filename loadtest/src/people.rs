//! A crowd in a process of its own, since one process may open only so many files: this program again, which says how far it
//! is on its output, and what it saw when its input closes. Both ends are here.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Args;
use hdrhistogram::Histogram;
use hubbub_protocol::ChannelName;
use serde::{Deserialize, Serialize};

use crate::audit::Audit;
use crate::connection::{End, Stamps};
use crate::crowd::{Channels, Crowd, CrowdPlan};
use crate::hub::Place;
use crate::worker::{Outcome, Progress, empty_latency};
use crate::{LoadError, during, fleet};

/// How often a process says how far it is.
const PACE: Duration = Duration::from_millis(50);

/// What the people of one process do: each subscribes to one channel of a development hub.
#[derive(Args, Clone, Debug)]
pub struct PeopleArgs {
    /// The public port.
    #[arg(long)]
    pub public: SocketAddr,
    /// How many.
    #[arg(long)]
    pub subscribers: usize,
    /// Their channel.
    #[arg(long)]
    pub channel: ChannelName,
    /// Rooms that they are spread over: person n listens to `<channel>-<n modulo rooms>`. 0: all to the channel itself.
    #[arg(long, default_value_t = 0)]
    pub rooms: usize,
    /// Tells the processes of a run apart.
    #[arg(long)]
    pub run: u8,
    /// How many may be opening at once.
    #[arg(long)]
    pub in_flight: usize,
    /// Length of `data`, in bytes.
    #[arg(long)]
    pub data_bytes: usize,
    /// The zero of the times in stamps, in nanoseconds since 1970.
    #[arg(long)]
    pub zero_unix_ns: u64,
}

/// A line of a process.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Progress {
        live: u64,
        failed: u64,
        lost: u64,
        messages: u64,
        busy_ns: u64,
    },
    /// Latency is value and count of each bucket that is not empty, by window.
    Outcome {
        audits: Vec<Audit>,
        ends: Vec<End>,
        latency: Vec<Vec<(u64, u64)>>,
    },
}

/// The time in nanoseconds since 1970.
pub fn unix_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

impl PeopleArgs {
    /// Is such a process, until its input closes.
    pub fn run(&self) -> Result<(), LoadError> {
        let ended = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&ended);
        std::thread::spawn(move || {
            let _ = std::io::stdin().lock().read_to_end(&mut Vec::new());
            told.store(true, Ordering::Relaxed);
        });
        let start = Instant::now() - Duration::from_nanos(unix_ns().saturating_sub(self.zero_unix_ns));
        let place = Place { public: self.public, internal: self.public, pid: 0 };
        let plan = CrowdPlan {
            place: &place,
            run: self.run,
            subscribers: self.subscribers,
            threads: 1,
            in_flight: self.in_flight,
            channels: match self.rooms {
                0 => Channels::Shared(self.channel.clone()),
                rooms => Channels::Rooms(format!("{}-", self.channel), rooms),
            },
            tokens: &fleet::tokens(),
            token_each: true,
            stamps: Some(Stamps { data_bytes: self.data_bytes }),
            windows: 1,
        };
        let crowd = Crowd::start_at(&plan, start)?;
        while !ended.load(Ordering::Relaxed) {
            std::thread::sleep(PACE);
            let (live, failed) = (crowd.total(|p| &p.live), crowd.total(|p| &p.failed));
            let (lost, messages, busy_ns) = (crowd.total(|p| &p.lost), crowd.messages(), crowd.busiest_ns());
            say(&Line::Progress { live, failed, lost, messages, busy_ns })?;
        }
        let seen = crowd.finish()?;
        let latency = seen.latency.iter().map(buckets).collect();
        say(&Line::Outcome { audits: seen.audits, ends: seen.ends, latency })
    }
}

/// Says a line to the program that started this one.
pub(crate) fn say(line: &impl Serialize) -> Result<(), LoadError> {
    let text = serde_json::to_string(line).unwrap_or_default();
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(during("output"))
}

/// Starts such a process, and a thread that follows it.
pub fn start(args: &PeopleArgs, progress: Arc<Progress>) -> Result<JoinHandle<Result<Outcome, LoadError>>, LoadError> {
    let process = Process::start("people", &args.flags())?;
    let builder = std::thread::Builder::new().name(format!("people-{}", args.run));
    builder.spawn(move || follow(process, &progress)).map_err(during("thread"))
}

/// This program again. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Process(pub(crate) Child);

impl Process {
    /// Starts it with its input and output in our hands.
    pub(crate) fn start(command: &str, flags: &[String]) -> Result<Self, LoadError> {
        let program = std::env::current_exe().map_err(during("this program"))?;
        let mut process = Command::new(program);
        process.arg(command).args(flags).stdin(Stdio::piped()).stdout(Stdio::piped());
        Ok(Self(process.spawn().map_err(during("a process of people"))?))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Carries over what the process says, closes its input when it shall stop, and gives what it saw.
fn follow(mut process: Process, progress: &Progress) -> Result<Outcome, LoadError> {
    let lines = process.0.stdout.take().ok_or_else(|| LoadError::Start("people without an output".into()))?;
    for line in BufReader::new(lines).lines() {
        let line = line.map_err(during("people"))?;
        match serde_json::from_str(&line) {
            Ok(Line::Progress { live, failed, lost, messages, busy_ns }) => {
                progress.live.store(live, Ordering::Relaxed);
                progress.failed.store(failed, Ordering::Relaxed);
                progress.lost.store(lost, Ordering::Relaxed);
                progress.messages.store(messages, Ordering::Relaxed);
                progress.busy_ns.store(busy_ns, Ordering::Relaxed);
            }
            Ok(Line::Outcome { audits, ends, latency }) => {
                return Ok(Outcome { audits, ends, latency: latency.iter().map(|window| histogram(window)).collect() });
            }
            Err(_) => return Err(LoadError::Start(format!("a process of people said: {line}"))),
        }
        if progress.stop.load(Ordering::Relaxed) {
            drop(process.0.stdin.take());
        }
    }
    Err(LoadError::Start("a process of people ended early".into()))
}

/// Value and count of each bucket that is not empty: a histogram on its way between processes.
pub(crate) type Buckets = Vec<(u64, u64)>;

/// Takes a histogram apart.
pub(crate) fn buckets(histogram: &Histogram<u64>) -> Buckets {
    histogram.iter_recorded().map(|bucket| (bucket.value_iterated_to(), bucket.count_at_value())).collect()
}

/// Puts it together again.
pub(crate) fn histogram(buckets: &[(u64, u64)]) -> Histogram<u64> {
    let mut window = empty_latency();
    for (value, count) in buckets {
        window.saturating_record_n(*value, *count);
    }
    window
}

impl PeopleArgs {
    fn flags(&self) -> Vec<String> {
        let Self { public, subscribers, channel, rooms, run, in_flight, data_bytes, zero_unix_ns } = self;
        let flags: [(&str, &dyn std::fmt::Display); 8] = [
            ("public", public),
            ("subscribers", subscribers),
            ("channel", channel),
            ("rooms", rooms),
            ("run", run),
            ("in-flight", in_flight),
            ("data-bytes", data_bytes),
            ("zero-unix-ns", zero_unix_ns),
        ];
        flags.iter().map(|(name, value)| format!("--{name}={value}")).collect()
    }
}
