//! What a text may be, and what is mentioned in it. Pure, and total on input.

use super::post::{Attachment, Entity, Mark, Unfurl};
use super::words::Role;
use crate::channel::UserId;

/// Most characters of a message.
pub const TEXT_CHARS: usize = 8_000;
/// Most bytes of a message.
pub const TEXT_BYTES: usize = 16 * 1024;
/// Most combining marks behind one another.
pub const MARKS: usize = 8;
/// Most entities of a message.
pub const ENTITIES: usize = 200;
/// Most people that a message names.
pub const MENTIONS: usize = 50;
/// Most attachments of a message.
pub const ATTACHMENTS: usize = 10;
/// Longest URL, in bytes.
pub const URL_BYTES: usize = 2_048;
/// Longest emoji of a reaction, in bytes.
pub const EMOJI_BYTES: usize = 64;

/// Why a text is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Nothing to see.
    #[error("`{0}` is empty: it needs something visible")]
    Empty(&'static str),
    /// Too long.
    #[error("`{what}` has at most {chars} characters and {bytes} bytes")]
    Long {
        /// What.
        what: &'static str,
        /// Most characters.
        chars: usize,
        /// Most bytes.
        bytes: usize,
    },
    /// A character that changes how others are shown, or means nothing to people.
    #[error("`{what}` holds the character U+{code:04X}, which is not allowed there")]
    Character {
        /// What.
        what: &'static str,
        /// Which one.
        code: u32,
    },
    /// A tower of marks.
    #[error("`{0}` has more than {MARKS} combining marks behind one another")]
    Marks(&'static str),
    /// Stretches that do not fit the text.
    #[error("`entities` are at most {ENTITIES} stretches in order, each inside the text and not empty")]
    Entities,
    /// A kind that clients can not say.
    #[error("`entities` from clients are formats and links; the hub finds mentions by itself")]
    Mentions,
    /// Not a link.
    #[error("`{0}` must be an absolute URL ({1}) of at most {URL_BYTES} bytes without spaces")]
    Url(&'static str, &'static str),
    /// Not an attachment.
    #[error(
        "`attachments` are at most {ATTACHMENTS}, each with id (200 bytes), name (255), type (100), size and an https url"
    )]
    Attachments,
    /// Not an emoji.
    #[error("`emoji` is 1 to {EMOJI_BYTES} bytes without spaces and control characters")]
    Emoji,
}

/// The rules of one kind of text.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// What it is called in errors.
    pub what: &'static str,
    /// Most characters.
    pub chars: usize,
    /// Most bytes.
    pub bytes: usize,
    /// Whether it may have lines.
    pub lines: bool,
    /// Whether it may show nothing.
    pub empty: bool,
}

/// Of a message.
pub const MESSAGE: Rules = Rules { what: "text", chars: TEXT_CHARS, bytes: TEXT_BYTES, lines: true, empty: false };
/// Of the name of a room.
pub const NAME: Rules = Rules { what: "name", chars: 100, bytes: 400, lines: false, empty: false };
/// Of a topic.
pub const TOPIC: Rules = Rules { what: "topic", chars: 1_000, bytes: 4_000, lines: true, empty: true };
/// Of a reason.
pub const REASON: Rules = Rules { what: "reason", chars: 500, bytes: 2_000, lines: true, empty: true };

/// A text that people can be shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Text(String);

impl Text {
    /// Checks a text by its rules and keeps it as it came.
    pub fn parse(text: &str, rules: Rules) -> Result<Self, TextError> {
        let Rules { what, chars, bytes, lines, empty } = rules;
        if text.len() > bytes || text.chars().count() > chars {
            return Err(TextError::Long { what, chars, bytes });
        }
        let (mut marks, mut visible) = (0, false);
        for char in text.chars() {
            if is_refused(char, lines) {
                return Err(TextError::Character { what, code: char.into() });
            }
            // What is not seen parts no tower.
            marks = if is_mark(char) {
                marks + 1
            } else if is_invisible(char) {
                marks
            } else {
                0
            };
            if marks > MARKS {
                return Err(TextError::Marks(what));
            }
            visible |= !char.is_whitespace() && !is_mark(char) && !is_invisible(char);
        }
        if visible || empty { Ok(Self(text.to_owned())) } else { Err(TextError::Empty(what)) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text.
    pub fn into_string(self) -> String {
        self.0
    }
}

/// Control characters, direction overrides and embeddings, tags, and what is no character.
fn is_refused(char: char, lines: bool) -> bool {
    let line = matches!(char, '\n' | '\t');
    (char.is_control() && !(lines && line))
        || matches!(char, '\u{202a}'..='\u{202e}' | '\u{2028}' | '\u{2029}' | '\u{fff9}'..='\u{fffb}')
        || matches!(u32::from(char), 0xe0000..=0xe001f)
        || (u32::from(char) & 0xfffe) == 0xfffe
}

/// Characters that are painted onto the one before.
fn is_mark(char: char) -> bool {
    matches!(u32::from(char),
        0x0300..=0x036f | 0x0483..=0x0489 | 0x0591..=0x05bd | 0x0610..=0x061a | 0x064b..=0x065f | 0x06d6..=0x06dc
        | 0x0e31 | 0x0e34..=0x0e3a | 0x0e47..=0x0e4e | 0x1ab0..=0x1aff | 0x1dc0..=0x1dff | 0x20d0..=0x20ff
        | 0x302a..=0x302f | 0x3099 | 0x309a | 0xfe20..=0xfe2f)
}

/// Characters without a picture.
fn is_invisible(char: char) -> bool {
    matches!(u32::from(char),
        0x00ad | 0x034f | 0x061c | 0x115f | 0x1160 | 0x17b4 | 0x17b5 | 0x180b..=0x180f | 0x200b..=0x200f
        | 0x2060..=0x206f | 0x2800 | 0x3164 | 0xfe00..=0xfe0f | 0xfeff | 0xffa0 | 0xe0020..=0xe007f | 0xe0100..=0xe01ef)
}

/// Checks the stretches that a client says.
pub fn check_entities(text: &str, entities: &[Entity]) -> Result<(), TextError> {
    let length = text.encode_utf16().count() as u32;
    if entities.len() > ENTITIES {
        return Err(TextError::Entities);
    }
    let mut at = 0;
    for entity in entities {
        if entity.from < at || entity.from >= entity.to || entity.to > length {
            return Err(TextError::Entities);
        }
        at = entity.from;
        match &entity.mark {
            Mark::Link { url } => check_url("entities.url", url, &["http://", "https://", "mailto:"])?,
            mark if mark.is_format() => {}
            _ => return Err(TextError::Mentions),
        }
    }
    Ok(())
}

/// Checks a URL.
pub fn check_url(what: &'static str, url: &str, schemes: &'static [&'static str]) -> Result<(), TextError> {
    let known = schemes.iter().any(|scheme| url.len() > scheme.len() && url.starts_with(scheme));
    let clean = url.len() <= URL_BYTES && !url.chars().any(|char| char.is_whitespace() || char.is_control());
    let names = if schemes.len() == 1 { "https" } else { "http, https or mailto" };
    if known && clean { Ok(()) } else { Err(TextError::Url(what, names)) }
}

/// Checks what goes with a message.
pub fn check_attachments(attachments: &[Attachment]) -> Result<(), TextError> {
    let fits = |text: &str, most: usize| {
        let rules = Rules { what: "attachments", chars: most, bytes: most, lines: false, empty: false };
        Text::parse(text, rules).is_ok()
    };
    let good = |attachment: &Attachment| {
        let Attachment { id, name, media, size, url } = attachment;
        fits(id, 200)
            && fits(name, 255)
            && fits(media, 100)
            && *size <= super::NEVER
            && check_url("attachments.url", url, &["https://"]).is_ok()
    };
    let all = attachments.len() <= ATTACHMENTS && attachments.iter().all(good);
    if all { Ok(()) } else { Err(TextError::Attachments) }
}

/// Checks what the links of a message lead to.
pub fn check_unfurls(unfurls: &[Unfurl]) -> Result<(), TextError> {
    if unfurls.len() > 10 {
        return Err(TextError::Long { what: "unfurls", chars: 10, bytes: URL_BYTES });
    }
    for Unfurl { url, title, description, image } in unfurls {
        check_url("unfurls.url", url, &["http://", "https://", "mailto:"])?;
        Text::parse(title, Rules { what: "unfurls.title", chars: 300, bytes: 300, lines: false, empty: true })?;
        let rules = Rules { what: "unfurls.description", chars: 1_000, bytes: 1_000, lines: true, empty: true };
        Text::parse(description, rules)?;
        if let Some(image) = image {
            check_url("unfurls.image", image, &["https://"])?;
        }
    }
    Ok(())
}

/// Checks an emoji: any short text without spaces, so that custom ones have names.
pub fn check_emoji(emoji: &str) -> Result<(), TextError> {
    let rules = Rules { what: "emoji", chars: EMOJI_BYTES, bytes: EMOJI_BYTES, lines: false, empty: false };
    let clean = Text::parse(emoji, rules).is_ok() && !emoji.chars().any(char::is_whitespace);
    if clean { Ok(()) } else { Err(TextError::Emoji) }
}

/// Whom a text may name, and where. Which of them are members is not known here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Named {
    /// What may be a user.
    User(UserId),
    /// Everybody.
    All,
    /// Those of a role.
    Role(Role),
}

/// Finds `@names`: at the beginning of a word, the longest run of characters that a user may have, without the punctuation at its
/// end. Where a name with its punctuation is another one, whoever knows the members decides: both are told, the longer first.
pub fn names_in(text: &str) -> Vec<(Named, u32, u32)> {
    let (mut found, mut unit, mut before) = (Vec::new(), 0_u32, ' ');
    for (at, char) in text.char_indices() {
        if char == '@' && !before.is_alphanumeric() {
            named_at(&text[at + 1..], unit, &mut found);
        }
        unit += char.len_utf16() as u32;
        before = char;
    }
    found
}

fn named_at(rest: &str, from: u32, found: &mut Vec<(Named, u32, u32)>) {
    let end = rest.find(|char: char| UserId::parse(char.encode_utf8(&mut [0; 4])).is_err() || char == '@');
    let run = &rest[..end.unwrap_or(rest.len())];
    let bare =
        run.trim_end_matches(['.', ':', ';', '!', '-', '_', ')', ']', '/', '~', '=', '+', '$', '|', '^', '(', '[']);
    for name in [run, bare] {
        // Names are ASCII: bytes are units.
        let to = from + 1 + name.len() as u32;
        let named = match name {
            "here" | "all" => Named::All,
            "moderators" => Named::Role(Role::Moderator),
            "owners" => Named::Role(Role::Owner),
            name => match UserId::parse(name) {
                Ok(user) => Named::User(user),
                Err(_) => continue,
            },
        };
        if found.last().is_none_or(|(last, at, _)| (last, *at) != (&named, from)) {
            found.push((named, from, to));
        }
    }
}

/// Whether there is a link in it, marked or not.
pub fn has_link(text: &str, entities: &[Entity]) -> bool {
    let lower = text.to_lowercase();
    entities.iter().any(|entity| matches!(entity.mark, Mark::Link { .. }))
        || ["http://", "https://", "www."].iter().any(|scheme| lower.contains(scheme))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_kept_or_refused_by_rule() {
        let combining = |count| format!("a{}", "\u{301}".repeat(count));
        for good in
            ["hi", "a\nb\tc", "שלום", "👩‍👩‍👧", "e\u{301}", &combining(MARKS), "\u{2067}x\u{2069}", &"x".repeat(TEXT_CHARS)]
        {
            assert!(Text::parse(good, MESSAGE).is_ok(), "{good}");
        }
        for bad in [
            "",
            " \n",
            "\u{200b}",
            "\u{301}",
            "\u{200d}\u{feff}",
            "a\0b",
            "a\u{202e}b",
            "a\u{7}b",
            "\u{2028}x",
            "a\u{ffff}",
            &combining(MARKS + 1),
            &combining(30_000),
            &format!("a{}", "\u{301}\u{200d}".repeat(MARKS + 1)),
            &"x".repeat(TEXT_CHARS + 1),
            "\u{e0001}x",
        ] {
            assert!(Text::parse(bad, MESSAGE).is_err(), "{bad:?}");
        }
        assert!(Text::parse("two\nlines", NAME).is_err() && Text::parse("", TOPIC).is_ok());
    }

    #[test]
    fn entities_lie_in_the_text_in_order() {
        let bold = |from, to| Entity { mark: Mark::Bold, from, to };
        // The smiley is two units.
        assert!(check_entities("😀ab", &[bold(0, 2), bold(2, 4), bold(3, 4)]).is_ok());
        for bad in [vec![bold(0, 5)], vec![bold(2, 2)], vec![bold(2, 3), bold(1, 2)], vec![bold(0, 1); ENTITIES + 1]] {
            assert_eq!(check_entities("😀ab", &bad), Err(TextError::Entities));
        }
        let link = |url: &str| [Entity { mark: Mark::Link { url: url.into() }, from: 0, to: 1 }];
        assert!(check_entities("a", &link("https://example.org/x")).is_ok());
        for bad in ["javascript:alert(1)", "https://", "data:text/html,x", "https://a b", " https://a", "//a"] {
            assert!(check_entities("a", &link(bad)).is_err(), "{bad}");
        }
        let user = UserId::parse("u").expect("a user");
        let mention = [Entity { mark: Mark::Mention { user }, from: 0, to: 1 }];
        assert_eq!(check_entities("a", &mention), Err(TextError::Mentions));
    }

    #[test]
    fn names_begin_words_and_leave_punctuation() {
        let named = |text: &str| {
            names_in(text).into_iter().map(|(named, from, to)| (format!("{named:?}"), from, to)).collect::<Vec<_>>()
        };
        let user = |name: &str, from, to| (format!("User({name:?})"), from, to);
        assert_eq!(named("hi @bob!"), [user("bob!", 3, 8), user("bob", 3, 7)]);
        assert_eq!(named("😀@bob, @ann"), [user("bob", 2, 6), user("ann", 8, 12)]);
        assert_eq!(named("a@b.org"), [], "an address is not a mention");
        assert_eq!(named("@here @moderators"), [("All".to_owned(), 0, 5), ("Role(Moderator)".to_owned(), 6, 17)]);
        assert_eq!(named("@аlice"), [], "a letter that only looks like one");
        assert_eq!(named("@"), []);
        assert_eq!(named("@b\u{200b}ob"), [user("b", 0, 2)], "an invisible letter ends the name");
    }

    #[test]
    fn links_and_emoji() {
        assert!(has_link("see HTTPS://x", &[]) && has_link("www.x.org", &[]) && !has_link("ww.x", &[]));
        assert!(check_emoji("👍🏽").is_ok() && check_emoji(":party:").is_ok());
        assert!(check_emoji("a b").is_err() && check_emoji("").is_err() && check_emoji(&"x".repeat(65)).is_err());
    }
}
