//! The shows of a fleet, each with few people against real hubs, Redis, Postgres and nginx: they run to their figure, and what
//! they count is what happened.
//!
//! Method: the program is run as a user runs it, and its exit status and JSON are read. Thresholds of speed are left out.

use std::process::Command;

use hubbub_local::hub;
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_hubbub-loadtest");

/// Runs a scenario; its report, which must be without a failure but for those that tell of the machine: that it was busy, or has
/// its temporary files in memory.
fn run(arguments: &str) -> Value {
    let folder = tempfile::tempdir().expect("a folder");
    let json = folder.path().join("report.json");
    let mut command = Command::new(PROGRAM);
    command.args(arguments.split_whitespace()).arg("--hub").arg(hub::default_binary().expect("the hub was built"));
    let output = command.arg("--json").arg(&json).output().expect("the program was built");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let report = std::fs::read_to_string(&json).unwrap_or_else(|_| panic!("no report: {said}"));
    let report: Value = serde_json::from_str(&report).expect("the report is JSON");
    let failures = report["failures"].as_array().expect("a list");
    let of_machine = |text: &str| text.starts_with("own_lateness") || text.contains("which is memory");
    assert!(failures.iter().all(|failure| failure.as_str().is_some_and(of_machine)), "{said}");
    assert_eq!(output.status.success(), failures.is_empty(), "{said}");
    assert_eq!(said.lines().last(), report["figure"].as_str(), "{said}");
    report["values"].clone()
}

#[test]
fn a_broadcast_reaches_people_in_other_processes_on_every_node() {
    let values = run("hundred-thousand --connections 300 --nodes 2 --workers 3 --idle-s 0");
    assert_eq!(values["receivers"], 300);
    assert!(values["last_delivery_ms"].as_f64().is_some_and(|ms| ms > 0.0), "{values}");
    assert!(values["control_last_delivery_ms"].is_number(), "{values}");
}

#[test]
fn nobody_loses_anything_while_every_node_is_restarted() {
    let values = run("rolling --people 60 --channels 6 --nodes 2 --nginx-workers 1 --drain-ms 8000 --settle-s 1");
    assert!(values["acknowledged"].as_u64().is_some_and(|count| count > 50), "{values}");
    assert!(values["interruption_max_ms"].as_f64().is_some_and(|ms| ms > 0.0), "{values}");
}

#[test]
fn every_acknowledged_message_is_in_the_log_once() {
    let values = run("durable-rate --nodes 2 --channels 4 --batch 20 --rate 100 --seconds 1 --no-control");
    assert!(values["acknowledged_per_second"].as_f64().is_some_and(|rate| rate > 10.0), "{values}");
    assert!(values["disk_sync_p50_ms"].as_f64().is_some_and(|ms| ms > 0.0), "{values}");
}

#[test]
fn a_message_is_timed_on_both_nodes_and_alone() {
    let values = run("cross-node --subscribers 3 --rate 50 --seconds 1");
    for name in ["publishing_node_p99_ms", "second_node_p99_ms", "control_p99_ms"] {
        assert!(values[name].as_f64().is_some_and(|ms| ms > 0.0), "{name}: {values}");
    }
}

#[test]
fn every_member_gets_every_event_of_its_rooms_and_the_right_counters() {
    let values = run("chat-audit --nodes 2 --rooms 4 --members 4 --rate 40 --seconds 2 --senders 8 --min-rate 0.2");
    for name in ["sends_per_second", "send_to_receive_p99_ms", "control_p99_ms", "hub_cpu_us_each"] {
        assert!(values[name].as_f64().is_some_and(|value| value > 0.0), "{name}: {values}");
    }
}

#[test]
fn a_filled_database_is_what_the_hub_would_have_written_and_every_answer_is_right() {
    let sizes = "--rooms 45 --listed 12 --messages 4000 --small-messages 12 --crowd 120 --members 5 --words 3000";
    let folder = tempfile::tempdir().expect("a folder");
    let plans = folder.path().join("plans.txt");
    let values = run(&format!("chat-scale {sizes} --questions 12 --rate 100 --plans {}", plans.display()));
    assert_eq!((&values["messages"], &values["rooms"], &values["wrong"]), (&4_000.into(), &45.into(), &0.into()));
    // Eleven kinds and five controls, one of them in both parts.
    assert_eq!(values["answered"], 17 * 12);
    for name in ["page_before_p99_ms", "list_p99_ms", "search_common_p99_ms", "jump_p99_ms", "health_p99_ms"] {
        assert!(values[name].as_f64().is_some_and(|ms| ms > 0.0), "{name}: {values}");
    }
    let plans = std::fs::read_to_string(plans).expect("the plans were kept");
    assert!(plans.contains("role hubbub: superuser f, bypasses row-level security f"), "{plans}");
    for index in ["records_message_by_group", "records_message_words", "records_member_by_user", "records_room_pkey"] {
        assert!(plans.contains(index), "{index}: {plans}");
    }
}
