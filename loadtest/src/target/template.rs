//! Texts with placeholders. Between double quotes a placeholder is written as JSON writes it in a string; elsewhere it stands as
//! it is. Knows not what is sent.

use std::borrow::Cow;
use std::collections::BTreeMap;

/// What a placeholder stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Name {
    /// The channel, as the target calls it; in `channel` itself as the scenario does.
    Channel,
    /// The part of the scenario's name before the colon.
    Namespace,
    /// The part behind it.
    Rest,
    /// The user: `person-0`, `person-1` …
    User,
    /// A token of that user (JWT, HS256 with `--secret`).
    Token,
    /// What the greeting called the session.
    Session,
    /// The number of the request on its connection.
    Id,
    /// The data of a message: JSON.
    Data,
    /// Its length in bytes.
    Bytes,
    /// The key of `--api-key`.
    ApiKey,
    /// Seconds since 1970.
    Time,
    /// The MD5 of the body, in hexadecimal digits.
    Md5,
    /// The signature of what `sign` says, in hexadecimal digits.
    Signature,
}

const NAMES: [(Name, &str); 13] = [
    (Name::Channel, "channel"),
    (Name::Namespace, "namespace"),
    (Name::Rest, "name"),
    (Name::User, "user"),
    (Name::Token, "token"),
    (Name::Session, "session"),
    (Name::Id, "id"),
    (Name::Data, "data"),
    (Name::Bytes, "bytes"),
    (Name::ApiKey, "api_key"),
    (Name::Time, "time"),
    (Name::Md5, "md5"),
    (Name::Signature, "signature"),
];

/// What the placeholders of a text stand for this time; empty where nothing was given.
#[derive(Clone, Copy, Debug, Default)]
pub struct Values<'a>([&'a str; NAMES.len()]);

impl<'a> Values<'a> {
    /// The same and one more.
    #[must_use]
    pub fn with(mut self, name: Name, value: &'a str) -> Self {
        self.0[name as usize] = value;
        self
    }
}

/// A text with placeholders.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Template(Vec<Part>);

#[derive(Clone, PartialEq, Eq, Debug)]
enum Part {
    Text(String),
    Value { name: Name, quoted: bool },
}

impl Template {
    /// Takes a text apart: these placeholders it may have, and the file's own, which are filled in now. If it can not be used, why.
    pub fn parse(text: &str, allowed: &[Name], own: &BTreeMap<String, String>) -> Result<Self, String> {
        let (mut parts, mut plain, mut rest, mut quotes) = (Vec::new(), String::new(), text, Quotes::default());
        while let Some(at) = rest.find('{') {
            let (before, from) = rest.split_at(at);
            plain.push_str(before);
            quotes.pass(before);
            let Some(word) = word(from) else {
                // A brace of JSON.
                plain.push('{');
                rest = &from[1..];
                continue;
            };
            rest = &from[word.len() + 2..];
            let known = NAMES.iter().find(|(name, called)| *called == word && allowed.contains(name));
            match (known, own.get(word)) {
                (Some((name, _)), _) => {
                    parts.push(Part::Text(std::mem::take(&mut plain)));
                    parts.push(Part::Value { name: *name, quoted: quotes.open });
                }
                (None, Some(value)) => plain.push_str(&escaped(value, quotes.open)),
                (None, None) => return Err(unknown(word, allowed, own)),
            }
        }
        plain.push_str(rest);
        parts.push(Part::Text(plain));
        Ok(Self(parts))
    }

    /// Whether it has this placeholder.
    pub fn has(&self, wanted: Name) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Value { name, .. } if *name == wanted))
    }

    /// The text.
    pub fn fill(&self, values: &Values<'_>) -> String {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::Value { name, quoted } => text.push_str(&escaped(values.0[*name as usize], *quoted)),
            }
        }
        text
    }
}

/// The word of a placeholder that the text begins with: small letters, digits and underscores between braces.
fn word(text: &str) -> Option<&str> {
    let word = text.strip_prefix('{')?.split_once('}')?.0;
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (!word.is_empty() && word.bytes().all(fits)).then_some(word)
}

fn unknown(word: &str, allowed: &[Name], own: &BTreeMap<String, String>) -> String {
    let names = NAMES.iter().filter(|(name, _)| allowed.contains(name)).map(|(_, called)| *called);
    let all: Vec<_> = names.chain(own.keys().map(String::as_str)).map(|name| format!("{{{name}}}")).collect();
    format!("{{{word}}} stands for nothing here; there are {}, and those under [values]", all.join(", "))
}

/// Whether a place is between double quotes.
#[derive(Default)]
struct Quotes {
    open: bool,
}

impl Quotes {
    fn pass(&mut self, text: &str) {
        let mut escaped = false;
        for byte in text.bytes() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = self.open,
                b'"' => self.open = !self.open,
                _ => {}
            }
        }
    }
}

fn escaped(value: &str, quoted: bool) -> Cow<'_, str> {
    let plain = |byte: u8| byte >= b' ' && byte != b'"' && byte != b'\\';
    if !quoted || value.bytes().all(plain) {
        return Cow::Borrowed(value);
    }
    let json = serde_json::to_string(value).unwrap_or_default();
    Cow::Owned(json[1..json.len() - 1].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> Result<String, String> {
        let own = BTreeMap::from([("key".to_owned(), "k\"1".to_owned())]);
        let template = Template::parse(text, &[Name::Channel, Name::Data], &own)?;
        Ok(template.fill(&Values::default().with(Name::Channel, "a:b").with(Name::Data, r#"{"t":"1"}"#)))
    }

    #[test]
    fn placeholders_in_strings_are_escaped_and_others_stand_as_they_are() {
        for (text, expected) in [
            (r#"{"channel":"{channel}","data":{data}}"#, r#"{"channel":"a:b","data":{"t":"1"}}"#),
            (r#"{"data":"{data}","k":"{key}"}"#, r#"{"data":"{\"t\":\"1\"}","k":"k\"1"}"#),
            (r#"{"a":"\"{data}","b":{data}}"#, r#"{"a":"\"{\"t\":\"1\"}","b":{"t":"1"}}"#),
            ("PUB {channel}\r\n{data}\r\n", "PUB a:b\r\n{\"t\":\"1\"}\r\n"),
            ("{}", "{}"),
            ("{ {channel} } {", "{ a:b } {"),
        ] {
            assert_eq!(filled(text).as_deref(), Ok(expected));
        }
        // An escaped quote at the end of what stands before does not close the string.
        assert_eq!(filled(r#""\\{data}""#).as_deref(), Ok(r#""\\{\"t\":\"1\"}""#));
    }

    #[test]
    fn others_are_named_with_those_there_are() {
        let why = filled("{token}").expect_err("not here");
        assert!(why.contains("{token}") && why.contains("{channel}, {data}, {key}"), "{why}");
    }
}
