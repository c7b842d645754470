//! Goal: what was acknowledged survives `kill -9`. Method: this test starts itself as a child that appends and says
//! what was acknowledged, kills it in the middle, and opens the file; three rounds on one file.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use hubbub_persistence::sqlite::Settings;
use hubbub_persistence::{Append, Appended, Entry, ReadFrom, Sqlite, Store};
use hubbub_protocol::channel::{ChannelKey, ChannelName, TenantId};
use hubbub_protocol::{Data, MessageId};

const FILE: &str = "HUBBUB_TEST_KILL_FILE";
const ROUND: &str = "HUBBUB_TEST_KILL_ROUND";
/// Acknowledgements after which the child is killed: enough for many commits, with more under way.
const ENOUGH: usize = 2_000;

#[test]
fn what_was_acknowledged_survives_a_kill() {
    if let (Ok(path), Ok(round)) = (std::env::var(FILE), std::env::var(ROUND)) {
        return child(Path::new(&path), round.parse().expect("a number"));
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("hubbub.db");
    let mut acknowledged = HashMap::new();
    for round in 1..=3 {
        acknowledged.extend(kill_one(&path, round));
    }
    assert!(acknowledged.len() >= 3 * ENOUGH);
    let log = runtime().block_on(read_all(&path));
    let offsets: Vec<u64> = log.iter().map(|(offset, _)| *offset).collect();
    assert_eq!(offsets, (1..=log.len() as u64).collect::<Vec<_>>(), "no holes");
    let found: HashMap<String, u64> = log.into_iter().map(|(offset, id)| (id, offset)).collect();
    for (id, offset) in acknowledged {
        assert_eq!(found.get(&id), Some(&offset), "{id} was acknowledged at {offset}");
    }
}

/// Runs a child until it has said enough, kills it, and answers all that it said.
fn kill_one(path: &Path, round: u64) -> HashMap<String, u64> {
    let mut child = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "what_was_acknowledged_survives_a_kill", "--nocapture"])
        .env(FILE, path)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a child");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut acknowledged = HashMap::new();
    while let Some(Ok(line)) = lines.next() {
        // The test harness of the child says things too; and the last line may be cut off.
        if let Some((id, offset)) = line.strip_prefix("ack ").and_then(|line| line.strip_suffix('.')?.split_once(' ')) {
            acknowledged.insert(id.to_owned(), offset.parse().expect("a number"));
        }
        if acknowledged.len() == ENOUGH {
            child.kill().expect("killed");
        }
    }
    assert!(!child.wait().expect("ended").success(), "the child ends by the kill alone");
    acknowledged
}

/// Appends for ever, many at a time, and says what was acknowledged.
fn child(path: &Path, round: u64) {
    runtime().block_on(async {
        let store = Sqlite::open(Settings::new(path, round)).await.expect("the store opens");
        let mut out = std::io::stdout().lock();
        for burst in 0.. {
            let waiting: Vec<_> = (0..100).map(|number| store.append(message(round, burst * 100 + number))).collect();
            for answer in waiting {
                match answer.await.expect("appended") {
                    Appended::At { id, position, .. } => writeln!(out, "ack {id} {}.", position.offset).expect("said"),
                    Appended::KeyConflict => panic!("there are no keys"),
                }
            }
            out.flush().expect("said");
        }
    });
}

async fn read_all(path: &Path) -> Vec<(u64, String)> {
    let store = Sqlite::open(Settings::new(path, 99)).await.expect("the store opens");
    let (mut log, mut more) = (Vec::new(), true);
    while more {
        let after = log.last().map_or(0, |(offset, _)| *offset);
        let page = store.read(&channel(), ReadFrom::After(after), 1_000, usize::MAX).await.expect("a page");
        more = page.more;
        log.extend(page.entries.into_iter().map(|entry| match entry {
            Entry::Message(message) => (message.position.map_or(0, |p| p.offset), message.id.to_string()),
            Entry::Tombstone { .. } => panic!("nothing was erased"),
        }));
    }
    store.close().await;
    log
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn channel() -> ChannelKey {
    ChannelKey::new(TenantId::parse("acme").expect("a tenant"), ChannelName::parse("chat:a").expect("a channel"))
}

fn message(round: u64, number: u64) -> Append {
    Append {
        channel: channel(),
        id: MessageId::from_parts(round, u128::from(number)),
        time: number,
        publisher: "user/ada".into(),
        key: None,
        conflate_key: None,
        from: None,
        data: Data::parse(number.to_string()).expect("json"),
    }
}
