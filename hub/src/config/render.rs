//! How the configuration is shown: the reference as Markdown, and the effective values as TOML with their sources.

use std::fmt::Write;

use serde::Serialize;
use toml::{Table, Value};

use super::Config;
use super::layers::Provenance;
use super::reference::{GROUPS, Group, is_key};
use crate::auth::keys::TokenKeySettings;
use crate::auth::service::ApiKeySettings;
use crate::namespace::Namespace;

/// Every key, its type, default and meaning, as Markdown.
pub fn reference_markdown() -> String {
    let mut out = String::from(
        "# Configuration\n\nDefaults < `hubbub.toml` < environment < flags. An unknown key is an error. A key `section.key` is the variable \
         `HUBBUB_SECTION__KEY` (two underscores), lists with commas. Printed by `hubbub config docs`.\n",
    );
    for group in GROUPS {
        let defaults = defaults(group);
        let _ = write!(
            out,
            "\n## {}\n\n{}\n\n| key | type | default | meaning |\n|---|---|---|---|\n",
            heading(group),
            group.intro
        );
        for (name, kind, meaning) in group.keys {
            let default = defaults.get(*name).map_or_else(|| "unset".to_owned(), |value| format!("`{value}`"));
            let _ = writeln!(out, "| `{name}` | {} | {default} | {meaning} |", kind.name());
        }
    }
    out
}

fn heading(group: &Group) -> String {
    match group.prefix.strip_suffix("[]") {
        Some(list) => format!("`[[{}]]`", list.replace("[]", "")),
        None => format!("`[{}]`", group.prefix.replace('*', "<name>")),
    }
}

fn defaults(group: &Group) -> Table {
    let table = match group.prefix {
        "tokens.keys[]" | "tenants[].token_keys[]" => table(&TokenKeySettings::default()),
        // `id` and `scopes` have to be set: an empty default would only mislead.
        "tenants[].api_keys[]" => {
            table(&ApiKeySettings::default()).into_iter().filter(|(key, _)| key == "channels").collect()
        }
        "tenants[]" => Table::new(),
        _ => match group.prefix.strip_prefix("namespaces.*") {
            Some(rest) => below(table(&Namespace::default()), rest.trim_start_matches('.')),
            None => below(table(&Config::default()), group.prefix),
        },
    };
    table.into_iter().filter(|(_, value)| !value.is_table()).collect()
}

fn table(settings: &impl Serialize) -> Table {
    // Settings are plain data with text keys; numbers beyond 2^63 are refused when they are read.
    Table::try_from(settings).unwrap_or_default()
}

fn below(table: Table, path: &str) -> Table {
    path.split('.').filter(|key| !key.is_empty()).fold(table, |mut table, key| match table.remove(key) {
        Some(Value::Table(inner)) => inner,
        _ => Table::new(),
    })
}

/// The effective values. Secrets serialise as redacted.
pub(super) fn show(config: &Config, provenance: &Provenance) -> String {
    let text = toml::to_string(&table(config)).unwrap_or_default();
    let mut out = String::new();
    let mut section = String::new();
    for line in text.lines() {
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_end_matches(']').trim_start_matches('[').to_owned();
        }
        match source_of(line, &section, provenance) {
            Some(source) => {
                let _ = writeln!(out, "{line} # {source}");
            }
            None => {
                let _ = writeln!(out, "{line}");
            }
        }
    }
    out
}

/// Where the key of this line came from; `None` for lines that are no key.
fn source_of<'p>(line: &str, section: &str, provenance: &'p Provenance) -> Option<&'p str> {
    let (key, value) = line.split_once(" = ")?;
    let path = if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") };
    let own = section.starts_with("namespaces.") || section.starts_with("tenants") || section == "tokens.keys";
    if value.starts_with("\"\"\"") || !(own || is_key(&path)) {
        return None;
    }
    // Lists of tables come whole from one source: the key of the list knows it.
    let known = path.match_indices('.').map(|(at, _)| &path[..at]).chain([path.as_str()]);
    Some(known.filter_map(|key| provenance.get(key)).next_back().map_or("default", String::as_str))
}
