//! The generator itself: every scenario runs against the control server as if it was a hub, and says the truth.
//!
//! Method: the program is run as a user runs it, with few people, and its exit status and JSON are read.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_hubbub-loadtest");

struct Control {
    child: Child,
    flags: Vec<String>,
}

impl Control {
    fn start() -> Self {
        let mut child =
            Command::new(PROGRAM).arg("control-server").stdout(Stdio::piped()).spawn().expect("the program was built");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let port = |name: &str| {
            let field = line.split_whitespace().find_map(|field| field.strip_prefix(name)).expect("both ports");
            field.trim_start_matches("http://").to_owned()
        };
        let (public, internal, pid) = (port("public="), port("internal="), child.id().to_string());
        let flags =
            ["--public", &public, "--internal", &internal, "--hub-pid", &pid].iter().map(|s| (*s).to_owned()).collect();
        Self { child, flags }
    }

    fn run(&self, arguments: &str, json: &Path) -> (Output, Value) {
        let output = Command::new(PROGRAM)
            .args(arguments.split_whitespace())
            .args(&self.flags)
            .arg("--json")
            .arg(json)
            .output()
            .expect("the program was built");
        let report = std::fs::read_to_string(json)
            .map_or(Value::Null, |text| serde_json::from_str(&text).expect("the report is JSON"));
        let _ = std::fs::remove_file(json);
        (output, report)
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn report_file(name: &str) -> std::path::PathBuf {
    std::env::temp_dir().join(format!("hubbub-loadtest-test-{}-{name}.json", std::process::id()))
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn fanout_counts_every_delivery() {
    let control = Control::start();
    let arguments = "fanout --subscribers 50 --rate 100 --seconds 1 --data-bytes 128";
    let (output, report) = control.run(arguments, &report_file("fanout"));
    let said = said(&output);
    let values = &report["values"];
    // 5,000 deliveries in the second that is measured; those of the warm-up are not among them.
    assert_eq!(values["deliveries"], 5_000, "{said}");
    assert!(values["latency_p99_ms"].as_f64().is_some_and(|p99| p99 > 0.0), "{said}");
    assert!(values["ratio"].is_number() && said.contains(": 0 lost, 0 duplicated, 0 reordered"), "{said}");
    assert_eq!(said.lines().last(), report["figure"].as_str());
}

#[test]
fn a_missed_threshold_is_the_exit_status() {
    let control = Control::start();
    let run = |limit: &str| {
        let arguments = format!("open-cost --connections 100 --no-control --max-open-us={limit}");
        control.run(&arguments, &report_file(limit)).0
    };
    let (met, missed) = (run("1e9"), run("-1"));
    assert!(met.status.success(), "{}", said(&met));
    assert!(!missed.status.success());
    assert!(said(&missed).contains("FAILED: open_us is"), "{}", said(&missed));
}

#[test]
fn idle_reaches_everybody_on_one_channel_or_on_many() {
    let control = Control::start();
    for spread in ["shared", "own"] {
        let arguments = format!("idle --connections 1200 --channels {spread} --idle-s 1 --threads 2");
        let (output, report) = control.run(&arguments, &report_file(spread));
        assert!(output.status.success(), "{}", said(&output));
        assert_eq!(report["values"]["receivers"], 1_200, "{}", said(&output));
    }
}

#[test]
fn saturation_drains_to_the_last_message() {
    let control = Control::start();
    let arguments = "saturation --subscribers 20 --rounds 2 --window-s 1 --no-control --min-deliveries 1000";
    let (output, report) = control.run(arguments, &report_file("saturation"));
    let said = said(&output);
    assert!(report["values"]["deliveries_per_second"].as_f64().is_some_and(|rate| rate > 1_000.0), "{said}");
    assert!(said.contains(": 0 lost, 0 duplicated, 0 reordered, 0 told as gaps"), "{said}");
}

#[test]
fn a_hub_that_can_not_be_reached_is_an_error_and_not_a_figure() {
    let mut control = Control::start();
    control.child.kill().expect("it runs");
    control.child.wait().expect("it ended");
    let (output, report) = control.run("fanout --subscribers 5", &report_file("gone"));
    assert!(!output.status.success());
    assert_eq!(report, Value::Null);
    assert!(said(&output).contains("FAILED: "), "{}", said(&output));
    let nothing = Command::new(PROGRAM).arg("idle").output().expect("the program was built");
    assert!(said(&nothing).contains("name a hub"), "{}", said(&nothing));
}
