//! Popularity: the first of many is chosen most, the k-th in proportion to 1 / k^exponent (Zipf). Exponent 0 makes all alike.

use super::dice::Dice;

/// Chooses among several by their weights.
#[derive(Clone, Debug)]
pub struct Popularity {
    /// The sum of the weights up to and with each.
    sums: Vec<f64>,
}

impl Popularity {
    /// So many of Zipf's popularity.
    pub fn zipf(count: usize, exponent: f64) -> Self {
        Self::of((1..=count.max(1)).map(|rank| (rank as f64).powf(-exponent)))
    }

    /// Any weights.
    pub fn of(weights: impl IntoIterator<Item = f64>) -> Self {
        let mut sum = 0.0;
        let add = |weight: f64| {
            sum += weight;
            sum
        };
        Self { sums: weights.into_iter().map(add).collect() }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.sums.len()
    }

    /// One of them.
    pub fn choose(&self, dice: &mut Dice) -> usize {
        let at = dice.share() * self.sums.last().copied().unwrap_or(0.0);
        self.sums.partition_point(|sum| *sum <= at).min(self.sums.len().saturating_sub(1))
    }

    /// So many different ones, at most all; in the order in which they were chosen.
    pub fn choose_different(&self, wanted: usize, dice: &mut Dice) -> Vec<usize> {
        let wanted = wanted.min(self.count());
        let mut chosen = Vec::with_capacity(wanted);
        for _ in 0..wanted {
            let tried = (0..TRIES).map(|_| self.choose(dice)).find(|one| !chosen.contains(one));
            // Where almost all weight is taken, the most popular of the others.
            let one = tried.or_else(|| (0..self.count()).find(|one| !chosen.contains(one)));
            chosen.extend(one);
        }
        chosen
    }
}

/// Throws for another one that was not chosen before.
const TRIES: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_follow_the_exponent() {
        let (popularity, mut dice, mut counts) = (Popularity::zipf(100, 1.0), Dice::new(1), [0u32; 100]);
        (0..100_000).for_each(|_| counts[popularity.choose(&mut dice)] += 1);
        let ratio = |a: usize, b: usize| f64::from(counts[a]) / f64::from(counts[b]);
        assert!((1.8..2.2).contains(&ratio(0, 1)) && (8.0..12.0).contains(&ratio(0, 9)), "{counts:?}");
        let (even, mut counts) = (Popularity::zipf(10, 0.0), [0u32; 10]);
        (0..10_000).for_each(|_| counts[even.choose(&mut dice)] += 1);
        assert!(counts.iter().all(|count| (800..1_200).contains(count)), "{counts:?}");
    }

    #[test]
    fn different_ones_are_different_however_steep() {
        for exponent in [0.0, 1.0, 8.0] {
            let chosen = Popularity::zipf(20, exponent).choose_different(20, &mut Dice::new(3));
            let mut sorted = chosen.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..20).collect::<Vec<_>>(), "{exponent}");
        }
        assert_eq!(Popularity::zipf(3, 1.0).choose_different(9, &mut Dice::new(3)).len(), 3);
    }
}
