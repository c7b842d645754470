//! What is asked, and what has to be answered: drawn from a seed, over all positions, words and rooms.

use serde_json::{Value, json};

use super::fill::{Filled, id_of};
use super::words::RARE;
use super::world::{LARGE, World};
use crate::LoadError;
use crate::plan::dice::Dice;

/// Messages of a page, and hits of a search: what clients ask for that do not say how many.
const PAGE: u64 = 50;
const HITS: usize = 20;
/// Letters that somebody has typed who looks for a word.
const TYPED: usize = 3;
/// In what part of the messages common words are at least, and those in the middle.
const COMMON: (f64, f64) = (0.2, 1.0);
const MIDDLING: (f64, f64) = (0.001, 0.01);

macro_rules! kinds {
    ($($(#[$doc:meta])+ $kind:ident = $name:literal beside $control:expr;)+) => {
        /// A kind of question.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(super) enum Kind { $($(#[$doc])+ $kind,)+ }

        impl Kind {
            pub(super) const ALL: &'static [Self] = &[$(Self::$kind),+];

            pub(super) fn name(self) -> &'static str {
                match self { $(Self::$kind => $name),+ }
            }

            /// The same with next to nothing to look through; of those themselves no work at all.
            pub(super) fn control(self) -> Option<Self> {
                match self { $(Self::$kind => $control),+ }
            }
        }
    };
}

kinds! {
    /// The newest page of the large room.
    Newest = "page newest" beside Some(Self::SmallPage);
    /// The page before a message.
    Before = "page before" beside Some(Self::SmallPage);
    /// The page behind a message.
    After = "page after" beside Some(Self::SmallPage);
    /// A page around a message, by its id.
    Jump = "jump" beside Some(Self::SmallJump);
    /// All rooms of somebody who is in many, with what is unread.
    List = "list" beside Some(Self::SmallList);
    /// A word that is in a handful of messages of the large room.
    Rare = "search rare" beside Some(Self::SmallSearch);
    /// A word that is in some thousand.
    Middling = "search middling" beside Some(Self::SmallSearch);
    /// A word that is in a fifth of them and more.
    Common = "search common" beside Some(Self::SmallSearch);
    /// Two words of a message.
    Two = "search two words" beside Some(Self::SmallSearch);
    /// The first letters of a word.
    Prefix = "search prefix" beside Some(Self::SmallSearch);
    /// Any of these, in all rooms of the reader.
    Everywhere = "search everywhere" beside Some(Self::SmallSearch);
    /// The only page of a small room.
    SmallPage = "small page" beside Some(Self::Health);
    /// A jump in a small room.
    SmallJump = "small jump" beside Some(Self::Health);
    /// The list of somebody who is in one room.
    SmallList = "small list" beside Some(Self::Health);
    /// A word of a small room.
    SmallSearch = "small search" beside Some(Self::Health);
    /// Whether the hub is well.
    Health = "health" beside None;
}

impl Kind {
    /// What is asked in turns: looking around, and searching. Whoever waits for a search is not in the way of others then.
    pub(super) const PARTS: &'static [&'static [Self]] = &[
        &[
            Self::Newest,
            Self::Before,
            Self::After,
            Self::Jump,
            Self::List,
            Self::SmallPage,
            Self::SmallJump,
            Self::SmallList,
            Self::Health,
        ],
        &[
            Self::Rare,
            Self::Middling,
            Self::Common,
            Self::Two,
            Self::Prefix,
            Self::Everywhere,
            Self::SmallSearch,
            Self::Health,
        ],
    ];

    /// Whether it is there only to be compared with.
    pub(super) fn is_control(self) -> bool {
        matches!(self, Self::SmallPage | Self::SmallJump | Self::SmallList | Self::SmallSearch | Self::Health)
    }
}

/// One question.
#[derive(Debug)]
pub(super) struct Question {
    /// Who asks.
    pub(super) user: String,
    /// The operation; none for whether the hub is well.
    pub(super) op: Option<&'static str>,
    pub(super) body: Value,
    expected: Expected,
}

/// What has to be answered.
#[derive(Debug)]
enum Expected {
    /// Messages from and up to these ordinals.
    Page { room: usize, from: u64, to: u64 },
    /// All rooms of a reader; of the newcomer theirs.
    List { reader: Option<usize> },
    /// Messages with these words, the last one perhaps unfinished.
    Hits { reader: usize, within: Option<usize>, words: Vec<String>, places: Option<Vec<u32>>, at_least: usize },
    /// Anything.
    Well,
}

/// Asks about a world that was filled in.
#[derive(Debug)]
pub(super) struct Questions<'a> {
    world: &'a World,
    filled: &'a Filled,
    seed: u64,
    /// The people of the large room.
    crowd: Vec<String>,
    rare: Vec<usize>,
    middling: Vec<usize>,
    common: Vec<usize>,
}

impl<'a> Questions<'a> {
    pub(super) fn new(world: &'a World, filled: &'a Filled, seed: u64) -> Result<Self, LoadError> {
        let counted = &filled.counted;
        let (rare, middling, common) =
            (counted.rare(&world.words), counted.between(MIDDLING.0, MIDDLING.1), counted.between(COMMON.0, COMMON.1));
        if rare.is_empty() || middling.is_empty() || common.is_empty() {
            return Err(LoadError::Start("too few words or messages: none is rare, or none is common".into()));
        }
        Ok(Self { world, filled, seed, crowd: world.people(LARGE), rare, middling, common })
    }

    /// In how many messages the rarest and the most common words are.
    pub(super) fn spread(&self) -> String {
        let most = |words: &[usize]| words.iter().map(|word| self.filled.counted.of(*word)).max().unwrap_or(0);
        let least = |words: &[usize]| words.iter().map(|word| self.filled.counted.of(*word)).min().unwrap_or(0);
        let [rare, middling, common] = [&self.rare, &self.middling, &self.common]
            .map(|words| format!("{} in {} to {}", words.len(), least(words), most(words)));
        format!("words of messages of the large room: rare {rare}; middling {middling}; common {common}")
    }

    /// Question `number` of a kind.
    pub(super) fn ask(&self, kind: Kind, number: u64) -> Question {
        let mut dice = Dice::of(self.seed, 1_000_000_000 + kind as u64, number);
        let reader = dice.below(self.world.readers());
        let small = 1 + reader;
        match kind {
            Kind::Newest => self.page(reader, LARGE, json!({}), (u64::MAX, 0)),
            Kind::SmallPage => self.page(reader, small, json!({}), (u64::MAX, 0)),
            Kind::Before => {
                let before = 2 + self.below(LARGE, &mut dice);
                self.page(reader, LARGE, json!({ "before": before }), (before, 0))
            }
            Kind::After => {
                let after = self.below(LARGE, &mut dice);
                self.page(reader, LARGE, json!({ "after": after }), (after + 1, PAGE))
            }
            Kind::Jump => self.jump(reader, LARGE, &mut dice),
            Kind::SmallJump => self.jump(reader, small, &mut dice),
            Kind::List => of(World::reader(reader), "rooms", json!({}), Expected::List { reader: Some(reader) }),
            Kind::SmallList => of(World::NEWCOMER.into(), "rooms", json!({}), Expected::List { reader: None }),
            Kind::Rare => self.search_word(reader, Some(LARGE), &self.rare, &mut dice),
            Kind::Middling => self.search_word(reader, Some(LARGE), &self.middling, &mut dice),
            Kind::Common => self.search_word(reader, Some(LARGE), &self.common, &mut dice),
            Kind::Two => {
                let words = self.words_of(LARGE, &mut dice);
                let first = words[dice.below(words.len())].clone();
                let others: Vec<_> = words.into_iter().filter(|word| *word != first).collect();
                let second = others.get(dice.below(others.len())).cloned();
                self.search(reader, Some(LARGE), std::iter::once(first).chain(second).collect(), 1)
            }
            Kind::Prefix => {
                let words = self.words_of(LARGE, &mut dice);
                let typed = words[dice.below(words.len())][..TYPED].to_owned();
                self.search(reader, Some(LARGE), vec![typed], 1)
            }
            Kind::Everywhere => {
                let words = [&self.rare, &self.middling, &self.common][number as usize % 3];
                self.search_word(reader, None, words, &mut dice)
            }
            Kind::SmallSearch => {
                let words = self.words_of(small, &mut dice);
                let word = words[dice.below(words.len())].clone();
                self.search(reader, Some(small), vec![word], 1)
            }
            Kind::Health => Question { op: None, ..of(World::NEWCOMER.into(), "", json!(null), Expected::Well) },
        }
    }

    fn below(&self, room: usize, dice: &mut Dice) -> u64 {
        dice.below(self.world.messages(room) as usize) as u64
    }

    /// Words of one of the messages of a room, whichever.
    fn words_of(&self, room: usize, dice: &mut Dice) -> Vec<String> {
        let people = self.world.people(room);
        let said = self.world.said(room, 1 + self.below(room, dice), &people);
        said.words.iter().map(|word| self.world.words.text(*word).to_owned()).collect()
    }

    /// A page that has everything before one place, up to a page, and so many messages from there on.
    fn page(&self, reader: usize, room: usize, mut body: Value, (at, behind): (u64, u64)) -> Question {
        let messages = self.world.messages(room);
        let older = if behind == 0 { PAGE } else { PAGE - behind };
        let from = at.min(messages + 1).saturating_sub(older).max(1);
        let to = at.saturating_add(behind).min(messages + 1) - 1;
        body["channel"] = json!(World::channel(room));
        of(World::reader(reader), "messages", body, Expected::Page { room, from, to })
    }

    fn jump(&self, reader: usize, room: usize, dice: &mut Dice) -> Question {
        let ordinal = 1 + self.below(room, dice);
        let id = id_of(self.world, room, ordinal).to_string();
        self.page(reader, room, json!({ "around": id }), (ordinal, PAGE / 2))
    }

    fn search_word(&self, reader: usize, within: Option<usize>, words: &[usize], dice: &mut Dice) -> Question {
        let word = words[dice.below(words.len())];
        let count = self.filled.counted.of(word) as usize;
        let mut question = self.search(reader, within, vec![self.world.words.text(word).to_owned()], count.min(HITS));
        if let Expected::Hits { places, .. } = &mut question.expected {
            let whole = within.is_some() && (1..=RARE).contains(&count);
            *places = whole.then(|| self.filled.counted.places(word).to_vec());
        }
        question
    }

    fn search(&self, reader: usize, within: Option<usize>, words: Vec<String>, at_least: usize) -> Question {
        let mut body = json!({ "text": words.join(" ") });
        if let Some(room) = within {
            body["channel"] = json!(World::channel(room));
        }
        of(World::reader(reader), "search", body, Expected::Hits { reader, within, words, places: None, at_least })
    }

    /// What is wrong with an answer.
    pub(super) fn check(&self, question: &Question, answer: &Value) -> Result<(), String> {
        match &question.expected {
            Expected::Page { room, from, to } => self.check_page(*room, *from, *to, answer),
            Expected::List { reader } => self.check_list(*reader, answer),
            Expected::Hits { reader, within, words, places, at_least } => {
                let hits = answer["hits"].as_array().ok_or("no hits")?;
                if !(*at_least..=HITS).contains(&hits.len()) {
                    return Err(format!("{} hits, where there have to be {at_least}", hits.len()));
                }
                hits.iter().try_for_each(|hit| self.check_hit(*reader, *within, words, hit))?;
                let mut found: Vec<u64> = hits.iter().filter_map(|hit| hit["message"]["ordinal"].as_u64()).collect();
                found.sort_unstable();
                match places {
                    Some(places) if !found.iter().copied().eq(places.iter().map(|place| u64::from(*place))) => {
                        Err(format!("found {found:?}, and not {places:?}"))
                    }
                    _ => Ok(()),
                }
            }
            Expected::Well => Ok(()),
        }
    }

    fn check_page(&self, room: usize, from: u64, to: u64, answer: &Value) -> Result<(), String> {
        let (messages, all) = (answer["messages"].as_array().ok_or("no messages")?, self.world.messages(room));
        if messages.len() as u64 != to + 1 - from || answer["room"]["messages"] != all {
            let count = messages.len();
            return Err(format!(
                "{count} messages of {}, where {from} to {to} of {all} are",
                answer["room"]["messages"]
            ));
        }
        if answer["before"] != (from > 1) || answer["after"] != (to < all) {
            return Err(format!(
                "says that there are {} before {from} and {} behind {to}",
                answer["before"], answer["after"]
            ));
        }
        let people = self.people(room);
        (from..).zip(messages).try_for_each(|(ordinal, message)| self.check_message(room, ordinal, message, &people))
    }

    fn check_message(&self, room: usize, ordinal: u64, message: &Value, people: &[String]) -> Result<(), String> {
        let said = self.world.said(room, ordinal, people);
        let right = message["ordinal"] == ordinal
            && message["text"] == *said.text
            && message["from"] == *said.author
            && message["id"] == *id_of(self.world, room, ordinal).to_string()
            && message["time"] == self.world.time(room, ordinal);
        if right { Ok(()) } else { Err(format!("{message} where {ordinal} of {} is", World::channel(room))) }
    }

    fn people(&self, room: usize) -> std::borrow::Cow<'_, [String]> {
        if room == LARGE { (&*self.crowd).into() } else { self.world.people(room).into() }
    }

    fn check_list(&self, reader: Option<usize>, answer: &Value) -> Result<(), String> {
        let rooms = answer["rooms"].as_array().ok_or("no rooms")?;
        let expected: Vec<usize> = match reader {
            Some(reader) => self.world.rooms_of(reader).collect(),
            None => vec![self.world.rooms() - 1],
        };
        if rooms.len() != expected.len() {
            return Err(format!("{} rooms, and not {}", rooms.len(), expected.len()));
        }
        rooms.iter().zip(expected).try_for_each(|(entry, room)| {
            let read = reader.map_or(0, |reader| self.world.read(room, reader));
            let (messages, mentions) = (self.world.messages(room), &self.filled.mentions_all[room]);
            let named = mentions.iter().filter(|ordinal| **ordinal > read).count();
            let right = entry["room"]["channel"] == *World::channel(room)
                && entry["room"]["last"]["ordinal"] == messages
                && entry["unread"] == messages - read
                && entry["mentions"] == named
                && entry["offset"] == self.filled.heads[room];
            if right { Ok(()) } else { Err(format!("{entry}, where {} is unread and {named} name", messages - read)) }
        })
    }

    fn check_hit(&self, reader: usize, within: Option<usize>, words: &[String], hit: &Value) -> Result<(), String> {
        let wrong = || format!("{hit} for {words:?}");
        let room = hit["channel"].as_str().and_then(World::room_of).ok_or_else(wrong)?;
        let seen = within.map_or_else(|| self.world.rooms_of(reader).any(|other| other == room), |other| other == room);
        let (text, ordinal) = (hit["message"]["text"].as_str(), hit["message"]["ordinal"].as_u64());
        let (Some(text), Some(ordinal), true) = (text, ordinal, seen) else { return Err(wrong()) };
        let (last, whole) = words.split_last().ok_or_else(wrong)?;
        let there = |word: &String| text.split(' ').any(|said| said == word);
        if !whole.iter().all(there) || !text.split(' ').any(|said| said.starts_with(last.as_str())) {
            return Err(wrong());
        }
        self.check_message(room, ordinal, &hit["message"], &self.people(room))
    }
}

fn of(user: String, op: &'static str, body: Value, expected: Expected) -> Question {
    Question { user, op: Some(op), body, expected }
}
