//! Reads Rust as far as the law needs it: where comments and literals are, which part is tests, where functions end, and
//! which paths are named. No parser: what it can not see (macros that make code) it does not judge.

use std::collections::BTreeSet;
use std::ops::Range;

/// The source with comments and the insides of literals blanked. Every line stays where it is.
pub(crate) fn code_of(text: &str) -> String {
    Blanker { chars: text.chars().collect(), at: 0, out: String::with_capacity(text.len()) }.run()
}

struct Blanker {
    chars: Vec<char>,
    at: usize,
    out: String,
}

impl Blanker {
    fn run(mut self) -> String {
        while let Some(char) = self.peek(0) {
            match char {
                '/' if self.peek(1) == Some('/') => self.blank_until(|blanker| blanker.peek(0) == Some('\n')),
                '/' if self.peek(1) == Some('*') => self.blank_comment(),
                '"' => self.blank_text(),
                'r' | 'b' | 'c' if !self.after_name() && self.raw_hashes().is_some() => self.blank_raw(),
                '\'' => self.blank_char(),
                _ => self.keep(),
            }
        }
        self.out
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn keep(&mut self) {
        self.out.extend(self.peek(0));
        self.at += 1;
    }

    fn blank(&mut self) {
        self.out.push(if self.peek(0) == Some('\n') { '\n' } else { ' ' });
        self.at += 1;
    }

    fn blank_until(&mut self, end: impl Fn(&Self) -> bool) {
        while self.at < self.chars.len() && !end(self) {
            self.blank();
        }
    }

    /// Comments nest.
    fn blank_comment(&mut self) {
        let mut depth = 0;
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some('/'), Some('*')) => depth += 1,
                (Some('*'), Some('/')) => depth -= 1,
                (None, _) => return,
                _ => {
                    self.blank();
                    continue;
                }
            }
            self.blank();
            self.blank();
            if depth == 0 {
                return;
            }
        }
    }

    fn blank_text(&mut self) {
        self.keep();
        while let Some(char) = self.peek(0) {
            match char {
                '"' => return self.keep(),
                '\\' => {
                    self.blank();
                    self.blank();
                }
                _ => self.blank(),
            }
        }
    }

    fn after_name(&self) -> bool {
        self.out.chars().next_back().is_some_and(is_name)
    }

    /// How many `#` open the raw literal that begins here, and how long its opening is.
    fn raw_hashes(&self) -> Option<(usize, usize)> {
        let prefix = match (self.peek(0), self.peek(1)) {
            (Some('b' | 'c'), Some('r')) => 2,
            (Some('r'), _) => 1,
            _ => return None,
        };
        let hashes = (0..).take_while(|ahead| self.peek(prefix + ahead) == Some('#')).count();
        (self.peek(prefix + hashes) == Some('"')).then_some((hashes, prefix + hashes + 1))
    }

    fn blank_raw(&mut self) {
        let Some((hashes, opening)) = self.raw_hashes() else { return self.keep() };
        (0..opening).for_each(|_| self.keep());
        let closes =
            |blanker: &Self| blanker.peek(0) == Some('"') && (1..=hashes).all(|ahead| blanker.peek(ahead) == Some('#'));
        self.blank_until(closes);
        (0..=hashes).for_each(|_| self.keep());
    }

    /// A quote opens a character or a lifetime.
    fn blank_char(&mut self) {
        self.keep();
        if self.peek(0) == Some('\\') {
            self.blank();
            self.blank();
            self.blank_until(|blanker| blanker.peek(0) == Some('\''));
            self.keep();
        } else if self.peek(1) == Some('\'') {
            self.blank();
            self.keep();
        }
    }
}

fn is_name(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

/// The code without the modules that only tests have. Every line stays where it is.
pub(crate) fn without_tests(code: &str) -> String {
    let mut out = code.to_owned();
    for range in test_modules(code) {
        let blank: String = code[range.clone()].chars().map(|char| if char == '\n' { '\n' } else { ' ' }).collect();
        out.replace_range(range, &blank);
    }
    out
}

/// The code of the modules that only tests have.
pub(crate) fn only_tests(code: &str) -> String {
    test_modules(code).into_iter().map(|range| &code[range]).collect()
}

/// How many lines of the source are not in modules that only tests have.
pub(crate) fn lines_without_tests(text: &str) -> usize {
    let code = code_of(text);
    let in_tests: usize = test_modules(&code).into_iter().map(|range| code[range].lines().count()).sum();
    text.lines().count() - in_tests
}

/// Blanking keeps lines, not bytes, so these are ranges of the blanked code.
fn test_modules(code: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for (begin, attribute) in code.match_indices("#[cfg(test)]") {
        let rest = &code[begin + attribute.len()..];
        let is_module = rest.trim_start().starts_with("mod ") || rest.trim_start().starts_with("pub(crate) mod ");
        if let (true, Some(end)) = (is_module, end_of_body(code, begin + attribute.len())) {
            found.push(begin..end);
        }
    }
    found
}

/// Where the item that begins here ends: behind the brace that closes its body, or behind its semicolon.
fn end_of_body(code: &str, begin: usize) -> Option<usize> {
    let (mut braces, mut brackets) = (0, 0);
    for (at, char) in code[begin..].char_indices() {
        match char {
            '(' | '[' => brackets += 1,
            ')' | ']' => brackets -= 1,
            '{' => braces += 1,
            '}' => braces -= 1,
            _ => {}
        }
        if matches!(char, '}' | ';') && braces == 0 && brackets == 0 {
            return Some(begin + at + 1);
        }
    }
    None
}

/// Every function with its name, its line, and how many lines it has from its `fn` to its last brace.
pub(crate) fn functions(code: &str) -> Vec<(String, usize, usize)> {
    let mut found = Vec::new();
    for (begin, _) in code.match_indices("fn ") {
        let before = code[..begin].chars().next_back();
        let name: String = code[begin + 3..].chars().take_while(|char| is_name(*char)).collect();
        if name.is_empty() || before.is_some_and(is_name) {
            continue;
        }
        if let Some(end) = end_of_body(code, begin) {
            let line = code[..begin].lines().count().max(1);
            found.push((name, line, code[begin..end].lines().count()));
        }
    }
    found
}

/// Whether a function of this name is called.
pub(crate) fn calls(code: &str, name: &str) -> bool {
    let call = format!("{name}(");
    code.match_indices(&call).any(|(begin, _)| {
        let before = &code[..begin];
        !before.chars().next_back().is_some_and(is_name) && !before.ends_with("fn ")
    })
}

/// Every path that is named, from its first segment on: those of `use` whole (`use a::{b, c::D}` gives `a::b` and `a::c::D`),
/// and those in the code.
pub(crate) fn paths(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut rest = String::with_capacity(code.len());
    let mut at = 0;
    while let Some(begin) = code[at..].find("use ").map(|begin| at + begin) {
        let whole_word = !code[..begin].chars().next_back().is_some_and(is_name);
        let end = code[begin..].find(';').map(|end| begin + end);
        let (true, Some(end)) = (whole_word, end) else {
            rest.push_str(&code[at..begin + 4]);
            at = begin + 4;
            continue;
        };
        rest.push_str(&code[at..begin]);
        flatten("", &code[begin + 4..end], &mut found);
        at = end;
    }
    rest.push_str(&code[at..]);
    found.extend(plain_paths(&rest));
    found
}

/// One use tree: everything below `prefix`.
fn flatten(prefix: &str, tree: &str, found: &mut BTreeSet<String>) {
    let tree = tree.trim();
    let tree = tree.split(" as ").next().filter(|_| !tree.contains('{')).unwrap_or(tree).trim();
    let Some((head, list)) = tree.split_once('{') else {
        let name = tree.trim_start_matches("::");
        if !name.is_empty() {
            found.insert(format!("{prefix}{name}").trim_end_matches("::self").to_owned());
        }
        return;
    };
    let prefix = format!("{prefix}{}", head.trim().trim_start_matches("::"));
    let list = list.trim_end().strip_suffix('}').unwrap_or(list);
    for item in split_at_top(list) {
        flatten(&prefix, item, found);
    }
}

/// Splits a list at the commas that are not within braces.
fn split_at_top(list: &str) -> Vec<&str> {
    let (mut depth, mut begin, mut items) = (0, 0, Vec::new());
    for (at, char) in list.char_indices() {
        match char {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                items.push(&list[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    items.push(&list[begin..]);
    items
}

fn plain_paths(code: &str) -> impl Iterator<Item = String> {
    let words = code.split(|char: char| !is_name(char) && char != ':');
    words.map(|word| word.trim_matches(':').to_owned()).filter(|word| word.contains("::"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blanked() {
        let table = [
            ("a // b {\nc", "a       \nc"),
            ("a /* b /* c */ d */ e", "a                   e"),
            (r#"f("{\"", '{', '\'', 'x')"#, r#"f("   ", ' ', '  ', ' ')"#),
            (r##"r#"a " b"# c br"d" 'a: loop"##, r##"r#"     "# c br" " 'a: loop"##),
            ("for_r\"x\"", "for_r\" \""),
        ];
        for (text, code) in table {
            assert_eq!(code_of(text), code, "{text}");
        }
    }

    #[test]
    fn test_modules_do_not_count() {
        let text = "fn a() {\n}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\n";
        assert_eq!(lines_without_tests(text), 2);
        assert!(!without_tests(text).contains("fn b") && only_tests(text).contains("fn b"));
        assert_eq!(lines_without_tests("#[cfg(test)]\nmod tests;\n"), 0);
    }

    #[test]
    fn functions_end_at_their_brace() {
        let code = "impl A {\n    fn one(a: [u8; 2]) -> B<{ N }> {\n        if x {\n        }\n    }\n    fn two();\n}\nfn three() {}\n";
        let lengths = functions(code);
        let names: Vec<_> = lengths.iter().map(|(name, ..)| name.as_str()).collect();
        assert_eq!(names, ["one", "two", "three"]);
        assert_eq!((lengths[1].2, lengths[2].2), (1, 1));
        let plain = "fn one(a: [u8; 2]) {\n    if x {\n    }\n}\n";
        assert_eq!(functions(plain), [("one".to_owned(), 1, 4)]);
    }

    #[test]
    fn use_trees_are_flattened() {
        let code = "use a::{self, b::{C, D as E}, f};\nuse g::h as i;\nlet x = j::k::<l::M>(n);\nlet cause = 1;\n";
        let found: Vec<_> = paths(code).into_iter().collect();
        assert_eq!(found, ["a", "a::b::C", "a::b::D", "a::f", "g::h", "j::k", "l::M"]);
    }
}
