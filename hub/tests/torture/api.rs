//! The internal API of the nodes, as a service calls it. Repeats nothing by itself.

use std::net::SocketAddr;
use std::time::Duration;

use hubbub::config::development::API_KEY;
use hubbub_protocol::{Epoch, MessageId, Position};
use serde_json::{Value, json};

use crate::checker::Entry;

/// A call takes no longer than this: the hub's own limit and a little.
const CALL_WITHIN: Duration = Duration::from_secs(12);

/// Why a call did not succeed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The same call may succeed later.
    #[error("not now: {0}")]
    Later(String),
    /// It never will.
    #[error("refused: {0}")]
    Never(String),
}

/// A page of a log.
pub(crate) struct LogPage {
    pub(crate) entries: Vec<Entry>,
    pub(crate) head: Position,
    pub(crate) more: bool,
}

/// Calls one of several nodes.
#[derive(Clone)]
pub(crate) struct Api {
    http: reqwest::Client,
    nodes: Vec<SocketAddr>,
}

impl Api {
    pub(crate) fn new(nodes: Vec<SocketAddr>) -> Self {
        let http = reqwest::Client::builder().timeout(CALL_WITHIN).connect_timeout(Duration::from_secs(1)).no_proxy();
        Self { http: http.build().expect("a client"), nodes }
    }

    pub(crate) fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// Publishes several messages, each with its key as its data; the places of those that were taken, in their order.
    pub(crate) async fn batch(
        &self,
        node: usize,
        messages: &[(String, String)],
    ) -> Result<Vec<Option<Entry>>, Failure> {
        let publishes: Vec<Value> =
            messages.iter().map(|(channel, key)| json!({"channel": channel, "key": key, "data": key})).collect();
        let answer = self.post(node, "/v1/batch", json!({ "publishes": publishes })).await?;
        let results = answer["results"].as_array().filter(|results| results.len() == messages.len());
        let results = results.ok_or_else(|| Failure::Never(format!("not a result for each: {answer}")))?;
        results.iter().zip(messages).map(|(result, (_, key))| place_or_problem(result, key)).collect()
    }

    /// Publishes one message.
    pub(crate) async fn publish(&self, node: usize, channel: &str, key: &str) -> Result<Entry, Failure> {
        let body = json!({"channel": channel, "key": key, "data": key});
        place(&self.post(node, "/v1/publish", body).await?, key)
    }

    /// The next page of a log.
    pub(crate) async fn history(&self, node: usize, channel: &str, after: u64) -> Result<LogPage, Failure> {
        let path = format!("/v1/channels/{channel}/history?after={after}&limit=1000");
        let answer = self.get(node, &path).await?;
        let broken = || Failure::Never(format!("not a page: {answer}"));
        let epoch = epoch(&answer).ok_or_else(broken)?;
        let last = answer["last"].as_u64().ok_or_else(broken)?;
        let messages = answer["messages"].as_array().ok_or_else(broken)?;
        let entry = |message: &Value| {
            let key = message["key"].as_str().unwrap_or_default();
            let entry = place(message, key)?;
            // What an epoch kept of an older one belongs to it.
            Ok(Entry { position: Position::new(epoch, entry.position.offset), ..entry })
        };
        let entries = messages.iter().map(entry).collect::<Result<_, Failure>>()?;
        Ok(LogPage { entries, head: Position::new(epoch, last), more: answer["more"] == true })
    }

    /// Where a log ends.
    pub(crate) async fn head(&self, node: usize, channel: &str) -> Result<Position, Failure> {
        let answer = self.get(node, &format!("/v1/channels/{channel}")).await?;
        position(&answer).ok_or_else(|| Failure::Never(format!("no head: {answer}")))
    }

    /// Any other call with a body.
    pub(crate) async fn post(&self, node: usize, path: &str, body: Value) -> Result<Value, Failure> {
        answer(self.http.post(self.url(node, path)).json(&body)).await
    }

    /// Any other call without one.
    pub(crate) async fn get(&self, node: usize, path: &str) -> Result<Value, Failure> {
        answer(self.http.get(self.url(node, path))).await
    }

    fn url(&self, node: usize, path: &str) -> String {
        format!("http://{}{path}", self.nodes[node])
    }
}

async fn answer(request: reqwest::RequestBuilder) -> Result<Value, Failure> {
    // Connection refused, reset, timed out: whether it was done is not known.
    let later = |error: reqwest::Error| Failure::Later(error.to_string());
    let response = request.bearer_auth(API_KEY).send().await.map_err(later)?;
    let (status, text) = (response.status(), response.text().await.map_err(later)?);
    let value: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
    match status.as_u16() {
        200 => Ok(value),
        429 | 500.. => Err(Failure::Later(format!("{status}: {text}"))),
        _ => Err(Failure::Never(format!("{status}: {text}"))),
    }
}

fn place_or_problem(result: &Value, key: &str) -> Result<Option<Entry>, Failure> {
    match result["problem"]["status"].as_u64() {
        None => place(result, key).map(Some),
        Some(429 | 500..) => Ok(None),
        Some(_) => Err(Failure::Never(result.to_string())),
    }
}

fn place(answer: &Value, key: &str) -> Result<Entry, Failure> {
    let id = answer["id"].as_str().and_then(|id| MessageId::parse(id).ok());
    let (Some(id), Some(position)) = (id, position(answer)) else {
        return Err(Failure::Never(format!("no place: {answer}")));
    };
    Ok(Entry { position, id, key: key.to_owned() })
}

fn position(answer: &Value) -> Option<Position> {
    Some(Position::new(epoch(answer)?, answer["offset"].as_u64()?))
}

fn epoch(answer: &Value) -> Option<Epoch> {
    Epoch::parse(answer["epoch"].as_str()?).ok()
}
