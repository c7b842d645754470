//! Looks at places in JSON, named by pointers (RFC 6901), all in one pass and without a tree. Knows not what they mean.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::frame;
use crate::plan::stamp::Stamp;

/// Questions that one description may ask.
pub const MOST_QUESTIONS: usize = 64;

/// What may be asked of a place.
#[derive(Clone, PartialEq, Debug)]
pub enum Question {
    /// Whether it is there.
    There,
    /// Whether this stands there.
    Equals(Literal),
}

/// A text, number or truth.
#[derive(Clone, PartialEq, Debug)]
pub enum Literal {
    /// A text.
    Text(String),
    /// A number.
    Number(f64),
    /// A truth.
    Truth(bool),
}

/// The places that are looked at.
#[derive(Clone, Debug, Default)]
pub struct Places {
    root: Place,
    questions: usize,
}

#[derive(Clone, Debug, Default)]
struct Place {
    questions: Vec<(usize, Question)>,
    is_channel: bool,
    is_data: bool,
    below: Vec<(String, Place)>,
}

/// What was found in one text.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Found<'a> {
    /// A bit for each question that is answered with yes.
    pub yes: u64,
    /// The text at the place of the channel.
    pub channel: Option<Cow<'a, str>>,
    /// The stamp at the place of the data.
    pub stamp: Option<Stamp>,
}

impl Places {
    /// Asks something of a place; the bit of the answer. If that is not possible, why.
    pub fn ask(&mut self, pointer: &str, question: Question) -> Result<u64, String> {
        if self.questions == MOST_QUESTIONS {
            return Err(format!("a target asks for at most {MOST_QUESTIONS} places"));
        }
        let number = self.questions;
        self.at(pointer)?.questions.push((number, question));
        self.questions += 1;
        Ok(1 << number)
    }

    /// The channel stands here.
    pub fn channel_at(&mut self, pointer: &str) -> Result<(), String> {
        self.at(pointer)?.is_channel = true;
        Ok(())
    }

    /// The data stands here.
    pub fn data_at(&mut self, pointer: &str) -> Result<(), String> {
        self.at(pointer)?.is_data = true;
        Ok(())
    }

    /// Looks at a text, whose JSON begins with the first brace or bracket. Nothing is found where it is not JSON.
    pub fn look<'a>(&self, text: &'a [u8]) -> Found<'a> {
        let mut found = Found::default();
        let nothing = self.root.below.is_empty();
        let Some(at) = text.iter().position(|byte| matches!(byte, b'{' | b'[')).filter(|_| !nothing) else {
            return found;
        };
        let mut json = serde_json::Deserializer::from_slice(&text[at..]);
        if (Look { place: &self.root, found: &mut found }).deserialize(&mut json).is_err() {
            return Found::default();
        }
        found
    }

    fn at(&mut self, pointer: &str) -> Result<&mut Place, String> {
        let mut place = &mut self.root;
        for word in words(pointer)? {
            let at = match place.below.iter().position(|(below, _)| *below == word) {
                Some(at) => at,
                None => {
                    place.below.push((word, Place::default()));
                    place.below.len() - 1
                }
            };
            place = &mut place.below[at].1;
        }
        Ok(place)
    }
}

/// The text or number at a place, which may lie inside of a string that is JSON itself.
pub fn text_at(text: &[u8], pointer: &str) -> Option<String> {
    let at = text.iter().position(|byte| matches!(byte, b'{' | b'['))?;
    let mut value: Value = serde_json::from_slice(&text[at..]).ok()?;
    for word in words(pointer).ok()? {
        if let Value::String(inner) = &value {
            value = serde_json::from_str(inner).ok()?;
        }
        value = match &mut value {
            Value::Object(map) => map.remove(&word)?,
            Value::Array(list) => list.get_mut(word.parse::<usize>().ok()?)?.take(),
            _ => return None,
        };
    }
    match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Whether it is a pointer to some place below the whole; if not, what one is.
pub fn check_pointer(pointer: &str) -> Result<(), String> {
    words(pointer).map(drop)
}

fn words(pointer: &str) -> Result<Vec<String>, String> {
    let rest = pointer.strip_prefix('/').ok_or("a JSON pointer begins with /, e.g. /push/channel or /1/data")?;
    Ok(rest.split('/').map(|word| word.replace("~1", "/").replace("~0", "~")).collect())
}

/// Looks at one value, and below it.
struct Look<'p, 'f, 'a> {
    place: &'p Place,
    found: &'f mut Found<'a>,
}

impl Look<'_, '_, '_> {
    fn answer(&mut self, holds: impl Fn(&Literal) -> bool) {
        for (number, question) in &self.place.questions {
            let yes = match question {
                Question::There => true,
                Question::Equals(literal) => holds(literal),
            };
            self.found.yes |= u64::from(yes) << number;
        }
    }

    fn number(mut self, number: f64) {
        self.answer(|literal| matches!(literal, Literal::Number(other) if *other == number));
    }

    fn text(&mut self, text: &str) {
        self.answer(|literal| matches!(literal, Literal::Text(other) if other == text));
        if self.place.is_data {
            self.found.stamp = Stamp::parse(text.as_bytes());
        }
    }
}

impl<'a> DeserializeSeed<'a> for Look<'_, '_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Look<'_, '_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_borrowed_str<E>(mut self, text: &'a str) -> Result<(), E> {
        self.text(text);
        if self.place.is_channel {
            self.found.channel = Some(Cow::Borrowed(text));
        }
        Ok(())
    }

    fn visit_str<E>(mut self, text: &str) -> Result<(), E> {
        self.text(text);
        if self.place.is_channel {
            self.found.channel = Some(Cow::Owned(text.to_owned()));
        }
        Ok(())
    }

    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        self.number(number as f64);
        Ok(())
    }

    fn visit_i64<E>(self, number: i64) -> Result<(), E> {
        self.number(number as f64);
        Ok(())
    }

    fn visit_f64<E>(self, number: f64) -> Result<(), E> {
        self.number(number);
        Ok(())
    }

    fn visit_bool<E>(mut self, truth: bool) -> Result<(), E> {
        self.answer(|literal| *literal == Literal::Truth(truth));
        Ok(())
    }

    fn visit_unit<E>(mut self) -> Result<(), E> {
        self.answer(|_| false);
        Ok(())
    }

    fn visit_map<M: MapAccess<'a>>(mut self, mut map: M) -> Result<(), M::Error> {
        self.answer(|_| false);
        let (mut due_ns, mut number) = (None, None);
        while let Some(key) = map.next_key_seed(Key(self.place))? {
            match key {
                Known::Below(place) => map.next_value_seed(Look { place, found: &mut *self.found })?,
                Known::Due => due_ns = map.next_value_seed(Digits)?,
                Known::Number => number = map.next_value_seed(Digits)?,
                Known::Other => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        if let (Some(due_ns), Some(number)) = (due_ns, number) {
            self.found.stamp = Some(Stamp { due_ns, number });
        }
        Ok(())
    }

    fn visit_seq<S: SeqAccess<'a>>(mut self, mut list: S) -> Result<(), S::Error> {
        self.answer(|_| false);
        for index in 0usize.. {
            let below = self.place.below.iter().find(|(word, _)| word.parse() == Ok(index));
            let more = match below {
                Some((_, place)) => list.next_element_seed(Look { place, found: &mut *self.found })?.is_some(),
                None => list.next_element::<IgnoredAny>()?.is_some(),
            };
            if !more {
                break;
            }
        }
        Ok(())
    }
}

/// A key of an object.
struct Key<'p>(&'p Place);

/// What is to be done with its value.
enum Known<'p> {
    Below(&'p Place),
    Due,
    Number,
    Other,
}

impl<'a, 'p> DeserializeSeed<'a> for Key<'p> {
    type Value = Known<'p>;

    fn deserialize<D: Deserializer<'a>>(self, from: D) -> Result<Known<'p>, D::Error> {
        from.deserialize_str(self)
    }
}

impl<'p> Visitor<'_> for Key<'p> {
    type Value = Known<'p>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Known<'p>, E> {
        Ok(match self.0.below.iter().find(|(word, _)| word == key) {
            Some((_, place)) => Known::Below(place),
            None if self.0.is_data && key == "t" => Known::Due,
            None if self.0.is_data && key == "n" => Known::Number,
            None => Known::Other,
        })
    }
}

/// A number that is written as a text, if it is one.
struct Digits;

impl<'a> DeserializeSeed<'a> for Digits {
    type Value = Option<u64>;

    fn deserialize<D: Deserializer<'a>>(self, from: D) -> Result<Option<u64>, D::Error> {
        from.deserialize_str(self)
    }
}

impl Visitor<'_> for Digits {
    type Value = Option<u64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("digits")
    }

    fn visit_str<E>(self, text: &str) -> Result<Option<u64>, E> {
        Ok(frame::digits(text.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp { due_ns: 123, number: 7 };

    fn places() -> (Places, u64, u64) {
        let mut places = Places::default();
        let pushed = places.ask("/push/pub", Question::There).expect("a pointer");
        let named = places.ask("/id", Question::Equals(Literal::Number(1.0))).expect("a pointer");
        places.channel_at("/push/channel").expect("a pointer");
        places.data_at("/push/pub/data").expect("a pointer");
        (places, pushed, named)
    }

    #[test]
    fn places_are_found_in_any_order_and_nothing_else_is() {
        let (places, pushed, named) = places();
        let data = STAMP.data(80);
        let text = format!(r#" {{"push":{{"pub":{{"offset":1,"data":{data}}},"channel":"a"}},"id":1}}"#);
        let found = places.look(text.as_bytes());
        assert_eq!((found.yes, found.channel.as_deref(), found.stamp), (pushed | named, Some("a"), Some(STAMP)));
        for other in [r#"{"id":2,"pub":{},"channel":"a"}"#, "{}", "", "PONG", r#"{"push":"#, r#"{"id":"1"}"#] {
            assert_eq!(places.look(other.as_bytes()), Found::default(), "{other}");
        }
    }

    #[test]
    fn data_may_be_a_string_and_places_lie_in_lists() {
        let mut places = Places::default();
        let event = places.ask("/0", Question::Equals(Literal::Text("message".into()))).expect("a pointer");
        places.channel_at("/1/channel").expect("a pointer");
        places.data_at("/1/data").expect("a pointer");
        let data = serde_json::to_string(&STAMP.data(0)).expect("a string");
        let text = format!(r#"42["message",{{"channel":"a\u0062","data":{data}}}]"#);
        let found = places.look(text.as_bytes());
        assert_eq!((found.yes, found.channel.as_deref(), found.stamp), (event, Some("ab"), Some(STAMP)));
    }

    #[test]
    fn a_session_may_lie_inside_of_a_string() {
        let text = br#"{"event":"x","data":"{\"socket_id\":\"1.2\",\"n\":5}"}"#;
        assert_eq!(text_at(text, "/data/socket_id").as_deref(), Some("1.2"));
        assert_eq!(text_at(text, "/data/n").as_deref(), Some("5"));
        assert_eq!((text_at(text, "/data/other"), text_at(b"x", "/a")), (None, None));
        assert!(check_pointer("data").is_err());
    }
}
