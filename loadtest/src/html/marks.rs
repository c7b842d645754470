//! Where the labels of faults and phases go above a plot, so that none covers another. Does not draw.

use super::scale::Scale;
use crate::outcome::Mark;

/// A mark on a time axis.
#[derive(Debug, PartialEq)]
pub(super) struct Placed<'a> {
    /// The number under which the list of marks names it.
    pub(super) number: usize,
    /// Where it lies, 0 to 1.
    pub(super) place: f64,
    /// The row of its label; none where there was no room for one.
    pub(super) row: Option<usize>,
    /// Whether the label is to the left of the line, because it would not fit to the right of it.
    pub(super) leftward: bool,
    pub(super) mark: &'a Mark,
}

/// Rows of labels above a plot.
const ROWS: usize = 4;
/// The width of a number alone on a phone, as a part of the plot.
const NUMBER: f64 = 0.095;
/// The width of a letter where labels are shown, as a part of the plot: 7 of 860 px.
const LETTER: f64 = 0.0082;

/// All marks with a time, numbered in order; with room for their text or for their numbers alone.
pub(super) fn placed<'a>(marks: &'a [Mark], time: &Scale, texts: bool) -> Vec<Placed<'a>> {
    let mut free_from = [0.0_f64; ROWS];
    let timed = marks.iter().filter(|mark| mark.t_s.is_finite()).enumerate();
    timed
        .map(|(at, mark)| {
            let place = time.place(mark.t_s);
            let letters = if texts { mark.what.chars().count().min(LONGEST) as f64 * LETTER } else { 0.0 };
            let width = NUMBER.max(letters + NUMBER / 2.0);
            let leftward = place + width > 1.0;
            let from = if leftward { place - width } else { place };
            let row = free_from.iter().position(|free| *free <= from + 1e-9);
            if let Some(row) = row {
                free_from[row] = from + width;
            }
            Placed { number: at + 1, place, row, leftward, mark }
        })
        .collect()
}

/// The longest label that is written out, in letters.
pub(super) const LONGEST: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(t_s: f64, what: &str) -> Mark {
        Mark { t_s, what: what.into() }
    }

    #[test]
    fn labels_that_would_touch_take_another_row() {
        let marks = [mark(10.0, "ramp done"), mark(11.0, "node 2 killed"), mark(50.0, "storm"), mark(99.0, "end")];
        let placed = placed(&marks, &Scale::time(100.0), true);
        let rows: Vec<_> = placed.iter().map(|mark| mark.row).collect();
        assert_eq!(rows, [Some(0), Some(1), Some(0), Some(0)]);
        assert!(placed[3].leftward && !placed[0].leftward);
    }

    #[test]
    fn marks_without_room_keep_their_number() {
        let marks: Vec<_> = (0..9).map(|at| mark(f64::from(at) / 10.0, "step")).collect();
        let placed = placed(&marks, &Scale::time(100.0), false);
        assert_eq!(placed.iter().filter(|mark| mark.row.is_none()).count(), 5);
        assert_eq!(placed.last().map(|mark| mark.number), Some(9));
    }

    #[test]
    fn a_mark_without_a_time_is_left_out() {
        assert!(placed(&[mark(f64::NAN, "?")], &Scale::time(1.0), true).is_empty());
    }
}
