//! Judges findings by the table of exceptions: what is not excused fails, and so does an excuse without a finding.

use super::exceptions::EXCEPTIONS;

/// The rules that can have exceptions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rule {
    /// A file has at most 500 lines without its tests.
    LongFile,
    /// A function has at most 70 lines.
    LongFunction,
    /// Test code does not sleep.
    Sleep,
    /// Modules of the hub do not use each other in a circle. The place is `from -> to`, an edge of the circle.
    Cycle,
}

/// Something that breaks a rule for a reason.
#[derive(Debug)]
pub(crate) struct Exception {
    /// Which rule.
    pub(crate) rule: Rule,
    /// Where: the place of the finding, or with a `/` at its end a folder with all places below it.
    pub(crate) place: &'static str,
    /// Why it is better so, and what would end it.
    pub(crate) reason: &'static str,
}

/// Something that a rule does not like.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Finding {
    /// Where: a file, or a file and a name in it.
    pub(crate) place: String,
    /// What is wrong there, and what to do.
    pub(crate) what: String,
}

impl Finding {
    /// A finding at a place.
    pub(crate) fn new(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self { place: place.into(), what: what.into() }
    }
}

/// The exceptions of a rule.
pub(crate) fn exceptions_of(rule: Rule) -> impl Iterator<Item = &'static Exception> {
    EXCEPTIONS.iter().filter(move |exception| exception.rule == rule)
}

impl Exception {
    fn covers(&self, finding: &Finding) -> bool {
        finding.place == self.place || (self.place.ends_with('/') && finding.place.starts_with(self.place))
    }
}

/// Fails for findings that are not excused, and for excuses that nothing needs.
pub(crate) fn judge(rule: Rule, findings: Vec<Finding>) {
    let needless: Vec<Finding> = exceptions_of(rule)
        .filter(|exception| !findings.iter().any(|finding| exception.covers(finding)))
        .map(|exception| {
            Finding::new(exception.place, "is excused and needs no excuse any more: remove it from the table")
        })
        .collect();
    let excused = |finding: &Finding| exceptions_of(rule).any(|exception| exception.covers(finding));
    demand_none(findings.into_iter().filter(|finding| !excused(finding)).chain(needless).collect());
}

/// Fails for every finding.
pub(crate) fn demand_none(mut findings: Vec<Finding>) {
    findings.sort();
    findings.dedup();
    let lines: Vec<String> =
        findings.iter().map(|finding| format!("\n  {}: {}", finding.place, finding.what)).collect();
    assert!(findings.is_empty(), "{} against the law of docs/STYLE.md:{}", findings.len(), lines.concat());
}

#[test]
fn every_exception_has_a_reason() {
    for Exception { rule, place, reason } in EXCEPTIONS {
        assert!(reason.len() > 20, "{rule:?} {place}: say why, and what would end it");
    }
}
