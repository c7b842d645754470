//! The schedule of faults: what breaks when and for how long, all of it from a seed. Pure; knows nothing of servers.

use std::collections::HashMap;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

/// What stands between the nodes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Form {
    /// Nothing: one node with everything inside.
    Alone,
    Standalone,
    Sentinel,
    Cluster,
}

/// The forms in the order in which rounds take them.
pub(crate) const FORMS: [Form; 3] = [Form::Standalone, Form::Sentinel, Form::Cluster];

/// Something that breaks.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) enum Fault {
    /// `kill -9`, started again.
    NodeKill,
    /// Told to drain, started again.
    NodeRestart,
    /// Stopped in the middle of everything, and continued.
    NodePause,
    /// `kill -9` of all its processes, started again.
    PostgresKill,
    /// Stopped and continued.
    PostgresPause,
    /// `kill -9`, started again with what it had written.
    RedisKill,
    /// `kill -9`, started again with nothing.
    RedisLoss,
    /// Stopped and continued, too shortly for a failover.
    RedisPause,
    /// The primary is killed and a replica takes over; the old one comes back as a replica.
    Failover,
    /// The same, with replicas that have not heard the latest.
    StaleFailover,
    /// Sockets of clients end without a frame.
    Cut,
}

/// What a fault breaks; the same thing breaks once at a time.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Victim {
    Node(usize),
    Postgres,
    /// All of it: a Cluster of which two shards are down at a time could not fail over.
    Redis,
    Sockets,
}

/// A fault of the schedule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Planned {
    pub(crate) at: Duration,
    pub(crate) fault: Fault,
    pub(crate) victim: Victim,
    /// How long it stays broken before the repair begins.
    pub(crate) lasts: Duration,
    /// Which shard of Redis, when it is about that.
    pub(crate) shard: usize,
}

impl Form {
    /// What can break: half of it is about Redis, a quarter about nodes.
    fn faults(self) -> &'static [Fault] {
        use Fault::{
            Cut, Failover, NodeKill, NodePause, NodeRestart, PostgresKill, PostgresPause, RedisKill, RedisLoss,
            RedisPause, StaleFailover,
        };
        match self {
            Self::Alone => &[NodeKill, Cut, NodeRestart, NodePause],
            Self::Standalone => &[
                NodeKill,
                RedisKill,
                Cut,
                PostgresKill,
                RedisLoss,
                NodeRestart,
                RedisPause,
                NodePause,
                PostgresPause,
                RedisLoss,
                NodeKill,
                RedisKill,
            ],
            Self::Sentinel | Self::Cluster => &[
                NodeKill,
                Failover,
                Cut,
                PostgresKill,
                NodeRestart,
                RedisPause,
                NodePause,
                StaleFailover,
                PostgresPause,
            ],
        }
    }

    /// How many nodes it connects.
    pub(crate) fn nodes(self) -> usize {
        if self == Self::Alone { 1 } else { 3 }
    }

    fn shards(self) -> usize {
        if self == Self::Cluster { 3 } else { 1 }
    }
}

impl Fault {
    fn victim(self, nodes: usize, dice: &mut StdRng) -> Victim {
        match self {
            Self::NodeKill | Self::NodeRestart | Self::NodePause => Victim::Node(dice.random_range(0..nodes)),
            Self::PostgresKill | Self::PostgresPause => Victim::Postgres,
            Self::RedisKill | Self::RedisLoss | Self::RedisPause | Self::Failover | Self::StaleFailover => {
                Victim::Redis
            }
            Self::Cut => Victim::Sockets,
        }
    }

    /// How long it lasts, in milliseconds, and how long the repair is expected to take at most.
    fn times(self) -> (std::ops::Range<u64>, u64) {
        match self {
            Self::NodeKill => (100..2_000, 1_000),
            Self::NodeRestart => (0..300, 3_000),
            Self::NodePause => (300..3_000, 500),
            Self::PostgresKill => (100..3_000, 1_500),
            Self::PostgresPause => (300..3_000, 500),
            Self::RedisKill | Self::RedisLoss => (50..2_500, 1_000),
            Self::RedisPause => (200..900, 500),
            Self::Failover => (0..500, 6_000),
            Self::StaleFailover => (300..1_200, 7_000),
            Self::Cut => (0..1, 0),
        }
    }
}

/// Faults from shortly after the beginning until `length`, of which some overlap. Each fault of the form comes once before one
/// comes again.
pub(crate) fn plan(seed: u64, form: Form, nodes: usize, length: Duration) -> Vec<Planned> {
    let mut dice = StdRng::seed_from_u64(seed);
    let (mut plan, mut free_at) = (Vec::new(), HashMap::new());
    let mut at = Duration::from_millis(dice.random_range(300..1_000));
    let mut deck: Vec<Fault> = Vec::new();
    while at < length {
        if deck.is_empty() {
            deck = form.faults().to_vec();
            deck.shuffle(&mut dice);
        }
        // The one on top whose victim is whole; when there is none, later.
        let possible = (0..deck.len()).rev().find_map(|index| {
            let victim = deck[index].victim(nodes, &mut dice);
            free_at.get(&victim).is_none_or(|free| *free <= at).then_some((index, victim))
        });
        if let Some((index, victim)) = possible {
            let fault = deck.remove(index);
            let (lasts, repair_ms) = fault.times();
            let lasts = Duration::from_millis(dice.random_range(lasts));
            free_at.insert(victim, at + lasts + Duration::from_millis(repair_ms));
            let shard = dice.random_range(0..form.shards());
            plan.push(Planned { at, fault, victim, lasts, shard });
        }
        at += Duration::from_millis(dice.random_range(150..2_000));
    }
    plan
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_seed_is_a_schedule() {
        for form in FORMS {
            assert_eq!(plan(7, form, 3, LONG), plan(7, form, 3, LONG));
            assert_ne!(plan(7, form, 3, LONG), plan(8, form, 3, LONG));
        }
    }

    #[test]
    fn everything_breaks() {
        for (seed, form) in (0..20).zip(FORMS.into_iter().cycle()) {
            let planned: HashSet<Fault> = plan(seed, form, 3, LONG).iter().map(|planned| planned.fault).collect();
            assert_eq!(planned, form.faults().iter().copied().collect(), "seed {seed}, {form:?}");
        }
    }

    #[test]
    fn nothing_breaks_twice_at_a_time_and_some_things_together() {
        for (seed, form) in (0..20).zip(FORMS.into_iter().cycle()) {
            let plan = plan(seed, form, 3, LONG);
            let overlapping = |(first, second): &(&Planned, &Planned)| first.at + first.lasts > second.at;
            let pairs: Vec<_> = plan
                .iter()
                .enumerate()
                .flat_map(|(index, first)| plan[index + 1..].iter().map(move |second| (first, second)))
                .collect();
            assert!(pairs.iter().any(overlapping), "seed {seed}, {form:?}");
            assert!(
                !pairs.iter().filter(|pair| overlapping(pair)).any(|(first, second)| first.victim == second.victim)
            );
        }
    }
}
