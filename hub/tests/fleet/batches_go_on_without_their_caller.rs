//! Goal: a batch through Redis keeps the order of each channel, and a caller that hangs up does not leave it half done. Method:
//! batches of several messages for several windows, each of which is looked at when the one before it is in Redis; the caller
//! closes when the first arrives.

use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::harness::{Fleet, listen, next};

/// Messages of a batch for each channel.
const EACH: usize = 40;

#[tokio::test(flavor = "multi_thread")]
async fn in_order_to_the_last_message() {
    let fleet = Fleet::start(2);
    let bob = fleet.person(1, "bob").await;
    let names = ["live:one", "live:two", "live:three"];
    let mut heard = Vec::new();
    for name in names {
        heard.push(listen(&bob, name).await);
    }
    for round in 0..5 {
        let publishes: Vec<_> = (0..EACH * names.len())
            .map(|index| json!({"channel": names[index % names.len()], "data": round * EACH + index / names.len()}))
            .collect();
        let body = json!({ "publishes": publishes }).to_string();
        let head = format!(
            "POST /v1/batch HTTP/1.1\r\nhost: hub\r\nauthorization: Bearer dev-key\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        let mut caller = TcpStream::connect(fleet.internal(0)).await.expect("connected");
        caller.write_all(format!("{head}{body}").as_bytes()).await.expect("written");
        let first = next(&mut heard[0]).await;
        drop(caller);
        assert_eq!(first.data.get(), (round * EACH).to_string());
        for (channel, heard) in heard.iter_mut().enumerate() {
            for index in usize::from(channel == 0)..EACH {
                assert_eq!(next(heard).await.data.get(), (round * EACH + index).to_string(), "{}", names[channel]);
            }
        }
    }
}
