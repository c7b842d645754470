//! Prints how long the two looks behind a list of 500 rooms take in Postgres, among 10,000 rooms with ten members each: which rooms
//! somebody is in, then each room with their place in it and the end of its log. On tables without statistics, and after `ANALYZE`.
//!
//! `cargo run --release -p hubbub-persistence --example look_time`

#![expect(clippy::print_stdout, reason = "it is there to print")]

use std::error::Error;
use std::time::{Duration, Instant};

use hubbub_local::postgres::{Options, Postgres as Server};
use hubbub_persistence::postgres::{Settings, migrate};
use hubbub_persistence::records::{Kind, List, Look, RecordKey, Records};
use hubbub_persistence::{Bounds, Postgres, Store};
use hubbub_protocol::channel::{ChannelKey, TenantId, UserId};

const ROOMS: usize = 500;
const EACH: usize = 200;

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let server = Server::start(Options::default().setting("autovacuum", "off"))?;
    migrate(&server.owner_url(), "hubbub").await?;
    server.psql(
        "INSERT INTO hubbub.channels (tenant, name, head) SELECT 'acme', 'room:' || i, 1 FROM generate_series(1, 10000) AS i;
         INSERT INTO hubbub.records (kind, tenant, home, key, grp, at, body)
             SELECT 1, 'acme', 'room:' || i, '-', 'open', 0, '{\"room\":\"' || repeat('x', 700) || '\"}'
             FROM generate_series(1, 10000) AS i;
         INSERT INTO hubbub.records (kind, tenant, home, key, grp, at, who, body)
             SELECT 2, 'acme', 'room:' || i, 'u' || m, 'joined', 0, 'u' || m, '{\"member\":\"' || repeat('x', 250) || '\"}'
             FROM generate_series(1, 10000) AS i CROSS JOIN generate_series(1, 10) AS n
                 CROSS JOIN LATERAL (SELECT CASE WHEN n = 1 AND i % 20 = 0 THEN 0 ELSE i * 10 + n END AS m) AS p")?;
    let settings =
        Settings { url: server.url(), replica_url: None, connections: 4, bounds: Bounds::default(), seed: 1 };
    let store = Postgres::open(settings).await?;
    for tables in ["without statistics", "analyzed"] {
        let [lists, keys] = measure(&store).await?;
        let millis = |took: &[Duration], part: f64| took[(took.len() as f64 * part) as usize].as_secs_f64() * 1_000.0;
        println!(
            "{tables}: rooms of a user p50 {:.1} ms, p99 {:.1} ms; rooms, members and heads p50 {:.1} ms, p99 {:.1} ms",
            millis(&lists, 0.5),
            millis(&lists, 0.99),
            millis(&keys, 0.5),
            millis(&keys, 0.99)
        );
        server.psql("ANALYZE")?;
    }
    store.close().await;
    Ok(())
}

async fn measure(store: &Postgres) -> Result<[Vec<Duration>; 2], Failure> {
    let (tenant, user) = (TenantId::parse("acme")?, UserId::parse("u0")?);
    let (mut of_lists, mut of_keys) = (Vec::new(), Vec::new());
    for _ in 0..EACH {
        let begun = Instant::now();
        let list =
            List::User { who: user.clone(), kind: Some(Kind::Member), homes: Vec::new(), after: None, limit: 1_000 };
        let looked = store.look(&tenant, Look { lists: vec![list], ..Look::default() }).await?;
        of_lists.push(begun.elapsed());
        let homes: Vec<ChannelKey> = looked.lists.into_iter().flatten().map(|record| record.key.home).collect();
        let key = |home: &ChannelKey, kind, key: &str| RecordKey { home: home.clone(), kind, key: key.into() };
        let both = |home: &ChannelKey| [key(home, Kind::Room, "-"), key(home, Kind::Member, user.as_str())];
        let keys: Vec<RecordKey> = homes.iter().flat_map(both).collect();
        let begun = Instant::now();
        let looked = store.look(&tenant, Look { heads: homes, keys, lists: Vec::new() }).await?;
        of_keys.push(begun.elapsed());
        if looked.keys.iter().flatten().count() != 2 * ROOMS {
            return Err("a room or a member is missing".into());
        }
    }
    of_lists.sort_unstable();
    of_keys.sort_unstable();
    Ok([of_lists, of_keys])
}
