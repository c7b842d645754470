//! Goal: a process that is killed loses nothing that it acknowledged on a durable channel, and every discontinuity of a window is
//! told. Method: `kill -9` and a restart, again and again, under the load of clients that publish with keys and resume by
//! position; then everything acknowledged and received is held against the logs, offline.
//!
//! `HUBBUB_CRASH_ROUNDS=20 cargo test --release -p hubbub --test crash -- --nocapture` kills so often. A killed process is not a
//! power cut: what the disk was told is there afterwards.
#![expect(clippy::print_stdout, reason = "the figure of the show is printed")]

mod checker;
#[expect(dead_code, reason = "shared with the wire tests, which use all of it")]
#[path = "../wire/harness.rs"]
mod harness;
mod load;

use std::net::TcpListener;
use std::time::Instant;

use rand::RngExt;

use crate::harness::Setup;
use crate::load::Load;

/// Kills in `make test`.
const ROUNDS: u64 = 3;

/// Acknowledgements between two kills: a random number of them, so that each kill comes at another moment.
const BETWEEN: std::ops::Range<u64> = 300..3_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_hub_loses_nothing_that_it_acknowledged() {
    let asked = std::env::var("HUBBUB_CRASH_ROUNDS").ok().and_then(|count| count.parse::<u64>().ok());
    let rounds = asked.unwrap_or(ROUNDS);
    let setup = Setup::new().limit("requests_per_second", 1_000_000).limit("request_burst", 1_000_000);
    let ports = [free_port(), free_port()];
    let mut hub = setup.on_ports(ports).start();
    let (begun, load) = (Instant::now(), Load::start(&hub).await);
    let mut downtime = std::time::Duration::ZERO;
    for round in 1..=rounds {
        let enough = load.acknowledged() + rand::rng().random_range(BETWEEN);
        load.until_acknowledged(enough).await;
        hub.kill();
        let killed = Instant::now();
        hub = hub.setup().on_ports(ports).start();
        downtime += killed.elapsed();
        println!("round {round}: killed behind {enough} acknowledgements, ready again in {:?}", killed.elapsed());
    }
    load.until_acknowledged(load.acknowledged() + BETWEEN.start).await;
    let history = load.end(&hub).await;
    let violations = checker::check(&history).violations;
    let (messages, seen, gaps) = (history.publications.len(), history.received(), history.gaps().count());
    println!(
        "figure: crash: {rounds} kills in {:.1} s (down {:.1} s): {messages} messages acknowledged, {seen} received, {gaps} gaps told, {} violations",
        begun.elapsed().as_secs_f64(),
        downtime.as_secs_f64(),
        violations.len()
    );
    for violation in violations.iter().take(20) {
        println!("violation: {violation}");
    }
    assert!(violations.is_empty(), "{} violations", violations.len());
    assert!(gaps > 0, "a window lost its memory and nobody was told");
}

/// A free port below those from which connections are made: a client that tries to reconnect while nobody listens would otherwise
/// meet itself there.
fn free_port() -> u16 {
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    std::iter::repeat_with(|| rand::rng().random_range(12_000..32_000)).find(free).expect("endless")
}
