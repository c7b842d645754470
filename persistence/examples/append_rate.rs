//! Prints how many appends a second the SQLite store commits on this machine: one after the other, and with many
//! waiting.
//!
//! `cargo run --release -p hubbub-persistence --example append_rate [folder]`

#![expect(clippy::print_stdout, reason = "it is there to print")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hubbub_persistence::sqlite::Settings;
use hubbub_persistence::{Append, Sqlite, Store};
use hubbub_protocol::channel::{ChannelKey, ChannelName, TenantId};
use hubbub_protocol::{Data, Key, MessageId};

/// Each measurement goes on for so long.
const WINDOW: Duration = Duration::from_secs(3);

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder: PathBuf = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = folder.join(format!("hubbub-append-rate-{}", std::process::id()));
    println!("{:>9} {:>9} {:>6} {:>12} {:>10} {:>10}", "waiting", "channels", "keys", "appends/s", "p50 ms", "p99 ms");
    for (waiting, channels, keys) in
        [(1, 1, false), (1, 1, true), (50, 1, true), (1_000, 1, false), (1_000, 1, true), (1_000, 1_000, true)]
    {
        let path = folder.join(format!("{waiting}-{channels}-{keys}.db"));
        let store = Arc::new(Sqlite::open(Settings::new(path, 1)).await?);
        let (rate, mut took) = measure(&store, waiting, channels, keys).await?;
        store.close().await;
        took.sort_unstable();
        let at = |part: f64| took[(took.len() as f64 * part) as usize].as_secs_f64() * 1_000.0;
        println!("{waiting:>9} {channels:>9} {keys:>6} {rate:>12.0} {:>10.2} {:>10.2}", at(0.5), at(0.99));
    }
    std::fs::remove_dir_all(folder)?;
    Ok(())
}

/// So many publishers, each of which appends when its last append was answered.
async fn measure(
    store: &Arc<Sqlite>,
    waiting: u64,
    channels: u64,
    keys: bool,
) -> Result<(f64, Vec<Duration>), Box<dyn std::error::Error>> {
    let start = Instant::now();
    let mut publishers = tokio::task::JoinSet::new();
    for publisher in 0..waiting {
        let store = store.clone();
        let channel =
            ChannelKey::new(TenantId::parse("acme")?, ChannelName::parse(&format!("chat:{}", publisher % channels))?);
        publishers.spawn(async move {
            let mut took = Vec::new();
            for number in 0.. {
                let begun = Instant::now();
                if begun - start > WINDOW {
                    break;
                }
                let append = append(&channel, publisher << 32 | number, keys);
                store.append(append).await?;
                took.push(begun.elapsed());
            }
            Ok::<_, hubbub_persistence::StoreError>(took)
        });
    }
    let mut all = Vec::new();
    while let Some(took) = publishers.join_next().await {
        all.extend(took??);
    }
    Ok((all.len() as f64 / start.elapsed().as_secs_f64(), all))
}

/// A chat message of 128 bytes.
fn append(channel: &ChannelKey, number: u64, keys: bool) -> Append {
    const NOW: u64 = 1_763_600_000_000;
    Append {
        channel: channel.clone(),
        id: MessageId::from_parts(NOW, u128::from(number)),
        time: NOW,
        publisher: "user/ada".into(),
        key: keys.then(|| Key::parse(&format!("{number:032x}")).expect("hexadecimal digits are a key")),
        conflate_key: None,
        from: None,
        data: Data::parse(format!("{{\"text\":\"{number:0>117}\"}}")).expect("this is JSON"),
    }
}
