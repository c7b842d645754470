//! What is ignored, what is refused, and what keeps its exact text.
//!
//! Method: tables of texts against the two decoders, and whole frames compared byte for byte.

use hubbub_protocol::json::{decode, decode_server, encode, encode_client};
use hubbub_protocol::{ClientFrame, ServerFrame};

#[test]
fn defaults_and_unknown_fields_change_nothing() {
    let table = [
        (r#"{"type":"pong","id":null,"mood":{"a":[1]}}"#, r#"{"type":"pong"}"#),
        (
            r#" { "channel" : "chat:a", "id":1,"type":"history","limit":50 } "#,
            r#"{"type":"history","id":1,"channel":"chat:a"}"#,
        ),
        (
            r#"{"type":"subscribe","id":1,"channel":"chat:a","presence":false,"conflate":false,"since":null}"#,
            r#"{"type":"subscribe","id":1,"channel":"chat:a"}"#,
        ),
        (r#"{"type":"connect","token":"t","resume":[],"client":null}"#, r#"{"type":"connect","token":"t"}"#),
        (
            r#"{"type":"unsubscribe","id":1,"channel":"chat:\u0061"}"#,
            r#"{"type":"unsubscribe","id":1,"channel":"chat:a"}"#,
        ),
    ];
    for (said, meant) in table {
        let frame = decode(said).expect(said);
        assert_eq!(encode_client(&frame), meant);
    }
}

#[test]
fn a_refused_request_names_its_id() {
    let error = decode(r#"{"type":"subscribe","id":7}"#).expect_err("no channel");
    assert_eq!(error.id, Some(7));
}

#[test]
fn data_keeps_its_text_in_both_directions() {
    let data = "{ \"n\":1e400,\n \"a\" :[ ], \"a\":\"\\u0061\" }";
    let said = format!(r#"{{"type":"publish","id":1,"channel":"chat:a","data":{data}}}"#);
    let Ok(ClientFrame::Publish(1, publish)) = decode(&said) else { panic!("{said}") };
    assert_eq!(publish.data.get(), data);
    assert_eq!(encode_client(&ClientFrame::Publish(1, publish)), said);

    let told =
        format!(r#"{{"type":"message","channel":"eph:a","id":"01JCXK0FM0ABCDEFGH1JKMNPQR","time":1,"data":{data}}}"#);
    let Ok(Some(ServerFrame::Message(message))) = decode_server(&told) else { panic!("{told}") };
    assert_eq!(message.data.get(), data);
    assert_eq!(encode(&ServerFrame::Message(message)), told.as_bytes());
}

#[test]
fn data_of_null_is_data() {
    let frame = decode(r#"{"type":"publish","id":1,"channel":"chat:a","data":null}"#).expect("null is JSON");
    assert!(matches!(frame, ClientFrame::Publish(_, publish) if publish.data.get() == "null"));
}

/// Load generators and proxies look for the offset near the start without parsing the frame.
#[test]
fn the_place_of_a_message_stands_before_what_people_wrote() {
    let text = r#"{"type":"message","channel":"chat:a","id":"01JCXK0FM0ABCDEFGH1JKMNPQR","epoch":"3k9x","offset":44,"time":1,"from":"u1","key":"k","conflate_key":"c","data":{}}"#;
    let frame = decode_server(text).expect(text).expect("known");
    assert_eq!(encode(&frame), text.as_bytes());
}

#[test]
fn unknown_types_are_told_from_broken_frames() {
    for unknown in [r#"{"type":"shout"}"#, r#"{"type":"typing","id":[],"from":{},"offset":"x"}"#, r#"{"type":""}"#] {
        assert_eq!(decode_server(unknown), Ok(None), "{unknown}");
    }
    for broken in ["", "{}", "[\"ping\"]", r#"{"type":7}"#, r#"{"type":"ack"}"#, "{\"type\":\"ping\"", "null"] {
        assert!(decode_server(broken).is_err(), "{broken}");
    }
    let newer = decode_server(r#"{"type":"ping","mood":"good"}"#);
    assert_eq!(newer, Ok(Some(ServerFrame::Ping)));
}

/// A client computes with these numbers; what can not be computed with must not get in.
#[test]
fn impossible_places_are_refused() {
    let subscribed = |rest: &str| format!(r#"{{"type":"subscribed","id":1,"channel":"chat:a",{rest}}}"#);
    let bad = [
        r#""outcome":"fresh","epoch":"1""#,
        r#""outcome":"fresh","offset":1"#,
        r#""outcome":"fresh","epoch":"1","offset":9007199254740992"#,
        r#""outcome":"fresh","epoch":"1","offset":1,"from":1"#,
        r#""outcome":"fresh","epoch":"1","offset":1,"from":0,"to":1"#,
        r#""outcome":"fresh","epoch":"1","offset":1,"from":1,"to":1,"reason":"lost""#,
        r#""outcome":"continued","epoch":"1","offset":1"#,
        r#""outcome":"continued","epoch":"1","offset":1,"from":5,"to":3"#,
        r#""outcome":"gap","epoch":"1","offset":1,"from":1,"to":1"#,
        r#""outcome":"gap","epoch":"1","offset":1,"from":1,"to":18446744073709551615,"reason":"lost""#,
        r#""outcome":"elsewhere""#,
        r#""epoch":"1","offset":1"#,
    ];
    for rest in bad {
        assert!(decode_server(&subscribed(rest)).is_err(), "{rest}");
    }
    let neither = r#"{"type":"connected","session":"01JCXK0FM0ABCDEFGH1JKMNPQR","node":"a","user":"u","heartbeat_ms":1,"expires_at":1,"subscriptions":[{"channel":"chat:a"}]}"#;
    assert!(decode_server(neither).is_err());
    let crossed = [
        r#"{"type":"history","id":1,"channel":"chat:a","after":"u1"}"#,
        r#"{"type":"presence","id":1,"channel":"chat:a","after":7}"#,
        r#"{"type":"presence","id":1,"channel":"chat:a","after":"two words"}"#,
        r#"{"type":"presence","id":1,"channel":"chat:a","limit":0}"#,
        r#"{"type":"presence","id":1,"channel":"chat:a","limit":1001}"#,
    ];
    for text in crossed {
        assert!(decode(text).is_err(), "{text}");
    }
    let reply = r#"{"type":"reply","id":1,"presence":{"version":1,"count":0,"users":[]},"expires_at":1}"#;
    assert!(decode_server(reply).is_err());
}
