//! The golden frames and the codec agree, so every client that passes the same frames speaks the same language.
//!
//! Method: each vector is read and written again, and compared as JSON values; each bad text must give its error.
//! The lists of what must occur are made from the types, so a new code or reason without a vector fails here.

use std::collections::HashSet;

use hubbub_protocol::json::{decode, decode_server, encode, encode_client};
use hubbub_protocol::{CloseCode, ErrorCode, GapReason};
use serde_json::Value;

fn vectors(text: &str) -> Vec<Value> {
    serde_json::from_str(text).expect("the vectors are a JSON array")
}

fn client() -> Vec<Value> {
    vectors(include_str!("../vectors/client.json"))
}

fn server() -> Vec<Value> {
    vectors(include_str!("../vectors/server.json"))
}

#[test]
fn client_frames_come_back_the_same() {
    for vector in client().iter().filter(|vector| vector.get("frame").is_some()) {
        let frame = decode(&vector["frame"].to_string()).unwrap_or_else(|error| panic!("{vector}: {error}"));
        let written: Value = serde_json::from_str(&encode_client(&frame)).expect("JSON");
        assert_eq!(written, vector["frame"], "{}", vector["name"]);
    }
}

#[test]
fn bad_client_frames_give_their_error() {
    let mut seen = 0;
    for vector in client().iter().filter(|vector| vector.get("error").is_some()) {
        let text = vector["text"].as_str().expect("a bad frame stands as text");
        let expected = vector["error"].as_str().expect("with a part of the message");
        let error = decode(text).expect_err(text);
        assert!(error.message.contains(expected), "{}: {}", vector["name"], error.message);
        seen += 1;
    }
    assert!(seen >= 30, "only {seen} bad frames");
}

#[test]
fn server_frames_come_back_the_same() {
    for vector in server() {
        let frame = decode_server(&vector["frame"].to_string()).unwrap_or_else(|error| panic!("{vector}: {error}"));
        let frame = frame.unwrap_or_else(|| panic!("{vector}: unknown type"));
        let written: Value = serde_json::from_slice(&encode(&frame)).expect("JSON");
        assert_eq!(written, vector["frame"], "{}", vector["name"]);
    }
}

#[test]
fn every_kind_and_code_has_a_vector() {
    let texts = |values: &[Value], field: &str| -> HashSet<String> {
        values.iter().filter_map(|v| v["frame"][field].as_str().map(str::to_owned)).collect()
    };
    let (client, server) = (client(), server());
    let asked = texts(&client, "type");
    for kind in ["connect", "subscribe", "unsubscribe", "publish", "history", "presence", "room", "refresh", "pong"] {
        assert!(asked.contains(kind), "no client vector of type {kind}");
    }
    let said = texts(&server, "type");
    for kind in [
        "connected",
        "subscribed",
        "unsubscribed",
        "ack",
        "reply",
        "message",
        "gap",
        "skipped",
        "presence",
        "presence_count",
        "expiring",
        "drain",
        "ping",
        "error",
    ] {
        assert!(said.contains(kind), "no server vector of type {kind}");
    }
    let codes = texts(&server, "code");
    assert!(ErrorCode::ALL.iter().all(|code| codes.contains(code.as_str())));
    let outcomes = texts(&server, "outcome");
    assert!(["fresh", "continued", "gap"].iter().all(|outcome| outcomes.contains(*outcome)));
    for kind in ["gap", "subscribed"] {
        let of_kind: Vec<_> = server.iter().filter(|v| v["frame"]["type"] == kind).cloned().collect();
        let reasons = texts(&of_kind, "reason");
        for reason in [GapReason::Expired, GapReason::Epoch, GapReason::Lost, GapReason::Overflow] {
            assert!(reasons.contains(reason.as_str()), "no {kind} for {}", reason.as_str());
        }
    }
}

#[test]
fn names_are_unique() {
    for all in [client(), server()] {
        let mut names = HashSet::new();
        for vector in &all {
            assert!(names.insert(vector["name"].as_str().expect("a name")), "{} twice", vector["name"]);
        }
    }
}

#[test]
fn codes_are_those_of_the_table() {
    let table: Value = serde_json::from_str(include_str!("../vectors/codes.json")).expect("JSON");
    let errors: Vec<_> = ErrorCode::ALL
        .iter()
        .map(|c| serde_json::json!({"code": c.as_str(), "http": c.http_status(), "temporary": c.is_temporary()}))
        .collect();
    let closes: Vec<_> =
        CloseCode::ALL.iter().map(|c| serde_json::json!({"code": c.code(), "final": c.is_final()})).collect();
    assert_eq!(table["errors"], Value::Array(errors));
    assert_eq!(table["closes"], Value::Array(closes));
}
