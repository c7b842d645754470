//! Goal: one hub has the file, and a file that is not what it should be is named as such. Method: a second opener, and
//! rows and files changed behind the store's back.

use hubbub_persistence::sqlite::Settings;
use hubbub_persistence::{Append, Appended, ReadFrom, Sqlite, Store, StoreError};
use hubbub_protocol::channel::{ChannelKey, ChannelName, TenantId};
use hubbub_protocol::{Data, Key, MessageId};
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tempfile::TempDir;

#[tokio::test]
async fn a_second_opener_is_refused_until_the_first_has_closed() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = open(&folder, 1).await.expect("the store opens");
    match open(&folder, 2).await {
        Err(StoreError::Unavailable(why)) => assert!(why.contains("open in another hub process"), "{why}"),
        other => panic!("{other:?}"),
    }
    #[cfg(unix)]
    {
        let link = folder.path().join("link.db");
        std::os::unix::fs::symlink(folder.path().join("hubbub.db"), &link).expect("a link");
        let linked = Sqlite::open(Settings::new(link, 2)).await;
        assert!(matches!(linked, Err(StoreError::Unavailable(_))), "{linked:?}");
    }
    append(&first, 1).await.expect("the first goes on");
    first.close().await;
    let second = open(&folder, 3).await.expect("the store opens");
    append(&second, 2).await.expect("the second goes on");
    second.close().await;
}

#[tokio::test]
async fn a_file_that_is_no_database_is_damaged() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("hubbub.db"), "no database ".repeat(1_000)).expect("written");
    assert!(matches!(open(&folder, 1).await, Err(StoreError::Damaged(_))));
}

#[tokio::test]
async fn a_folder_that_can_not_be_made_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("file"), "").expect("written");
    let settings = Settings::new(folder.path().join("file/hubbub.db"), 1);
    match Sqlite::open(settings).await {
        Err(StoreError::Unavailable(why)) => assert!(why.contains("file/hubbub.db"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn tables_of_a_newer_hub_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    open(&folder, 1).await.expect("the store opens").close().await;
    change(&folder, "INSERT INTO _sqlx_migrations VALUES (9999, 'later', '2030-01-01', 1, x'00', 0)").await;
    match open(&folder, 2).await {
        Err(StoreError::Refused(why)) => assert!(why.contains("version"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn damage_is_named_and_harms_nothing_else() {
    for damage in [
        "UPDATE messages SET data = '{'",
        "UPDATE messages SET author = 'not a user'",
        "UPDATE messages SET key = ''",
        "UPDATE messages SET offset = 99 WHERE offset = 2",
        "UPDATE messages SET offset = 9007199254740993 WHERE offset = 2",
        "PRAGMA ignore_check_constraints = ON; UPDATE messages SET id = x'00' WHERE offset = 2",
        "PRAGMA ignore_check_constraints = ON; UPDATE messages SET time = -1",
        "PRAGMA ignore_check_constraints = ON; UPDATE channels SET low = 3",
        "PRAGMA ignore_check_constraints = ON; UPDATE channels SET head = -1",
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let store = open(&folder, 1).await.expect("the store opens");
        for number in 1..=2 {
            append(&store, number).await.expect("appended");
        }
        store.close().await;
        change(&folder, damage).await;
        let store = open(&folder, 2).await.expect("the store opens");
        let page = store.read(&channel("chat:a"), ReadFrom::After(0), 10, usize::MAX).await;
        assert!(matches!(page, Err(StoreError::Damaged(_))), "{damage}: {page:?}");
        let other = store.read(&channel("chat:b"), ReadFrom::After(0), 10, usize::MAX).await;
        assert!(other.is_ok(), "{other:?}");
        store.close().await;
    }
}

#[tokio::test]
async fn the_oldest_keys_are_pruned_as_new_ones_come() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(&folder, 1).await.expect("the store opens");
    for number in 1..=40 {
        append(&store, number).await.expect("appended");
    }
    for number in 41..=45 {
        let late = Append { time: number + 3 * 24 * 3_600_000, ..message(number) };
        store.append(late).await.expect("appended");
    }
    store.close().await;
    let mut file = connect(&folder).await;
    let left: Vec<i64> =
        sqlx::query_scalar("SELECT offset FROM keys ORDER BY row").fetch_all(&mut file).await.expect("rows");
    assert_eq!(left, [41, 42, 43, 44, 45]);
}

#[tokio::test]
async fn nothing_that_was_erased_is_left_in_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(&folder, 1).await.expect("the store opens");
    let secret = Append {
        data: Data::parse("\"a secret that must go\"".into()).expect("json"),
        key: Some(Key::parse("the key of the secret").expect("a key")),
        publisher: "user/its-author".into(),
        ..message(1)
    };
    store.append(secret).await.expect("appended");
    append(&store, 2).await.expect("appended");
    assert_eq!(store.erase(&channel("chat:a"), 1).await, Ok(true));
    store.close().await;
    let bytes = std::fs::read(folder.path().join("hubbub.db")).expect("the file");
    for text in ["a secret that must go", "the key of the secret", "its-author"] {
        assert!(!bytes.windows(text.len()).any(|window| window == text.as_bytes()), "{text}");
    }
    assert!(!folder.path().join("hubbub.db-wal").exists(), "closing moves the write-ahead log into the file");
}

async fn open(folder: &TempDir, seed: u64) -> Result<Sqlite, StoreError> {
    Sqlite::open(Settings::new(folder.path().join("hubbub.db"), seed)).await
}

async fn connect(folder: &TempDir) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(folder.path().join("hubbub.db"));
    SqliteConnection::connect_with(&options).await.expect("connected")
}

/// Changes the closed file as no store would.
async fn change(folder: &TempDir, sql: &'static str) {
    let mut file = connect(folder).await;
    sqlx::raw_sql(sql).execute(&mut file).await.expect(sql);
    file.close().await.expect("closed");
}

fn channel(name: &str) -> ChannelKey {
    ChannelKey::new(TenantId::parse("acme").expect("a tenant"), ChannelName::parse(name).expect("a channel"))
}

fn message(number: u64) -> Append {
    Append {
        channel: channel("chat:a"),
        id: MessageId::from_parts(number, 0),
        time: number,
        publisher: "user/ada".into(),
        key: Some(Key::parse(&number.to_string()).expect("a key")),
        conflate_key: None,
        from: None,
        data: Data::parse(number.to_string()).expect("json"),
    }
}

async fn append(store: &Sqlite, number: u64) -> Result<Appended, StoreError> {
    store.append(message(number)).await
}
