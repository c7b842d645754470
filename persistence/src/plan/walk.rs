//! The walk over a batch: item after item, as if each came in a batch of its own.

use std::collections::{HashMap, HashSet};

use hubbub_protocol::channel::ChannelKey;
use hubbub_protocol::{Message, MessageId, Position};

use super::decide::{Decision, decide};
use super::keys::{HeldKey, ScopedKey, digest, judge, scope};
use super::named::Named;
use super::storable::{check_act, check_offset, check_time, check_verdict};
use super::{Known, Placed, Plan, Planned};
use crate::batch::{Item, Outcome};
use crate::log::{Append, Appended};
use crate::records::view::{Changes, View};
use crate::records::{Act, Acted, Event, Question, Verdict};
use crate::store::StoreError;

/// Plans the batch. An act whose answers are missing is passed over, so that those behind it ask in the same round; the
/// plan then counts for nothing.
pub(crate) fn plan<'a>(named: &Named<'a>, known: &Known) -> Planned<'a> {
    let mut walk = Walk {
        named,
        known,
        heads: known.heads.clone(),
        held: known.keys.clone(),
        fresh: HashSet::new(),
        ids: named.has_acts().then(HashSet::new),
        messages: Vec::with_capacity(named.items.len()),
        records: Changes::default(),
        erased: Vec::new(),
        asked: HashSet::new(),
    };
    let answers = named.items.iter().enumerate().map(|(number, item)| walk.step(number, item)).collect();
    let Walk { heads, held, fresh, messages, records, erased, asked, .. } = walk;
    if !asked.is_empty() {
        return Planned::Asking(asked.into_iter().collect());
    }
    let mut keys: Vec<_> = fresh.into_iter().filter_map(|key| held.get(&key).map(|held| (key, *held))).collect();
    keys.sort_unstable_by_key(|(_, key)| (key.time, key.offset));
    Planned::Whole(Plan { messages, keys, heads, records, erased, answers })
}

/// What a batch has come to so far.
struct Walk<'a, 'k> {
    named: &'k Named<'a>,
    known: &'k Known,
    heads: Vec<u64>,
    /// Keys that were used before, those of the batch included.
    held: HashMap<ScopedKey, HeldKey>,
    /// Which of them are of the batch.
    fresh: HashSet<ScopedKey>,
    /// Ids of the batch by channel; without acts the database alone looks for repeated ones.
    ids: Option<HashSet<(usize, MessageId)>>,
    messages: Vec<Placed<'a>>,
    records: Changes,
    erased: Vec<(usize, u64)>,
    /// What acts miss.
    asked: HashSet<Question>,
}

impl<'a> Walk<'a, '_> {
    fn step(&mut self, number: usize, item: &'a Item) -> Result<Outcome, StoreError> {
        let Some(home) = self.named.homes[number] else {
            return Err(StoreError::Refused("an act names no channel".into()));
        };
        let key = scope(item).map(|scope| (home, scope));
        let held = key.and_then(|key| self.held.get(&key));
        if let Some(answer) = held.and_then(|held| judge(item, held, self.known.epoch)) {
            return Ok(answer);
        }
        match item {
            Item::Append(append) => {
                let placed = self.append(home, append).map_err(StoreError::Refused)?;
                self.keep_key(key, item, placed.0, placed.1);
                let (position, id, time) = (Position::new(self.known.epoch, placed.1), append.id, append.time);
                Ok(Outcome::Appended(Appended::At { id, position, time, duplicate: false }))
            }
            Item::Act(act) => self.act(home, key, item, &**act).map(Outcome::Acted),
        }
    }

    /// Answers id and offset.
    fn append(&mut self, channel: usize, append: &'a Append) -> Result<(MessageId, u64), String> {
        let offset = self.heads[channel] + 1;
        check_offset(&append.channel, offset)?;
        check_time(append.time)?;
        let message = append.message(Some(Position::new(self.known.epoch, offset)));
        self.place(channel, offset, &append.publisher, message);
        Ok((append.id, offset))
    }

    fn act(
        &mut self,
        home: usize,
        key: Option<ScopedKey>,
        item: &'a Item,
        act: &'a dyn Act,
    ) -> Result<Acted, StoreError> {
        let broken = |why: String| {
            tracing::error!(why, ?act, "an act can not be stored");
            StoreError::Refused(why)
        };
        check_act(act).map_err(broken)?;
        let heads = self.heads_of(act);
        let view = View::new(&self.known.answers, &self.records, &heads);
        let (verdict, changes) = match decide(act, view) {
            Decision::Made(verdict, changes) => (verdict, changes),
            Decision::Refused(refusal) => return Ok(Acted::Refused(refusal)),
            Decision::Broken(why) => return Err(broken(why.into())),
            Decision::Asking(questions) => {
                self.asked.extend(questions);
                // Nobody reads this: what is asked is asked again.
                return Err(StoreError::Refused("an act still asks".into()));
            }
        };
        check_verdict(act, &verdict, &changes).map_err(broken)?;
        let places = self.places(&verdict).map_err(broken)?;
        self.records.extend(changes);
        Ok(self.take_over(home, key, item, act, verdict, &places))
    }

    /// The heads of the channels that an act names.
    fn heads_of(&self, act: &dyn Act) -> HashMap<ChannelKey, u64> {
        let head =
            |channel: &ChannelKey| self.named.number(channel).map(|number| (channel.clone(), self.heads[number]));
        act.channels().iter().filter_map(head).collect()
    }

    /// Where the events of a verdict go: channel and offset of each. Nothing is taken over yet.
    fn places(&self, verdict: &Verdict) -> Result<Vec<(usize, u64)>, String> {
        let mut next: HashMap<usize, u64> = HashMap::new();
        let place = |event: &Event| {
            let number = self.named.number(&event.channel);
            let number = number.ok_or_else(|| format!("{} is not locked", event.channel))?;
            if self.ids.as_ref().is_some_and(|ids| ids.contains(&(number, event.id))) {
                return Err(format!("the id {} is in {} already", event.id, event.channel));
            }
            let head = next.entry(number).or_insert(self.heads[number]);
            *head += 1;
            check_offset(&event.channel, *head)?;
            Ok((number, *head))
        };
        verdict.events.iter().map(place).collect()
    }

    /// Takes over what is certain to be stored.
    fn take_over(
        &mut self,
        home: usize,
        key: Option<ScopedKey>,
        item: &'a Item,
        act: &'a dyn Act,
        verdict: Verdict,
        places: &[(usize, u64)],
    ) -> Acted {
        let mut key_left = act.key();
        let mut events = Vec::with_capacity(places.len());
        for (event, (channel, offset)) in verdict.events.into_iter().zip(places.iter().copied()) {
            let own_key = if channel == home { key_left.take() } else { None };
            if own_key.is_some() {
                self.keep_key(key, item, event.id, offset);
            }
            let message = Message {
                channel: event.channel.channel,
                id: event.id,
                position: Some(Position::new(self.known.epoch, offset)),
                time: act.time(),
                from: event.from,
                key: own_key.cloned(),
                conflate_key: event.conflate_key,
                data: event.data,
            };
            events.push(message.clone());
            self.place(channel, offset, act.publisher(), message);
        }
        for offset in &verdict.erased {
            self.forget_digest(home, *offset);
            self.erased.push((home, *offset));
        }
        let erased = !verdict.erased.is_empty();
        Acted::Done { events, access: verdict.access, erased, answer: verdict.answer }
    }

    fn place(&mut self, channel: usize, offset: u64, publisher: &'a str, message: Message) {
        self.heads[channel] = offset;
        if let Some(ids) = &mut self.ids {
            ids.insert((channel, message.id));
        }
        self.messages.push(Placed { channel, offset, publisher, message });
    }

    fn keep_key(&mut self, key: Option<ScopedKey>, item: &Item, id: MessageId, offset: u64) {
        if let Some(key) = key {
            self.held.insert(key, HeldKey { offset, id, time: item.time(), digest: Some(digest(item)) });
            self.fresh.insert(key);
        }
    }

    /// What an erased message said is not known any more, to those behind it either.
    fn forget_digest(&mut self, channel: usize, offset: u64) {
        for ((of, _), held) in &mut self.held {
            if *of == channel && held.offset == offset {
                held.digest = None;
            }
        }
    }
}
