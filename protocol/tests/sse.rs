//! A browser reads the events that are written here, and its `Last-Event-ID` leads back to the same positions.
//!
//! Method: the bytes go through a small reader that follows the algorithm of the HTML standard (9.2.6).

use hubbub_protocol::outcome::Attached;
use hubbub_protocol::position::parse_composite;
use hubbub_protocol::{
    ChannelName, Data, Epoch, GapReason, Message, MessageId, Outcome, Position, Range, ServerFrame, sse,
};
use serde_json::{Value, json};

#[derive(Debug, Default, PartialEq)]
struct Event {
    id: String,
    name: String,
    data: String,
}

/// The event stream as a browser interprets it; ids last from event to event.
fn browser(stream: &[u8]) -> Vec<Event> {
    let text = std::str::from_utf8(stream).expect("UTF-8");
    let (mut events, mut event, mut data) = (Vec::new(), Event::default(), Vec::new());
    for line in text.replace("\r\n", "\n").replace('\r', "\n").split('\n') {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
        match field {
            "" if line.is_empty() => {
                if !data.is_empty() {
                    events.push(Event { data: data.join("\n"), ..event });
                    event = Event { id: events[events.len() - 1].id.clone(), ..Event::default() };
                }
                event.name.clear();
                data.clear();
            }
            "event" => event.name = value,
            "id" => event.id = value,
            "data" => data.push(value),
            _ => {}
        }
    }
    events
}

fn channel(text: &str) -> ChannelName {
    ChannelName::parse(text).expect("valid")
}

fn position(epoch: u64, offset: u64) -> Position {
    Position::new(Epoch::from_u64(epoch), offset)
}

fn message(data: &str) -> ServerFrame {
    ServerFrame::Message(Message {
        channel: channel("feed:a"),
        id: MessageId::from_parts(1_763_600_000_000, 7),
        position: Some(position(77, 8)),
        time: 1_763_600_000_000,
        from: None,
        key: None,
        conflate_key: None,
        data: Data::parse(data.to_owned()).expect("JSON"),
    })
}

#[test]
fn a_message_has_no_name_and_its_id_leads_back() {
    let positions = [Some(position(77, 8)), None, Some(position(u64::MAX, 0))];
    let mut out = Vec::new();
    sse::id_line_into(&positions, &mut out);
    sse::encode_into(&message(r#"{"n":1}"#), &mut out);
    let events = browser(&out);
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0].name, "");
    assert_eq!(parse_composite(&events[0].id, 3).as_deref(), Ok(&positions[..]));
    let data: Value = serde_json::from_str(&events[0].data).expect("JSON");
    assert_eq!((&data["type"], &data["offset"], &data["data"]), (&json!("message"), &json!(8), &json!({"n": 1})));
}

#[test]
fn data_with_line_breaks_arrives_as_the_same_value() {
    for text in ["{\n\"a\":\r\n[1,\r2]\n}", "{\"a\":[1,2]}", "\n\n{ \"a\" :\t[1\n,\n2]}\r\n"] {
        let mut out = Vec::new();
        sse::encode_into(&message(text), &mut out);
        let events = browser(&out);
        assert_eq!(events.len(), 1, "{events:?}");
        let data: Value = serde_json::from_str(&events[0].data).expect("JSON");
        assert_eq!(data["data"], json!({"a": [1, 2]}));
    }
}

#[test]
fn other_frames_are_named() {
    let gap = ServerFrame::Gap {
        channel: channel("feed:a"),
        epoch: Epoch::from_u64(77),
        lost: Range { from: 8, to: 9 },
        reason: GapReason::Expired,
    };
    let skipped = ServerFrame::Skipped { channel: channel("feed:a"), count: 3 };
    let table = [
        (gap, "gap"),
        (skipped, "skipped"),
        (ServerFrame::Expiring { expires_at: 1 }, "expiring"),
        (ServerFrame::Drain { within_ms: 1 }, "drain"),
    ];
    for (frame, name) in table {
        let mut out = Vec::new();
        sse::encode_into(&frame, &mut out);
        let events = browser(&out);
        assert_eq!((events.len(), events[0].name.as_str()), (1, name));
        let data: Value = serde_json::from_str(&events[0].data).expect("JSON");
        assert_eq!(data["type"], name);
    }
}

#[test]
fn open_tells_each_start_in_the_order_of_the_url() {
    let continued =
        Attached { outcome: Outcome::Continued { replay: Range { from: 3, to: 8 } }, head: Some(position(77, 8)) };
    let mut out = Vec::new();
    sse::retry_into(2_000, &mut out);
    out.extend_from_slice(sse::HEARTBEAT);
    sse::encode_open_into(&[(channel("feed:b"), continued), (channel("eph:a"), Attached::fresh(None))], &mut out);
    let events = browser(&out);
    assert_eq!((events.len(), events[0].name.as_str()), (1, "open"), "{events:?}");
    let data: Value = serde_json::from_str(&events[0].data).expect("JSON");
    let expected = json!({"type": "open", "subscriptions": [
        {"channel": "feed:b", "outcome": "continued", "epoch": "25", "offset": 8, "from": 3, "to": 8},
        {"channel": "eph:a", "outcome": "fresh"},
    ]});
    assert_eq!(data, expected);
}

#[test]
fn an_id_of_other_channels_is_refused() {
    let mut out = Vec::new();
    sse::id_line_into(&[Some(position(1, 1)), Some(position(2, 2))], &mut out);
    let id = std::str::from_utf8(&out).expect("ascii").trim_start_matches("id: ").trim_end().to_owned();
    assert!(parse_composite(&id, 2).is_ok());
    for count in [0, 1, 3, 64] {
        assert!(parse_composite(&id, count).is_err(), "{count}");
    }
    for bad in ["", ",", "1.1,", "1.1;2.2", "1.1,2", "1,1.2.2", "1.1,2.02", "1.1,2.-1", "1.1,2.zzzzzzzzzzzz"] {
        assert!(parse_composite(bad, 2).is_err(), "{bad}");
    }
}
