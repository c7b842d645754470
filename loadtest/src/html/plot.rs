//! One plot: lines as SVG that stretches to the width of the page, its words as HTML beside it so that they keep their
//! size on every screen. Does not know what the lines mean.

use std::fmt::Write;

use serde::Serialize;

use super::marks::{self, LONGEST, Placed};
use super::scale::{Scale, percent};
use super::text::{Text, json};
use crate::outcome::Mark;
use crate::quantity::Unit;

/// Lines over one axis.
pub(super) struct Plot<'a> {
    pub(super) title: &'a str,
    pub(super) note: &'a str,
    pub(super) unit: Unit,
    pub(super) x: Scale,
    pub(super) y: Scale,
    pub(super) lines: Vec<Line>,
    pub(super) marks: &'a [Mark],
    /// Takes the whole width of the page, and writes out its marks.
    pub(super) wide: bool,
}

/// One line of a plot.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    pub(super) name: String,
    pub(super) points: Vec<Point>,
}

/// What a line shows at one place of the x axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    pub(super) x: f64,
    /// The lowest and the highest of the values that fall together here; none interrupts the line.
    pub(super) y: Option<(f64, f64)>,
}

/// The height of the drawing in its own units; its width is 1,000.
const HEIGHT: f64 = 300.0;
/// Looks of a line: colours with a dash pattern each, in the style sheet.
pub(super) const LOOKS: usize = 6;

impl Line {
    /// A line without any value is not drawn.
    pub(super) fn is_empty(&self) -> bool {
        self.points.iter().all(|point| point.y.is_none())
    }

    fn path(&self, x: &Scale, y: &Scale) -> String {
        let mut path = String::new();
        for run in self.points.split(|point| point.y.is_none()).filter(|run| run.len() > 1) {
            for (nth, point) in run.iter().enumerate() {
                let command = if nth == 0 { 'M' } else { 'L' };
                write_point(&mut path, command, point, x, y);
            }
        }
        path
    }

    /// Values between two that are missing, which make no line.
    fn dots(&self, x: &Scale, y: &Scale) -> String {
        let mut path = String::new();
        for run in self.points.split(|point| point.y.is_none()) {
            if let [point] = run {
                write_point(&mut path, 'M', point, x, y);
            }
        }
        path
    }
}

/// From the lowest to the highest value of a point.
fn write_point(path: &mut String, command: char, point: &Point, x: &Scale, y: &Scale) {
    let Some((low, high)) = point.y else { return };
    let across = x.place(point.x) * 1000.0;
    let up = |value| (1.0 - y.place(value)) * HEIGHT;
    // Writing into a string can not fail.
    let _ = write!(path, "{command}{across:.2} {:.2}V{:.2}", up(low), up(high));
}

impl Plot<'_> {
    /// Appends the plot as HTML, unless it has nothing to show.
    pub(super) fn write(&self, out: &mut String) {
        let lines: Vec<_> = self.lines.iter().enumerate().filter(|(_, line)| !line.is_empty()).collect();
        if lines.is_empty() {
            return;
        }
        let placed = marks::placed(self.marks, &self.x, self.wide);
        let wide = if self.wide { " wide" } else { "" };
        // Writing into a string can not fail.
        let _ = write!(out, "<figure class=\"plot{wide}\"><figcaption><h2>{}</h2>", Text(self.title));
        let _ = write!(out, "<p class=\"quiet\">{}</p><ul class=\"legend\">", Text(self.note));
        for (at, line) in &lines {
            let look = at % LOOKS;
            let _ = write!(out, "<li><svg class=\"key look{look}\" viewBox=\"0 0 26 8\" aria-hidden=\"true\">");
            let _ = write!(out, "<path d=\"M1 4H25\"/></svg>{}</li>", Text(&line.name));
        }
        out.push_str("</ul></figcaption><div class=\"frame\" tabindex=\"0\">");
        write_labels(out, &placed, self.wide);
        self.write_area(out, &lines, &placed);
        out.push_str("<div class=\"x\" aria-hidden=\"true\">");
        for tick in self.x.ticks(self.unit) {
            // The last label would stand out of the card.
            let class = match (tick.minor, tick.place > 0.98) {
                (false, false) => "",
                (false, true) => " class=\"end\"",
                (true, false) => " class=\"minor\"",
                (true, true) => " class=\"minor end\"",
            };
            let _ = write!(out, "<span{class} style=\"left:{:.2}%\">{}</span>", tick.place * 100.0, Text(&tick.label));
        }
        let _ = writeln!(out, "</div></div><script type=\"application/json\">{}</script></figure>", self.data(&lines));
    }

    fn write_area(&self, out: &mut String, lines: &[(usize, &Line)], placed: &[Placed<'_>]) {
        let ticks = self.y.ticks(self.unit);
        out.push_str("<div class=\"area\"><div class=\"y\" aria-hidden=\"true\">");
        for tick in &ticks {
            let _ = write!(out, "<span style=\"bottom:{:.2}%\">{}</span>", tick.place * 100.0, Text(&tick.label));
        }
        let _ = write!(out, "</div><svg viewBox=\"0 0 1000 {HEIGHT}\" preserveAspectRatio=\"none\" role=\"img\"");
        let _ = write!(out, " aria-label=\"{}\"><g class=\"grid\">", Text(self.title));
        for tick in &ticks {
            let _ = write!(out, "<path d=\"M0 {:.2}H1000\"/>", (1.0 - tick.place) * HEIGHT);
        }
        out.push_str("</g><g class=\"marks\">");
        for mark in placed {
            let what = Text(&mark.mark.what);
            let _ = write!(out, "<path d=\"M{:.2} 0V{HEIGHT}\"><title>{what}</title></path>", mark.place * 1000.0);
        }
        out.push_str("</g>");
        for (at, line) in lines {
            let (look, told) = (at % LOOKS, self.told(line));
            for (class, path) in [("", line.path(&self.x, &self.y)), (" dots", line.dots(&self.x, &self.y))] {
                if !path.is_empty() {
                    let _ = write!(
                        out,
                        "<path class=\"look{look}{class}\" d=\"{path}\"><title>{}</title></path>",
                        Text(&told)
                    );
                }
            }
        }
        out.push_str("</svg><div class=\"cursor\" hidden></div><div class=\"tip\" hidden></div></div>");
    }

    /// A line in words, for those who can not see it.
    fn told(&self, line: &Line) -> String {
        let values = || line.points.iter().filter_map(|point| point.y);
        let lowest = values().map(|(low, _)| low).fold(f64::INFINITY, f64::min);
        let highest = values().map(|(_, high)| high).fold(f64::NEG_INFINITY, f64::max);
        format!("{}: {} to {}", line.name, self.unit.show(lowest), self.unit.show(highest))
    }

    /// What the script needs to show exact values.
    fn data(&self, lines: &[(usize, &Line)]) -> String {
        let (factor, unit) = match self.unit {
            Unit::Count => (1.0, ""),
            Unit::PerSecond => (1.0, " /s"),
            Unit::Milliseconds => (1.0, " ms"),
            Unit::Microseconds => (1.0, " µs"),
            Unit::Bytes => (1.0 / 1_048_576.0, " MiB"),
            Unit::Cores => (1.0, " cores"),
            Unit::Seconds => (1.0, " s"),
        };
        let told = |point: &Point| {
            let (low, high) = point.y?;
            let head = match self.x {
                Scale::Nines { .. } => percent(point.x),
                _ => Unit::Seconds.show(point.x),
            };
            Some((short(self.x.place(point.x) * 1000.0), head, short(low * factor), short(high * factor)))
        };
        let lines = lines.iter().map(|(at, line)| Told {
            name: &line.name,
            look: at % LOOKS,
            points: line.points.iter().filter_map(told).collect(),
        });
        json(&Data { unit, lines: lines.collect() })
    }
}

#[derive(Serialize)]
struct Data<'a> {
    unit: &'static str,
    lines: Vec<Told<'a>>,
}

#[derive(Serialize)]
struct Told<'a> {
    name: &'a str,
    look: usize,
    /// Place from 0 to 1,000, what lies there, lowest and highest value.
    points: Vec<(f64, String, f64, f64)>,
}

fn write_labels(out: &mut String, placed: &[Placed<'_>], texts: bool) {
    let rows = placed.iter().filter_map(|mark| mark.row).max().map_or(0, |row| row + 1);
    if rows == 0 {
        return;
    }
    let _ = write!(out, "<div class=\"labels\" style=\"height:{}px\" aria-hidden=\"true\">", rows * 22);
    for mark in placed {
        let Some(row) = mark.row else { continue };
        // A row further down is nearer to the plot: the first row is the lowest.
        let bottom = row * 22;
        let (side, at) = if mark.leftward { ("right", 1.0 - mark.place) } else { ("left", mark.place) };
        let _ = write!(out, "<span style=\"{side}:{:.2}%;bottom:{bottom}px\"><b>{}</b>", at * 100.0, mark.number);
        if texts {
            let text: String = mark.mark.what.chars().take(LONGEST).collect();
            let _ = write!(out, "<i>{}</i>", Text(&text));
        }
        out.push_str("</span>");
    }
    out.push_str("</div>");
}

/// Six significant digits: exact enough for a person, and the page stays small.
fn short(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return 0.0;
    }
    let digits = (5.0 - value.abs().log10().floor()).clamp(0.0, 9.0);
    let factor = 10_f64.powf(digits);
    (value * factor).round() / factor
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(values: &[Option<f64>]) -> Line {
        let points =
            values.iter().enumerate().map(|(at, value)| Point { x: at as f64, y: value.map(|v| (v, v)) }).collect();
        Line { name: "p99 <b>".into(), points }
    }

    #[test]
    fn what_is_missing_interrupts_the_line() {
        let x = Scale::time(4.0);
        let y = Scale::Linear { top: 10.0, step: 5.0 };
        let path = line(&[Some(0.0), Some(10.0), None, Some(5.0)]).path(&x, &y);
        assert_eq!(path.matches('M').count(), 1);
        assert!(path.starts_with("M0.00 300.00V300.00L250.00 0.00"), "{path}");
        let dots = line(&[Some(0.0), Some(10.0), None, Some(5.0)]).dots(&x, &y);
        assert_eq!(dots, "M750.00 150.00V150.00", "a value alone is a dot");
    }

    #[test]
    fn a_plot_without_values_is_left_out_and_names_are_escaped() {
        let plot = |lines| Plot {
            title: "t",
            note: "n",
            unit: Unit::Milliseconds,
            x: Scale::time(4.0),
            y: Scale::log([1.0].into_iter()),
            lines,
            marks: &[],
            wide: false,
        };
        let mut out = String::new();
        plot(vec![line(&[None, None])]).write(&mut out);
        assert_eq!(out, "");
        plot(vec![line(&[Some(1.0)])]).write(&mut out);
        assert!(out.contains("p99 &lt;b&gt;: 1 ms to 1 ms"));
        assert!(!out.contains("<b>"));
    }

    #[test]
    fn digits_beyond_the_sixth_are_left_out() {
        assert_eq!(short(123_456.789), 123_457.0);
        assert_eq!(short(0.123_456_789), 0.123_457);
        assert_eq!(short(f64::NAN), 0.0);
    }
}
