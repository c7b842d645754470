//! Goal: memory that went backwards shows. Method: real files, put back, copied, cut off or closed well.

use std::path::{Path, PathBuf};

use hubbub_persistence::sqlite::Settings;
use hubbub_persistence::{Append, Continuity, Sqlite, Store, StoreError};
use hubbub_protocol::channel::{ChannelKey, ChannelName, TenantId};
use hubbub_protocol::{Data, Epoch, GapReason, MessageId, Position};

#[tokio::test]
async fn a_clean_restart_keeps_the_epoch() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("hubbub.db");
    let first = open(&path, 1).await;
    append(&first, "chat:a", 1..=3).await;
    let epoch = epoch(&first).await;
    assert_eq!(epoch, Epoch::from_u64(1));
    first.close().await;
    let second = open(&path, 2).await;
    assert_eq!(self::epoch(&second).await, epoch);
    second.close().await;
}

#[tokio::test]
async fn a_backup_put_in_place_begins_a_new_epoch() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, backup) = (folder.path().join("hubbub.db"), folder.path().join("backup.db"));
    let store = open(&path, 1).await;
    append(&store, "chat:a", 1..=5).await;
    append(&store, "chat:b", 1..=1).await;
    store.backup_to(&backup).await.expect("a backup");
    assert!(matches!(store.backup_to(&backup).await, Err(StoreError::Refused(_))), "a backup replaces nothing");
    append(&store, "chat:a", 6..=9).await;
    append(&store, "chat:c", 1..=2).await;
    let old = epoch(&store).await;
    store.close().await;

    // Over the old file, which keeps its inode.
    std::fs::copy(&backup, &path).expect("a copy");
    let restored = open(&path, 2).await;
    let new = epoch(&restored).await;
    assert_ne!(new, old);
    check_restored(&restored, old).await;
    // The first append writes down where the epoch starts; what is proven stays what it was.
    append(&restored, "chat:a", 106..=112).await;
    append(&restored, "chat:c", 101..=103).await;
    assert_eq!(head(&restored, "chat:a").await, Position::new(new, 12), "numbering goes on");
    check_restored(&restored, old).await;
    assert_eq!(worth(&restored, "chat:a", new, 12).await, proven(12));
    restored.close().await;

    // And over a restart that is clean.
    let again = open(&path, 3).await;
    assert_eq!(epoch(&again).await, new);
    check_restored(&again, old).await;
    again.close().await;
}

/// The old positions that the backup holds continue, the others are broken.
async fn check_restored(store: &Sqlite, old: Epoch) {
    assert_eq!(worth(store, "chat:a", old, 3).await, proven(3));
    assert_eq!(worth(store, "chat:a", old, 5).await, proven(5));
    assert_eq!(worth(store, "chat:a", old, 6).await, broken(5));
    assert_eq!(worth(store, "chat:a", old, 9).await, broken(5));
    assert_eq!(worth(store, "chat:b", old, 1).await, proven(1));
    assert_eq!(worth(store, "chat:c", old, 2).await, broken(0), "the backup had no such channel");
    assert_eq!(worth(store, "chat:c", old, 0).await, proven(0));
    assert_eq!(worth(store, "chat:untouched", old, 0).await, proven(0));
}

#[tokio::test]
async fn a_plain_copy_of_a_closed_file_put_in_place_begins_a_new_epoch() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, copy) = (folder.path().join("hubbub.db"), folder.path().join("copy.db"));
    let store = open(&path, 1).await;
    append(&store, "chat:a", 1..=5).await;
    store.close().await;
    std::fs::copy(&path, &copy).expect("a copy");
    let store = open(&path, 2).await;
    let old = epoch(&store).await;
    append(&store, "chat:a", 6..=9).await;
    store.close().await;
    // It was closed cleanly and has the inode that it remembers: only the seed of the last opening tells.
    std::fs::copy(&copy, &path).expect("a copy");
    let restored = open(&path, 3).await;
    assert_ne!(epoch(&restored).await, old);
    append(&restored, "chat:a", 106..=112).await;
    assert_eq!(worth(&restored, "chat:a", old, 5).await, proven(5));
    assert_eq!(worth(&restored, "chat:a", old, 9).await, broken(5));
    restored.close().await;
}

#[tokio::test]
async fn a_copy_lives_its_own_life() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, copy) = (folder.path().join("hubbub.db"), folder.path().join("copy/hubbub.db"));
    let store = open(&path, 1).await;
    append(&store, "chat:a", 1..=5).await;
    store.close().await;
    std::fs::create_dir(folder.path().join("copy")).expect("a folder");
    // With the side file, as a copied folder has it: only the inode tells.
    for side in ["hubbub.db", "hubbub.db.lock"] {
        std::fs::copy(folder.path().join(side), folder.path().join("copy").join(side)).expect("a copy");
    }
    let (original, copied) = (open(&path, 2).await, open(&copy, 3).await);
    let (kept, new) = (epoch(&original).await, epoch(&copied).await);
    assert_eq!(kept, Epoch::from_u64(1));
    assert_eq!(new, Epoch::from_u64(3));
    append(&original, "chat:a", 6..=6).await;
    append(&copied, "chat:a", 7..=8).await;
    assert_eq!(worth(&copied, "chat:a", kept, 6).await, broken(5));
    assert_eq!(worth(&original, "chat:a", new, 6).await, broken(0), "of an epoch that it never had");
    original.close().await;
    copied.close().await;
}

#[tokio::test]
async fn a_store_that_was_not_closed_begins_a_new_epoch_that_costs_nobody_anything() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("hubbub.db");
    let mut epochs = Vec::new();
    for life in 1..=4u64 {
        // Where the one before is not closed its claim ends with its last task.
        let store = open(&path, life).await;
        epochs.push(epoch(&store).await);
        if life != 3 {
            append(&store, "chat:a", life * 10..=life * 10 + 1).await;
        }
        let head = head(&store, "chat:a").await.offset;
        for epoch in &epochs {
            assert_eq!(worth(&store, "chat:a", *epoch, 2).await, proven(2));
        }
        // In the life 3 nothing was appended, so what it could say is true in the life 4 too.
        let heads = [2, 4, 4, 6];
        assert_eq!(head, heads[life as usize - 1]);
        for (epoch, head) in epochs.iter().zip(heads) {
            assert_eq!(worth(&store, "chat:a", *epoch, head).await, proven(head));
            assert_eq!(worth(&store, "chat:a", *epoch, head + 1).await, broken(head));
        }
        abandon(store).await;
    }
    assert_eq!(epochs, (1..=4).map(Epoch::from_u64).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_seed_that_was_used_before_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("hubbub.db");
    abandon(open(&path, 1).await).await;
    assert!(matches!(Sqlite::open(Settings::new(&path, 1)).await, Err(StoreError::Refused(_))));
    open(&path, 2).await.close().await;
}

async fn open(path: &Path, seed: u64) -> Sqlite {
    Sqlite::open(Settings::new(PathBuf::from(path), seed)).await.expect("the store opens")
}

/// Drops it without closing, and lets its writer task end.
async fn abandon(store: Sqlite) {
    drop(store);
    tokio::task::yield_now().await;
}

async fn append(store: &Sqlite, name: &str, numbers: std::ops::RangeInclusive<u64>) {
    for number in numbers {
        let append = Append {
            channel: channel(name),
            id: MessageId::from_parts(number, 0),
            time: number,
            publisher: "user/ada".into(),
            key: None,
            conflate_key: None,
            from: None,
            data: Data::parse(number.to_string()).expect("json"),
        };
        store.append(append).await.expect("appended");
    }
}

fn channel(name: &str) -> ChannelKey {
    ChannelKey::new(TenantId::parse("acme").expect("a tenant"), ChannelName::parse(name).expect("a channel"))
}

async fn head(store: &Sqlite, name: &str) -> Position {
    store.heads(&[channel(name)]).await.expect("heads")[0].position
}

async fn epoch(store: &Sqlite) -> Epoch {
    head(store, "chat:untouched").await.epoch
}

async fn worth(store: &Sqlite, name: &str, epoch: Epoch, offset: u64) -> Continuity {
    store.continuity(&channel(name), Position::new(epoch, offset)).await.expect("continuity")
}

fn proven(offset: u64) -> Continuity {
    Continuity::Proven { offset }
}

fn broken(since: u64) -> Continuity {
    Continuity::Broken { since, reason: GapReason::Epoch }
}
