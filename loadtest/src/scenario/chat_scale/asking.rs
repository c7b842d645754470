//! Asks over the public REST interface with the user's own token, by the clock: a question is due when the schedule says, whatever
//! became of those before it. Kinds and their controls take turns in an order that was drawn, so that whatever else the machine
//! does meets all alike. Answers are checked once the time was taken.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde_json::Value;

use super::questions::{Kind, Question, Questions};
use crate::http::{Exchange, Server};
use crate::plan::dice::Dice;
use crate::schedule::Schedule;
use crate::worker::empty_latency;
use crate::{LoadError, during, fleet};

/// Wrong answers that are told one by one.
const TOLD: usize = 5;
/// So far behind no more is asked: whoever waits longer has gone away.
const BEHIND: Duration = Duration::from_secs(10);

/// What came of all questions.
#[derive(Debug)]
pub(super) struct Asked {
    /// By kind, from when a question was due to its answer, in nanoseconds.
    latency: Vec<Histogram<u64>>,
    /// How late this program asked what it was not kept from asking, in nanoseconds.
    pub(super) lateness: Histogram<u64>,
    pub(super) answered: u64,
    pub(super) wrong: u64,
    /// Not asked any more, since the hub was too far behind.
    pub(super) unasked: u64,
    /// The first wrong ones.
    pub(super) told: Vec<String>,
}

impl Asked {
    pub(super) fn empty() -> Self {
        let latency = Kind::ALL.iter().map(|_| empty_latency()).collect();
        Self { latency, lateness: empty_latency(), answered: 0, wrong: 0, unasked: 0, told: Vec::new() }
    }

    pub(super) fn of(&self, kind: Kind) -> &Histogram<u64> {
        &self.latency[kind as usize]
    }

    pub(super) fn plus(mut self, other: Self) -> Self {
        // All histograms have the same bounds.
        for (all, one) in self.latency.iter_mut().zip(&other.latency) {
            all.add(one).expect("the same bounds");
        }
        self.lateness.add(&other.lateness).expect("the same bounds");
        self.answered += other.answered;
        self.wrong += other.wrong;
        self.unasked += other.unasked;
        self.told.extend(other.told);
        self.told.truncate(TOLD);
        self
    }
}

/// How it is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Questions a second, of all kinds together.
    pub(super) rate: f64,
    /// Questions of each kind.
    pub(super) each: u64,
    /// Connections.
    pub(super) clients: usize,
    pub(super) seed: u64,
}

/// Asks so many questions of each of these kinds, from number `first` on.
pub(super) fn run(
    questions: &Questions<'_>,
    (public, internal): (SocketAddr, SocketAddr),
    kinds: &[Kind],
    pace: &Pace,
    first: u64,
) -> Result<Asked, LoadError> {
    let order = drawn(kinds, pace, first);
    let (next, begin, schedule) = (AtomicUsize::new(0), Instant::now(), Schedule::new(pace.rate));
    let one = |mut client: Client| {
        let mut asked = Asked::empty();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some((kind, of_kind)) = order.get(number) else { return Ok(asked) };
            let question = questions.ask(*kind, *of_kind);
            let due = schedule.due(number as u64);
            // When all clients still wait for answers, the hub is late, not we.
            if let Some(wait) = due.checked_sub(begin.elapsed()) {
                std::thread::sleep(wait);
                asked.lateness.saturating_record(begin.elapsed().saturating_sub(due).as_nanos() as u64);
            } else if begin.elapsed() > due + BEHIND {
                // For all clients.
                let rest = next.swap(order.len(), Ordering::Relaxed).min(order.len());
                asked.unasked += (order.len() - rest) as u64 + 1;
                return Ok(asked);
            }
            let answer = client.ask(&question)?;
            let took = begin.elapsed().saturating_sub(due);
            asked.latency[*kind as usize].saturating_record(took.as_nanos() as u64);
            asked.answered += 1;
            if let Err(why) = answer.and_then(|answer| questions.check(&question, &answer)) {
                asked.wrong += 1;
                asked.told.push(format!("{}, {}: {why}", kind.name(), question.body));
                asked.told.truncate(TOLD);
            }
        }
    };
    std::thread::scope(|scope| {
        let mut threads = Vec::new();
        for number in 0..pace.clients.max(1) {
            let client = Client::connect(public, internal)?;
            let builder = std::thread::Builder::new().name(format!("client-{number}"));
            threads.push(builder.spawn_scoped(scope, || one(client)).map_err(during("thread"))?);
        }
        threads.into_iter().try_fold(Asked::empty(), |all, thread| {
            let asked: Result<Asked, LoadError> =
                thread.join().map_err(|_| LoadError::Start("a client panicked".into()))?;
            Ok(all.plus(asked?))
        })
    })
}

/// All questions in an order that was drawn.
fn drawn(kinds: &[Kind], pace: &Pace, first: u64) -> Vec<(Kind, u64)> {
    let numbers = first..first + pace.each;
    let mut order: Vec<_> = kinds.iter().flat_map(|kind| numbers.clone().map(move |number| (*kind, number))).collect();
    let mut dice = Dice::of(pace.seed, 2_000_000_000, first);
    for last in (1..order.len()).rev() {
        order.swap(last, dice.below(last + 1));
    }
    order
}

/// Somebody with a connection to each port, and the tokens of everybody who asks.
#[derive(Debug)]
pub(super) struct Client {
    public: Exchange,
    internal: Exchange,
    headers: HashMap<String, String>,
}

impl Client {
    pub(super) fn connect(public: SocketAddr, internal: SocketAddr) -> Result<Self, LoadError> {
        let connect = |address| Exchange::connect(&Server::plain(address));
        Ok(Self { public: connect(public)?, internal: connect(internal)?, headers: HashMap::new() })
    }

    /// The answer, or why there is none.
    pub(super) fn ask(&mut self, question: &Question) -> Result<Result<Value, String>, LoadError> {
        let Question { user, op, body, .. } = question;
        let answer = match op {
            Some(op) => {
                if !self.headers.contains_key(user) {
                    let token = fleet::tokens().token(user)?;
                    let headers = format!("Authorization: Bearer {token}\r\nContent-Type: application/json\r\n");
                    self.headers.insert(user.clone(), headers);
                }
                self.public.ask("POST", &format!("/v1/rooms/{op}"), &self.headers[user], &body.to_string())?
            }
            None => self.internal.ask("GET", "/healthz", "", "")?,
        };
        if !answer.is_well() {
            return Ok(Err(format!("{}: {}", answer.status, answer.body)));
        }
        Ok(match op {
            Some(_) => serde_json::from_str(&answer.body).map_err(|error| error.to_string()),
            None => Ok(Value::Null),
        })
    }
}
