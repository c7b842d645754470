//! Grants: which operations a token allows on which channels, as its `allow` claim says. Decides nothing about
//! namespaces; that is the policy's part.

use std::fmt;
use std::sync::Arc;

use hubbub_protocol::channel::{CHANNEL_MAX, ChannelName};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};

use crate::namespace::Operation;

/// Most patterns of one token.
pub const PATTERNS_MAX: usize = 256;

/// A set of operations.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Operations(u8);

impl Operations {
    /// None of them.
    pub const NONE: Self = Self(0);
    /// All of them.
    pub const ALL: Self = Self(0b1_1111);

    /// This set and one more.
    pub fn with(self, operation: Operation) -> Self {
        Self(self.0 | Self::bit(operation))
    }

    /// What is in either set.
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in both sets.
    pub fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether the operation is in the set.
    pub fn contains(self, operation: Operation) -> bool {
        self.0 & Self::bit(operation) != 0
    }

    /// The set as five bits.
    pub fn bits(self) -> u8 {
        self.0
    }

    /// The set of five bits; `None` when there are others.
    pub fn from_bits(bits: u8) -> Option<Self> {
        (bits & !Self::ALL.0 == 0).then_some(Self(bits))
    }

    fn bit(operation: Operation) -> u8 {
        match operation {
            Operation::Subscribe => 1,
            Operation::Publish => 2,
            Operation::History => 4,
            Operation::Presence => 8,
            Operation::Moderate => 16,
        }
    }
}

impl FromIterator<Operation> for Operations {
    fn from_iter<I: IntoIterator<Item = Operation>>(operations: I) -> Self {
        operations.into_iter().fold(Self::NONE, Self::with)
    }
}

impl fmt::Debug for Operations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all =
            [Operation::Subscribe, Operation::Publish, Operation::History, Operation::Presence, Operation::Moderate];
        f.debug_set().entries(all.into_iter().filter(|operation| self.contains(*operation))).finish()
    }
}

/// Not a pattern of channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a pattern is a channel name, the beginning of one followed by `*`, or `*` alone; `*` stands only at the end")]
pub struct PatternError;

/// A channel name, or a beginning that all meant channels share.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ChannelPattern {
    stem: Arc<str>,
    /// Whether anything may follow the stem.
    open: bool,
}

impl ChannelPattern {
    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        match text.strip_suffix('*') {
            Some(stem) => {
                let plain = stem.len() < CHANNEL_MAX && stem.bytes().all(|b| b.is_ascii_graphic() && b != b'*');
                if plain { Ok(Self { stem: stem.into(), open: true }) } else { Err(PatternError) }
            }
            None => {
                let name = ChannelName::parse(text).map_err(|_| PatternError)?;
                Ok(Self { stem: name.as_str().into(), open: false })
            }
        }
    }

    /// The pattern of exactly one channel.
    pub fn exact(channel: &ChannelName) -> Self {
        Self { stem: channel.as_str().into(), open: false }
    }

    /// Whether the channel is meant.
    pub fn matches(&self, channel: &ChannelName) -> bool {
        if self.open { channel.as_str().starts_with(&*self.stem) } else { channel.as_str() == &*self.stem }
    }
}

/// What one entry of `allow` says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Capability {
    /// Which channels.
    pub pattern: ChannelPattern,
    /// What may be done there.
    pub operations: Operations,
}

/// What a token allows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Grants {
    /// The token says nothing: the `allow` list of each namespace counts.
    Defaults,
    /// Only this, whatever the namespaces allow.
    Explicit(Arc<[Capability]>),
}

impl Grants {
    /// What is allowed on a channel whose namespace allows `defaults`.
    pub fn on(&self, channel: &ChannelName, defaults: Operations) -> Operations {
        match self {
            Self::Defaults => defaults,
            Self::Explicit(capabilities) => capabilities
                .iter()
                .filter(|capability| capability.pattern.matches(channel))
                .fold(Operations::NONE, |all, capability| all.union(capability.operations)),
        }
    }
}

/// Reads the `allow` claim: `{"live:*": ["subscribe", "publish"], …}`. It is never `Defaults`.
impl<'de> Deserialize<'de> for Grants {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(AllowVisitor)
    }
}

struct AllowVisitor;

impl<'de> Visitor<'de> for AllowVisitor {
    type Value = Grants;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`allow` as an object of patterns and lists of operations")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Grants, A::Error> {
        let mut capabilities = Vec::new();
        while let Some(pattern) = map.next_key::<PatternText>()? {
            if capabilities.len() == PATTERNS_MAX {
                return Err(A::Error::custom(format_args!("`allow` may hold at most {PATTERNS_MAX} patterns")));
            }
            let words: Vec<Word> = map.next_value()?;
            let operations = words.into_iter().fold(Operations::NONE, |all, word| all.union(word.operations()));
            capabilities.push(Capability { pattern: pattern.0, operations });
        }
        Ok(Grants::Explicit(capabilities.into()))
    }
}

struct PatternText(ChannelPattern);

impl<'de> Deserialize<'de> for PatternText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        ChannelPattern::parse(&text).map(Self).map_err(D::Error::custom)
    }
}

/// `*` stands for every operation.
#[derive(serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    Subscribe,
    Publish,
    History,
    Presence,
    Moderate,
    #[serde(rename = "*")]
    All,
}

impl Word {
    fn operations(self) -> Operations {
        let one = match self {
            Self::All => return Operations::ALL,
            Self::Subscribe => Operation::Subscribe,
            Self::Publish => Operation::Publish,
            Self::History => Operation::History,
            Self::Presence => Operation::Presence,
            Self::Moderate => Operation::Moderate,
        };
        Operations::NONE.with(one)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn channel(text: &str) -> ChannelName {
        ChannelName::parse(text).expect("a channel")
    }

    #[test]
    fn patterns_match_whole_names_or_beginnings() {
        let table = [
            ("chat:lobby", "chat:lobby", true),
            ("chat:lobby", "chat:lobby2", false),
            ("chat:*", "chat:lobby", true),
            ("chat:*", "chats:lobby", false),
            ("chat:lob*", "chat:lobby", true),
            ("chat:lob*", "chat:lo", false),
            ("chat:lobby*", "chat:lobby", true),
            ("*", "live:x", true),
        ];
        for (pattern, name, expected) in table {
            let parsed = ChannelPattern::parse(pattern).expect(pattern);
            assert_eq!(parsed.matches(&channel(name)), expected, "{pattern} on {name}");
        }
    }

    #[test]
    fn other_texts_are_not_patterns() {
        let long = format!("chat:{}*", "x".repeat(CHANNEL_MAX));
        for bad in ["", "chat", "chat:", "*:x", "chat:*x", "**", "chat:**", "chat:a b*", "ch\u{e4}t:*", &long] {
            assert_eq!(ChannelPattern::parse(bad), Err(PatternError), "{bad}");
        }
    }

    #[test]
    fn the_allow_claim_is_authoritative() {
        let grants: Grants =
            serde_json::from_str(r#"{"live:*":["subscribe"],"live:a":["publish"],"feed:*":["*"],"chat:x":[]}"#)
                .expect("valid");
        let defaults = Operations::ALL;
        let both = Operations::NONE.with(Operation::Subscribe).with(Operation::Publish);
        assert_eq!(grants.on(&channel("live:b"), defaults), Operations::NONE.with(Operation::Subscribe));
        assert_eq!(grants.on(&channel("live:a"), defaults), both);
        assert_eq!(grants.on(&channel("feed:a"), defaults), Operations::ALL);
        assert_eq!(grants.on(&channel("chat:x"), defaults), Operations::NONE);
        assert_eq!(grants.on(&channel("chat:y"), defaults), Operations::NONE);
        assert_eq!(Grants::Defaults.on(&channel("chat:y"), both), both);
    }

    #[test]
    fn broken_allow_claims_are_refused() {
        let many =
            format!("{{{}}}", (0..=PATTERNS_MAX).map(|i| format!("\"live:{i}\":[]")).collect::<Vec<_>>().join(","));
        for bad in
            ["null", "[]", "\"*\"", "{\"chat:*\":\"*\"}", "{\"chat:*\":[\"fly\"]}", "{\"a*b\":[\"publish\"]}", &many]
        {
            assert!(serde_json::from_str::<Grants>(bad).is_err(), "{bad:.60}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(?s).{0,300}", json in "[\\[\\]{}\":,*a-z0-9 ]{0,120}") {
            if let Ok(pattern) = ChannelPattern::parse(&text) {
                let _ = pattern.matches(&channel("chat:lobby"));
            }
            let _ = serde_json::from_str::<Grants>(&json);
        }

        #[test]
        fn five_bits_are_a_set(bits in any::<u8>()) {
            prop_assert_eq!(Operations::from_bits(bits).map(Operations::bits), (bits < 32).then_some(bits));
        }
    }
}
