//! Goal: what was acknowledged is neither lost nor repeated nor out of order, whatever dies, and every discontinuity of a window is
//! told. Method: three nodes on each form of Redis in turn, on one Postgres; 300 clients, publishers with keys; faults from a
//! seed; then everything acknowledged and received is held against the logs, offline. And the checker is shown to see what is
//! wrong: a dropped, a repeated and a swapped message in the very history of the run.
//!
//! `make torture SECONDS=1800 SEED=7`. `HUBBUB_TORTURE_FORMS=sentinel` keeps to one form, `HUBBUB_TORTURE_BREAK=drop` breaks the
//! history before it is checked, and so must fail.
#![expect(clippy::print_stdout, reason = "the figures of the shows are printed")]

mod plan;

mod balancer;
mod fleet;

mod api;
mod notes;
mod readers;
mod writers;

mod audit;
mod round;

#[path = "../crash/checker/mod.rs"]
mod checker;
mod report;
mod sabotage;

mod namespace;
mod proxy;

mod ghosts;
mod half_dead;
mod revocation;

#[expect(dead_code, reason = "shared with the wire tests, which use all of it")]
#[path = "../wire/harness.rs"]
mod harness;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::fleet::SharedPostgres;
use crate::plan::{FORMS, Form};
use crate::round::{Carried, Outcome, Task, play};
use crate::sabotage::Sabotage;

/// How long `make test` tortures, with everything that belongs to it.
const SECONDS: u64 = 60;
/// Of a round, what starting and ending takes.
const OVERHEAD: Duration = Duration::from_secs(10);
/// Longest round: what is noted in it has to be remembered.
const ROUND: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_whatever_dies() {
    // Clients say why they begin again from their positions; what they hide from their readers is told here alone.
    tracing_subscriber::fmt().with_env_filter("hubbub_client=warn").with_writer(std::io::stderr).init();
    let (seconds, seed) = (number("HUBBUB_TORTURE_SECONDS").unwrap_or(SECONDS), number("HUBBUB_TORTURE_SEED"));
    let (seed, forms) = (seed.unwrap_or_else(rand::random), forms());
    let (rounds, length) = rounds(Duration::from_secs(seconds), forms.len());
    println!("seed {seed}: {rounds} rounds, {length:?} of faults in each");
    let postgres = if forms == [Form::Alone] { None } else { Some(postgres().await) };
    let (mut carried, mut sum, begun) = (Carried::default(), report::Sum::default(), Instant::now());
    for number in 0..rounds {
        let form = forms[number % forms.len()];
        let task = Task { number, form, seed: seed.wrapping_add(number as u64), length, last: number + 1 == rounds };
        let mut outcome = play(task, postgres.clone(), &mut carried).await;
        if let Some(sabotage) = std::env::var("HUBBUB_TORTURE_BREAK").ok().and_then(|name| Sabotage::parse(&name)) {
            println!("broken on purpose: {:?}", sabotage.commit(&mut outcome.history, task.seed));
        }
        let verdict = checker::check(&outcome.history);
        sum.add(task, &outcome, &verdict);
        if let Some(path) = report::write(Path::new(env!("CARGO_TARGET_TMPDIR")), task, &outcome, &verdict) {
            verdict.violations.iter().take(10).for_each(|violation| println!("violation: {violation}"));
            outcome.notes.surprises().iter().take(10).for_each(|(at, what)| println!("surprise at {at} ms: {what}"));
            sum.print(seed);
            panic!("round {number} of seed {seed} is wrong; everything around it is in {}", path.display());
        }
        the_checker_sees_sabotage(&outcome, task.seed);
    }
    println!("{rounds} rounds in {:.0?}", begun.elapsed());
    sum.print(seed);
}

/// The history of the run itself, broken in each way: a checker that does not see it proves nothing.
fn the_checker_sees_sabotage(outcome: &Outcome, seed: u64) {
    for sabotage in sabotage::ALL {
        let mut history = outcome.history.clone();
        let done = sabotage.commit(&mut history, seed).expect("there are messages in a row");
        assert!(!checker::check(&history).violations.is_empty(), "the checker did not see this: {done}");
    }
}

/// How many rounds there are, so that each form has as many, and how long things break in each.
fn rounds(all: Duration, forms: usize) -> (usize, Duration) {
    let turns = all.as_secs().div_ceil(ROUND.as_secs() * forms as u64).max(1);
    let rounds = turns as usize * forms;
    (rounds, (all / rounds as u32).saturating_sub(OVERHEAD).max(Duration::from_secs(5)))
}

fn forms() -> Vec<Form> {
    let Ok(names) = std::env::var("HUBBUB_TORTURE_FORMS") else { return FORMS.to_vec() };
    let form = |name: &str| {
        let all = FORMS.into_iter().chain([Form::Alone]);
        let mut named = all.filter(|form| format!("{form:?}").eq_ignore_ascii_case(name));
        named.next().unwrap_or_else(|| panic!("no form {name}: alone, standalone, sentinel, cluster"))
    };
    names.split(',').map(form).collect()
}

async fn postgres() -> SharedPostgres {
    let started = tokio::task::spawn_blocking(fleet::postgres).await.expect("no panic");
    Arc::new(Mutex::new(started.unwrap_or_else(|error| panic!("Postgres does not start: {error}"))))
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|error| panic!("{variable}={text}: {error}")))
}

#[test]
fn every_form_has_as_many_rounds() {
    assert_eq!(rounds(Duration::from_secs(60), 3), (3, Duration::from_secs(10)));
    assert_eq!(rounds(Duration::from_secs(1_800), 3), (15, Duration::from_secs(110)));
    assert_eq!(rounds(Duration::from_secs(1), 3), (3, Duration::from_secs(5)));
}
