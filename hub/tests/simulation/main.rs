//! The simulation: real sessions, lanes, cursors, shards and outboxes of several nodes, over a broker that delays, reorders,
//! duplicates and drops, a store that is slow and away, clients that are slow and vanish, and nodes that crash between
//! append and publish. Time is simulated, so a minute takes milliseconds; a seed replays a run.
//!
//! `HUBBUB_SIMULATION_SEEDS=1000 cargo test -p hubbub --test simulation` runs so many seeds,
//! `HUBBUB_SIMULATION_SEED=17` runs one and tells what happened.

#![expect(clippy::print_stdout, reason = "the figure of the show is printed")]

mod broker;
mod checker;
mod client;
mod node;
mod rooms;
mod store;
mod world;

use std::time::Instant;

/// Seeds in `make test`; `make show-simulation` runs 1,000.
const SEEDS: u64 = 60;

#[test]
fn no_silent_gap_no_duplicate_no_reorder() {
    let one = std::env::var("HUBBUB_SIMULATION_SEED").ok().and_then(|seed| seed.parse::<u64>().ok());
    let many = std::env::var("HUBBUB_SIMULATION_SEEDS").ok().and_then(|seeds| seeds.parse::<u64>().ok());
    let seeds = one.map_or(0..many.unwrap_or(SEEDS), |seed| seed..seed + 1);
    let (began, count) = (Instant::now(), seeds.end - seeds.start);
    let mut sum = checker::Sum::default();
    for seed in seeds {
        match world::run(seed) {
            Ok(one) => sum.add(&one),
            Err(violation) => panic!("seed {seed}: {violation}\nreplay: HUBBUB_SIMULATION_SEED={seed}"),
        }
    }
    println!("{sum}");
    println!(
        "figure: simulation: {count} seeds, no silent gap, no duplicate, no reorder, {:.1} s",
        began.elapsed().as_secs_f64()
    );
    assert!(sum.proves_something(), "the faults did not happen: {sum}");
}
