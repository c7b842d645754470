//! Bytes that are no text, no JSON, or too much of it: over REST and over a socket.

use hubbub_client::Received;
use serde_json::json;

use super::cast::Cast;
use super::harness::SOON;

fn bodies() -> Vec<(&'static str, Vec<u8>)> {
    let send = |text: &str| format!("{{\"channel\":\"room:a\",\"text\":{text}}}").into_bytes();
    let deep = |open: &str, close: &str| send(&format!("{}1{}", open.repeat(20_000), close.repeat(20_000)));
    let mut not_utf8 = send("\"a?b\"");
    let mark = not_utf8.iter().position(|byte| *byte == b'?').expect("there");
    not_utf8[mark] = 0xff;
    vec![
        ("a lone high surrogate", send(r#""a\ud800b""#)),
        ("a lone low surrogate", send(r#""a\udc00b""#)),
        ("surrogates in the wrong order", send(r#""\udc00\ud800""#)),
        ("an escaped null", send(r#""a\u0000b""#)),
        ("an escaped override", send(r#""a\u202eb""#)),
        ("bytes that are not UTF-8", not_utf8),
        ("a raw null byte", send("\"a\0b\"")),
        ("lists in lists", deep("[", "]")),
        ("objects in objects", deep("{\"a\":", "}")),
        ("a number for a text", send("1")),
        ("an endless number", send(&"9".repeat(10_000))),
        ("an open text", send("\"a").into_iter().take(30).collect()),
        ("two values", b"{}{}".to_vec()),
        ("a list", b"[]".to_vec()),
        ("text twice", b"{\"channel\":\"room:a\",\"text\":\"a\",\"text\":\"b\\u0000\"}".to_vec()),
        ("nothing", Vec::new()),
        ("a channel of another kind", b"{\"channel\":\"chat:a\",\"text\":\"a\"}".to_vec()),
        ("a channel that is none", "{\"channel\":\"room:ä\\u202e/../x\",\"text\":\"a\"}".as_bytes().to_vec()),
        ("somebody who is nobody", b"{\"channel\":\"room:a\",\"text\":\"a\",\"as\":{\"x\":1}}".to_vec()),
        ("2 MiB", send(&format!("\"{}\"", "a".repeat(2 * 1024 * 1024)))),
    ]
}

#[tokio::test]
async fn what_is_no_text_is_refused_and_the_hub_goes_on() {
    let cast = Cast::start().await;
    cast.set_up("create", json!({ "channel": "room:a", "kind": "public", "name": "A" })).await;
    cast.set_up("add", json!({ "channel": "room:a", "users": ["owner"] })).await;
    let (http, token) = (reqwest::Client::new(), cast.token("owner"));
    for (what, body) in bodies() {
        let url = format!("http://{}/v1/rooms/send", cast.hub.public);
        let request = http.post(url).bearer_auth(&token).timeout(SOON).body(body.clone());
        // A body that is too long may be cut off before the answer.
        let status = request.send().await.map_or(413, |answer| answer.status().as_u16());
        assert!((400..500).contains(&status), "{what}: {status}");
        // On a socket there is no `as`, and what is not known is ignored.
        if what == "somebody who is nobody" {
            continue;
        }
        let mut socket = cast.socket(&token).await;
        let mut frame = b"{\"type\":\"room\",\"id\":1,\"op\":\"send\",".to_vec();
        frame.extend_from_slice(body.get(1..).unwrap_or_default());
        // Text that is none ends the connection; everything else is answered.
        let sent = match String::from_utf8(frame.clone()) {
            Ok(text) => socket.raw.send_text(text).await,
            Err(_) => socket.raw.send_bytes(&masked(&frame)).await,
        };
        // Anything else is that it was closed.
        if sent.is_ok()
            && let Ok(Received::Frame(frame, _)) = socket.raw.receive(SOON).await
        {
            assert!(format!("{frame:?}").starts_with("Error"), "{what}: {frame:?}");
        }
        cast.as_user("owner", "room", &json!({ "channel": "room:a" })).await.expect("the hub goes on");
    }
    let page = cast.as_user("owner", "messages", &json!({ "channel": "room:a" })).await.expect("a page");
    assert_eq!(page["messages"], json!([]), "nothing of it was kept");
}

/// A frame of text with a mask of zeros, whatever its bytes are.
fn masked(payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).expect("a short frame").to_be_bytes();
    let mut frame = vec![0x81, 0x80 | 126, length[0], length[1], 0, 0, 0, 0];
    frame.extend_from_slice(payload);
    frame
}
