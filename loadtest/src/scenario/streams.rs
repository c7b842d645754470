//! Many SSE streams that do nothing: memory for each, and one broadcast to every one. Then some streams with `max_rate` over a
//! channel that changes faster: no second may bring more than that, every message must be accounted for as received or
//! skipped, and the latest must come last.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use clap::Args;

use super::paced::Paced;
use super::{Run, parse_channel};
use crate::LoadError;
use crate::hub::Hub;
use crate::options::Target;
use crate::process::pss_bytes;
use crate::publisher::{Item, Taken};
use crate::report::Report;
use crate::schedule::Schedule;
use crate::socket::{Dial, source};

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// What ends the first event of a stream.
const OPENED: &[u8] = b"\"type\":\"open\"";
/// A stream to which nothing comes for so long after the changes has got all.
const QUIET: Duration = Duration::from_secs(3);
/// What the broadcast is found by.
const MARK: &str = "all-streams";

/// The flags of `streams`.
#[derive(Args, Debug)]
pub struct StreamsArgs {
    #[command(flatten)]
    target: Target,
    /// How many streams.
    #[arg(long, default_value_t = 5_000)]
    streams: usize,
    /// A public channel that all of them read.
    #[arg(long, default_value = "feed:idle")]
    channel: String,
    /// How long they are left alone before memory is read, in seconds.
    #[arg(long, default_value_t = 3)]
    idle_s: u64,
    /// Most memory (PSS) for each stream, in bytes.
    #[arg(long)]
    max_pss_bytes: Option<f64>,
    /// Streams with `max_rate`, at most 200. 0 leaves them out.
    #[arg(long, default_value_t = 0)]
    paced: usize,
    /// Their `max_rate`, in flushes a second.
    #[arg(long, default_value_t = 2)]
    max_rate: u32,
    /// How often their channel changes, in messages a second.
    #[arg(long, default_value_t = 50.0)]
    changes: f64,
    /// How long, in seconds.
    #[arg(long, default_value_t = 10)]
    changes_s: u64,
}

impl StreamsArgs {
    pub(super) fn run(&self) -> Result<bool, LoadError> {
        let mut report = Report::new("streams");
        let hub = Hub::of(&self.target)?;
        let run = Run::new(&self.target, hub.place, 0);
        let channel = parse_channel(&self.channel).map_err(LoadError::Start)?;
        let empty = pss_bytes(hub.place.pid)?;
        let dial = Dial { target: hub.place.public, source: source(0, 0) };
        let request = format!("GET /sse?channel={channel} HTTP/1.1\r\nhost: hub\r\naccept: text/event-stream\r\n\r\n");
        let mut streams = Vec::with_capacity(self.streams);
        for _ in 0..self.streams {
            streams.push(
                open(&dial, &request).map_err(|error| LoadError::Start(format!("a stream did not open: {error}")))?,
            );
        }
        std::thread::sleep(Duration::from_secs(self.idle_s));
        let full = pss_bytes(hub.place.pid)?;
        let each = full.saturating_sub(empty) as f64 / self.streams.max(1) as f64;
        run.publisher()?.publish(channel.as_str(), &format!("\"{MARK}\""))?;
        let receivers =
            streams.iter_mut().map(|stream| read_until(stream, MARK.as_bytes())).filter(Result::is_ok).count();

        report.value("streams", self.streams);
        report.value("pss_bytes_per_stream", each);
        report.value("receivers", receivers);
        report.at_most("pss_bytes_per_stream", each, self.max_pss_bytes);
        if receivers != self.streams {
            report.fail(format!("the broadcast reached {receivers} of {}", self.streams));
        }
        let mut figure =
            format!("streams: {} idle, {each:.0} bytes of PSS for each, broadcast to {receivers}", self.streams);
        if self.paced > 0 {
            figure += &format!("; {}", self.pace(&run, &dial, &mut report)?);
        }
        report.figure(figure);
        report.finish(self.target.json.as_deref())
    }
}

impl StreamsArgs {
    /// Streams with `max_rate` while their channel changes; the part of the figure.
    fn pace(&self, run: &Run<'_>, dial: &Dial, report: &mut Report) -> Result<String, LoadError> {
        let plan = Paced { channel: "feed:paced".to_owned(), max_rate: self.max_rate, until_quiet: QUIET };
        let streams = (0..self.paced.min(200)).map(|_| plan.open(dial)).collect::<Result<Vec<_>, _>>()?;
        let readers: Vec<_> = streams.into_iter().map(|stream| std::thread::spawn(move || stream.read())).collect();
        let (mut publisher, schedule, begin) = (run.publisher()?, Schedule::new(self.changes), Instant::now());
        let (mut head, mut kept) = (0, Duration::ZERO);
        for number in 0..schedule.count(Duration::from_secs(self.changes_s)) {
            if let Some(wait) = schedule.due(number).checked_sub(begin.elapsed()) {
                std::thread::sleep(wait);
                kept = kept.max(begin.elapsed().saturating_sub(schedule.due(number)));
            }
            let item = Item { channel: &plan.channel, data: number.to_string(), conflate_key: Some(0) };
            match publisher.publish_items(&[item])?.pop() {
                Some(Taken::Accepted(offset)) => head = offset,
                other => return Err(LoadError::Api(format!("a change was not taken: {other:?}"))),
            }
        }
        let accounts = readers
            .into_iter()
            .map(|reader| reader.join().map_err(|_| LoadError::Start("a reader panicked".into()))?);
        let accounts = accounts.collect::<Result<Vec<_>, _>>()?;
        Ok(plan.judge(&accounts, head, kept, report))
    }
}

fn open(dial: &Dial, request: &str) -> std::io::Result<TcpStream> {
    let mut stream = dial.connect(None)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(request.as_bytes())?;
    read_until(&mut stream, OPENED)?;
    Ok(stream)
}

fn read_until(stream: &mut TcpStream, mark: &[u8]) -> std::io::Result<()> {
    let (mut seen, mut buffer) = (Vec::new(), [0; 2_048]);
    while !seen.windows(mark.len()).any(|window| window == mark) {
        match stream.read(&mut buffer)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            count => seen.extend_from_slice(&buffer[..count]),
        }
    }
    Ok(())
}
