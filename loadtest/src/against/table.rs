//! The comparison as lines for a terminal: a line for each server, its figures, and behind each how many times that of the hub.

use crate::compare::{Compared, aligned};
use crate::outcome::{Counts, Outcome};
use crate::quantity::{MISSING, Unit};
use crate::report::plain;

type Column = (&'static str, Unit, fn(&Outcome) -> Option<f64>);

const COLUMNS: [Column; 6] = [
    ("p50", Unit::Milliseconds, |run| timed(run, run.latency.p50_ms)),
    ("p99", Unit::Milliseconds, |run| timed(run, run.latency.p99_ms)),
    ("user CPU a delivery", Unit::Microseconds, |run| run.cost.user_us_per_delivery),
    ("system CPU a delivery", Unit::Microseconds, |run| run.cost.system_us_per_delivery),
    ("memory a connection", Unit::Bytes, |run| run.cost.bytes_per_connection),
    ("CPU to open one", Unit::Microseconds, |run| run.cost.us_per_open),
];

/// The table; the first run is the hub's.
pub(super) fn table(runs: &[Compared]) -> String {
    let mut head = vec!["server".to_owned()];
    head.extend(COLUMNS.iter().flat_map(|(name, ..)| [(*name).to_owned(), "× hub".to_owned()]));
    head.extend(["published", "deliveries", "lost", "twice", "reordered"].map(str::to_owned));
    let lines = runs.iter().map(|compared| line(&compared.run, runs.first().map(|first| &first.run)));
    let mut out = String::from("\n");
    aligned(&mut out, &std::iter::once(head).chain(lines).collect::<Vec<_>>());
    out
}

fn line(run: &Outcome, first: Option<&Outcome>) -> Vec<String> {
    let mut line = vec![plain(&run.target.name)];
    for (_, unit, of) in COLUMNS {
        let value = of(run);
        line.push(value.map_or(MISSING.to_owned(), |value| unit.show(value)));
        let base = first.and_then(of).filter(|base| *base > 0.0);
        let ratio = value.zip(base).map(|(value, base)| value / base);
        line.push(ratio.map_or(MISSING.to_owned(), |ratio| format!("{ratio:.2}")));
    }
    let Counts { published, deliveries, lost, duplicated, reordered, .. } = run.counts;
    line.extend([published, deliveries, lost, duplicated, reordered].map(|count| Unit::Count.show(count as f64)));
    line
}

/// Latencies of a run that delivered nothing are not zero, they are unknown.
fn timed(run: &Outcome, ms: f64) -> Option<f64> {
    (run.latency.count > 0).then_some(ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::tests::{compared, run};
    use crate::outcome::{Cost, Target};

    #[test]
    fn each_server_has_its_figures_and_how_many_times_those_of_the_hub() {
        let named = |name: &str, p99: f64, user| Outcome {
            target: Target { name: name.into(), ..Target::default() },
            cost: Cost { user_us_per_delivery: user, ..Cost::default() },
            ..run(p99, 0)
        };
        let text = table(&compared(vec![
            named("hubbub", 2.0, Some(0.5)),
            named("nats", 5.0, Some(1.0)),
            named("x", 1.0, None),
        ]));
        let words = |at: usize| text.lines().nth(at).expect("a line").split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(words(3), "nats 1 ms 1.00 5 ms 2.50 1 µs 2.00 – – – – – – 0 0 0 0 0");
        assert!(words(4).starts_with("x 1 ms 1.00 1 ms 0.50 – – "), "{text}");
    }
}
