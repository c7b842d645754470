//! What a run and its processes of people say to each other: a line of JSON each.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::people::Buckets;
use crate::tls::Trust;

/// The first line to a process: who its people are.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    /// The scenario, as TOML.
    pub scenario: String,
    /// Which process this is.
    pub index: usize,
    /// Of how many.
    pub of: usize,
    /// The public ports.
    pub publics: Vec<SocketAddr>,
    /// The secret of tokens.
    pub secret: String,
    /// Its name.
    pub kid: String,
    /// How many may be opening at once.
    pub in_flight: usize,
    /// The zero of the times in stamps, in nanoseconds since 1970.
    pub zero_unix_ns: u64,
    /// What is not a hub.
    pub target: Option<TargetJob>,
    /// How requests call the server; by default by its address.
    pub host: Option<String>,
    /// With TLS: which server, and whom to believe that it is it.
    pub trust: Option<Trust>,
}

/// A described server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TargetJob {
    /// How errors call its description.
    pub file: String,
    /// Its description, as TOML.
    pub text: String,
}

/// What a process is to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// People may publish.
    Talk,
    /// What is due from here on is measured, and people begin to leave and come back: nanoseconds after the zero.
    Measure(u64),
    /// Nobody publishes or leaves any more. Answered by `Heads`.
    Quiet,
    /// The heads of all channels: say who is behind.
    Check(Vec<u64>),
    /// Answered by `Account`.
    Account,
}

/// What a process says.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// How far it is, several times a second, with the latencies since the tick before.
    Tick(Tick, Buckets),
    /// The last offsets that its people were told for what they published, by channel.
    Heads(Vec<(usize, u64)>),
    /// What its people saw.
    Account(Account),
    /// It can not go on.
    Failed(String),
}

/// How far it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tick {
    /// People who are live.
    pub live: u64,
    /// People who have been live.
    pub settled: u64,
    /// Times that somebody was live again.
    pub returns: u64,
    /// Messages received.
    pub messages: u64,
    /// Messages published by people.
    pub published: u64,
    /// Those of them that were accepted.
    pub acknowledged: u64,
    /// Those of them that were not.
    pub refused: u64,
    /// Holes in what was received so far; some may still be filled.
    pub lost: u64,
    /// Messages that came again.
    pub duplicated: u64,
    /// Time not spent waiting, in nanoseconds.
    pub busy_ns: u64,
    /// Subscriptions that have not got everything, once the heads are known.
    pub behind: u64,
    /// Whether the heads are known.
    pub checked: bool,
}

impl Tick {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: &Self) -> Self {
        Self {
            live: self.live + other.live,
            settled: self.settled + other.settled,
            returns: self.returns + other.returns,
            messages: self.messages + other.messages,
            published: self.published + other.published,
            acknowledged: self.acknowledged + other.acknowledged,
            refused: self.refused + other.refused,
            lost: self.lost + other.lost,
            duplicated: self.duplicated + other.duplicated,
            busy_ns: self.busy_ns + other.busy_ns,
            behind: self.behind + other.behind,
            checked: self.checked || other.checked,
        }
    }
}

/// What people saw: exact counts over the whole run, and latencies of what was measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// Messages received.
    pub received: u64,
    /// Messages that did not come.
    pub lost: u64,
    /// Messages that came again.
    pub duplicated: u64,
    /// Messages that came after a later one.
    pub reordered: u64,
    /// Messages that the hub said will never come.
    pub gaps: u64,
    /// Messages that were left out, because later ones replaced them.
    pub conflated: u64,
    /// Latencies in nanoseconds.
    pub latency: Buckets,
    /// Times that people were away, in nanoseconds.
    pub away: Buckets,
    /// How connections ended that people did not end.
    pub ends: BTreeMap<String, u64>,
}

impl Account {
    /// Both together.
    #[must_use]
    pub fn plus(mut self, other: Self) -> Self {
        self.received += other.received;
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
        self.gaps += other.gaps;
        self.conflated += other.conflated;
        self.latency.extend(other.latency);
        self.away.extend(other.away);
        for (end, count) in other.ends {
            *self.ends.entry(end).or_default() += count;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_add_up() {
        let one = Account { received: 5, lost: 1, latency: vec![(1, 2)], ..Account::default() };
        let other = Account { received: 7, conflated: 2, latency: vec![(1, 3)], ..Account::default() };
        let sum = one.plus(other);
        assert_eq!((sum.received, sum.lost, sum.conflated), (12, 1, 2));
        assert_eq!(crate::people::histogram(&sum.latency).len(), 5);
    }
}
