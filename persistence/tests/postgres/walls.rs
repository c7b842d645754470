//! Goal: a node's role sees and writes the rows of the tenant that its transaction has set, whatever it says. Method:
//! SQL by hand, as that role, without a predicate.

use hubbub_local::postgres::Postgres as Server;
use hubbub_persistence::postgres::migrate;
use hubbub_persistence::records::{Kind, Records, Search, SearchIn};
use hubbub_persistence::{Postgres, Revocation, RevokedSubject, Store, StoreError};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use super::fixture::{channel, fill, keyed, open, putting, record, server, settings, tenant, whole};

/// Every table with rows of tenants.
const WALLED: [&str; 7] = ["channels", "segments", "epoch_starts", "messages", "keys", "revocations", "records"];

/// Each table has rows of `acme`.
async fn filled() -> (Server, Postgres) {
    let server = server().await;
    let store = open(&server, 1).await;
    fill(&store, "chat:a", 1..=3).await;
    store.append(keyed(&channel("chat:a"), 4, "k")).await.expect("appended");
    store.act(putting("room:a", 5, vec![record("room:a", Kind::Message, "m", 1)])).await.expect("acted");
    let subject = RevokedSubject::Token("jti".into());
    store.revoke(Revocation { tenant: tenant("acme"), subject, until: 10 }).await.expect("revoked");
    (server, store)
}

/// Runs a statement as the role of the nodes, for a tenant, and answers how many rows it saw or touched.
async fn as_tenant(url: &str, tenant: &str, statement: &str) -> Result<u64, sqlx::Error> {
    let mut connection = PgConnection::connect(url).await?;
    let mut transaction = connection.begin().await?;
    let set = format!("SELECT set_config('hubbub.tenant', '{tenant}', true)");
    sqlx::query(AssertSqlSafe(set)).execute(&mut *transaction).await?;
    let done = sqlx::query(AssertSqlSafe(statement.to_owned())).execute(&mut *transaction).await?;
    Ok(done.rows_affected())
}

#[tokio::test]
async fn another_tenants_rows_are_invisible() {
    let (server, store) = filled().await;
    for table in WALLED {
        let select = format!("SELECT * FROM hubbub.{table}");
        assert!(as_tenant(&server.url(), "acme", &select).await.expect("selected") > 0, "{table} has rows");
        for other in ["other", "", "acm", "ACME"] {
            assert_eq!(as_tenant(&server.url(), other, &select).await.expect("selected"), 0, "{table} as {other:?}");
        }
    }
    store.close().await;
}

#[tokio::test]
async fn another_tenants_rows_can_not_be_written() {
    let (server, store) = filled().await;
    let nothing = [
        "UPDATE hubbub.channels SET head = 0, low = 0",
        "UPDATE hubbub.messages SET data = NULL",
        "DELETE FROM hubbub.messages",
        "DELETE FROM hubbub.segments",
        "UPDATE hubbub.keys SET digest = NULL",
        "UPDATE hubbub.revocations SET until = 0",
        "UPDATE hubbub.messages SET tenant = 'other'",
        "UPDATE hubbub.records SET body = 'theirs'",
        "DELETE FROM hubbub.records",
    ];
    for statement in nothing {
        assert_eq!(as_tenant(&server.url(), "other", statement).await.expect("done"), 0, "{statement}");
    }
    let refused = [
        ("other", "INSERT INTO hubbub.channels (tenant, name) VALUES ('acme', 'chat:b')"),
        ("other", "INSERT INTO hubbub.revocations VALUES ('acme', 'token', 't', 0, 1)"),
        ("", "INSERT INTO hubbub.channels (tenant, name) VALUES ('acme', 'chat:b')"),
        // Rows can not be given away.
        ("acme", "UPDATE hubbub.channels SET tenant = 'other'"),
        ("acme", "UPDATE hubbub.messages SET tenant = 'other'"),
        ("other", "INSERT INTO hubbub.records VALUES (3, 'acme', 'room:a', 'm', '', 1, NULL, NULL, '1')"),
        (
            "other",
            "INSERT INTO hubbub.records VALUES (3, 'acme', 'room:a', 'm', '', 1, NULL, NULL, '1')
             ON CONFLICT (tenant, home, kind, key) DO UPDATE SET body = '1'",
        ),
        ("acme", "UPDATE hubbub.records SET tenant = 'other'"),
    ];
    for (tenant, statement) in refused {
        let error = as_tenant(&server.url(), tenant, statement).await.expect_err(statement);
        assert!(error.to_string().contains("row-level security"), "{statement}: {error}");
    }
    assert_eq!(whole(&store, "chat:a").await.len(), 4);
    // A function of the owner sees what the transaction may see, whatever it is asked.
    for tenant in ["other", "", "acme/room:a"] {
        let search = "SELECT * FROM hubbub.search('room:a', NULL, NULL, '''word''', NULL, 10, 10, 10, 0)";
        assert_eq!(as_tenant(&server.url(), tenant, search).await.expect("searched"), 0, "{tenant:?}");
    }
    // And takes back only what its own transaction has made.
    let unmake = "SELECT hubbub.unmake_channels(array_agg(id)) FROM generate_series(1, 100) AS id";
    as_tenant(&server.url(), "other", unmake).await.expect("nothing unmade");
    let within = SearchIn::Channel(channel("room:a"));
    let search = Search { tenant: tenant("acme"), words: "word".into(), within, from: None, skip: 0, limit: 9 };
    assert_eq!(store.search(search).await.expect("searched").len(), 1);
    store.close().await;
}

#[tokio::test]
async fn the_role_of_the_nodes_owns_nothing_and_goes_round_no_wall() {
    let (server, store) = filled().await;
    let denied = [
        "SELECT * FROM hubbub.messages_1",
        "SELECT * FROM hubbub.keys_0",
        "SELECT * FROM hubbub.records_message",
        "INSERT INTO hubbub.records_message VALUES (3, 'acme', 'room:a', 'm', '', 1, NULL, NULL, '1')",
        "TRUNCATE hubbub.messages",
        "DROP TABLE hubbub.channels",
        "ALTER TABLE hubbub.messages DISABLE ROW LEVEL SECURITY",
        "CREATE TABLE hubbub.mine (id int)",
        "UPDATE hubbub.identity SET started = now()",
        "DELETE FROM hubbub.epochs",
        "UPDATE hubbub.slots SET taking = false",
        "SELECT hubbub.make_slot()",
        "DELETE FROM hubbub.channels",
        "CREATE POLICY mine ON hubbub.messages USING (true)",
        "SET ROLE hubbub_owner",
        "INSERT INTO hubbub.migrations SELECT * FROM hubbub.migrations",
    ];
    for statement in denied {
        let error = as_tenant(&server.url(), "acme", statement).await.expect_err(statement).to_string();
        assert!(error.contains("permission denied") || error.contains("must be owner"), "{statement}: {error}");
    }
    let owned = "SELECT count(*) FROM pg_class WHERE relowner = 'hubbub'::regrole";
    assert_eq!(server.psql(owned).expect("asked"), "0");
    store.close().await;
}

#[tokio::test]
async fn every_table_with_a_tenant_is_walled_for_its_owner_too() {
    let (server, store) = filled().await;
    let mut connection = PgConnection::connect(&server.owner_url()).await.expect("connected");
    let tables = "SELECT c.relname::text, c.relrowsecurity AND c.relforcerowsecurity
                  FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'tenant'
                  WHERE c.relnamespace = 'hubbub'::regnamespace AND c.relkind IN ('r', 'p')";
    let rows = sqlx::query(tables).fetch_all(&mut connection).await.expect("asked");
    assert!(rows.len() > WALLED.len());
    for row in rows {
        assert!(row.get::<bool, _>(1), "{} has no wall", row.get::<String, _>(0));
    }
    for hidden in ["messages", "keys", "messages_1", "epoch_starts", "records", "records_room", "records_person"] {
        let select = format!("SELECT * FROM hubbub.{hidden}");
        assert_eq!(as_tenant(&server.owner_url(), "other", &select).await.expect("selected"), 0, "{hidden}");
    }
    store.close().await;
}

#[tokio::test]
async fn a_role_that_walls_do_not_hold_is_refused() {
    let (server, store) = filled().await;
    let refused = |error: StoreError| {
        assert!(matches!(&error, StoreError::Refused(why) if why.contains("every tenant")), "{error:?}")
    };
    refused(Postgres::open(settings(server.admin_url(), 2)).await.expect_err("a superuser"));
    server.psql("CREATE ROLE deputy LOGIN PASSWORD 'deputy' IN ROLE hubbub_owner").expect("made");
    let deputy_url = server.owner_url().replace("hubbub_owner:hubbub_owner", "deputy:deputy");
    for url in [server.owner_url(), deputy_url] {
        let error = Postgres::open(settings(url, 2)).await.expect_err("the owner");
        assert!(matches!(&error, StoreError::Refused(why) if why.contains("a role of their own")), "{error:?}");
    }
    refused(migrate(&server.owner_url(), "deputy").await.expect_err("a member of the owner"));
    refused(migrate(&server.owner_url(), "postgres").await.expect_err("a superuser"));
    refused(migrate(&server.owner_url(), "hubbub_owner").await.expect_err("the owner"));
    let missing = migrate(&server.owner_url(), "nobody").await.expect_err("no such role");
    assert!(matches!(&missing, StoreError::Refused(why) if why.contains("CREATE ROLE")), "{missing:?}");
    store.close().await;
}

/// What happens when a dump is restored without its owners: everything belongs to another role, policies stay behind.
#[tokio::test]
async fn another_owner_empties_nothing_and_says_what_to_do() {
    let (server, store) = filled().await;
    // More than a page, in two batches at least: the second lies in a slot that later takes nothing any more.
    fill(&store, "chat:b", 1..=1_100).await;
    fill(&store, "chat:b", 1_101..=1_105).await;
    let tidy = |minutes: u64| {
        let at = format!("SELECT hubbub.tidy((extract(epoch FROM now()) * 1000)::bigint + {})", minutes * 60_000);
        server.psql(&at)
    };
    let months = 92 * 24 * 60;
    assert_eq!(tidy(months).expect("tidied"), "t");
    server
        .psql(
            "CREATE ROLE heir LOGIN PASSWORD 'heir'; GRANT hubbub_owner TO heir;
             REASSIGN OWNED BY hubbub_owner TO heir; REVOKE hubbub_owner FROM heir",
        )
        .expect("inherited");
    let told = |error: &str| assert!(error.contains("hubbub migrate as the owner of the tables"), "{error}");
    // What seems to be empty is truncated when it has seemed so for ten minutes.
    for minutes in [0, 11, 22] {
        told(&tidy(months + minutes).expect_err("not by an owner who sees nothing").to_string());
    }
    told(&store.revocations(5).await.expect_err("revocations are not none").to_string());
    told(&store.tenants().await.expect_err("tenants are not none").to_string());
    told(&store.due(5, 1).await.expect_err("tasks are not none").to_string());
    match Postgres::open(settings(server.url(), 2)).await {
        Err(StoreError::Refused(why)) => told(&why),
        other => panic!("{other:?}"),
    }
    let heir_url = server.owner_url().replace("hubbub_owner:hubbub_owner", "heir:heir");
    migrate(&heir_url, "hubbub").await.expect("healed");
    for minutes in [33, 44, 55] {
        assert_eq!(tidy(months + minutes).expect("tidied"), "t");
    }
    assert_eq!(store.revocations(5).await.expect("asked").len(), 1);
    assert_eq!(store.tenants().await.expect("asked"), [tenant("acme")]);
    assert_eq!(whole(&store, "chat:a").await.len(), 4);
    assert_eq!(whole(&store, "chat:b").await.len(), 1_105);
    open(&server, 3).await.close().await;
    store.close().await;
}
