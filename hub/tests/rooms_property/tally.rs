//! What sequences have proven: how much was done, refused, asked again.

use std::collections::BTreeMap;

use hubbub_protocol::room::Op;

#[derive(Debug, Default)]
pub(crate) struct Tally {
    done: BTreeMap<&'static str, u64>,
    refused: BTreeMap<&'static str, u64>,
    /// How often live models were asked for again.
    pub(crate) healed: u64,
    /// The same of those that were read from the logs.
    pub(crate) torn: u64,
}

/// Operations that are asked, not done, and what is told to whoever is there alone.
const QUESTIONS: &[&str] = &[
    "rooms",
    "room",
    "members",
    "discover",
    "messages",
    "message",
    "versions",
    "scheduled",
    "search",
    "threads",
    "receipts",
    "reports",
    "audit",
    "inbox",
    "typing",
];

impl Tally {
    pub(crate) fn done(&mut self, name: &'static str) {
        *self.done.entry(name).or_default() += 1;
    }

    pub(crate) fn refused(&mut self, name: &'static str) {
        *self.refused.entry(name).or_default() += 1;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (name, count) in &other.done {
            *self.done.entry(name).or_default() += count;
        }
        for (name, count) in &other.refused {
            *self.refused.entry(name).or_default() += count;
        }
        self.healed += other.healed;
        self.torn += other.torn;
    }

    pub(crate) fn mutations(&self) -> u64 {
        self.done.values().sum()
    }

    pub(crate) fn refusals(&self) -> u64 {
        self.refused.values().sum()
    }

    /// Operations that change something and did not occur, or were never refused.
    pub(crate) fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        for name in Op::NAMES.iter().filter(|name| !QUESTIONS.contains(name)) {
            if !self.done.contains_key(name) {
                missing.push(format!("{name} was never done"));
            }
            if !self.refused.contains_key(name) {
                missing.push(format!("{name} was never refused"));
            }
        }
        missing
    }
}
