//! Compares layouts for years of messages in Postgres: how fast rows go in, how long a page takes and how many partitions
//! it opens, what expiry of a quarter of all costs. The decision is `docs/decisions/0008-postgres-layout.md`.
//!
//! Seven years in quarters: 20 busy channels with 2,000 messages a quarter, 2,000 quiet ones with 5. `synchronous_commit`
//! is off here: what is compared is the work of the layout, not the disk's wait for each commit.
//!
//! `cargo run --release -p hubbub-persistence --example postgres_layout [quarters] [layout]`

#![expect(clippy::print_stdout, reason = "it is there to print")]

use std::time::{Duration, Instant};

use hubbub_local::postgres::{Options, Postgres as Server};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

type Failure = Box<dyn std::error::Error>;

const BUSY: i64 = 20;
const BUSY_EACH: i64 = 2_000;
const QUIET: i64 = 2_000;
const QUIET_EACH: i64 = 5;
/// What the slots of the hub take for a page: a segment with less moves along.
const PAGE: i64 = 1_000;

/// One way to lay messages out.
struct Layout {
    name: &'static str,
    /// After `CREATE TABLE bench.m (…)`.
    partitioned: &'static str,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Expiry deletes.
    Plain,
    /// By channel; expiry deletes.
    Hash,
    /// By time; a page does not know where to look.
    Time,
    /// By time, with a row for each channel and quarter that says which offsets lie there.
    TimeMapped,
    /// The hub's: the same for busy channels; quiet ones lie together, and expiry deletes theirs.
    Slots,
}

const LAYOUTS: [Layout; 5] = [
    Layout { name: "plain table", partitioned: "", kind: Kind::Plain },
    Layout { name: "hash by channel (16)", partitioned: "PARTITION BY HASH (channel_id)", kind: Kind::Hash },
    Layout { name: "range by time", partitioned: "PARTITION BY LIST (slot)", kind: Kind::Time },
    Layout { name: "range by time, mapped", partitioned: "PARTITION BY LIST (slot)", kind: Kind::TimeMapped },
    Layout { name: "slots with segments", partitioned: "PARTITION BY LIST (slot)", kind: Kind::Slots },
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let quarters: i64 = std::env::args().nth(1).map_or(Ok(28), |quarters| quarters.parse())?;
    let server =
        Server::start(Options::default().durable().setting("shared_buffers", "256MB").setting("max_wal_size", "4GB"))?;
    let mut connection = PgConnection::connect(&server.admin_url()).await?;
    run(&mut connection, "SET synchronous_commit = off; SET jit = off").await?;
    println!(
        "{:<22} {:>10} {:>18} {:>18} {:>18} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "layout",
        "rows/s",
        "busy page ms/parts",
        "quiet page",
        "deep page",
        "expiry s",
        "WAL MB",
        "MB before",
        "after",
        "vacuum s"
    );
    let asked = std::env::args().nth(2).unwrap_or_default();
    for layout in LAYOUTS.iter().filter(|layout| layout.name.contains(&asked)) {
        measure(&mut connection, layout, quarters).await?;
    }
    Ok(())
}

async fn measure(connection: &mut PgConnection, layout: &Layout, quarters: i64) -> Result<(), Failure> {
    let filled = {
        make(connection, layout, quarters).await?;
        let begun = Instant::now();
        for quarter in 0..quarters {
            fill(connection, layout, quarter).await?;
        }
        begun.elapsed()
    };
    run(connection, "VACUUM ANALYZE bench.m").await?;
    let rows = quarters * (BUSY * BUSY_EACH + QUIET * QUIET_EACH);
    let busy = pages(connection, layout, 7, quarters * BUSY_EACH, 50).await?;
    let quiet = pages(connection, layout, BUSY + 77, quarters * QUIET_EACH, 50).await?;
    let deep = pages(connection, layout, 7, quarters * BUSY_EACH / 2, PAGE).await?;
    let before = megabytes(connection).await?;
    let log = number(connection, "SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint").await?;
    let begun = Instant::now();
    expire(connection, layout, quarters / 4).await?;
    let expiry = begun.elapsed();
    let log = number(connection, "SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint").await? - log;
    let after = megabytes(connection).await?;
    let begun = Instant::now();
    run(connection, "VACUUM bench.m").await?;
    println!(
        "{:<22} {:>10.0} {:>18} {:>18} {:>18} {:>9.2} {:>9.1} {:>9} {:>9} {:>9.2}",
        layout.name,
        rows as f64 / filled.as_secs_f64(),
        busy,
        quiet,
        deep,
        expiry.as_secs_f64(),
        log as f64 / 1e6,
        before,
        after,
        begun.elapsed().as_secs_f64(),
    );
    Ok(())
}

async fn make(connection: &mut PgConnection, layout: &Layout, quarters: i64) -> Result<(), Failure> {
    let Layout { partitioned, kind, .. } = layout;
    run(connection, "DROP SCHEMA IF EXISTS bench CASCADE; CREATE SCHEMA bench").await?;
    let columns = "slot int, channel_id bigint, \"offset\" bigint, time bigint, id bytea, tenant text, publisher text, author text, data text";
    let keys = match kind {
        Kind::Plain | Kind::Hash => "PRIMARY KEY (channel_id, \"offset\"), UNIQUE (channel_id, id)",
        Kind::Time | Kind::TimeMapped | Kind::Slots => {
            "PRIMARY KEY (channel_id, \"offset\", slot), UNIQUE (channel_id, id, slot)"
        }
    };
    run(connection, &format!("CREATE TABLE bench.m ({columns}, {keys}) {partitioned}")).await?;
    let parts = match kind {
        Kind::Plain => 0,
        Kind::Hash => 16,
        Kind::Time | Kind::TimeMapped | Kind::Slots => quarters,
    };
    for part in 0..parts {
        let values =
            if *kind == Kind::Hash { format!("WITH (MODULUS 16, REMAINDER {part})") } else { format!("IN ({part})") };
        run(connection, &format!("CREATE TABLE bench.m_{part} PARTITION OF bench.m FOR VALUES {values}")).await?;
    }
    if *kind == Kind::Slots {
        run(connection, "CREATE TABLE bench.m_quiet PARTITION OF bench.m FOR VALUES IN (-1)").await?;
    }
    run(
        connection,
        "CREATE TABLE bench.segments (channel_id bigint, first bigint, slot int, PRIMARY KEY (channel_id, first))",
    )
    .await
}

/// A quarter in batches of 500 rows, 400 of busy channels and 100 of quiet ones.
async fn fill(connection: &mut PgConnection, layout: &Layout, quarter: i64) -> Result<(), Failure> {
    // The hub begins no segment for a channel without a page of messages: quiet ones stay where they began.
    let quiet = if layout.kind == Kind::Slots && quarter > 0 { 0 } else { QUIET };
    let quiet_slot = if layout.kind == Kind::Slots { -1 } else { quarter };
    if matches!(layout.kind, Kind::TimeMapped | Kind::Slots) {
        let segments = format!(
            "INSERT INTO bench.segments
             SELECT c, {quarter} * CASE WHEN c < {BUSY} THEN {BUSY_EACH} ELSE {QUIET_EACH} END + 1,
                 CASE WHEN c < {BUSY} THEN {quarter} ELSE {quiet_slot} END
             FROM generate_series(0, {BUSY} + {quiet} - 1) AS c"
        );
        run(connection, &segments).await?;
    }
    let busy = format!("i % {BUSY} AS channel, {quarter} * {BUSY_EACH} + i / {BUSY} + 1 AS at");
    let quiet = format!("{BUSY} + i % {QUIET}, {quarter} * {QUIET_EACH} + i / {QUIET} + 1");
    run(
        connection,
        &format!(
            "DO $$ BEGIN FOR batch IN 0..{} LOOP
                 INSERT INTO bench.m SELECT CASE WHEN channel < {BUSY} THEN {quarter} ELSE {quiet_slot} END, channel, at, {quarter}, decode(md5(channel || '/' || at), 'hex'),
                     'acme', 'user/ada', 'ada', repeat('x', 128)
                 FROM (SELECT {busy} FROM generate_series(batch * 400, batch * 400 + 399) AS i
                       UNION ALL SELECT {quiet} FROM generate_series(batch * 100, batch * 100 + 99) AS i) AS rows;
                 COMMIT;
             END LOOP; END $$",
            BUSY * BUSY_EACH / 400 - 1
        ),
    )
    .await
}

/// Milliseconds of a page that descends from an offset (median of 50), and how many partitions it opened.
async fn pages(
    connection: &mut PgConnection,
    layout: &Layout,
    channel: i64,
    from: i64,
    limit: i64,
) -> Result<String, Failure> {
    let mut took = Vec::new();
    let mut opened = 0;
    for round in 0..50 {
        let begun = Instant::now();
        opened = page(connection, layout, channel, from - round, limit).await?;
        took.push(begun.elapsed());
    }
    took.sort_unstable();
    Ok(format!("{:.2} / {opened}", took[25].as_secs_f64() * 1_000.0))
}

async fn page(
    connection: &mut PgConnection,
    layout: &Layout,
    channel: i64,
    from: i64,
    limit: i64,
) -> Result<i64, Failure> {
    let last = format!("channel_id = {channel} AND \"offset\" <= {from}");
    let order = format!("ORDER BY \"offset\" DESC LIMIT {limit}");
    match layout.kind {
        Kind::Plain | Kind::Hash => {
            rows(connection, &format!("SELECT * FROM bench.m WHERE {last} {order}")).await?;
            Ok(1)
        }
        Kind::Time => {
            // Every partition's index is asked, whether it holds some or not.
            rows(connection, &format!("SELECT * FROM bench.m WHERE {last} {order}")).await?;
            number(connection, "SELECT count(*) FROM pg_inherits WHERE inhparent = 'bench.m'::regclass").await
        }
        Kind::TimeMapped | Kind::Slots => {
            let segments = format!(
                "SELECT slot FROM bench.segments WHERE channel_id = {channel} AND first <= {from} ORDER BY first DESC"
            );
            let slots: Vec<i32> = rows(connection, &segments).await?.iter().map(|row| row.get(0)).collect();
            let (mut missing, mut opened) = (limit, 0);
            for slot in slots {
                let rest = format!("ORDER BY \"offset\" DESC LIMIT {missing}");
                missing -= rows(connection, &format!("SELECT * FROM bench.m WHERE slot = {slot} AND {last} {rest}"))
                    .await?
                    .len() as i64;
                opened += 1;
                if missing <= 0 {
                    break;
                }
            }
            Ok(opened)
        }
    }
}

/// Everything of the oldest quarters goes: 1,000 rows a commit where rows are deleted.
async fn expire(connection: &mut PgConnection, layout: &Layout, quarters: i64) -> Result<(), Failure> {
    match layout.kind {
        Kind::Plain | Kind::Hash => {
            for (first, last, each) in [(0, BUSY - 1, BUSY_EACH), (BUSY, BUSY + QUIET - 1, QUIET_EACH)] {
                let step = (1_000 / (quarters * each)).max(1);
                let part = (quarters * each).min(1_000);
                run(
                    connection,
                    &format!(
                        "DO $$ BEGIN FOR c IN {first}..{last} BY {step} LOOP FOR low IN 0..{} BY {part} LOOP
                             DELETE FROM bench.m WHERE channel_id >= c AND channel_id < least(c + {step}, {last} + 1)
                                 AND \"offset\" > low AND \"offset\" <= least(low + {part}, {}); COMMIT;
                         END LOOP; END LOOP; END $$",
                        quarters * each - 1,
                        quarters * each
                    ),
                )
                .await?;
            }
        }
        Kind::Time | Kind::TimeMapped | Kind::Slots => {
            for slot in 0..quarters {
                run(connection, &format!("TRUNCATE bench.m_{slot}")).await?;
            }
            run(connection, &format!("DELETE FROM bench.segments WHERE slot BETWEEN 0 AND {quarters} - 1")).await?;
        }
    }
    if layout.kind == Kind::Slots {
        // Those of quiet channels, one by one.
        let last = quarters * QUIET_EACH;
        run(connection, &format!("DELETE FROM bench.m WHERE channel_id >= {BUSY} AND \"offset\" <= {last}")).await?;
    }
    Ok(())
}

async fn megabytes(connection: &mut PgConnection) -> Result<i64, Failure> {
    let sizes = "SELECT (sum(pg_total_relation_size(oid)) / 1000000)::bigint FROM pg_class
                 WHERE relnamespace = 'bench'::regnamespace AND relkind = 'r'";
    number(connection, sizes).await
}

async fn number(connection: &mut PgConnection, sql: &str) -> Result<i64, Failure> {
    Ok(sqlx::query(AssertSqlSafe(sql.to_owned())).persistent(false).fetch_one(connection).await?.try_get(0)?)
}

async fn rows(connection: &mut PgConnection, sql: &str) -> Result<Vec<sqlx::postgres::PgRow>, Failure> {
    Ok(sqlx::query(AssertSqlSafe(sql.to_owned())).persistent(false).fetch_all(connection).await?)
}

async fn run(connection: &mut PgConnection, sql: &str) -> Result<(), Failure> {
    for _ in 0..3 {
        match sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut *connection).await {
            // The checkpointer or autovacuum was in the way.
            Err(sqlx::Error::Database(cause)) if cause.code().as_deref() == Some("40P01") => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            done => return Ok(done.map(drop)?),
        }
    }
    Err("deadlocks".into())
}
