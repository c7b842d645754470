//! Goal: an operator finds every metric in the documentation and on `/metrics`, with its kind and meaning. Method: one table
//! in the code, held against the sources, the document and the exposition.

use std::collections::BTreeSet;
use std::path::Path;

use hubbub::telemetry::METRICS;
use serde_json::json;

use super::harness::Hub;

#[tokio::test]
async fn every_metric_is_exposed() {
    let hub = Hub::start().await;
    hub.post("/v1/publish", json!({"channel": "live:a", "data": 1})).await.ok();
    hub.post("/v1/publish", json!({"channel": "bad", "data": 1})).await.problem(400);
    hub.get("/nowhere").await.problem(404);
    let answer = hub.get("/metrics").await;
    assert_eq!((answer.status, answer.kind.as_str()), (200, "text/plain; version=0.0.4"));
    for metric in METRICS {
        let kind = format!("# TYPE {} {}\n", metric.name, metric.kind.name());
        let help = format!("# HELP {} ", metric.name);
        assert!(answer.text.contains(&kind) && answer.text.contains(&help), "{} is not exposed", metric.name);
    }
    let publish = r#"method="POST",route="/v1/publish""#;
    for line in [
        format!("hubbub_api_requests_total{{{publish},status=\"200\"}} 1\n"),
        format!("hubbub_api_requests_total{{{publish},status=\"400\"}} 1\n"),
        "hubbub_api_requests_total{method=\"GET\",route=\"none\",status=\"404\"} 1\n".to_owned(),
        format!("hubbub_api_request_seconds_bucket{{{publish},le=\"+Inf\"}} 2\n"),
        format!("hubbub_api_request_seconds_count{{{publish}}} 2\n"),
        "hubbub_lost_messages_total 0\n".to_owned(),
        "hubbub_attaches_total{outcome=\"gap\"} 0\n".to_owned(),
        "hubbub_closed_connections_total{code=\"4001\"} 0\n".to_owned(),
    ] {
        assert!(answer.text.contains(&line), "no {line} in\n{}", answer.text);
    }
}

#[test]
fn every_metric_is_in_the_table_and_in_the_document() {
    let mut counted = BTreeSet::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    collect(&root.join("src"), &mut counted);
    collect(&root.join("../persistence/src"), &mut counted);
    let table: BTreeSet<_> = METRICS.iter().map(|metric| metric.name.to_owned()).collect();
    assert_eq!(counted, table, "metrics of the sources, and of src/telemetry.rs");
    let document = include_str!("../../../docs/OPERATIONS.md");
    for metric in METRICS {
        assert!(document.contains(&metric.row()), "docs/OPERATIONS.md lacks this row:\n{}", metric.row());
    }
}

/// Every text of the sources that is the name of a metric.
fn collect(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).expect("text");
            for part in text.split("\"hubbub_").skip(1) {
                let name = part.split('"').next().unwrap_or_default();
                names.insert(format!("hubbub_{name}"));
            }
        }
    }
}
