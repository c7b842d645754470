//! Goal: whatever goes wrong, a program can read why. Method: a table of requests that fail in every layer, from the path to
//! the data; each must be a problem document.

use serde_json::json;

use super::harness::{Hub, send};

/// Method, path, content type and body; status, code, and a word of the detail.
type Case<'a> = (&'a str, &'a str, Option<&'a str>, &'a str, u16, &'a str, &'a str);

#[tokio::test]
async fn every_failure_is_a_problem() {
    let hub = Hub::start().await;
    let json = Some("application/json");
    let good = r#"{"channel":"live:a","data":1}"#;
    let table: &[Case<'_>] = &[
        ("GET", "/", None, "", 404, "not_found", "/openapi.json"),
        ("GET", "/v1/nothing", None, "", 404, "not_found", "/v1/nothing"),
        ("GET", "/v1/channels/live:a/b", None, "", 404, "not_found", "%2F"),
        ("GET", "/v1/publish", None, "", 405, "bad_request", "GET"),
        ("PUT", "/v1/channels", None, "", 405, "bad_request", "PUT"),
        ("POST", "/v1/publish", None, good, 415, "bad_request", "application/json"),
        ("POST", "/v1/publish", Some("text/plain"), good, 415, "bad_request", "application/json"),
        (
            "POST",
            "/v1/publish",
            Some("application/x-www-form-urlencoded"),
            good,
            415,
            "bad_request",
            "application/json",
        ),
        ("POST", "/v1/publish", json, "", 400, "bad_request", "EOF"),
        ("POST", "/v1/publish", json, "{", 400, "bad_request", "EOF"),
        ("POST", "/v1/publish", json, "[]", 400, "bad_request", "body"),
        ("POST", "/v1/publish", json, r#"{"channel":"live:a"}"#, 400, "bad_request", "`data`"),
        ("POST", "/v1/publish", json, r#"{"channel":"live:a","data":1,"dta":2}"#, 400, "bad_request", "`dta`"),
        ("POST", "/v1/publish", json, r#"{"channel":"live","data":1}"#, 400, "bad_request", "`channel`: a channel is"),
        ("POST", "/v1/publish", json, r#"{"channel":"live:a","data":1,"key":""}"#, 400, "bad_request", "`key`"),
        ("POST", "/v1/publish", json, r#"{"channel":"live:a","data":01}"#, 400, "bad_request", "body"),
        ("POST", "/v1/publish", json, r#"{"channel":"nowhere:a","data":1}"#, 404, "not_found", "not declared"),
        ("POST", "/v1/batch", json, r#"{"publishes":[{"channel":"live:a"}]}"#, 400, "bad_request", "`data`"),
        ("POST", "/v1/broadcast", json, r#"{"channels":"live:a","data":1}"#, 400, "bad_request", "body"),
        ("GET", "/v1/channels/%ff:a", None, "", 400, "bad_request", "path"),
        ("GET", "/v1/channels/a%20b", None, "", 400, "bad_request", "a channel is"),
        ("POST", "/v1/users/a%20b/disconnect", None, "", 400, "bad_request", "a user id is"),
        ("GET", "/v1/connections?user=a%20b", None, "", 400, "bad_request", "a user id is"),
        ("POST", "/v1/tokens/revoke", json, "{}", 400, "bad_request", "token_id"),
    ];
    for (method, path, kind, body, status, code, says) in table {
        let mut request = hub.request(method, path).bearer_auth("dev-key");
        if let Some(kind) = kind {
            request = request.header("content-type", *kind);
        }
        let answer = send(request.body((*body).to_owned())).await;
        assert_eq!(answer.problem(*status), *code, "{method} {path} {body}");
        assert!(answer.text.contains(says), "{method} {path} {body} says {says}: {answer:?}");
        if *status == 405 {
            assert!(answer.allow.is_some(), "{answer:?}");
        }
    }
    let kinds = ["application/json; charset=utf-8", "application/vnd.hub+json"];
    for kind in kinds {
        let request = hub.request("POST", "/v1/publish").bearer_auth("dev-key").header("content-type", kind);
        send(request.body(good)).await.ok();
    }
}

#[tokio::test]
async fn a_wrong_api_key_is_a_problem() {
    let hub = Hub::start().await;
    let long = format!("Bearer {}", "k".repeat(10_000));
    for value in ["Bearer wrong", "Bearer ", "Bearer dev-key-", "Basic ZGV2LWtleQ==", "dev-key", &long] {
        let request = hub.request("POST", "/v1/publish").header("authorization", value);
        let answer = send(request.json(&json!({"channel": "live:a", "data": 1}))).await;
        assert_eq!(answer.problem(401), "unauthorized", "{value:.40}");
    }
    let lower = hub.request("GET", "/v1/channels").header("authorization", "bearer dev-key");
    send(lower).await.ok();
}

#[tokio::test]
async fn a_wrong_idempotency_key_is_a_problem() {
    let hub = Hub::start().await;
    for key in ["", "a\tb", &"k".repeat(129)] {
        let request = hub.request("POST", "/v1/publish").bearer_auth("dev-key").header("idempotency-key", key);
        let answer = send(request.json(&json!({"channel": "live:a", "data": 1}))).await;
        assert_eq!(answer.problem(400), "bad_request", "{key:.40}");
    }
}
