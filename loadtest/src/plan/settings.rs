//! Changes to a scenario from the command line, `people.count=50`, made in the TOML before it is read, so that they are checked
//! like the file.

use toml::{Table, Value};

use super::PlanError;

/// Sets a key. The value is TOML (`5`, `0.5`, `true`, `"text"`, `{ at_most = 1 }`) or, failing that, text. A number steps into a
/// list: `channels.0.count=3`.
pub fn set(scenario: &mut Table, setting: &str) -> Result<(), PlanError> {
    let wrong = |why: &str| PlanError::Setting(setting.to_owned(), why.to_owned());
    let (path, value) = setting.split_once('=').ok_or_else(|| wrong("it is KEY=VALUE"))?;
    let mut names = path.trim().split('.');
    let last = names.next_back().filter(|name| !name.is_empty()).ok_or_else(|| wrong("the key is empty"))?;
    let mut table = scenario;
    let mut names = names.peekable();
    while let Some(name) = names.next() {
        let below = table.entry(name).or_insert_with(|| Value::Table(Table::new()));
        table = match below {
            Value::Table(table) => table,
            Value::Array(list) => {
                let index = names.next().and_then(|number| number.parse::<usize>().ok());
                let index = index.ok_or_else(|| wrong(&format!("`{name}` is a list: name an entry, {name}.0")))?;
                let entry = list.get_mut(index).and_then(Value::as_table_mut);
                entry.ok_or_else(|| wrong(&format!("`{name}` has no entry {index}")))?
            }
            _ => return Err(wrong(&format!("`{name}` is a value, not a table"))),
        };
    }
    table.insert(last.to_owned(), parse(value.trim()));
    Ok(())
}

fn parse(text: &str) -> Value {
    let parsed = format!("value = {text}").parse::<Table>().ok().and_then(|mut table| table.remove("value"));
    parsed.unwrap_or_else(|| Value::String(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_set_at_every_depth() {
        let mut table: Table = "a = 1\n[people]\ncount = 2\n[[channels]]\ncount = 3\n".parse().expect("TOML");
        for setting in
            ["a=9", "people.count = 5", "channels.0.zipf=0.5", "publish.by=people", "thresholds.lost={at_most=0}"]
        {
            set(&mut table, setting).expect(setting);
        }
        let expected = "a = 9\n[people]\ncount = 5\n[publish]\nby = \"people\"\n[[channels]]\ncount = 3\nzipf = 0.5\n\
                        [thresholds]\nlost = { at_most = 0 }\n";
        assert_eq!(table, expected.parse().expect("TOML"));
        for wrong in ["a", "=1", "a.b=1", "channels.count=1", "channels.4.count=1"] {
            assert!(matches!(set(&mut table, wrong), Err(PlanError::Setting(..))), "{wrong}");
        }
    }
}
