//! Where a text, a JSON value or a stretch of entities names a user, and what stands there instead afterwards. Pure; knows no record.
//!
//! An id names its user where it stands as a word of its own and is marked as an id: it is the whole of a value, or comes behind
//! `@`, `user:`, `user/` or `read/`. A long id is no word that people use: it counts wherever it stands alone.

use std::ops::Range;

use hubbub_protocol::channel::UserId;
use hubbub_protocol::room::{Entity, Mark};
use serde_json::{Map, Value};

/// What a text says instead of an id.
const SOMEONE: &str = "someone";
/// An id of so many bytes and more is found wherever it stands.
const LONG: usize = 8;
/// What stands before an id.
const MARKS: &[&str] = &["@", "user:", "user/", "read/"];
/// Fields in which people write: a text that is the same as an id by itself is not one.
const PROSE: &[&str] = &["text", "reason", "name", "topic", "title", "description", "words"];

/// Fields that say who said it, and what they said.
const AUTHORS: &[&str] = &["from", "author"];
const SAID: &str = "text";

/// Looks for one user.
#[derive(Clone, Debug)]
pub(super) struct Name(UserId);

impl Name {
    /// Of this user.
    pub(super) fn new(user: UserId) -> Self {
        Self(user)
    }

    /// The user.
    pub(super) fn user(&self) -> &UserId {
        &self.0
    }

    /// Whether this is the user.
    pub(super) fn is(&self, user: Option<&UserId>) -> bool {
        user == Some(&self.0)
    }

    /// Whether the id counts wherever it stands.
    pub(super) fn is_long(&self) -> bool {
        self.0.as_str().len() >= LONG
    }

    /// Where a text names the user.
    fn places(&self, text: &str) -> Vec<Range<usize>> {
        let id = self.0.as_str();
        let named = |at: usize| {
            let (before, behind) = (&text[..at], &text[at + id.len()..]);
            let alone = !goes_on(before.chars().rev()) && !goes_on(behind.chars());
            alone && (self.is_long() || MARKS.iter().any(|mark| before.ends_with(mark)))
        };
        text.match_indices(id).map(|(at, _)| at).filter(|at| named(*at)).map(|at| at..at + id.len()).collect()
    }

    /// Whether a text names the user.
    pub(super) fn in_text(&self, text: &str) -> bool {
        !self.places(text).is_empty()
    }

    /// Whether something that is a name itself is the user's, or names the user.
    pub(super) fn in_name(&self, text: &str) -> bool {
        text == self.0.as_str() || self.in_text(text)
    }

    /// Whether JSON names the user.
    pub(super) fn in_json(&self, json: &str) -> bool {
        // Most of it does not: what is not even there by its letters need not be read. Letters may be written as numbers.
        if !json.contains(self.0.as_str()) && !json.contains('\\') {
            return false;
        }
        serde_json::from_str(json).is_ok_and(|value| self.in_value(&value, ""))
    }

    fn in_value(&self, value: &Value, field: &str) -> bool {
        match value {
            Value::String(text) if PROSE.contains(&field) => self.in_text(text),
            Value::String(text) => self.in_name(text),
            Value::Array(values) => values.iter().any(|value| self.in_value(value, field)),
            Value::Object(fields) => {
                fields.iter().any(|(field, value)| self.in_name(field) || self.in_value(value, field))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }

    /// The text without the user.
    pub(super) fn text(&self, text: &str) -> String {
        without(text, &self.places(text))
    }

    /// A text with its entities without the user: mentions go, what stands behind moves.
    pub(super) fn said(&self, text: &mut String, entities: &mut Vec<Entity>) {
        let units = |at: usize| text[..at].encode_utf16().count() as u32;
        // The name of somebody else may begin like this one.
        let others: Vec<Range<u32>> = entities
            .iter()
            .filter(|entity| matches!(&entity.mark, Mark::Mention { user } if user != &self.0))
            .map(|entity| entity.from..entity.to)
            .collect();
        let mut places = self.places(text);
        places.retain(|place| {
            !others.iter().any(|other| other.start <= units(place.start) && units(place.end) <= other.end)
        });
        let moved: Vec<Range<u32>> = places.iter().map(|place| units(place.start)..units(place.end)).collect();
        *text = without(text, &places);
        entities.retain(|entity| !matches!(&entity.mark, Mark::Mention { user } if user == &self.0));
        for entity in entities.iter_mut() {
            (entity.from, entity.to) = (shift(&moved, entity.from, false), shift(&moved, entity.to, true));
            if let Mark::Link { url } = &mut entity.mark {
                *url = self.text(url);
            }
        }
    }

    /// JSON without the user: values that are the id become null, in lists they go, in texts somebody stands, and what they said
    /// is empty.
    pub(super) fn value(&self, value: &mut Value) {
        self.value_of(value, "");
    }

    fn value_of(&self, value: &mut Value, field: &str) {
        match value {
            Value::String(text) if text == self.0.as_str() && !PROSE.contains(&field) => *value = Value::Null,
            Value::String(text) => *text = self.text(text),
            Value::Array(values) => {
                values.retain(|value| value.as_str() != Some(self.0.as_str()) || PROSE.contains(&field));
                values.iter_mut().for_each(|value| self.value_of(value, field));
            }
            Value::Object(fields) => {
                // What somebody said, as part of something else.
                let said = AUTHORS.iter().any(|by| fields.get(*by).and_then(Value::as_str) == Some(self.0.as_str()));
                if let Some(text) = fields.get_mut(SAID).filter(|text| said && text.is_string()) {
                    *text = Value::String(String::new());
                }
                let old = std::mem::take(fields);
                *fields = old.into_iter().map(|(field, value)| self.field(field, value)).collect::<Map<_, _>>();
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn field(&self, field: String, mut value: Value) -> (String, Value) {
        self.value_of(&mut value, &field);
        let field = if field == self.0.as_str() { SOMEONE.to_owned() } else { self.text(&field) };
        (field, value)
    }
}

/// Whether what stands beside an id belongs to a longer one: a letter, or a dot with a letter behind it.
fn goes_on(mut beside: impl Iterator<Item = char>) -> bool {
    match beside.next() {
        Some('.') => beside.next().is_some_and(char::is_alphanumeric),
        Some(char) => char.is_alphanumeric() || matches!(char, '_' | '-'),
        None => false,
    }
}

fn without(text: &str, places: &[Range<usize>]) -> String {
    let mut rest = String::with_capacity(text.len());
    let mut at = 0;
    for place in places {
        rest.push_str(&text[at..place.start]);
        rest.push_str(SOMEONE);
        at = place.end;
    }
    rest.push_str(&text[at..]);
    rest
}

/// Where a unit of the old text is in the new one. Within what was replaced: at its beginning, or at its end.
fn shift(moved: &[Range<u32>], unit: u32, end: bool) -> u32 {
    let (mut old, mut new) = (0, 0);
    for place in moved {
        if unit <= place.start {
            break;
        }
        new += place.start - old;
        if unit < place.end {
            return if end { new + SOMEONE.len() as u32 } else { new };
        }
        (old, new) = (place.end, new + SOMEONE.len() as u32);
    }
    new + (unit - old)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(user: &str) -> Name {
        Name::new(UserId::parse(user).expect("a user"))
    }

    #[test]
    fn a_short_id_counts_where_it_is_marked_and_a_long_one_wherever_it_stands() {
        for (text, named) in
            [("hi @ada!", true), ("ada", false), ("ask user:ada", true), ("@adam", false), ("@ada-b", false)]
        {
            assert_eq!(name("ada").in_text(text), named, "{text}");
        }
        assert!(name("ada").in_name("ada") && name("ada").in_name("user/ada"));
        assert!(name("u-12345678").in_text("it was u-12345678.") && !name("u-12345678").in_text("u-123456789"));
    }

    #[test]
    fn json_names_by_texts_and_not_by_numbers() {
        for json in [r#"{"user":"7"}"#, r#"{"7":1}"#, r#"["7"]"#, r#"{"text":"hi @7"}"#, r#"{"user":"\u0037"}"#] {
            assert!(name("7").in_json(json), "{json}");
        }
        for json in [r#"{"v":7}"#, r#"{"text":"7"}"#, r#"{"text":"7 apples"}"#, "7"] {
            assert!(!name("7").in_json(json), "{json}");
        }
    }

    #[test]
    fn values_lose_the_user_and_nothing_else() {
        let mut value = serde_json::json!({
            "by": "ada", "owners": ["ada", "bob"], "text": "ada and @ada", "counts": {"ada": 1}, "n": 7, "more": [["ada", 1]]
        });
        name("ada").value(&mut value);
        let expected = serde_json::json!({
            "by": null, "owners": ["bob"], "text": "ada and @someone", "counts": {"someone": 1}, "n": 7, "more": [[1]]
        });
        assert_eq!(value, expected);
        assert!(!name("ada").in_value(&value, ""));
    }

    #[test]
    fn entities_move_with_their_text() {
        let mark = |mark, from, to| Entity { mark, from, to };
        let of = |user: &str| Mark::Mention { user: UserId::parse(user).expect("a user") };
        let mut text = "😀 @ada, bold @bob @ada.x".to_owned();
        let mut entities = vec![
            mark(of("ada"), 3, 7),
            mark(Mark::Italic, 0, 8),
            mark(Mark::Bold, 9, 13),
            mark(of("bob"), 14, 18),
            mark(of("ada.x"), 19, 25),
        ];
        name("ada").said(&mut text, &mut entities);
        assert_eq!(text, "😀 @someone, bold @bob @ada.x");
        let expected = vec![
            mark(Mark::Italic, 0, 12),
            mark(Mark::Bold, 13, 17),
            mark(of("bob"), 18, 22),
            mark(of("ada.x"), 23, 29),
        ];
        assert_eq!(entities, expected);
    }
}
