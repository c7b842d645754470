//! Words that must not be committed, and sleeping tests.

use super::judge::{Finding, Rule, demand_none, judge};
use super::lexer;
use super::repository::{File, files, rust};

/// Code that is not finished, or was left behind. Searched in Rust without comments and literals.
const CODE: &[&str] = &["todo!", "unimplemented!", "dbg!", "#[ignore"];
/// Lints that are switched off for good. `expect` with a reason goes when it is not needed any more. Tests may share helpers.
const ALLOWED: &[&str] = &["#![allow", "#[allow("];
/// Notes to oneself. Searched in everything that is source. Put together, so that this file does not hold them.
const NOTES: &[&str] = &[concat!("FIX", "ME"), concat!("X", "XX"), concat!("TO", "DO")];
/// What is source, beside Rust.
const SOURCES: &[&str] = &["rs", "ts", "mjs", "sh", "toml", "yml", "css", "html", "sql"];

#[test]
fn nothing_unfinished_is_committed() {
    let mut findings = Vec::new();
    for file in rust() {
        let code = lexer::code_of(&file.text);
        findings.extend(CODE.iter().filter_map(|word| at(file, &code, word)));
        findings.extend(ALLOWED.iter().filter_map(|word| at(file, &file.production(), word)));
    }
    for file in files().iter().filter(|file| SOURCES.contains(&file.extension())) {
        findings.extend(NOTES.iter().filter_map(|word| at(file, &file.text, word)));
    }
    demand_none(findings);
}

#[test]
fn no_test_is_skipped() {
    let tests = files().iter().filter(|file| file.is_test() && matches!(file.extension(), "ts" | "mjs"));
    let words = [".skip(", ".only(", ".todo("];
    demand_none(tests.flat_map(|file| words.iter().filter_map(|word| at(file, &file.text, word))).collect());
}

#[test]
fn tests_do_not_sleep() {
    let mut findings = Vec::new();
    for file in rust() {
        let tests = file.tests();
        let sleeps = ["sleep", "sleep_until", "sleep_ms"].iter().any(|name| lexer::calls(&tests, name));
        if sleeps {
            findings.push(Finding::new(
                &file.path,
                "a test that sleeps waits too long or not long enough: wait for what happens",
            ));
        }
    }
    for file in files().iter().filter(|file| file.is_test() && matches!(file.extension(), "ts" | "mjs")) {
        if file.text.contains("waitForTimeout(") {
            findings.push(Finding::new(&file.path, "waits for a time and not for what happens"));
        }
    }
    judge(Rule::Sleep, findings);
}

/// Where a word stands, alone and not as part of another.
fn at(file: &File, text: &str, word: &str) -> Option<Finding> {
    let is_name = |char: char| char.is_alphanumeric() || char == '_';
    let alone = |begin: usize| {
        let before = text[..begin].chars().next_back().filter(|_| word.starts_with(is_name));
        let behind = text[begin + word.len()..].chars().next().filter(|_| word.ends_with(is_name));
        !before.is_some_and(is_name) && !behind.is_some_and(is_name)
    };
    let begin = text.match_indices(word).map(|(begin, _)| begin).find(|begin| alone(*begin))?;
    let line = text[..begin].matches('\n').count() + 1;
    Some(Finding::new(format!("{}:{line}", file.path), format!("`{word}`")))
}

#[test]
fn words_are_found_alone_only() {
    let file = File { path: "a.rs".into(), text: String::new() };
    assert!(at(&file, "a dbg!(b)", "dbg!").is_some() && at(&file, "my_dbg!(b)", "dbg!").is_none());
    assert!(at(&file, "x NOTE y", "NOTE").is_some() && at(&file, "NOTES", "NOTE").is_none());
}
