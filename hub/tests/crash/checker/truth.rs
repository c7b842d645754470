//! What stands where in a channel, by all that anybody saw of it. A window is known by epoch; a durable log as a whole, since its
//! offsets mean the same in every epoch. Knows nothing of readers.

use std::collections::{HashMap, HashSet};

use hubbub_protocol::{Epoch, MessageId, Position};

use super::{Entry, Kind, Log, Violation};

/// The places of one channel.
pub(super) struct Truth<'a> {
    log: &'a Log,
    places: HashMap<Place, MessageId>,
    keys: HashMap<(u64, String), u64>,
    /// Which messages carry a key.
    carriers: HashMap<String, HashSet<MessageId>>,
    acknowledged: Vec<(Position, MessageId)>,
    /// Up to which offset an older epoch is said to be the same as a newer one.
    agreed: HashMap<(u64, u64), u64>,
}

/// An epoch, or 0 for all of them, and an offset.
type Place = (u64, u64);

impl<'a> Truth<'a> {
    /// Begins with the log itself.
    pub(super) fn new(log: &'a Log, found: &mut Vec<Violation>) -> Self {
        let mut truth = Self {
            log,
            places: HashMap::new(),
            keys: HashMap::new(),
            carriers: HashMap::new(),
            acknowledged: Vec::new(),
            agreed: HashMap::new(),
        };
        // A window may have let go of its beginning.
        let mut expected = match log.kind {
            Kind::Durable => log.after + 1,
            Kind::Window => log.entries.first().map_or(1, |entry| entry.position.offset),
        };
        for entry in &log.entries {
            if entry.position.offset != expected {
                found.push(Violation::Hole { channel: log.channel.clone(), offset: expected });
            }
            expected = entry.position.offset + 1;
            truth.saw(entry, found);
        }
        // Of a window that holds nothing any more nobody can say more than its head.
        if expected != log.head.offset + 1 && !(log.kind == Kind::Window && log.entries.is_empty()) {
            found.push(Violation::Hole { channel: log.channel.clone(), offset: expected });
        }
        truth
    }

    /// Somebody saw this: it must be the same for everybody.
    pub(super) fn saw(&mut self, entry: &Entry, found: &mut Vec<Violation>) {
        let (life, offset) = (self.life(entry.position.epoch), entry.position.offset);
        let first = *self.places.entry((life, offset)).or_insert(entry.id);
        if first != entry.id {
            self.two_truths(offset, first, entry.id, found);
        }
        let first = *self.keys.entry((life, entry.key.clone())).or_insert(offset);
        if first != offset {
            let (channel, key) = (self.log.channel.clone(), entry.key.clone());
            found.push(Violation::Twice { channel, key, first, second: offset });
        }
        self.carriers.entry(entry.key.clone()).or_default().insert(entry.id);
    }

    /// An acknowledged message is where its acknowledgement says.
    pub(super) fn acknowledged(&mut self, entry: &Entry, found: &mut Vec<Violation>) {
        self.acknowledged.push((entry.position, entry.id));
        if self.log.kind == Kind::Window || entry.position.offset > self.log.after {
            self.saw(entry, found);
        }
    }

    /// The hub told that up to here the old epoch and the new one are the same.
    pub(super) fn agree(&mut self, at: Position, new: Epoch) {
        let (old, new) = (self.life(at.epoch), self.life(new));
        if old != new {
            let agreed = self.agreed.entry((old, new)).or_insert(0);
            *agreed = at.offset.max(*agreed);
        }
    }

    /// What can be said when everything is known; answers how many keys were appended again.
    pub(super) fn end(&self, found: &mut Vec<Violation>) -> usize {
        for (&(old, new), &to) in &self.agreed {
            let both = |offset: &u64| Some((self.places.get(&(old, *offset))?, self.places.get(&(new, *offset))?));
            for offset in 1..=to {
                if let Some((first, second)) = both(&offset).filter(|(first, second)| first != second) {
                    self.two_truths(offset, *first, *second, found);
                }
            }
        }
        let kept: HashMap<u64, MessageId> =
            self.log.entries.iter().map(|entry| (entry.position.offset, entry.id)).collect();
        for (position, id) in &self.acknowledged {
            if self.must_be_kept(*position) && kept.get(&position.offset) != Some(id) {
                let channel = self.log.channel.clone();
                found.push(Violation::Lost { channel, id: *id, offset: position.offset });
            }
        }
        self.carriers.values().map(|ids| ids.len() - 1).sum()
    }

    /// A window keeps what was acknowledged as far back as it reaches, in its last epoch and in those that agree with it.
    fn must_be_kept(&self, position: Position) -> bool {
        let Position { epoch, offset } = position;
        match self.log.kind {
            Kind::Durable => offset > self.log.after,
            Kind::Window => {
                let oldest = self.log.entries.first().map_or(u64::MAX, |entry| entry.position.offset);
                offset >= oldest && offset <= self.agreed_with_the_last(epoch.to_u64())
            }
        }
    }

    /// Up to which offset an epoch is known to agree with the last one, over any number of others.
    fn agreed_with_the_last(&self, epoch: u64) -> u64 {
        let last = self.log.head.epoch.to_u64();
        let mut known = HashMap::from([(last, u64::MAX)]);
        let mut news = vec![last];
        while let Some(new) = news.pop() {
            let to = known[&new];
            for (&(old, _), &agreed) in self.agreed.iter().filter(|((_, into), _)| *into == new) {
                let here = known.entry(old).or_insert(0);
                if agreed.min(to) > *here {
                    *here = agreed.min(to);
                    news.push(old);
                }
            }
        }
        known.get(&epoch).copied().unwrap_or(0)
    }

    fn life(&self, epoch: Epoch) -> u64 {
        match self.log.kind {
            Kind::Durable => 0,
            Kind::Window => epoch.to_u64(),
        }
    }

    fn two_truths(&self, offset: u64, first: MessageId, second: MessageId, found: &mut Vec<Violation>) {
        found.push(Violation::TwoTruths { channel: self.log.channel.clone(), offset, first, second });
    }
}
