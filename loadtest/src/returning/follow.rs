//! What a person hears of one channel: the account of it, and the latency of all that comes. Knows no socket.

use std::collections::HashMap;

use hdrhistogram::Histogram;
use hubbub_protocol::outcome::Attached;
use hubbub_protocol::{Epoch, Position};

use crate::audit::Audit;
use crate::frame;
use crate::plan::stamp::Stamp;
use crate::worker::empty_latency;

/// What a person follows.
#[derive(Debug)]
pub struct Follow {
    /// Which channel, as an index into the names.
    pub channel: usize,
    /// The account over all connections.
    pub audit: Audit,
    /// Known once the first subscription was answered; never on a channel without a log.
    pub(super) epoch: Option<Epoch>,
    /// How the account goes on where there is no log.
    numbers: Numbers,
    /// Where the offset and the stamp were found last: messages of one channel are alike.
    offset_at: usize,
    stamp_at: usize,
}

const OFFSET: &[u8] = br#""offset":"#;

/// Where there is no log, the numbers in the messages count. What comes while nobody is there is not lost then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Numbers {
    /// Nothing was heard of the channel yet.
    New,
    /// The next message goes on from the one before.
    GoOn,
    /// The next message begins anew.
    BeginAnew,
}

impl Follow {
    pub(super) fn new(channel: usize) -> Self {
        Self { channel, audit: Audit::default(), epoch: None, numbers: Numbers::New, offset_at: 0, stamp_at: 0 }
    }

    /// The place behind the last message, where there is a log.
    pub(super) fn position(&self) -> Option<Position> {
        Some(Position::new(self.epoch?, self.audit.last()))
    }

    /// The subscription begins where it has no position.
    pub(super) fn begin(&mut self, attached: &Attached) {
        if attached.head.is_some() {
            self.audit.begin(attached.start());
        } else {
            self.numbers = if self.numbers == Numbers::New { Numbers::GoOn } else { Numbers::BeginAnew };
        }
    }

    /// What did not come of all up to `head`.
    pub fn lost(&self, head: u64) -> u64 {
        if self.numbers == Numbers::BeginAnew { self.audit.lost(0) } else { self.audit.lost(head) }
    }

    /// A message came.
    #[inline]
    pub(super) fn message(&mut self, payload: &[u8], heard: &mut Heard) {
        // On a channel without a log, `data` would have to hold one.
        let offset = self.epoch.and_then(|_| frame::number(payload, OFFSET, &mut self.offset_at));
        let stamp = if heard.timed || offset.is_none() { Stamp::read(payload, &mut self.stamp_at) } else { None };
        match offset {
            Some(offset) => {
                self.audit.message(offset);
                heard.stamped(stamp);
            }
            None => self.numbered(stamp, heard),
        }
    }

    /// A message came where only its number counts.
    #[inline]
    pub(super) fn numbered(&mut self, stamp: Option<Stamp>, heard: &mut Heard) {
        match stamp {
            Some(Stamp { number: number @ 1.., .. }) => {
                if std::mem::replace(&mut self.numbers, Numbers::GoOn) == Numbers::BeginAnew {
                    self.audit.begin(number - 1);
                }
                self.audit.message(number);
            }
            _ => self.audit.received += 1,
        }
        heard.stamped(stamp);
    }
}

/// What all people of a thread hear together.
#[derive(Debug)]
pub(crate) struct Heard {
    /// Whether messages carry stamps and those of this person count.
    pub(super) timed: bool,
    pub(super) now_ns: u64,
    /// Messages that were due before the person was there say nothing about the hub.
    pub(super) since_ns: u64,
    /// What was due from here on is measured.
    pub(crate) measured_from_ns: u64,
    /// Latencies of what was measured, in nanoseconds.
    pub(crate) measured: Histogram<u64>,
    /// Latencies since this was emptied the last time, in nanoseconds.
    pub(crate) lately: Histogram<u64>,
    /// The highest offset that people were told for what they published, by channel.
    pub(crate) heads: HashMap<usize, u64>,
}

impl Default for Heard {
    fn default() -> Self {
        Self {
            timed: false,
            now_ns: 0,
            since_ns: 0,
            measured_from_ns: u64::MAX,
            measured: empty_latency(),
            lately: empty_latency(),
            heads: HashMap::new(),
        }
    }
}

impl Heard {
    #[inline]
    fn stamped(&mut self, stamp: Option<Stamp>) {
        if let Some(stamp) = stamp.filter(|_| self.timed) {
            self.message(stamp.due_ns);
        }
    }

    #[inline]
    fn message(&mut self, due_ns: u64) {
        if due_ns < self.since_ns {
            return;
        }
        let latency = self.now_ns.saturating_sub(due_ns);
        self.lately.saturating_record(latency);
        if due_ns >= self.measured_from_ns {
            self.measured.saturating_record(latency);
        }
    }

    pub(super) fn acknowledged(&mut self, channel: usize, offset: u64) {
        let head = self.heads.entry(channel).or_default();
        *head = offset.max(*head);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(number: u64, due_ns: u64) -> String {
        format!(r#"{{"type":"message","channel":"eph:a","data":{}}}"#, Stamp { due_ns, number }.data(0))
    }

    #[test]
    fn without_a_log_the_numbers_count_and_an_absence_is_no_loss() {
        let (mut follow, mut heard) = (Follow::new(0), Heard::default());
        let attached = Attached { outcome: hubbub_protocol::Outcome::Fresh { replay: None }, head: None };
        follow.begin(&attached);
        for number in [1, 2, 4] {
            follow.message(message(number, 0).as_bytes(), &mut heard);
        }
        assert_eq!((follow.lost(4), follow.lost(6)), (1, 3));
        follow.begin(&attached);
        assert_eq!(follow.lost(8), 1);
        follow.message(message(9, 0).as_bytes(), &mut heard);
        assert_eq!((follow.lost(9), follow.lost(10)), (1, 2));
    }

    #[test]
    fn latency_counts_from_when_it_was_due_and_somebody_was_there() {
        let (mut follow, mut heard) = (Follow::new(0), Heard { timed: true, ..Heard::default() });
        (heard.now_ns, heard.since_ns, heard.measured_from_ns) = (9_000_000, 2_000_000, 5_000_000);
        for due_ns in [1_000_000, 3_000_000, 6_000_000] {
            follow.message(message(0, due_ns).as_bytes(), &mut heard);
        }
        assert_eq!((heard.lately.len(), heard.measured.len()), (2, 1));
        assert!((2_900_000..3_100_000).contains(&heard.measured.max()));
    }
}
