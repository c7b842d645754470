//! Goal: a caller that hangs up does not leave its request half done. Method: a batch whose first message arrives at once,
//! whose second one waits for the disk, and whose third one is looked at only then; the caller closes when the first is seen.

use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::harness::{Hub, message, subscribe};

#[tokio::test]
async fn a_publish_goes_on_without_its_caller() {
    let hub = Hub::start().await;
    let mut socket = hub.socket("u1").await;
    subscribe(&mut socket, "eph:begun").await;
    subscribe(&mut socket, "live:done").await;
    for round in 0..20 {
        let publishes =
            ["eph:begun", "chat:slow", "live:done"].map(|channel| json!({"channel": channel, "data": round}));
        let body = json!({ "publishes": publishes }).to_string();
        let head = format!(
            "POST /v1/batch HTTP/1.1\r\nhost: hub\r\nauthorization: Bearer dev-key\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        let mut caller = TcpStream::connect(&hub.internal).await.expect("connected");
        caller.write_all(format!("{head}{body}").as_bytes()).await.expect("written");
        assert_eq!(message(&mut socket).await.channel.as_str(), "eph:begun");
        drop(caller);
        let done = message(&mut socket).await;
        assert_eq!((done.channel.as_str(), done.data.get()), ("live:done", round.to_string().as_str()));
    }
}
