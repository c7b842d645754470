//! Prints how long a search takes in Postgres: in one room with a million messages, and in all 500 rooms of somebody among 10,000
//! that hold as many together; for rare, middling and very common words, two words, and the beginning of one. Fails where the
//! slowest hundredth takes longer than 50 ms.
//!
//! Starts a private Postgres as it is set up by default, and fills it by SQL: texts of 6 to 18 words out of 50,000, as frequent as
//! words are (the one of rank n comes with a probability of 1/n). Searches go through the store, as the role of the nodes.
//!
//! `cargo run --release -p hubbub-persistence --example search_time [messages]`

#![expect(clippy::print_stdout, reason = "it is there to print")]

use std::error::Error;
use std::time::{Duration, Instant};

use hubbub_local::postgres::{Options, Postgres as Server};
use hubbub_persistence::postgres::{Settings, migrate};
use hubbub_persistence::records::{Records, Search, SearchIn};
use hubbub_persistence::{Bounds, Postgres, Store};
use hubbub_protocol::channel::{ChannelKey, ChannelName, TenantId, UserId};

/// Searches of each line.
const EACH: u64 = 200;
const WANTED: Duration = Duration::from_millis(50);
/// The word of a rank.
const WORD: &str = "substr(translate(md5(rank::text), '0123456789', 'ghijklmnop'), 1, 3 + rank % 6)";

type Failure = Box<dyn Error + Send + Sync>;

/// What people search for: ranks of words between these, the last one cut to so many letters.
struct Kind {
    name: &'static str,
    ranks: &'static [(f64, f64)],
    letters: usize,
}

const ALL: usize = usize::MAX;
const KINDS: [Kind; 8] = [
    Kind { name: "rare", ranks: &[(10_000.0, 50_000.0)], letters: ALL },
    Kind { name: "middling", ranks: &[(100.0, 3_000.0)], letters: ALL },
    Kind { name: "common", ranks: &[(6.0, 100.0)], letters: ALL },
    Kind { name: "very common", ranks: &[(1.0, 6.0)], letters: ALL },
    Kind { name: "two words", ranks: &[(1.0, 50_000.0), (1.0, 50_000.0)], letters: ALL },
    Kind { name: "two common words", ranks: &[(1.0, 10.0), (1.0, 10.0)], letters: ALL },
    Kind { name: "beginning", ranks: &[(1.0, 50_000.0)], letters: 2 },
    Kind { name: "word and letter", ranks: &[(1.0, 3_000.0), (1.0, 50_000.0)], letters: 1 },
];

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let messages: u64 = std::env::args().nth(1).map_or(Ok(1_000_000), |messages| messages.parse())?;
    let server = Server::start(Options::default())?;
    migrate(&server.owner_url(), "hubbub").await?;
    let filled = Instant::now();
    fill(&server, messages)?;
    println!("{} messages in {:.0} s", messages * 2, filled.elapsed().as_secs_f64());
    let words: Vec<String> = server
        .psql(&format!("SELECT {WORD} FROM generate_series(1, 50000) AS rank"))?
        .lines()
        .map(str::to_owned)
        .collect();
    let settings =
        Settings { url: server.url(), replica_url: None, connections: 4, bounds: Bounds::default(), seed: 1 };
    let store = Postgres::open(settings).await?;
    let tenant = TenantId::parse("acme")?;
    let room = SearchIn::Channel(ChannelKey::new(tenant.clone(), ChannelName::parse("room:big")?));
    let places = [("one room", room), ("500 rooms", SearchIn::JoinedBy(UserId::parse("ada")?))];
    let mut slow = Vec::new();
    println!("{:<12}{:<20}{:>8}{:>10}{:>10}{:>10}", "in", "words", "hits", "p50 ms", "p99 ms", "most ms");
    for (place, within) in places {
        for kind in &KINDS {
            let (hits, took) = measure(&store, &tenant, &within, kind, &words).await?;
            let at = |part: f64| took[((took.len() - 1) as f64 * part).round() as usize];
            let millis = |took: Duration| took.as_secs_f64() * 1_000.0;
            println!(
                "{place:<12}{:<20}{hits:>8.1}{:>10.1}{:>10.1}{:>10.1}",
                kind.name,
                millis(at(0.5)),
                millis(at(0.99)),
                millis(at(1.0))
            );
            slow.extend((at(0.99) > WANTED).then(|| format!("{place}, {}", kind.name)));
        }
    }
    store.close().await;
    if slow.is_empty() { Ok(()) } else { Err(format!("longer than {WANTED:?}: {}", slow.join("; ")).into()) }
}

fn fill(server: &Server, messages: u64) -> Result<(), Failure> {
    // The index is made when all is there, which is quicker.
    let index = server.psql("SELECT pg_get_indexdef('hubbub.records_message_words'::regclass)")?;
    server.psql("DROP INDEX hubbub.records_message_words")?;
    let words = format!(
        "(SELECT string_agg({WORD}, ' ') FROM
            (SELECT floor(exp(random() * ln(50000)))::int AS rank FROM generate_series(1, 6 + (i % 13)::int)) AS r)"
    );
    let part = |first: u64| {
        server.psql(&format!(
            "SET jit = off; SELECT setseed(0.{first});
             INSERT INTO hubbub.records (kind, tenant, home, key, grp, at, who, text, body)
                 SELECT 3, 'acme', CASE WHEN i / 2 % 2 = 0 THEN 'room:big' ELSE 'room:' || floor(random() * 10000) END,
                     lpad(upper(to_hex(i)), 26, '0'), '', i, 'u' || floor(random() * 2000), {words},
                     '{{\"post\":\"' || repeat('x', 350) || '\"}}'
                 FROM generate_series({first}, {}, 2) AS i",
            messages * 2
        ))
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(|| part(2));
        part(1)?;
        other.join().map_err(|_| "the other half was not filled")??;
        Ok::<_, Failure>(())
    })?;
    server.psql(&format!(
        "INSERT INTO hubbub.records (kind, tenant, home, key, grp, at, who, body)
             SELECT 2, 'acme', 'room:' || i * 20, 'ada', 'joined', 0, 'ada', '{{}}' FROM generate_series(0, 499) AS i;
         SET maintenance_work_mem = '512MB'; {index}"
    ))?;
    server.psql("VACUUM ANALYZE")?;
    Ok(())
}

/// How many hits a search has had on average, of a page of 20, and how long each took, ascending.
async fn measure(
    store: &Postgres,
    tenant: &TenantId,
    within: &SearchIn,
    kind: &Kind,
    words: &[String],
) -> Result<(f64, Vec<Duration>), Failure> {
    let (mut took, mut hits) = (Vec::new(), 0);
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..EACH {
        let mut terms: Vec<&str> = Vec::new();
        for (from, to) in kind.ranks {
            // Marsaglia's xorshift: the same words each time.
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let part = (seed >> 11) as f64 / (1_u64 << 53) as f64;
            terms.push(&words[((from.ln() + part * (to / from).ln()).exp() as usize).clamp(1, words.len()) - 1]);
        }
        let last = terms.pop().unwrap_or_default();
        terms.push(&last[..last.len().min(kind.letters)]);
        let (words, within) = (terms.join(" "), within.clone());
        let search =
            Search { tenant: tenant.clone(), words, within, from: None, skip: seed as u32 % 3 * 20, limit: 20 };
        let begun = Instant::now();
        hits += store.search(search).await?.len();
        took.push(begun.elapsed());
    }
    took.sort_unstable();
    Ok((hits as f64 / EACH as f64, took))
}
