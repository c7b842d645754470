//! Whether a message names a user. Knows no database: backends read the log, this looks at what they have read.

use std::borrow::Cow;

use hubbub_protocol::channel::UserId;

/// How many messages one step reads.
pub(crate) const STEP: u32 = 1_000;

/// What a message says about people.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Said<'a> {
    pub(crate) author: Option<&'a str>,
    /// The publisher, the key, the conflate key.
    pub(crate) names: [Option<&'a str>; 3],
    /// JSON.
    pub(crate) data: &'a str,
}

impl Said<'_> {
    /// Whether the user is the author, or stands as a word of its own in one of the others.
    pub(crate) fn names(&self, user: &UserId) -> bool {
        let user = user.as_str();
        self.author == Some(user)
            || self.names.into_iter().flatten().any(|name| holds(name, user))
            || holds(self.data, user)
            || (self.data.contains('\\') && holds(&unescaped(self.data), user))
    }
}

/// Whether the name stands in the text and goes on neither before nor behind. Names may have dots and other signs in them:
/// one that is the beginning of such a longer name counts, since a sentence ends with a dot too.
fn holds(text: &str, name: &str) -> bool {
    let goes_on = |char: char| char.is_alphanumeric() || matches!(char, '_' | '-');
    text.match_indices(name).any(|(at, _)| {
        !text[..at].chars().next_back().is_some_and(goes_on)
            && !text[at + name.len()..].chars().next().is_some_and(goes_on)
    })
}

/// JSON with the letters that it may write as numbers or behind a backslash written plainly. Not JSON any more.
fn unescaped(json: &str) -> Cow<'_, str> {
    let mut plain = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find('\\') {
        plain.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let code = rest.strip_prefix('u').and_then(|digits| u32::from_str_radix(digits.get(..4)?, 16).ok());
        if let Some(char) = code.and_then(char::from_u32) {
            plain.push(char);
            rest = &rest[5..];
        } else {
            // A line feed and its like are no letters of a name either.
            let escaped = rest.chars().next();
            plain.push(escaped.filter(|char| !char.is_alphanumeric()).unwrap_or(' '));
            rest = &rest[escaped.map_or(0, char::len_utf8)..];
        }
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(user: &str, author: Option<&str>, publisher: Option<&str>, data: &str) -> bool {
        let user = UserId::parse(user).expect("a user");
        Said { author, names: [publisher, None, None], data }.names(&user)
    }

    #[test]
    fn a_user_is_named_as_author_publisher_or_anywhere_in_the_data() {
        assert!(names("u1", Some("u1"), None, "1"));
        assert!(names("u1", None, Some("user/u1"), "1"));
        for data in
            [r#"{"user":"u1"}"#, r#""hello @u1.""#, r#"{"u1":1}"#, r#""\u0075\u0031""#, r#""a\nu1""#, "\"u1\u{301}\""]
        {
            assert!(names("u1", Some("u2"), Some("user/u2"), data), "{data}");
        }
        assert!(names("a/b", None, None, r#""a\/b""#));
    }

    #[test]
    fn a_longer_name_is_another_name() {
        for data in [r#""u12""#, r#""xu1""#, r#""u1_a""#, r#""u1-a""#, r#""éu1""#, r#""\u0075""#, r#""\u""#, r#""\\""#]
        {
            assert!(!names("u1", Some("u12"), Some("user/u12"), data), "{data}");
        }
    }
}
