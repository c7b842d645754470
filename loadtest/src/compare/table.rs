//! A comparison as lines for a terminal.

use std::fmt::Write;

use super::{Change, Compared, Row, rows, warnings};
use crate::outcome::Verdict;
use crate::quantity::MISSING;
use crate::report::plain;

/// The comparison as lines for a terminal.
pub fn table(runs: &[Compared]) -> String {
    let mut out = String::new();
    for Compared { letter, path, run } in runs {
        let verdict = match run.verdict() {
            Verdict::Met => "met",
            Verdict::Missed => "missed",
            Verdict::Invalid => "INVALID",
        };
        let name = plain(&format!("{} against {}", run.scenario, run.target.name));
        // Writing into a string can not fail.
        let _ = writeln!(out, "{letter}  {}  {name}: {verdict}", plain(&path.to_string_lossy()));
    }
    for warning in warnings(runs) {
        let _ = writeln!(out, "!  {}", plain(&warning));
    }
    out.push('\n');
    aligned(&mut out, &cells(runs));
    out
}

fn cells(runs: &[Compared]) -> Vec<Vec<String>> {
    let mut head = vec!["figure".to_owned(), "A".to_owned()];
    for Compared { letter, .. } in runs.iter().skip(1) {
        head.extend([letter.to_string(), format!("{letter} − A"), format!("{letter} / A")]);
    }
    let line = |row: &Row| {
        let mut line = vec![plain(&row.name), row.shown(0)];
        for of in 1..runs.len() {
            let change = row.change(of);
            line.push(row.shown(of));
            line.push(change.map_or(MISSING.to_owned(), |change| row.shown_difference(change)));
            line.push(change.map_or(MISSING.to_owned(), Change::shown_ratio));
        }
        line
    };
    std::iter::once(head).chain(rows(runs).iter().map(line)).collect()
}

/// The first column to the left, numbers to the right.
pub(crate) fn aligned(out: &mut String, cells: &[Vec<String>]) {
    let columns = cells.first().map_or(0, Vec::len);
    let width = |column: usize| cells.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for line in cells {
        let mut text = String::new();
        for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
            let _ = match column {
                0 => write!(text, "{cell:<width$}"),
                _ => write!(text, "  {cell:>width$}"),
            };
        }
        let _ = writeln!(out, "{}", text.trim_end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::tests::{compared, run};

    #[test]
    fn columns_are_aligned() {
        let text = table(&compared(vec![run(40.0, 0), run(1234.0, 3)]));
        let lines: Vec<_> = text.lines().skip_while(|line| !line.starts_with("figure")).collect();
        let end_of_b = |line: &&str| line.chars().take(60).collect::<String>();
        assert!(lines.len() > 10, "{text}");
        let head = lines[0].chars().collect::<Vec<_>>();
        let column = head.iter().position(|c| *c == 'A').expect("A");
        for line in &lines {
            let chars: Vec<char> = line.chars().collect();
            assert!(chars[column] != ' ' && chars[column + 1] == ' ', "{}", end_of_b(line));
        }
    }
}
