//! Words for messages: made of syllables from a seed, chosen by Zipf. A few are in a fifth of all messages and more, most in a handful.

use std::collections::HashSet;

use crate::plan::dice::Dice;
use crate::plan::zipf::Popularity;

const CONSONANTS: &[u8; 16] = b"bdfghjklmnprstvz";
const VOWELS: &[u8; 5] = b"aeiou";
/// What its dice are for.
const PURPOSE: u64 = u64::MAX;
/// Syllables of the longest words. Nothing longer begins with one of these, so that a search for it finds it alone.
pub(super) const LONGEST: usize = 4;

/// All words, the most popular first.
#[derive(Debug)]
pub(super) struct Words {
    list: Vec<String>,
    popularity: Popularity,
}

impl Words {
    pub(super) fn new(count: usize, seed: u64) -> Self {
        let mut dice = Dice::of(seed, PURPOSE, 0);
        // It mentions the whole room.
        let mut seen = HashSet::from(["here".to_owned()]);
        let mut list = Vec::with_capacity(count);
        while list.len() < count {
            let syllables = match list.len() * 100 / count {
                0 => 2,
                1..30 => 3,
                _ => LONGEST,
            };
            let word = word(syllables, &mut dice);
            if seen.insert(word.clone()) {
                list.push(word);
            }
        }
        Self { popularity: Popularity::zipf(list.len(), 1.0), list }
    }

    pub(super) fn count(&self) -> usize {
        self.list.len()
    }

    pub(super) fn text(&self, number: usize) -> &str {
        &self.list[number]
    }

    /// The number of one of them.
    pub(super) fn choose(&self, dice: &mut Dice) -> usize {
        self.popularity.choose(dice)
    }
}

fn word(syllables: usize, dice: &mut Dice) -> String {
    let mut word = String::with_capacity(2 * syllables);
    for _ in 0..syllables {
        word.push(char::from(CONSONANTS[dice.below(CONSONANTS.len())]));
        word.push(char::from(VOWELS[dice.below(VOWELS.len())]));
    }
    word
}

/// In how many messages of a room each word is, and where those are that are in few.
#[derive(Debug)]
pub(super) struct Counted {
    messages: u64,
    counts: Vec<u32>,
    /// The first ordinals of each.
    places: Vec<Vec<u32>>,
}

/// In so many messages at most is a rare word: all of them stand on one page of hits.
pub(super) const RARE: usize = 20;

impl Counted {
    pub(super) fn new(words: usize) -> Self {
        Self { messages: 0, counts: vec![0; words], places: vec![Vec::new(); words] }
    }

    /// Counts a message.
    pub(super) fn add(&mut self, ordinal: u64, words: &[usize]) {
        self.messages += 1;
        for (at, word) in words.iter().enumerate() {
            if words[..at].contains(word) {
                continue;
            }
            self.counts[*word] += 1;
            if self.places[*word].len() <= RARE {
                self.places[*word].push(ordinal as u32);
            }
        }
    }

    /// In how many messages a word is.
    pub(super) fn of(&self, word: usize) -> u64 {
        u64::from(self.counts[word])
    }

    /// All ordinals of a rare word.
    pub(super) fn places(&self, word: usize) -> &[u32] {
        &self.places[word]
    }

    /// Words that are in a part of the messages, from and up to.
    pub(super) fn between(&self, from: f64, to: f64) -> Vec<usize> {
        let share = |word: &usize| f64::from(self.counts[*word]) / self.messages.max(1) as f64;
        (0..self.counts.len()).filter(|word| (from..=to).contains(&share(word))).collect()
    }

    /// Words that are in a handful of messages, and begin no other word.
    pub(super) fn rare(&self, words: &Words) -> Vec<usize> {
        let is_rare = |word: &usize| (1..=RARE).contains(&(self.counts[*word] as usize));
        (0..self.counts.len()).filter(is_rare).filter(|word| words.text(*word).len() == 2 * LONGEST).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_different_and_the_same_for_the_same_seed() {
        let words = Words::new(2_000, 3);
        let different: HashSet<&String> = words.list.iter().collect();
        assert_eq!(different.len(), 2_000);
        assert!(!words.list.contains(&"here".to_owned()));
        assert_eq!(words.list, Words::new(2_000, 3).list);
        assert_ne!(words.list, Words::new(2_000, 4).list);
    }

    #[test]
    fn some_words_are_common_and_most_are_rare() {
        let (words, mut dice) = (Words::new(10_000, 1), Dice::new(1));
        let mut counted = Counted::new(words.count());
        for ordinal in 1..=5_000 {
            counted.add(ordinal, &(0..12).map(|_| words.choose(&mut dice)).collect::<Vec<_>>());
        }
        let (common, rare) = (counted.between(0.2, 1.0), counted.rare(&words));
        assert!((2..20).contains(&common.len()) && rare.len() > 1_000, "{} {}", common.len(), rare.len());
        let word = rare[0];
        assert_eq!(counted.places(word).len() as u64, counted.of(word));
        counted.add(5_001, &[word, word]);
        assert_eq!(counted.places(word).last(), Some(&5_001));
    }
}
