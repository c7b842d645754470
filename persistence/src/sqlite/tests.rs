//! What only the inside of the backend can show: a disk that is full in the middle, and the look-up of unknown commits.

use hubbub_protocol::channel::ChannelName;
use hubbub_protocol::{Data, Key};

use super::*;
use crate::batch::{Backend, Item, Outcome};
use crate::log::Appended;

#[tokio::test]
async fn a_full_disk_fails_the_batch_whole_and_is_got_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(&folder).await;
    store.append(message(1, None)).await.expect("appended");
    limit_pages(&store, "PRAGMA max_page_count = 40").await;
    let waiting: Vec<_> = (2..=200).map(|number| store.append(message(number, None))).collect();
    for answer in waiting {
        let answer = answer.await;
        assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    }
    assert!(matches!(store.find(&channel(), message(2, None).id).await, Ok(None)), "nothing of it is there");
    limit_pages(&store, "PRAGMA max_page_count = 1000000").await;
    assert_eq!(offset(store.append(message(2, None)).await.expect("appended")), 2);
    store.close().await;
}

#[tokio::test]
async fn an_unknown_commit_is_resolved_by_ids_and_keys() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(&folder).await;
    let mut writer = Writer { connections: store.writer.clone(), present: store.present, _claim: store.claim.clone() };
    let committed = [message(1, Some("a")), message(2, None)].map(Item::Append);
    writer.commit(&committed).await.expect("committed");
    let duplicate = Append { id: MessageId::from_parts(9, 0), ..message(1, Some("a")) };
    let elsewhere = Append {
        channel: ChannelKey::new(channel().tenant, ChannelName::parse("chat:none").expect("a channel")),
        ..message(1, None)
    };
    let batch =
        [message(1, Some("a")), message(2, None), duplicate, message(3, Some("a")), message(4, None), elsewhere];
    let batch = batch.map(Item::Append);
    let resolved = writer.resolve(&batch).await.expect("looked up");
    let at = |outcome: &Option<Outcome>| match outcome {
        Some(Outcome::Appended(Appended::At { position, duplicate, .. })) => Some((position.offset, *duplicate)),
        Some(_) => Some((0, false)),
        None => None,
    };
    let expected = [Some((1, false)), Some((2, false)), Some((1, true)), Some((0, false)), None, None];
    assert_eq!(resolved.iter().map(at).collect::<Vec<_>>(), expected);
    store.close().await;
}

#[tokio::test]
async fn acts_whose_end_was_not_seen_are_resolved() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(&folder).await;
    let mut writer = Writer { connections: store.writer.clone(), present: store.present, _claim: store.claim.clone() };
    crate::batch::resolved::items_are_found_by_ids_and_keys(&mut writer).await;
    store.close().await;
}

#[tokio::test]
async fn a_connection_that_was_lost_in_a_transaction_is_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(&folder).await;
    let mut transaction = store.writer.begin().await.expect("begun");
    sqlx::query("DELETE FROM epochs").execute(transaction.connection()).await.expect("deleted");
    drop(transaction);
    assert_eq!(offset(store.append(message(1, None)).await.expect("appended")), 1);
    assert_eq!(store.check().await, Ok(()));
    store.close().await;
}

async fn open(folder: &tempfile::TempDir) -> Sqlite {
    Sqlite::open(Settings::new(folder.path().join("hubbub.db"), 1)).await.expect("the store opens")
}

async fn limit_pages(store: &Sqlite, pragma: &'static str) {
    let mut lent = store.writer.lend().await.expect("lent");
    sqlx::query(pragma).execute(lent.connection()).await.expect("limited");
    lent.give_back();
}

fn offset(appended: Appended) -> u64 {
    match appended {
        Appended::At { position, .. } => position.offset,
        Appended::KeyConflict => panic!("a key conflict"),
    }
}

fn channel() -> ChannelKey {
    ChannelKey::new(TenantId::parse("acme").expect("a tenant"), ChannelName::parse("chat:a").expect("a channel"))
}

fn message(number: u64, key: Option<&str>) -> Append {
    Append {
        channel: channel(),
        id: MessageId::from_parts(number, 0),
        time: number,
        publisher: "user/ada".into(),
        key: key.map(|key| Key::parse(key).expect("a key")),
        conflate_key: None,
        from: None,
        data: Data::parse(format!("\"{number:0>2000}\"")).expect("json"),
    }
}
