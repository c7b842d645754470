//! Tells what came from what else could have come. Knows not what follows from it.

use toml::Value;

use super::description;
use super::pick::{Found, Literal, Places, Question};

/// How something is recognised.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recognised {
    is: Option<String>,
    starts_with: Option<String>,
    /// The questions that must be answered with yes.
    yes: u64,
}

impl Recognised {
    /// Adds what it asks to the places. If that is not possible: the key below that of `described`, and why.
    pub fn of(described: &description::Recognised, places: &mut Places) -> Result<Self, (String, String)> {
        let description::Recognised { is, starts_with, has, json } = described;
        let mut yes = 0;
        if let Some(pointer) = has {
            yes |= places.ask(pointer, Question::There).map_err(|why| (".has".to_owned(), why))?;
        }
        for (pointer, value) in json {
            let named = |why| (format!(".json.\"{pointer}\""), why);
            let literal = match value {
                Value::String(text) => Literal::Text(text.clone()),
                Value::Integer(number) => Literal::Number(*number as f64),
                Value::Float(number) => Literal::Number(*number),
                Value::Boolean(truth) => Literal::Truth(*truth),
                _ => return Err(named("a text, a number, true or false".to_owned())),
            };
            yes |= places.ask(pointer, Question::Equals(literal)).map_err(named)?;
        }
        if is.is_none() && starts_with.is_none() && yes == 0 {
            return Err((String::new(), "at least one of is, starts_with, has and json".to_owned()));
        }
        Ok(Self { is: is.clone(), starts_with: starts_with.clone(), yes })
    }

    /// Whether a text, in which this was found, is it.
    #[inline]
    pub fn is(&self, text: &[u8], found: &Found<'_>) -> bool {
        found.yes & self.yes == self.yes
            && self.starts_with.as_ref().is_none_or(|start| text.starts_with(start.as_bytes()))
            && self.is.as_ref().is_none_or(|whole| text == whole.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recognised(toml: &str) -> Result<(Recognised, Places), (String, String)> {
        let mut places = Places::default();
        let described: description::Recognised = toml::from_str(toml).expect("TOML");
        Recognised::of(&described, &mut places).map(|recognised| (recognised, places))
    }

    #[test]
    fn all_that_is_given_must_hold() {
        for (toml, yes, no) in [
            ("is = \"2\"", vec!["2"], vec!["", "22"]),
            ("starts_with = \"40\"", vec!["40", "40{}"], vec!["4", "41"]),
            ("json = { \"/event\" = \"x\", \"/n\" = 3 }", vec![r#"{"n":3,"event":"x"}"#], vec![r#"{"event":"x"}"#]),
            ("starts_with = \"43\"\nhas = \"/0\"", vec!["431[1]", "43[null]"], vec!["43[]", "42[1]"]),
            ("json = { \"/ok\" = true }", vec![r#"{"ok":true}"#], vec![r#"{"ok":false}"#, r#"{"ok":"true"}"#]),
        ] {
            let (recognised, places) = recognised(toml).expect("right");
            let is = |text: &str| recognised.is(text.as_bytes(), &places.look(text.as_bytes()));
            yes.iter().for_each(|text| assert!(is(text), "{toml}: {text}"));
            no.iter().for_each(|text| assert!(!is(text), "{toml}: {text}"));
        }
    }

    #[test]
    fn what_recognises_nothing_is_refused() {
        assert_eq!(recognised("").expect_err("nothing").0, "");
        assert_eq!(recognised("has = \"x\"").expect_err("no pointer").0, ".has");
        assert_eq!(recognised("json = { \"/x\" = [] }").expect_err("a list").0, ".json.\"/x\"");
    }
}
