//! What is published: which channel, how long, under which conflate key, message by message.

use super::cast::Cast;
use super::dice::Dice;
use super::scenario::{Between, DataBytes, Publish};

/// One message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Post {
    /// The channel, as an index into the names.
    pub channel: usize,
    /// Length of `data`.
    pub data_bytes: usize,
    /// The number of its conflate key.
    pub conflate_key: Option<usize>,
}

/// Makes messages.
#[derive(Clone, Debug)]
pub struct Posts {
    seed: u64,
    data_bytes: DataBytes,
    conflate_keys: usize,
}

/// A purpose of dice.
const POSTS: u64 = 3;

impl Posts {
    /// Those of a scenario.
    pub fn of(seed: u64, publish: &Publish) -> Self {
        Self { seed, data_bytes: publish.data_bytes, conflate_keys: publish.conflate_keys }
    }

    /// Message `number`: 0, 1, 2 …
    pub fn post(&self, cast: &Cast, number: u64) -> Post {
        let mut dice = Dice::of(self.seed, POSTS, number);
        let channel = cast.channel(&mut dice);
        let conflate_key = (self.conflate_keys > 0).then(|| dice.below(self.conflate_keys));
        Post { channel, data_bytes: self.bytes(&mut dice), conflate_key }
    }

    /// The length of one message.
    pub fn bytes(&self, dice: &mut Dice) -> usize {
        match self.data_bytes {
            DataBytes::Fixed(bytes) => bytes,
            DataBytes::Between(Between { from, to }) => from + dice.below(to - from + 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Scenario;

    #[test]
    fn messages_are_the_same_for_the_same_seed_and_within_their_bounds() {
        let text = "name = \"x\"\n[people]\ncount = 3\n[[channels]]\ntemplate = \"feed:{n}\"\ncount = 9\n\
                    [publish]\ndata_bytes = { from = 70, to = 90 }\nconflate_keys = 4\n";
        let scenario = Scenario::parse(text, &[]).expect("right");
        let cast = Cast::of(&scenario).expect("right");
        let make = |seed| {
            let posts = Posts::of(seed, &scenario.publish);
            (0..1_000).map(|number| posts.post(&cast, number)).collect::<Vec<_>>()
        };
        assert!(make(1) == make(1) && make(1) != make(2));
        for post in make(1) {
            assert!(post.channel < 9 && (70..=90).contains(&post.data_bytes) && post.conflate_key < Some(4));
        }
    }
}
