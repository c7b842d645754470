//! Names of channels from a template: `{n}` stands for the number of the channel, `{person}` for the user whose channel it is.

use hubbub_protocol::ChannelName;

use super::PlanError;

/// The id of a simulated user.
pub fn user(number: usize) -> String {
    format!("person-{number}")
}

/// A checked template.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Template(String);

impl Template {
    /// Checks a template by its first name.
    pub fn parse(text: &str) -> Result<Self, PlanError> {
        let rest = text.replace(NUMBER, "").replace(PERSON, "");
        if rest.contains(['{', '}']) {
            return Err(PlanError::Template(text.to_owned(), "only {n} and {person} stand for something".to_owned()));
        }
        let template = Self(text.to_owned());
        template.name(0)?;
        Ok(template)
    }

    /// Whether everybody has one of their own.
    pub fn is_per_person(&self) -> bool {
        self.0.contains(PERSON)
    }

    /// Whether channels have different names.
    pub fn is_numbered(&self) -> bool {
        self.0.contains(NUMBER) || self.is_per_person()
    }

    /// The name of channel (or person) `number`: 0, 1, 2 …
    pub fn name(&self, number: usize) -> Result<ChannelName, PlanError> {
        let text = self.0.replace(NUMBER, &number.to_string()).replace(PERSON, &user(number));
        ChannelName::parse(&text).map_err(|error| PlanError::Template(self.0.clone(), error.to_string()))
    }
}

const NUMBER: &str = "{n}";
const PERSON: &str = "{person}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_in_and_others_refused() {
        let name = |template: &str| Template::parse(template).and_then(|t| t.name(7)).map(|name| name.to_string());
        assert_eq!(name("live:room-{n}").expect("right"), "live:room-7");
        assert_eq!(name("user:{person}").expect("right"), "user:person-7");
        assert_eq!(name("live:one").expect("right"), "live:one");
        for wrong in ["live:{room}", "live:{n", "no namespace", "live:"] {
            assert!(matches!(name(wrong), Err(PlanError::Template(..))), "{wrong}");
        }
    }
}
