//! The figures of several runs, and how far each is from that of the first. Does not know where they are shown.

use super::Compared;
use crate::outcome::{Cost, Counts, Outcome};
use crate::quantity::{MISSING, Unit};

/// One figure of all runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The figure, with its unit at the end.
    pub name: String,
    /// Which way is better, where one is.
    pub better: Better,
    /// Of each run; none where it was not measured.
    pub values: Vec<Option<f64>>,
}

/// Which way a figure is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// Less is better.
    Lower,
    /// More is better.
    Higher,
    /// It describes the run.
    Neither,
}

/// How far a figure is from that of the first run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// Minus the first run's.
    pub difference: f64,
    /// Divided by the first run's; none where that is zero.
    pub ratio: Option<f64>,
    /// Whether it is better, or worse, by more than [`NOISE`]; none if neither.
    pub better: Option<bool>,
}

/// Ratios nearer to 1 than this are not called better or worse: two runs of the same thing differ by as much.
pub const NOISE: f64 = 0.05;

/// All figures that at least one run has.
pub fn rows(runs: &[Compared]) -> Vec<Row> {
    let mut rows: Vec<Row> = FIGURES
        .iter()
        .map(|(name, better, of)| Row {
            name: (*name).to_owned(),
            better: *better,
            values: runs.iter().map(|compared| of(&compared.run).filter(|value| value.is_finite())).collect(),
        })
        .collect();
    for threshold in runs.iter().flat_map(|compared| &compared.run.thresholds) {
        if rows.iter().any(|row| row.name == threshold.name) {
            continue;
        }
        let value_of = |compared: &Compared| {
            let mut same = compared.run.thresholds.iter().filter(|other| other.name == threshold.name);
            same.find_map(|other| other.value).filter(|value| value.is_finite())
        };
        let better = match (threshold.at_most, threshold.at_least) {
            (Some(_), None) => Better::Lower,
            (None, Some(_)) => Better::Higher,
            _ => Better::Neither,
        };
        rows.push(Row { name: threshold.name.clone(), better, values: runs.iter().map(value_of).collect() });
    }
    rows.retain(|row| row.values.iter().any(Option::is_some));
    rows
}

impl Row {
    /// How far the value of one run is from that of the first.
    pub fn change(&self, of: usize) -> Option<Change> {
        let first = (*self.values.first()?)?;
        let value = (*self.values.get(of)?)?;
        let ratio = (first != 0.0).then(|| value / first).filter(|ratio| ratio.is_finite());
        let matters = ratio.map_or(value != first, |ratio| (ratio - 1.0).abs() > NOISE);
        let better = match self.better {
            _ if !matters => None,
            Better::Neither => None,
            Better::Lower => Some(value < first),
            Better::Higher => Some(value > first),
        };
        Some(Change { difference: value - first, ratio, better })
    }

    /// A value with its unit.
    pub fn shown(&self, of: usize) -> String {
        self.values.get(of).copied().flatten().map_or(MISSING.to_owned(), |value| Unit::of(&self.name).show(value))
    }

    /// A difference with its sign and unit.
    pub fn shown_difference(&self, change: Change) -> String {
        let sign = if change.difference > 0.0 { "+" } else { "" };
        format!("{sign}{}", Unit::of(&self.name).show(change.difference))
    }
}

impl Change {
    /// The ratio as a person reads it, and whether that is well.
    pub fn shown_ratio(self) -> String {
        let ratio = self.ratio.map_or(MISSING.to_owned(), |ratio| match ratio {
            ratio if ratio.abs() >= 100.0 => format!("× {ratio:.0}"),
            ratio if ratio.abs() >= 0.1 || ratio == 0.0 => format!("× {ratio:.2}"),
            ratio => format!("× {ratio:.4}"),
        });
        match self.better {
            Some(true) => format!("{ratio} better"),
            Some(false) => format!("{ratio} worse"),
            None => ratio,
        }
    }
}

type Figure = (&'static str, Better, fn(&Outcome) -> Option<f64>);

/// What every run has. Names are those of the report's fields, which thresholds use as well.
const FIGURES: [Figure; 22] = [
    ("seconds", Better::Neither, |run| Some(run.seconds)),
    ("knee_rate_per_s", Better::Higher, |run| run.knee.as_ref().map(|knee| knee.rate_per_s)),
    ("p50_ms", Better::Lower, |run| timed(run, run.latency.p50_ms)),
    ("p90_ms", Better::Lower, |run| timed(run, run.latency.p90_ms)),
    ("p99_ms", Better::Lower, |run| timed(run, run.latency.p99_ms)),
    ("p999_ms", Better::Lower, |run| timed(run, run.latency.p999_ms)),
    ("max_ms", Better::Lower, |run| timed(run, run.latency.max_ms)),
    ("peak_deliveries_per_s", Better::Higher, busiest),
    ("connections", Better::Neither, |run| counted(run, |counts| counts.connections)),
    ("published", Better::Neither, |run| counted(run, |counts| counts.published)),
    ("acknowledged", Better::Neither, |run| counted(run, |counts| counts.acknowledged)),
    ("refused", Better::Lower, |run| counted(run, |counts| counts.refused)),
    ("deliveries", Better::Neither, |run| counted(run, |counts| counts.deliveries)),
    ("lost", Better::Lower, |run| counted(run, |counts| counts.lost)),
    ("duplicated", Better::Lower, |run| counted(run, |counts| counts.duplicated)),
    ("reordered", Better::Lower, |run| counted(run, |counts| counts.reordered)),
    ("gaps", Better::Lower, |run| counted(run, |counts| counts.gaps)),
    ("conflated", Better::Neither, |run| counted(run, |counts| counts.conflated)),
    ("bytes_per_connection", Better::Lower, |run| cost(run, |cost| cost.bytes_per_connection)),
    ("us_per_open", Better::Lower, |run| cost(run, |cost| cost.us_per_open)),
    ("user_us_per_delivery", Better::Lower, |run| cost(run, |cost| cost.user_us_per_delivery)),
    ("system_us_per_delivery", Better::Lower, |run| cost(run, |cost| cost.system_us_per_delivery)),
];

/// Latencies of a run that delivered nothing are not zero, they are unknown.
fn timed(run: &Outcome, ms: f64) -> Option<f64> {
    (run.latency.count > 0).then_some(ms)
}

fn counted(run: &Outcome, of: impl Fn(&Counts) -> u64) -> Option<f64> {
    Some(of(&run.counts) as f64)
}

fn cost(run: &Outcome, of: impl Fn(&Cost) -> Option<f64>) -> Option<f64> {
    of(&run.cost)
}

fn busiest(run: &Outcome) -> Option<f64> {
    run.samples.iter().map(|sample| sample.deliveries_per_s).filter(|rate| rate.is_finite()).reduce(f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::tests::{compared, run};
    use crate::outcome::{Latency, Threshold};

    fn row<'a>(rows: &'a [Row], name: &str) -> &'a Row {
        rows.iter().find(|row| row.name == name).expect("a row of that name")
    }

    #[test]
    fn differences_and_ratios_are_those_to_the_first_run() {
        let rows = rows(&compared(vec![run(40.0, 0), run(50.0, 3), run(20.0, 0)]));
        let p99 = row(&rows, "p99_ms");
        let second = p99.change(1).expect("a change");
        assert_eq!((second.difference, second.ratio, second.better), (10.0, Some(1.25), Some(false)));
        assert_eq!((p99.shown_difference(second), second.shown_ratio()), ("+10 ms".into(), "× 1.25 worse".into()));
        let third = p99.change(2).expect("a change");
        assert_eq!((third.difference, third.ratio, third.better), (-20.0, Some(0.5), Some(true)));
        assert_eq!(p99.shown_difference(third), "−20 ms");

        let lost = row(&rows, "lost").change(1).expect("a change");
        assert_eq!(
            (lost.difference, lost.ratio, lost.better),
            (3.0, None, Some(false)),
            "nothing is a multiple of zero"
        );
        let same = row(&rows, "lost").change(2).expect("a change");
        assert_eq!((same.difference, same.better), (0.0, None));
    }

    #[test]
    fn what_is_within_noise_or_describes_the_run_is_not_judged() {
        let rows = rows(&compared(vec![run(40.0, 0), Outcome { seconds: 9.0, ..run(41.0, 0) }]));
        assert_eq!(row(&rows, "p99_ms").change(1).expect("a change").better, None);
        assert_eq!(row(&rows, "seconds").change(1).expect("a change").better, None);
    }

    #[test]
    fn what_one_run_did_not_measure_has_no_change() {
        let mut first = run(1.0, 0);
        first.cost.us_per_open = Some(80.0);
        first.latency.max_ms = f64::NAN;
        let mut second = run(1.0, 0);
        second.latency = Latency::default();
        let rows = rows(&compared(vec![first, second]));
        let open = row(&rows, "us_per_open");
        assert_eq!((open.change(1), open.shown(0), open.shown(1)), (None, "80 µs".into(), MISSING.into()));
        assert!(rows.iter().all(|row| row.name != "user_us_per_delivery"), "measured by neither");
        assert!(rows.iter().all(|row| row.name != "max_ms"), "not a number");
        assert_eq!(row(&rows, "p99_ms").shown(1), MISSING, "no delivery is not a latency of zero");
    }

    #[test]
    fn thresholds_of_their_own_become_rows_that_know_which_way_is_better() {
        let with = |value, at_most, at_least| {
            let threshold = Threshold { name: "back_within_s".into(), at_most, at_least, value, met: true };
            Outcome { thresholds: vec![threshold], ..run(1.0, 0) }
        };
        let rows = rows(&compared(vec![with(Some(10.0), Some(15.0), None), with(Some(5.0), Some(15.0), None)]));
        assert_eq!(row(&rows, "back_within_s").better, Better::Lower);
        assert_eq!(row(&rows, "back_within_s").change(1).expect("a change").better, Some(true));
        assert_eq!(row(&rows, "back_within_s").shown(0), "10 s");
    }
}
