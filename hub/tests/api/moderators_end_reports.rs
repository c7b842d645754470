//! Goal: the end of a report does what it says, once, and the audit log can be read to its end. Method: a room with a moderator over
//! HTTP, what is seen afterwards, and pages smaller than what one act leaves behind.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Value, json};

use super::harness::{Hub, ROOMS, api_key, op, tenant_toml};

async fn hub() -> Hub {
    let keys: BTreeMap<&str, &[&str]> = [("k", &["publish", "read", "admin"] as &[_])].into();
    let hub = Hub::configured(&format!("{ROOMS}{}", tenant_toml("acme", &keys))).await;
    done(&hub, "ann", "create", json!({"kind": "public", "name": "G", "channel": "room:g"})).await;
    for user in ["bob", "cat"] {
        done(&hub, user, "join", json!({"channel": "room:g"})).await;
    }
    hub
}

async fn done(hub: &Hub, user: &str, name: &str, body: Value) -> Value {
    let (status, answer) = op(hub, user, name, body).await;
    assert_eq!(status, 200, "{name}: {answer}");
    answer
}

/// Says something as bob and reports it as cat; answers the message and the report.
async fn reported(hub: &Hub, text: &str) -> (Value, Value) {
    let said = done(hub, "bob", "send", json!({"channel": "room:g", "text": text})).await["message"].clone();
    let body = json!({"channel": "room:g", "message": said, "reason": "rude"});
    let report = done(hub, "cat", "report", body).await["report"].clone();
    (said, report)
}

fn resolution(report: &Value, action: &str) -> Value {
    json!({"channel": "room:g", "report": report, "action": action})
}

#[tokio::test]
async fn a_report_ends_with_its_message_or_with_its_author() {
    let hub = hub().await;
    let (said, first) = reported(&hub, "one").await;
    let (_, second) = reported(&hub, "two").await;
    let (fine, third) = reported(&hub, "three").await;
    done(&hub, "ann", "resolve", resolution(&first, "deleted")).await;
    let message = done(&hub, "ann", "message", json!({"channel": "room:g", "message": said})).await;
    assert_eq!((&message["deleted"], &message["text"]), (&json!("moderator"), &json!("")));
    done(&hub, "ann", "resolve", resolution(&third, "dismissed")).await;
    let message = done(&hub, "ann", "message", json!({"channel": "room:g", "message": fine})).await;
    assert_eq!(message["text"], "three");
    let (status, problem) =
        op(&hub, "ann", "resolve", json!({"channel": "room:g", "report": second, "action": "banned", "user": "cat"}))
            .await;
    assert_eq!(status, 400, "only its author: {problem}");
    done(&hub, "ann", "resolve", resolution(&second, "banned")).await;
    let (status, _) = op(&hub, "bob", "send", json!({"channel": "room:g", "text": "four"})).await;
    assert!(status >= 400, "bob is banned");
    let again = done(&hub, "ann", "resolve", resolution(&second, "deleted")).await;
    assert_eq!(again, json!({"unchanged": true}), "a report ends once");
    let open = done(&hub, "ann", "reports", json!({"channel": "room:g"})).await;
    assert_eq!(open["reports"], json!([]));
    let closed = done(&hub, "ann", "reports", json!({"channel": "room:g", "open": false})).await;
    let actions: HashSet<_> =
        closed["reports"].as_array().expect("a page").iter().map(|report| report["action"].to_string()).collect();
    assert_eq!(actions, [r#""deleted""#, r#""dismissed""#, r#""banned""#].map(str::to_owned).into());
}

#[tokio::test]
async fn whoever_stands_above_is_not_banned_by_a_report() {
    let hub = hub().await;
    done(&hub, "ann", "add", json!({"channel": "room:g", "users": ["dan"], "role": "moderator"})).await;
    let said = done(&hub, "ann", "send", json!({"channel": "room:g", "text": "hi"})).await["message"].clone();
    let body = json!({"channel": "room:g", "message": said, "reason": "no"});
    let report = done(&hub, "cat", "report", body).await["report"].clone();
    for action in ["banned", "deleted"] {
        let (status, _) = op(&hub, "dan", "resolve", resolution(&report, action)).await;
        assert_eq!(status, 403, "{action}");
    }
    let open = done(&hub, "ann", "reports", json!({"channel": "room:g"})).await;
    assert_eq!(open["reports"].as_array().map(Vec::len), Some(1), "it is open still");
}

#[tokio::test]
async fn what_one_act_leaves_in_the_audit_log_is_never_cut() {
    let hub = hub().await;
    let mut messages = Vec::new();
    for at in 0..12 {
        let body = json!({"channel": "room:g", "text": format!("{at}")});
        messages.push(done(&hub, "bob", "send", body).await["message"].clone());
    }
    done(&hub, "ann", "bulk_delete", json!({"channel": "room:g", "messages": messages})).await;
    done(&hub, "ann", "mute", json!({"channel": "room:g", "user": "cat"})).await;
    let (mut seen, mut after, mut pages) = (HashSet::new(), Value::Null, 0);
    loop {
        let page = done(&hub, "ann", "audit", json!({"channel": "room:g", "limit": 5, "after": after})).await;
        for entry in page["entries"].as_array().expect("a page") {
            assert!(seen.insert(entry.to_string()), "told twice: {entry}");
        }
        pages += 1;
        after = page["next"].clone();
        if after.is_null() {
            break;
        }
    }
    let deleted = messages.iter().filter(|id| seen.iter().any(|entry| entry.contains(&id.to_string())));
    assert_eq!(deleted.count(), 12, "{pages} pages: {seen:?}");
}

#[tokio::test]
async fn a_service_reads_what_was_done_in_all_rooms() {
    let hub = hub().await;
    done(&hub, "ann", "create", json!({"kind": "private", "name": "H", "channel": "room:h"})).await;
    done(&hub, "ann", "update", json!({"channel": "room:h", "topic": "new"})).await;
    done(&hub, "ann", "mute", json!({"channel": "room:g", "user": "cat"})).await;
    let path = "/v1/rooms/audit";
    let all = hub.call_as(&api_key("acme", "k"), "POST", path, Some(json!({}))).await.ok();
    let seen: Vec<_> = all["entries"]
        .as_array()
        .expect("a page")
        .iter()
        .map(|entry| (entry["op"].as_str().unwrap_or_default(), entry["channel"].as_str().unwrap_or_default()))
        .collect();
    assert_eq!(seen.first(), Some(&("mute", "room:g")), "the newest first");
    assert!(seen.contains(&("update", "room:h")), "{seen:?}");
    let (status, _) = op(&hub, "ann", "audit", json!({})).await;
    assert_eq!(status, 404, "a user has the log of rooms alone");
}
