//! Who is there and follows what.

use hubbub_protocol::ChannelName;

use super::PlanError;
use super::dice::Dice;
use super::scenario::Scenario;
use super::template::Template;
use super::zipf::Popularity;

/// A person's part.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Role {
    /// The number of the person: 0, 1, 2 …
    pub number: usize,
    /// The channels, as indices into the names.
    pub follows: Vec<usize>,
    /// Reads a stream instead of a WebSocket.
    pub stream: bool,
    /// Reads slowly.
    pub slow: bool,
    /// Goes through tunnels.
    pub tunnel: bool,
}

/// Channels of one kind among all.
#[derive(Clone, Debug)]
struct Kind {
    first: usize,
    popularity: Popularity,
    per_person: usize,
    own: bool,
}

/// The people and channels of a scenario.
#[derive(Clone, Debug)]
pub struct Cast {
    /// All channels.
    pub names: Vec<ChannelName>,
    kinds: Vec<Kind>,
    weights: Popularity,
    shares: [f64; 3],
    seed: u64,
    people: usize,
}

/// Purposes of dice.
const FOLLOWS: u64 = 1;
const SHARES: u64 = 2;

impl Cast {
    /// The cast of a scenario.
    pub fn of(scenario: &Scenario) -> Result<Self, PlanError> {
        let (mut names, mut kinds) = (Vec::new(), Vec::new());
        for channels in &scenario.channels {
            let template = Template::parse(&channels.template)?;
            let own = template.is_per_person();
            let count = if own { scenario.people.count } else { channels.count };
            let popularity = Popularity::zipf(count, channels.zipf);
            kinds.push(Kind { first: names.len(), popularity, per_person: channels.per_person, own });
            for number in 0..count {
                names.push(template.name(number)?);
            }
        }
        let weights = Popularity::of(scenario.channels.iter().map(|channels| channels.weight));
        let shares = [scenario.people.sse_share, scenario.slow.share, scenario.tunnel.share];
        Ok(Self { names, kinds, weights, shares, seed: scenario.seed, people: scenario.people.count })
    }

    /// How many people there are.
    pub fn people(&self) -> usize {
        self.people
    }

    /// The part of a person, whoever else there is.
    pub fn role(&self, number: usize) -> Role {
        let mut dice = Dice::of(self.seed, FOLLOWS, number as u64);
        let mut follows = Vec::new();
        for kind in &self.kinds {
            let chosen = match kind.own {
                true => vec![number],
                false => kind.popularity.choose_different(kind.per_person, &mut dice),
            };
            follows.extend(chosen.into_iter().map(|index| kind.first + index));
        }
        let mut dice = Dice::of(self.seed, SHARES, number as u64);
        let [stream, slow, tunnel] = self.shares.map(|share| dice.share() < share);
        Role { number, follows, stream, slow, tunnel }
    }

    /// The channel of one message.
    pub fn channel(&self, dice: &mut Dice) -> usize {
        let kind = &self.kinds[self.weights.choose(dice)];
        kind.first + kind.popularity.choose(dice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cast(seed: u64) -> Cast {
        let text = format!(
            "name = \"x\"\nseed = {seed}\n[people]\ncount = 1000\nsse_share = 0.25\n\
             [[channels]]\ntemplate = \"live:room-{{n}}\"\ncount = 50\nzipf = 1.0\nper_person = 3\n\
             [[channels]]\ntemplate = \"user:{{person}}\"\nweight = 3\n"
        );
        Cast::of(&Scenario::parse(&text, &[]).expect("right")).expect("right")
    }

    #[test]
    fn the_same_seed_makes_the_same_plan() {
        let roles = |seed| {
            let cast = cast(seed);
            (0..1_000).map(|number| cast.role(number)).collect::<Vec<_>>()
        };
        let (one, again, other) = (roles(1), roles(1), roles(2));
        assert!(one == again && one != other);
    }

    #[test]
    fn everybody_follows_different_rooms_and_a_channel_of_their_own() {
        let cast = cast(1);
        let (mut first, mut last, mut streams) = (0, 0, 0);
        for number in 0..cast.people() {
            let role = cast.role(number);
            let mut rooms = role.follows[..3].to_vec();
            rooms.sort_unstable();
            rooms.dedup();
            assert!(role.follows.len() == 4 && rooms.len() == 3 && rooms[2] < 50);
            assert_eq!(cast.names[role.follows[3]].as_str(), format!("user:person-{number}"));
            first += usize::from(rooms.contains(&0));
            last += usize::from(rooms.contains(&49));
            streams += usize::from(role.stream);
        }
        assert!(first > 300 && last < 100 && (200..300).contains(&streams), "{first} {last} {streams}");
    }

    #[test]
    fn messages_are_divided_by_weight() {
        let (cast, mut dice) = (cast(1), Dice::new(1));
        let rooms = (0..10_000).filter(|_| cast.channel(&mut dice) < 50).count();
        assert!((2_300..2_700).contains(&rooms), "{rooms}");
    }
}
