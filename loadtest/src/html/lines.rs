//! From the samples of a run to the lines of a plot. Long runs are thinned so that every spike is still seen: samples that
//! fall on one place keep their lowest and their highest value.

use super::plot::{Line, Point};
use crate::outcome::{Outcome, Sample};

/// Points of a line at the most: a screen has few more columns.
const MOST_POINTS: usize = 1_200;

/// One figure of every sample as a line.
pub(super) fn over_time(run: &Outcome, name: impl Into<String>, figure: impl Fn(&Sample) -> Option<f64>) -> Line {
    let together = run.samples.len().div_ceil(MOST_POINTS).max(1);
    let point = |samples: &[Sample]| {
        let values = samples.iter().filter_map(&figure).filter(|value| value.is_finite());
        let y = values.fold(None, |range: Option<(f64, f64)>, value| {
            let (low, high) = range.unwrap_or((value, value));
            Some((low.min(value), high.max(value)))
        });
        // Chunks are never empty.
        let x = samples.last().map_or(0.0, |sample| sample.t_s);
        Point { x, y: y.filter(|_| x.is_finite()) }
    };
    Line { name: name.into(), points: run.samples.chunks(together).map(point).collect() }
}

/// The latencies of a run by quantile.
pub(super) fn percentiles(run: &Outcome, name: impl Into<String>) -> Line {
    let known = run.latency.percentiles.iter().filter(|(q, ms)| (0.0..=1.0).contains(q) && ms.is_finite());
    Line { name: name.into(), points: known.map(|(q, ms)| Point { x: *q, y: Some((*ms, *ms)) }).collect() }
}

/// All values of lines, for their axis.
pub(super) fn values(lines: &[Line]) -> impl Iterator<Item = f64> {
    lines.iter().flat_map(|line| &line.points).filter_map(|point| point.y).flat_map(|(low, high)| [low, high])
}

/// When the last sample or the run itself ended, in seconds.
pub(super) fn end_s(run: &Outcome) -> f64 {
    run.samples.iter().map(|sample| sample.t_s).chain([run.seconds]).filter(|t| t.is_finite()).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spike_survives_the_thinning_of_a_day() {
        let sample = |at: u32| Sample {
            t_s: f64::from(at),
            p99_ms: Some(if at == 40_000 { 900.0 } else { 5.0 }),
            ..Sample::default()
        };
        let run = Outcome { samples: (1..=86_400).map(sample).collect(), ..Outcome::default() };
        let line = over_time(&run, "p99", |sample| sample.p99_ms);
        assert!(line.points.len() <= MOST_POINTS);
        assert_eq!(line.points.iter().filter(|point| point.y == Some((5.0, 900.0))).count(), 1);
        assert_eq!(line.points.last().map(|point| point.x), Some(86_400.0));
    }

    #[test]
    fn numbers_that_are_none_make_no_point() {
        let samples = vec![Sample { t_s: 1.0, offered_per_s: f64::NAN, ..Sample::default() }];
        let mut run = Outcome { samples, seconds: f64::NAN, ..Outcome::default() };
        run.latency.percentiles = vec![(f64::NAN, 1.0), (0.5, f64::INFINITY), (2.0, 1.0), (0.5, 1.0)];
        assert!(over_time(&run, "offered", |sample| Some(sample.offered_per_s)).is_empty());
        assert_eq!(percentiles(&run, "a").points.len(), 1);
        assert_eq!(end_s(&run), 1.0);
    }
}
