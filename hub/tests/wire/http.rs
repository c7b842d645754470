//! Plain HTTP/1.1 over a socket, one request for each connection: what a test sends is what goes over the wire.

use std::net::SocketAddr;

use hubbub_protocol::{Epoch, Position};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::harness::{Hub, WITHIN};

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(of, _)| of.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A head and a body of known length, as they go over the wire.
pub(crate) fn request_text(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> String {
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: hub\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        text.push_str(&format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len()));
    }
    text + "\r\n" + body
}

/// Sends any bytes and reads until the other end closes.
pub(crate) async fn exchange(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.expect("connects");
    // The other end may answer and close before it has read everything.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = timeout(WITHIN, stream.read_to_end(&mut answer)).await.expect("the other end closes in time");
    answer
}

pub(crate) async fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let headers: Vec<_> = headers.iter().copied().chain([("connection", "close")]).collect();
    parse(&exchange(address, request_text(method, path, &headers, body).as_bytes()).await)
}

pub(crate) async fn get(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Answer {
    request(address, "GET", path, headers, "").await
}

fn parse(bytes: &[u8]) -> Answer {
    let text = String::from_utf8_lossy(bytes);
    let end = text.find("\r\n\r\n").unwrap_or_else(|| panic!("not an answer: {text:?}"));
    let (head, rest) = (text[..end].to_owned(), &bytes[end + 4..]);
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    let answer = Answer { status, head, body: Vec::new() };
    let chunked = answer.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
    let body = if chunked { unchunk(rest) } else { rest.to_vec() };
    Answer { body, ..answer }
}

fn unchunk(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = std::str::from_utf8(&rest[..end]).ok().and_then(|hex| usize::from_str_radix(hex, 16).ok());
        let Some(size) = size.filter(|size| *size > 0 && end + 2 + size <= rest.len()) else { break };
        body.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = rest.get(end + 4 + size..).unwrap_or_default();
    }
    body
}

/// What a service does over the internal port with the key of development.
impl Hub {
    /// The value of a counter or gauge in `/metrics`, summed over its labels.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let answer = get(self.internal, "/metrics", &[]).await;
        let of_name = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{']));
        let text = answer.text();
        text.lines().filter(of_name).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    /// Sends one publish as it is.
    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        request(self.internal, "POST", path, &[("authorization", "Bearer dev-key")], body).await
    }

    /// Publishes and answers with the place of the message; `None` without a log.
    pub(crate) async fn publish(&self, channel: &str, data: &str) -> Option<Position> {
        let answer = self.post("/v1/publish", &format!(r#"{{"channel":"{channel}","data":{data}}}"#)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        place(&answer.json())
    }

    /// Publishes the numbers of a range, in its order, in as few requests as there can be; answers with the last place.
    pub(crate) async fn publish_numbers(&self, channel: &str, numbers: std::ops::Range<u64>) -> Option<Position> {
        let numbers: Vec<u64> = numbers.collect();
        let mut last = None;
        for batch in numbers.chunks(1_000) {
            let items: Vec<_> = batch.iter().map(|n| format!(r#"{{"channel":"{channel}","data":{n}}}"#)).collect();
            let answer = self.post("/v1/batch", &format!(r#"{{"publishes":[{}]}}"#, items.join(","))).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            let json = answer.json();
            let results = json["results"].as_array().expect("results");
            assert!(results.len() == batch.len() && results.iter().all(|result| result["id"].is_string()), "{json}");
            last = results.last().and_then(place);
        }
        last
    }
}

fn place(json: &Value) -> Option<Position> {
    let epoch = Epoch::parse(json["epoch"].as_str()?).expect("an epoch");
    Some(Position::new(epoch, json["offset"].as_u64().expect("an offset")))
}
