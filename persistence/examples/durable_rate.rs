//! How many appends a second Postgres acknowledges to three nodes on this machine, with its disk waited for; and how long
//! an acknowledgement takes at 2,000 a second.
//!
//! Starts a private durable Postgres, then itself three times as nodes. Beside the figures stand those of the machine: how
//! long its disk takes for an `fdatasync`, and how many rows one bare connection inserts in batches.
//!
//! `cargo run --release -p hubbub-persistence --example durable_rate [seconds] [folder]`

#![expect(clippy::print_stdout, reason = "it is there to print")]

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hubbub_local::postgres::{Options, Postgres as Server};
use hubbub_persistence::postgres::{Settings, migrate};
use hubbub_persistence::{Append, Appended, Bounds, Postgres, Store, StoreError};
use hubbub_protocol::channel::{ChannelKey, ChannelName, TenantId};
use hubbub_protocol::{Data, Key, MessageId};

const NODES: u64 = 3;
/// Publishers of each node when the rate is not limited; each appends when its last append was answered.
const PUBLISHERS: u64 = 400;
const CHANNELS: u64 = 60;
/// The rate at which latency is measured, of all nodes together.
const RATE: u64 = 2_000;
/// What is to be reached.
const RATE_WANTED: f64 = 10_000.0;
const P99_WANTED_MS: f64 = 50.0;

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [word, url, node, seconds, rate] = &arguments[..]
        && word == "node"
    {
        return runtime()?.block_on(node_process(url, node.parse()?, seconds.parse()?, rate.parse()?));
    }
    let seconds: u64 = arguments.first().map_or(Ok(10), |seconds| seconds.parse())?;
    let folder = arguments.get(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let fsync = fdatasync_latency(&folder)?;
    println!("disk: fdatasync of 8 KiB takes {:.2} ms (median of 200)", millis(fsync));
    let kept = folder.join(format!("hubbub-durable-rate-{}", std::process::id()));
    let server = Server::start(Options::default().durable().folder(&kept))?;
    let measured = measure(&server, seconds);
    drop(server);
    std::fs::remove_dir_all(&kept)?;
    measured
}

fn measure(server: &Server, seconds: u64) -> Result<(), Failure> {
    runtime()?.block_on(migrate(&server.owner_url(), "hubbub"))?;
    let bare = bare_rate(server)?;
    println!("control: one bare connection inserts {bare:.0} rows/s, 128 a commit, without keys, heads or tenants");
    let (rate, full) = run(server, seconds, 0)?;
    println!("unlimited: {rate:.0} acknowledged/s, p50 {:.1} ms, p99 {:.1} ms", at(&full, 0.5), at(&full, 0.99));
    let (steady_rate, steady) = run(server, seconds, RATE)?;
    let p99 = at(&steady, 0.99);
    println!("steady: {steady_rate:.0} acknowledged/s, p50 {:.1} ms, p99 {p99:.1} ms", at(&steady, 0.5));
    let ratio = rate / bare;
    println!("durable-rate: {rate:.0}/s (ratio to the control {ratio:.2}), p99 at {RATE}/s {p99:.1} ms");
    if rate < RATE_WANTED || p99 > P99_WANTED_MS || steady_rate < RATE as f64 * 0.95 {
        return Err(format!("wanted are {RATE_WANTED:.0}/s and a p99 below {P99_WANTED_MS} ms at {RATE}/s").into());
    }
    Ok(())
}

/// Runs the nodes; how many appends were acknowledged a second, and how long each took, in microseconds and ascending.
fn run(server: &Server, seconds: u64, rate: u64) -> Result<(f64, Vec<u64>), Failure> {
    let mut nodes = Vec::new();
    for node in 0..NODES {
        let arguments = [server.url(), node.to_string(), seconds.to_string(), (rate / NODES).to_string()];
        let spawned =
            Command::new(std::env::current_exe()?).arg("node").args(arguments).stdout(Stdio::piped()).spawn()?;
        nodes.push(Running(spawned));
    }
    let mut took = Vec::new();
    for node in &mut nodes {
        let said = node.0.stdout.take().ok_or("a node has no output")?;
        for line in BufReader::new(said).lines() {
            took.push(line?.parse()?);
        }
        if !node.0.wait()?.success() {
            return Err("a node failed".into());
        }
    }
    took.sort_unstable();
    Ok((took.len() as f64 / seconds as f64, took))
}

/// A node that does not outlive this process's interest in it.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already when all went well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Appends, and says how many microseconds each acknowledgement took.
async fn node_process(url: &str, node: u64, seconds: u64, rate: u64) -> Result<(), Failure> {
    let settings =
        Settings { url: url.to_owned(), replica_url: None, connections: 12, bounds: Bounds::default(), seed: node };
    let store = Arc::new(Postgres::open(settings).await?);
    // The first second is for connections and caches.
    let begin = Instant::now() + Duration::from_secs(1);
    let end = begin + Duration::from_secs(seconds);
    let took = if rate == 0 { unlimited(&store, node, end).await? } else { steady(&store, node, rate, end).await? };
    store.close().await;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for (begun, took) in took {
        if begun >= begin {
            writeln!(out, "{}", took.as_micros())?;
        }
    }
    Ok(out.flush()?)
}

type Took = Vec<(Instant, Duration)>;

async fn unlimited(store: &Arc<Postgres>, node: u64, end: Instant) -> Result<Took, Failure> {
    let mut publishers = tokio::task::JoinSet::new();
    for publisher in 0..PUBLISHERS {
        let store = store.clone();
        publishers.spawn(async move {
            let mut took = Vec::new();
            for number in 0.. {
                let begun = Instant::now();
                if begun > end {
                    break;
                }
                acknowledged(store.append(append(node, publisher * 10_000_000 + number)).await)?;
                took.push((begun, begun.elapsed()));
            }
            Ok::<_, Failure>(took)
        });
    }
    let mut all = Vec::new();
    while let Some(took) = publishers.join_next().await {
        all.extend(took??);
    }
    Ok(all)
}

/// Begins appends at an even pace, however long those before take.
async fn steady(store: &Arc<Postgres>, node: u64, rate: u64, end: Instant) -> Result<Took, Failure> {
    let mut waiting = tokio::task::JoinSet::new();
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / u32::try_from(rate)?);
    for number in 0.. {
        // When it should have begun counts, not when this task came to it.
        let due = ticks.tick().await.into_std();
        if due > end {
            break;
        }
        let answer = store.append(append(node, 9_000_000_000_000 + number));
        waiting.spawn(async move {
            acknowledged(answer.await)?;
            Ok::<_, Failure>((due, due.elapsed()))
        });
    }
    let mut all = Vec::new();
    while let Some(took) = waiting.join_next().await {
        all.push(took??);
    }
    Ok(all)
}

fn acknowledged(answer: Result<Appended, StoreError>) -> Result<(), Failure> {
    match answer? {
        Appended::At { duplicate: false, .. } => Ok(()),
        other => Err(format!("{other:?}").into()),
    }
}

/// A chat message of 128 bytes with a key. All nodes append to all channels.
fn append(node: u64, number: u64) -> Append {
    const NOW: u64 = 1_763_600_000_000;
    let channel = format!("chat:{}", number % CHANNELS);
    Append {
        channel: ChannelKey::new(
            TenantId::parse("acme").expect("a tenant"),
            ChannelName::parse(&channel).expect("a channel"),
        ),
        id: MessageId::from_parts(NOW, u128::from(node) << 64 | u128::from(number)),
        time: NOW,
        publisher: format!("user/{}", number % 1_000),
        key: Some(Key::parse(&format!("{node}/{number}")).expect("digits are a key")),
        conflate_key: None,
        from: None,
        data: Data::parse(format!("{{\"text\":\"{number:0>117}\"}}")).expect("this is JSON"),
    }
}

/// Rows of the same size by one connection of the server's own benchmark, into a plain table.
fn bare_rate(server: &Server) -> Result<f64, Failure> {
    const COMMITS: u32 = 200;
    server.psql("CREATE TABLE bare (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, data text)")?;
    let insert = "INSERT INTO bare (data) SELECT repeat('x', 128) FROM generate_series(1, 128); COMMIT;";
    // A procedure, since one `psql -c` is one transaction.
    server.psql(&format!(
        "CREATE PROCEDURE bare_load() LANGUAGE plpgsql AS $$ BEGIN FOR i IN 1..{COMMITS} LOOP {insert} END LOOP; END $$"
    ))?;
    let begun = Instant::now();
    server.psql("CALL bare_load()")?;
    let rate = f64::from(COMMITS * 128) / begun.elapsed().as_secs_f64();
    server.psql("DROP PROCEDURE bare_load; DROP TABLE bare")?;
    Ok(rate)
}

fn fdatasync_latency(folder: &Path) -> Result<Duration, Failure> {
    use std::os::unix::fs::FileExt;
    let mut file = tempfile::tempfile_in(folder)?;
    file.write_all(&[0; 8192])?;
    file.sync_all()?;
    let mut took = Vec::new();
    for round in 0..200u8 {
        file.write_all_at(&[round; 8192], 0)?;
        let begun = Instant::now();
        file.sync_data()?;
        took.push(begun.elapsed());
    }
    took.sort_unstable();
    Ok(took[took.len() / 2])
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
}

/// A part of ascending microseconds, in milliseconds.
fn at(took: &[u64], part: f64) -> f64 {
    took.get((took.len() as f64 * part) as usize).map_or(f64::NAN, |took| *took as f64 / 1_000.0)
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}
