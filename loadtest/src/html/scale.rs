//! Where a value lies on an axis, and which values the axis names. Does not draw.

use crate::quantity::Unit;

/// An axis. Places go from 0 to 1.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scale {
    /// From zero to this.
    Linear { top: f64, step: f64 },
    /// From one positive value to another, equal ratios at equal distances.
    Log { low: f64, high: f64 },
    /// Quantiles: each further nine takes the same room, up to so many nines.
    Nines { right: f64 },
    /// Seconds of a run.
    Time { right: f64, step: f64 },
}

/// A named value of an axis.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tick {
    pub(super) place: f64,
    pub(super) label: String,
    /// Is left out where there is little room.
    pub(super) minor: bool,
}

/// The smallest latency that an axis shows, in milliseconds: clocks tell no less.
const LEAST_MS: f64 = 0.001;

/// Steps of a time axis that people count in, in seconds.
const TIME_STEPS: [f64; 15] =
    [1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0, 7_200.0, 21_600.0, 86_400.0];

impl Scale {
    /// From zero to a round number at or above all values.
    pub(super) fn linear(values: impl Iterator<Item = f64>, unit: Unit) -> Self {
        let highest = values.filter(|value| value.is_finite()).fold(0.0, f64::max);
        let highest = if highest > 0.0 { highest } else { 1.0 };
        // Steps of bytes are round in powers of 1,024.
        let whole = if unit == Unit::Bytes { 1024_f64.powf(highest.log2().div_euclid(10.0).max(0.0)) } else { 1.0 };
        let step = round_up(highest / whole / 4.0) * whole;
        Self::Linear { top: (highest / step - 1e-9).ceil() * step, step }
    }

    /// From a round number at or below all positive values to one above.
    pub(super) fn log(values: impl Iterator<Item = f64>) -> Self {
        let (mut low, mut high) = (f64::INFINITY, 0.0_f64);
        for value in values.filter(|value| value.is_finite() && *value > 0.0) {
            low = low.min(value.max(LEAST_MS));
            high = high.max(value);
        }
        if !low.is_finite() {
            return Self::Log { low: 1.0, high: 10.0 };
        }
        let low = round_down(low);
        // At least a factor of five, or noise would look like a mountain.
        Self::Log { low, high: round_up(high.max(low * 5.0)) }
    }

    /// As many nines as the quantiles have, at least two.
    pub(super) fn nines(quantiles: impl Iterator<Item = f64>) -> Self {
        let most = quantiles.filter(|q| *q < 1.0).map(nines_of).filter(|n| n.is_finite()).fold(2.0, f64::max);
        Self::Nines { right: most }
    }

    /// From the beginning to the end of a run.
    pub(super) fn time(seconds: f64) -> Self {
        let right = if seconds.is_finite() && seconds > 0.0 { seconds } else { 1.0 };
        let step = TIME_STEPS.into_iter().find(|step| right / step <= 8.0).unwrap_or((right / 8.0).ceil());
        Self::Time { right, step }
    }

    /// Where a value lies; values beyond an end lie at the end.
    pub(super) fn place(&self, value: f64) -> f64 {
        let place = match self {
            Self::Linear { top, .. } => value / top,
            Self::Log { low, high } => (value.max(*low) / low).ln() / (high / low).ln(),
            Self::Nines { right } => nines_of(value) / right,
            Self::Time { right, .. } => value / right,
        };
        place.clamp(0.0, 1.0)
    }

    /// The values that are named.
    pub(super) fn ticks(&self, unit: Unit) -> Vec<Tick> {
        match self {
            Self::Linear { top, step } => {
                every(*step, *top).map(|(_, value)| self.tick(value, unit.tick(value), false)).collect()
            }
            Self::Time { right, step } => every(*step, *right)
                .map(|(nth, value)| self.tick(value, Unit::Seconds.show(value), nth % 2 == 1))
                .collect(),
            Self::Log { low, high } => {
                let decades = (high / low).log10();
                let digits: &[f64] = if decades <= 3.0 { &[1.0, 2.0, 5.0] } else { &[1.0] };
                (low.log10().floor() as i32..=high.log10().ceil() as i32)
                    .flat_map(|power| digits.iter().map(move |digit| digit * 10_f64.powi(power)))
                    .filter(|value| *value >= low * 0.999 && *value <= high * 1.001)
                    .map(|value| self.tick(value, unit.tick(value), false))
                    .collect()
            }
            Self::Nines { right } => {
                let roomy = *right < 4.5;
                // Labels grow with the nines: of many, every second one has room.
                let named = (1..=9).filter(|nines| *right < 5.5 || *nines <= 3 || nines % 2 == 1);
                let named = named.map(|nines: i32| 1.0 - 0.1_f64.powi(nines));
                let half = roomy.then_some(0.5);
                [0.0]
                    .into_iter()
                    .chain(half)
                    .chain(named)
                    .filter(|q| nines_of(*q) <= right + 0.01)
                    .map(|q| self.tick(q, percent(q), q == 0.5 || (*right >= 5.5 && (q == 0.99 || q > 0.999_995))))
                    .collect()
            }
        }
    }

    fn tick(&self, value: f64, label: String, minor: bool) -> Tick {
        Tick { place: self.place(value), label, minor }
    }
}

/// A quantile as per cent, with all its nines.
pub(super) fn percent(quantile: f64) -> String {
    let text = format!("{:.6}", quantile * 100.0);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

/// 0.9 is one, 0.99 is two.
fn nines_of(quantile: f64) -> f64 {
    -(1.0 - quantile).log10()
}

fn every(step: f64, up_to: f64) -> impl Iterator<Item = (usize, f64)> {
    let count = ((up_to / step + 1e-9).floor()).clamp(0.0, 64.0) as usize;
    (0..=count).map(move |nth| (nth, nth as f64 * step))
}

/// The next of 1, 2, 5, 10, 20, 50 … at or above.
fn round_up(value: f64) -> f64 {
    let decade = 10_f64.powf(value.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|digit| digit * decade)
        .find(|round| *round >= value * 0.999_999)
        .unwrap_or(value)
}

/// The next of 1, 2, 5, 10, 20, 50 … at or below.
fn round_down(value: f64) -> f64 {
    let decade = 10_f64.powf(value.log10().floor());
    [5.0, 2.0, 1.0].into_iter().map(|digit| digit * decade).find(|round| *round <= value * 1.000_001).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: &Scale, unit: Unit) -> Vec<String> {
        scale.ticks(unit).into_iter().map(|tick| tick.label).collect()
    }

    #[test]
    fn linear_axes_end_at_a_round_number() {
        let scale = Scale::linear([3.0, 730_000.0, f64::NAN].into_iter(), Unit::PerSecond);
        assert_eq!(labels(&scale, Unit::PerSecond), ["0", "200 k", "400 k", "600 k", "800 k"]);
        let scale = Scale::linear([1.5 * 1024.0 * 1024.0].into_iter(), Unit::Bytes);
        assert_eq!(labels(&scale, Unit::Bytes), ["0 B", "512 KiB", "1 MiB", "1.5 MiB"]);
        let scale = Scale::linear(std::iter::empty(), Unit::Count);
        assert_eq!(scale.place(0.0), 0.0);
    }

    #[test]
    fn log_axes_enclose_all_values_and_give_equal_room_to_equal_ratios() {
        let scale = Scale::log([0.0, 1.3, 740.0].into_iter());
        assert_eq!(scale, Scale::Log { low: 1.0, high: 1000.0 });
        assert!((scale.place(10.0) - 1.0 / 3.0).abs() < 1e-9);
        assert_eq!(
            labels(&scale, Unit::Milliseconds),
            ["1 ms", "2 ms", "5 ms", "10 ms", "20 ms", "50 ms", "100 ms", "200 ms", "500 ms", "1 s"]
        );
        let wide = Scale::log([0.05, 740.0].into_iter());
        assert_eq!(labels(&wide, Unit::Milliseconds), ["100 µs", "1 ms", "10 ms", "100 ms", "1 s"]);
        assert_eq!(scale.place(0.0), 0.0, "what has no logarithm lies at the end");
        assert_eq!(labels(&Scale::log([3.0].into_iter()), Unit::Milliseconds), ["2 ms", "5 ms", "10 ms"]);
        assert_eq!(Scale::log(std::iter::empty()), Scale::Log { low: 1.0, high: 10.0 });
    }

    #[test]
    fn each_nine_takes_the_same_room() {
        let scale = Scale::nines([0.5, 0.9999, 1.0].into_iter());
        assert_eq!(labels(&scale, Unit::Count), ["0 %", "50 %", "90 %", "99 %", "99.9 %", "99.99 %"]);
        let many = labels(&Scale::nines([0.999_999_9].into_iter()), Unit::Count);
        assert_eq!(many, ["0 %", "90 %", "99 %", "99.9 %", "99.999 %", "99.99999 %"]);
        assert!((scale.place(0.9) - 0.25).abs() < 1e-9);
        assert!((scale.place(0.99) - 0.5).abs() < 1e-9);
        assert_eq!(scale.place(1.0), 1.0, "the slowest lies at the right end");
    }

    #[test]
    fn time_axes_count_as_people_do() {
        assert_eq!(labels(&Scale::time(60.0), Unit::Count).len(), 7);
        assert_eq!(labels(&Scale::time(1_800.0), Unit::Count).last().map(String::as_str), Some("30 min"));
        assert!(Scale::time(f64::NAN).place(1.0).is_finite());
        assert!(labels(&Scale::time(30.0 * 86_400.0), Unit::Count).len() <= 10);
    }
}
