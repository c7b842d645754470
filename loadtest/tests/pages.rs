//! Goal: a person gets a page and a table out of the reports of runs, and a script gets an exit status.
//! Method: realistic reports are written, the program itself is called. The pages stay in the folder for temporary files
//! of the build (`target/tmp/pages-*`), to be looked at.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use hubbub_loadtest::outcome::{
    Cost, Counts, FORMAT, Latency, Machine, Mark, Outcome, Sample, Target, TargetKind, Threshold,
};

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("pages-{name}"));
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

fn loadtest(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hubbub-loadtest")).args(args).current_dir(folder).output().expect("runs")
}

/// From 0 to 1, always the same for the same numbers.
fn noise(seed: u64, at: u64) -> f64 {
    let mixed = (seed ^ at.wrapping_mul(0x9E37_79B9_7F4A_7C15)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    ((mixed ^ (mixed >> 29)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// A broadcast to 5,000: a ramp of 20 s, then 100 messages/s, a node killed at 70 s and a storm of those who come back.
fn realistic(name: &str, seed: u64, slower: f64) -> Outcome {
    Outcome {
        format: FORMAT,
        scenario: "broadcast".into(),
        source: "# One channel, many subscribers.\nconnections = 5_000\nramp_s = 20\n\n[[channels]]\nname = \"live:score\"\n".into(),
        seed,
        target: Target { kind: TargetKind::Hubbub, name: name.into(), url: "ws://127.0.0.1:8080/ws".into() },
        began_unix_ms: 1_772_366_405_000,
        seconds: 120.0,
        machine: Machine {
            cores: 2,
            memory_bytes: 8 << 30,
            kernel: "Linux 6.1.0-32-amd64".into(),
            processor: "Example Processor 3.0 GHz".into(),
        },
        samples: (1..=120).map(|at| sample(at, seed, slower)).collect(),
        marks: marks(),
        latency: latency(slower),
        counts: Counts {
            connections: 5_000,
            published: 10_000,
            acknowledged: 9_992,
            refused: 8,
            deliveries: 49_100_000,
            ..Counts::default()
        },
        cost: Cost {
            bytes_per_connection: Some(1_912.0),
            user_us_per_delivery: Some(slower * 0.142),
            system_us_per_delivery: Some(1.71),
            us_per_open: Some(slower * 71.4),
        },
        thresholds: vec![
            threshold("p99_ms", 50.0, slower * 42.6),
            threshold("lost", 0.0, 0.0),
            threshold("user_us_per_delivery", 0.2, slower * 0.142),
            threshold("bytes_per_connection", 2_048.0, 1_912.0),
        ],
        invalid_because: Vec::new(),
        knee: None,
    }
}

fn sample(at: u64, seed: u64, slower: f64) -> Sample {
    let ramp = (at as f64 / 20.0).min(1.0);
    let fault = if (70..76).contains(&at) { 1.0 - (at - 70) as f64 / 6.0 } else { 0.0 };
    let offered = if at <= 20 { 0.0 } else { 100.0 };
    let connections = (5_000.0 * ramp * (1.0 - 0.45 * fault)) as u64;
    let p50 = slower * (9.0 + 3.0 * noise(seed, at) + 160.0 * fault);
    let tail = p50 * (2.2 + noise(seed, at + 1_000));
    let latency = |ms: f64| (offered > 0.0 && at != 70).then_some(ms);
    let load = offered / 100.0 * (1.0 - 0.4 * fault);
    Sample {
        t_s: at as f64,
        connections,
        offered_per_s: offered,
        published_per_s: offered,
        acknowledged_per_s: offered * (1.0 - 0.3 * fault),
        deliveries_per_s: offered * connections as f64 * (0.985 + 0.03 * noise(seed, at + 2_000)),
        p50_ms: latency(p50),
        p99_ms: latency(tail),
        p999_ms: latency(tail * 1.6),
        max_ms: latency(tail * 2.0),
        hub_user_cores: Some(slower * (0.04 + 0.11 * load)),
        hub_system_cores: Some(0.05 + 0.8 * load + 0.05 * noise(seed, at + 3_000)),
        hub_pss_bytes: Some((9.5e6 + 1_900.0 * connections as f64 + 4e6 * fault) as u64),
        generator_cores: 0.1 + 0.45 * load,
        generator_busiest: 0.2 + 0.4 * load,
        machine_idle: (0.9 - 0.75 * load).max(0.02),
    }
}

fn latency(slower: f64) -> Latency {
    let percentile = |step: u32| {
        let nines = f64::from(step) / 20.0;
        (1.0 - 10_f64.powf(-nines), slower * (4.0 + 9.0 * nines.powf(2.1)))
    };
    Latency {
        count: 49_100_000,
        p50_ms: slower * 10.4,
        p90_ms: slower * 13.0,
        p99_ms: slower * 42.6,
        p999_ms: slower * 94.4,
        max_ms: slower * 590.0,
        percentiles: (0..=140).map(percentile).chain([(1.0, slower * 590.0)]).collect(),
    }
}

fn marks() -> Vec<Mark> {
    let mark = |(t_s, what): (f64, &str)| Mark { t_s, what: what.into() };
    [
        (20.0, "ramp done"),
        (70.0, "node 2 killed"),
        (71.5, "2,250 clients reconnect"),
        (76.0, "all back"),
        (118.0, "last message"),
    ]
    .map(mark)
    .to_vec()
}

fn threshold(name: &str, at_most: f64, value: f64) -> Threshold {
    Threshold { name: name.into(), at_most: Some(at_most), at_least: None, value: Some(value), met: value <= at_most }
}

#[test]
fn a_report_becomes_a_page_beside_it() {
    let folder = folder("report");
    realistic("hubbub", 1, 1.0).write(&folder.join("met.json")).expect("written");
    let done = loadtest(&folder, &["report", "met.json"]);
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    let page = std::fs::read_to_string(folder.join("met.html")).expect("a page");
    assert!(page.contains("Met: all 4 thresholds") && page.contains("node 2 killed"));

    realistic("hubbub", 1, 1.5).write(&folder.join("missed.json")).expect("written");
    let done = loadtest(&folder, &["report", "missed.json", "--html", "other.html"]);
    assert_eq!(done.status.code(), Some(0), "showing a missed run is no failure: {done:?}");
    assert!(std::fs::read_to_string(folder.join("other.html")).expect("a page").contains("Missed: 2 of 4"));
}

#[test]
fn a_report_is_never_overwritten_by_its_page() {
    let folder = folder("same");
    let run = folder.join("run.html");
    realistic("hubbub", 1, 1.0).write(&run).expect("written");
    for args in [&["report", "run.html"][..], &["compare", "run.html", "run.html", "--html", "run.html"]] {
        let done = loadtest(&folder, args);
        assert_eq!(done.status.code(), Some(3), "{done:?}");
        Outcome::read(&run).expect("still a report");
    }
}

#[test]
fn what_can_not_be_read_is_said_in_one_line() {
    let folder = folder("broken");
    std::fs::write(folder.join("old.json"), "{\"format\":7}").expect("written");
    let done = loadtest(&folder, &["report", "old.json"]);
    assert_eq!(done.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&done.stdout).contains("format 7 is not understood"), "{done:?}");
    assert_eq!(loadtest(&folder, &["report", "missing.json"]).status.code(), Some(3));
}

#[test]
fn runs_are_compared_in_the_terminal_and_on_a_page() {
    let folder = folder("compare");
    realistic("hubbub", 1, 1.0).write(&folder.join("a.json")).expect("written");
    realistic("hubbub of last week", 2, 1.4).write(&folder.join("b.json")).expect("written");
    realistic("another server", 3, 6.0).write(&folder.join("c.json")).expect("written");
    let done = loadtest(&folder, &["compare", "a.json", "b.json", "c.json", "--html", "compared.html"]);
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    let text = String::from_utf8_lossy(&done.stdout);
    let p99: Vec<_> = text.lines().find(|line| line.starts_with("p99_ms")).expect("a row").split_whitespace().collect();
    assert_eq!(p99[1..11].join(" "), "42.6 ms 59.6 ms +17 ms × 1.40 worse 256", "{text}");
    assert!(std::fs::read_to_string(folder.join("compared.html")).expect("a page").contains("C c.json"));
}

#[test]
fn different_scenarios_need_force_and_invalid_runs_fail() {
    let folder = folder("different");
    realistic("hubbub", 1, 1.0).write(&folder.join("a.json")).expect("written");
    let other = Outcome { scenario: "reconnect-storm".into(), ..realistic("hubbub", 1, 1.0) };
    other.write(&folder.join("b.json")).expect("written");
    let refused = loadtest(&folder, &["compare", "a.json", "b.json"]);
    assert_eq!(refused.status.code(), Some(3), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stdout).contains("b.json ran `reconnect-storm`"));
    let forced = loadtest(&folder, &["compare", "a.json", "b.json", "--force"]);
    assert_eq!(forced.status.code(), Some(0), "{forced:?}");
    assert!(String::from_utf8_lossy(&forced.stdout).contains("B ran another scenario"));

    let invalid = Outcome { invalid_because: vec!["the generator was the limit: 97 % of a core".into()], ..other };
    invalid.write(&folder.join("c.json")).expect("written");
    let done = loadtest(&folder, &["compare", "b.json", "c.json"]);
    assert_eq!(done.status.code(), Some(2), "{done:?}");
    assert!(String::from_utf8_lossy(&done.stdout).contains("B is invalid"));
    assert_eq!(loadtest(&folder, &["report", "c.json"]).status.code(), Some(0));
}
