//! Goal: the store does what a simple log in memory does, whatever comes in whatever order. Method: random operations
//! on both, restarts, crashes, backups and restores among them; answers and pages are compared, and every position ever
//! seen is asked for what it is worth: what the store calls proven must be the same messages.

use std::collections::{BTreeMap, HashMap};

use hubbub_persistence::sqlite::Settings;
use hubbub_persistence::store::KEY_TTL_MS;
use hubbub_persistence::{Append, Appended, Continuity, Entry, ReadFrom, Retention, Sqlite, Store};
use hubbub_protocol::channel::{ChannelKey, ChannelName, TenantId};
use hubbub_protocol::{Data, Epoch, Key, MessageId, Position};
use proptest::prelude::*;
use tempfile::TempDir;

const CHANNELS: usize = 3;
const START: u64 = 1_763_600_000_000;

#[derive(Clone, Debug)]
struct Draft {
    channel: usize,
    publisher: u8,
    key: Option<u8>,
    data: u8,
}

#[derive(Clone, Debug)]
enum Operation {
    /// Enqueued together.
    Append(Vec<Draft>),
    /// Time goes by, in parts of the life of a key.
    Wait(u64),
    Erase(usize, u64),
    Expire(usize, Option<u64>, Option<u64>),
    Read(usize, bool, u64, u32),
    /// Closed well, and opened.
    Restart,
    /// Dropped, and opened.
    Crash,
    Backup,
    /// Closed, the backup put in its place, and opened.
    Restore,
}

fn operation() -> impl Strategy<Value = Operation> {
    let draft = (0..CHANNELS, 0..2u8, prop::option::of(0..3u8), 0..2u8)
        .prop_map(|(channel, publisher, key, data)| Draft { channel, publisher, key, data });
    let offset = 0..30u64;
    prop_oneof![
        8 => prop::collection::vec(draft, 1..12).prop_map(Operation::Append),
        2 => (1..6u64).prop_map(Operation::Wait),
        2 => (0..CHANNELS, offset.clone()).prop_map(|(channel, offset)| Operation::Erase(channel, offset)),
        2 => (0..CHANNELS, prop::option::of(0..10u64), prop::option::of(0..6u64))
            .prop_map(|(channel, messages, age)| Operation::Expire(channel, messages, age)),
        4 => (0..CHANNELS, any::<bool>(), offset, 0..8u32)
            .prop_map(|(channel, up, offset, limit)| Operation::Read(channel, up, offset, limit)),
        1 => Just(Operation::Restart),
        1 => Just(Operation::Crash),
        1 => Just(Operation::Backup),
        1 => Just(Operation::Restore),
    ]
}

/// A log as simple as it can be.
#[derive(Clone, Debug, Default)]
struct Log {
    low: u64,
    /// Every id that was ever appended, at its offset less one.
    history: Vec<MessageId>,
    /// What can be read: time, and the data until it is erased.
    entries: BTreeMap<u64, (u64, Option<u8>)>,
    /// Publisher and key: offset, time, and the data until it is erased.
    keys: HashMap<(u8, u8), (u64, u64, Option<u8>)>,
}

impl Log {
    fn head(&self) -> u64 {
        self.history.len() as u64
    }

    /// Offset and whether it is a duplicate; `None` for a conflict.
    fn append(&mut self, draft: &Draft, id: MessageId, now: u64) -> Option<(u64, bool)> {
        let scope = draft.key.map(|key| (draft.publisher, key));
        if let Some((offset, time, data)) = scope.and_then(|scope| self.keys.get(&scope)).copied()
            && now - time <= KEY_TTL_MS
        {
            return data.is_none_or(|data| data == draft.data).then_some((offset, true));
        }
        self.history.push(id);
        let offset = self.head();
        self.entries.insert(offset, (now, Some(draft.data)));
        if let Some(scope) = scope {
            self.keys.insert(scope, (offset, now, Some(draft.data)));
        }
        Some((offset, false))
    }

    fn erase(&mut self, offset: u64) -> bool {
        let erased = self.entries.get_mut(&offset).and_then(|(_, data)| data.take()).is_some();
        for (at, _, data) in self.keys.values_mut() {
            if erased && *at == offset {
                *data = None;
            }
        }
        erased
    }

    fn expire(&mut self, messages: Option<u64>, age_ms: Option<u64>, now: u64) -> u64 {
        let mut gone = 0;
        while let Some((offset, (time, _))) = self.entries.first_key_value().map(|(offset, entry)| (*offset, *entry)) {
            let too_many = messages.is_some_and(|messages| self.entries.len() as u64 > messages);
            if !(too_many || age_ms.is_some_and(|age| time + age <= now)) {
                break;
            }
            self.entries.remove(&offset);
            self.low = offset;
            gone += 1;
        }
        gone
    }

    /// Offsets and data of a page, and whether more follow.
    fn read(&self, from: ReadFrom, limit: u32) -> (Vec<(u64, Option<u8>)>, bool) {
        let matching: Vec<_> = match from {
            ReadFrom::After(offset) => self.entries.range(offset + 1..).collect(),
            ReadFrom::Before(offset) => self.entries.range(..offset).rev().collect(),
        };
        let page = matching.iter().take(limit as usize).map(|(offset, (_, data))| (**offset, *data)).collect();
        (page, matching.len() > limit as usize)
    }
}

/// The store beside the model of it.
struct Pair {
    folder: TempDir,
    seed: u64,
    store: Sqlite,
    logs: [Log; CHANNELS],
    now: u64,
    next_id: u128,
    backup: Option<[Log; CHANNELS]>,
    /// Positions that clients hold: channel, epoch, the messages that they have seen.
    seen: Vec<(usize, Epoch, Vec<MessageId>)>,
}

impl Pair {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = open(&folder, 1).await;
        Self {
            folder,
            seed: 1,
            store,
            logs: Default::default(),
            now: START,
            next_id: 0,
            backup: None,
            seen: Vec::new(),
        }
    }

    async fn apply(&mut self, operation: Operation) {
        match operation {
            Operation::Append(drafts) => self.append(&drafts).await,
            Operation::Wait(parts) => self.now += parts * KEY_TTL_MS / 4,
            Operation::Erase(number, offset) => {
                let erased = self.store.erase(&channel(number), offset).await;
                assert_eq!(erased, Ok(self.logs[number].erase(offset)));
            }
            Operation::Expire(number, messages, age) => {
                let age_ms = age.map(|parts| parts * KEY_TTL_MS / 4);
                let gone = self.store.expire(&channel(number), Retention { messages, age_ms }, self.now).await;
                assert_eq!(gone, Ok(self.logs[number].expire(messages, age_ms, self.now)));
            }
            Operation::Read(number, up, offset, limit) => {
                let from = if up { ReadFrom::After(offset) } else { ReadFrom::Before(offset) };
                self.compare(number, from, limit).await;
            }
            Operation::Restart => self.reopen(true, None).await,
            Operation::Crash => self.reopen(false, None).await,
            Operation::Backup => {
                let path = self.folder.path().join("backup.db");
                let _ = std::fs::remove_file(&path);
                self.store.backup_to(&path).await.expect("a backup");
                self.backup = Some(self.logs.clone());
            }
            Operation::Restore => {
                if let Some(logs) = self.backup.clone() {
                    self.reopen(true, Some(logs)).await;
                }
            }
        }
    }

    async fn append(&mut self, drafts: &[Draft]) {
        let mut waiting = Vec::new();
        for draft in drafts {
            self.next_id += 1;
            let id = MessageId::from_parts(self.now, self.next_id);
            waiting.push((draft, id, self.store.append(append(draft, id, self.now))));
        }
        for (draft, id, answer) in waiting {
            let answer = match answer.await.expect("appended") {
                Appended::At { position, duplicate, .. } => Some((position.offset, duplicate)),
                Appended::KeyConflict => None,
            };
            assert_eq!(answer, self.logs[draft.channel].append(draft, id, self.now), "{draft:?}");
        }
    }

    async fn compare(&self, number: usize, from: ReadFrom, limit: u32) {
        let log = &self.logs[number];
        let page = self.store.read(&channel(number), from, limit, usize::MAX).await.expect("a page");
        let entry = |entry: &Entry| match entry {
            Entry::Message(message) => {
                let position = message.position.expect("logged messages have a position");
                assert_eq!(message.id, log.history[position.offset as usize - 1]);
                (position.offset, Some(message.data.get().parse::<u8>().expect("a number")))
            }
            Entry::Tombstone { offset } => (*offset, None),
        };
        let entries: Vec<_> = page.entries.iter().map(entry).collect();
        assert_eq!((entries, page.more), log.read(from, limit), "{from:?} {limit}");
        assert_eq!((page.head.position.offset, page.head.low), (log.head(), log.low));
    }

    async fn reopen(&mut self, clean: bool, restore: Option<[Log; CHANNELS]>) {
        self.remember().await;
        let (path, backup) = (self.folder.path().join("hubbub.db"), self.folder.path().join("backup.db"));
        // Another file takes the place meanwhile, so that the old store can go.
        let elsewhere = tempfile::tempdir().expect("a folder");
        let old = std::mem::replace(&mut self.store, open(&elsewhere, 1).await);
        if clean {
            old.close().await;
        }
        drop(old);
        tokio::task::yield_now().await;
        if let Some(logs) = restore {
            std::fs::copy(backup, path).expect("a copy");
            self.logs = logs;
        }
        self.seed += 1;
        let other = std::mem::replace(&mut self.store, open(&self.folder, self.seed).await);
        other.close().await;
        for number in 0..CHANNELS {
            self.compare(number, ReadFrom::After(0), 1_000).await;
        }
    }

    /// What a client of each channel has seen by now.
    async fn remember(&mut self) {
        for number in 0..CHANNELS {
            let head = self.store.heads(&[channel(number)]).await.expect("heads")[0].position;
            let mut history = self.logs[number].history.clone();
            self.seen.push((number, head.epoch, history.clone()));
            history.truncate(history.len() / 2);
            self.seen.push((number, head.epoch, history));
        }
    }

    /// What is called proven is the same; what is the same in an epoch of this file is proven.
    async fn judge(&self, restored: bool) {
        for (number, epoch, history) in &self.seen {
            let now = &self.logs[*number].history;
            let position = Position::new(*epoch, history.len() as u64);
            match self.store.continuity(&channel(*number), position).await.expect("continuity") {
                Continuity::Proven { offset } => {
                    assert_eq!(offset, position.offset);
                    assert_eq!(now.get(..history.len()), Some(history.as_slice()), "{position:?} is not proven");
                }
                Continuity::Broken { since, .. } => {
                    assert!(restored, "{position:?} is broken and nothing was restored");
                    let since = since as usize;
                    assert!(since < history.len());
                    assert_eq!(now.get(..since), history.get(..since), "not the same up to {since}");
                }
            }
        }
    }
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: 32, max_shrink_iters: 400, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_store_does_what_its_model_does(operations in prop::collection::vec(operation(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let mut pair = Pair::new().await;
            let mut restored = false;
            for operation in operations {
                restored |= matches!(operation, Operation::Restore) && pair.backup.is_some();
                pair.apply(operation).await;
                pair.judge(restored).await;
            }
            pair.reopen(true, None).await;
            pair.judge(restored).await;
            pair.store.close().await;
        });
    }
}

async fn open(folder: &TempDir, seed: u64) -> Sqlite {
    Sqlite::open(Settings::new(folder.path().join("hubbub.db"), seed)).await.expect("the store opens")
}

fn channel(number: usize) -> ChannelKey {
    let name = ChannelName::parse(&format!("chat:{number}")).expect("a channel");
    ChannelKey::new(TenantId::parse("acme").expect("a tenant"), name)
}

fn append(draft: &Draft, id: MessageId, now: u64) -> Append {
    Append {
        channel: channel(draft.channel),
        id,
        time: now,
        publisher: format!("user/{}", draft.publisher),
        key: draft.key.map(|key| Key::parse(&key.to_string()).expect("a key")),
        conflate_key: None,
        from: None,
        data: Data::parse(draft.data.to_string()).expect("json"),
    }
}
