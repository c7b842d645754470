//! Sizes: small files that say what they are, small functions.

use super::judge::{Finding, Rule, demand_none, judge};
use super::lexer;
use super::repository::rust;

/// Most lines of a file without its tests.
const FILE_LINES: usize = 500;
/// Most lines of a function.
const FUNCTION_LINES: usize = 70;

#[test]
fn every_file_says_what_it_does_and_does_not_know() {
    let silent = rust().filter(|file| !file.text.starts_with("//! "));
    demand_none(silent.map(|file| Finding::new(&file.path, "begins without `//!`")).collect());
}

#[test]
fn files_are_short() {
    let findings = rust().filter(|file| !file.path.ends_with("/tests.rs")).filter_map(|file| {
        let lines = lexer::lines_without_tests(&file.text);
        (lines > FILE_LINES)
            .then(|| Finding::new(&file.path, format!("{lines} lines, at most {FILE_LINES}: split it by stage")))
    });
    judge(Rule::LongFile, findings.collect());
}

#[test]
fn functions_are_short() {
    let mut findings = Vec::new();
    for file in rust() {
        for (name, line, lines) in lexer::functions(&lexer::code_of(&file.text)) {
            if lines > FUNCTION_LINES {
                let what = format!(
                    "line {line}: {lines} lines, at most {FUNCTION_LINES}: keep the branches, move the leaves out"
                );
                findings.push(Finding::new(format!("{} {name}", file.path), what));
            }
        }
    }
    judge(Rule::LongFunction, findings);
}
