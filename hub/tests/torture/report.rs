//! What is told of a round and of a run: figures on standard output; when something is wrong, a file with everything that was
//! noted around it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

use hubbub_protocol::GapReason;

use crate::checker::{Seen, Verdict, Violation};
use crate::plan::Fault;
use crate::round::{Outcome, Task};

/// Violations that are written down with all that was noted around them; the rest are counted.
const TOLD: usize = 25;
/// What is told before and behind the place of a violation.
const AROUND: u64 = 6;

/// The sum of several rounds.
#[derive(Default)]
pub(crate) struct Sum {
    faults: BTreeMap<Fault, usize>,
    cut: usize,
    naps: u64,
    acknowledged: usize,
    received: usize,
    repeated: u64,
    unknown: u64,
    repeats: usize,
    gaps: BTreeMap<&'static str, usize>,
    slowest: Duration,
    /// Everything that is wrong.
    pub(crate) wrong: usize,
}

impl Sum {
    /// Adds a round and prints its line.
    #[expect(clippy::print_stdout, reason = "the figures of the show are printed")]
    pub(crate) fn add(&mut self, task: Task, outcome: &Outcome, verdict: &Verdict) {
        let notes = &outcome.notes;
        let (acknowledged, received) = (notes.publications().len(), outcome.history.received());
        let gaps = gaps(outcome.history.gaps());
        let wrong = verdict.violations.len() + notes.surprises().len() + usize::from(outcome.converged.is_none());
        println!(
            "round {} on {:?}: {acknowledged} acknowledged, {received} received, gaps {gaps:?}, {} keys again, \
             converged in {:.1?}; {:?}; {wrong} wrong; at {:.1?}",
            task.number, task.form, verdict.repeats, outcome.converged, outcome.faults, outcome.times
        );
        outcome.faults.iter().for_each(|(fault, count)| *self.faults.entry(*fault).or_default() += count);
        gaps.into_iter().for_each(|(reason, count)| *self.gaps.entry(reason).or_default() += count);
        self.cut += outcome.cut;
        self.naps += notes.naps.load(Ordering::Relaxed);
        self.repeated += notes.repeated.load(Ordering::Relaxed);
        self.unknown += notes.unknown.load(Ordering::Relaxed);
        self.acknowledged += acknowledged;
        self.received += received;
        self.repeats += verdict.repeats;
        self.slowest = self.slowest.max(outcome.converged.unwrap_or_default());
        self.wrong += wrong;
    }

    /// Prints the figures.
    #[expect(clippy::print_stdout, reason = "the figures of the show are printed")]
    pub(crate) fn print(&self, seed: u64) {
        let Self { faults, cut, naps, acknowledged, received, repeated, unknown, repeats, gaps, slowest, wrong } = self;
        println!("faults: {faults:?}; {cut} sockets cut, {naps} naps of clients");
        println!("publishes: {acknowledged} acknowledged, {repeated} attempts repeated, {unknown} given up unanswered");
        println!(
            "deliveries: {received}; gaps told on windows: {gaps:?}; keys appended again in a new epoch: {repeats}"
        );
        println!(
            "figure: torture: seed {seed}: {wrong} violations under {} faults; {acknowledged} messages acknowledged, \
             {received} received; everybody had everything at most {slowest:.1?} after the last repair",
            faults.values().sum::<usize>()
        );
    }
}

fn gaps(reasons: impl Iterator<Item = GapReason>) -> BTreeMap<&'static str, usize> {
    let mut gaps = BTreeMap::new();
    reasons.for_each(|reason| *gaps.entry(reason.as_str()).or_default() += 1);
    gaps
}

/// Writes down what is wrong with a round, and everything around it; answers where, or `None` when nothing is.
pub(crate) fn write(folder: &Path, task: Task, outcome: &Outcome, verdict: &Verdict) -> Option<PathBuf> {
    let (violations, surprises) = (&verdict.violations, outcome.notes.surprises());
    if violations.is_empty() && surprises.is_empty() && outcome.converged.is_some() {
        return None;
    }
    // Writing into a string does not fail.
    let mut text = String::new();
    let _ = writeln!(text, "{task:?}\n{} violations, {} surprises", violations.len(), surprises.len());
    for (at, what) in surprises.iter().take(TOLD) {
        let _ = writeln!(text, "{at:>7} surprise: {what}");
    }
    for violation in violations.iter().take(TOLD) {
        let _ = writeln!(text, "\n== {violation}");
        tell(&mut text, outcome, violation);
    }
    let _ = writeln!(text, "\n== incidents");
    for (at, what) in outcome.notes.incidents() {
        let _ = writeln!(text, "{at:>7} {what}");
    }
    for (number, log) in outcome.logs.iter().enumerate() {
        let _ = writeln!(text, "\n== node {number}\n{log}");
    }
    let name = format!("torture-{}-{}", task.seed, task.number);
    let path = folder.join(format!("{name}.txt"));
    std::fs::write(&path, text).expect("the report is written");
    std::fs::write(folder.join(format!("{name}-pages.txt")), pages(outcome)).expect("the pages are written");
    Some(path)
}

/// Everything that every reader noted: what clients hid from their readers can be told by this alone.
fn pages(outcome: &Outcome) -> String {
    let mut text = String::new();
    for page in &outcome.pages {
        for (at, seen) in page.timed() {
            let _ = writeln!(text, "{} {at:>7} {} {seen:?}", page.channel.name(), page.reader);
        }
    }
    text
}

/// What was noted around the place of a violation.
fn tell(text: &mut String, outcome: &Outcome, violation: &Violation) {
    let (reader, channel, offset) = place(violation);
    let Some(channel) = channel else { return };
    let near = |other: u64| offset.is_none_or(|offset| other.abs_diff(offset) <= AROUND);
    for log in outcome.history.logs.iter().filter(|log| log.channel == channel) {
        let _ = writeln!(text, "log: head {:?}", log.head);
        for entry in log.entries.iter().filter(|entry| near(entry.position.offset)) {
            let _ = writeln!(text, "        log {:?} {} {}", entry.position, entry.id, entry.key);
        }
    }
    for (at, publication) in
        outcome.notes.publications().iter().filter(|(_, publication)| publication.channel == channel)
    {
        let entry = &publication.entry;
        if near(entry.position.offset) {
            let _ = writeln!(text, "{at:>7} ack {:?} {} {}", entry.position, entry.id, entry.key);
        }
    }
    let meant = outcome.pages.iter().filter(|page| page.channel.name() == channel);
    for page in meant.filter(|page| reader.is_none_or(|reader| page.reader == reader)) {
        let _ = writeln!(text, "{} since {:?}", page.reader, page.since);
        let timed = page.timed();
        let end = timed.len().saturating_sub(AROUND as usize);
        for (index, (at, seen)) in timed.iter().enumerate() {
            let told = match seen {
                Seen::Message(entry) => near(entry.position.offset),
                Seen::Gap { .. } | Seen::Attached(_) => true,
            };
            if told || (reader.is_some() && index >= end) {
                let _ = writeln!(text, "{at:>7} {} {seen:?}", page.reader);
            }
        }
    }
}

fn place(violation: &Violation) -> (Option<&str>, Option<&str>, Option<u64>) {
    match violation {
        Violation::Lost { channel, offset, .. }
        | Violation::Hole { channel, offset }
        | Violation::Twice { channel, second: offset, .. }
        | Violation::TwoTruths { channel, offset, .. } => (None, Some(channel), Some(*offset)),
        Violation::OutOfOrder { reader, channel, offset, .. }
        | Violation::SilentGap { reader, channel, start: offset, .. }
        | Violation::NoReason { reader, channel, offset, .. } => (Some(reader), Some(channel), Some(*offset)),
        Violation::Tail { reader, channel, head, .. } => (Some(reader), Some(channel), Some(head.offset)),
        Violation::Faults(_) => (None, None, None),
    }
}
