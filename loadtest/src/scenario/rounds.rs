//! What several rounds measured: the median counts, and the spread is told beside it. Knows nothing of what was measured.

use crate::report::Report;

/// One number of each round.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Rounds(Vec<f64>);

impl FromIterator<f64> for Rounds {
    fn from_iter<I: IntoIterator<Item = f64>>(numbers: I) -> Self {
        let mut sorted: Vec<f64> = numbers.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        Self(sorted)
    }
}

impl Rounds {
    /// The middle one; of an even count the higher of the two. Not a number where there was no round.
    pub(super) fn median(&self) -> f64 {
        self.0.get(self.0.len() / 2).copied().unwrap_or(f64::NAN)
    }

    /// The highest. Not a number where there was no round.
    pub(super) fn most(&self) -> f64 {
        self.0.last().copied().unwrap_or(f64::NAN)
    }

    /// The middle one, and behind it the lowest and the highest where there are several.
    pub(super) fn text(&self, digits: usize) -> String {
        let median = self.median();
        match (&self.0[..], self.0.first(), self.0.last()) {
            ([_, _, ..], Some(least), Some(most)) => {
                format!("{median:.digits$} ({least:.digits$} to {most:.digits$})")
            }
            _ => format!("{median:.digits$}"),
        }
    }

    /// Keeps the median under this name, and the numbers beside it.
    pub(super) fn keep(&self, name: &str, report: &mut Report) {
        report.value(name, self.median());
        if self.0.len() > 1 {
            report.value(&format!("{name}_rounds"), self.0.clone());
        }
    }
}

/// Each of these to its neighbour: what the machine was busy with in one round met both.
pub(super) fn ratios(of: &[f64], to: &[f64]) -> Rounds {
    of.iter().zip(to).map(|(of, to)| of / to.max(1e-9)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_counts_and_the_ends_are_told() {
        let rounds: Rounds = [5.0, 1.0, 3.0].into_iter().collect();
        assert_eq!((rounds.median(), rounds.text(1).as_str()), (3.0, "3.0 (1.0 to 5.0)"));
        let one: Rounds = [2.0].into_iter().collect();
        assert_eq!(one.text(2), "2.00");
        assert!(Rounds::default().median().is_nan());
        assert_eq!(ratios(&[2.0, 9.0], &[1.0, 3.0]).median(), 3.0);
    }
}
