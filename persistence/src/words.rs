//! What a search looks for, and where that stands in a text. Knows no database: what fits is found by the index of each, and
//! both take the same for a word.

use std::ops::Range;

/// Words of one search that count; more narrow nothing down that these have not.
const WORDS_MAX: usize = 32;
/// Longest word that is searched for, in bytes. Postgres takes no word above 2,046 into its index.
const WORD_BYTES_MAX: usize = 256;

/// Words that must all occur, in small letters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Words {
    whole: Vec<String>,
    /// The beginning of a word, or all of it.
    last: String,
}

impl Words {
    /// What people typed. `None` when nothing can fit: no word, or one that is too long to be in an index.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut whole: Vec<String> = words(text).take(WORDS_MAX).map(|(_, word)| word).collect();
        if whole.iter().any(|word| word.len() > WORD_BYTES_MAX) {
            return None;
        }
        let last = whole.pop()?;
        Some(Self { whole, last })
    }

    /// The words that must occur as they are.
    pub(crate) fn whole(&self) -> &[String] {
        &self.whole
    }

    /// What a word must begin with.
    pub(crate) fn last(&self) -> &str {
        &self.last
    }

    /// The words of a text that fit, as pairs of UTF-16 units, ascending.
    pub(crate) fn highlights(&self, text: &str) -> Vec<(u32, u32)> {
        let fits = |word: &String| self.whole.contains(word) || word.starts_with(&self.last);
        let units = |part: &str| part.encode_utf16().count() as u32;
        let (mut at_byte, mut at_unit) = (0, 0);
        let mut highlights = Vec::new();
        for (place, word) in words(text) {
            let from = at_unit + units(&text[at_byte..place.start]);
            let to = from + units(&text[place.clone()]);
            (at_byte, at_unit) = (place.end, to);
            if fits(&word) {
                highlights.push((from, to));
            }
        }
        highlights
    }
}

/// The words of a text: where each stands, and in small letters.
fn words(text: &str) -> impl Iterator<Item = (Range<usize>, String)> {
    let mut from = 0;
    let pieces = text.split(|char| !is_of_word(char)).map(move |piece| {
        let place = from..from + piece.len();
        // The letter that ended it may have several bytes.
        from = place.end + text[place.end..].chars().next().map_or(0, char::len_utf8);
        (place, piece)
    });
    let pieces = pieces.filter(|(_, piece)| piece.chars().any(char::is_alphanumeric));
    pieces.map(|(place, piece)| (place, piece.to_lowercase()))
}

fn is_of_word(char: char) -> bool {
    char.is_alphanumeric() || is_mark(char)
}

/// Marks that stand on or beside a letter and are no letters themselves, of the scripts in which words have them.
fn is_mark(char: char) -> bool {
    matches!(char,
        '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{591}'..='\u{5bd}' | '\u{5bf}' | '\u{5c1}'..='\u{5c2}'
        | '\u{5c4}'..='\u{5c5}' | '\u{5c7}' | '\u{610}'..='\u{61a}' | '\u{64b}'..='\u{65f}' | '\u{670}'
        | '\u{6d6}'..='\u{6dc}' | '\u{6df}'..='\u{6e4}' | '\u{6e7}'..='\u{6e8}' | '\u{6ea}'..='\u{6ed}'
        | '\u{93c}' | '\u{94d}' | '\u{951}'..='\u{954}' | '\u{9bc}' | '\u{9cd}' | '\u{a3c}' | '\u{a4d}' | '\u{abc}'
        | '\u{acd}' | '\u{b3c}' | '\u{b4d}' | '\u{bcd}' | '\u{c4d}' | '\u{cbc}' | '\u{ccd}' | '\u{d3b}'..='\u{d3c}'
        | '\u{d4d}' | '\u{dca}' | '\u{e3a}' | '\u{e47}'..='\u{e4e}' | '\u{eba}' | '\u{ec8}'..='\u{ecd}'
        | '\u{1039}'..='\u{103a}' | '\u{17d2}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20f0}' | '\u{3099}'..='\u{309a}' | '\u{fe20}'..='\u{fe2f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<(Vec<String>, String)> {
        Words::parse(text).map(|words| (words.whole, words.last))
    }

    fn some(whole: &[&str], last: &str) -> Option<(Vec<String>, String)> {
        Some((whole.iter().map(|word| (*word).to_owned()).collect(), last.to_owned()))
    }

    #[test]
    fn words_are_letters_and_digits_with_their_marks() {
        assert_eq!(parsed("Hello,  wor"), some(&["hello"], "wor"));
        assert_eq!(parsed("v1.2 foo-bar/baz_"), some(&["v1", "2", "foo", "bar"], "baz"));
        assert_eq!(parsed("ÉTÉ e\u{301}t"), some(&["été"], "e\u{301}t"));
        assert_eq!(parsed("हिन्दी"), some(&[], "हिन्दी"));
        assert_eq!(parsed("\"a\" OR b* -- '); \\"), some(&["a", "or"], "b"));
    }

    #[test]
    fn nothing_that_can_be_searched_for_is_no_search() {
        for nothing in ["", " \t", "\"'*:()&|!\\", "\0", "😀", "\u{301}", &"x".repeat(257)] {
            assert_eq!(parsed(nothing), None, "{nothing:?}");
        }
        assert_eq!(Words::parse(&"a b ".repeat(5_000)).map(|words| words.whole.len()), Some(31));
    }

    #[test]
    fn highlights_are_the_words_that_fit_in_utf16_units() {
        let highlights = |search: &str, text: &str| Words::parse(search).map(|words| words.highlights(text));
        assert_eq!(highlights("hel", "Hello, shell"), Some(vec![(0, 5)]));
        assert_eq!(highlights("world hel", "😀 World—hello helium"), Some(vec![(3, 8), (9, 14), (15, 21)]));
        assert_eq!(highlights("a b", "c"), Some(vec![]));
        assert_eq!(highlights("x", ""), Some(vec![]));
    }
}
