//! The pages as a whole: they are well formed whatever the file says, load nothing, and have what a reader looks for.

use super::{comparison, report};
use crate::compare::Compared;
use crate::outcome::{Counts, FORMAT, Latency, Machine, Mark, Outcome, Sample, Target, Threshold};

const EVIL: &str = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(1)>&\u{0}{}";

fn run(samples: u32) -> Outcome {
    let sample = |at: u32| Sample {
        t_s: f64::from(at),
        connections: 5_000,
        offered_per_s: 100.0,
        deliveries_per_s: 500_000.0,
        p50_ms: Some(12.0),
        p99_ms: Some(31.0),
        hub_user_cores: Some(0.1),
        hub_system_cores: Some(0.9),
        hub_pss_bytes: Some(20 << 20),
        machine_idle: 0.2,
        ..Sample::default()
    };
    Outcome {
        format: FORMAT,
        scenario: "broadcast".into(),
        seconds: f64::from(samples),
        machine: Machine { cores: 2, ..Machine::default() },
        samples: (1..=samples).map(sample).collect(),
        latency: Latency {
            count: 9,
            p50_ms: 12.0,
            percentiles: vec![(0.0, 1.0), (0.99, 31.0), (1.0, 60.0)],
            ..Latency::default()
        },
        ..Outcome::default()
    }
}

fn evil() -> Outcome {
    let text = || EVIL.to_owned();
    Outcome {
        scenario: text(),
        source: text(),
        target: Target { name: text(), url: text(), ..Target::default() },
        machine: Machine { kernel: text(), processor: text(), ..Machine::default() },
        marks: vec![Mark { t_s: 1.0, what: text() }],
        thresholds: vec![Threshold { name: text(), ..Threshold::default() }],
        invalid_because: vec![text()],
        ..run(3)
    }
}

fn compared(runs: Vec<Outcome>) -> Vec<Compared> {
    ('A'..).zip(runs).map(|(letter, run)| Compared { letter, path: format!("{letter}{EVIL}").into(), run }).collect()
}

/// Every element that is opened is closed in its place; gives the names of all in order.
fn elements(page: &str) -> Vec<String> {
    let mut open: Vec<&str> = Vec::new();
    let mut seen = Vec::new();
    let mut rest = page.strip_prefix("<!doctype html>").expect("a doctype");
    while let Some(at) = rest.find('<') {
        assert!(!rest[..at].contains('>'), "a loose > in {:?}", &rest[..at]);
        let (tag, after) = rest[at + 1..].split_once('>').expect("a tag ends");
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "closed in its place");
            continue;
        }
        let name = tag.split([' ', '\n', '/']).next().expect("a name");
        assert!(!name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric()), "{tag}");
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        seen.push(name.to_owned());
        if matches!(name, "style" | "script") {
            let end = format!("</{name}>");
            rest = rest.split_once(&end).expect("raw text ends").1;
        } else if !matches!(name, "meta" | "wbr") && !tag.ends_with('/') {
            open.push(name);
        }
    }
    assert_eq!(open, Vec::<&str>::new());
    seen
}

fn count(page: &str, element: &str) -> usize {
    elements(page).iter().filter(|name| *name == element).count()
}

fn without_code(page: &str) -> &str {
    page.split_once("<body>").and_then(|(_, body)| body.rsplit_once("<script>")).expect("a body and the script").0
}

#[test]
fn nothing_from_the_file_becomes_an_element() {
    let page = report(&evil());
    assert_eq!(count(&page, "img"), 0);
    assert_eq!(count(&page, "script"), count(&page, "figure") + 1, "the data of each plot and our script");
    let beside = comparison(&compared(vec![run(3), evil()]));
    assert_eq!(count(&beside, "img"), 0);
    assert_eq!(count(&beside, "script"), count(&beside, "figure") + 1);
}

#[test]
fn the_verdict_comes_first_then_plots_then_tables() {
    let page =
        report(&Outcome { source: "[x]".into(), marks: vec![Mark { t_s: 1.0, what: "ramp done".into() }], ..run(60) });
    let at = |what: &str| page.find(what).unwrap_or_else(|| panic!("{what} is on the page"));
    let order = [
        "<h1>broadcast</h1>",
        "class=\"verdict met\"",
        "Latency over time",
        "Latency by percentile",
        "<h2>Deliveries</h2>",
        "<h2>Messages offered</h2>",
        "<h2>Connections</h2>",
        "<h2>Processor</h2>",
        "<h2>Memory</h2>",
        "Faults and phases",
        "<h2>Counts</h2>",
        "Cost to the target",
        "<details",
    ];
    assert!(order.is_sorted_by_key(|what| at(what)));
    assert_eq!(count(&page, "figure"), 7);
    assert!(page.contains("ramp done</i>"), "marks are labelled");
}

#[test]
fn each_verdict_says_what_it_is() {
    let threshold =
        |met| Threshold { name: "p99_ms".into(), at_most: Some(50.0), value: Some(60.0), met, ..Threshold::default() };
    let missed = report(&Outcome { thresholds: vec![threshold(true), threshold(false)], ..run(3) });
    assert!(missed.contains("Missed: 1 of 2 thresholds"));
    assert!(missed.contains("<td>≤ 50 ms</td><td>60 ms</td>"));
    let invalid = Outcome { invalid_because: vec!["the generator was the limit".into()], ..run(3) };
    let page = report(&invalid);
    assert!(
        page.contains("Invalid: these figures must not be used")
            && page.contains("<li>the generator was the limit</li>")
    );
    assert!(comparison(&compared(vec![run(3), invalid])).contains("B is invalid"));
}

#[test]
fn empty_and_tiny_runs_have_pages() {
    for run in [Outcome::default(), run(0), run(1), run(2)] {
        let page = report(&run);
        elements(&page);
        elements(&comparison(&compared(vec![run.clone(), run])));
    }
    assert_eq!(count(&report(&Outcome::default()), "figure"), 0);
}

#[test]
fn what_is_no_number_is_never_shown_as_one() {
    let nan = f64::NAN;
    let mut broken = run(3);
    broken.samples[1] = Sample {
        t_s: nan,
        offered_per_s: nan,
        deliveries_per_s: f64::INFINITY,
        p50_ms: Some(nan),
        machine_idle: nan,
        ..Sample::default()
    };
    broken.latency = Latency { count: 1, p50_ms: nan, percentiles: vec![(nan, 1.0), (0.5, nan)], ..Latency::default() };
    broken.seconds = nan;
    broken.thresholds = vec![Threshold { at_most: Some(nan), value: Some(nan), ..Threshold::default() }];
    broken.marks = vec![Mark { t_s: nan, what: "?".into() }];
    broken.counts = Counts { lost: u64::MAX, ..Counts::default() };
    for page in [report(&broken), comparison(&compared(vec![broken.clone(), run(3)]))] {
        elements(&page);
        let body = without_code(&page);
        assert!(!body.contains("NaN") && !body.contains("inf"), "{body}");
    }
}

#[test]
fn a_page_loads_nothing() {
    let page = report(&run(3));
    assert!(page.contains("default-src 'none'"));
    for word in ["http:", "https:", "src=", "href=", "url(", "@import"] {
        assert!(!page.contains(word), "{word}");
    }
}

#[test]
fn a_day_of_samples_makes_a_page_that_a_browser_opens() {
    let page = report(&run(86_400));
    assert!(page.len() < 4 * 1024 * 1024, "{} bytes", page.len());
}
