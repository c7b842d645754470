//! Layers: each source becomes a table of keys, checked on its own so that a mistake is told with its place, then laid over
//! the ones below. Tables merge key by key; lists replace.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

use super::reference::{self, Kind};
use super::{Config, ConfigError, Problem, Sources, development};

/// Variables that the programs read in other ways; the configuration leaves them alone.
const OTHER_VARIABLES: &[&str] = &["HUBBUB_CONFIG", "HUBBUB_URL", "HUBBUB_API_KEY"];

/// Which source set a key last. A key that is absent has its default.
pub(super) type Provenance = BTreeMap<String, String>;

/// Lays all sources over each other.
pub(super) fn merge(sources: &Sources<'_>) -> Result<(Table, Provenance), ConfigError> {
    let mut merged = Merged::default();
    if sources.dev {
        // A test reads the preset, so that it is known to be TOML.
        let preset = development::PRESET.parse().expect("the development preset is TOML");
        merged.lay(preset, "--dev");
    }
    if let Some((name, text)) = sources.file {
        match of_file(name, text) {
            Ok(table) => merged.lay(table, name),
            Err(problems) => merged.problems.extend(problems),
        }
    }
    for (variable, text) in &sources.env {
        match of_variable(variable, text) {
            Ok(Some(table)) => merged.lay(table, variable),
            Ok(None) => {}
            Err(problem) => merged.problems.push(problem),
        }
    }
    for (path, text) in &sources.flags {
        match of_text(path, text, "a flag") {
            Ok(table) => merged.lay(table, "flag"),
            Err(problem) => merged.problems.push(problem),
        }
    }
    if merged.problems.is_empty() {
        Ok((merged.table, merged.provenance))
    } else {
        Err(ConfigError { problems: merged.problems })
    }
}

/// Reads a table as a configuration. Keys that are missing have their defaults.
pub(super) fn typed(table: Table, place: &str) -> Result<Config, Problem> {
    Config::deserialize(table).map_err(|error| {
        let text = error.to_string();
        let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        Problem { place: place.to_owned(), what: lines.join(" ") }
    })
}

#[derive(Default)]
struct Merged {
    table: Table,
    provenance: Provenance,
    problems: Vec<Problem>,
}

impl Merged {
    fn lay(&mut self, above: Table, source: &str) {
        lay_over(&mut self.table, above, "", source, &mut self.provenance);
    }
}

fn lay_over(below: &mut Table, above: Table, prefix: &str, source: &str, provenance: &mut Provenance) {
    for (key, value) in above {
        let path = join(prefix, &key);
        match (below.get_mut(&key), value) {
            (Some(Value::Table(lower)), Value::Table(upper)) => lay_over(lower, upper, &path, source, provenance),
            (None, Value::Table(upper)) => {
                let mut lower = Table::new();
                lay_over(&mut lower, upper, &path, source, provenance);
                below.insert(key, Value::Table(lower));
            }
            (_, value) => {
                provenance.insert(path, source.to_owned());
                below.insert(key, value);
            }
        }
    }
}

fn join(prefix: &str, key: &str) -> String {
    if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") }
}

/// All unknown keys of a file with their lines; without any, the first value of a wrong type.
fn of_file(name: &str, text: &str) -> Result<Table, Vec<Problem>> {
    let at = |offset: usize| {
        let line = text.as_bytes()[..offset.min(text.len())].iter().filter(|byte| **byte == b'\n').count() + 1;
        format!("{name}:{line}")
    };
    let wrong = |error: toml::de::Error| {
        let place = error.span().map_or_else(|| name.to_owned(), |span| at(span.start));
        vec![Problem { place, what: error.message().replace('\n', " ") }]
    };
    let document = DeTable::parse(text).map_err(wrong)?;
    let mut problems = Vec::new();
    unknown_keys(document.get_ref(), "", &mut |key, path| {
        problems.push(Problem { place: at(key.span().start), what: reference::unknown(path) });
    });
    if !problems.is_empty() {
        return Err(problems);
    }
    toml::from_str::<Config>(text).map_err(wrong)?;
    text.parse::<Table>().map_err(wrong)
}

fn unknown_keys<'i>(
    table: &DeTable<'i>,
    prefix: &str,
    report: &mut dyn FnMut(&Spanned<std::borrow::Cow<'i, str>>, &str),
) {
    for (key, value) in table {
        let pattern = join(prefix, if prefix == "namespaces" { "*" } else { key.get_ref() });
        let items = format!("{pattern}[]");
        if !reference::is_key(&pattern) && !reference::is_group(&pattern) && !reference::is_group(&items) {
            report(key, &join(prefix, key.get_ref()));
            continue;
        }
        match value.get_ref() {
            DeValue::Table(inner) if reference::is_group(&pattern) => unknown_keys(inner, &pattern, report),
            DeValue::Array(list) if reference::is_group(&items) => {
                let tables = list.iter().filter_map(|item| item.get_ref().as_table());
                tables.for_each(|inner| unknown_keys(inner, &items, report));
            }
            _ => {}
        }
    }
}

/// `HUBBUB_LIMITS__FRAME_BYTES` is `limits.frame_bytes`. Others that begin with `HUBBUB_` are left alone, since
/// orchestrators make such of the names of services, unless one looks like a key that lost an underscore.
fn of_variable(variable: &str, text: &str) -> Result<Option<Table>, Problem> {
    let Some(name) = variable.strip_prefix("HUBBUB_") else { return Ok(None) };
    if OTHER_VARIABLES.contains(&variable) {
        return Ok(None);
    }
    let path = name.to_ascii_lowercase().replace("__", ".");
    if path.contains('.') {
        return of_text(&path, text, variable).map(Some);
    }
    match reference::keys().find(|key| key.replace('.', "_") == path) {
        Some(key) => {
            let meant = format!("HUBBUB_{}", key.to_ascii_uppercase().replace('.', "__"));
            Err(Problem {
                place: variable.to_owned(),
                what: format!("did you mean {meant}? Two underscores part section and key"),
            })
        }
        None => Ok(None),
    }
}

/// One key with the text of its value, as a table.
fn of_text(path: &str, text: &str, place: &str) -> Result<Table, Problem> {
    let problem = |what: String| Problem { place: place.to_owned(), what };
    let kind = reference::kind(&pattern_of(path)).ok_or_else(|| problem(reference::unknown(path)))?;
    let value = kind.value(text).map_err(problem)?;
    let table = path.rsplit('.').fold(value, |inner, key| Value::Table(Table::from_iter([(key.to_owned(), inner)])));
    let Value::Table(table) = table else { return Err(problem(reference::unknown(path))) };
    typed(table.clone(), place)?;
    Ok(table)
}

/// The name of a namespace is free.
fn pattern_of(path: &str) -> String {
    match path.split('.').collect::<Vec<_>>().as_slice() {
        ["namespaces", _, rest @ ..] => format!("namespaces.*.{}", rest.join(".")),
        _ => path.to_owned(),
    }
}

impl Kind {
    /// The value of a text from the environment or the command line.
    fn value(self, text: &str) -> Result<Value, String> {
        match self {
            Self::Text => Ok(Value::String(text.to_owned())),
            Self::Number => text.parse().map(Value::Integer).map_err(|_| format!("`{text}` is not a whole number")),
            Self::Switch => text.parse().map(Value::Boolean).map_err(|_| format!("`{text}` is neither true nor false")),
            Self::List => {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                Ok(Value::Array(items.map(|item| Value::String(item.to_owned())).collect()))
            }
        }
    }
}
