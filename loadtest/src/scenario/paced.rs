//! One SSE stream with `max_rate`: when each flush was made, and the account of its messages. The channel has one conflate key,
//! so that a flush is one message: the newest that there was. So its time tells when the flush was made, as near as the channel
//! changes often, however late this reader gets to it.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use hubbub_protocol::{ServerFrame, json};

use super::rounds::Rounds;
use crate::LoadError;
use crate::audit::Audit;
use crate::during;
use crate::events::{self, Events, Fed};
use crate::report::Report;
use crate::socket::Dial;

/// How much nearer than allowed two flushes may seem to be on a machine with time: the newest message of the first one can be a
/// little older than the flush, as the channel changes in steps.
const TOLERANCE: Duration = Duration::from_millis(50);
/// A machine that keeps a thread waiting for longer than this says nothing about the pace.
const TOO_BUSY: Duration = Duration::from_millis(200);

/// How often nothing may come in time before anything has.
const SILENCES: u32 = 5;

/// What such streams are.
#[derive(Clone, Debug)]
pub(super) struct Paced {
    /// The channel.
    pub(super) channel: String,
    /// Flushes a second.
    pub(super) max_rate: u32,
    /// A stream to which nothing comes for so long, after something has come, is over.
    pub(super) until_quiet: Duration,
}

/// An open stream.
pub(super) struct Stream {
    socket: TcpStream,
    events: Events,
    inside: bool,
    account: Account,
}

/// What came over it.
#[derive(Default)]
pub(super) struct Account {
    audit: Audit,
    /// When the newest message of each flush was taken by the hub, since 1970.
    made: Vec<Duration>,
    opened: bool,
}

impl Paced {
    /// Opens a stream and waits for its first event.
    pub(super) fn open(&self, dial: &Dial) -> Result<Stream, LoadError> {
        let mut socket = dial.connect(None).map_err(during("a stream"))?;
        socket.set_read_timeout(Some(self.until_quiet)).map_err(during("a stream"))?;
        let Self { channel, max_rate, .. } = self;
        let request = format!(
            "GET /sse?channel={channel}&max_rate={max_rate} HTTP/1.1\r\nhost: hub\r\naccept: text/event-stream\r\n\r\n"
        );
        socket.write_all(request.as_bytes()).map_err(during("a stream"))?;
        let mut stream = Stream { socket, events: Events::default(), inside: false, account: Account::default() };
        while !stream.account.opened {
            if !stream.more()? {
                return Err(LoadError::Late("a stream did not open".into()));
            }
        }
        Ok(stream)
    }

    /// Whether they were all paced and complete; the part of the figure. `kept` is how long the machine kept a thread waiting
    /// meanwhile that had to run: both ends of a stream may have waited so.
    pub(super) fn judge(&self, accounts: &[Account], head: u64, kept: Duration, report: &mut Report) -> String {
        report.value("paced_tolerance_ms", (TOLERANCE.max(kept * 2)).as_secs_f64() * 1e3);
        if kept > TOO_BUSY {
            report.fail(format!(
                "max_rate: the machine kept a thread waiting for {kept:?}, which says nothing about the pace"
            ));
        }
        let tolerance = TOLERANCE.max(kept * 2);
        let (rate, allowed) = (self.max_rate as usize, Duration::from_secs(1).saturating_sub(tolerance));
        let shortest = |account: &Account| {
            // So many and one more took at least a second.
            let spans = account.settled(self.max_rate).windows(rate + 1).map(|made| made[rate].saturating_sub(made[0]));
            spans.min().unwrap_or(Duration::from_secs(1)).as_secs_f64()
        };
        let spans: Vec<_> = accounts.iter().map(shortest).collect();
        let too_many = spans.iter().filter(|span| **span < allowed.as_secs_f64()).count();
        let beyond = accounts.iter().filter(|account| account.flushes_beyond(self.max_rate, tolerance) > 0).count();
        let lost: u64 = accounts.iter().map(|account| account.audit.lost(head)).sum();
        let wrong: u64 = accounts
            .iter()
            .map(|account| account.audit.duplicated + account.audit.reordered + account.audit.gaps)
            .sum();
        let (received, skipped) = accounts
            .iter()
            .fold((0, 0), |(received, skipped), a| (received + a.audit.received, skipped + a.audit.conflated));
        let not_latest = accounts.iter().filter(|account| account.audit.last() != head).count();
        report.value("paced_received", received);
        report.value("paced_skipped", skipped);
        let least = spans.iter().copied().fold(f64::INFINITY, f64::min);
        report.value("paced_shortest_s", least);
        for (count, what) in [
            (too_many as u64, "streams got more flushes in a second than max_rate"),
            (beyond as u64, "streams got more flushes than max_rate over the whole time"),
            (lost, "messages neither came nor were told as skipped"),
            (wrong, "messages came twice, out of order or as gaps"),
            (not_latest as u64, "streams did not get the latest value last"),
        ] {
            if count > 0 {
                report.fail(format!("max_rate={rate}: {count} {what}"));
            }
        }
        let flushes: Rounds = accounts.iter().map(|account| account.made.len() as f64).collect();
        format!(
            "max_rate={rate}: {} streams got {} flushes of {head} changes, {} in no less than {least:.2} s, {skipped} told as skipped, \
             {lost} lost, latest last",
            accounts.len(),
            flushes.text(0),
            rate + 1
        )
    }
}

impl Account {
    /// Flushes that came beyond those that the rate allows from the first to the last, both included.
    fn flushes_beyond(&self, rate: u32, tolerance: Duration) -> u64 {
        let made = self.settled(rate);
        let (Some(first), Some(last)) = (made.first(), made.last()) else { return 0 };
        let allowed = ((last.saturating_sub(*first) + tolerance).as_secs_f64() * f64::from(rate)).floor() as u64 + 1;
        (made.len() as u64).saturating_sub(allowed)
    }

    /// The flushes without those of the first second, in which the readers themselves are started.
    fn settled(&self, rate: u32) -> &[Duration] {
        self.made.get(rate as usize..).unwrap_or_default()
    }

    fn event(&mut self, json: &[u8]) -> Result<(), String> {
        if let Some(attached) = events::opened(json) {
            self.opened = true;
            attached.iter().for_each(|(_, attached)| self.audit.begin(attached.start()));
            return Ok(());
        }
        let text = String::from_utf8_lossy(json);
        match json::decode_server(&text) {
            Ok(Some(ServerFrame::Message(message))) => {
                let Some(position) = message.position else { return Err("a message without a position".into()) };
                self.audit.message(position.offset);
                self.made.push(Duration::from_millis(message.time));
            }
            Ok(Some(ServerFrame::Skipped { count, .. })) => self.audit.skipped(count),
            Ok(Some(ServerFrame::Gap { lost, .. })) => self.audit.gap(lost.from, lost.to),
            Ok(_) => {}
            Err(error) => return Err(error.to_string()),
        }
        Ok(())
    }
}

impl Stream {
    /// Reads until nothing comes any more.
    pub(super) fn read(mut self) -> Result<Account, LoadError> {
        let mut silences = 0;
        while silences < SILENCES && (silences == 0 || self.account.made.is_empty()) {
            silences += u32::from(!self.more()?);
        }
        Ok(self.account)
    }

    /// Reads once; whether anything came in time.
    fn more(&mut self) -> Result<bool, LoadError> {
        let mut buffer = [0; 4_096];
        let length = match self.socket.read(&mut buffer) {
            Ok(0) => return Err(LoadError::Start("a stream ended".into())),
            Ok(length) => length,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return Ok(false),
            Err(error) => return Err(during("a stream")(error)),
        };
        let mut bytes = &buffer[..length];
        if !self.inside {
            match self.events.head(bytes) {
                None => return Ok(true),
                Some(None) => return Err(LoadError::Start("a stream was refused".into())),
                Some(Some(rest)) => (self.inside, bytes) = (true, rest),
            }
        }
        let (account, mut wrong) = (&mut self.account, None);
        let fed = self.events.feed(bytes, |json| {
            if let Err(why) = account.event(json) {
                wrong.get_or_insert(why);
            }
        });
        match (wrong, fed) {
            (None, Fed::More) => Ok(true),
            (Some(why), _) => Err(LoadError::Start(format!("a stream: {why}"))),
            (None, Fed::Ended | Fed::Broken) => Err(LoadError::Start("a stream ended".into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(offsets_at_ms: &[(u64, u64)], skipped: &[u64]) -> Account {
        let zero = Duration::from_secs(1_800_000_000);
        let mut account = Account::default();
        skipped.iter().for_each(|count| account.audit.skipped(*count));
        // The first second does not count.
        account.made = vec![zero; 2];
        for (offset, ms) in offsets_at_ms {
            account.audit.message(*offset);
            account.made.push(zero + Duration::from_millis(*ms));
        }
        account
    }

    #[test]
    fn every_way_to_break_the_pace_is_seen() {
        let plan = Paced { channel: String::new(), max_rate: 2, until_quiet: Duration::ZERO };
        let verdict = |account: Account| {
            let mut report = Report::new("test");
            plan.judge(&[account], 4, Duration::ZERO, &mut report);
            report.finish(None).expect("nothing is written")
        };
        assert!(verdict(account(&[(1, 0), (2, 500), (4, 1_000)], &[1])));
        assert!(!verdict(account(&[(1, 0), (2, 500), (4, 1_000)], &[])), "one is missing");
        assert!(!verdict(account(&[(1, 0), (2, 400), (4, 800)], &[1])), "three in a second");
        assert!(!verdict(account(&[(1, 0), (2, 500)], &[2])), "not the latest");
        assert!(!verdict(account(&[(1, 0), (2, 500), (2, 1_000), (4, 1_500)], &[1])), "one twice");
    }
}
