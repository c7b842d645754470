//! The property of rooms: a snapshot and the events behind it make the next snapshot. Method: seeded sequences of everything that
//! people, moderators and services do in rooms of every kind, over real stores; two viewers with different rights look, are
//! told what happens, and their models are held to what the hub answers later.
//!
//! `HUBBUB_ROOM_SEQUENCES=10000 cargo test --release -p hubbub --test rooms_property -- --nocapture` runs so many over both stores,
//! `HUBBUB_ROOM_SEQUENCE=17` runs one and tells what happened, `HUBBUB_ROOM_CASES=<file>` keeps the cases for other models.

#![expect(clippy::print_stdout, reason = "the figure of the show is printed")]

mod world;

mod backends;

mod draw;
mod notes;

mod answers;

mod models;

mod compare;
mod late;

mod viewer;

mod cases;
mod sequence;
mod tally;

mod between;
mod edges;

use std::sync::Arc;
use std::time::Instant;

use backends::Backend;
use cases::Cases;
use sequence::Sequence;
use tally::Tally;
use tokio::task::JoinSet;

/// Sequences in `make test`, over both stores; `make show-snapshot-property` runs 10,000.
const SEQUENCES: u64 = 240;
/// Sequences that run at the same time over one store.
const AT_ONCE: usize = 16;
/// Mismatches that are told; the rest is only counted.
const TOLD: usize = 3;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn snapshot_and_events_are_the_next_snapshot() {
    let all = number("HUBBUB_ROOM_SEQUENCES").unwrap_or(SEQUENCES);
    let one = number("HUBBUB_ROOM_SEQUENCE");
    let cases = Cases::of_environment();
    let began = Instant::now();
    let seeds = one.map_or(0..all / 2, |seed| seed..seed + 1);
    let over = async |name: &'static str, backend: Backend| {
        let backend = Arc::new(backend);
        let (tally, wrong) = run(&backend, name, seeds.clone(), &cases).await;
        backend.store.close().await;
        println!("{name}: {tally:?}");
        let (count, took) = (seeds.end - seeds.start, began.elapsed().as_secs_f64());
        let (mutations, refusals) = (tally.mutations(), tally.refusals());
        let figure = format!(
            "{name} {count} sequences, {mutations} mutations, {refusals} refusals, mismatches {wrong}, {took:.1} s"
        );
        let missing = if one.is_some() { Vec::new() } else { tally.missing() };
        (figure, wrong, missing)
    };
    let (sqlite, postgres) = tokio::join!(async { over("SQLite", backends::in_sqlite().await).await }, async {
        over("Postgres", backends::in_postgres().await).await
    },);
    println!("figure: snapshot property: {}; {}", sqlite.0, postgres.0);
    assert_eq!(sqlite.1 + postgres.1, 0, "models and hub differ");
    assert_eq!(
        [sqlite.2, postgres.2],
        [const { Vec::<String>::new() }; 2],
        "the sequences prove less than they should"
    );
}

async fn run(backend: &Arc<Backend>, name: &str, mut seeds: std::ops::Range<u64>, cases: &Cases) -> (Tally, usize) {
    let (mut tally, mut wrong, mut running) = (Tally::default(), 0, JoinSet::new());
    loop {
        while running.len() < AT_ONCE
            && let Some(seed) = seeds.next()
        {
            let (backend, tenant) = (backend.clone(), format!("t{seed}"));
            running.spawn(async move { (seed, Box::pin(Sequence::run(&backend, &tenant, seed)).await) });
        }
        let Some(ended) = running.join_next().await else { return (tally, wrong) };
        match ended.expect("no panic") {
            (_, Ok((one, lines))) => {
                tally.add(&one);
                cases.keep(&lines);
            }
            (seed, Err(mismatch)) => {
                wrong += 1;
                if wrong <= TOLD {
                    println!("{name}, seed {seed}: {}\nreplay: HUBBUB_ROOM_SEQUENCE={seed}", mismatch.why);
                    if number("HUBBUB_ROOM_SEQUENCE").is_some() {
                        println!("{}", mismatch.trace.join("\n"));
                    }
                }
            }
        }
    }
}
