//! What a decision sees: answers that were loaded, and on top what acts before it in the same batch have changed.

use std::collections::{BTreeMap, HashMap};

use hubbub_protocol::channel::ChannelKey;

use super::act::Stop;
use super::question::Question;
use super::{GROUP_RECORDS, Kind, Record, RecordKey};

/// What was loaded.
pub type Answers = HashMap<Question, Vec<Record>>;

/// Records that were put or removed and are not stored yet.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Changes {
    changed: BTreeMap<RecordKey, Option<Record>>,
}

impl Changes {
    /// What is to be stored, by name; `None` is to be removed.
    pub fn iter(&self) -> impl Iterator<Item = (&RecordKey, Option<&Record>)> {
        self.changed.iter().map(|(key, record)| (key, record.as_ref()))
    }

    /// Whether there is nothing to store.
    pub fn is_empty(&self) -> bool {
        self.changed.is_empty()
    }

    /// Takes over what a later decision changed.
    pub fn extend(&mut self, later: Self) {
        self.changed.extend(later.changed);
    }
}

/// What one decision sees and changes.
#[derive(Debug)]
pub struct View<'a> {
    answers: &'a Answers,
    /// Of acts before this one in the batch.
    before: &'a Changes,
    /// Of this one.
    own: Changes,
    /// The newest offset of each channel that the act names, with what the batch has appended so far.
    heads: &'a HashMap<ChannelKey, u64>,
    missing: Vec<Question>,
}

impl<'a> View<'a> {
    /// Over answers, the changes of earlier acts, and the heads of the channels.
    pub fn new(answers: &'a Answers, before: &'a Changes, heads: &'a HashMap<ChannelKey, u64>) -> Self {
        Self { answers, before, own: Changes::default(), heads, missing: Vec::new() }
    }

    /// What was asked and not answered, and what was changed.
    pub fn finish(self) -> (Vec<Question>, Changes) {
        (self.missing, self.own)
    }

    /// The offset that the next event of the channel gets, when `already` others of this act stand before it.
    pub fn next_offset(&self, channel: &ChannelKey, already: u64) -> u64 {
        self.heads.get(channel).copied().unwrap_or(0) + already + 1
    }

    /// Says what will be asked, so that it is loaded at once. Stops when something is not there yet.
    pub fn want(&mut self, questions: impl IntoIterator<Item = Question>) -> Result<(), Stop> {
        let before = self.missing.len();
        for question in questions {
            if !self.knows(&question) {
                self.missing.push(question);
            }
        }
        if self.missing.len() == before { Ok(()) } else { Err(Stop::Missing) }
    }

    /// The record of a name.
    pub fn get(&mut self, key: &RecordKey) -> Result<Option<Record>, Stop> {
        if let Some(changed) = self.changed(key) {
            return Ok(changed.cloned());
        }
        let question = Question::Key(key.clone());
        self.want([question.clone()])?;
        Ok(self.answers.get(&question).and_then(|found| found.first()).cloned())
    }

    /// The last record of a group up to a place.
    pub fn last(&mut self, home: &ChannelKey, kind: Kind, group: &str, at: u64) -> Result<Option<Record>, Stop> {
        let mut stored = self.stored_last(home, kind, group, at)?;
        if stored.as_ref().is_some_and(|record| self.changed(&record.key).is_some()) {
            // What was last is not what it was: the whole group tells what is last now.
            let question = Question::Group { home: home.clone(), kind, group: group.to_owned() };
            self.want([question.clone()])?;
            let all = self.answers.get(&question).map_or(&[][..], Vec::as_slice);
            if all.len() < GROUP_RECORDS {
                let fits = |record: &&Record| record.at <= at && self.changed(&record.key).is_none();
                stored = all.iter().rfind(fits).cloned();
            } else {
                stored = self.unchanged_before(home, kind, group, stored)?;
            }
        }
        let changed = self.changes_of(home, kind, group).filter(|record| record.at <= at);
        Ok(stored.iter().chain(changed).max_by(|a, b| (a.at, &a.key).cmp(&(b.at, &b.key))).cloned())
    }

    fn stored_last(&mut self, home: &ChannelKey, kind: Kind, group: &str, at: u64) -> Result<Option<Record>, Stop> {
        let question = Question::Last { home: home.clone(), kind, group: group.to_owned(), at };
        self.want([question.clone()])?;
        Ok(self.answers.get(&question).and_then(|found| found.first()).cloned())
    }

    /// Steps back through a group that is too large to be looked through, record by record that was changed. Records that
    /// share the place of one are stepped over with it: places in such a group are each of one record.
    fn unchanged_before(
        &mut self,
        home: &ChannelKey,
        kind: Kind,
        group: &str,
        mut last: Option<Record>,
    ) -> Result<Option<Record>, Stop> {
        while let Some(record) = last.take_if(|record| self.changed(&record.key).is_some()) {
            let Some(before) = record.at.checked_sub(1) else { break };
            last = self.stored_last(home, kind, group, before)?;
        }
        Ok(last)
    }

    /// All records of a group by their place, the oldest [`GROUP_RECORDS`].
    pub fn group(&mut self, home: &ChannelKey, kind: Kind, group: &str) -> Result<Vec<Record>, Stop> {
        let question = Question::Group { home: home.clone(), kind, group: group.to_owned() };
        self.want([question.clone()])?;
        let stored = self.answers.get(&question).into_iter().flatten();
        let mut records: Vec<Record> = stored.filter(|record| self.changed(&record.key).is_none()).cloned().collect();
        records.extend(self.changes_of(home, kind, group).cloned());
        records.sort_by(|a, b| (a.at, &a.key).cmp(&(b.at, &b.key)));
        records.truncate(GROUP_RECORDS);
        Ok(records)
    }

    /// Puts a record in the place of whatever has its name.
    pub fn put(&mut self, record: Record) {
        self.own.changed.insert(record.key.clone(), Some(record));
    }

    /// Removes a record, if it is there.
    pub fn remove(&mut self, key: RecordKey) {
        self.own.changed.insert(key, None);
    }

    fn changed(&self, key: &RecordKey) -> Option<Option<&Record>> {
        let changed = self.own.changed.get(key).or_else(|| self.before.changed.get(key));
        changed.map(Option::as_ref)
    }

    /// Records of a group that were put and not stored yet.
    fn changes_of<'s>(&'s self, home: &'s ChannelKey, kind: Kind, group: &'s str) -> impl Iterator<Item = &'s Record> {
        // Keys begin with home and kind, so what is in between stands together.
        let from = RecordKey { home: home.clone(), kind, key: String::new() };
        let fits = move |(key, _): &(&RecordKey, &Option<Record>)| key.kind == kind && key.home == *home;
        let before = self.before.changed.range(from.clone()..).take_while(fits);
        let before = before.filter(|(key, _)| !self.own.changed.contains_key(*key));
        let own = self.own.changed.range(from..).take_while(fits);
        before.chain(own).filter_map(|(_, record)| record.as_ref()).filter(move |record| record.group == group)
    }

    fn knows(&self, question: &Question) -> bool {
        match question {
            Question::Key(key) => self.changed(key).is_some() || self.answers.contains_key(question),
            Question::Last { .. } | Question::Group { .. } => self.answers.contains_key(question),
        }
    }
}

#[cfg(test)]
mod tests {
    use hubbub_protocol::channel::{ChannelName, TenantId};

    use super::*;

    const KIND: Kind = Kind::Mention;

    fn home() -> ChannelKey {
        ChannelKey::new(TenantId::parse("t").expect("a tenant"), ChannelName::parse("room:a").expect("a channel"))
    }

    fn record(key: &str, at: u64) -> Record {
        let key = RecordKey { home: home(), kind: KIND, key: key.into() };
        Record { key, group: "g".into(), at, who: None, text: None, body: "{}".into() }
    }

    /// What a backend would answer, of records that stand in the order of their places.
    fn answer(stored: &[Record], question: &Question) -> Vec<Record> {
        match question {
            Question::Key(key) => stored.iter().filter(|record| record.key == *key).cloned().collect(),
            Question::Last { at, .. } => stored.iter().rfind(|record| record.at <= *at).cloned().into_iter().collect(),
            Question::Group { .. } => stored.iter().take(GROUP_RECORDS).cloned().collect(),
        }
    }

    /// The key of the last one after these were removed and put, and how many rounds that took.
    fn last(stored: &[Record], removed: &[&str], put: &[Record], at: u64) -> (Option<String>, usize) {
        let mut answers = Answers::new();
        let mut before = Changes::default();
        before.changed.extend(removed.iter().map(|key| (record(key, 0).key, None)));
        before.changed.extend(put.iter().map(|record| (record.key.clone(), Some(record.clone()))));
        for rounds in 0.. {
            let heads = HashMap::new();
            let mut view = View::new(&answers, &before, &heads);
            match view.last(&home(), KIND, "g", at) {
                Ok(last) => return (last.map(|last| last.key.key), rounds),
                Err(_) => {
                    let (missing, _) = view.finish();
                    assert!(!missing.is_empty());
                    answers.extend(missing.into_iter().map(|asked| (asked.clone(), answer(stored, &asked))));
                }
            }
        }
        unreachable!("an act asks at last nothing more")
    }

    #[test]
    fn the_last_of_a_group_counts_what_was_changed() {
        let stored = [record("a", 1), record("b", 5), record("c", 5), record("d", 9)];
        let moved = |key: &str, at| vec![record(key, at)];
        let elsewhere = vec![Record { group: "other".into(), ..record("d", 9) }];
        /// What was removed, what was put, up to which place is asked, and what is last then.
        type Case<'a> = (&'a [&'a str], Vec<Record>, u64, Option<&'a str>);
        let table: [Case<'_>; 10] = [
            (&[], vec![], 9, Some("d")),
            (&[], vec![], 8, Some("c")),
            (&["d"], vec![], 9, Some("c")),
            (&["d", "c"], vec![], 9, Some("b")),
            (&["a", "b", "c", "d"], vec![], 9, None),
            (&[], moved("d", 2), 9, Some("c")),
            (&[], moved("a", 10), 9, Some("d")),
            (&[], moved("bb", 5), 5, Some("c")),
            (&[], moved("e", 9), 9, Some("e")),
            (&[], elsewhere, 9, Some("c")),
        ];
        for (removed, put, at, expected) in table {
            let (found, _) = last(&stored, removed, &put, at);
            assert_eq!(found.as_deref(), expected, "{removed:?} {put:?} {at}");
        }
    }

    #[test]
    fn the_last_of_a_large_group_is_right_too() {
        let stored: Vec<Record> = (0..3_000).map(|at| record(&format!("{at:04}"), at)).collect();
        assert_eq!(last(&stored, &[], &[], u64::MAX), (Some("2999".into()), 1));
        assert_eq!(last(&stored, &["2999"], &[], u64::MAX), (Some("2998".into()), 3));
        assert_eq!(last(&stored, &["2999", "2998"], &[], u64::MAX), (Some("2997".into()), 4));
        assert_eq!(last(&stored, &["0000"], &[], 0), (None, 2));
    }
}
