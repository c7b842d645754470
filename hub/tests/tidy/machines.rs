//! Nothing in the project belongs to one machine: no path of somebody's home, no registry but the public ones.

use super::judge::{Finding, demand_none};
use super::repository::{file, files};

/// Folders of machines. Put together, so that this file does not hold them.
const FOLDERS: &[&str] = &[concat!("/ho", "me/"), concat!("/Us", "ers/"), concat!("/ro", "ot/"), concat!("/wo", "rk/")];

/// Lock files name many addresses; they are looked at below.
const LOCK_FILES: &[&str] = &["Cargo.lock", "clients/package-lock.json"];

#[test]
fn no_path_of_a_machine_is_committed() {
    let mut findings = Vec::new();
    for file in files().iter().filter(|file| !LOCK_FILES.contains(&file.path.as_str())) {
        for (number, line) in file.text.lines().enumerate() {
            let found =
                FOLDERS.iter().find(|folder| line.match_indices(**folder).any(|(at, _)| begins_a_path(line, at)));
            findings.extend(
                found.map(|folder| Finding::new(format!("{}:{}", file.path, number + 1), format!("`{folder}`"))),
            );
        }
    }
    demand_none(findings);
}

/// Behind a name it is part of a relative path or of an address.
fn begins_a_path(line: &str, at: usize) -> bool {
    !line[..at].ends_with(|char: char| char.is_alphanumeric() || matches!(char, '_' | '-' | '.' | '}' | '*'))
}

#[test]
fn packages_come_from_the_public_registries() {
    let crates = file("Cargo.lock").text.lines().filter(|line| line.starts_with("source = "));
    let strange = crates.filter(|line| *line != "source = \"registry+https://github.com/rust-lang/crates.io-index\"");
    let mut findings: Vec<Finding> = strange.map(|line| Finding::new("Cargo.lock", line)).collect();
    let resolved =
        file("clients/package-lock.json").text.lines().filter_map(|line| line.trim().strip_prefix("\"resolved\": \""));
    let strange = resolved.filter(|rest| rest.contains("://") && !rest.starts_with("https://registry.npmjs.org/"));
    findings.extend(strange.map(|rest| Finding::new("clients/package-lock.json", rest)));
    demand_none(findings);
}

#[test]
fn paths_are_told_from_addresses() {
    let folder = FOLDERS[3];
    assert!(begins_a_path(folder, 0) && begins_a_path(&format!("cd {folder}x"), 3));
    assert!(!begins_a_path(&format!("net{folder}x"), 3));
}
