//! The golden words of rooms and the types agree.
//!
//! Method: each event is read and written again and compared as JSON; each operation is read, written, and read again. The names of
//! what must occur are those of the types, so a new operation without a vector fails here.

use std::collections::HashSet;

use hubbub_protocol::room::{Event, Op, OwnEvent, RoomRequest};
use serde_json::Value;

fn vectors() -> Vec<Value> {
    serde_json::from_str(include_str!("../vectors/rooms.json")).expect("the vectors are a JSON array")
}

#[test]
fn events_come_back_the_same() {
    let mut seen = 0;
    for vector in vectors() {
        let (said, written) = if let Some(event) = vector.get("event") {
            let read: Event = serde_json::from_value(event.clone()).unwrap_or_else(|error| panic!("{vector}: {error}"));
            (event, read.data())
        } else if let Some(event) = vector.get("own") {
            let read: OwnEvent =
                serde_json::from_value(event.clone()).unwrap_or_else(|error| panic!("{vector}: {error}"));
            (event, read.data())
        } else {
            continue;
        };
        let written: Value = serde_json::from_str(written.get()).expect("JSON");
        assert_eq!(written, *said, "{}", vector["name"]);
        seen += 1;
    }
    assert!(seen >= 30, "only {seen} events");
}

#[test]
fn operations_are_understood() {
    let mut names = HashSet::new();
    for vector in vectors() {
        let Some(said) = vector.get("op") else { continue };
        let read: RoomRequest =
            serde_json::from_value(said.clone()).unwrap_or_else(|error| panic!("{vector}: {error}"));
        let again = serde_json::to_string(&read).expect("plain data");
        assert_eq!(serde_json::from_str::<RoomRequest>(&again).expect("what was written"), read, "{}", vector["name"]);
        names.insert(read.op.name());
    }
    let missing: Vec<_> = Op::NAMES.iter().filter(|name| !names.contains(*name)).collect();
    assert!(missing.is_empty(), "no vector of {missing:?}");
}
