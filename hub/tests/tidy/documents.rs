//! Documents in step with the code: codes, limits, metrics, locks.

use std::collections::BTreeSet;

use hubbub::limits::Limits;
use hubbub_protocol::{CloseCode, ErrorCode};

use super::judge::{Finding, demand_none};
use super::lexer;
use super::markdown::{rows, section};
use super::repository::{File, file, rust};

const PROTOCOL: &str = "docs/PROTOCOL.md";
const ARCHITECTURE: &str = "docs/ARCHITECTURE.md";
const OPERATIONS: &str = "docs/OPERATIONS.md";

#[test]
fn every_error_code_is_in_the_protocol_as_it_is_in_the_code() {
    let table = rows(section(PROTOCOL, "## Error codes").expect("the table of error codes"));
    let row_of = |code: &ErrorCode| table.iter().find(|row| row[0].contains(&format!("`{}`", code.as_str())));
    let mut findings = Vec::new();
    for code in ErrorCode::ALL {
        let says = row_of(code).map(|row| (row[1].as_str(), row[2].as_str()));
        let again = if code.is_temporary() { "yes" } else { "" };
        let status = code.http_status().to_string();
        if says != Some((&status, again)) {
            let what = format!("`{}` is {status}, again: `{again}`; the table says {says:?}", code.as_str());
            findings.push(Finding::new(PROTOCOL, what));
        }
    }
    let named: usize = table.iter().skip(1).map(|row| row[0].matches('`').count() / 2).sum();
    assert_eq!(named, ErrorCode::ALL.len(), "the table names codes that there are not");
    demand_none(findings);
}

#[test]
fn every_close_code_is_in_the_protocol() {
    let text = section(PROTOCOL, "## Close codes").expect("the table of close codes");
    let numbers: BTreeSet<&str> =
        text.split(|char: char| !char.is_ascii_digit()).filter(|word| word.len() == 4).collect();
    let missing = CloseCode::ALL.iter().filter(|code| !numbers.contains(code.code().to_string().as_str()));
    demand_none(
        missing.map(|code| Finding::new(PROTOCOL, format!("{} ({}) is missing", code.code(), code.reason()))).collect(),
    );
}

#[test]
fn every_limit_is_in_the_reference() {
    let reference = hubbub::config::reference_markdown();
    let section =
        reference.split("\n## ").find(|section| section.starts_with("`[limits]`")).expect("a section of limits");
    let documented: BTreeSet<String> =
        rows(section).into_iter().skip(1).map(|row| row[0].trim_matches('`').to_owned()).collect();
    let fields = serde_json::to_value(Limits::default()).expect("plain data");
    let fields: BTreeSet<String> = fields.as_object().expect("a table").keys().cloned().collect();
    assert_eq!(documented, fields, "`hubbub config docs` and `Limits` name other keys");
}

#[test]
fn every_limit_says_its_default() {
    let text = &file("hub/src/limits.rs").text;
    let declared =
        text.split("pub struct Limits").nth(1).and_then(|rest| rest.split("\n}").next()).expect("the struct");
    let fields = declared.split("pub ").map(|field| field.trim());
    let mut findings = Vec::new();
    let mut doc = "";
    for field in fields {
        let name = field.split(':').next().unwrap_or("");
        // What stands before a field is its doc, behind the type of the one before.
        if !doc.is_empty() && !doc.contains("Default ") {
            findings.push(Finding::new(format!("hub/src/limits.rs {name}"), "its doc does not say `Default …`"));
        }
        doc = field.split_once('\n').map_or("", |(_, doc)| doc);
    }
    demand_none(findings);
}

/// The section is written beside the metrics themselves and may come later than this test.
#[test]
fn every_metric_is_in_the_operators_table() {
    let names: BTreeSet<String> =
        rust().filter(|file| file.path.starts_with("hub/src/")).flat_map(metrics_of).collect();
    assert!(names.len() > 5, "only {names:?} are counted: does the search still work?");
    let Some(table) = section(OPERATIONS, "## Metrics") else { return };
    let missing = names.into_iter().filter(|name| !table.contains(&format!("`{name}`")));
    demand_none(
        missing.map(|name| Finding::new(OPERATIONS, format!("`{name}` is missing under `## Metrics`"))).collect(),
    );
}

/// Literals that are names of metrics.
fn metrics_of(file: &File) -> Vec<String> {
    let is_name = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '_';
    let literals =
        file.text.split('"').filter(|literal| literal.starts_with("hubbub_") && literal.chars().all(is_name));
    literals.map(str::to_owned).collect()
}

/// Words that are locks, or let several threads change one value.
const LOCKS: &[&str] = &["Mutex", "RwLock", "DashMap", "ArcSwap", "ArcSwapOption", "Semaphore", "OnceLock", "LazyLock"];

#[test]
fn every_lock_has_a_line_in_the_architecture() {
    let table = section(ARCHITECTURE, "## Locks").expect("the table of locks");
    let ours = ["hub/src/", "persistence/src/", "protocol/src/"];
    let locking = rust().filter(|file| ours.iter().any(|folder| file.path.starts_with(folder)) && locks(file));
    let silent = locking.filter(|file| {
        let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        !table.contains(&format!("`{}`", file.path)) && !table.contains(&format!("`{folder}/`"))
    });
    demand_none(
        silent
            .map(|file| Finding::new(&file.path, "has a lock that `## Locks` of the architecture does not name"))
            .collect(),
    );
}

fn locks(file: &File) -> bool {
    let paths = lexer::paths(&file.production());
    paths.iter().any(|path| path.rsplit("::").take(2).any(|segment| LOCKS.contains(&segment)))
}

#[test]
fn locks_are_seen() {
    let file = |text: &str| File { path: "hub/src/a.rs".into(), text: text.into() };
    assert!(locks(&file("use std::sync::{Arc, Mutex};")) && locks(&file("x: tokio::sync::Mutex<u8>,")));
    assert!(!locks(&file("use std::sync::Arc; // Mutex")));
}
