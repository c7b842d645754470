//! Goal: no request takes more memory, time or places than it may. Method: bodies at and above the limits, a caller that
//! does not send its body, and more expensive requests than may run at once.

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::harness::{Hub, SOON, send};

#[tokio::test]
async fn bodies_are_bounded() {
    let hub = Hub::start_with(&[("HUBBUB_LIMITS__API_BODY_BYTES", "200000")]).await;
    // Two quotes beside the text.
    let data = |bytes: usize| "x".repeat(bytes - 2);
    let publish = async |data: String| hub.post("/v1/publish", json!({"channel": "live:a", "data": data})).await;
    publish(data(65_536)).await.ok();
    assert_eq!(publish(data(65_537)).await.problem(413), "too_large");
    assert_eq!(publish(data(90_000)).await.problem(413), "too_large", "the body alone is too large");
    let batch = async |count: usize| {
        let one = json!({"channel": "live:a", "data": data(60_000)});
        hub.post("/v1/batch", json!({"publishes": vec![one; count]})).await
    };
    assert_eq!(batch(3).await.ok()["results"].as_array().map(Vec::len), Some(3));
    assert_eq!(batch(4).await.problem(413), "too_large");
}

#[tokio::test]
async fn a_caller_that_does_not_send_its_body_is_answered() {
    let hub = Hub::start_with(&[("HUBBUB_LIMITS__API_TIMEOUT_MS", "200")]).await;
    let mut caller = TcpStream::connect(&hub.internal).await.expect("connected");
    let head = "POST /v1/batch HTTP/1.1\r\nhost: hub\r\nauthorization: Bearer dev-key\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n";
    caller.write_all(head.as_bytes()).await.expect("written");
    let mut answer = [0; 2_048];
    let read = tokio::time::timeout(SOON, caller.read(&mut answer)).await.expect("answered").expect("read");
    let text = String::from_utf8_lossy(&answer[..read]).into_owned();
    assert!(text.starts_with("HTTP/1.1 503") && text.contains("retry-after: 1\r\n"), "{text}");
    assert!(text.contains("application/problem+json") && text.contains("\"retry_after_ms\":1000"), "{text}");
}

#[tokio::test]
async fn expensive_requests_wait_for_a_place() {
    let bounds = [("HUBBUB_LIMITS__API_EXPENSIVE_REQUESTS", "1"), ("HUBBUB_LIMITS__API_TIMEOUT_MS", "1500")];
    let hub = Hub::start_with(&bounds).await;
    let mut caller = TcpStream::connect(&hub.internal).await.expect("connected");
    // It asks for its place, and keeps it while its body does not come. The `100 Continue` says that the body is awaited.
    let head = "POST /v1/batch HTTP/1.1\r\nhost: hub\r\nauthorization: Bearer dev-key\r\ncontent-type: application/json\r\nexpect: 100-continue\r\ncontent-length: 16\r\n\r\n";
    caller.write_all(head.as_bytes()).await.expect("written");
    let mut answer = [0; 64];
    let read = caller.read(&mut answer).await.expect("read");
    assert!(answer[..read].starts_with(b"HTTP/1.1 100"), "{}", String::from_utf8_lossy(&answer[..read]));
    let waiting = tokio::spawn(send(hub.request("GET", "/v1/channels").bearer_auth("dev-key")));
    hub.post("/v1/publish", json!({"channel": "live:a", "data": 1})).await.ok();
    assert!(!waiting.is_finished(), "one publish is not expensive, a list is");
    caller.write_all(b"{\"publishes\":[]}").await.expect("written");
    waiting.await.expect("no panic").ok();
}
