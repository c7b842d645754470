//! The documents themselves: links lead somewhere, paths exist, decisions are numbered, the changelog has its form.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use super::judge::{Finding, demand_none};
use super::repository::{File, file, files, root, rust};

const CHANGELOG: &str = "CHANGELOG.md";
const DECISIONS: &str = "docs/decisions/";
/// What kind of entry stands in the changelog.
const KINDS: &[&str] = &["added", "changed", "fixed", "breaking"];

/// The text below a heading, up to the next one of its level; `None` when document or heading is missing.
pub(crate) fn section(path: &str, heading: &str) -> Option<&'static str> {
    let text = &files().iter().find(|file| file.path == path)?.text;
    let begin = text.find(&format!("\n{heading}\n"))? + heading.len() + 2;
    let level = heading.split(' ').next().unwrap_or("#");
    let end = text[begin..].find(&format!("\n{level} ")).map_or(text.len(), |end| begin + end);
    Some(&text[begin..end])
}

/// The rows of the tables in a text, cell by cell, without the lines below the headings.
pub(crate) fn rows(text: &str) -> Vec<Vec<String>> {
    let lines = text.lines().filter(|line| line.starts_with('|') && !line.starts_with("|--"));
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    lines.map(cells).collect()
}

fn documents() -> impl Iterator<Item = &'static File> {
    files().iter().filter(|file| file.extension() == "md")
}

#[test]
fn links_lead_somewhere() {
    let mut findings = Vec::new();
    for document in documents() {
        for target in
            links(&document.text).into_iter().filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
        {
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = if path.is_empty() { document.path.clone() } else { joined(&document.path, path) };
            if !root().join(&path).exists() {
                findings.push(Finding::new(&document.path, format!("links to {path}, which is missing")));
            } else if !anchor.is_empty() && !anchors(&file(&path).text).contains(anchor) {
                findings.push(Finding::new(
                    &document.path,
                    format!("links to {path}#{anchor}, where there is no such heading"),
                ));
            }
        }
    }
    demand_none(findings);
}

/// The targets of `[text](target)`.
fn links(text: &str) -> Vec<&str> {
    text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target).collect()
}

fn joined(document: &str, link: &str) -> String {
    let mut path = PathBuf::from(document);
    path.pop();
    for part in Path::new(link).components() {
        match part {
            Component::ParentDir => drop(path.pop()),
            Component::Normal(name) => path.push(name),
            _ => {}
        }
    }
    path.to_string_lossy().into_owned()
}

/// Headings as they are linked to.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let kept = |char: &char| char.is_alphanumeric() || matches!(char, ' ' | '-' | '_');
    headings.map(|heading| heading.to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")).collect()
}

/// Files that a document names as `hub/src/…`, and documents that a source names.
#[test]
fn paths_that_are_named_exist() {
    let mut findings = Vec::new();
    for document in documents() {
        let quoted = document.text.split('`').skip(1).step_by(2).filter(|text| is_path(text));
        let missing = quoted.filter(|path| !root().join(path).exists());
        findings.extend(missing.map(|path| Finding::new(&document.path, format!("names `{path}`, which is missing"))));
    }
    for source in rust() {
        let named = source.text.match_indices("docs/").map(|(at, _)| {
            let rest = &source.text[at..];
            rest.split(|char: char| !(char.is_alphanumeric() || "/-_.".contains(char))).next().unwrap_or("")
        });
        let missing = named.filter(|path| path.ends_with(".md") && !root().join(path).exists());
        findings.extend(missing.map(|path| Finding::new(&source.path, format!("names {path}, which is missing"))));
    }
    demand_none(findings);
}

/// Whether a quoted text is the path of a file or folder of ours.
fn is_path(text: &str) -> bool {
    let ours = ["hub/", "protocol/", "persistence/", "clients/", "loadtest/", "docs/", "scripts/", ".ci/", ".github/"];
    // What is built is not there in a fresh clone.
    let built = text.contains("/dist") || text.contains("/node_modules");
    let plain = text.chars().all(|char| char.is_ascii_alphanumeric() || "/-_.".contains(char));
    plain && !built && ours.iter().any(|folder| text.starts_with(folder))
}

#[test]
fn decisions_are_numbered_once_and_listed() {
    let index = &file("docs/decisions/README.md").text;
    let mut numbers = BTreeSet::new();
    let mut findings = Vec::new();
    for document in documents().filter(|document| document.path.starts_with(DECISIONS)) {
        let name = document.path.trim_start_matches(DECISIONS);
        if name == "README.md" {
            continue;
        }
        let (number, _) = name.split_once('-').unwrap_or((name, ""));
        let title = document.text.lines().next().unwrap_or("");
        if number.len() != 4 || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            findings.push(Finding::new(&document.path, "is not named `NNNN-what.md`"));
        }
        if !numbers.insert(number) {
            findings.push(Finding::new(&document.path, format!("the number {number} is taken")));
        }
        if !title.starts_with(&format!("# {number}: ")) {
            findings.push(Finding::new(&document.path, format!("does not begin with `# {number}: …`")));
        }
        if !index.contains(&format!("({name})")) {
            findings.push(Finding::new(&document.path, "is not listed in docs/decisions/README.md"));
        }
    }
    assert!(!numbers.is_empty(), "no decision found");
    demand_none(findings);
}

#[test]
fn the_changelog_has_its_form() {
    let text = &file(CHANGELOG).text;
    let mut findings: Vec<Finding> = changelog_problems(text)
        .into_iter()
        .map(|(line, what)| Finding::new(format!("{CHANGELOG}:{line}"), what))
        .collect();
    let version = env!("CARGO_PKG_VERSION");
    if !text.contains(&format!("\n## {version} (")) {
        findings.push(Finding::new(
            CHANGELOG,
            format!("has no section `## {version} (…)` for the version of the workspace"),
        ));
    }
    demand_none(findings);
}

/// `## 1.2.3 (2026-01-31)` or `(unreleased)`, below it entries `- **added:** Text.`, their further lines indented.
fn changelog_problems(text: &str) -> Vec<(usize, String)> {
    let mut problems = Vec::new();
    let mut in_version = false;
    for (number, line) in text.lines().enumerate() {
        let right = if let Some(heading) = line.strip_prefix("## ") {
            in_version = true;
            is_version(heading)
        } else if !in_version || line.is_empty() || line.starts_with("  ") {
            true
        } else {
            let kind = line.strip_prefix("- **").and_then(|rest| rest.split_once(":** ")).map(|(kind, _)| kind);
            kind.is_some_and(|kind| KINDS.contains(&kind))
        };
        if !right {
            problems.push((number + 1, format!("`{line}` is neither a version nor an entry of {}", KINDS.join(", "))));
        }
    }
    problems
}

fn is_version(heading: &str) -> bool {
    let Some((version, date)) =
        heading.split_once(" (").and_then(|(version, date)| Some((version, date.strip_suffix(')')?)))
    else {
        return false;
    };
    let numbers = |text: &str, separator: char, count: usize| {
        let parts: Vec<&str> = text.split(separator).collect();
        parts.len() == count
            && parts.iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    numbers(version, '.', 3) && (date == "unreleased" || numbers(date, '-', 3))
}

#[test]
fn wrong_documents_are_seen() {
    assert_eq!(links("[a](b.md) and [c](../d.md#e)"), ["b.md", "../d.md#e"]);
    assert_eq!(joined("notes/old/first.md", "../../hub/src/lib.rs"), "hub/src/lib.rs");
    assert!(anchors("## The walk, step by step\n").contains("the-walk-step-by-step"));
    assert!(is_path("hub/src/lib.rs") && !is_path("clients/web/dist") && !is_path("hub/src/*.rs") && !is_path("a/b"));
    let good = "# C\nfree text\n## 0.1.0 (unreleased)\n\n- **added:** A\n  b\n";
    assert!(changelog_problems(good).is_empty());
    for bad in
        ["## 0.1\n", "## 0.1.0 (soon)\n", "## 0.1.0 (unreleased)\n- A\n", "## 0.1.0 (2026-01-31)\n- **new:** A\n"]
    {
        assert_eq!(changelog_problems(bad).len(), 1, "{bad}");
    }
}
