//! Posts messages through the internal API, over one kept connection, one request after the other.

use std::net::SocketAddr;

use hubbub_protocol::limits;
use serde::Deserialize;

use crate::LoadError;
use crate::http::{Answer, Exchange, Server};

/// A connection to the internal API.
#[derive(Debug)]
pub struct Publisher {
    exchange: Exchange,
    headers: String,
}

/// One message of several.
#[derive(Clone, Debug)]
pub struct Item<'a> {
    /// The channel.
    pub channel: &'a str,
    /// JSON.
    pub data: String,
    /// The conflate key.
    pub conflate_key: Option<usize>,
}

/// What became of one of several messages.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Taken {
    /// It was accepted, at this offset; 0 on a channel without a log.
    Accepted(u64),
    /// It was not.
    Refused(String),
}

impl Publisher {
    /// Connects without TLS, with an API key.
    pub fn connect(internal: SocketAddr, key: &str) -> Result<Self, LoadError> {
        Self::at(&Server::plain(internal), key)
    }

    /// Connects, with an API key.
    pub fn at(internal: &Server, key: &str) -> Result<Self, LoadError> {
        let headers = format!("Authorization: Bearer {key}\r\nContent-Type: application/json\r\n");
        Ok(Self { exchange: Exchange::connect(internal)?, headers })
    }

    /// Publishes one message; its offset, 0 on a channel without a log.
    pub fn publish(&mut self, channel: &str, data: &str) -> Result<u64, LoadError> {
        let answer = self.post("/v1/publish", &format!(r#"{{"channel":"{channel}","data":{data}}}"#))?;
        last_offset(&answer)
    }

    /// Publishes one message under a key, so that it can be sent again; its offset.
    pub fn publish_once(&mut self, channel: &str, data: &str, key: &str) -> Result<u64, LoadError> {
        let answer = self.post("/v1/publish", &format!(r#"{{"channel":"{channel}","data":{data},"key":"{key}"}}"#))?;
        last_offset(&answer)
    }

    /// Publishes one message to each of these channels in one request, with a key under `<key>/0`, `<key>/1` …; the offsets.
    pub fn publish_each(&mut self, channels: &[&str], data: &str, key: Option<&str>) -> Result<Vec<u64>, LoadError> {
        let items = channels.iter().enumerate().map(|(number, channel)| match key {
            Some(key) => format!(r#"{{"channel":"{channel}","data":{data},"key":"{key}/{number}"}}"#),
            None => format!(r#"{{"channel":"{channel}","data":{data}}}"#),
        });
        let items = items.collect::<Vec<_>>().join(",");
        let answer = self.post("/v1/batch", &format!(r#"{{"publishes":[{items}]}}"#))?;
        let offsets: Vec<u64> = answer
            .match_indices(OFFSET)
            .filter_map(|(at, _)| crate::frame::digits(&answer.as_bytes()[at + OFFSET.len()..]))
            .collect();
        if offsets.len() != channels.len() {
            return Err(LoadError::Api(format!("a publish of a batch failed: {}", shortened(&answer))));
        }
        Ok(offsets)
    }

    /// Publishes several different messages in one request; what became of each.
    pub fn publish_items(&mut self, items: &[Item<'_>]) -> Result<Vec<Taken>, LoadError> {
        let texts = items.iter().map(|Item { channel, data, conflate_key }| match conflate_key {
            Some(key) => format!(r#"{{"channel":"{channel}","data":{data},"conflate_key":"key-{key}"}}"#),
            None => format!(r#"{{"channel":"{channel}","data":{data}}}"#),
        });
        let texts: Vec<_> = texts.collect();
        if let [one] = &texts[..] {
            return Ok(vec![Taken::Accepted(last_offset(&self.post("/v1/publish", one)?)?)]);
        }
        let answer = self.post("/v1/batch", &format!(r#"{{"publishes":[{}]}}"#, texts.join(",")))?;
        let results = serde_json::from_str::<Results>(&answer).map(|many| many.results);
        let results = results.map_err(|error| LoadError::Api(format!("batch: {error}: {}", shortened(&answer))))?;
        Ok(results.into_iter().map(ItemResult::taken).collect())
    }

    /// A counter of the node: the sum of its series whose label has one of these values, and of the one without a label.
    pub fn counter(&mut self, metric: &str, labels: &[&str]) -> Result<u64, LoadError> {
        Ok(sum_of(&self.get("/metrics")?, metric, labels))
    }

    /// Publishes so many copies of a message in one request; the last offset.
    pub fn publish_batch(&mut self, channel: &str, data: &str, count: usize) -> Result<u64, LoadError> {
        let item = format!(r#"{{"channel":"{channel}","data":{data}}}"#);
        let items = vec![item; count.clamp(1, limits::BATCH)].join(",");
        let answer = self.post("/v1/batch", &format!(r#"{{"publishes":[{items}]}}"#))?;
        if answer.contains(r#""problem":"#) {
            return Err(LoadError::Api(format!("a publish of a batch failed: {}", shortened(&answer))));
        }
        last_offset(&answer)
    }

    /// Publishes one message to many channels.
    pub fn broadcast(&mut self, channels: &[String], data: &str) -> Result<(), LoadError> {
        let channels = serde_json::to_string(channels).unwrap_or_default();
        self.post("/v1/broadcast", &format!(r#"{{"channels":{channels},"data":{data}}}"#)).map(drop)
    }

    /// Does or asks something in rooms; the answer.
    pub fn room(&mut self, op: &str, body: &serde_json::Value) -> Result<serde_json::Value, LoadError> {
        let answer = self.post(&format!("/v1/rooms/{op}"), &body.to_string())?;
        serde_json::from_str(&answer).map_err(|error| LoadError::Api(format!("{op}: {error}: {}", shortened(&answer))))
    }

    fn post(&mut self, path: &str, body: &str) -> Result<String, LoadError> {
        let answer = self.exchange.ask("POST", path, &self.headers, body)?;
        well(path, answer)
    }

    fn get(&mut self, path: &str) -> Result<String, LoadError> {
        let answer = self.exchange.ask("GET", path, "", "")?;
        well(path, answer)
    }
}

fn well(path: &str, answer: Answer) -> Result<String, LoadError> {
    if answer.is_well() {
        return Ok(answer.body);
    }
    Err(LoadError::Api(format!("{path}: {}: {}", answer.status, shortened(&answer.body))))
}

#[derive(Deserialize)]
struct Results {
    results: Vec<ItemResult>,
}

#[derive(Deserialize)]
struct ItemResult {
    offset: Option<u64>,
    problem: Option<serde_json::Value>,
}

impl ItemResult {
    fn taken(self) -> Taken {
        match self.problem {
            None => Taken::Accepted(self.offset.unwrap_or(0)),
            Some(problem) => Taken::Refused(shortened(&problem.to_string())),
        }
    }
}

const OFFSET: &str = r#""offset":"#;

fn last_offset(answer: &str) -> Result<u64, LoadError> {
    let Some(at) = answer.rfind(OFFSET) else { return Ok(0) };
    crate::frame::digits(&answer.as_bytes()[at + OFFSET.len()..])
        .ok_or_else(|| LoadError::Api(format!("no offset in {}", shortened(answer))))
}

/// Adds up lines like `name{label="value"} 12`.
fn sum_of(exposition: &str, metric: &str, labels: &[&str]) -> u64 {
    let lines = exposition.lines().filter_map(|line| line.strip_prefix(metric)?.rsplit_once(' '));
    let wanted = lines.filter(|(series, _)| {
        series.is_empty()
            || series.starts_with('{') && labels.iter().any(|label| series.contains(&format!("=\"{label}\"")))
    });
    wanted.filter_map(|(_, value)| value.parse::<f64>().ok()).sum::<f64>() as u64
}

pub(crate) fn shortened(text: &str) -> String {
    text.chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::sum_of;

    #[test]
    fn series_are_added_up_by_their_labels() {
        let text = "# TYPE a counter\na{question=\"read\"} 3\na{question=\"heads\"} 50\na{question=\"continuity\"} 4\nab 7\nb 2\n";
        assert_eq!(sum_of(text, "a", &["read", "continuity"]), 7);
        assert_eq!((sum_of(text, "b", &[]), sum_of(text, "c", &["read"])), (2, 0));
    }
}
