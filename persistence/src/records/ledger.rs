//! Records in memory: what every backend must do, in the fewest words. For tests of rules, and the model that the conformance suite
//! compares backends with.

use std::collections::{BTreeMap, HashMap};

use hubbub_protocol::channel::ChannelKey;
use hubbub_protocol::{Epoch, Message, Position};

use super::act::{Act, Acted, Stop};
use super::question::Question;
use super::view::{Answers, Changes, View};
use super::{GROUP_RECORDS, Record, RecordKey};

/// Records and logs of one tenant.
#[derive(Debug, Default)]
pub struct Ledger {
    /// The records by name.
    pub records: BTreeMap<RecordKey, Record>,
    /// The logs; an erased message is `None`.
    pub logs: BTreeMap<ChannelKey, Vec<Option<Message>>>,
}

impl Ledger {
    /// Answers a question.
    pub fn answer(&self, question: &Question) -> Vec<Record> {
        let of_group = |home: &ChannelKey, kind, group: &str| {
            let fits = |record: &&Record| record.key.home == *home && record.key.kind == kind && record.group == group;
            let mut found: Vec<Record> = self.records.values().filter(fits).cloned().collect();
            found.sort_by(|a, b| (a.at, &a.key).cmp(&(b.at, &b.key)));
            found
        };
        match question {
            Question::Key(key) => self.records.get(key).cloned().into_iter().collect(),
            Question::Last { home, kind, group, at } => {
                of_group(home, *kind, group).into_iter().rfind(|record| record.at <= *at).into_iter().collect()
            }
            Question::Group { home, kind, group } => {
                let mut found = of_group(home, *kind, group);
                found.truncate(GROUP_RECORDS);
                found
            }
        }
    }

    /// Decides an act and stores it. Keys are not looked at.
    pub fn act(&mut self, act: &dyn Act) -> Acted {
        let heads: HashMap<ChannelKey, u64> = act
            .channels()
            .iter()
            .map(|channel| (channel.clone(), self.logs.get(channel).map_or(0, |log| log.len() as u64)))
            .collect();
        let (mut answers, before) = (Answers::new(), Changes::default());
        loop {
            let mut view = View::new(&answers, &before, &heads);
            match act.decide(&mut view) {
                Err(Stop::Refused(refusal)) => return Acted::Refused(refusal),
                Err(Stop::Missing) => {
                    let (missing, _) = view.finish();
                    assert!(!missing.is_empty(), "an act stopped without a question");
                    answers.extend(missing.into_iter().map(|question| {
                        let answer = self.answer(&question);
                        (question, answer)
                    }));
                }
                Ok(verdict) => {
                    let (_, changes) = view.finish();
                    self.store(&changes);
                    let events = verdict.events.iter().map(|event| self.append(act, event)).collect();
                    let home = &act.channels()[0];
                    for offset in &verdict.erased {
                        if let Some(slot) = self.logs.get_mut(home).and_then(|log| log.get_mut(*offset as usize - 1)) {
                            *slot = None;
                        }
                    }
                    let erased = !verdict.erased.is_empty();
                    return Acted::Done { events, access: verdict.access, erased, answer: verdict.answer };
                }
            }
        }
    }

    fn store(&mut self, changes: &Changes) {
        for (key, record) in changes.iter() {
            match record {
                Some(record) => self.records.insert(key.clone(), record.clone()),
                None => self.records.remove(key),
            };
        }
    }

    fn append(&mut self, act: &dyn Act, event: &super::Event) -> Message {
        let log = self.logs.entry(event.channel.clone()).or_default();
        let message = Message {
            channel: event.channel.channel.clone(),
            id: event.id,
            position: Some(Position::new(Epoch::from_u64(1), log.len() as u64 + 1)),
            time: act.time(),
            from: event.from.clone(),
            key: None,
            conflate_key: event.conflate_key.clone(),
            data: event.data.clone(),
        };
        log.push(Some(message.clone()));
        message
    }
}
