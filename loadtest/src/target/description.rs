//! What the file of a target says, as TOML. A key that does not exist is an error that names it and those that do. Loadtest's
//! README describes each key.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::TargetError;
use crate::plan::settings::set;

/// How a server is spoken to.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// Its name in reports.
    pub name: String,
    /// What it is, in a sentence.
    #[serde(default)]
    pub about: String,
    /// What a channel of the scenario is called there. Default `{channel}`: the same.
    #[serde(default = "same")]
    pub channel: String,
    /// Placeholders of this file's own, such as the key of an application.
    #[serde(default)]
    pub values: BTreeMap<String, String>,
    /// The connection of a person.
    pub connect: Connect,
    /// How a channel is followed. Without it the path of the connection names the one channel.
    #[serde(default)]
    pub subscribe: Option<Subscribe>,
    /// What a delivered message looks like.
    #[serde(default)]
    pub message: Message,
    /// A ping of the server's own, above that of the WebSocket.
    #[serde(default)]
    pub ping: Option<Ping>,
    /// What says that a connection, subscription or publish was refused.
    #[serde(default)]
    pub refused: Vec<Recognised>,
    /// How something is published.
    #[serde(default)]
    pub publish: Publish,
}

/// The connection of a person.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connect {
    /// The path of the WebSocket, with its query.
    pub path: String,
    /// What is asked for as `Sec-WebSocket-Protocol`. Default none.
    #[serde(default)]
    pub subprotocol: Option<String>,
    /// More headers of the upgrade. Default none.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// How frames hold what is said. Default `message`.
    #[serde(default)]
    pub framing: Framing,
    /// What the server says first; nothing is sent before. Default: nothing.
    #[serde(default)]
    pub greeting: Option<Recognised>,
    /// Where the greeting holds `{session}`, as a JSON pointer, which may go on inside of a string that is JSON. Default none.
    #[serde(default)]
    pub session: Option<String>,
    /// What is sent first. Default: nothing.
    #[serde(default)]
    pub send: Option<String>,
    /// What answers that. Default: nothing, it holds at once.
    #[serde(default)]
    pub answer: Option<Recognised>,
}

/// How frames hold what is said.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Framing {
    /// A frame is one.
    #[default]
    Message,
    /// A frame is several lines, and each is one.
    Lines,
    /// The protocol of NATS: lines and payloads, cut anywhere, in binary frames. Its messages are understood without `message`.
    Nats,
}

/// How a channel is followed.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subscribe {
    /// What is sent for each channel.
    pub send: String,
    /// What `{signature}` in it signs, by HMAC-SHA256 with `--secret`. Default none.
    #[serde(default)]
    pub sign: Option<String>,
    /// What answers it, once for each. Default: nothing, it holds at once.
    #[serde(default)]
    pub answer: Option<Recognised>,
}

/// What a delivered message looks like.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// How it is told from all else. Default: it is whatever nothing else is.
    #[serde(default)]
    pub when: Option<Recognised>,
    /// Where the channel stands, as a JSON pointer. Default none: a person follows only one.
    #[serde(default)]
    pub channel: Option<String>,
    /// Where the data stands, as a JSON pointer: an object, or a string that holds it. Default none: all of it is data.
    #[serde(default)]
    pub data: Option<String>,
}

/// A ping of the server's own.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ping {
    /// What it looks like.
    pub when: Recognised,
    /// What it is answered with.
    pub send: String,
}

/// How something is recognised; all that is given must hold.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recognised {
    /// The whole text. Default any.
    #[serde(default)]
    pub is: Option<String>,
    /// How the text begins. Default any.
    #[serde(default)]
    pub starts_with: Option<String>,
    /// A place in the JSON that must be there, as a JSON pointer. Default none.
    #[serde(default)]
    pub has: Option<String>,
    /// What must stand in places of the JSON: pointer and text, number or truth. Default none.
    #[serde(default)]
    pub json: BTreeMap<String, Value>,
}

/// How something is published; one of both.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Publish {
    /// By a request for each message.
    #[serde(default)]
    pub http: Option<PublishHttp>,
    /// Over a WebSocket.
    #[serde(default)]
    pub socket: Option<PublishSocket>,
}

/// A request for each message.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishHttp {
    /// The method. Default POST.
    #[serde(default = "post")]
    pub method: String,
    /// The path, with its query.
    pub path: String,
    /// Headers beside `Host` and `Content-Length`. Default none.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: String,
    /// What `{signature}` signs, by HMAC-SHA256 with `--secret`. Default none.
    #[serde(default)]
    pub sign: Option<String>,
    /// Bodies that refuse although the status is 200 to 299. Default none.
    #[serde(default)]
    pub refused: Vec<Recognised>,
}

/// Over a WebSocket.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishSocket {
    /// What is sent.
    pub send: String,
    /// What answers it, in the order of publishing. Default: nothing, it counts as accepted when it is written.
    #[serde(default)]
    pub answer: Option<Recognised>,
}

impl Description {
    /// Reads a file called `name`, with changes from the command line.
    pub fn parse(name: &str, text: &str, settings: &[String]) -> Result<Self, TargetError> {
        let wrong =
            |error: toml::de::Error| TargetError::Toml(name.to_owned(), error.to_string().trim_end().to_owned());
        let mut table: Table = text.parse().map_err(wrong)?;
        for setting in settings {
            set(&mut table, setting)
                .map_err(|error| TargetError::Setting(error.to_string().trim_start_matches("--set ").to_owned()))?;
        }
        // Read from text where nothing was changed: errors then show the line.
        if settings.is_empty() { toml::from_str(text) } else { table.try_into() }.map_err(wrong)
    }
}

fn same() -> String {
    "{channel}".to_owned()
}

fn post() -> String {
    "POST".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = "name = \"x\"\n[connect]\npath = \"/\"\n";

    #[test]
    fn an_unknown_key_is_named_with_the_file_and_those_there_are() {
        for (more, key, there_is) in [
            ("paths = \"/\"\n", "`paths`", "`subprotocol`"),
            ("framing = \"line\"\n", "`line`", "`lines`"),
            ("[message]\nwhat = \"/x\"\n", "`what`", "`when`"),
            ("[publish.http]\nurl = \"/x\"\n", "`url`", "`path`"),
            ("[ping]\nwhen = { equals = \"x\" }\n", "`equals`", "`starts_with`"),
        ] {
            let error = Description::parse("my.toml", &format!("{LEAST}{more}"), &[]).expect_err(more).to_string();
            assert!(error.contains("my.toml") && error.contains(key) && error.contains(there_is), "{error}");
        }
    }

    #[test]
    fn the_command_line_changes_keys() {
        let settings = ["connect.path=/other".to_owned(), "values.key=\"7\"".to_owned()];
        let description = Description::parse("my.toml", LEAST, &settings).expect("right");
        assert_eq!((description.connect.path.as_str(), description.values["key"].as_str()), ("/other", "7"));
        let error = Description::parse("my.toml", LEAST, &["path".into()]).expect_err("no value").to_string();
        assert!(error.starts_with("--target-set path: "), "{error}");
    }
}
