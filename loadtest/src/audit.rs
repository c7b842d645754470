//! Counts what one subscriber got: lost, duplicated and reordered messages, exactly, by their offsets.

use serde::{Deserialize, Serialize};

/// The account of one subscriber.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Audit {
    /// The highest offset so far; 0 before the first.
    last: u64,
    /// Offsets below `last` that did not come yet, as inclusive ranges. Empty while all goes well.
    missing: Vec<(u64, u64)>,
    /// Messages received.
    pub received: u64,
    /// Messages that had come before.
    pub duplicated: u64,
    /// Messages that came after a later one.
    pub reordered: u64,
    /// Messages that the hub said will never come.
    pub gaps: u64,
    /// Messages that the hub said were left out, because later ones replaced them.
    pub conflated: u64,
    /// Those of them that no hole was found for yet.
    allowed: u64,
}

impl Audit {
    /// The stream begins behind this offset.
    pub fn begin(&mut self, offset: u64) {
        self.last = offset;
    }

    /// The highest offset so far.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// A message came.
    #[inline]
    pub fn message(&mut self, offset: u64) {
        self.received += 1;
        if offset == self.last + 1 {
            self.last = offset;
        } else {
            self.out_of_order(offset);
        }
    }

    #[cold]
    fn out_of_order(&mut self, offset: u64) {
        if offset > self.last {
            let hole = offset - self.last - 1;
            if hole <= self.allowed {
                self.allowed -= hole;
            } else {
                self.missing.push((self.last + 1, offset - 1));
            }
            self.last = offset;
        } else if let Some(at) = self.missing.iter().position(|(from, to)| (*from..=*to).contains(&offset)) {
            self.reordered += 1;
            let (from, to) = self.missing.swap_remove(at);
            let rests = [(from, offset.wrapping_sub(1)), (offset + 1, to)];
            self.missing.extend(rests.into_iter().filter(|(from, to)| from <= to && *to < u64::MAX));
        } else {
            self.duplicated += 1;
        }
    }

    /// The hub said that these will never come. Where it forgot everything and counts anew, it names a `to` before what came,
    /// and nobody can say how many are gone: one is counted.
    pub fn gap(&mut self, from: u64, to: u64) {
        if to < self.last {
            (self.gaps, self.last, self.allowed) = (self.gaps + 1, to, 0);
            return;
        }
        self.gaps += (to + 1).saturating_sub(from);
        self.last = self.last.max(to);
    }

    /// The hub said that so many were left out before the next message.
    pub fn skipped(&mut self, count: u64) {
        self.conflated += count;
        self.allowed += count;
    }

    /// Messages that did not come, of all up to `head`. What the hub called a gap is counted there instead.
    pub fn lost(&self, head: u64) -> u64 {
        let holes: u64 = self.missing.iter().map(|(from, to)| to - from + 1).sum();
        (holes + head.saturating_sub(self.last)).saturating_sub(self.allowed)
    }
}

/// The accounts of many.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AuditSum {
    /// Subscribers.
    pub subscribers: u64,
    /// As in [`Audit`], of all.
    pub received: u64,
    /// As in [`Audit`], of all.
    pub lost: u64,
    /// As in [`Audit`], of all.
    pub duplicated: u64,
    /// As in [`Audit`], of all.
    pub reordered: u64,
    /// As in [`Audit`], of all.
    pub gaps: u64,
}

impl AuditSum {
    /// Adds them up; all should have come up to `head`.
    pub fn of<'a>(audits: impl IntoIterator<Item = &'a Audit>, head: u64) -> Self {
        audits.into_iter().fold(Self::default(), |sum, audit| {
            sum.plus(Self {
                subscribers: 1,
                received: audit.received,
                lost: audit.lost(head),
                duplicated: audit.duplicated,
                reordered: audit.reordered,
                gaps: audit.gaps,
            })
        })
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            subscribers: self.subscribers + other.subscribers,
            received: self.received + other.received,
            lost: self.lost + other.lost,
            duplicated: self.duplicated + other.duplicated,
            reordered: self.reordered + other.reordered,
            gaps: self.gaps + other.gaps,
        }
    }

    /// Whether each got each message once and in order.
    pub fn is_clean(&self) -> bool {
        self.lost + self.duplicated + self.reordered + self.gaps == 0
    }
}

impl std::fmt::Display for AuditSum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { subscribers, received, lost, duplicated, reordered, gaps } = self;
        write!(f, "{received} received by {subscribers}: {lost} lost, {duplicated} duplicated, ")?;
        write!(f, "{reordered} reordered, {gaps} told as gaps")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Offsets in the order of their coming after 10, the head, and (lost, duplicated, reordered).
    type Row = (&'static [u64], u64, (u64, u64, u64));

    #[test]
    fn every_irregularity_is_counted_once() {
        let table: &[Row] = &[
            (&[11, 12, 13], 13, (0, 0, 0)),
            (&[], 13, (3, 0, 0)),
            (&[11, 12], 13, (1, 0, 0)),
            (&[11, 13], 13, (1, 0, 0)),
            (&[11, 13, 12], 13, (0, 0, 1)),
            (&[11, 11, 12, 13], 13, (0, 1, 0)),
            (&[10, 11, 12, 13], 13, (0, 1, 0)),
            (&[20, 15, 15, 11, 19], 20, (6, 1, 3)),
            (&[13, 12, 11, 12], 13, (0, 1, 2)),
        ];
        for (offsets, head, expected) in table {
            let mut audit = Audit::default();
            audit.begin(10);
            offsets.iter().for_each(|offset| audit.message(*offset));
            assert_eq!((audit.lost(*head), audit.duplicated, audit.reordered), *expected, "{offsets:?}");
            assert_eq!(audit.received, offsets.len() as u64);
        }
    }

    #[test]
    fn what_was_left_out_is_not_lost_and_nothing_else_is_hidden() {
        let mut audit = Audit::default();
        audit.message(1);
        audit.skipped(3);
        // Two keys of one flush: 2 and 3 before the first, 5 before the second.
        audit.message(4);
        audit.message(6);
        assert_eq!((audit.conflated, audit.lost(6)), (3, 0));
        audit.message(8);
        assert_eq!((audit.lost(8), audit.lost(9)), (1, 2));
    }

    #[test]
    fn a_log_that_begins_anew_is_a_gap_and_no_duplicates() {
        let mut audit = Audit::default();
        audit.begin(7);
        audit.message(8);
        audit.gap(9, 2);
        audit.message(3);
        assert_eq!((audit.gaps, audit.duplicated, audit.lost(3), audit.lost(4)), (1, 0, 0, 1));
    }

    #[test]
    fn gaps_are_not_lost_twice() {
        let mut audit = Audit::default();
        audit.message(1);
        audit.gap(2, 5);
        audit.message(6);
        assert_eq!((audit.gaps, audit.lost(6)), (4, 0));
        assert!(!AuditSum::of([&audit], 6).is_clean());
    }
}
