//! What only the inside of the backend can show: that each statement steps into an index, and that nothing of a word is left.

use hubbub_protocol::channel::{ChannelKey, ChannelName, TenantId, UserId};
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Execute, Row};

use super::super::rows::with_values;
use super::super::{Settings, Sqlite};
use super::answer::{GROUP, KEY, LAST, statement};
use super::list::{Query, everywhere_query, group_query, homes_query, keys_query, user_query};
use super::write::REMOVE;
use super::{jobs, search};
use crate::log::ReadFrom;
use crate::records::scripted::Scripted;
use crate::records::{Kind, Record, RecordKey, Records, Search, SearchIn, Verdict};
use crate::store::Store;

async fn open(folder: &tempfile::TempDir) -> Sqlite {
    Sqlite::open(Settings::new(folder.path().join("hubbub.db"), 1)).await.expect("the store opens")
}

fn home() -> ChannelKey {
    ChannelKey::new(TenantId::parse("acme").expect("a tenant"), ChannelName::parse("room:a").expect("a channel"))
}

/// The steps of a statement, each on a line.
async fn plan(connection: &mut SqliteConnection, sql: &str) -> String {
    let rows = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"))).fetch_all(connection).await;
    let rows = rows.unwrap_or_else(|error| panic!("{sql}: {error}"));
    rows.iter().map(|row| row.get::<String, _>(3)).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn every_statement_steps_into_an_index() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(&folder).await;
    let (home, who) = (home(), UserId::parse("ada").expect("a user"));
    let (tenant, kind, none) = (&home.tenant, Kind::Message, None);
    let text = |query: Query<'_>| query.sql().as_str().to_owned();
    let values = |statement: &str, columns| with_values(statement, columns, 8).0;
    let search = |within, from| {
        search::statement(&Search { tenant: tenant.clone(), words: String::new(), within, from, skip: 0, limit: 1 })
    };
    let by_group = "INDEX records_by_group (tenant=? AND home=? AND kind=? AND grp=?";
    let by_key = "INDEX sqlite_autoindex_records_1 (tenant=? AND home=? AND kind=? AND key";
    let by_user = "INDEX records_by_user (tenant=? AND who=? AND kind=?";
    let table = [
        (values(&statement(KEY), 6), by_key),
        (values(&statement(LAST), 6), by_group),
        (values(&statement(&GROUP.replace("{most}", "9")), 6), by_group),
        (values(REMOVE, 4), by_key),
        (text(group_query(&home, kind, "g", ReadFrom::After(1), 9)), by_group),
        (text(group_query(&home, kind, "g", ReadFrom::Before(1), 9)), by_group),
        (text(keys_query(&home, kind, &none, "k", 9)), by_key),
        (text(keys_query(&home, kind, &Some("g".into()), "k", 9)), by_key),
        (text(user_query(tenant, &who, kind, ("", ""), 9)), by_user),
        (text(homes_query(tenant, &who, kind, &[&home], ("", ""), 9)), by_user),
        (
            text(everywhere_query(tenant, Kind::Room, "open", None, 9)),
            "INDEX records_everywhere (tenant=? AND kind=? AND grp=? AND home>?)",
        ),
        (
            text(everywhere_query(tenant, Kind::Proof, "", Some(&home), 9)),
            "INDEX records_everywhere (tenant=? AND kind=? AND grp=? AND home>?)",
        ),
        (search(SearchIn::Channel(home.clone()), None), "words VIRTUAL TABLE INDEX"),
        (
            search(SearchIn::JoinedBy(who.clone()), Some(who.clone())),
            "USING INDEX records_by_user (tenant=? AND who=? AND kind=? AND home=?)",
        ),
        (jobs::DUE.to_owned(), "INDEX records_due (at<?)"),
    ];
    let mut lent = store.readers.lend().await.expect("lent");
    for (sql, index) in table {
        let plan = plan(lent.connection(), &sql).await;
        assert!(plan.contains(index), "{sql}:\n{plan}");
        // The values of a statement are scanned, and what the table of words has found; the table calls that what its index does
        // (`M`: a match; 192: rows from the last one on).
        let known = ["VALUES CLAUSE", "CONSTANT ROW", "SCAN v", "words VIRTUAL TABLE INDEX 192:M"];
        for scan in plan.lines().filter(|line| line.starts_with("SCAN") && *line != "SCAN w") {
            assert!(known.iter().any(|known| scan.contains(known)), "{sql}:\n{plan}");
        }
    }
    lent.give_back();
    store.close().await;
}

fn message(key: &str, text: Option<String>) -> Record {
    let key = RecordKey { home: home(), kind: Kind::Message, key: key.into() };
    Record { key, group: String::new(), at: 1, who: None, text, body: "{}".into() }
}

async fn put(store: &Sqlite, number: u64, records: Vec<Record>) {
    let id = hubbub_protocol::MessageId::from_parts(number, 0);
    let act = Scripted::new(&[home()], number, id, move |view| {
        records.iter().cloned().for_each(|record| view.put(record));
        Ok(Verdict::default())
    });
    store.act(std::sync::Arc::new(act)).await.expect("acted");
}

/// Words that stand alone, at the beginning and in the middle of the index, and in more than one segment of it.
#[tokio::test]
async fn nothing_of_an_erased_word_is_left_in_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(&folder).await;
    let secrets = ["aardvarksecret", "mangosecret", "zebrasecret"];
    let key = |secret: &str, number: u64| format!("{}{number}", &secret[..1]);
    let noise = |number: u64| {
        message(&format!("n{number}"), Some(format!("word{number} other{} and more", number * 7 % 1_000)))
    };
    for number in 0..40 {
        put(&store, 1 + number, (number * 25..number * 25 + 25).map(noise).collect()).await;
        if number % 10 == 5 {
            let records =
                secrets.iter().map(|secret| message(&key(secret, number), Some(format!("say {secret}")))).collect();
            put(&store, 100 + number, records).await;
        }
    }
    let keys = [5, 15, 25, 35].into_iter().flat_map(|number| secrets.map(|secret| key(secret, number)));
    put(&store, 200, keys.map(|key| message(&key, None)).collect()).await;
    let mut writer = store.writer.lend().await.expect("lent");
    sqlx::query("INSERT INTO words (words) VALUES ('integrity-check')")
        .execute(writer.connection())
        .await
        .expect("whole");
    writer.give_back();
    let search = |words: &str| Search {
        tenant: home().tenant,
        words: words.into(),
        within: SearchIn::Channel(home()),
        from: None,
        skip: 0,
        limit: 9,
    };
    assert_eq!(store.search(search("word77")).await.expect("searched").len(), 9, "the others are found");
    for secret in secrets {
        assert!(store.search(search(secret)).await.expect("searched").is_empty(), "{secret}");
    }
    store.close().await;
    let bytes = std::fs::read(folder.path().join("hubbub.db")).expect("the file");
    // Of a word the index keeps what it does not share with the one before: whatever was kept of it held its end.
    for rest in ["dvarksecret", "gosecret", "brasecret"] {
        assert!(!bytes.windows(rest.len()).any(|window| window == rest.as_bytes()), "{rest} is left");
    }
}
